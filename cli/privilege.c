/* SPDX-License-Identifier: MIT */
#include "cli/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/units.h"

#define GROUPS_MAX 1024

/* Those that a tracer, and a look at processes of others, may have use for. CAP_SYS_ADMIN stands for the first two where only it is given. */
#define TRACING (privilege_bit(CAP_BPF) | privilege_bit(CAP_PERFMON) | privilege_bit(CAP_SYS_ADMIN) | \
		 privilege_bit(CAP_DAC_READ_SEARCH) | privilege_bit(CAP_SYS_PTRACE) | privilege_bit(CAP_SYS_RESOURCE))

/* ---- the kernel's calls (capset(2); there is no wrapper in libc) ---- */

struct sets {
	uint64_t effective, permitted, inheritable;
};

static struct sets get(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &header, d))
		return (struct sets){0};
	return (struct sets){.effective = d[0].effective | (uint64_t)d[1].effective << 32,
			     .permitted = d[0].permitted | (uint64_t)d[1].permitted << 32,
			     .inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32};
}

static int set(struct sets s)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {
		{(uint32_t)s.effective, (uint32_t)s.permitted, (uint32_t)s.inheritable},
		{(uint32_t)(s.effective >> 32), (uint32_t)(s.permitted >> 32), (uint32_t)(s.inheritable >> 32)}};

	return syscall(SYS_capset, &header, d) ? -errno : 0;
}

static void make_effective(uint64_t which)
{
	struct sets s = get();

	s.effective = s.permitted & which;
	set(s);
}

/* ---- from the start to the tracer ---- */

static bool bound;	/* by no_new_privs, from the start: our own comes later and is not COMMAND's */

bool privilege_programs_may_gain(void)
{
	return !bound;
}

/* What came as ambient stands in the inheritable set too; other inheritable ones are the user's own (pam_cap) and pass through. */
int privilege_begin(void)
{
	struct sets s = get();

	bound = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	if (getuid() != geteuid() || getgid() != getegid())
		return -EPERM;
	if (!geteuid())
		return 0;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	s.inheritable &= ~s.permitted;
	s.effective = 0;
	return set(s);
}

void privilege_raise(void)
{
	make_effective(UINT64_MAX);
}

void privilege_rest(void)
{
	if (geteuid())
		make_effective(0);
}

/* ---- the user who called sudo ---- */

struct invoker {
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int group_count;
	char name[PRIVILEGE_USER_MAX], home[PATH_MAX];
};

static int refuse(const char *variable, const char *value, char *error, unsigned error_size)
{
	snprintf(error, error_size, "%s '%s' is not the number of a user or group, as sudo sets it; unset SUDO_UID to go on as root", variable,
		 value ? value : "");
	return -EINVAL;
}

static int number(const char *variable, uint32_t *n, char *error, unsigned error_size)
{
	const char *value = getenv(variable);
	uint64_t got;

	if (!value || units_count(value, UINT32_MAX - 1, &got))	/* -1 means "leave it" to setresuid(2) */
		return refuse(variable, value, error, error_size);
	*n = (uint32_t)got;
	return 0;
}

/* A user that no table knows has a number, and no home. */
static void describe(struct invoker *i)
{
	const struct passwd *user = getpwuid(i->uid);

	snprintf(i->name, sizeof(i->name), "%u", (unsigned)i->uid);
	snprintf(i->home, sizeof(i->home), "/");
	i->groups[0] = i->gid;
	i->group_count = 1;
	if (!user)
		return;
	snprintf(i->name, sizeof(i->name), "%s", user->pw_name);
	snprintf(i->home, sizeof(i->home), "%s", user->pw_dir);
	i->group_count = GROUPS_MAX;
	if (getgrouplist(user->pw_name, i->gid, i->groups, &i->group_count) < 0)
		i->group_count = GROUPS_MAX;
}

/* The ids change, the capabilities that a tracer needs stay permitted; none is effective. */
static int change_ids(const struct invoker *i)
{
	struct sets s;
	int err = 0;

	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setgroups((size_t)i->group_count, i->groups) || setresgid(i->gid, i->gid, i->gid) || setresuid(i->uid, i->uid, i->uid))
		err = -errno;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	s = get();
	return err ? err : set((struct sets){.permitted = s.permitted & TRACING});
}

static void change_environment(const struct invoker *i)
{
	static const char *const sudos[] = {"SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND"};

	setenv("HOME", i->home, 1);
	setenv("USER", i->name, 1);
	setenv("LOGNAME", i->name, 1);
	for (size_t k = 0; k < sizeof(sudos) / sizeof(*sudos); k++)
		unsetenv(sudos[k]);
}

int privilege_become_invoker(char user[PRIVILEGE_USER_MAX], char *error, unsigned error_size)
{
	static struct invoker i;
	int err;

	if (geteuid() || !getenv("SUDO_UID"))
		return 0;
	err = number("SUDO_UID", &i.uid, error, error_size);
	if (err || !i.uid)
		return err;
	err = number("SUDO_GID", &i.gid, error, error_size);
	if (err)
		return err;
	describe(&i);
	err = change_ids(&i);
	if (err) {
		snprintf(error, error_size, "cannot become user %s, who called sudo: %s", i.name, strerror(-err));
		return err;
	}
	change_environment(&i);
	snprintf(user, PRIVILEGE_USER_MAX, "%s", i.name);
	return 1;
}

/* ---- the end of it ---- */

/* SQLite makes files beside its own, and removes them at the end. */
uint64_t privilege_to_write(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];

	make_effective(0);
	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS))
		return privilege_bit(CAP_DAC_OVERRIDE);
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) && errno != ENOENT)
		return privilege_bit(CAP_DAC_OVERRIDE);
	return 0;
}

void privilege_drop(uint64_t keep)
{
	uint64_t kept = get().permitted & keep;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	set((struct sets){.effective = kept, .permitted = kept});
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void privilege_text(char *text, unsigned size)
{
	static const struct {
		unsigned capability;
		const char *name;
	} names[] = {
		{CAP_BPF, "CAP_BPF"}, {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
		{CAP_KILL, "CAP_KILL"}, {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	};
	uint64_t left = get().permitted;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (left & privilege_bit(names[i].capability) && n < size)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? "," : "", names[i].name);
	if (!n)
		snprintf(text, size, "none");
}
