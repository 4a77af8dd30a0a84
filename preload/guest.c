/* SPDX-License-Identifier: MIT */
#include "preload/guest.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/hash.h"
#include "base/service.h"
#include "preload/early.h"
#include "preload/epoll_sets.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/spawn.h"
#include "preload/stream.h"
#include "preload/table.h"

#define RUN_DIR_MAX 1024
#define ARGS_MAX 64

extern char **environ;
extern void *__libc_stack_end;	/* ld.so's, a public symbol */

struct guest guest;
_Atomic bool raw_barred;

/* Wiped to zeroes by the kernel in every child that gets its own memory (MADV_WIPEONFORK, Linux 4.14): the one way to
 * notice each kind of fork, also a raw clone(), without interposing or registering anything. */
struct fork_mark {
	_Atomic uint32_t pid;
};

static struct fork_mark fallback_mark;
static struct fork_mark *mark = &fallback_mark;
static _Atomic uint32_t forks;	/* generation: how many forks lie between the image's start and this process */
static uint32_t known_pid;	/* as the mark, but not wiped */
static uint32_t parent;		/* the process that this one was forked from, as far as we saw */
static _Atomic uint64_t serials;	/* the next one of the block that this process has; a multiple of PAGE_SERIAL_BLOCK: none is left */
static _Atomic int started;	/* 0 not yet, 1 under way, 2 done */
static __thread uint32_t cached_tid;
static __thread uint32_t cached_tid_fork;

/* ---- before anything is there: environment, files, one line ---- */

static void say(const char *why)
{
	static const char prefix[] = "aftershock: this process is not covered: ";
	char line[256];
	size_t n = sizeof(prefix) - 1, m = strlen(why);

	memcpy(line, prefix, n);
	if (m > sizeof(line) - n - 1)
		m = sizeof(line) - n - 1;
	memcpy(line + n, why, m);
	line[n + m] = '\n';
	raw_write(2, line, n + m + 1);
}

/* Calls of the executable's .preinit_array come before libc has set environ; what the kernel put on the stack is there from the start:
 * argc, the arguments, NULL, the environment. */
static char **environment(void)
{
	long *stack = __libc_stack_end;

	return environ ? environ : (char **)stack + 1 + *stack + 1;
}

