/* SPDX-License-Identifier: MIT */
/* `aftershock watch`: what happens in a run, once a second while it is going, then what happened in all of it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "analyzer/face/face.h"
#include "analyzer/face/table.h"
#include "analyzer/stats/show.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/liverun.h"
#include "cli/scene.h"

#define PATH_BYTES 4096
#define SENTENCE_MAX 4608
#define APPEAR_NS (5 * NS_PER_S)	/* from a run's start until there is a run file; tracers take a while to load */
#define PHASE_NS (500 * NS_PER_MS)	/* from a second's end until it is shown: by then its rows are written */
#define NAME_MIN 12			/* columns of an edge's or a fault's name, at least */
#define FIGURES 68			/* columns that the figures of an edge take */

struct watch {
	char path[PATH_BYTES];
	int file, signals;	/* file: to see whether somebody writes it */
	uint64_t started_ns;
	bool screen, stopped;
	unsigned columns, rows;
	struct scene scene;
};

static const struct cli_option options[] = {{0}};

static const struct cli_usage usage = {
	.synopsis = "watch [RUN]",
	.about = "Shows, once a second, what happens in a run while it is going: for each edge (a service and whom it calls) requests and attempts\n"
		 "a second, attempts per request in the last 10 s, errors, the times that half and 99 % of the exchanges took at most; the faults\n"
		 "and how often they fired; bursts of retries; what was lost. RUN is the name of a run ('aftershock run', 'aftershock env'), the\n"
		 "directory of one, or a run file, also that of 'aftershock trace'; without it, the only run that is going. Ends by itself, with\n"
		 "the figures of the whole run, when the run is over; Ctrl-C ends the view, not the run.\n"
		 "On a terminal it is one screen; else lines of key=value, a blank in a value is \\x20. NO_COLOR is honoured.",
	.options = options,
	.more = "Examples:\n"
		"  aftershock watch\n"
		"  aftershock watch lab\n"
		"  aftershock watch aftershock-trace-1.db\n"
		"  aftershock watch lab | grep --line-buffered kind=edge\n\n"
		"Exit status: 0 the run is over, or Ctrl-C; 2 there is no such run, or its file can not be read (one sentence says why).",
};

/* ---- finding it ---- */

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

/* A run is there a moment before its file. */
static int wait_for_output(struct watch *w, const char *dir)
{
	uint64_t end = clock_now_ns() + APPEAR_NS;
	int err, pid, lock = 0;

	while ((err = rundir_output(dir, w->path, sizeof(w->path))) == -ENOENT && lock >= 0 && clock_now_ns() < end) {
		lock = rundir_controller(dir, &pid);
		if (lock >= 0) {
			close(lock);
			poll(NULL, 0, 20);
		}
	}
	return err;
}

static int find_live(struct watch *w, const char *name)
{
	char error[SENTENCE_MAX];
	struct liverun live;
	int err = liverun_find(&live, name, true, error, sizeof(error));

	if (err && name)
		return cli_error("there is no run file '%s', and %s", name, error);
	if (err)
		return cli_error("%s", error);
	err = wait_for_output(w, live.path);
	if (err == -EACCES || err == -EPERM)
		return cli_error("the run at '%s' belongs to another user: only its owner or root may watch it", live.path);
	if (err && name && strchr(name, '/'))
		return cli_error("'%s' is neither a run file nor the directory of a run that is going on", name);
	return err ? cli_error("run '%s' does not say where its run file is: it is over, or of another version of aftershock", live.name) : 0;
}

static int find(struct watch *w, const char *name)
{
	int status = 0;
	char error[SENTENCE_MAX];

	if (!name || !is_file(name))
		status = find_live(w, name);
	else if (snprintf(w->path, sizeof(w->path), "%s", name) >= (int)sizeof(w->path))
		status = cli_error("the path '%.64s...' is too long", name);
	if (!status && scene_began(w->path, &w->started_ns, error, sizeof(error)))
		status = cli_error("%s", error);
	return status;
}

/* ---- figures ---- */

static double seconds_of(const struct scene *s)
{
	double seconds = s->second != SCENE_WHOLE ? 1 : s->ended_ns > s->started_ns ? (double)(s->ended_ns - s->started_ns) / NS_PER_S : 0;

	return seconds > 0.001 ? seconds : 0.001;
}

static const char *rate(const struct scene *s, uint64_t n, char *buf)
{
	double v = (double)n / seconds_of(s);

	snprintf(buf, 64, "%.*f", v >= 99.95 || s->second != SCENE_WHOLE ? 0 : 1, v);
	return buf;
}

static uint64_t firsts(const struct scene_counts *c)
{
	return c->attempts > c->retries ? c->attempts - c->retries : 0;
}

