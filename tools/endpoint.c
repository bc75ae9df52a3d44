// SPDX-License-Identifier: MIT
/* Taking a role of a named ring that may have to be made or waited for. */
#include "tool.h"

/* Two processes that create the same ring at once share it: the second one attaches. */
static int make_or_attach(const char *name, struct shmring_options *opt, struct shmring **r,
			  bool *made)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	int ret;

	opt->flags |= SHMRING_OPEN_OR_CREATE;
	ret = shmring_create(r, name, opt);
	if (ret)
		return ret;
	ret = shmring_get_info(*r, &info);
	if (ret)
		shmring_close(*r);
	*made = info.created;
	return ret;
}

static int wait_and_attach(const char *name, const struct shmring_options *opt,
			   struct shmring **r)
{
	int ret;

	do {
		ret = shmring_attach_wait_opt(r, name, opt, NULL);
	} while (ret == -EINTR);
	return ret;
}

/* @made: this process has made the ring. */
int open_endpoint(const struct args *a, enum shmring_role role, struct shmring **r, bool *made)
{
	struct shmring_options opt = a->opt;

	opt.role = role;
	*made = false;
	if (a->create)
		return make_or_attach(a->names[0], &opt, r, made);
	if (a->wait)
		return wait_and_attach(a->names[0], &opt, r);
	return shmring_attach_opt(r, a->names[0], &opt);
}
