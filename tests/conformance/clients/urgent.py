# SPDX-License-Identifier: MIT
"""A server that is sent nothing but a byte of urgent data: urgent.py PORT; prints what poll, select and epoll say of it within a second,
and whether they span meanwhile."""
import select
import socket
import sys
import time

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = socket.create_connection(server.getsockname())
connection = server.accept()[0]
client.send(b"u", socket.MSG_OOB)
poll, epoll = select.poll(), select.epoll()
poll.register(connection, select.POLLIN | select.POLLPRI)
epoll.register(connection, select.EPOLLIN | select.EPOLLPRI)
for wait in (lambda: [e for _, e in poll.poll(1000)], lambda: [len(x) for x in select.select([connection], [], [connection], 1)],
             lambda: [e for _, e in epoll.poll(1)]):
    began = time.process_time()
    print(wait(), time.process_time() - began > 0.3)
