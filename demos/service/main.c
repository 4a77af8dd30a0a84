/* SPDX-License-Identifier: MIT */
/*
 * service CONFIG.json: one node of a call graph. Says where it listens on its first line of output, serves until SIGTERM or
 * SIGINT, then finishes the requests at work. Exit status: 0 fine, 1 requests were cut off at the end, 2 it could not start.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "demos/service/server.h"

static const char usage[] =
	"usage: service CONFIG.json\n"
	"\n"
	"An HTTP/1.1 service whose routes call peers, ask stores, compute and answer as CONFIG.json says.\n"
	"It prints \"listening on ADDRESS:PORT\" once it is ready; port 0 lets the kernel choose.\n"
	"\n"
	"  GET /health, /health/live, /health/ready    GET /metrics    GET /status/breakers\n"
	"  GET, POST /admin/strategy\n"
	"\n"
	"example:\n"
	"  {\"name\": \"hello\", \"listen\": \"127.0.0.1:8080\",\n"
	"   \"routes\": [{\"path\": \"/\", \"steps\": [{\"answer\": 200, \"body\": \"hello\"}]}]}\n";

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "service: %s: %s\n", what, why);
	return 2;
}

/* Blocked in all threads, so that only main's sigwait() takes them; a peer that hangs up is an error code, not a signal. */
static void hold_signals(sigset_t *stop)
{
	sigemptyset(stop);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A request at work has connections to its client, to peers and to stores. A login has 1024 files, for the sake of select(), which nothing here uses. */
static void take_all_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int serve(struct service *service, const sigset_t *stop)
{
	char host[INET_ADDRSTRLEN];
	struct server *server;
	int signal_number, err = server_start(service, &server);
	unsigned cut_off;

	if (err)
		return complain("cannot listen", strerror(-err));
	inet_ntop(AF_INET, &service->config.address.sin_addr, host, sizeof(host));
	printf("listening on %s:%u\n", host, server_port(server));
	fflush(stdout);
	sigwait(stop, &signal_number);
	cut_off = server_stop(server);
	if (cut_off)
		fprintf(stderr, "service: stopped with %u requests unfinished\n", cut_off);
	return cut_off ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct service service;
	struct config config;
	char why[512];
	sigset_t stop;
	int status, err;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage, stdout) < 0;
	if (argc != 2)
		return complain("one argument is needed", "the configuration file; see service --help");
	hold_signals(&stop);
	take_all_files();
	if (config_load(argv[1], &config, why, sizeof(why)))
		return complain(argv[1], why);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	err = service_init(&service, &config);
	if (err) {
		config_free(&config);
		return complain(argv[1], strerror(-err));
	}
	status = serve(&service, &stop);
	service_clear(&service);
	curl_global_cleanup();
	return status;
}
