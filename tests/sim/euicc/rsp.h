/*
 * Sessions with an RSP server, SGP.22 3.1: from GetEUICCChallenge to the result of the download or
 * CancelSession. One at a time; a reset ends it.
 */
#ifndef SIM_EUICC_RSP_H
#define SIM_EUICC_RSP_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/euicc/blob.h"
#include "sim/euicc/crypto.h"
#include "sim/euicc/es10.h"

struct ve;

#define VE_CHALLENGE_LEN 16
#define VE_TID_MAX 16

struct ve_session {
	bool has_challenge;             /* handed out, not used up */
	bool authenticated;
	bool prepared;
	uint8_t challenge[VE_CHALLENGE_LEN];
	struct blob tid;
	struct blob address;            /* serverAddress */
	struct blob oid;                /* of CERT.DPauth */
	struct blob ci;                 /* key identifier of the CI whose key the card uses */
	struct blob dp_ci;              /* the one behind CERT.DPauth */
	struct blob signature1;         /* euiccSignature1, 5F37 whole */
	enum ve_curve curve;            /* of the card's key, and so of the one-time keys */
	/* CERT.DPpb, from PrepareDownload on. */
	enum ve_curve dp_curve;
	struct blob dp_point;
};

void ve_session_clear(struct ve_session *s);

extern const struct es10_row ve_rsp_rows[];        /* ends with tag 0 */

#endif
