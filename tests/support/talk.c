#include "support/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/test.h"
#include "support/tree.h"
#include "unit/fake_ev.h"

#define ES10_MAX 65536
#define PATIENCE_MS 60000

static char *room(void)
{
	static char rooms[4][2 * ES10_MAX + 1];
	static unsigned next;

	return rooms[next++ % 4];
}

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	struct talk *t = container_of(u, struct talk, user);

	memcpy(t->atr, atr, n);
	t->atr_n = n;
	t->done = true;
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct talk *t = container_of(u, struct talk, user);

	assert_true(n <= sizeof(t->answer));
	if (n)
		memcpy(t->answer, answer, n);
	t->n = n;
	t->done = true;
}

static void on_moved(struct card_user *u, int present)
{
	(void)u;
	(void)present;
}

static bool is_done(void *arg)
{
	return ((struct talk *)arg)->done;
}

void talk_make(struct talk *t, struct euicc_recipe *recipe)
{
	char why[EUICC_WHY_MAX] = "";

	memset(t, 0, sizeof(*t));
	strcpy(t->dir, "/tmp/euicc-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	recipe->dir = t->dir;
	if (euicc_make(recipe, why))
		fail_msg("euicc_make: %s", why);
}

void talk_open(struct talk *t, const char *personality)
{
	struct euicc_options o = { .dir = t->dir, .personality = personality };
	char why[EUICC_WHY_MAX] = "";

	if (euicc_card_open(&o, &t->card, why))
		fail_msg("euicc_card_open: %s", why);
	t->user.started = on_started;
	t->user.answered = on_answered;
	t->user.moved = on_moved;
	t->card->user = &t->user;
	talk_reset(t);
}

void talk_shut(struct talk *t)
{
	card_free(t->card);
	t->card = NULL;
}

void talk_close(struct talk *t)
{
	talk_shut(t);
	tree_remove(t->dir);
	fake_ev_reset();
}

void talk_reset(struct talk *t)
{
	t->done = false;
	card_reset(t->card);
	assert_true(fake_ev_until(is_done, t, PATIENCE_MS));
}

void talk_power_off(struct talk *t)
{
	card_power_off(t->card);
}

static void exchange(struct talk *t, const uint8_t *apdu, size_t n)
{
	t->done = false;
	t->n = 0;
	card_transmit(t->card, apdu, n);
	assert_false(t->done);
	assert_true(fake_ev_until(is_done, t, PATIENCE_MS));
}

unsigned talk_sw(const struct talk *t)
{
	return t->n < 2 ? 0 : t->answer[t->n - 2] << 8 | t->answer[t->n - 1];
}

static uint8_t interindustry(unsigned channel)
{
	return channel < 4 ? channel : 0x40 | (channel - 4);
}

/* Everything that waits behind 61xx, appended to what is there. */
static size_t fetch(struct talk *t, unsigned channel, uint8_t *data, size_t n)
{
	while (talk_sw(t) >> 8 == 0x61) {
		const uint8_t apdu[] = { interindustry(channel), 0xc0, 0, 0, talk_sw(t) & 0xff };

		exchange(t, apdu, sizeof(apdu));
		assert_true(t->n >= 2 && n + t->n - 2 <= ES10_MAX);
		memcpy(data + n, t->answer, t->n - 2);
		n += t->n - 2;
	}
	return n;
}

const char *talk(struct talk *t, const char *apdu)
{
	static uint8_t data[ES10_MAX + 2];
	uint8_t raw[512];
	char *text = room();
	size_t n;

	assert_int_equal(hex_decode(text_of(apdu), raw, sizeof(raw), &n), 0);
	exchange(t, raw, n);
	if (!t->fetch) {
		hex_encode(t->answer, t->n, text, 2 * ES10_MAX + 1);
		return text;
	}
	if (talk_sw(t) >> 8 == 0x6c) {
		raw[n - 1] = talk_sw(t);
		exchange(t, raw, n);
	}
	n = t->n >= 2 ? t->n - 2 : 0;
	memcpy(data, t->answer, n);
	n = fetch(t, raw[0] & 0x40 ? 4 + (raw[0] & 15) : raw[0] & 3, data, n);
	data[n] = talk_sw(t) >> 8;
	data[n + 1] = talk_sw(t);
	hex_encode(data, n + 2, text, 2 * ES10_MAX + 1);
	return text;
}

void talk_isdr(struct talk *t)
{
	char apdu[64];

	talk(t, "0070000001");
	assert_true(t->n == 3 && (talk_sw(t) == 0x9000 || talk_sw(t) >> 8 == 0x91));
	t->channel = t->answer[0];
	snprintf(apdu, sizeof(apdu), "%02XA4040010" TALK_ISDR, interindustry(t->channel));
	talk(t, apdu);
	assert_true(talk_sw(t) >> 8 == 0x61 || talk_sw(t) == 0x9000);
}

const char *talk_es10(struct talk *t, const char *command)
{
	static uint8_t raw[ES10_MAX], data[ES10_MAX + 2];
	const uint8_t cla = 0x80 | interindustry(t->channel);
	char *text = room();
	size_t n, at = 0, len = 0;

	assert_int_equal(hex_decode(text_of(command), raw, sizeof(raw), &n), 0);
	for (unsigned block = 0; at < n || !block; block++) {
		size_t part = MIN(n - at, 255u);
		uint8_t apdu[260] = { cla, 0xe2, at + part == n ? 0x91 : 0x11, block, part };

		memcpy(apdu + 5, raw + at, part);
		exchange(t, apdu, 5 + part);
		at += part;
		if (at < n && talk_sw(t) != 0x9000)
			break;
	}
	len = fetch(t, t->channel, data, 0);
	if (talk_sw(t) != 0x9000 && talk_sw(t) >> 8 != 0x91)
		snprintf(text, 5, "%04X", talk_sw(t));
	else
		hex_encode(data, len, text, 2 * ES10_MAX + 1);
	return text;
}
