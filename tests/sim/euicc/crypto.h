/*
 * The primitives of RSP: SGP.22 2.6. All keys of a session are on one curve, secrets are numbers
 * of 32 octets, public keys are uncompressed points (04 X Y), signatures r and s side by side
 * (BSI TR-03111). Signatures are made with the nonce of RFC 6979, so that what a card has signed
 * can be recorded and compared.
 */
#ifndef SIM_EUICC_CRYPTO_H
#define SIM_EUICC_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

#define VE_HASH_LEN 32
#define VE_SECRET_LEN 32
#define VE_POINT_LEN 65
#define VE_SIGNATURE_LEN 64
#define VE_KEY_ID_LEN 20
#define VE_AES_LEN 16

enum ve_curve {
	VE_CURVE_P256,
	VE_CURVE_BP256,         /* brainpoolP256r1 */
	_VE_CURVE_MAX
};

void ve_sha256(struct octets data, uint8_t ret[VE_HASH_LEN]);
/* SHA-1 of a point, as certificates name keys: RFC 5280 4.2.1.2, method 1. */
void ve_point_id(struct octets point, uint8_t ret[VE_KEY_ID_LEN]);

/* 0, or -EINVAL: the number is no secret key of that curve. */
int ve_ec_public(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN],
		 uint8_t ret[VE_POINT_LEN]);
int ve_ec_sign(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN], struct octets data,
	       uint8_t ret[VE_SIGNATURE_LEN]);
/* False also for a point off the curve and a signature that is none. */
bool ve_ec_verify(enum ve_curve curve, struct octets point, struct octets data,
		  struct octets signature);
/* ECKA: the x coordinate. -EINVAL: no secret, or the point is not on the curve. */
int ve_ec_agree(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN], struct octets point,
		uint8_t ret[VE_SECRET_LEN]);

/* ANSI X9.63 with SHA-256; n is at most VE_KDF_MAX (asserted). */
#define VE_KDF_MAX 256
void ve_x963(struct octets z, struct octets info, uint8_t *ret, size_t n);

/* One block; CBC over whole blocks, in place; CMAC (RFC 4493) of the parts one after another. */
void ve_aes_block(const uint8_t key[VE_AES_LEN], const uint8_t in[VE_AES_LEN],
		  uint8_t ret[VE_AES_LEN]);
void ve_aes_cbc_decrypt(const uint8_t key[VE_AES_LEN], const uint8_t icv[VE_AES_LEN], uint8_t *data,
			size_t n);
void ve_aes_cmac(const uint8_t key[VE_AES_LEN], const struct octets *parts, size_t n_parts,
		 uint8_t ret[VE_AES_LEN]);

#endif
