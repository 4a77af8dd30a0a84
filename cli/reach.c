/* SPDX-License-Identifier: MIT */
#include "cli/reach.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "cli/elf.h"
#include "cli/launch.h"
#include "cli/privilege.h"

#define SCRIPT_LINE 256	/* what the kernel reads of a #! line (BINPRM_BUF_SIZE) */
#define SCRIPT_DEPTH 5	/* interpreters of interpreters that the kernel follows */

#define PEER_SIDE "inject at its peer instead (a fault with at= in a process that can be reached)"
#define WITNESS " and watch it through the kernel: `aftershock trace`, as root"

/* One row a reason: what the program is (%s: its loader), why that is out of reach (%s: its name), what to do. */
static const struct {
	const char *what, *why, *advice;
} reasons[] = {
	[REACH_YES] = {"a dynamic program (loader %s)", "", NULL},
	[REACH_STATIC] = {
		"a static program",
		"%s is statically linked: no loader runs that could bring the library in",
		"link it dynamically, or " PEER_SIDE WITNESS},
	[REACH_GO] = {
		"a static Go program",
		"%s is a static Go program: it calls the kernel itself and no loader brings the library in",
		PEER_SIDE WITNESS},
	[REACH_GO_LIBC] = {
		"a Go program with libc (loader %s)",
		"%s is a Go program: it calls the kernel itself, not through libc",
		"only the resolver's calls pass through libc; " PEER_SIDE WITNESS},
	[REACH_MUSL] = {
		"a program for musl (loader %s)",
		"%s is built for musl, whose loader can not load the library, which is built for glibc",
		"build it for glibc, or " PEER_SIDE WITNESS},
	[REACH_LOADER] = {
		"a program for another loader (%s)",
		"%s is not loaded by glibc's loader, which the library needs",
		"build it for glibc, or " PEER_SIDE WITNESS},
	[REACH_LOADER_GONE] = {
		"a program whose loader is not here (%s)",
		"%s can not be started: its loader is not on this machine",
		"install the loader, or build the program for this machine"},
	[REACH_CLASS] = {
		"a 32-bit program",
		"%s is a 32-bit program and the library is 64-bit",
		"build it as 64-bit, or " PEER_SIDE WITNESS},
	[REACH_MACHINE] = {
		"a program for another processor",
		"%s is built for another processor than this machine's library",
		"build it for this machine"},
	[REACH_SETUID] = {
		"a setuid program (loader %s)",
		"%s is setuid to another user: the loader ignores LD_PRELOAD for it (AT_SECURE)",
		"run it as its owner, or run a copy without the setuid bit"},
	[REACH_SETGID] = {
		"a setgid program (loader %s)",
		"%s is setgid to another group: the loader ignores LD_PRELOAD for it (AT_SECURE)",
		"run it in its group, or run a copy without the setgid bit"},
	[REACH_CAPABILITIES] = {
		"a program with file capabilities (loader %s)",
		"%s has file capabilities: the loader ignores LD_PRELOAD for it (AT_SECURE)",
		"run it as root, or run a copy without them (cp drops them)"},
	[REACH_NO_PROGRAM] = {
		"not a program",
		"%s is neither an executable ELF program nor a script",
		"name the program itself"},
	[REACH_BROKEN] = {
		"a damaged ELF file",
		"%s is an ELF file that is cut short or damaged",
		"build or copy it again"},
};

__attribute__((format(printf, 3, 4))) static int refuse(struct reach *r, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->why, sizeof(r->why), format, ap);
	va_end(ap);
	return err;
}

static void say(struct reach *r, enum reach_reason reason, const char *name, const char *interpreter)
{
	r->reason = reason;
	r->advice = reasons[reason].advice;
	snprintf(r->what, sizeof(r->what), reasons[reason].what, interpreter);
	snprintf(r->why, sizeof(r->why), reasons[reason].why, name);
}

/* Whether the kernel would set AT_SECURE for the calling user (execve(2), and bprm_fill_uid() for what voids the bits). */
static enum reach_reason secure_by_file(int fd)
{
	struct statvfs mount;
	struct stat st;

	if (fstat(fd, &st) || fstatvfs(fd, &mount) || (mount.f_flag & ST_NOSUID) || !privilege_programs_may_gain())
		return REACH_YES;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return REACH_SETUID;
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return REACH_SETGID;
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return REACH_CAPABILITIES;
	return REACH_YES;
}

static enum reach_reason secure_reason(int fd, int secure)
{
	struct stat st;

	if (secure < 0)
		return secure_by_file(fd);
	if (!secure || fstat(fd, &st))
		return REACH_YES;
	return st.st_mode & S_ISUID ? REACH_SETUID : st.st_mode & S_ISGID ? REACH_SETGID : REACH_CAPABILITIES;
}

/* The library is built with this program: what fits the one fits the other. */
static enum reach_reason machine_reason(const struct elf *e)
{
	struct elf own = {.bits = 8 * sizeof(void *)};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || elf_read(fd, &own))
		own.machine = e->machine;
	if (fd >= 0)
		close(fd);
	if (e->machine == own.machine && e->bits == own.bits)
		return REACH_YES;
	if (e->bits != own.bits && (e->machine == EM_386 || e->machine == EM_ARM || e->machine == own.machine))
		return REACH_CLASS;
	return REACH_MACHINE;
}

static enum reach_reason loader_reason(const char *interpreter)
{
	const char *base = strrchr(interpreter, '/');

