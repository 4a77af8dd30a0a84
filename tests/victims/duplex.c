/* SPDX-License-Identifier: MIT */
/*
 * One connection, two threads: duplex PORT COUNT. One sends a request as soon as the other, which always waits in recv, has taken
 * the answer to the last. Prints how many answers came.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd, rounds, answers;
static sem_t answered;

static void *reader(void *unused)
{
	char buf[4096];

	while (answers < rounds && recv(fd, buf, sizeof(buf), 0) > 0) {
		answers++;
		sem_post(&answered);
	}
	return unused;
}

int main(int argc, char **argv)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pthread_t thread;

	if (argc != 3)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	rounds = atoi(argv[2]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || sem_init(&answered, 0, 0) || pthread_create(&thread, NULL, reader, NULL))
		return 1;
	for (int i = 0; i < rounds && send(fd, request, strlen(request), 0) > 0; i++)
		sem_wait(&answered);
	close(fd);
	pthread_join(thread, NULL);
	printf("%d\n", answers);
	return 0;
}
