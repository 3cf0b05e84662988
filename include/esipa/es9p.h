/*
 * ES9+ and ES11 (GSMA SGP.22 5.6, 5.8, 6.5.2): what an SM-DP+ or SM-DS is asked and what it answers,
 * as JSON over HTTPS. Pure: no I/O, no logging. The decoders allocate only within json-c.
 *
 * Octets travel in base64. What an answer holds is decoded into an area that the caller gives, as
 * large as the body is enough; octets in the results are views into it. "whole" says that octets
 * begin with their tag and length; servers that leave the tag of a signature or key identifier out
 * get it added. What is signed is passed on as it came.
 */
#ifndef ESIPA_ES9P_H
#define ESIPA_ES9P_H

#include "esipa/esipa.h"

enum es9p_function {
	ES9P_INITIATE,
	ES9P_AUTHENTICATE,
	ES9P_GET_BPP,
	ES9P_CANCEL,
	ES9P_NOTIFY,
	_ES9P_FUNCTION_MAX
};

/* The last part of the path, "initiateAuthentication"; in causes and logs too. */
const char *es9p_function_name(enum es9p_function f);

/* transactionId: hex digits; sent back exactly as they came. With the NUL. */
#define ES9P_TRANSACTION_MAX 65
/* Enough for a request around n octets that are carried. */
#define ES9P_REQUEST_MAX(n) (((n) + 2) / 3 * 4 + 512)

/*
 * Encoders write into buf and set *ret_n (no NUL counted). -EMSGSIZE: cap is too small; -EINVAL:
 * the address or transaction id is none that could be sent.
 */
int es9p_initiate_encode(char *buf, size_t cap, struct octets challenge, struct octets info1,
			 struct text address, size_t *ret_n);
int es9p_authenticate_encode(char *buf, size_t cap, struct text transaction, struct octets bf38,
			     size_t *ret_n);
int es9p_get_bpp_encode(char *buf, size_t cap, struct text transaction, struct octets bf21,
			size_t *ret_n);
int es9p_cancel_encode(char *buf, size_t cap, struct text transaction, struct octets bf41,
		       size_t *ret_n);
/* A pending notification, BF37 or 30, whole. */
int es9p_notify_encode(char *buf, size_t cap, struct octets notification, size_t *ret_n);

/* functionExecutionStatus, SGP.22 6.5.1.4. Texts are cut where they are longer. */
struct es9p_status {
	bool failed;                    /* Failed or Expired; else executed, perhaps with a warning */
	char subject[16], reason[16];   /* "8.2.6", "3.8"; "" where not given */
	char message[96];               /* the server's words, printable; "" none */
};

/* "matching id refused" for 8.2.6 and 3.8 (sgp32 12.4, SGP.22 5.6, 5.8); NULL: not known. */
const char *es9p_status_words(const struct es9p_status *s);

#define ES9P_WHY_MAX 96

/* Where an answer is decoded to: cap octets at area, as large as the body. */
struct es9p_area {
	uint8_t *area;
	size_t cap;
	char why[ES9P_WHY_MAX];         /* of -EBADMSG: "serverSigned1 is missing" */
};

/*
 * Decoders: 0, and *status; where it has not failed, *ret too. -EBADMSG: the body cannot be read, in
 * a->why is what and where.
 */
int es9p_initiate_decode(struct octets body, struct es9p_area *a, struct es9p_status *status,
			 char ret_transaction[ES9P_TRANSACTION_MAX], struct esipa_initiated *ret);

#define ES9P_EVENTS_MAX 8
#define ES9P_EVENT_ID_MAX 128
#define ES9P_ADDRESS_MAX 256

/* ES11: an event waits at that server. */
struct es9p_event {
	char id[ES9P_EVENT_ID_MAX], address[ES9P_ADDRESS_MAX];
};

struct es9p_events {
	struct es9p_event list[ES9P_EVENTS_MAX];
	size_t n;
	bool more;                      /* there were more than fit, or some too long */
};

/* smds in *ret: the server was an SM-DS and *ret_events is set (may be empty). */
int es9p_authenticate_decode(struct octets body, struct es9p_area *a, struct es9p_status *status,
			     struct esipa_authenticated *ret, struct es9p_events *ret_events);

/*
 * The package may be large: it is decoded where it stands in the body, which is changed, and is held
 * but once. *ret_bpp: whole BF36, a view into the body.
 */
int es9p_get_bpp_decode(uint8_t *body, size_t n, struct es9p_status *status,
			struct octets *ret_bpp, char why[ES9P_WHY_MAX]);

/*
 * The same package while the body still comes in: find where it begins in what has come so far, then
 * read on, octet by octet, as far as there is something. Whether the body as a whole is sound, and the
 * server has not failed after all, only es9p_get_bpp_decode() tells, of a body that was not begun so.
 */
struct es9p_reader {
	size_t at;                      /* in the body: what is read next */
	bool ended;                     /* the string is over */
	bool broken;                    /* it is no base64 */
	/* es9p_bpp.c only */
	uint32_t bits;
	unsigned n_bits;
};

/* 0: it begins; -EAGAIN: not yet; -EBADMSG: not here, nor in what may follow. */
int es9p_bpp_find(struct octets so_far, struct es9p_reader *ret);
/* How many octets were put into dst, at most cap. */
size_t es9p_bpp_read(struct es9p_reader *r, struct octets so_far, uint8_t *dst, size_t cap);

/* Of cancelSession and handleNotification: an empty body is a yes. */
int es9p_header_decode(struct octets body, struct es9p_status *status, char why[ES9P_WHY_MAX]);

/* --- activation code, SGP.22 4.1 ------------------------------------------------------------------ */

#define ES9P_CODE_MAX 256       /* with NUL */

struct es9p_code {
	char address[ES9P_ADDRESS_MAX], token[ES9P_CODE_MAX], oid[64];
	bool confirmation;              /* the profile wants a confirmation code */
};

/*
 * "LPA:1$smdp.example$TOKEN$OID$1", the prefix may be missing, parts behind the known ones are
 * passed over. 0, or -EINVAL and, in *ret_why, static, what was expected.
 */
int es9p_code_parse(struct text code, struct es9p_code *ret, const char **ret_why);

#endif
