/*
 * Faults on demand. Each is armed by one line of text and applies to the messages it names:
 *
 *     KIND[=VALUE][,on=get|result|notify|rsp|any|block][,count=N|forever][,after=N][,chance=PERCENT]
 *
 * It lets `after` messages pass, then strikes `count` times (1 unless told otherwise), each time
 * with the given chance. The dice have a seed, so a run can be repeated.
 */
#ifndef SIM_EIM_FAULT_H
#define SIM_EIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

enum se_fault_kind {
	/* the connection */
	SE_FAULT_TLS_RESET,             /* resets the connection before the handshake */
	SE_FAULT_RESET,                 /* resets it instead of an answer */
	SE_FAULT_NO_ANSWER,             /* takes the request and stays silent */
	SE_FAULT_SLOW,                  /* answers after VALUE ms */
	SE_FAULT_CLOSE,                 /* closes in the middle of the body */
	SE_FAULT_STALL,                 /* stops in the middle of the body, stays connected */
	SE_FAULT_ACK_ONLY,              /* CoAP: acknowledges, and then stays silent */
	SE_FAULT_RST,                   /* CoAP: rejects the message */
	SE_FAULT_REBIND,                /* CoAP: at block VALUE (the middle one) of the answer all clients
					   get other addresses, as from a NAT that has forgotten them */
	SE_FAULT_UNREACHABLE,           /* no listener for VALUE seconds, 0 until told */
	SE_FAULT_LOST_AFTER_SWITCH,     /* the same, once a package that switches has been sent */
	/* HTTP */
	SE_FAULT_HTTP,                  /* status VALUE, no body */
	SE_FAULT_CONTENT_TYPE,          /* VALUE, or text/html */
	SE_FAULT_GARBAGE,               /* a body of as many octets of noise */
	SE_FAULT_TRUNCATED,             /* a body cut in the middle, its length told as it is */
	SE_FAULT_EMPTY,                 /* a body of no octets */
	/* the message */
	SE_FAULT_WRONG_TAG,             /* another outer tag */
	SE_FAULT_TRAILING,              /* an unknown element at the end, which readers must pass over */
	SE_FAULT_ACK_WRONG,             /* acknowledges VALUE (9999) instead of what was taken */
	/* the package: a spoilt copy is offered in place of what is queued */
	SE_FAULT_REPLAY,                /* the last package that is done, unchanged */
	SE_FAULT_BAD_SIGNATURE,
	SE_FAULT_WRONG_EID,
	SE_FAULT_LOW_COUNTER,
	SE_FAULT_UNKNOWN_PSMO,
	_SE_FAULT_MAX
};

enum se_fault_on {
	SE_ON_ANY,
	SE_ON_GET,                      /* GetEimPackage */
	SE_ON_RESULT,                   /* ProvideEimPackageResult */
	SE_ON_NOTIFY,                   /* HandleNotification */
	SE_ON_RSP,                      /* the four functions of an indirect download */
	SE_ON_BLOCK,                    /* CoAP: a block that is not a request's last or an answer's first */
	_SE_ON_MAX
};

#define SE_FAULT_FOREVER 0xffffffffu
#define SE_FAULTS_MAX 32
#define SE_FAULT_VALUE_MAX 64

struct se_fault {
	enum se_fault_kind kind;
	enum se_fault_on on;
	char value[SE_FAULT_VALUE_MAX];
	unsigned after, count, chance;
	unsigned struck;
};

struct se_faults {
	struct se_fault list[SE_FAULTS_MAX];
	size_t n;
	uint32_t seed;
	unsigned struck[_SE_FAULT_MAX];
};

extern const char *const se_fault_names[_SE_FAULT_MAX];
extern const char *const se_on_names[_SE_ON_MAX];

void se_faults_init(struct se_faults *f, uint32_t seed);
/* -EINVAL and in *ret_why, static, what is wrong; -ENOSPC. */
int se_fault_add(struct se_faults *f, struct text line, const char **ret_why);
void se_fault_clear(struct se_faults *f);
/* Does this fault strike now? If so it is counted, and its value is copied out (may be NULL). */
bool se_fault_strikes(struct se_faults *f, enum se_fault_kind kind, enum se_fault_on on,
		      char ret_value[SE_FAULT_VALUE_MAX]);
/* The value as a number, or the other one where it is none. */
unsigned se_fault_number(const char *value, unsigned otherwise);
uint32_t se_fault_roll(struct se_faults *f, uint32_t below);

#endif
