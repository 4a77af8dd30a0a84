/* SPDX-License-Identifier: MIT */
/* Who calls whom: from connections and exchanges made by hand to edges. */
#include <stdlib.h>
#include <string.h>

#include "analyzer/link/graph.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define CONNECTIONS 40
#define EXCHANGES 40

/* Processes 0 to 2 are the services "a", "b" and "c"; -1: none. */
struct end {
	char role;	/* 'c' client, 's' server, '-' unknown, 0: there is no such connection */
	int process;
	const char *local, *peer;
};

struct call {		/* an exchange */
	char role;	/* as above; '!': of a client, and was not sent */
	int process, connection;
};

static struct model_process processes[3];
static struct model_connection connections[CONNECTIONS];
static struct model_exchange exchanges[EXCHANGES];
static struct model m;
static struct graph g;

static uint32_t index_of(int i)
{
	return i < 0 ? MODEL_NONE : (uint32_t)i;
}

static uint8_t role_of(char role)
{
	return role == 's' ? MODEL_SERVER : role == '-' ? MODEL_NO_ROLE : MODEL_CLIENT;
}

static void lay_out(const struct end *ends, size_t end_count, const struct call *calls, size_t call_count)
{
	m = (struct model){.processes = processes, .process_count = 3, .connections = connections, .exchanges = exchanges};
	for (size_t i = 0; i < 3; i++)
		processes[i].service = texts_add(&m.names, (const char *const[]){"a", "b", "c"}[i]);
	for (; m.connection_count < end_count && ends[m.connection_count].role; m.connection_count++) {
		const struct end *e = &ends[m.connection_count];

		connections[m.connection_count] = (struct model_connection){.process = index_of(e->process), .role = role_of(e->role),
									    .local = texts_add(&m.names, e->local), .peer = texts_add(&m.names, e->peer)};
	}
	for (; m.exchange_count < call_count && calls[m.exchange_count].role; m.exchange_count++) {
		const struct call *c = &calls[m.exchange_count];

		exchanges[m.exchange_count] = (struct model_exchange){.role = role_of(c->role), .process = index_of(c->process), .edge = MODEL_NONE,
								      .connection = index_of(c->connection), .sent = c->role != '!'};
	}
}

/* Edges as "client>server 2", which is how many attempts they have. */
static const char *edges(void)
{
	static char text[4096];

	*text = '\0';
	for (size_t i = 0; i < g.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s>%s %d", i ? ", " : "", texts_text(&m.names, g.edges[i].client),
			 texts_text(&m.names, g.edges[i].server), (int)g.edges[i].attempts);
	return text;
}

static const struct story {
	const char *sentence;
	struct end ends[5];
	struct call calls[5];
	const char *edges;
} stories[] = {
	{"a_call_goes_to_the_address", {{'c', 0, "1:1", "2:80"}}, {{'c', 0, 0}, {'c', 0, 0}}, "a>2:80 2"},
	{"or_to_who_was_recorded_there", {{'c', 0, "1:1", "2:80"}, {'s', 1, "2:80", "1:1"}}, {{'c', 0, 0}}, "a>b 1"},
	{"what_such_a_server_sees_is_the_same_call", {{'c', 0, "1:1", "2:80"}, {'s', 1, "2:80", "1:1"}}, {{'c', 0, 0}, {'s', 1, 1}}, "a>b 1"},
	{"of_others_it_comes_from_outside", {{'s', 1, "2:80", "9:9"}}, {{'s', 1, 0}}, "external>b 1"},
	{"a_port_that_serves_two_peers_is_told_by_the_peer", {{'c', 0, "1:1", "3:80"}, {'s', 2, "3:80", "1:1"}, {'s', 1, "2:80", "1:1"}}, {{'s', 1, 2}},
	 "external>b 1"},
	{"behind_a_nat_the_local_end_will_do", {{'c', 0, "1:1", "7:80"}, {'s', 1, "2:80", "1:1"}}, {{'s', 1, 1}}, ""},
	{"a_client_of_a_listener_is_not_behind_one", {{'c', 0, "1:1", "3:80"}, {'s', 2, "3:80", "5:5"}, {'s', 1, "2:80", "1:1"}}, {{'s', 1, 2}},
	 "external>b 1"},
	{"a_connection_without_a_known_role_listens_to_nothing", {{'c', 0, "1:1", "2:80"}, {'-', 1, "2:80", "1:1"}}, {{'c', 0, 0}}, "a>2:80 1"},
	{"nor_one_without_a_process", {{'c', 0, "1:1", "2:80"}, {'s', -1, "2:80", "1:1"}}, {{'c', 0, 0}}, "a>2:80 1"},
	{"nor_a_clients", {{'c', 0, "1:1", "2:80"}, {'c', 1, "2:80", "1:1"}}, {{'c', 0, 0}}, "a>2:80 1"},
	{"a_server_that_calls_from_where_it_listens_is_no_recorded_client", {{'s', 0, "1:1", "2:80"}, {'s', 1, "2:80", "1:1"}}, {{'s', 1, 1}},
	 "external>b 1"},
	{"without_a_peer_the_server_is_unknown", {{'c', 0, "1:1", ""}}, {{'c', 0, 0}}, "a>unknown 1"},
	{"or_with_one_that_has_no_name", {{'c', 0, "1:1", "unix:"}}, {{'c', 0, 0}}, "a>unknown 1"},
	{"or_that_is_none", {{'c', 0, "1:1", "-"}}, {{'c', 0, 0}}, "a>unknown 1"},
	{"without_a_connection_too", {{0}}, {{'c', 0, -1}}, "a>unknown 1"},
	{"without_a_process_the_client_is_unknown", {{'c', -1, "1:1", "2:80"}}, {{'c', -1, 0}}, "unknown>2:80 1"},
	{"one_without_a_role_is_no_call", {{'c', 0, "1:1", "2:80"}}, {{'-', 0, 0}}, ""},
	{"a_server_without_a_connection_is_called_from_outside", {{0}}, {{'s', 1, -1}}, "external>b 1"},

	/* a client whose own end is not known */
	{"who_reached_a_server_from_nowhere_is_its_client", {{'c', 0, "unix:", "/s"}, {'s', 1, "/s", "unix:"}}, {{'c', 0, 0}, {'s', 1, 1}}, "a>b 1"},
	{"who_sent_nothing_did_not", {{'c', 0, "unix:", "/s"}, {'s', 1, "/s", "unix:"}}, {{'!', 0, 0}, {'s', 1, 1}}, "a>b 1, external>b 1"},
	{"nor_who_has_no_connection", {{'s', 1, "/s", "unix:"}}, {{'c', 0, -1}, {'s', 1, 0}}, "a>unknown 1, external>b 1"},
	{"nor_who_reached_another", {{'c', 0, "unix:", "/t"}, {'s', 1, "/s", "unix:"}}, {{'c', 0, 0}, {'s', 1, 1}}, "a>/t 1, external>b 1"},
	{"nor_who_is_known", {{'c', 0, "1:1", "/s"}, {'s', 1, "/s", "unix:"}}, {{'c', 0, 0}, {'s', 1, 1}}, "a>b 1, external>b 1"},
	{"nor_who_reached_nowhere", {{'c', 0, "-", ""}, {'s', 1, "", "-"}}, {{'c', 0, 0}, {'s', 1, 1}}, "a>unknown 1, external>b 1"},
	{"nor_another_server", {{'s', 2, "unix:", "/s"}, {'s', 1, "/s", "unix:"}}, {{'s', 2, 0}, {'s', 1, 1}}, "external>c 1, external>b 1"},
	{"many_unnamed_ends_are_not_one", {{'c', 0, "-", "7:80"}, {'s', 1, "2:80", "-"}}, {{'s', 1, 1}}, "external>b 1"},
};

