/* SPDX-License-Identifier: MIT */
/*
 * Many short lives: brief PORT N has N children, one after the other; each gets /I from 127.0.0.1:PORT and exits with I % 100.
 * Of two, the second does it in a new image, which its environment calls `odd`. brief PORT I get: one life.
 * Waits for a line on stdin before it begins.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int get(int port, int i)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;
	char text[512];

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return 255;
	n = snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", i);
	if (write(fd, text, (size_t)n) != n)
		return 255;
	while ((n = (int)read(fd, text, sizeof(text))) > 0)
		;
	return n ? 255 : i % 100;
}

static void live(const char *self, char *port, int i)
{
	char number[16];
	char *argv[] = {(char *)"brief", port, number, (char *)"get", NULL}, *env[] = {(char *)"OTEL_SERVICE_NAME=odd", NULL};

	if (i % 2 == 0)
		_exit(get(atoi(port), i));
	snprintf(number, sizeof(number), "%d", i);
	execve(self, argv, env);
	_exit(255);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, status, wrong = 0;

	if (argc == 4)
		return get(atoi(argv[1]), n);
	if (argc != 3 || getchar() == EOF)
		return 2;
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			live("/proc/self/exe", argv[1], i);
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != i % 100)
			wrong++;
	}
	return wrong > 0;
}
