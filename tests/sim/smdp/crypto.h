/*
 * The cryptography of an SM-DP+: ECDSA with SHA-256 and key agreement on NIST P-256 and
 * brainpoolP256r1, the X9.63 KDF, AES-128. Signatures are r || s and deterministic (RFC 6979), so
 * that a run with fixed one-time keys gives the same octets each time.
 *
 * Names start with sdp_ (simulated DP) throughout this folder, so that tests can link it beside
 * the daemon and the other simulators.
 */
#ifndef SIM_SMDP_CRYPTO_H
#define SIM_SMDP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

#define SDP_SCALAR_LEN 32
#define SDP_POINT_LEN 65        /* 04 X Y */
#define SDP_SIGNATURE_LEN 64
#define SDP_HASH_LEN 32
#define SDP_BLOCK_LEN 16

enum sdp_curve { SDP_NIST, SDP_BRAINPOOL, _SDP_CURVE_MAX };
extern const char *const sdp_curve_names[_SDP_CURVE_MAX];

struct sdp_key {
	enum sdp_curve curve;
	uint8_t scalar[SDP_SCALAR_LEN];
	uint8_t point[SDP_POINT_LEN];
};

/* OpenSSL's number of the curve, and back; -EINVAL: another curve. */
int sdp_curve_nid(enum sdp_curve c);
int sdp_curve_from_nid(int nid, enum sdp_curve *ret);

/* A private key in PEM. -errno; -EBADMSG: no key on one of the curves. */
int sdp_key_load(const char *path, struct sdp_key *ret);
/* -EBADMSG: no scalar of the curve. */
int sdp_key_from_scalar(enum sdp_curve c, const uint8_t scalar[SDP_SCALAR_LEN],
			struct sdp_key *ret);
void sdp_key_wipe(struct sdp_key *k);

/* The concatenation of the parts is what is signed. */
void sdp_sign(const struct sdp_key *k, const struct octets *parts, size_t n,
	      uint8_t ret[SDP_SIGNATURE_LEN]);
bool sdp_verify(enum sdp_curve c, const uint8_t point[SDP_POINT_LEN], const struct octets *parts,
		size_t n, struct octets signature);
/* x of the shared point. -EBADMSG: the peer's point is not on the curve. */
int sdp_agree(const struct sdp_key *k, struct octets peer, uint8_t ret[SDP_SCALAR_LEN]);

void sdp_sha256(const struct octets *parts, size_t n, uint8_t ret[SDP_HASH_LEN]);
void sdp_sha1(struct octets v, uint8_t ret[20]);
/* ANSI X9.63 with SHA-256. */
void sdp_kdf(const uint8_t z[SDP_SCALAR_LEN], struct octets info, uint8_t *ret, size_t n);

void sdp_aes_block(const uint8_t key[SDP_BLOCK_LEN], const uint8_t in[SDP_BLOCK_LEN],
		   uint8_t ret[SDP_BLOCK_LEN]);
/* n is a multiple of the block; dst may be src. */
void sdp_aes_cbc(const uint8_t key[SDP_BLOCK_LEN], const uint8_t iv[SDP_BLOCK_LEN],
		 const uint8_t *src, size_t n, uint8_t *dst);
void sdp_cmac(const uint8_t key[SDP_BLOCK_LEN], const struct octets *parts, size_t n,
	      uint8_t ret[SDP_BLOCK_LEN]);

/* Without memory or random numbers a simulator has nothing to say: it ends with a message. */
void sdp_random(uint8_t *dst, size_t n);
void *sdp_alloc(size_t n);

/* Octets with an owner. */
struct sdp_blob {
	uint8_t *p;
	size_t n;
};

void sdp_blob_set(struct sdp_blob *b, struct octets v);
void sdp_blob_done(struct sdp_blob *b);

static inline struct octets sdp_blob_octets(const struct sdp_blob *b)
{
	return octets_from(b->p, b->n);
}

#endif
