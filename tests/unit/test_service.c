/* SPDX-License-Identifier: MIT */
/* The service name of a process, from its environment, arguments and program file. */
#include "base/service.h"
#include "tests/lib/tap.h"

#define ARGS_MAX 12

/* The name of a command line (arguments separated by '|') whose program file is exe. */
static const char *name_of(const char *exe, const char *line)
{
	static char out[SERVICE_NAME_MAX];
	const char *argv[ARGS_MAX + 1] = {NULL};
	char *copy = strdup(line), *save = NULL;
	unsigned argc = 0;

	for (char *a = strtok_r(copy, "|", &save); a && argc < ARGS_MAX; a = strtok_r(NULL, "|", &save))
		argv[argc++] = a;
	service_name(out, sizeof(out), NULL, "", argv, argc, exe);
	free(copy);
	return out;
}

/* clang-format off */
static const struct {
	const char *exe;
	char line[80], want[24];
} examples[] = {
	{ "/usr/sbin/nginx", "nginx: master process", "nginx" },
	{ "/opt/a b/my-app", "x", "my-app" },
	{ "/srv/orders (deleted)", "./orders", "orders" },
	{ NULL, "./bin/orders|--port|80", "orders" },
	{ "", "orders", "orders" },
	{ "/usr/bin/python3.11", "python3|/srv/app.py|--port|80", "app.py" },
	{ "/usr/bin/python3.11", "python3|-u|app.py", "app.py" },
	{ "/usr/bin/python3.11", "python3|-uBW|ignore|app.py", "app.py" },
	{ "/usr/bin/python3.11", "python3|-Wignore|-X|dev|app.py", "app.py" },
	{ "/usr/bin/python3.11", "python3|-m|pkg.mod|x.py", "pkg.mod" },
	{ "/usr/bin/python3.11", "python3|-Im|pkg.mod", "pkg.mod" },
	{ "/usr/bin/python3.11", "python3|-mhttp.server", "http.server" },
	{ "/usr/bin/python3.11", "python3|-c|print(1)|x.py", "python3.11" },
	{ "/usr/bin/python3.11", "python3|-|x.py", "python3.11" },
	{ "/usr/bin/python3.11", "python3", "python3.11" },
	{ "/usr/bin/python3.11", "python3|-m", "python3.11" },
	{ "/usr/bin/python3.11", "python3|-W", "python3.11" },
	{ "/usr/bin/python3.11", "python3|/srv/app/", "app" },
	{ "/usr/bin/python3.11", "python3|/", "python3.11" },
	{ "/usr/bin/pythonista", "pythonista|x.py", "pythonista" },
	{ NULL, "python3|app.py", "app.py" },
	{ "/usr/bin/node", "node|--inspect|server.js", "server.js" },
	{ "/usr/bin/node", "node|-r|dotenv/config|server.js", "server.js" },
	{ "/usr/bin/node", "node|--require=x|/srv/server.mjs", "server.mjs" },
	{ "/usr/bin/node", "node|-e|1|x.js", "node" },
	{ "/usr/bin/nodejs", "nodejs|server.js", "server.js" },
	{ "/usr/lib/jvm/bin/java", "java|-Xmx1g|-jar|/srv/shop.jar|x", "shop.jar" },
	{ "/usr/lib/jvm/bin/java", "java|-jar|-Dx=y|shop.jar", "shop.jar" },
	{ "/usr/lib/jvm/bin/java", "java|-cp|a.jar:b.jar|com.acme.Main|x", "com.acme.Main" },
	{ "/usr/lib/jvm/bin/java", "java|-cp|a.jar|Main", "Main" },
	{ "/usr/lib/jvm/bin/java", "java|--add-opens|java.base/java.lang=ALL-UNNAMED|-m|shop/com.acme.Main", "com.acme.Main" },
	{ "/usr/lib/jvm/bin/java", "java|@options|Main", "Main" },
	{ "/usr/bin/ruby3.1", "ruby|-Ilib|-r|json|bin/rails|server", "rails" },
	{ "/usr/bin/ruby3.1", "ruby|--enable=gems|app.rb", "app.rb" },
	{ "/usr/bin/php8.2", "php|--file|app.php", "app.php" },
	{ "/usr/bin/ruby3.1", "ruby|-ne|puts|x.rb", "ruby3.1" },
	{ "/usr/bin/perl", "perl|-w|-MJSON|-I|lib|/srv/app.pl", "app.pl" },
	{ "/usr/bin/perl", "perl|-i.bake|app.pl", "app.pl" },
	{ "/usr/bin/perl", "perl|-lane|print|x", "perl" },
	{ "/usr/bin/perl", "perl|--|-odd.pl", "-odd.pl" },
	{ "/usr/bin/php8.2", "php|-d|memory_limit=1G|-f|/srv/index.php", "index.php" },
	{ "/usr/bin/php8.2", "php|-S|127.0.0.1:80|router.php", "router.php" },
	{ "/usr/sbin/php-fpm8.2", "php-fpm: master", "php-fpm8.2" },
	{ "/usr/bin/dash", "/bin/sh|/srv/start.sh", "dash" },
	{ "/usr/bin/caf\xc3\xa9\n", "x", "caf???" },
	{ NULL, "", "unknown" },
	{ "/", "", "unknown" }
};
/* clang-format on */

static void check_environment(void)
{
	const char *argv[] = {"app", NULL};
	char out[SERVICE_NAME_MAX], small[5];

	service_name(out, sizeof(out), "a/b", "c", argv, 1, "/bin/app");
	is_str(out, "a/b", "AFTERSHOCK_SERVICE comes first and is taken whole");
	service_name(out, sizeof(out), "", "c", argv, 1, "/bin/app");
	is_str(out, "c", "OTEL_SERVICE_NAME comes when AFTERSHOCK_SERVICE is empty");
	service_name(out, sizeof(out), NULL, NULL, NULL, 0, "/bin/app");
	is_str(out, "app", "no arguments at all do no harm");
	service_name(out, sizeof(out), "a\tb", NULL, argv, 1, "/bin/app");
	is_str(out, "a?b", "bytes that cannot be printed become '?'");
	service_name(small, sizeof(small), "orders", NULL, argv, 1, "/bin/app");
	is_str(small, "orde", "a name that does not fit is cut");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		is_str(name_of(examples[i].exe, examples[i].line), examples[i].want, "%s is called %s", examples[i].line,
		       examples[i].want);
	check_environment();
	return tap_done();
}
