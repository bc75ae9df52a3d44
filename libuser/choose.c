// SPDX-License-Identifier: MIT
/* Which backend a ring is made in, or looked for in, and why. */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>

#include "backend.h"

const struct shmring_backend *const shmring_backends[SHMRING_NR_BACKENDS] = {
	&shmring_backend_kmod,
	&shmring_backend_memfd,
};

/*
 * The backend that $SHMRING_BACKEND names; AUTO: none. A set-uid program ignores the
 * variable, which its caller controls.
 */
int shmring_backend_of_environment(enum shmring_backend_id *id)
{
	const char *name = secure_getenv("SHMRING_BACKEND");
	size_t i;

	*id = SHMRING_AUTO;
	if (!name || !*name || !strcmp(name, "auto"))
		return 0;
	for (i = 0; i < SHMRING_NR_BACKENDS; i++) {
		if (!strcmp(name, shmring_backends[i]->name)) {
			*id = shmring_backends[i]->id;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * Choose the backend of a new ring or of a name; @id is what the caller asks for, as
 * shmring_copy_options() has checked it. Where the device is there, the choice is the module,
 * even if it refuses this user or does not have this name: any user could put a memfd ring in
 * the place of a ring of the module.
 */
int shmring_choose_backend(struct shmring_choice *choice, enum shmring_backend_id id)
{
	int ret = 0;

	choice->reason = "the caller asked for it";
	if (id == SHMRING_AUTO) {
		ret = shmring_backend_of_environment(&id);
		choice->reason = "SHMRING_BACKEND asks for it";
	}
	if (!ret && id == SHMRING_AUTO) {
		ret = shmring_kmod_probe();
		choice->reason = ret ? "there is no /dev/shmring" : "/dev/shmring is there";
		choice->automatic = true;
		if (ret == -ENODEV) {
			id = SHMRING_MEMFD;
			ret = 0;
		}
	}
	choice->backend = id == SHMRING_MEMFD ? &shmring_backend_memfd : &shmring_backend_kmod;
	return ret;
}

/*
 * Is the name taken by a live ring of the other backend? Only rings of this user or of
 * root count: otherwise any user could block a name in the module.
 */
bool shmring_is_taken_elsewhere(const struct shmring_choice *choice, const char *name)
{
	return choice->automatic && choice->backend == &shmring_backend_kmod && *name &&
	       shmring_memfd_has(name);
}
