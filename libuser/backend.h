/* SPDX-License-Identifier: MIT */
/*
 * What a backend does for the library: where a ring lives, how it is found,
 * mapped and waited for. The messages themselves move in shmring/fast.h.
 */
#ifndef SHMRING_BACKEND_H
#define SHMRING_BACKEND_H

#include <sys/types.h>

#include "private.h"

struct shmring_hub;

/* The backend in which a ring is made or looked for, and the reason. */
struct shmring_choice {
	const struct shmring_backend *backend;
	const char *reason;	/* as text to print */
	bool automatic;		/* neither the caller nor the environment asked for it */
};

/* All return 0 (or a descriptor, where said) or a negative errno. */
struct shmring_backend {
	const char *name;
	enum shmring_backend_id id;

	/*
	 * Make a ring, or find one by its name or descriptor: fills p->fd. -ENODEV: the
	 * backend is not there.
	 */
	int (*create)(struct shmring_private *p, const char *name,
		      const struct shmring_options *opt);
	int (*open)(struct shmring_private *p, const char *name, enum shmring_role role);
	int (*adopt)(struct shmring_private *p, int fd);
	int (*unlink)(const char *name);

	/* Take a role: map, shmring_bind(), shmring_begin_role(). */
	int (*attach)(struct shmring *r, enum shmring_role role);

	/*
	 * Sleep until @bytes of data or space may be there (then up to @mark), or
	 * the other side is gone, or the deadline (0: none). 0: look again.
	 */
	int (*wait)(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline);
	void (*wake)(struct shmring *r);

	/*
	 * Sleep until a ring may have this name, or until @until, ns; and until the other
	 * side may have attached, or the deadline (0: none). 0: look again.
	 */
	int (*wait_name)(const char *name, enum shmring_role role, uint64_t until);
	int (*wait_peer)(struct shmring *r, uint64_t deadline);

	/* End the other side's role if its owner was killed. NULL: the kernel does. */
	void (*check_peer)(struct shmring *r);

	/*
	 * About to say -EAGAIN: have the poll descriptor ready once there are @bytes, counted
	 * from this side's public position. NULL: there is nothing to do.
	 */
	void (*arm_poll)(struct shmring *r, uint64_t bytes);

	/* The consumer has released what it held. NULL: @bytes of arm_poll() still hold. */
	void (*released)(struct shmring *r);
	int (*poll_fd)(struct shmring *r);			/* a descriptor */
	int (*grant)(const struct shmring_private *p, enum shmring_role role);	/* a descriptor */

	/* Of a handle's @lane (-EINVAL: there is none); of an endpoint, of its own. */
	int (*info)(const struct shmring *r, uint32_t lane, struct shmring_info *info);

	/* Change the mode; the owner and the group. -1 leaves an id as it is. */
	int (*chmod)(const struct shmring_private *p, unsigned int mode);
	int (*chown)(const struct shmring_private *p, uid_t uid, gid_t gid);

	/* End the role and close the files; the mapping is unmapped after. */
	void (*close)(struct shmring *r);

	/*
	 * Hubs, see hub.h. What lanes the ring has; -EPROTO: none. Make @r, a new object, an
	 * endpoint of the hub's in a lane of the handle @ring. End the other side's role, if its epoch is
	 * still this one.
	 */
	int (*lanes)(const struct shmring_private *p, struct shmring_lanes *lanes);
	int (*attach_lane)(struct shmring *r, const struct shmring *ring, uint32_t lane,
			   enum shmring_role role);
	int (*kick)(struct shmring *r, uint32_t epoch);

	/* All lanes are attached: find the words with the hot bits. And the reverse, at the end. */
	int (*hub_open)(struct shmring_hub *h);
	void (*hub_close)(struct shmring_hub *h);

	/*
	 * Arm each hot lane, and sleep until one may have data or it is @until (0: for ever).
	 * 0: look again; -ETIMEDOUT; -EINTR. hub_arm: do not sleep, but have the poll descriptor
	 * ready then. hub_cool: only arm.
	 */
	int (*hub_wait)(struct shmring_hub *h, uint64_t until);
	void (*hub_arm)(struct shmring_hub *h);
	void (*hub_cool)(struct shmring_hub *h);
	int (*hub_poll_fd)(struct shmring_hub *h);		/* a descriptor */
};

extern const struct shmring_backend shmring_backend_kmod;
extern const struct shmring_backend shmring_backend_memfd;

/* choose.c */
#define SHMRING_NR_BACKENDS	2
extern const struct shmring_backend *const shmring_backends[SHMRING_NR_BACKENDS];
int shmring_backend_of_environment(enum shmring_backend_id *id);
int shmring_choose_backend(struct shmring_choice *choice, enum shmring_backend_id id);
bool shmring_is_taken_elsewhere(const struct shmring_choice *choice, const char *name);

/* May the caller use the module? 0, -ENODEV (there is none), -EACCES (not this user), ... */
int shmring_kmod_probe(void);

/* Does a live ring of the caller's or of root's have this name? */
bool shmring_memfd_has(const char *name);

/* Fill in @info for a named ring, without attaching to it. Does not wait. */
int shmring_memfd_look(const char *name, struct shmring_info *info);

/* The sizes of a ring, read once and checked; or those of a ring to make. */
struct shmring_geometry {
	uint64_t capacity;
	uint64_t slots;		/* 0: records */
	uint64_t features;	/* SHMRING_FEATURE_* */
	uint32_t slot_size;	/* 0: records */
	uint32_t align;
	uint32_t nr_lanes;	/* of a file with lanes; 0: one, or each lane is a ring of its own */
	uint32_t topology;	/* of a file: SHMRING_TOPOLOGY_* */
};

/* Where the parts of a ring are mapped, and its geometry from a source that is trusted. */
struct shmring_mapping {
	const struct shmring_status *status;
	struct shmring_lane *lane;
	struct shmring_consumer *consumer;
	struct shmring_producer *producer;
	unsigned char *data;
	struct shmring_geometry geometry;
};

/* geometry.c */
bool shmring_is_geometry(const struct shmring_geometry *g);
uint32_t shmring_stride_of(const struct shmring_geometry *g);
uint64_t shmring_span_of(const struct shmring_geometry *g);

/* marks.c */
void shmring_settle_marks(struct shmring *r);

/* ring.c */
int shmring_new_object(struct shmring **out, const struct shmring_options *opt);
int shmring_make_ring(struct shmring **out, const char *name, const struct shmring_options *o,
		      const struct shmring_lanes *lanes);
int shmring_bind(struct shmring *r, const struct shmring_mapping *m);
void shmring_begin_role(struct shmring *r, enum shmring_role role);
int shmring_map_reserve(struct shmring_private *p, size_t size);
int shmring_map_at(struct shmring_private *p, size_t where, size_t len, int prot, off_t offset);

#endif /* SHMRING_BACKEND_H */
