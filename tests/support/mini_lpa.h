/*
 * Whoever downloads profiles, small: ES9+ in JSON towards a server, ES10b towards a card, both
 * reached through functions of the test's. Written from the references alone.
 */
#ifndef SUPPORT_MINI_LPA_H
#define SUPPORT_MINI_LPA_H

#include <json-c/json.h>
#include <stdbool.h>

#include "sim/smdp/crypto.h"

/* How far a download came; the names of what failed. */
enum mini_step {
	MINI_INSTALLED,
	MINI_INITIATE,                  /* the server refused, or could not be understood */
	MINI_AUTHENTICATE_SERVER,       /* the card refused */
	MINI_AUTHENTICATE_CLIENT,
	MINI_METADATA,                  /* that of the package is not what was offered */
	MINI_PREPARE,                   /* the card */
	MINI_GET_PACKAGE,
	MINI_LOAD,                      /* the card's result says that it failed */
	MINI_STOPPED,                   /* as the test wanted */
	_MINI_STEP_MAX
};

struct mini_lpa {
	/* POST of a JSON body to this function. The HTTP status and the body, or -errno. */
	int (*post)(struct mini_lpa *l, const char *function, const char *body, struct sdp_blob *ret);
	/* An ES10 command; the answer's data, empty where the card says no more than 9000. */
	struct octets (*es10)(struct mini_lpa *l, struct octets command);

	const char *address;            /* smdpAddress */
	const char *matching_id;        /* NULL: none */
	const char *code;               /* confirmation code, NULL: none */
	unsigned stop_after;            /* transfers of the package; 0: all */
	bool keep_result;               /* do not deliver the ProfileInstallationResult */

	/* what happened */
	int status;                     /* of HTTP, or -errno */
	char subject[32], reason[32];   /* of the server's refusal, "" otherwise */
	struct sdp_blob bpp, metadata, result;
	struct sdp_blob tid;
	struct json_object *answer;     /* the last one */
	struct json_object *events;     /* eventEntries of an SM-DS, part of answer */
	struct sdp_blob card_said;
};

enum mini_step mini_lpa_download(struct mini_lpa *l);
/* Authentication only, as for an SM-DS: MINI_INSTALLED when the server was content. */
enum mini_step mini_lpa_authenticate(struct mini_lpa *l);
/* ES10b.CancelSession and cancelSession. The server's HTTP status. */
int mini_lpa_cancel(struct mini_lpa *l, unsigned reason);
/* Every notification on the card, delivered and then removed. How many. */
unsigned mini_lpa_notify(struct mini_lpa *l);
/* One notification; the HTTP status. */
int mini_lpa_deliver(struct mini_lpa *l, struct octets notification);
void mini_lpa_done(struct mini_lpa *l);

#endif
