// SPDX-License-Identifier: MIT
#include "fuzz.h"

/* A number below @n. */
static unsigned int one_of(uint64_t *seed, unsigned int n)
{
	return (unsigned int)(random_u64(seed) % n);
}

static struct op random_op(uint64_t *seed)
{
	uint64_t bits = random_u64(seed);
	struct op op;

	memcpy(&op, &bits, sizeof(op));
	op.what = (uint8_t)random_kind(seed);
	op.thread = (uint8_t)one_of(seed, NR_THREADS);
	/* Few slots are in use at first, so prefer the first. */
	op.fd %= one_of(seed, 2) ? 16 : 4;
	op.map %= one_of(seed, 2) ? 16 : 4;
	return op;
}

/* A ring in slot 0, its endpoints in 1 and 2, and what they map in 0 to 3. */
static const char prelude[] =
	"create/00000000010000 attach/00000101070000 attach/00000202070000 "
	"mmap/00010004010100 mmap/00010100000100 mmap/00020201010100 mmap/00020303000100";

struct program random_program(uint64_t *seed)
{
	struct program p;
	unsigned int nr = MAX_OPS / 2 + one_of(seed, MAX_OPS / 2);

	CHECK(parse_program(prelude, &p));
	while (p.nr < nr)
		p.ops[p.nr++] = random_op(seed);
	return p;
}

static void insert(struct program *p, unsigned int at, struct op op)
{
	if (p->nr == MAX_OPS)
		p->nr--;
	memmove(&p->ops[at + 1], &p->ops[at], (p->nr - at) * sizeof(op));
	p->ops[at] = op;
	p->nr++;
}

static void delete(struct program *p, unsigned int at)
{
	if (p->nr == 1)
		return;
	p->nr--;
	memmove(&p->ops[at], &p->ops[at + 1], (p->nr - at) * sizeof(p->ops[0]));
}

/* The part before a place, followed by the part of @other after another place. */
static void splice(struct program *p, const struct program *other, uint64_t *seed)
{
	unsigned int keep = 1 + one_of(seed, p->nr), from = one_of(seed, other->nr);
	unsigned int n = other->nr - from;

	if (n > MAX_OPS - keep)
		n = MAX_OPS - keep;
	memcpy(&p->ops[keep], &other->ops[from], n * sizeof(p->ops[0]));
	p->nr = keep + n;
}

static void mutate_once(struct program *p, const struct program *other, uint64_t *seed)
{
	unsigned int at = one_of(seed, p->nr);
	uint8_t *bytes = (uint8_t *)&p->ops[at];

	switch (one_of(seed, 8)) {
	case 0:
		splice(p, other, seed);
		break;
	case 1:
		delete(p, at);
		break;
	case 2:
		insert(p, at, p->ops[one_of(seed, p->nr)]);
		break;
	case 3:
	case 4:
		insert(p, at, random_op(seed));
		break;
	default:	/* any byte but the operation's number */
		bytes[1 + one_of(seed, sizeof(struct op) - 1)] = (uint8_t)random_u64(seed);
		break;
	}
}

struct program mutated(const struct program *p, const struct program *other, uint64_t *seed)
{
	struct program new = *p;
	unsigned int times = 1 + one_of(seed, 8);

	while (times--)
		mutate_once(&new, other, seed);
	return new;
}

void print_program(FILE *to, const struct program *p)
{
	const struct op *op;

	for (op = p->ops; op < p->ops + p->nr; op++)
		fprintf(to, "%s%s/%02x%02x%02x%02x%02x%02x%02x", op == p->ops ? "" : " ",
			kind_name(op->what), op->thread, op->fd, op->map, op->a, op->b, op->c,
			op->d);
	fputc('\n', to);
}

static bool parse_op(const char *word, struct op *op)
{
	unsigned int v[7];
	char name[32];
	size_t i;

	if (sscanf(word, "%31[^/]/%2x%2x%2x%2x%2x%2x%2x", name, &v[0], &v[1], &v[2], &v[3], &v[4],
		   &v[5], &v[6]) != 8 || kind_of(name) == nr_kinds())
		return false;
	op->what = (uint8_t)kind_of(name);
	for (i = 0; i < ARRAY_SIZE(v); i++)
		((uint8_t *)op)[1 + i] = (uint8_t)v[i];
	return true;
}

bool parse_program(const char *line, struct program *p)
{
	char *copy = strdup(line), *rest, *word;
	bool ok = true;

	CHECK(copy);
	p->nr = 0;
	for (word = strtok_r(copy, " \n", &rest); ok && word; word = strtok_r(NULL, " \n", &rest))
		ok = p->nr < MAX_OPS && parse_op(word, &p->ops[p->nr++]);
	free(copy);
	return ok && p->nr;
}
