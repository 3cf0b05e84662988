#include "sim/module/faults.h"

#include <errno.h>
#include <stdio.h>

#include "core/util.h"

static const struct {
	const char *name;
	unsigned arg;
} kinds[_FAULT_KIND_MAX] = {
	[FAULT_NO_ANSWER] = { "no-answer", 0 }, [FAULT_LATE] = { "late", 3000 },
	[FAULT_GARBAGE] = { "garbage", 3 },     [FAULT_LOSE] = { "lose", 3 },
	[FAULT_SPLIT] = { "split", 2 },         [FAULT_URC] = { "urc", 1 },
	[FAULT_TRUNCATED] = { "truncated", 0 }, [FAULT_ERROR] = { "error", 0 },
	[FAULT_CME] = { "cme", 100 },           [FAULT_RESET] = { "reset", 0 },
	[FAULT_HANG_UP] = { "hang-up", 1000 },  [FAULT_HANG] = { "hang", 1 },
};

const char *fault_name(enum fault_kind kind)
{
	return kinds[kind].name;
}

unsigned rng_below(uint64_t *rng, unsigned n)
{
	*rng = *rng * 6364136223846793005ull + 1442695040888963407ull;
	return n ? (unsigned)((*rng >> 33) % n) : 0;
}

static int find_kind(struct text name)
{
	for (int k = 0; k < _FAULT_KIND_MAX; k++)
		if (text_eq(name, kinds[k].name))
			return k;
	return -1;
}

/* Up to the first character of the set, which stays. */
static struct text take_until(struct text *rest, const char *set)
{
	struct text t = *rest;
	size_t n = 0;

	while (n < t.n && !strchr(set, t.s[n]))
		n++;
	*rest = text_skip(t, n);
	return text_from(t.s, n);
}

static int parse_kind(struct fault *f, struct text *rest)
{
	int kind = find_kind(take_until(rest, "(:%@*"));
	struct text arg;
	uint32_t v;

	if (kind < 0)
		return -EINVAL;
	f->kind = (enum fault_kind)kind;
	f->arg = kinds[kind].arg;
	if (!text_starts(*rest, "("))
		return 0;
	*rest = text_skip(*rest, 1);
	arg = take_until(rest, ")");
	if (rest->n == 0 || text_to_u32(arg, 10, &v) < 0)
		return -EINVAL;
	f->arg = v;
	*rest = text_skip(*rest, 1);
	return 0;
}

/* A '%' with digits behind it is a share; otherwise it is the first character of a command. */
static struct text take_command(struct text *rest)
{
	struct text t = *rest, name;
	size_t n = t.n > 0 ? 1 : 0;

	while (n < t.n && !strchr("%@*", t.s[n]))
		n++;
	name = text_from(t.s, n);
	*rest = text_skip(t, n);
	return name;
}

static int parse_command(struct fault *f, struct text *rest)
{
	struct text name;

	if (!text_starts(*rest, ":"))
		return 0;
	*rest = text_skip(*rest, 1);
	name = take_command(rest);
	if (text_case_starts(name, "AT") && name.n > 2)
		name = text_skip(name, 2);
	return name.n ? text_copy(name, f->command, sizeof(f->command)) : -EINVAL;
}

static int parse_number(struct text *rest, char mark, unsigned high, unsigned *ret)
{
	struct text number;
	uint32_t v;

	if (rest->n == 0 || rest->s[0] != mark)
		return 0;
	*rest = text_skip(*rest, 1);
	number = take_until(rest, "%@*");
	if (text_to_u32(number, 10, &v) < 0 || v == 0 || v > high)
		return -EINVAL;
	*ret = v;
	return 0;
}

int faults_add(struct faults *f, struct text spec, char why[FAULT_WHY_MAX])
{
	struct fault new = { .left = UINT32_MAX };
	struct text rest = spec;
	int r;

	if (f->n == FAULTS_MAX) {
		snprintf(why, FAULT_WHY_MAX, "more than %d faults", FAULTS_MAX);
		return -ENOSPC;
	}
	r = parse_kind(&new, &rest);
	if (r == 0)
		r = parse_command(&new, &rest);
	if (r == 0)
		r = parse_number(&rest, '%', 100, &new.percent);
	if (r == 0)
		r = parse_number(&rest, '@', 1000000000, &new.nth);
	if (r == 0)
		r = parse_number(&rest, '*', 1000000000, &new.left);
	if (r < 0 || rest.n) {
		snprintf(why, FAULT_WHY_MAX, "fault '" TEXT_FMT "': expected "
			 "name[(arg)][:COMMAND][%%percent][@nth][*count], see --help",
			 TEXT_ARG(text_from(spec.s, MIN(spec.n, 40))));
		return -EINVAL;
	}
	new.rng = f->seed + 0x9e3779b97f4a7c15ull * ++f->added;
	f->all[f->n++] = new;
	return 0;
}

void faults_clear(struct faults *f)
{
	f->n = 0;
}

static bool strikes(struct fault *f)
{
	f->seen++;
	if (f->percent && rng_below(&f->rng, 100) >= f->percent)
		return false;
	if (f->nth && f->seen % f->nth)
		return false;
	if (f->left == 0)
		return false;
	if (f->left != UINT32_MAX)
		f->left--;
	return true;
}

void faults_meet(struct faults *f, const char *command, struct fate *fate)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct fault *one = &f->all[i];

		if (one->command[0] && !text_case_eq(text_of(one->command), command))
			continue;
		if (!strikes(one))
			continue;
		fate->what |= 1u << one->kind;
		fate->arg[one->kind] = one->arg;
		f->hit[one->kind]++;
	}
}
