/* SPDX-License-Identifier: MIT */
#include "ebpf/hooks.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hooks_left_out(const char *hook)
{
	const char *without = getenv("AFTERSHOCK_WITHOUT");
	size_t n = strlen(hook);

	for (; without; without = strchr(without, ','), without += without != NULL)
		if (!strncmp(without, hook, n) && (!without[n] || without[n] == ','))
			return true;
	return false;
}

static struct btf *kernel;

const struct btf *hooks_kernel(void)
{
	if (!kernel)
		kernel = btf__load_vmlinux_btf();
	return kernel;
}

void hooks_close(void)
{
	btf__free(kernel);
	kernel = NULL;
}

bool hooks_there(const char *hook)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", hook);
	return hooks_kernel() && !hooks_left_out(hook) && btf__find_by_name_kind(hooks_kernel(), type, BTF_KIND_TYPEDEF) > 0;
}
