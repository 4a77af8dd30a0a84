/* SPDX-License-Identifier: MIT */
/*
 * Starting COMMAND: where it is, where the library is, its environment, and a child that waits at a gate so that
 * witnesses can follow it before its first instruction. The child gets the signal mask and dispositions that
 * `aftershock` itself was started with, and stays in its process group and session: the terminal works as without us.
 * Single-threaded use per struct; a heartbeat thread may run beside (only async-signal-safe calls between fork and exec).
 */
#ifndef AFTERSHOCK_CLI_LAUNCH_H
#define AFTERSHOCK_CLI_LAUNCH_H

#include <signal.h>
#include <sys/types.h>

#define LAUNCH_PATH_MAX 4096

/* The file that execvp(3) would run. 0; -ENOENT, -EACCES or other -errno, with one sentence in error. */
int launch_find(const char *command, char path[LAUNCH_PATH_MAX], char *error, unsigned error_size);

/* libaftershock.so: $AFTERSHOCK_LIB, else beside this executable, else ../lib/aftershock/. 0 or -errno with one sentence. */
int launch_library(char path[LAUNCH_PATH_MAX], char *error, unsigned error_size);

/* environ with AFTERSHOCK_RUN=dir and the library in front of LD_PRELOAD. malloc'd; freed by launch_free_environment(). NULL: no memory. */
char **launch_environment(const char *run_dir, const char *library);
void launch_free_environment(char **environment);

struct launch_signals {	/* what we changed for ourselves and give back to the child */
	sigset_t mask;
	struct sigaction pipe, xfsz, chld;
};

/* Blocks what `run` handles (SIGINT SIGTERM SIGHUP SIGQUIT SIGCHLD) and ignores SIGPIPE and SIGXFSZ. Returns a signalfd or -errno. */
int launch_signals_take(struct launch_signals *s);

struct launch {
	pid_t pid;
	int gate;	/* write end: one byte lets the child go, closing it ends the child */
	int outcome;	/* read end: errno of a failed exec, or end of file */
};

/* Forks a child that waits. argv[0] stays as given; a file without #! is run by /bin/sh as execvp(3) does. 0 or -errno. */
int launch_wait(struct launch *l, const char *path, char **argv, char **environment, const struct launch_signals *s);

/* Lets it go; 0 once exec has worked, else the -errno of exec (the child has ended then, and is reaped). */
int launch_go(struct launch *l);

/* Ends a child that was not let go, and reaps it. */
void launch_cancel(struct launch *l);

#endif
