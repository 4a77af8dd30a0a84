/* SPDX-License-Identifier: MIT */
/* The demo service's templates: what each name stands for, as text, in an URL and as a value with its type. */
#include "demos/service/values.h"
#include "tests/lib/tap.h"

static const char scope[] =
	"{\"body\":{\"amount\":99.5,\"whole\":3,\"big\":1234567890123,\"huge\":1e300,\"yes\":true,\"none\":null,\"text\":\"a b/\\u00e9?\","
	"\"list\":[10,{\"deep\":\"x\"}],\"empty\":\"\",\"quote\":\"\\\"\",\"dollar\":\"${path.id}\"},"
	"\"path\":{\"id\":\"42\"},\"header\":{\"idempotency-key\":\"k 1\\r\\nX: y\"},\"order\":\"plain\"}";

static const struct {
	const char *template, *text, *url;
} texts[] = {
	{"", "", ""},
	{"no names", "no names", "no names"},
	{"/o/${path.id}/x", "/o/42/x", "/o/42/x"},
	{"${path.id}${path.id}", "4242", "4242"},
	{"${body.whole}", "3", "3"},
	{"${body.amount}", "99.5", "99.5"},
	{"${body.big}", "1234567890123", "1234567890123"},
	{"${body.huge}", "1e+300", "1e%2B300"},
	{"${body.yes}", "true", "true"},
	{"<${body.none}>", "<>", "<>"},
	{"<${body.nix}>", "<>", "<>"},
	{"<${nix.nix.nix}>", "<>", "<>"},
	{"${body.list.0}", "10", "10"},
	{"${body.list.1.deep}", "x", "x"},
	{"<${body.list.2}>", "<>", "<>"},
	{"<${body.list.-1}>", "<>", "<>"},
	{"<${body.list.1x}>", "<>", "<>"},
	{"<${body.list.}>", "<>", "<>"},
	{"<${body.list.99999999999999999999}>", "<>", "<>"},
	{"<${body.whole.x}>", "<>", "<>"},
	{"<${body.who}>", "<>", "<>"},
	{"<${body.wholesale}>", "<>", "<>"},
	{"${body.list}", "[10,{\"deep\":\"x\"}]", "%5B10%2C%7B%22deep%22%3A%22x%22%7D%5D"},
	{"/q?t=${body.text}", "/q?t=a b/\303\251?", "/q?t=a%20b%2F%C3%A9%3F"},
	{"${header.idempotency-key}", "k 1\r\nX: y", "k%201%0D%0AX%3A%20y"},
	{"${order}", "plain", "plain"},
	{"${body.dollar}", "${path.id}", "%24%7Bpath.id%7D"},
	{"${path.id", "${path.id", "${path.id"},
	{"$ {x} $1 }", "$ {x} $1 }", "$ {x} $1 }"},
	{"<${}>", "<>", "<>"},
	{"<${.}>", "<>", "<>"},
};

static const struct {
	const char *template, *tree;
} trees[] = {
	{"\"${body.amount}\"", "99.5"},
	{"\"${body.list}\"", "[10,{\"deep\":\"x\"}]"},
	{"\"${body.nix}\"", "null"},
	{"\"${body.none}\"", "null"},
	{"\"n ${body.whole}\"", "\"n 3\""},
	{"\"${body.whole}${path.id}\"", "\"342\""},
	{"\"${body.quote}x\"", "\"\\\"x\""},
	{"\"${body.dollar}\"", "\"${path.id}\""},
	{"{\"a\":\"${path.id}\",\"b\":[1,true,null,\"${body.yes}\"],\"${path.id}\":{}}",
	 "{\"a\":\"42\",\"b\":[1,true,null,true],\"${path.id}\":{}}"},
	{"[]", "[]"},
	{"7", "7"},
};

static void check_texts(const cJSON *values)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char *text = values_text(values, texts[i].template), *url = values_url(values, texts[i].template);

		is_str(text, texts[i].text, "text: %s", texts[i].template);
		is_str(url, texts[i].url, "url: %s", texts[i].template);
		free(text);
		free(url);
	}
}

static void check_trees(const cJSON *values)
{
	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++) {
		cJSON *template = cJSON_Parse(trees[i].template), *tree = values_tree(values, template);
		char *got = cJSON_PrintUnformatted(tree);

		is_str(got, trees[i].tree, "tree: %s", trees[i].template);
		free(got);
		cJSON_Delete(tree);
		cJSON_Delete(template);
	}
}

static bool note(void *context, const char *name, size_t length)
{
	char *seen = context;

	snprintf(seen + strlen(seen), 200 - strlen(seen), "[%.*s]", (int)length, name);
	return length && strncmp(name, "stop", length);
}

static void check_names(void)
{
	static const struct {
		const char *template, *names;
		int accepted;
	} table[] = {
		{"{\"a\":\"${x.y} ${z}\",\"b\":[\"${w}\",3]}", "[x.y][z][w]", 1},
		{"\"none\"", "", 1},
		{"\"${x} ${y\"", "[x][]", 0},
		{"[\"${stop}\",\"${x}\"]", "[stop]", 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		cJSON *template = cJSON_Parse(table[i].template);
		char seen[200] = "";

		is_int(values_names(template, note, seen), table[i].accepted, "names are gone through: %s", table[i].template);
		is_str(seen, table[i].names, "in order");
		is_int(values_mention(template, "${"), !!strstr(table[i].template, "${"), "mentioned");
		cJSON_Delete(template);
	}
}

int main(void)
{
	cJSON *values = cJSON_Parse(scope);

	check_texts(values);
	check_trees(values);
	check_names();
	cJSON_Delete(values);
	return tap_done();
}
