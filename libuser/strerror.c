// SPDX-License-Identifier: MIT
/* The texts that say what an error means for a ring. Those of strerror() often do not fit. */
#include <errno.h>
#include <string.h>

#include <shmring.h>

#define TEXT(error, text)	{ error, text " (" #error ")" }

static const struct {
	int error;
	const char *text;
} texts[] = {
	TEXT(E2BIG,	"asks for what this version of the library does not know"),
	TEXT(EACCES,	"no permission, for the ring or for /dev/shmring"),
	TEXT(EAGAIN,	"nothing there yet"),
	TEXT(EBADF,	"not an open descriptor, or not this endpoint's role"),
	TEXT(EBADMSG,	"the other side has damaged the ring"),
	TEXT(EBUSY,	"the role is taken"),
	TEXT(ECANCELED,	"the wait was canceled"),
	TEXT(EDEADLK,	"no more will come before something is released"),
	TEXT(EDQUOT,	"over a limit of the user: ulimit -l, for all rings, or lanes of a ring"),
	TEXT(EEXIST,	"name is taken, here or on the other backend (shmring list)"),
	TEXT(EFBIG,	"capacity is above 1 GiB"),
	TEXT(EINTR,	"interrupted by a signal"),
	TEXT(EINVAL,	"bad name or option"),
	TEXT(EIO,	"the ring, or the list of rings, cannot be read"),
	TEXT(EMFILE,	"too many open files"),
	TEXT(EMSGSIZE,	"message does not fit"),
	TEXT(ENFILE,	"too many open files in the system"),
	TEXT(ENODATA,	"end of stream: the producer has gone, and all is taken"),
	TEXT(ENODEV,	"module is not loaded (modprobe shmring)"),
	TEXT(ENOENT,	"no such ring"),
	TEXT(ENOMEM,	"out of memory"),
	TEXT(ENOSPC,	"over the limit of all rings (max_pages)"),
	TEXT(EOPNOTSUPP, "not possible here"),
	TEXT(EPERM,	"not the caller's ring"),
	TEXT(EPIPE,	"the consumer has gone"),
	TEXT(EPROTO,	"not a ring of this version"),
	TEXT(EROFS,	"/dev/shm is read-only"),
	TEXT(ESHUTDOWN,	"the endpoint is closed"),
	TEXT(ETIMEDOUT,	"not in time"),
};

const char *shmring_strerror(int error)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].error == -error)
			return texts[i].text;
	return strerror(-error);
}
