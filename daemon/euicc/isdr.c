#include "euicc/isdr.h"

#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "euicc/apdu.h"

enum { CAPABILITY_PATIENCE_MS = 10000, BUSY_MS = 3000 };

/* The standard one; then those of cards that answer to nothing else. */
static const struct {
	uint8_t octets[17];
	size_t n;
} aids[] = {
	{ { 0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0 }, 16 },
	{ { 0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 5, 5, 0 }, 16 },
	{ { 0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0, 0, 0, 0, 0x89, 0, 0, 3, 0 }, 16 },
	{ { 0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0x77 }, 16 },
	{ "\xa0" "estkme\xff\xff" "ISD-R 0", 16 },
	{ "\xa0" "estkme\xff\xff" "ISD-R 1", 16 },
	{ "\xa0" "estkme\xff\xff\xff\xff" "ISD-R", 16 },
};

/*
 * TERMINAL CAPABILITY, ETSI TS 102 221 11.1.19: eUICC-related capabilities, tag 84, "IPAd
 * supported" (SGP.32 3.8.4; the octets are those that cured the card which wanted them, single
 * source).
 */
static const uint8_t capability[] = { 0x80, 0xaa, 0x00, 0x00, 0x05, 0xa9, 0x03, 0x84, 0x01, 0x01 };

static const char *const state_names[_ISDR_STATE_MAX] = {
	[ISDR_CLOSED] = "closed", [ISDR_EXPECT_CAPABILITY] = "expect-capability",
	[ISDR_EXPECT_SELECT] = "expect-select", [ISDR_OPEN] = "open",
};

const char *isdr_state_name(enum isdr_state state)
{
	return state_names[state];
}

/* A5 { 9F65 n, … }: one of several things in it, at any depth of one. */
static void take_proprietary(struct tlv w, struct isdr_fci *v)
{
	while (tlv_more(&w)) {
		uint32_t n;

		if (tlv_peek(&w) == 0x9f65) {
			n = es10_number(tlv_take(&w, 0x9f65));
			/* FF is 255, not -1: some cards have it without its leading zero. */
			v->command_max = n == UINT32_MAX ? 255 : n;
		} else {
			tlv_skip(&w);
		}
	}
}

static void take_svn(struct tlv w, struct isdr_fci *v)
{
	while (tlv_more(&w)) {
		if (tlv_peek(&w) == 0x82)
			(void)es10_version_from(tlv_take(&w, 0x82), &v->svn);
		else
			tlv_skip(&w);
	}
}

static void take_configuration(struct tlv w, struct isdr_fci *v)
{
	uint32_t bits = 0;

	v->iot = true;
	if (es10_bits_from(tlv_maybe(&w, 0x80), &bits) < 0)
		return;
	v->ipae_supported = bits & 1;
	v->enabled_profile = bits & 2;
}

struct isdr_fci isdr_fci_decode(struct octets fci)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, fci);
	struct tlv body = tlv_enter(&top, 0x6f);
	struct isdr_fci v = { 0 };

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);

		if (tag == 0xa5)
			take_proprietary(tlv_enter(&body, tag), &v);
		else if (tag == 0xe0)
			take_svn(tlv_enter(&body, tag), &v);
		else if (tag == 0xe1)
			take_configuration(tlv_enter(&body, tag), &v);
		else
			tlv_skip(&body);
	}
	if (doc.fault)
		return (struct isdr_fci){ 0 };
	v.read = true;
	return v;
}

static void end(struct isdr *i, const struct cause *why)
{
	i->state = why ? ISDR_CLOSED : ISDR_OPEN;
	i->opened(i, why);
}

static void select_next(struct isdr *i)
{
	unsigned k = (i->first + i->tried++) % ARRAY_SIZE(aids);

	i->state = ISDR_EXPECT_SELECT;
	i->aid = octets_from(aids[k].octets, aids[k].n);
	i->asked_ms = ev_now_ms();
	card_open(i->channel, i->aid.p, i->aid.n);
}

/* Only some modules tell what the card itself has said; of the others a quick no is taken for it. */
static bool is_about_the_aid(const struct isdr *i, const struct cause *why)
{
	return why->kind == CAUSE_REFUSED &&
	       (!strcmp(why->from, "card") || ev_now_ms() - i->asked_ms < BUSY_MS);
}

static void on_opened(struct card_channel_user *u, const struct cause *why, const uint8_t *fci,
		      size_t n)
{
	struct isdr *i = container_of(u, struct isdr, user);

	if (why && is_about_the_aid(i, why)) {
		/* What was said about the likeliest AID tells more than what about the last one. */
		cause_set(&i->refusal, why->kind, why->from, why->code);
		if (i->tried < ARRAY_SIZE(aids)) {
			select_next(i);
			return;
		}
		i->first = 0;
		end(i, &i->refusal);
		return;
	}
	if (why) {
		end(i, why);
		return;
	}
	i->fci = isdr_fci_decode(octets_from(fci, n));
	i->first = (i->first + i->tried - 1) % ARRAY_SIZE(aids);
	end(i, NULL);
}

static void on_lost(struct card_channel_user *u)
{
	struct isdr *i = container_of(u, struct isdr, user);

	i->state = ISDR_CLOSED;
	i->lost(i);
}

/* The card may refuse it or not know it: then it wants no such thing. */
static void on_capability(struct card_exchange *x, const struct cause *why)
{
	struct isdr *i = container_of(x, struct isdr, x);

	if (why && why->kind != CAUSE_REFUSED && why->kind != CAUSE_MALFORMED) {
		end(i, why);
		return;
	}
	if (why)
		log_debug("card", "TERMINAL CAPABILITY cannot be sent, ignoring");
	else if (!apdu_sw_ok(x->sw))
		log_debug("card", "TERMINAL CAPABILITY: %04X, ignoring", x->sw);
	select_next(i);
}

void isdr_open(struct isdr *i)
{
	i->user.opened = on_opened;
	i->user.lost = on_lost;
	i->channel->user = &i->user;
	i->tried = 0;
	i->fci = (struct isdr_fci){ 0 };
	i->refusal = (struct cause){ 0 };
	if (!i->wants_capability) {
		select_next(i);
		return;
	}
	i->state = ISDR_EXPECT_CAPABILITY;
	i->x = (struct card_exchange){
		.command = capability, .command_n = sizeof(capability), .basic = true,
		.patience_ms = CAPABILITY_PATIENCE_MS, .done = on_capability,
	};
	card_exchange(i->channel, &i->x);
}

void isdr_close(struct isdr *i)
{
	switch (i->state) {
	case ISDR_EXPECT_CAPABILITY:
		card_cancel(i->channel, &i->x);
		break;
	case ISDR_EXPECT_SELECT:
	case ISDR_OPEN:
		card_close(i->channel);
		break;
	case ISDR_CLOSED:
	case _ISDR_STATE_MAX:
		break;
	}
	i->state = ISDR_CLOSED;
}
