/* Random octets and hashes, over mbedTLS. What signs and verifies is the eUICC, never we. */
#ifndef NET_CRYPTO_H
#define NET_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#define CRYPTO_SHA256 32

/*
 * Seeds the generator from the system, once; calling it again is fine and is what everything
 * here does by itself. -EIO: the system has no entropy to give.
 */
int crypto_open(void);
/* For leak checks at the end of the process. */
void crypto_close(void);

int crypto_random(void *dst, size_t n);

/* Of the concatenation; b may be empty. -EIO: the library refused. */
int crypto_sha256(const void *a, size_t a_n, const void *b, size_t b_n,
		  uint8_t out[CRYPTO_SHA256]);

/* Clears secrets so that no compiler leaves it out. */
void crypto_wipe(void *p, size_t n);

/* The generator in the form the library takes as f_rng; the context is not used. */
int crypto_rng(void *context, unsigned char *dst, size_t n);

#endif