static const char *amplification(const struct scene_edge *e, const char *unit, char *buf)
{
	if (e->inbound || !firsts(&e->recent))
		return strcpy(buf, "-");
	snprintf(buf, 64, "%.2f%s", (double)e->recent.attempts / (double)firsts(&e->recent), unit);
	return buf;
}

static const char *took(uint64_t ns, char *buf)
{
	return ns ? show_ms((double)ns / NS_PER_MS, buf) : strcpy(buf, "-");
}

static unsigned active(const struct scene *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->fault_count; i++)
		n += !strcmp(s->faults[i].state, "on");
	return n;
}

/* Hits in the second that is shown: since the last look. */
static uint64_t hits(const struct scene *s, const struct scene_fault *f)
{
	return s->second == SCENE_WHOLE ? f->fired : f->fired > f->fired_before ? f->fired - f->fired_before : 0;
}

/* ---- lines ---- */

/* One word whatever it is: blanks are shown as \x20. */
static void print_value(const char *key, const char *value)
{
	printf(" %s=", key);
	for (const char *p = *value ? value : "-"; *p; p++)
		fputs(*p == ' ' ? "\\x20" : (char[]){*p, '\0'}, stdout);
}

static void begin_line(const struct scene *s, const char *kind)
{
	if (s->second == SCENE_WHOLE)
		printf("second=all kind=%s", kind);
	else
		printf("second=%u kind=%s", s->second, kind);
}

static void line_of_edge(const struct scene *s, const struct scene_edge *e)
{
	char a[64], b[64], c[64], d[64], p50[64], p99[64];

	begin_line(s, "edge");
	print_value("client", e->client);
	print_value("server", e->server);
	printf(" requests_per_s=%s attempts_per_s=%s amplification=%s errors_per_s=%s p50_ms=%s p99_ms=%s\n",
	       rate(s, firsts(&e->now), a), rate(s, e->now.attempts, b), amplification(e, "", c), rate(s, e->now.errors, d),
	       took(e->p50_ns, p50), took(e->p99_ns, p99));
}

static void print_lines(const struct watch *w)
{
	const struct scene *s = &w->scene;
	char buf[64];

	begin_line(s, "run");
	print_value("name", s->name);
	printf(" edges=%zu faults_on=%u bursts=%llu lost=%llu left_out=%llu", s->edge_count, active(s), (unsigned long long)s->bursts,
	       (unsigned long long)s->lost, (unsigned long long)s->left_out);
	if (s->second == SCENE_WHOLE)
		printf(" seconds=%.1f clean_end=%d", seconds_of(s), s->clean_end);
	putchar('\n');
	for (size_t i = 0; i < s->edge_count; i++)
		line_of_edge(s, &s->edges[i]);
	for (size_t i = 0; i < s->fault_count; i++) {
		begin_line(s, "fault");
		print_value("name", s->faults[i].name);
		printf(" state=%s fired_per_s=%s fired=%llu matched=%llu\n", s->faults[i].state, rate(s, hits(s, &s->faults[i]), buf),
		       (unsigned long long)s->faults[i].fired, (unsigned long long)s->faults[i].matched);
	}
	for (size_t i = 0; i < s->loss_count; i++) {
		begin_line(s, "loss");
		print_value("source", s->losses[i].source);
		print_value("reason", s->losses[i].reason);
		printf(" count=%llu\n", (unsigned long long)s->losses[i].count);
	}
}

/* ---- a page: what a terminal shows ---- */

/* At most n columns of text (characters; wide ones are the terminal's to cut), "..." in the place of what is cut. */
static void cut(char *out, size_t size, const char *text, unsigned n)
{
	size_t at = 0, kept = 0;
	unsigned columns = 0;

	for (; text[at] && columns <= n; at++) {
		if (((unsigned char)text[at] & 0xc0) == 0x80)
			continue;
		if (columns++ + 3 <= n)
			kept = at;
	}
	if (columns <= n && !text[at])
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "%.*s...", (int)kept, text);
}

static unsigned columns_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* "client -> server": where both do not fit, each has half of the room, or what the other leaves. */
static void name_edge(char *out, size_t size, const struct scene_edge *e, unsigned room)
{
	unsigned names = room - 4, server = columns_of(e->server), half = names / 2;
	char a[512], b[512];

	cut(a, sizeof(a), e->client, server < names - half ? names - server : half);
	cut(b, sizeof(b), e->server, names - columns_of(a));
	snprintf(out, size, "%s -> %s", a, b);
}

static unsigned room_for_names(const struct watch *w)
{
	return w->columns > FIGURES + NAME_MIN ? w->columns - FIGURES : NAME_MIN;
}

