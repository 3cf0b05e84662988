/*
 * Sessions with an RSP server, SGP.22 3.1: from GetEUICCChallenge to the result of the download or
 * CancelSession. One at a time; a reset ends it.
 */
#ifndef SIM_EUICC_RSP_H
#define SIM_EUICC_RSP_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/euicc/blob.h"
#include "sim/euicc/es10.h"

struct ve;

struct ve_session {
	bool has_challenge;
	bool authenticated;
	bool prepared;
	uint8_t challenge[16];
	struct blob tid;
	struct blob address;            /* serverAddress */
	struct blob oid;                /* of CERT.DPauth */
	struct blob ci;                 /* the CI key identifier that was chosen */
	struct blob dp_ci;              /* the one behind CERT.DPauth */
	struct blob signature1;         /* euiccSignature1, 5F37 whole */
	struct blob dp_pb;              /* CERT.DPpb */
};

void ve_session_clear(struct ve_session *s);

#endif
