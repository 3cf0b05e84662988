/*
 * The virtual eUICC in the middle of a download: any commands, and any plain text in segments that
 * are sealed as the card expects them, so that what lies behind the MAC is reached too.
 *
 * The input is a list of steps: kind, length (two octets), octets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define PKI "tests/vectors/rsp/pki/nist/"

enum step {
	STEP_COMMAND,           /* as it stands */
	STEP_PROFILE,           /* sealed as 86 in A3 */
	STEP_SECRET,            /* sealed as 87 in A0 or A2 */
	STEP_METADATA,          /* sealed as 88 in A1, which it ends */
	STEP_RESET,
	_STEP_MAX
};

static void hex_set(struct blob *b, const char *digits)
{
	uint8_t raw[64];
	size_t n = 0;

	if (hex_decode(text_of(digits), raw, sizeof(raw), &n))
		abort();
	blob_set(b, raw, n);
}

static void file_set(struct blob *b, const char *path)
{
	uint8_t raw[4096];
	size_t n;

	if (file_load(path, raw, sizeof(raw), &n))
		abort();
	blob_set(b, raw, n);
}

/* The card of the recorded session nist-small-ppk, after PrepareDownload. */
static struct ve *make_card(void)
{
	struct ve *e = calloc(1, sizeof(*e));
	struct ve_session *s = &e->session;
	struct ve_credential *c = &e->state.credentials[0];
	struct ve_cert own, pb;
	struct blob dppb = { 0 };

	if (!e || ve_state_init(&e->state, "/nowhere", TEXT("89049032000000000000000000000163"),
				VE_SGP32_12))
		abort();
	e->who = ve_personality_find(TEXT("iot"));
	file_set(&c->ci, PKI "ci.der");
	file_set(&c->eum, PKI "eum.der");
	file_set(&c->euicc, PKI "euicc.der");
	file_set(&dppb, PKI "dppb.der");
	hex_set(&c->key, "0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20");
	e->state.n_credentials = 1;
	hex_set(&e->state.otk_key,
		"6B1F1837241FCE809B10E72FE5CDBE515164886D89B28EF94598CB4094E1ACF3");
	hex_set(&s->tid, "870F09556F961A36E861D27CA1A5F581");
	hex_set(&s->oid, "88370A");
	blob_set(&s->address, "smdpp.rsp.test", 14);
	if (ve_cert_read(blob_octets(&c->ci), &own) || ve_cert_read(blob_octets(&dppb), &pb))
		abort();
	blob_set(&s->ci, own.ski, sizeof(own.ski));
	blob_copy(&s->dp_point, pb.point);
	blob_clear(&dppb);
	s->authenticated = s->prepared = true;
	return e;
}

static void free_card(struct ve *e)
{
	ve_bpp_abandon(e);
	ve_session_clear(&e->session);
	ve_state_free(&e->state);
	blob_clear(&e->marked_aid);
	free(e);
}

static void run(struct ve *e, struct octets command)
{
	static uint8_t answer[VE_RESPONSE_MAX];
	struct tlv_out w = { answer, sizeof(answer) };

	ve_es10_execute(e, command, &w);
}

/* A segment that the card must take; 87 and 86 by the inverse of what it will do. */
static size_t seal(struct ve *e, uint8_t tag, struct octets plain, uint8_t *dst)
{
	struct ve_bsp *k = &e->bpp.keys;
	uint8_t body[1008], mac[VE_AES_LEN], chain[VE_AES_LEN] = { [15] = k->counter };
	struct tlv_out w = { dst, VE_BSP_SEGMENT_MAX };
	struct octets parts[2] = { { k->chain, VE_AES_LEN } };
	size_t n = MIN(plain.n, 900u);

	memset(body, 0, sizeof(body));
	memcpy(body, plain.p, n);
	if (tag != VE_BSP_METADATA) {
		body[n] = 0x80;
		n = (n / VE_AES_LEN + 1) * VE_AES_LEN;
		ve_aes_block(k->enc, chain, chain);
		for (size_t at = 0; at < n; at += VE_AES_LEN) {
			for (size_t i = 0; i < VE_AES_LEN; i++)
				body[at + i] ^= chain[i];
			ve_aes_block(k->enc, body + at, body + at);
			memcpy(chain, body + at, VE_AES_LEN);
		}
	}
	tlv_put(&w, tag, body, n + VE_BSP_MAC_LEN);
	parts[1] = octets_from(dst, w.len - VE_BSP_MAC_LEN);
	ve_aes_cmac(k->mac, parts, 2, mac);
	memcpy(dst + w.len - VE_BSP_MAC_LEN, mac, VE_BSP_MAC_LEN);
	return w.len;
}

/* Puts the card where this segment is due, whatever came before. */
static void run_sealed(struct ve *e, enum step kind, struct octets plain)
{
	static const struct {
		uint32_t group;
		uint8_t tag;
	} rows[_STEP_MAX] = {
		[STEP_PROFILE] = { 0xa3, 0x86 },
		[STEP_SECRET] = { 0xa2, 0x87 },
		[STEP_METADATA] = { 0xa1, 0x88 },
	};
	uint8_t raw[VE_BSP_SEGMENT_MAX];
	struct ve_bpp *b = &e->bpp;
	size_t n;

	if (!b->open) {
		b->open = true;
		b->keys.counter = 1;
		e->state.loading = 1;
	}
	b->pieces = 0;
	b->group = rows[kind].group;
	n = seal(e, rows[kind].tag, plain, raw);
	b->group_left = kind == STEP_METADATA ? n : n + 100;
	b->group_size = b->group_left;
	b->left = b->group_left + 1000;
	run(e, octets_from(raw, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ve *e = make_card();

	log_set_level(LOG_LEVEL_ERROR);
	for (unsigned steps = 0; n >= 3 && steps < 64; steps++) {
		enum step kind = data[0] % _STEP_MAX;
		size_t len = MIN((size_t)(data[1] << 8 | data[2]), n - 3);
		struct octets o = octets_from(data + 3, len);

		switch (kind) {
		case STEP_COMMAND:
			run(e, o);
			break;
		case STEP_PROFILE:
		case STEP_SECRET:
		case STEP_METADATA:
			run_sealed(e, kind, o);
			break;
		case STEP_RESET:
			ve_bpp_interrupted(e);
			break;
		case _STEP_MAX:
			break;
		}
		data += 3 + len;
		n -= 3 + len;
	}
	free_card(e);
	return 0;
}
