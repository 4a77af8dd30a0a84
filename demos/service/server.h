/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 face of a service: one thread a connection, so that requests which wait for peers do not hold up others
 * and a step can be written as it is read. What is answered is dispatch.h's matter.
 */
#ifndef DEMOS_SERVICE_SERVER_H
#define DEMOS_SERVICE_SERVER_H

#include <stdint.h>

#include "demos/service/service.h"

struct server;

/* Begins to listen and to answer. 0, or the negative errno of why not. The service must outlive the server. */
int server_start(struct service *service, struct server **server);

/* The port it listens at. */
uint16_t server_port(const struct server *server);

/*
 * Takes no more connections, lets the requests at work end for as long as the configuration allows, then closes.
 * Returns how many requests were cut off. Frees the server.
 */
unsigned server_stop(struct server *server);

#endif
