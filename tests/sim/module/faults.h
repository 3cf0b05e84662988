/*
 * What goes wrong on purpose. A fault names what happens, to which command, how often:
 *
 *     name[(arg)][:COMMAND][%percent][@nth][*count]
 *
 * %percent: that share of the matching commands, by the seed; @nth: every nth of them; *count: at
 * most so often, then the fault is over. Without any of the three it hits every time. The same
 * seed and the same commands give the same faults.
 */
#ifndef SIM_MODULE_FAULTS_H
#define SIM_MODULE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

#define FAULTS_MAX 32

enum fault_kind {
	FAULT_NO_ANSWER,        /* nothing comes */
	FAULT_LATE,             /* the answer comes arg ms later (3000) */
	FAULT_GARBAGE,          /* arg octets of the answer are other ones (3) */
	FAULT_LOSE,             /* arg octets of the answer are missing (3) */
	FAULT_SPLIT,            /* a pause of arg ms in the answer (2) */
	FAULT_URC,              /* an unsolicited line between the lines of the answer */
	FAULT_TRUNCATED,        /* the answer breaks off */
	FAULT_ERROR,            /* ERROR instead of doing it */
	FAULT_CME,              /* +CME ERROR: arg instead of doing it (100) */
	FAULT_RESET,            /* the module restarts instead of answering */
	FAULT_HANG_UP,          /* the port vanishes for arg ms (1000) */
	FAULT_HANG,             /* deaf and dumb until enum module_hung arg (1: its RESET line) */
	_FAULT_KIND_MAX
};

struct fault {
	enum fault_kind kind;
	unsigned arg;
	char command[24];               /* "" every one */
	unsigned percent;               /* 0: not by chance */
	unsigned nth;                   /* 0: not by count */
	unsigned left;                  /* how often still; UINT32_MAX: no limit */
	unsigned seen;
	uint64_t rng;
};

struct faults {
	struct fault all[FAULTS_MAX];
	unsigned n;
	uint64_t seed;
	unsigned added;                 /* ever: each has its own sequence of chances */
	unsigned hit[_FAULT_KIND_MAX];
};

/* What the faults have in store for one command line. */
struct fate {
	unsigned what;                  /* 1 << enum fault_kind */
	unsigned arg[_FAULT_KIND_MAX];
};

#define FAULT_WHY_MAX 160

/* 0 or -EINVAL, -ENOSPC with why. */
int faults_add(struct faults *f, struct text spec, char why[FAULT_WHY_MAX]);
void faults_clear(struct faults *f);
/* Called for each command that begins; adds to what is in store for its line. */
void faults_meet(struct faults *f, const char *command, struct fate *fate);
const char *fault_name(enum fault_kind kind);

static inline bool fate_has(const struct fate *fate, enum fault_kind kind)
{
	return fate->what & (1u << kind);
}

/* A number below n from this sequence. */
unsigned rng_below(uint64_t *rng, unsigned n);

#endif
