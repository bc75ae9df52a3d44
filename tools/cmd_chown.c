// SPDX-License-Identifier: MIT
/* shmring chown: the owner and the group of existing rings. */
#include <stdlib.h>

#include "tool.h"

struct ids {
	uid_t uid;
	gid_t gid;
};

static int set_ids(struct shmring *r, const void *to)
{
	const struct ids *ids = to;

	return shmring_chown(r, ids->uid, ids->gid);
}

/* The number at *@s, which then points behind it. -1 would change nothing. */
static int parse_id(const char **s, unsigned int *id)
{
	unsigned long long value;
	char *end;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	value = strtoull(*s, &end, 10);
	if (value >= (unsigned int)-1)
		return -EINVAL;
	*s = end;
	*id = (unsigned int)value;
	return 0;
}

/* UID, UID:GID or :GID */
static int parse_ids(const char *s, struct ids *ids)
{
	int ret = *s == ':' ? 0 : parse_id(&s, &ids->uid);

	if (!ret && *s == ':') {
		s++;
		ret = parse_id(&s, &ids->gid);
	}
	return ret || *s ? -EINVAL : 0;
}

int cmd_chown(const struct args *a)
{
	struct ids ids = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

	return parse_ids(a->names[0], &ids) ? bad_operand(a) : change_each(a, set_ids, &ids);
}
