/* The card's own keys and certificates, SGP.22 4.5: which one speaks for which CI, and signing. */
#ifndef SIM_EUICC_SIGN_H
#define SIM_EUICC_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/crypto.h"
#include "sim/euicc/state.h"

/* The subject key identifier of a certificate, as CIs are named. 0, or -EBADMSG. */
int ve_key_id(struct octets certificate, uint8_t ret[VE_KEY_ID_LEN]);
/* The credential of that CI (a beginning of its identifier will do) that can sign; NULL: none. */
const struct ve_credential *ve_credential_for(const struct ve_state *s, struct octets ci);
/* The preferred one of those that can sign; NULL: a card without keys. */
const struct ve_credential *ve_credential_first(const struct ve_state *s);

/* ECDSA with SHA-256, r and s side by side. 0, or -EINVAL: the key is no key. */
int ve_sign(const struct ve_credential *c, struct octets data, uint8_t ret[VE_SIGNATURE_LEN]);
/* 5F37 over these octets; a card without keys signs with zeros. */
void ve_sign_put(const struct ve_credential *c, struct octets data, struct tlv_out *w);

#endif
