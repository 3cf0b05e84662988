#include "net/dtls_look.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"

#define RECORD_HEAD     13
#define HANDSHAKE_HEAD  12

enum { TYPE_CIPHER = 20, TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23, TYPE_CID = 25 };
enum { SERVER_HELLO = 2, HELLO_VERIFY = 3, CERTIFICATE = 11 };

void dtls_look_init(struct dtls_look *l)
{
	*l = (struct dtls_look){ .alert = -1 };
}

static void forget_chain(struct dtls_look *l)
{
	free(l->chain);
	free(l->have);
	l->chain = l->have = NULL;
	l->chain_n = l->missing = 0;
}

void dtls_look_done(struct dtls_look *l)
{
	forget_chain(l);
}

static size_t number(const uint8_t *p, size_t n)
{
	size_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void reach(struct dtls_look *l, enum dtls_stage stage)
{
	if (l->stage < stage)
		l->stage = stage;
}

/* A piece of the Certificate message; pieces come in any order, and again. */
static void take_piece(struct dtls_look *l, size_t all, size_t at, struct octets piece)
{
	if (all == 0 || all > DTLS_CHAIN_MAX || at > all || piece.n > all - at)
		return;
	if (l->chain_n != all) {
		forget_chain(l);
		l->chain = malloc(all);
		l->have = calloc(all / 8 + 1, 1);
		if (!l->chain || !l->have) {
			forget_chain(l);
			return;
		}
		l->chain_n = l->missing = all;
	}
	for (size_t i = 0; i < piece.n; i++) {
		size_t k = at + i;

		l->missing -= !(l->have[k / 8] & 1 << k % 8);
		l->have[k / 8] |= (uint8_t)(1 << k % 8);
		l->chain[k] = piece.p[i];
	}
}

static void look_at_handshake(struct dtls_look *l, struct octets v)
{
	while (v.n >= HANDSHAKE_HEAD) {
		size_t all = number(v.p + 1, 3), at = number(v.p + 6, 3), n = number(v.p + 9, 3);

		if (n > v.n - HANDSHAKE_HEAD)
			return;
		if (v.p[0] == HELLO_VERIFY)
			reach(l, DTLS_COOKIE);
		else if (v.p[0] == SERVER_HELLO)
			reach(l, DTLS_HELLO);
		else if (v.p[0] == CERTIFICATE)
			take_piece(l, all, at, octets_from(v.p + HANDSHAKE_HEAD, n));
		v = octets_from(v.p + HANDSHAKE_HEAD + n, v.n - HANDSHAKE_HEAD - n);
	}
}

static void look_at_record(struct dtls_look *l, uint8_t type, size_t epoch, struct octets v)
{
	if (epoch > 0) {
		reach(l, DTLS_FINISHED);
		return;
	}
	if (type == TYPE_HANDSHAKE)
		look_at_handshake(l, v);
	else if (type == TYPE_ALERT && v.n == 2)
		l->alert = v.p[1];
}

void dtls_look(struct dtls_look *l, struct octets d)
{
	while (d.n >= RECORD_HEAD) {
		size_t n = number(d.p + 11, 2);
		uint8_t type = d.p[0];

		/* Records with a connection id are longer by it; they are encrypted anyway. */
		if (type == TYPE_CID) {
			reach(l, DTLS_FINISHED);
			return;
		}
		if (type < TYPE_CIPHER || type > TYPE_DATA || d.p[1] != 0xfe || n > d.n - RECORD_HEAD)
			return;
		look_at_record(l, type, number(d.p + 3, 2), octets_from(d.p + RECORD_HEAD, n));
		d = octets_from(d.p + RECORD_HEAD + n, d.n - RECORD_HEAD - n);
	}
}

size_t dtls_look_chain(const struct dtls_look *l, struct octets ret[DTLS_CERTIFICATES_MAX])
{
	const uint8_t *p = l->chain;
	size_t left = l->chain_n, n = 0;

	if (!p || l->missing || left < 3 || number(p, 3) != left - 3)
		return 0;
	p += 3;
	left -= 3;
	while (left > 0) {
		size_t len = left < 3 ? left : number(p, 3);

		if (left < 3 || len == 0 || len > left - 3 || n == DTLS_CERTIFICATES_MAX)
			return 0;
		ret[n++] = octets_from(p + 3, len);
		p += 3 + len;
		left -= 3 + len;
	}
	return n;
}
