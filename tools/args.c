// SPDX-License-Identifier: MIT
/* The options of all verbs: each verb says which of them it takes. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct option_help {
	struct option option;
	const char *argument, *help;
} options[] = {
	{ { "create", no_argument, NULL, 'c' }, "",
	  "make the ring if it is not there" },
	{ { "capacity", required_argument, NULL, 'C' }, "SIZE",
	  "of a new ring, in bytes, or with K, M or G (default 64K)" },
	{ { "slot", required_argument, NULL, 's' }, "SIZE",
	  "messages of a new ring all have this size" },
	{ { "slots", required_argument, NULL, 'n' }, "N",
	  "of these, a new ring holds so many (default: as fit)" },
	{ { "align", required_argument, NULL, 'a' }, "BYTES",
	  "of each message of a new ring: a power of two (default 8)" },
	{ { "mode", required_argument, NULL, 'm' }, "OCTAL",
	  "of a new ring: r may receive, w may send (default 600)" },
	{ { "persist", no_argument, NULL, 'p' }, "",
	  "a new ring stays until it is unlinked" },
	{ { "queue", no_argument, NULL, 'q' }, "",
	  "a new ring queues while it has no receiver: no error" },
	{ { "fan-in", required_argument, NULL, 'f' }, "N",
	  "of N senders, each in a lane of its own, to one receiver" },
	{ { "work", required_argument, NULL, 'W' }, "N",
	  "of N receivers, of which each message goes to one" },
	{ { "marks", no_argument, NULL, 'k' }, "",
	  "slots of a new ring say themselves that they are full" },
	{ { "wait", no_argument, NULL, 'w' }, "",
	  "wait for the ring to be made" },
	{ { "wait-policy", required_argument, NULL, 'P' }, "POLICY",
	  "while full or empty: adaptive (default), block, eager or spin" },
	{ { "space-mark", required_argument, NULL, 'M' }, "SIZE",
	  "of a full ring, sleep until so much is free (default: half)" },
	{ { "lines", no_argument, NULL, 'l' }, "",
	  "messages end with lines: those of several senders do not mix" },
	{ { "backend", required_argument, NULL, 'b' }, "BACKEND",
	  "kmod (/dev/shmring) or memfd (no module)" },
	{ { "verbose", no_argument, NULL, 'v' }, "",
	  "say at the end what was moved" },
	{ { "help", no_argument, NULL, 'h' }, "", "this" },
};

#define NR_OPTIONS (sizeof(options) / sizeof(*options))

static bool takes(const struct verb *v, int letter)
{
	return letter == 'h' || strchr(v->options, letter);
}

void print_usage(const struct verb *v)
{
	fprintf(out, "Usage: shmring %s [OPTION]...%s%s\n\n%s\n\n", v->name,
	       *v->operands ? " " : "", v->operands, v->summary);
	if (*v->help)
		fprintf(out, "%s\n\n", v->help);
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		const struct option_help *o = &options[i];
		char flag[32];

		if (!takes(v, o->option.val))
			continue;
		snprintf(flag, sizeof(flag), "--%s%s%s", o->option.name,
			 *o->argument ? " " : "", o->argument);
		fprintf(out, "  -%c, %-22s %s\n", o->option.val, flag, o->help);
	}
}

static int parse_size(const char *s, size_t *size)
{
	static const char units[] = "KMG";
	unsigned long long value;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (*s < '0' || *s > '9')	/* strtoull would take a sign */
		return -EINVAL;
	errno = 0;
	value = strtoull(s, &end, 0);
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (errno || value > SIZE_MAX >> shift)
		return -EINVAL;
	*size = (size_t)value << shift;
	return 0;
}

static int parse_mark(const char *s, uint64_t *mark)
{
	size_t size;
	int ret = parse_size(s, &size);

	*mark = size;
	return ret;
}

int parse_octal(const char *s, unsigned int *value)
{
	unsigned long octal;
	char *end;

	if (*s < '0' || *s > '7')
		return -EINVAL;
	octal = strtoul(s, &end, 8);
	if (*end || octal & ~0666ul)
		return -EINVAL;
	*value = (unsigned int)octal;
	return 0;
}

