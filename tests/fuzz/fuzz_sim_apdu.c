/*
 * The virtual eUICC under any APDUs at all. The first octet chooses personality and edition, then
 * come commands with their length before them; length 0 is a reset, FE power off and on, FF an
 * ES10 command: its length in two octets, which is sent in blocks. Besides not falling over, the
 * card has to answer each one, and not with nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/euicc.h"
#include "unit/fake_ev.h"

#define EXCHANGES_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct reader {
	struct card *card;
	struct card_user user;
	bool done;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t n;
	unsigned left;
};

static char dir[] = "/tmp/euicc-fuzz-XXXXXX";

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	struct reader *r = container_of(u, struct reader, user);

	if (n && (n < 2 || n > CARD_ATR_MAX || atr[0] != 0x3b))
		abort();
	r->done = true;
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct reader *r = container_of(u, struct reader, user);

	if (n == 1 || n > CARD_ANSWER_MAX)
		abort();
	memcpy(r->answer, answer, n);
	r->n = n;
	r->done = true;
}

static void on_moved(struct card_user *u, int present)
{
	(void)u;
	(void)present;
	abort();
}

static bool is_done(void *arg)
{
	return ((struct reader *)arg)->done;
}

static void wait_for_it(struct reader *r)
{
	if (!fake_ev_until(is_done, r, 600000))
		abort();
}

static void reset(struct reader *r)
{
	r->done = false;
	card_reset(r->card);
	wait_for_it(r);
}

static void exchange(struct reader *r, const uint8_t *apdu, size_t n)
{
	if (!r->left)
		return;
	r->left--;
	r->done = false;
	card_transmit(r->card, apdu, n);
	wait_for_it(r);
}

/* Also what waits behind 61xx, on the basic channel. */
static void es10(struct reader *r, const uint8_t *p, size_t n)
{
	static const uint8_t isdr[] = {
		0x00, 0xa4, 0x04, 0x00, 0x10, 0xa0, 0x00, 0x00, 0x05, 0x59, 0x10,
		0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x01, 0x00,
	};
	size_t at = 0;

	exchange(r, isdr, sizeof(isdr));
	for (unsigned block = 0; at < n; block++) {
		size_t part = MIN(n - at, 255u);
		uint8_t apdu[260] = { 0x80, 0xe2, at + part == n ? 0x91 : 0x11, block, part };

		memcpy(apdu + 5, p + at, part);
		exchange(r, apdu, 5 + part);
		at += part;
	}
	while (r->left && r->n >= 2 && r->answer[r->n - 2] == 0x61) {
		const uint8_t apdu[] = { 0x00, 0xc0, 0x00, 0x00, r->answer[r->n - 1] };

		exchange(r, apdu, sizeof(apdu));
	}
}

static void remove_dir(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/state", dir);
	unlink(path);
	rmdir(dir);
}

/* One card for all runs: it forgets everything, because its state has no path. */
static void make_card(void)
{
	static const struct euicc_profile profiles[] = {
		{ .iccid = TEXT("8900000000000000011"), .imsi = TEXT("001010000000001"),
		  .class = VE_CLASS_OPERATIONAL, .enabled = true, .notify = TEXT("dp.example") },
		{ .iccid = TEXT("8900000000000000029"), .class = VE_CLASS_TEST,
		  .pin = TEXT("1234") },
		{ .iccid = TEXT("8900000000000000037"), .class = VE_CLASS_OPERATIONAL,
		  .fallback = true, .fallback_allowed = true, .apn = TEXT("internet") },
		{ .iccid = TEXT("8900000000000000045"), .class = VE_CLASS_OPERATIONAL,
		  .ecall = true },
	};
	struct euicc_recipe r = {
		.version = _VE_VERSION_MAX,
		.pki = { "tests/vectors/rsp/pki/nist", "tests/vectors/rsp/pki/brp" },
		.profiles = profiles, .n_profiles = ARRAY_SIZE(profiles),
	};
	char why[EUICC_WHY_MAX];

	log_set_level(LOG_LEVEL_ERROR);
	if (!mkdtemp(dir))
		abort();
	atexit(remove_dir);
	r.dir = dir;
	if (euicc_make(&r, why)) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
}

static void open_card(struct reader *r, uint8_t choice)
{
	unsigned n = 0;
	struct ve_state *s;
	char why[EUICC_WHY_MAX];
	struct euicc_options o = { .dir = dir };

	while (ve_personality_at(n))
		n++;
	o.personality = ve_personality_at(choice % n)->name;
	if (euicc_card_open(&o, &r->card, why))
		abort();
	s = euicc_card_state(r->card);
	free(s->path);
	s->path = NULL;
	s->version = ve_personality_at(choice % n)->version;
	if (s->version != VE_SGP22)
		s->version = VE_SGP32_10 + choice / n % 4;
	r->user.started = on_started;
	r->user.answered = on_answered;
	r->user.moved = on_moved;
	r->card->user = &r->user;
	reset(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reader r = { .left = EXCHANGES_MAX };

	if (!n)
		return 0;
	if (strstr(dir, "XXXXXX"))
		make_card();
	open_card(&r, data[0]);
	for (size_t at = 1; at < n && r.left;) {
		size_t len = data[at++];

		if (!len) {
			reset(&r);
			r.left--;
			continue;
		}
		if (len == 0xfe) {
			card_power_off(r.card);
			reset(&r);
			r.left--;
			continue;
		}
		if (len == 0xff) {
			if (n - at < 2)
				break;
			len = data[at] << 8 | data[at + 1];
			at += 2;
			len = MIN(len, n - at);
			es10(&r, data + at, len);
		} else {
			len = MIN(len, n - at);
			exchange(&r, data + at, len);
		}
		at += len;
	}
	card_free(r.card);
	fake_ev_reset();
	return 0;
}
