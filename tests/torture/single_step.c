// SPDX-License-Identifier: MIT
/*
 * Not every machine has single steps. Where an atomic operation is a loop of a linked load and
 * a conditional store, they are of no use: the exception between the two breaks the link, the
 * store fails, and the loop never ends.
 */
#include "single_step.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "test.h"

#define CANNOT_BE_TRACED	2
#define ENOUGH	20000	/* instructions for two atomic operations, and for the end of raise() */

struct words {
	uint64_t counter;
	uint32_t done;
};

static int make_atomic_operations(void *arg)
{
	struct words *words = arg;
	uint64_t one = 1;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return CANNOT_BE_TRACED;
	raise(SIGSTOP);
	__atomic_fetch_add(&words->counter, 1, __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(&words->counter, &one, 2, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	__atomic_store_n(&words->done, 1, __ATOMIC_SEQ_CST);
	return TEST_PASS;
}

static const char *step_through(pid_t pid, const struct words *words)
{
	unsigned int n;
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return "a child cannot be traced";
	for (n = 0; n < ENOUGH && !__atomic_load_n(&words->done, __ATOMIC_SEQ_CST); n++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			return errno == EIO ? "this machine has no single steps" :
					      "PTRACE_SINGLESTEP fails";
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
		    WSTOPSIG(status) != SIGTRAP)
			return "a single step does not end in SIGTRAP";
	}
	return n < ENOUGH ? NULL : "single steps break the linked loads and stores that this "
				   "machine's atomic operations are made of";
}

const char *no_single_steps(void)
{
	struct words *words = share(sizeof(*words));
	pid_t pid = start(make_atomic_operations, words);
	const char *why = step_through(pid, words);

	kill(pid, SIGKILL);
	while (waitpid(pid, &(int){ 0 }, 0) == pid)
		;
	return why;
}
