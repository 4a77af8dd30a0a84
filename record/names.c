/* SPDX-License-Identifier: MIT */
#include "record/names.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define LOOK(table, i) ((i) < sizeof(table) / sizeof(*table) ? table[i] : NULL)

const char *names_role(unsigned role)
{
	static const char *const names[] = {[JOURNAL_CLIENT] = "client", [JOURNAL_SERVER] = "server"};

	return LOOK(names, role);
}

const char *names_protocol(unsigned protocol)
{
	static const char *const names[] = {[JOURNAL_UNKNOWN] = "unknown", [JOURNAL_HTTP1] = "http1", [JOURNAL_HTTP2] = "http2",
					    [JOURNAL_TLS] = "tls", [JOURNAL_OPAQUE] = "opaque", [JOURNAL_REDIS] = "redis",
					    [JOURNAL_POSTGRESQL] = "postgresql", [JOURNAL_MEMCACHED] = "memcached"};

	return LOOK(names, protocol);
}

const char *names_outcome(unsigned outcome)
{
	static const char *const names[] = {[JOURNAL_OK] = "ok", [JOURNAL_FAILED] = "failed",
					    [JOURNAL_INDETERMINATE] = "indeterminate", [JOURNAL_NOT_SENT] = "not_sent"};

	return LOOK(names, outcome);
}

const char *names_end(unsigned end)
{
	static const char *const names[] = {[JOURNAL_LOCAL_CLOSE] = "local_close", [JOURNAL_PEER_CLOSE] = "peer_close",
					    [JOURNAL_RESET] = "reset", [JOURNAL_REFUSED] = "refused", [JOURNAL_TIMEOUT] = "timeout",
					    [JOURNAL_UNREACHABLE] = "unreachable", [JOURNAL_ABANDONED] = "abandoned",
					    [JOURNAL_EXITED] = "exited", [JOURNAL_UNRESOLVED] = "unresolved"};

	return LOOK(names, end);
}

const char *names_family(unsigned family)
{
	static const char *const names[] = {[ADDR_UNIX] = "unix", [ADDR_IP4] = "ip4", [ADDR_IP6] = "ip6",
					    [ADDR_NAME] = "name"};

	return LOOK(names, family);
}

const char *names_action(uint32_t action)
{
	static const char *const names[] = {"delay", "status", "refuse", "hang", "reset", "error", "truncate", "throttle", "resolve"};

	return action ? LOOK(names, (unsigned)__builtin_ctz(action)) : NULL;
}

const char *names_sources(unsigned sources)
{
	static const char *const names[] = {NULL, "shim", "ebpf", "shim,ebpf"};

	return LOOK(names, sources);
}

static const char *resolver_error(int eai)
{
	static const struct {
		int eai;
		const char *name;
	} names[] = {{EAI_AGAIN, "EAI_AGAIN"}, {EAI_NONAME, "EAI_NONAME"}, {EAI_FAIL, "EAI_FAIL"}, {EAI_NODATA, "EAI_NODATA"},
		     {EAI_MEMORY, "EAI_MEMORY"}, {EAI_SYSTEM, "EAI_SYSTEM"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].eai == eai)
			return names[i].name;
	return NULL;
}

const char *names_error(int error, char buf[16])
{
	const char *name = error > 0 ? strerrorname_np(error) : resolver_error(error - JOURNAL_EAI);

	if (name || !error)
		return name;
	if (error == JOURNAL_EOF || error == JOURNAL_CLOSED)
		return error == JOURNAL_EOF ? "eof" : "closed";
	snprintf(buf, 16, "E%d", error < 0 ? -error : error);
	return buf;
}