	base = base ? base + 1 : interpreter;
	if (!strncmp(base, "ld-musl-", 8))
		return REACH_MUSL;
	if (access(interpreter, F_OK))
		return REACH_LOADER_GONE;
	return strncmp(base, "ld-linux", 8) && strncmp(base, "ld64.so", 7) && strncmp(base, "ld.so", 5) ? REACH_LOADER : REACH_YES;
}

static enum reach_reason elf_reason(int fd, const struct elf *e, int secure)
{
	enum reach_reason reason = machine_reason(e);

	if (e->type != ET_EXEC && e->type != ET_DYN)
		return REACH_NO_PROGRAM;
	if (reason)
		return reason;
	if (!*e->interpreter && e->type == ET_DYN && !e->pie && !e->go)
		return REACH_NO_PROGRAM;
	if (!*e->interpreter)
		return e->go ? REACH_GO : REACH_STATIC;
	reason = loader_reason(e->interpreter);
	if (!reason)
		reason = secure_reason(fd, secure);
	return !reason && e->go ? REACH_GO_LIBC : reason;
}

static void note_owner(int fd, struct reach *r)
{
	struct stat st;

	if (r->reason || fstat(fd, &st) || !(st.st_mode & (S_ISUID | S_ISGID)))
		return;
	snprintf(r->note, sizeof(r->note), "it is %s: run by another user it is out of reach (the loader then ignores LD_PRELOAD)",
		 st.st_mode & S_ISUID ? "setuid" : "setgid");
}

int reach_examine_fd(int fd, const char *name, int secure, struct reach *r)
{
	enum reach_reason reason;
	struct elf e;
	int err = elf_read(fd, &e);
	char magic[SELFMAG] = "";

	if (err && err != -ENOEXEC)
		return refuse(r, err, "%s can not be read: %s", name, strerror(-err));
	if (!err)
		reason = elf_reason(fd, &e, secure);
	else if (pread(fd, magic, sizeof(magic), 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG))
		reason = REACH_BROKEN;
	else
		reason = REACH_NO_PROGRAM;
	say(r, reason, name, e.interpreter);
	note_owner(fd, r);
	return 0;
}

/* What `env` would run: its first operand that is neither option nor assignment. NULL none. */
static char *env_operand(char *words)
{
	for (char *save, *word = words ? strtok_r(words, " \t", &save) : NULL; word; word = strtok_r(NULL, " \t", &save))
		if (*word != '-' && !strchr(word, '='))
			return word;
	return NULL;
}

/* The interpreter that the first line of a script names, into path. 0, or -errno with one sentence. */
static int interpreter_of(char *line, const char *script, char path[REACH_PATH_MAX], struct reach *r)
{
	char *save, *interpreter = strtok_r(line + 2, " \t", &save), *name;

	if (!interpreter)
		return refuse(r, -ENOEXEC, "%s has no interpreter after its #!", script);
	name = strrchr(interpreter, '/');
	name = name ? name + 1 : interpreter;
	if (strcmp(name, "env")) {
		snprintf(path, REACH_PATH_MAX, "%s", interpreter);
		return 0;
	}
	name = env_operand(strtok_r(NULL, "", &save));
	if (!name)
		return refuse(r, -ENOEXEC, "%s names no program after env", script);
	return launch_find(name, path, r->why, sizeof(r->why));
}

/* 1: path was replaced by the interpreter of that script; 0: it is no script; -errno with one sentence. */
static int follow_script(int fd, char path[REACH_PATH_MAX], struct reach *r)
{
	char line[SCRIPT_LINE + 1], script[REACH_PATH_MAX];
	ssize_t n = pread(fd, line, SCRIPT_LINE, 0);
	int err;

	if (n < 0)
		return refuse(r, -errno, "%s can not be read: %s", path, strerror(errno));
	line[n] = '\0';
	if (n >= SELFMAG && !memcmp(line, ELFMAG, SELFMAG))
		return 0;
	snprintf(script, sizeof(script), "%s", path);
	if (strncmp(line, "#!", 2)) {
		if (memchr(line, '\0', n))
			return 0;
		snprintf(path, REACH_PATH_MAX, "/bin/sh");	/* as execvp(3) does with text */
		return 1;
	}
	line[strcspn(line, "\n")] = '\0';
	err = interpreter_of(line, script, path, r);
	return err < 0 ? err : 1;
}

static int open_program(const char *path, struct reach *r)
{
	struct stat st;
	int fd;

	if (stat(path, &st))
		return refuse(r, -errno, "%s can not be found: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(r, -EACCES, "%s is %s, not a program", path, S_ISDIR(st.st_mode) ? "a directory" : "a special file");
	if (access(path, X_OK))
		return refuse(r, -EACCES, "%s is not executable: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? refuse(r, -errno, "%s can not be read: %s", path, strerror(errno)) : fd;
}

int reach_examine(const char *path, struct reach *r)
{
	int more = 1, fd;

	memset(r, 0, sizeof(*r));
	snprintf(r->program, sizeof(r->program), "%s", path);
	for (int depth = 0; more > 0 && depth <= SCRIPT_DEPTH; depth++) {
		fd = open_program(r->program, r);
		if (fd < 0)
			return fd;
		more = follow_script(fd, r->program, r);
		if (!more)
			more = reach_examine_fd(fd, r->program, -1, r);
		close(fd);
		if (more <= 0)
			return more;
	}
	return refuse(r, -ELOOP, "%s: too many interpreters of interpreters", path);
}

int reach_program(const char *path, char *why, unsigned why_size)
{
	struct reach r;

	if (reach_examine(path, &r) || !r.reason)
		return 0;
	snprintf(why, why_size, "%s", r.why);
	return 1;
}
