# SPDX-License-Identifier: MIT
"""An HTTP/1.1 client that does exactly what it is told, over one connection: raw.py PORT < steps.json

Steps: ["send", text] one send · ["bytes", text] one send a byte · ["pieces", text, n] sends of n bytes ·
["read", METHOD] one answer to a request of that method · ["rest"] what comes until the end.
Prints a JSON list with one entry a read: [status, headers, body], or the name of what ended it.
"""
import json
import socket
import sys


class Raw:
    def __init__(self, port):
        self.socket, self.buffer = socket.create_connection(("127.0.0.1", port), timeout=10), b""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, text, n=None):
        data = text.encode("latin-1")
        for at in range(0, len(data), n or len(data)):
            self.socket.sendall(data[at:at + (n or len(data))])

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        return self.take(self.buffer.index(mark) + len(mark))

    def body(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return self.take(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.take(size)
            self.until(b"\r\n")
        self.until(b"\r\n")
        return body

    def read(self, method):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        empty = method == "HEAD" or status < 200 or status in (204, 304)
        return [status, headers, "" if empty else self.body(headers).decode("latin-1")]

    def rest(self):
        try:
            while True:
                self.more()
        except EOFError:
            return self.buffer.decode("latin-1")


def step(raw, answers, kind, *values):
    if kind == "send":
        raw.send(*values)
    elif kind == "bytes":
        raw.send(*values, 1)
    elif kind == "pieces":
        raw.send(*values)
    elif kind == "read":
        answers.append(raw.read(*values))
    elif kind == "rest":
        answers.append(raw.rest())


def main():
    raw, answers = Raw(int(sys.argv[1])), []
    try:
        for one in json.load(sys.stdin):
            step(raw, answers, *one)
    except (EOFError, OSError) as e:
        answers.append(type(e).__name__)
    print(json.dumps(answers))


main()