/* 0 would be the default. */
static int parse_mode(const char *s, unsigned int *mode)
{
	int ret = parse_octal(s, mode);

	return ret || *mode ? ret : -EINVAL;
}

static int parse_policy(const char *s, enum shmring_policy *policy)
{
	if (!strcmp(s, "adaptive"))
		*policy = SHMRING_ADAPTIVE;
	else if (!strcmp(s, "block"))
		*policy = SHMRING_BLOCK;
	else if (!strcmp(s, "eager"))
		*policy = SHMRING_EAGER;
	else if (!strcmp(s, "spin"))
		*policy = SHMRING_SPIN;
	else
		return -EINVAL;
	return 0;
}

static int parse_backend(const char *s, enum shmring_backend_id *backend)
{
	if (!strcmp(s, "kmod"))
		*backend = SHMRING_KMOD;
	else if (!strcmp(s, "memfd"))
		*backend = SHMRING_MEMFD;
	else
		return -EINVAL;
	return 0;
}

static int parse_option(struct args *a, int letter, const char *value)
{
	switch (letter) {
	case 'c':
		a->create = true;
		return 0;
	case 'C':
		return parse_size(value, &a->opt.capacity);
	case 's':
		return parse_size(value, &a->opt.slot_size);
	case 'n':
		return parse_size(value, &a->opt.slots);
	case 'a':
		return parse_size(value, &a->opt.align);
	case 'm':
		return parse_mode(value, &a->opt.mode);
	case 'p':
		a->opt.flags |= SHMRING_PERSIST;
		return 0;
	case 'q':
		a->opt.flags |= SHMRING_QUEUE;
		return 0;
	case 'f':
		a->topology = SHMRING_TOPOLOGY_FAN_IN;
		return parse_size(value, &a->lanes);
	case 'W':
		a->topology = SHMRING_TOPOLOGY_WORK;
		return parse_size(value, &a->lanes);
	case 'k':
		a->opt.flags |= SHMRING_MARKS;
		return 0;
	case 'w':
		a->wait = true;
		return 0;
	case 'P':
		return parse_policy(value, &a->opt.policy);
	case 'M':
		return parse_mark(value, &a->opt.space_mark);
	case 'l':
		a->lines = true;
		return 0;
	case 'b':
		return parse_backend(value, &a->opt.backend);
	default:
		a->verbose = true;
		return 0;
	}
}

static int usage_error(const struct verb *v)
{
	fprintf(stderr, "Try 'shmring %s --help'.\n", v->name);
	return EXIT_USAGE;
}

/*
 * @argv[0] is the verb. Returns -1 if the verb is to be run with @a, else the
 * exit status.
 */
int parse_args(const struct verb *v, int argc, char **argv, struct args *a)
{
	struct option table[NR_OPTIONS + 1] = { 0 };
	char letters[3 * NR_OPTIONS + 1], *p = letters, title[32];
	int c, n = 0;

	/* What getopt_long() complains about begins with argv[0]. */
	snprintf(title, sizeof(title), "shmring: %s", v->name);
	argv[0] = title;
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		if (!takes(v, options[i].option.val))
			continue;
		table[n++] = options[i].option;
		*p++ = (char)options[i].option.val;
		if (options[i].option.has_arg)
			*p++ = ':';
	}
	*p = '\0';

	*a = (struct args){ .verb = v->name, .opt = SHMRING_OPTIONS_INIT };
	for (;;) {
		c = getopt_long(argc, argv, letters, table, NULL);
		if (c == -1)
			break;
		if (c == '?')
			return usage_error(v);
		if (c == 'h') {
			print_usage(v);
			return EXIT_OK;
		}
		if (parse_option(a, c, optarg)) {
			fprintf(stderr, "%s: bad value '%s'\n", title, optarg);
			return usage_error(v);
		}
	}
	n = argc - optind;
	if (n < v->min_names || n > v->max_names) {
		fprintf(stderr, "%s: %s\n", title, n < v->min_names ? "NAME is missing" :
			"too many arguments");
		return usage_error(v);
	}
	a->names = argv + optind;
	return -1;
}
