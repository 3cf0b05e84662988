#include "support/hand.h"

#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/test.h"

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	(void)atr;
	(void)n;
	container_of(u, struct hand, user)->done = true;
	ev_quit();
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct hand *h = container_of(u, struct hand, user);

	if (n)
		memcpy(h->answer, answer, n);
	h->n = n;
	h->done = true;
	ev_quit();
}

static void on_late(struct ev_alarm *a)
{
	container_of(a, struct hand, patience)->late = true;
	ev_quit();
}

static void await_card(struct hand *h)
{
	h->late = false;
	ev_alarm_start(&h->patience, 30000);
	while (!h->done && !h->late)
		ev_main();
	ev_alarm_stop(&h->patience);
	assert_true(h->done);
}

static unsigned apdu(struct hand *h, const uint8_t *p, size_t n)
{
	h->done = false;
	h->n = 0;
	card_transmit(h->card, p, n);
	await_card(h);
	assert_true(h->n >= 2);
	return (unsigned)(h->answer[h->n - 2] << 8 | h->answer[h->n - 1]);
}

void hand_start(struct hand *h)
{
	static const uint8_t select[] = { 0x01, 0xa4, 0x04, 0x00, 0x10, 0xa0, 0x00, 0x00, 0x05, 0x59,
					  0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x01,
					  0x00 };
	static const uint8_t open[] = { 0x00, 0x70, 0x00, 0x00, 0x01 };

	h->done = false;
	card_reset(h->card);
	await_card(h);
	assert_int_equal(apdu(h, open, sizeof(open)), 0x9000);
	assert_int_equal(h->answer[0], 1);
	assert_int_equal(apdu(h, select, sizeof(select)) >> 8, 0x61);
}

void hand_open(struct hand *h, struct euicc_recipe *recipe)
{
	static const struct ve_times quick;
	struct euicc_options o = { .dir = recipe->dir, .times = &quick };
	char why[EUICC_WHY_MAX] = "";

	if (euicc_make(recipe, why))
		fail_msg("%s", why);
	hand_take(h, &o);
}

void hand_take(struct hand *h, const struct euicc_options *o)
{
	char why[EUICC_WHY_MAX] = "";

	memset(h, 0, sizeof(*h));
	if (euicc_card_open(o, &h->card, why))
		fail_msg("%s", why);
	h->user.started = on_started;
	h->user.answered = on_answered;
	h->patience.fired = on_late;
	h->card->user = &h->user;
	hand_start(h);
}

void hand_close(struct hand *h)
{
	card_free(h->card);
	h->card = NULL;
}

struct octets hand_es10(struct hand *h, struct octets command)
{
	size_t at = 0, n = 0;
	unsigned sw;

	for (unsigned block = 0;; block++) {
		size_t part = MIN(command.n - at, (size_t)255);
		uint8_t p[260] = { 0x81, 0xe2, at + part == command.n ? 0x91 : 0x11, (uint8_t)block,
				   (uint8_t)part };

		memcpy(p + 5, command.p + at, part);
		sw = apdu(h, p, 5 + part);
		at += part;
		if (at == command.n)
			break;
		assert_int_equal(sw, 0x9000);
	}
	while (sw >> 8 == 0x61) {
		const uint8_t p[] = { 0x01, 0xc0, 0x00, 0x00, (uint8_t)sw };

		sw = apdu(h, p, sizeof(p));
		assert_true(n + h->n <= sizeof(h->data));
		memcpy(h->data + n, h->answer, h->n - 2);
		n += h->n - 2;
	}
	assert_true(sw == 0x9000 || sw >> 8 == 0x91);
	return octets_from(h->data, n);
}

struct octets hand_hex(struct hand *h, const char *digits)
{
	uint8_t command[2048];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), command, sizeof(command), &n), 0);
	return hand_es10(h, octets_from(command, n));
}
