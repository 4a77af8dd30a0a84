/* SPDX-License-Identifier: MIT */
/* Readers of "strategies" and "peers", for the table of the whole configuration. Thread-safe. */
#ifndef DEMOS_SERVICE_CONFIG_PEERS_H
#define DEMOS_SERVICE_CONFIG_PEERS_H

#include "demos/service/config.h"
#include "demos/service/fields.h"

/* Both fill the struct config at `into`; "strategies" is read first. */
int config_strategies(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_peers(struct fields *f, const struct field *field, const cJSON *value, void *into);

/* Each configuration has a strategy called "none", so that a peer without one has one too. 0 or -ENOMEM. */
int config_single_attempt(struct config *c);

#endif