static void check_stories(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		lay_out(s->ends, 5, s->calls, 5);
		g = (struct graph){0};
		ok(!graph_build(&g, &m), "%s", s->sentence);
		is_str(edges(), s->edges, "%s", s->sentence);
		graph_free(&g);
		texts_free(&m.names);
	}
}

static bool outside(void)
{
	bool right = true;

	for (size_t i = 0; i < g.count; i++)
		right &= g.edges[i].external == !strcmp(texts_text(&m.names, g.edges[i].client), GRAPH_EXTERNAL);
	return right;
}

/* Who is called by nobody, who calls nobody, and who is reached: of a chain from outside with one that calls itself at its end. */
static void check_ends(void)
{
	static const struct end ends[] = {{'c', 0, "1:1", "2:80"}, {'s', 1, "2:80", "1:1"}, {'c', 1, "2:2", "3:80"}, {'s', 2, "3:80", "2:2"},
					  {'c', 2, "3:3", "3:80"}, {'s', 0, "1:80", "9:9"}};
	static const struct call calls[] = {{'c', 0, 0}, {'c', 1, 2}, {'c', 2, 4}, {'s', 0, 5}};
	uint32_t a, b, c, external;
	bool *lit;

	lay_out(ends, 6, calls, 4);
	g = (struct graph){0};
	ok(!graph_build(&g, &m), "a chain");
	a = processes[0].service, b = processes[1].service, c = processes[2].service, external = texts_add(&m.names, GRAPH_EXTERNAL);
	is_str(edges(), "external>a 1, a>b 1, b>c 1, c>c 1", "is told inwards");
	ok(outside(), "what comes from outside is marked");
	is_int((long long)g.name_count, m.names.count + 1, "there is room for each name");
	ok(graph_is_root(&g, external) && !graph_is_root(&g, a) && !graph_is_root(&g, c), "nobody calls who is outside");
	ok(graph_is_leaf(&g, c) && !graph_is_leaf(&g, b) && !graph_is_leaf(&g, external), "who calls only itself calls nobody");
	lit = calloc(g.name_count, sizeof(*lit));
	graph_reach(&g, b, lit);
	ok(lit[c] && !lit[b] && !lit[a] && !lit[external], "from the middle its end is reached");
	graph_reach(&g, external, lit);
	ok(lit[c] && lit[b] && lit[a] && !lit[external], "from outside all are");
	free(lit);
	graph_free(&g);
	texts_free(&m.names);
}

static struct end many_ends[CONNECTIONS];
static struct call many_calls[EXCHANGES];
static char many_peers[CONNECTIONS][8];

static int many_again(void)
{
	int err;
	unsigned long at = starved_at;

	starved_at = 0;
	lay_out(many_ends, CONNECTIONS, many_calls, EXCHANGES);
	starved_at = at;
	g = (struct graph){0};
	err = graph_build(&g, &m);
	return err;
}

static int many_once(void)
{
	int err = many_again();

	graph_free(&g);
	texts_free(&m.names);
	return err;
}

static void check_many(void)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		snprintf(many_peers[i], sizeof(many_peers[i]), "%d:80", 10 + i);
		many_ends[i] = (struct end){'c', 0, "1:1", many_peers[i]};
		many_calls[i] = (struct call){'c', 0, i};
	}
	ok(!many_again() && g.count == CONNECTIONS && g.edges[CONNECTIONS - 1].attempts == 1, "as_many_edges_as_there_are");
	graph_free(&g);
	texts_free(&m.names);
	ok(starved_says_so(many_once), "short_of_memory_it_says_so");
}

int main(void)
{
	check_stories();
	check_ends();
	check_many();
	return tap_done();
}