/* rows: how many there is room for; the rest is told of in one line. */
static void table_of_edges(const struct watch *w, FILE *out, unsigned rows)
{
	static const char *const titles[] = {"EDGE", "REQUESTS/S", "ATTEMPTS/S", "AMPLIFICATION", "ERRORS/S", "P50 ms", "P99 ms"};
	const struct scene *s = &w->scene;
	size_t shown = s->edge_count <= rows ? s->edge_count : rows ? rows - 1 : 0;
	struct table t;
	char name[1040], buf[64];

	table_init(&t, 7);
	for (size_t i = 0; i < 7; i++)
		table_cell(&t, "%s", titles[i]);
	for (size_t i = 0; i < shown; i++) {
		const struct scene_edge *e = &s->edges[i];

		name_edge(name, sizeof(name), e, room_for_names(w));
		table_cell(&t, "%s", name);
		table_cell(&t, "%s", rate(s, firsts(&e->now), buf));
		table_cell(&t, "%s", rate(s, e->now.attempts, buf));
		table_cell(&t, "%s", amplification(e, "x", buf));
		table_cell(&t, "%s", rate(s, e->now.errors, buf));
		table_cell(&t, "%s", took(e->p50_ns, buf));
		table_cell(&t, "%s", took(e->p99_ns, buf));
	}
	table_print(&t, out, 0);
	table_free(&t);
	if (shown < s->edge_count)
		fprintf(out, "... and %zu more\n", s->edge_count - shown);
	if (!s->edge_count)
		fputs("no exchange\n", out);
}

static void table_of_faults(const struct watch *w, FILE *out)
{
	static const char *const titles[] = {"FAULT", "STATE", "FIRED/S", "FIRED", "MATCHED"};
	const struct scene *s = &w->scene;
	struct table t;
	char name[1024], buf[64];

	table_init(&t, 5);
	for (size_t i = 0; i < 5 && s->fault_count; i++)
		table_cell(&t, "%s", titles[i]);
	for (size_t i = 0; i < s->fault_count; i++) {
		const struct scene_fault *f = &s->faults[i];

		cut(name, sizeof(name), f->name, room_for_names(w));
		table_cell(&t, "%s", name);
		table_cell(&t, "%s", f->state);
		table_cell(&t, "%s", rate(s, hits(s, f), buf));
		table_cell(&t, "%llu", (unsigned long long)f->fired);
		table_cell(&t, "%llu", (unsigned long long)f->matched);
	}
	table_print(&t, out, 0);
	table_free(&t);
}

static void print_losses(const struct scene *s, FILE *out)
{
	fprintf(out, "Lost: %s", s->lost ? "" : "nothing");
	for (size_t i = 0; i < s->loss_count; i++)
		fprintf(out, "%s%llu (%s, %s)", i ? "; " : "", (unsigned long long)s->losses[i].count, s->losses[i].source, s->losses[i].reason);
	if (s->left_out)
		fprintf(out, "; %llu exchanges are only in the run file: too many edges at a time", (unsigned long long)s->left_out);
	fprintf(out, "   Bursts of retries: %llu\n", (unsigned long long)s->bursts);
}

static void print_title(const struct watch *w, FILE *out)
{
	const struct scene *s = &w->scene;
	char *path = face_escape(w->path);

	if (s->second == SCENE_WHOLE)
		fprintf(out, "Run %s is over: all of its %.1f s%s\n", s->name, seconds_of(s), s->clean_end ? "" : " (its recorder died)");
	else
		fprintf(out, "Run %s, second %u   %s\n", s->name, s->second, path ? path : "");
	free(path);
}

/* The page, as text; free() it. NULL without memory. */
static char *make_page(const struct watch *w)
{
	size_t taken = 5 + (w->scene.fault_count ? w->scene.fault_count + 2 : 0), n;
	char *page = NULL;
	FILE *out = open_memstream(&page, &n);

	if (!out)
		return NULL;
	print_title(w, out);
	print_losses(&w->scene, out);
	fputc('\n', out);
	table_of_edges(w, out, w->scene.second == SCENE_WHOLE ? UINT16_MAX : w->rows > taken + 1 ? (unsigned)(w->rows - taken) : 1);
	if (w->scene.fault_count)
		fputc('\n', out);
	table_of_faults(w, out);
	fclose(out);
	return page;
}

static enum face_colour colour_of(const struct scene *s, const char *line, unsigned number)
{
	if (!strncmp(line, "Lost:", 5))
		return s->lost ? FACE_RED : FACE_PLAIN;
	return number == 0 || !strncmp(line, "EDGE ", 5) || !strncmp(line, "FAULT ", 6) ? FACE_BOLD : FACE_PLAIN;
}

