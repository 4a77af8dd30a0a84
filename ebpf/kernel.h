/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Constants of the kernel, and the few of its structures that the BPF programs read, each with just the fields read.
 * preserve_access_index makes libbpf relocate every access to the running kernel's layout (CO-RE), so the offsets here
 * mean nothing: no vmlinux.h.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_KERNEL_H
#define AFTERSHOCK_EBPF_KERNEL_H

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define EINTR 4
#define EAGAIN 11
#define EISCONN 106
#define EALREADY 114
#define EINPROGRESS 115
#define ERESTART_FIRST 512	/* -ERESTARTSYS .. -ERESTART_RESTARTBLOCK never reach a program (linux/errno.h) */
#define ERESTART_LAST 516

enum tcp_state { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, CLOSED = 7, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long long counter;
} atomic64_t;

struct in6_addr {
	union {
		unsigned char u6_addr8[16];
	} in6_u;
};

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned short skc_num;		/* local port, host order; 0 before it is bound and after CLOSE */
	unsigned short skc_dport;	/* network order */
	unsigned int skc_daddr;
	unsigned int skc_rcv_saddr;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	unsigned short sk_type;
	unsigned short sk_protocol;
	int sk_err;
	struct socket *sk_socket;
};

struct tcp_sock {
	unsigned int write_seq;		/* one past the last byte that a program handed to the kernel */
	unsigned int copied_seq;	/* one past the last byte, or the FIN, that a program took from it */
	unsigned int rcv_nxt;		/* one past the last byte, or the FIN, that came */
	unsigned int total_retrans;	/* segments sent again */
};

struct inode {
	unsigned short i_mode;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
	struct file *exe_file;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;		/* how deep its namespace is; 0: the first */
	struct upid numbers[1];		/* its number at each level */
};

struct signal_struct {
	atomic_t live;			/* threads that have not exited */
	int group_exit_code;
};

/* What a program of a 32-bit kind asks is numbered and laid out in another way. */
#if defined(__TARGET_ARCH_x86)
struct thread_info {
	unsigned int status;
};

struct pt_regs {
	unsigned long di, si, dx, r10, r8, orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct thread_info {
	unsigned long flags;
};

struct pt_regs {
	unsigned long regs[31];
	int syscallno;
};
#else
#error "how this machine passes the arguments of system calls is not known"
#endif

struct task_struct {
	int pid;			/* of the thread */
	int tgid;			/* of the process */
	int exit_code;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct thread_info thread_info;
	struct pid *thread_pid;
	struct files_struct *files;
	struct mm_struct *mm;
	struct signal_struct *signal;
};

struct linux_binprm;
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
	unsigned int fd;
};

#pragma clang attribute pop

/* The number of a system call, at its entry and at its return; its arguments, at its entry; and whether it is one of a 32-bit program. */
#ifdef __TARGET_ARCH_x86
#define NUMBER(regs) ((__u64)(regs)->orig_ax)
#define ARGUMENT_0(regs) ((regs)->di)
#define ARGUMENT_1(regs) ((regs)->si)
#define ARGUMENT_2(regs) ((regs)->dx)
#define ARGUMENT_3(regs) ((regs)->r10)
#define ARGUMENT_4(regs) ((regs)->r8)
#define IS_COMPAT(task) ((task)->thread_info.status & 2)	/* TS_COMPAT */
#else
#define NUMBER(regs) ((__u64)(regs)->syscallno)
#define ARGUMENT_0(regs) ((regs)->regs[0])
#define ARGUMENT_1(regs) ((regs)->regs[1])
#define ARGUMENT_2(regs) ((regs)->regs[2])
#define ARGUMENT_3(regs) ((regs)->regs[3])
#define ARGUMENT_4(regs) ((regs)->regs[4])
#define IS_COMPAT(task) ((task)->thread_info.flags >> 22 & 1)	/* TIF_32BIT */
#endif

/* Of the user ABI: fixed for ever, not relocated (64-bit programs). */
struct iovec {
	unsigned long iov_base;
	unsigned long iov_len;
};

struct user_msghdr {
	unsigned long msg_name;
	int msg_namelen;
	unsigned long msg_iov;
	unsigned long msg_iovlen;
	unsigned long msg_control;
	unsigned long msg_controllen;
	unsigned int msg_flags;
};

struct mmsghdr {
	struct user_msghdr msg_hdr;
	unsigned int msg_len;
};

#endif
