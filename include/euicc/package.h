/*
 * eUICC Packages (GSMA SGP.32 2.11.1, 2.11.2; chapter 3.4 and 3.5 for the operations): what an IPA
 * has to see of what passes through its hands. It never writes one: the eIM's request goes to the
 * card, the card's result goes to the eIM, octet by octet as they came.
 *
 * Nothing is judged here that the card judges: a package with operations nobody knows decodes.
 */
#ifndef EUICC_PACKAGE_H
#define EUICC_PACKAGE_H

#include "euicc/es10.h"

enum package_op {
	PACKAGE_ENABLE,
	PACKAGE_DISABLE,
	PACKAGE_DELETE,
	PACKAGE_LIST_PROFILES,
	PACKAGE_GET_RAT,
	PACKAGE_CONFIGURE_IMMEDIATE,
	PACKAGE_SET_FALLBACK,
	PACKAGE_UNSET_FALLBACK,
	PACKAGE_SET_DEFAULT_DP,
	PACKAGE_ADD_EIM,
	PACKAGE_DELETE_EIM,
	PACKAGE_UPDATE_EIM,
	PACKAGE_LIST_EIM,
	PACKAGE_ROLLBACK,               /* in results only */
	PACKAGE_TERMINATED,             /* in results only, the last: processingTerminated */
	PACKAGE_UNKNOWN,
	_PACKAGE_OP_MAX
};

/* "enable", "addEim" … */
const char *package_op_name(enum package_op op);

struct package_request {
	struct octets eim_id, eid, transaction_id;      /* the last may be missing */
	uint32_t counter;               /* UINT32_MAX: at least that */
	bool eco;                       /* operations on eIMs; else on profiles */
	struct octets ops;              /* walked with package_request_next() */
	struct octets signed_part;      /* whole */
	/* Over all operations: */
	bool switches;                  /* enables or disables a profile, if it succeeds */
	bool rollback;                  /* grants a rollback of its enable */
};

struct package_command {
	enum package_op op;
	struct octets whole;
	struct octets iccid;            /* of operations on one profile */
	bool rollback;                  /* enable only */
	struct octets eim_id;           /* of operations on one eIM */
};

/* whole: BF51. */
int package_request_decode(struct octets whole, struct package_request *ret);
/* False at the end, or where the list is broken. */
bool package_request_next(const struct package_request *q, struct octets *ops,
			  struct package_command *ret);

enum package_end {
	PACKAGE_EXECUTED,               /* signed: the results of the operations */
	PACKAGE_REFUSED,                /* signed: code says why nothing was done */
	PACKAGE_NOT_FOR_US,             /* unsigned: eIM unknown, bad signature, not readable */
	_PACKAGE_END_MAX
};

struct package_result {
	enum package_end end;
	struct octets eim_id, transaction_id;
	uint32_t counter;
	uint32_t seq;                   /* EXECUTED: acknowledged and removed by it; else 0 */
	int code;                       /* REFUSED; NOT_FOR_US: -1 or the v1.3 code */
	struct octets token;            /* NOT_FOR_US: association token, if one is set */
	struct octets results;          /* EXECUTED: walked with package_result_next() */
	/* Over all results: */
	bool switched;                  /* a profile was enabled, disabled or rolled back to */
	bool complete;                  /* every operation was done */
};

struct package_outcome {
	enum package_op op;
	int code;                       /* 0, or the operation's; -1: it has none, see whole */
	struct octets whole;
};

/* whole: BF51, or the same without it, as v1.0 cards keep it. */
int package_result_decode(struct octets whole, struct package_result *ret);
bool package_result_next(struct octets *results, struct package_outcome *ret);

/* "profileNotInDisabledState"; "unknown". op PACKAGE_UNKNOWN: of a refused package. */
const char *package_code_name(enum package_op op, int code);

#endif