static const char *env_value(const char *name)
{
	size_t n = strlen(name);

	for (char **e = environment(); *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

/* Maps a file of the run directory shared and writable, whole; NULL when it is not there or smaller than least. */
static void *map_file(const char *dir, const char *file, size_t least)
{
	char path[RUN_DIR_MAX + 32];
	size_t n = strlen(dir), m = strlen(file);
	struct stat st;
	void *p = NULL;
	int fd;

	memcpy(path, dir, n);
	path[n] = '/';
	memcpy(path + n + 1, file, m + 1);
	fd = raw_open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (RAW(SYS_fstat, fd, &st, 0, 0, 0, 0) == 0 && (size_t)st.st_size >= least) {
		long r = RAW(SYS_mmap, 0, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		p = r < 0 && r > -4096 ? NULL : (void *)r;
	}
	raw_close(fd);
	return p;
}

void *guest_pages(size_t bytes)
{
	long r = RAW(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return r < 0 && r > -4096 ? NULL : (void *)r;
}

/* ---- who this process is ---- */

/* Reads a small file of /proc whole; returns its length. */
static size_t slurp(const char *path, char *buf, size_t size)
{
	size_t n = 0;
	long r = 0;
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while (n + 1 < size && (r = raw_read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	raw_close(fd);
	buf[n] = '\0';
	return n;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* One file serves several programs by links to it (redis-server, busybox): then argv[0] says which, when the kernel's name for the
 * process (the executed file's, cut to 15 bytes) agrees with it. */
static bool started_as(const char *argv0, const char *exe)
{
	char comm[17];
	size_t n = slurp("/proc/self/comm", comm, sizeof(comm));

	n -= n && comm[n - 1] == '\n';
	return n && !strncmp(last_part(argv0), comm, n) && strncmp(last_part(exe), comm, n);
}

static void name_service(char *command, size_t size)
{
	const char *argv[ARGS_MAX];
	char exe[512];
	unsigned argc = 0;
	size_t n = slurp("/proc/self/cmdline", command, size);
	long r = RAW(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", exe, sizeof(exe) - 1, 0, 0);

	exe[r > 0 ? r : 0] = '\0';
	for (size_t i = 0; i < n && argc < ARGS_MAX; i += strlen(command + i) + 1)
		argv[argc++] = command + i;
	service_name(guest.service, sizeof(guest.service), env_value("AFTERSHOCK_SERVICE"), env_value("OTEL_SERVICE_NAME"), argv, argc,
		     argc && started_as(argv[0], exe) ? argv[0] : exe);
	for (size_t i = 0; i + 1 < n; i++)
		if (!command[i])
			command[i] = ' ';
}

/* Whether process ids mean here what they mean to the controller. */
static void compare_namespaces(void)
{
	int fd = raw_open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	struct stat st = {0};
	uint32_t apart = 0;

	if (fd >= 0 && RAW(SYS_fstat, fd, &st, 0, 0, 0, 0) == 0 && st.st_ino != guest.page->pid_namespace)
		apart = journal_pid_apart(st.st_ino);
	if (fd >= 0)
		raw_close(fd);
	atomic_store(&guest.apart, apart);
}

/* A pid as the journal has it. */
static uint32_t told_pid(uint32_t pid)
{
	return pid ? pid | atomic_load_explicit(&guest.apart, memory_order_relaxed) : 0;
}

static void record_process(const char *command, bool image)
{
	struct journal_record *r = guest_record(0, 0, clock_now_ns());
	size_t n = strlen(command);

	if (!r)
		return;
	r->process.ppid = told_pid(raw_may() ? (uint32_t)RAW(SYS_getppid, 0, 0, 0, 0, 0, 0) : parent);
	r->process.image = image;
	memcpy(r->process.service, guest.service, sizeof(r->process.service));
	if (n >= sizeof(r->process.command))
		n = sizeof(r->process.command) - 1;
	memcpy(r->process.command, command, n);
	r->process.command[n] = '\0';
	journal_commit(r, JOURNAL_PROCESS);
}

/* ---- start ---- */

static bool page_valid(const struct page *p)
{
	return p->magic == PAGE_MAGIC && p->layout == PAGE_LAYOUT && p->bytes == sizeof(*p) && p->fault_count <= PAGE_FAULT_MAX;
}

static bool text_valid(struct page_text t)
{
	return t.at <= PAGE_TEXT_BYTES && t.len <= PAGE_TEXT_BYTES - t.at;
}

bool guest_fault_sound(const struct page_fault *f)
{
	const struct page_text texts[] = {f->name,   f->host,	     f->process, f->method,	   f->path,
					  f->header, f->header_glob, f->pattern, f->reply_headers, f->body};

	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
		if (!text_valid(texts[k]))
			return false;
	return true;
}

static bool faults_valid(const struct page *p)
{
	for (uint64_t live = page_live(p, page_version(p)); live; live &= live - 1)
		if (!guest_fault_sound(&p->faults[__builtin_ctzll(live)]))
			return false;
	return true;
}

static struct page *join_page(const char *dir)
{
	struct page *p = map_file(dir, PAGE_FILE, sizeof(*p));

	if (!p)
		say("the run directory in AFTERSHOCK_RUN has no readable control page");
	else if (!page_valid(p) || !faults_valid(p))
		say("its control page is damaged or of another version of aftershock");
	else
		return p;
	return NULL;
}

static bool join_journal(const char *dir)
{
	struct journal *j = map_file(dir, JOURNAL_FILE, sizeof(*j));

	if (j && j->magic == JOURNAL_MAGIC && j->layout == JOURNAL_LAYOUT && j->segment_count <= JOURNAL_SEGMENT_MAX)
		guest.journal.j = j;
	else
		say("its journal is missing, damaged, or larger than this process may map");
	return guest.journal.j != NULL;
}

static void mark_forks(void)
{
	struct fork_mark *m = guest_pages(4096);

	if (m && RAW(SYS_madvise, m, 4096, MADV_WIPEONFORK, 0, 0, 0) == 0)
		mark = m;
	known_pid = raw_getpid();
	atomic_store(&mark->pid, known_pid);
}

static bool make_room(void)
{
	if (table_start() && early_start() && sets_start() && pool_start())
		return true;
	say("this process may not have as much memory as its tables need (about 40 MB of address space)");
	return false;
}

static void join(const char *dir)
{
	char command[512];
	struct page *page = join_page(dir);

	if (!page || !join_journal(dir) || !make_room())
		return;
	mark_forks();
	guest.mode = page->mode;
	name_service(command, sizeof(command));
	guest.page = page;
	compare_namespaces();
	spawn_remember(dir, env_value("LD_PRELOAD"));
	record_process(command, true);
	table_adopt_inherited();
}

void guest_start(void)
{
	int expected = 0, saved = errno;
	const char *dir;

	if (atomic_load_explicit(&started, memory_order_acquire) || !atomic_compare_exchange_strong(&started, &expected, 1))
		return;
	real_resolve();
	dir = env_value("AFTERSHOCK_RUN");
	if (dir && *dir && strlen(dir) < RUN_DIR_MAX)
		join(dir);
	atomic_store_explicit(&started, 2, memory_order_release);
	errno = saved;
}

__attribute__((constructor)) static void start(void)
{
	guest_start();
}

__attribute__((destructor)) static void stop(void)
{
	struct journal_record *r;

	if (!guest.page || guest_is_borrowed())
		return;
	stream_flush_all();
	conn_exit();
	r = guest_record(0, 0, clock_now_ns());
	if (r)
		journal_commit(r, JOURNAL_EXIT);
}

/* ---- identity ---- */

static void after_fork(uint32_t pid)
{
	uint32_t zero = 0;

	atomic_store(&serials, 0);	/* the block is the parent's */
	if (!atomic_compare_exchange_strong(&mark->pid, &zero, pid))
		return;
	atomic_fetch_add(&forks, 1);
	atomic_store(&guest.journal.segment, 0);
	parent = known_pid;
	known_pid = pid;
	if (raw_may())
		compare_namespaces();
	record_process("", false);
}

uint32_t guest_pid(void)
{
	uint32_t pid = atomic_load_explicit(&mark->pid, memory_order_relaxed);

	if (likely(pid))
		return pid;
	pid = raw_getpid();
	after_fork(pid);
	return pid;
}

bool guest_is_borrowed(void)
{
	return guest_pid() != raw_getpid();
}

uint64_t guest_self(void)
{
	guest_pid();
	return (uint64_t)(uintptr_t)&cached_tid ^ (uint64_t)atomic_load_explicit(&forks, memory_order_relaxed) << 48;
}

uint32_t guest_tid(void)
{
	uint32_t now = atomic_load_explicit(&forks, memory_order_relaxed) + 1;

	if (unlikely(cached_tid_fork != now)) {
		cached_tid = raw_may() ? raw_gettid() : guest_pid();
		cached_tid_fork = now;
	}
	return cached_tid;
}

/* Serials are taken from the page in blocks: a word that every exchange of every process wrote would travel between their cores. The
 * first of a block is no serial: it marks the end of the block before. */
uint64_t guest_serial(void)
{
	uint64_t n, fresh;

	guest_pid();
	n = atomic_load_explicit(&serials, memory_order_relaxed);
	while (n % PAGE_SERIAL_BLOCK)
		if (atomic_compare_exchange_weak_explicit(&serials, &n, n + 1, memory_order_relaxed, memory_order_relaxed))
			return n;
	fresh = atomic_fetch_add_explicit(&guest.page->serial_block, 1, memory_order_relaxed) * PAGE_SERIAL_BLOCK + 1;
	atomic_compare_exchange_strong(&serials, &n, fresh + 1);	/* fails when another thread has taken one as well: ours ends here */
	return fresh;
}

void guest_lost(enum page_loss what)
{
	atomic_fetch_add_explicit(&guest.page->lost[what], 1, memory_order_relaxed);
}

bool guest_faults_on(uint64_t now_ns)
{
	uint64_t beat = atomic_load_explicit(&guest.page->heartbeat_ns, memory_order_relaxed);

	return now_ns < beat + PAGE_HEARTBEAT_STALE_NS;
}

struct journal_record *guest_record(uint64_t connection, uint64_t exchange, uint64_t at_ns)
{
	uint32_t pid = told_pid(guest_pid());
	struct journal_record *r = journal_reserve(&guest.journal, pid);

	if (!r) {
		guest_lost(PAGE_LOST_JOURNAL);
		return NULL;
	}
	r->pid = pid;
	r->tid = guest_tid();
	r->at_ns = at_ns;
	r->connection = connection;
	r->exchange = exchange;
	return r;
}

struct journal_record *guest_reopen(struct journal_record *begin, uint64_t exchange)
{
	return journal_reopen(begin, exchange, told_pid(guest_pid()));
}

void guest_tell_exec(uint32_t pid, uint32_t ppid, const char *file, uint64_t at_ns, bool failed)
{
	struct journal_record *r = guest.page ? guest_record(0, 0, at_ns) : NULL;
	size_t n = 0;

	if (!r)
		return;
	r->pid = told_pid(pid);
	r->process.ppid = told_pid(ppid);
	r->process.image = !failed;
	r->process.service[0] = '\0';
	for (; guest_plausible(file) && file[n] && n < sizeof(r->process.command) - 1; n++)
		r->process.command[n] = file[n];
	r->process.command[n] = '\0';
	journal_commit(r, JOURNAL_EXEC);
}

static long descriptor_limit(void)
{
	struct rlimit limit = {0};

	RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit, 0, 0);
	return (long)limit.rlim_cur;
}

int guest_high_fd(int fd)
{
	int high;

	if (fd < 0 || fd >= GUEST_FD_FLOOR)
		return fd;
	high = raw_fcntl(fd, F_DUPFD_CLOEXEC, GUEST_FD_FLOOR);
	if (high == -EINVAL)	/* a limit below the floor: the last quarter of what there is */
		high = raw_fcntl(fd, F_DUPFD_CLOEXEC, descriptor_limit() / 4 * 3);
	if (high < 0)
		return fd;
	raw_close(fd);
	return high;
}
