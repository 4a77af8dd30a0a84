/* SPDX-License-Identifier: MIT */
/* Finds the script among the arguments of an interpreter: its options, as each interpreter's manual lists them, are a table. */
#include "base/service.h"

#include <stdbool.h>
#include <string.h>

/*
 * How an interpreter reads its options. Letters are those of POSIX-like options, which may be joined ("-uW ignore");
 * words, separated by blanks, are whole options. A value follows in the same argument ("-Wignore", "--require=x")
 * or in the next one.
 */
struct interpreter {
	const char *name; /* its program file's name begins so; digits and points may follow: python3.11 */
	const char *name_letters; /* the value is the script or module that runs: python -m pkg.mod */
	const char *code_letters; /* the value is the program text: no script */
	const char *value_letters;
	const char *joined_letters; /* a value, if any, only in the same argument: perl -i.bak */
	const char *code_words, *value_words;
};

#define NODE_CODE "-e --eval -p --print -pe"
#define NODE_VALUES                                                                                                              \
	"-r --require --import -C --conditions --loader --experimental-loader --input-type --title --icu-data-dir "              \
	"--openssl-config --redirect-warnings --diagnostic-dir --dns-result-order --unhandled-rejections "                       \
	"--cpu-prof-dir --heap-prof-dir --inspect-port --max-http-header-size --secure-heap --tls-cipher-list "                  \
	"--trace-event-categories --disable-warning --watch-path"
#define JAVA_VALUES                                                                                                              \
	"-cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules --limit-modules --add-exports "        \
	"--add-opens --add-reads --enable-native-access --source"

/* clang-format off */
static const struct interpreter interpreters[] = {
	{ "python", "m", "c", "WXQ", "", "", "--check-hash-based-pycs" },
	{ "node", "", "", "", "", NODE_CODE, NODE_VALUES },
	{ "nodejs", "", "", "", "", NODE_CODE, NODE_VALUES },
	{ "java", "", "", "", "", "", JAVA_VALUES },
	{ "ruby", "", "e", "rICEX", "FKTWxi", "", "--encoding --external-encoding --internal-encoding --enable --disable" },
	{ "perl", "", "eE", "I", "MmCiFdDxV", "", "" },
	{ "php", "fF", "rRBE", "tdczS", "", "--run --process-code --process-begin --process-end",
	  "--define --docroot --php-ini --zend-extension --server" },
};
/* clang-format on */
#define INTERPRETERS (sizeof(interpreters) / sizeof(interpreters[0]))

struct name {
	const char *at;
	size_t n;
};

static bool is_set(const char *s)
{
	return s && *s;
}

/* The last component of a path; trailing slashes do not count. Empty only for "" and "/". */
static struct name base_name(const char *path)
{
	size_t n = strlen(path), begin;

	while (n && path[n - 1] == '/')
		n--;
	begin = n;
	while (begin && path[begin - 1] != '/')
		begin--;
	return (struct name){path + begin, n - begin};
}

static struct name program_name(const char *const *argv, unsigned argc, const char *exe)
{
	static const char deleted[] = " (deleted)";
	struct name name = base_name(is_set(exe) ? exe : argc && argv[0] ? argv[0] : "");
	size_t n = sizeof(deleted) - 1;

	if (name.n > n && !memcmp(name.at + name.n - n, deleted, n))
		name.n -= n;
	return name;
}

static const struct interpreter *interpreter_of(struct name program)
{
	for (size_t i = 0; i < INTERPRETERS; i++) {
		size_t n = strlen(interpreters[i].name);

		if (program.n < n || memcmp(program.at, interpreters[i].name, n))
			continue;
		while (n < program.n && ((program.at[n] >= '0' && program.at[n] <= '9') || program.at[n] == '.'))
			n++;
		if (n == program.n)
			return &interpreters[i];
	}
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	while (*words) {
		size_t k = strcspn(words, " ");

		if (k == n && !memcmp(words, word, n))
			return true;
		words += k + (words[k] == ' ');
	}
	return false;
}

enum option { OPTION_ALONE, OPTION_VALUE, OPTION_NAME, OPTION_CODE };

/* What the joined letters behind '-' mean for the arguments that follow; *value: the rest of this argument, if it is a value. */
static enum option letters_option(const struct interpreter *in, const char *letters, const char **value)
{
	for (; *letters; letters++) {
		*value = letters[1] ? letters + 1 : NULL;
		if (strchr(in->name_letters, *letters))
			return OPTION_NAME;
		if (strchr(in->code_letters, *letters))
			return OPTION_CODE;
		if (strchr(in->value_letters, *letters))
			return OPTION_VALUE;
		if (strchr(in->joined_letters, *letters))
			return OPTION_ALONE;
	}
	return OPTION_ALONE;
}

static enum option option_of(const struct interpreter *in, const char *arg, const char **value)
{
	*value = NULL;
	if (has_word(in->code_words, arg))
		return OPTION_CODE;
	if (has_word(in->value_words, arg))
		return OPTION_VALUE;
	if (arg[1] == '-')
		return OPTION_ALONE;
	return letters_option(in, arg + 1, value);
}

/* The script that an interpreter runs, as its arguments name it; NULL without one (a prompt, -c CODE, standard input). */
static const char *script_of(const struct interpreter *in, const char *const *argv, unsigned argc)
{
	const char *value;

	for (unsigned i = 1; i < argc && argv[i]; i++) {
		if (!strcmp(argv[i], "--"))
			return i + 1 < argc ? argv[i + 1] : NULL;
		if (argv[i][0] != '-' && argv[i][0] != '@')
			return argv[i];
		if (!argv[i][1])
			return NULL;
		switch (option_of(in, argv[i], &value)) {
		case OPTION_CODE:
			return NULL;
		case OPTION_NAME:
			return value ? value : i + 1 < argc ? argv[i + 1] : NULL;
		case OPTION_VALUE:
			i += !value;
			break;
		case OPTION_ALONE:
			break;
		}
	}
	return NULL;
}

static struct name derived_name(const char *const *argv, unsigned argc, const char *exe)
{
	struct name program = program_name(argv, argc, exe), script = {NULL, 0};
	const struct interpreter *in = interpreter_of(program);
	const char *path = in ? script_of(in, argv, argc) : NULL;

	if (path)
		script = base_name(path);
	if (script.n)
		return script;
	return program.n ? program : (struct name){"unknown", 7};
}

static void copy_printable(char *out, size_t size, struct name s)
{
	size_t n = s.n < size ? s.n : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = s.at[i] >= ' ' && s.at[i] <= '~' ? s.at[i] : '?';
	out[n] = '\0';
}

void service_name(char *out, size_t size, const char *aftershock_service, const char *otel_service, const char *const *argv,
		  unsigned argc, const char *exe)
{
	const char *given = is_set(aftershock_service) ? aftershock_service : otel_service;

	copy_printable(out, size, is_set(given) ? (struct name){given, strlen(given)} : derived_name(argv, argc, exe));
}