/* On the screen each line replaces what was there. */
static void show(const struct watch *w, char *page, bool screen)
{
	struct face f = face_on(stdout);
	unsigned number = 0;
	char *rest = page, *line;

	fputs(screen ? "\033[H" : "", stdout);
	while ((line = strsep(&rest, "\n")) && rest && (!screen || number < w->rows)) {
		fputs(screen && number ? "\n" : "", stdout);
		face_print(&f, colour_of(&w->scene, line, number++), "%s", line);
		fputs(screen ? "\033[K" : "\n", stdout);
	}
	fputs(screen ? "\033[J" : "", stdout);
}

/* ---- the screen ---- */

static void measure(struct watch *w)
{
	struct winsize size = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	w->columns = size.ws_col ? size.ws_col : 80;
	w->rows = size.ws_row ? size.ws_row : 24;
}

/* The alternate screen, without cursor and without lines that go on in the next one; what was there before comes back. */
static void enter_screen(struct watch *w)
{
	const char *terminal = getenv("TERM");

	w->screen = isatty(STDOUT_FILENO) && terminal && *terminal && strcmp(terminal, "dumb");
	if (w->screen)
		fputs("\033[?1049h\033[?25l\033[?7l", stdout);
}

static void leave_screen(struct watch *w)
{
	if (w->screen)
		fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	w->screen = false;
}

static void print(struct watch *w)
{
	char *page;

	measure(w);
	page = w->screen || isatty(STDOUT_FILENO) ? make_page(w) : NULL;
	if (page)
		show(w, page, w->screen);
	else
		print_lines(w);
	free(page);
	fflush(stdout);
}

/* ---- watching ---- */

/* Its recorder holds the lock on the file as long as it may write. */
static bool is_over(const struct watch *w)
{
	if (flock(w->file, LOCK_SH | LOCK_NB))
		return errno != EWOULDBLOCK;
	flock(w->file, LOCK_UN);
	return true;
}

static int watch_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A new size of the terminal is drawn at once; everything else ends the view. */
static void take_signals(struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {
		w->stopped |= info.ssi_signo != SIGWINCH;
		if (info.ssi_signo == SIGWINCH && w->screen && w->scene.name)
			print(w);
	}
}

static void wait_until(struct watch *w, uint64_t at_ns)
{
	struct pollfd fds = {.fd = w->signals, .events = POLLIN};
	uint64_t now;

	while (!w->stopped && (now = clock_now_ns()) < at_ns) {
		poll(&fds, 1, (int)((at_ns - now) / NS_PER_MS) + 1);
		take_signals(w);
	}
}

static int read_scene(struct watch *w, uint32_t second)
{
	char error[SENTENCE_MAX];

	if (!scene_read(&w->scene, w->path, second, error, sizeof(error))) {
		w->started_ns = w->scene.started_ns;	/* it moves while witnesses are set up */
		return 0;
	}
	leave_screen(w);
	return cli_error("%s", error);
}

/* The last second whose rows are written by now. */
static uint64_t last_second(const struct watch *w)
{
	uint64_t now = clock_now_ns(), first = w->started_ns + NS_PER_S + PHASE_NS;

	return now > first ? (now - first) / NS_PER_S : 0;
}

/* Each second of the run, shortly after it, until the run is over. Those that were missed are left out. */
static int follow(struct watch *w)
{
	uint64_t second = last_second(w);
	int status = 0;

	while (!status && !is_over(w)) {
		wait_until(w, w->started_ns + (second + 1) * NS_PER_S + PHASE_NS);
		if (w->stopped || is_over(w))
			break;
		status = read_scene(w, (uint32_t)second);
		if (!status)
			print(w);
		second = last_second(w) > second ? last_second(w) : second + 1;
	}
	return status;
}

static int watch(struct watch *w)
{
	int status;

	w->file = open(w->path, O_RDONLY | O_CLOEXEC);
	w->signals = watch_signals();
	if (w->file < 0 || w->signals < 0)
		return cli_error("cannot watch '%s': %s", w->path, strerror(errno));
	if (!is_over(w))
		enter_screen(w);
	status = follow(w);
	leave_screen(w);
	if (!status && !w->stopped && !(status = read_scene(w, SCENE_WHOLE)))
		print(w);
	return status;
}

int cmd_watch(int argc, char **argv)
{
	struct watch w = {.file = -1, .signals = -1};
	int n = cli_parse(&usage, argc, argv, &w), status;

	if (n < 0)
		return cli_parsed_status(n);
	if (n > 1)
		return cli_error("watch takes one run (given '%s' too)", argv[2]);
	status = find(&w, argv[1]);
	if (!status)
		status = watch(&w);
	scene_free(&w.scene);
	if (w.signals >= 0)
		close(w.signals);
	if (w.file >= 0)
		close(w.file);
	return status;
}
