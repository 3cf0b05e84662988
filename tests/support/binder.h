/*
 * The SM-DP+'s side of a Bound Profile Package, for packages that no server would make: the keys of
 * a recorded session over contents of the test's own.
 */
#ifndef SUPPORT_BINDER_H
#define SUPPORT_BINDER_H

#include <stddef.h>
#include <stdint.h>

#include "sim/euicc/bsp.h"
#include "support/rspcard.h"

#define BINDER_PIECES_MAX 64

struct binder {
	struct rspcard *card;
	struct ve_bsp keys;
	/* What goes into it; set from the recording by binder_init(), changed by tests. */
	struct octets configure, metadata, replace, upp;        /* replace.n = 0: no A2 */
	uint8_t operation, key_type, key_length;
	struct octets tid, host, otpk;
	size_t cut;                     /* plain octets to a segment */

	/* The commands, one to a transfer; freed by binder_done(). */
	struct octets pieces[BINDER_PIECES_MAX];
	size_t n;
	/* Where which begins: the first 88, A2 (0: none), the first 86. */
	size_t at_metadata, at_replace, at_profile;
};

void binder_init(struct binder *b, struct rspcard *card);
/* Puts the package together: pieces as SGP.22 2.5.5 cuts it. */
void binder_bind(struct binder *b);
void binder_done(struct binder *b);

/* An octet of a piece, to be changed; negative: counted from its end. */
uint8_t *binder_octet(struct binder *b, size_t piece, int at);

/* One protected segment, as SCP03t has it. pad false: the padding is left out. */
struct octets binder_seal(struct ve_bsp *keys, uint8_t tag, struct octets plain, bool pad);

/* Sends the pieces from first to before last; the answer to the last one that was sent. */
const char *binder_send(struct binder *b, size_t first, size_t last);
/* Command and reason of a ProfileInstallationResult with a good signature; -1 for success. */
void binder_read_result(struct binder *b, const char *result, int *ret_command, int *ret_reason);

#endif
