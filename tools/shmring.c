// SPDX-License-Identifier: MIT
/* The shmring command: finds the verb and runs it. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct verb verbs[] = {
	{ "send", "NAME", 1, 1, "cCmpqwPMlbv", "Send standard input through a ring.",
	  "Each read(2) makes one message. Waits while the ring is full. After it has\n"
	  "made a ring that does not persist, stays until everything has been received.\n"
	  "To a work queue: each line makes one; stays until all are finished.", cmd_send },
	{ "recv", "NAME", 1, 1, "cCmpqwPbv", "Write what comes out of a ring to standard output.",
	  "Waits while the ring is empty; ends when the sender has gone and all is taken.\n"
	  "From a ring with lanes: ends when the last sender has gone.", cmd_recv },
	{ "list", "", 0, 0, "b", "List the rings that you may see.", "", cmd_list },
	{ "info", "NAME", 1, 1, "b", "Show one ring.", "", cmd_info },
	{ "create", "NAME", 1, 1, "CsnamqfWkb", "Make a ring that stays until it is unlinked.",
	  "With --fan-in and --work, capacity and slots are those of each lane.", cmd_create },
	{ "chmod", "OCTAL NAME...", 2, 1024, "b", "Change who may receive (r) and send (w).",
	  "What is attached already stays so.", cmd_chmod },
	{ "chown", "UID[:GID] NAME...", 2, 1024, "b", "Change the owner, the group (:GID), or both.",
	  "Numbers, as id(1) prints them. Only root gives a ring to another user.", cmd_chown },
	{ "unlink", "NAME...", 1, 1024, "b", "Remove names; processes that have the ring keep it.", "",
	  cmd_unlink },
};

#define NR_VERBS (sizeof(verbs) / sizeof(*verbs))

static void print_help(FILE *f)
{
	fputs("Usage: shmring VERB [OPTION]... [NAME]...\n\n"
	      "Message passing at shared-memory speed, from the shell.\n\n", f);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(f, "  %-7s %-17s %s\n", verbs[i].name, verbs[i].operands, verbs[i].summary);
	fputs("\n  shmring send -c /demo < file     in one shell,\n"
	      "  shmring recv -c /demo > copy     in another, in any order\n\n"
	      "'shmring VERB --help' shows the options; --version the version.\n"
	      "$SHMRING_BACKEND (kmod or memfd) is as --backend.\n\n"
	      "Exit status: 0 done; 1 failed; 2 bad command line; 3 the receiver went away\n"
	      "before the end.\n", f);
}

static int run(int argc, char **argv)
{
	struct args a;
	int ret;

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(out);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		fprintf(out, "shmring " VERSION " (ABI %u)\n", SHMRING_ABI);
		return EXIT_OK;
	}
	for (size_t i = 0; i < NR_VERBS; i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		ret = parse_args(&verbs[i], argc - 1, argv + 1, &a);
		return ret < 0 ? verbs[i].run(&a) : ret;
	}
	fprintf(stderr, "shmring: no verb '%s'\nTry 'shmring --help'.\n", argv[1]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int status = EXIT_ERROR, ret = open_out();

	if (!ret) {
		status = run(argc, argv);
		ret = close_out();
	}
	if (ret) {
		fprintf(stderr, "shmring: standard output: %s\n", strerror(-ret));
		status = EXIT_ERROR;
	}
	return status;
}
