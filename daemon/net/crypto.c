#include "net/crypto.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <stdbool.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static bool seeded;

int crypto_open(void)
{
	static const char label[] = "cellmux";

	if (seeded)
		return 0;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	/* TLS 1.3 does its sums there. */
	if (psa_crypto_init() != PSA_SUCCESS)
		return -EIO;
#endif
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	if (mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy,
				  (const unsigned char *)label, sizeof(label) - 1) != 0) {
		mbedtls_ctr_drbg_free(&drbg);
		mbedtls_entropy_free(&entropy);
		return -EIO;
	}
	seeded = true;
	return 0;
}

void crypto_close(void)
{
	if (!seeded)
		return;
	seeded = false;
	mbedtls_ctr_drbg_free(&drbg);
	mbedtls_entropy_free(&entropy);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	mbedtls_psa_crypto_free();
#endif
}

int crypto_rng(void *context, unsigned char *dst, size_t n)
{
	(void)context;
	if (crypto_open() < 0)
		return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
	while (n > 0) {
		size_t part = n < MBEDTLS_CTR_DRBG_MAX_REQUEST ? n : MBEDTLS_CTR_DRBG_MAX_REQUEST;
		int r = mbedtls_ctr_drbg_random(&drbg, dst, part);

		if (r)
			return r;
		dst += part;
		n -= part;
	}
	return 0;
}

int crypto_random(void *dst, size_t n)
{
	return crypto_rng(NULL, dst, n) ? -EIO : 0;
}

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define sha256_starts mbedtls_sha256_starts
#define sha256_update mbedtls_sha256_update
#define sha256_finish mbedtls_sha256_finish
#else
#define sha256_starts mbedtls_sha256_starts_ret
#define sha256_update mbedtls_sha256_update_ret
#define sha256_finish mbedtls_sha256_finish_ret
#endif

int crypto_sha256(const void *a, size_t a_n, const void *b, size_t b_n, uint8_t out[CRYPTO_SHA256])
{
	mbedtls_sha256_context sha;
	int r;

	mbedtls_sha256_init(&sha);
	r = sha256_starts(&sha, 0);
	if (!r && a_n)
		r = sha256_update(&sha, a, a_n);
	if (!r && b_n)
		r = sha256_update(&sha, b, b_n);
	if (!r)
		r = sha256_finish(&sha, out);
	mbedtls_sha256_free(&sha);
	return r ? -EIO : 0;
}

void crypto_wipe(void *p, size_t n)
{
	mbedtls_platform_zeroize(p, n);
}
