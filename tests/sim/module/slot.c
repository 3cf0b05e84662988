/*
 * The card behind the slot. All APDUs, the module's own as well as the host's, go through one
 * queue: the contacts carry one command at a time.
 *
 * What the module reads at start follows what modules do: MF, TERMINAL CAPABILITY, EF.ICCID, the
 * USIM by the first seven octets of its AID, PIN status, EF.IMSI, EF.AD. Everything it shows to
 * the host comes from there.
 */
#include "sim/module/slot.h"

#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/text.h"
#include "core/util.h"
#include "sim/module/module.h"

#define REFRESH_TO_RESET_MS 100
#define TYPE_REFRESH 0x01

const char *slot_state_name(enum slot_state state)
{
	static const char *const names[_SLOT_STATE_MAX] = {
		[SLOT_EMPTY] = "empty",
		[SLOT_OFF] = "off",
		[SLOT_STARTING] = "starting",
		[SLOT_PIN] = "pin",
		[SLOT_PUK] = "puk",
		[SLOT_READY] = "usable",
		[SLOT_NO_APP] = "no-usim",
		[SLOT_FAILED] = "failed",
		[SLOT_RESTART] = "restart-needed",
	};

	return names[state];
}

bool slot_powered(const struct slot *s)
{
	switch (s->state) {
	case SLOT_STARTING:
	case SLOT_PIN:
	case SLOT_PUK:
	case SLOT_READY:
	case SLOT_NO_APP:
		return true;
	case SLOT_EMPTY:
	case SLOT_OFF:
	case SLOT_FAILED:
	case SLOT_RESTART:
	case _SLOT_STATE_MAX:
		break;
	}
	return false;
}

/* --- the queue ------------------------------------------------------------------------------------ */

static void send_next(struct slot *s)
{
	struct apdu_job *j;

	if (s->flying || s->deaf || s->answer_there)
		return;
	j = list_first(&s->jobs, struct apdu_job, node);
	if (!j)
		return;
	list_del(&j->node);
	s->flying = j;
	s->apdus++;
	s->rests += j->n >= 2 && j->apdu[1] == 0xc0; /* GET RESPONSE */
	s->apdu_began_us = ev_now_us();
	memcpy(s->head, j->apdu, MIN(j->n, sizeof(s->head)));
	card_transmit(s->card, j->apdu, j->n);
}

void slot_submit(struct slot *s, struct apdu_job *j)
{
	j->queued = true;
	list_add(&s->jobs, &j->node);
	send_next(s);
}

void slot_drop(struct slot *s, struct apdu_job *j)
{
	if (!j->queued)
		return;
	j->queued = false;
	if (s->flying == j) {
		/* The contacts stay busy until the card has answered. */
		s->flying = NULL;
		s->deaf = !s->answer_there;
		return;
	}
	list_del(&j->node);
}

static void hand_over(struct slot *s)
{
	struct apdu_job *j = s->flying;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t n = s->answer_n;

	memcpy(answer, s->answer, n);
	s->answer_there = false;
	s->flying = NULL;
	s->apdu_us += ev_now_us() - s->apdu_began_us;
	if (j) {
		j->queued = false;
		j->done(j, answer, n);
	}
	send_next(s);
}

static void on_transport(struct ev_alarm *a)
{
	hand_over(container_of(a, struct slot, transport));
}

static unsigned transport_ms(const struct slot *s)
{
	return s->m->o.ms_per_apdu >= 0 ? (unsigned)s->m->o.ms_per_apdu
					: s->m->persona->ms_per_apdu;
}

/* MANAGE CHANNEL, ETSI TS 102 221 11.1.17: which channels the card has open is known here only. */
static void count_channels(struct slot *s, const uint8_t *answer, size_t n)
{
	unsigned number = s->head[3];

	if (s->head[1] != 0x70 || n < 2 || answer[n - 2] != 0x90)
		return;
	if (s->head[2] == 0x00 && number == 0 && n == 3)
		number = answer[0];
	if (s->head[2] == 0x80 && number == 0)
		number = s->head[0] & 0x40 ? 4u + (s->head[0] & 15) : s->head[0] & 3u;
	if (number == 0 || number > 19)
		return;
	if (s->head[2] == 0x00)
		s->channels |= 1u << number;
	else
		s->channels &= ~(1u << number);
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct slot *s = container_of(u, struct slot, user);

	count_channels(s, answer, n);
	if (s->deaf) {
		s->deaf = false;
		send_next(s);
		return;
	}
	if (!s->flying)
		return;
	s->answer_n = MIN(n, sizeof(s->answer));
	memcpy(s->answer, answer, s->answer_n);
	s->answer_there = true;
	if (transport_ms(s))
		ev_alarm_start(&s->transport, transport_ms(s));
	else
		hand_over(s);
}

/* The card was reset or lost power: what waits will never be answered by it. */
static void lose_jobs(struct slot *s)
{
	struct apdu_job *j;

	slot_drop(s, &s->own);
	slot_drop(s, &s->fetch);
	slot_drop(s, &s->look);
	ev_alarm_stop(&s->transport);
	s->answer_there = s->deaf = false;
	j = s->flying;
	s->flying = NULL;
	if (j) {
		j->queued = false;
		j->done(j, NULL, 0);
	}
	while ((j = list_first(&s->jobs, struct apdu_job, node))) {
		list_del(&j->node);
		j->queued = false;
		j->done(j, NULL, 0);
	}
}

static void close_sessions(struct slot *s)
{
	memset(s->sessions, 0, sizeof(s->sessions));
}

/* --- reading the card ----------------------------------------------------------------------------- */

enum own_step {
	OWN_MF,
	OWN_TERMCAP,
	OWN_SELECT_ICCID,
	OWN_ICCID,
	OWN_USIM,
	OWN_PIN,
	OWN_SELECT_IMSI,
	OWN_IMSI,
	OWN_SELECT_AD,
	OWN_AD,
	_OWN_MAX
};

static const char *own_apdu(const struct slot *s, unsigned step)
{
	static const char *const apdus[_OWN_MAX] = {
		[OWN_MF] = "00A4000C023F00", [OWN_SELECT_ICCID] = "00A4000C022FE2",
		[OWN_ICCID] = "00B000000A",  [OWN_USIM] = "00A4040C07A0000000871002",
		[OWN_PIN] = "0020000100",    [OWN_SELECT_IMSI] = "00A4000C026F07",
		[OWN_IMSI] = "00B0000009",   [OWN_SELECT_AD] = "00A4000C026FAD",
		[OWN_AD] = "00B0000004",
	};

	if (step != OWN_TERMCAP)
		return apdus[step];
	switch (s->m->persona->termcap) {
	case TERMCAP_PLAIN:
		return "80AA00000AA9088100820101830107";
	case TERMCAP_IPAD:
		return "80AA00000DA90B8100820101830107840101";
	case TERMCAP_NONE:
		break;
	}
	return NULL;
}

static void send_own(struct slot *s)
{
	const char *apdu = own_apdu(s, s->step);

	if (!apdu)
		apdu = own_apdu(s, ++s->step);
	hex_decode(text_of(apdu), s->own.apdu, sizeof(s->own.apdu), &s->own.n);
	slot_submit(s, &s->own);
}

/* Swapped digits, F at the end; skip: nibbles in front that are no digits. */
static void digits(const uint8_t *data, size_t n, unsigned skip, char *dst, size_t cap)
{
	size_t out = 0;

	for (size_t i = skip; i < 2 * n && out + 1 < cap; i++) {
		unsigned d = i & 1 ? data[i / 2] >> 4 : data[i / 2] & 15;

		if (d > 9)
			break;
		dst[out++] = (char)('0' + d);
	}
	dst[out] = '\0';
}

static void read_ends(struct slot *s, enum slot_state state);

/* What the card said to the module's own question; the next step, _OWN_MAX: that was all. */
static unsigned judge_own(struct slot *s, const uint8_t *data, size_t n, unsigned sw,
			  enum slot_state *end)
{
	bool ok = sw == 0x9000 || sw >> 8 == 0x91;

	switch ((enum own_step)s->step) {
	case OWN_ICCID:
		if (ok)
			digits(data, n, 0, s->read_iccid, sizeof(s->read_iccid));
		break;
	case OWN_USIM:
		*end = SLOT_NO_APP;
		return ok || sw >> 8 == 0x61 ? OWN_PIN : _OWN_MAX;
	case OWN_PIN:
		if (sw >> 8 == 0x63)
			s->pin_left = sw & 15;
		*end = sw == 0x6983 || (sw >> 8 == 0x63 && s->pin_left == 0) ? SLOT_PUK : SLOT_PIN;
		return sw >> 8 == 0x63 || sw == 0x6983 ? _OWN_MAX : OWN_SELECT_IMSI;
	case OWN_IMSI:
		if (ok && n > 1)
			digits(data + 1, n - 1, 1, s->read_imsi, sizeof(s->read_imsi));
		break;
	case OWN_AD:
		s->mnc_digits = ok && n >= 4 && (data[3] == 2 || data[3] == 3) ? data[3] : 2;
		*end = s->read_imsi[0] ? SLOT_READY : SLOT_FAILED;
		break;
	case OWN_MF:
	case OWN_TERMCAP:
	case OWN_SELECT_ICCID:
	case OWN_SELECT_IMSI:
	case OWN_SELECT_AD:
	case _OWN_MAX:
		break;
	}
	return s->step + 1;
}

static void on_own(struct apdu_job *j, const uint8_t *answer, size_t n)
{
	struct slot *s = container_of(j, struct slot, own);
	enum slot_state end = SLOT_FAILED;
	unsigned sw;

	if (n < 2) {
		read_ends(s, SLOT_FAILED);
		return;
	}
	sw = (unsigned)answer[n - 2] << 8 | answer[n - 1];
	s->step = judge_own(s, answer, n - 2, sw, &end);
	if (s->step < _OWN_MAX)
		send_own(s);
	else
		read_ends(s, end);
	if (sw >> 8 == 0x91)
		slot_proactive(s, sw & 255);
}

static void show(struct slot *s)
{
	memcpy(s->iccid, s->read_iccid, sizeof(s->iccid));
	memcpy(s->imsi, s->read_imsi, sizeof(s->imsi));
	s->state = s->show_state;
	s->following = FOLLOW_NOTHING;
	if (s->m->persona->poll_ms && (s->state == SLOT_READY || s->state == SLOT_NO_APP))
		ev_alarm_start(&s->poll, s->m->persona->poll_ms);
	module_card_ready(s->m);
}

/* A module that takes its time to show a new profile does so even when the card is fast. */
static void read_ends(struct slot *s, enum slot_state state)
{
	s->show_state = state;
	s->read_done = true;
	if (s->following == FOLLOW_SHOW && s->follow.active)
		return;
	show(s);
}

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	struct slot *s = container_of(u, struct slot, user);

	(void)atr;
	if (s->state != SLOT_STARTING)
		return;
	if (n == 0) {
		s->read_iccid[0] = s->read_imsi[0] = '\0';
		s->inserted = s->inserted && s->card;
		read_ends(s, SLOT_FAILED);
		return;
	}
	s->step = OWN_MF;
	send_own(s);
}

static void on_moved(struct card_user *u, int present)
{
	slot_insert(container_of(u, struct slot, user), present != 0);
}

static void begin(struct slot *s)
{
	s->state = SLOT_STARTING;       /* first: nobody who loses a job may send another */
	s->read_iccid[0] = s->read_imsi[0] = '\0';
	s->read_done = false;
	ev_alarm_stop(&s->poll);
	close_sessions(s);
	lose_jobs(s);
	if (!s->card || !s->inserted) {
		s->iccid[0] = s->imsi[0] = '\0';
		s->state = SLOT_EMPTY;
		module_card_ready(s->m);
		return;
	}
	net_look(&s->m->net);
	s->resets++;
	s->channels = 0;
	card_reset(s->card);
}

void slot_start(struct slot *s)
{
	ev_alarm_stop(&s->follow);
	s->following = FOLLOW_NOTHING;
	begin(s);
}

void slot_power_off(struct slot *s)
{
	ev_alarm_stop(&s->follow);
	ev_alarm_stop(&s->poll);
	s->following = FOLLOW_NOTHING;
	s->iccid[0] = s->imsi[0] = '\0';
	/* What only a restart of the module heals stays so. */
	if (s->state != SLOT_EMPTY && (s->state != SLOT_RESTART || s->m->power != MODULE_RUNNING))
		s->state = SLOT_OFF;
	close_sessions(s);
	lose_jobs(s);
	s->channels = 0;
	if (s->card)
		card_power_off(s->card);
	net_look(&s->m->net);
}

void slot_insert(struct slot *s, bool present)
{
	if (s->inserted == present)
		return;
	s->inserted = present;
	if (s->m->power != MODULE_RUNNING || s->m->cfun == 0)
		return;
	if (!present)
		slot_power_off(s);
	module_card_leaves(s->m);
	slot_start(s);
}

void slot_pin_given(struct slot *s)
{
	s->state = SLOT_STARTING;
	s->step = OWN_USIM;
	send_own(s);
}

/* --- looking now and then ------------------------------------------------------------------------- */

/* Modules that notice another profile without REFRESH read EF.ICCID again and again. */
static void ask_poll(struct slot *s, const char *apdu)
{
	hex_decode(text_of(apdu), s->look.apdu, sizeof(s->look.apdu), &s->look.n);
	slot_submit(s, &s->look);
}

static void on_poll(struct ev_alarm *a)
{
	struct slot *s = container_of(a, struct slot, poll);

	if (s->state != SLOT_READY && s->state != SLOT_NO_APP)
		return;
	/* The host's work goes first. */
	if (s->flying || s->deaf || s->following != FOLLOW_NOTHING ||
	    (s->m->persona->needs_simdet && !module_follows_cards(s->m)))
		ev_alarm_start(&s->poll, s->m->persona->poll_ms);
	else
		ask_poll(s, "00A4080C022FE2");
}

static void follow_card(struct slot *s);

static void on_look(struct apdu_job *j, const uint8_t *answer, size_t n)
{
	struct slot *s = container_of(j, struct slot, look);
	char iccid[24];

	if (n < 2)
		return;
	if (j->apdu[1] == 0xA4 && (answer[n - 2] == 0x90 || answer[n - 2] == 0x61)) {
		ask_poll(s, "00B000000A");
		return;
	}
	digits(answer, n - 2, 0, iccid, sizeof(iccid));
	if (j->apdu[1] == 0xB0 && answer[n - 2] == 0x90 && strcmp(iccid, s->iccid) != 0)
		follow_card(s);
	else
		ev_alarm_start(&s->poll, s->m->persona->poll_ms);
}

/* --- proactive commands --------------------------------------------------------------------------- */

static void follow_refresh(struct slot *s)
{
	const struct persona *p = s->m->persona;

	s->refresh_pending = false;
	if (p->port_lost)
		module_hang_up(s->m, 1000);
	if (p->refresh == REFRESH_RESTART) {
		s->state = SLOT_RESTART;
		close_sessions(s);
		return;
	}
	if (p->refresh == REFRESH_NOTHING && !module_follows_cards(s->m))
		return;
	follow_card(s);
}

static void follow_card(struct slot *s)
{
	s->following = FOLLOW_RESET;
	ev_alarm_start(&s->follow, REFRESH_TO_RESET_MS);
}

static void on_follow(struct ev_alarm *a)
{
	struct slot *s = container_of(a, struct slot, follow);
	unsigned wait = s->m->persona->reread_ms;

	if (s->following == FOLLOW_SHOW) {
		/* The card may still be on its way: then the end of reading shows it. */
		if (s->read_done)
			show(s);
		return;
	}
	module_card_leaves(s->m);
	s->following = FOLLOW_SHOW;
	if (wait)
		ev_alarm_start(&s->follow, wait);
	begin(s);
}

/* ETSI TS 102 223 6.6 and 6.8: COMPREHENSION-TLVs with or without the comprehension flag. */
static bool is_refresh(const uint8_t *d, size_t n)
{
	size_t at = n > 2 && d[1] == 0x81 ? 3 : 2;

	return n >= at + 5 && d[0] == 0xD0 && (d[at] & 0x7f) == 1 && d[at + 1] == 3 &&
	       d[at + 3] == TYPE_REFRESH;
}

static void respond(struct slot *s, const uint8_t *d, size_t n)
{
	size_t at = n > 2 && d[1] == 0x81 ? 3 : 2;
	uint8_t *a = s->fetch.apdu;

	memcpy(a, (uint8_t[]){ 0x80, 0x14, 0x00, 0x00, 0x0C, 0x81, 0x03 }, 7);
	memcpy(a + 7, d + at + 2, 3);
	memcpy(a + 10, (uint8_t[]){ 0x82, 0x02, 0x82, 0x81, 0x83, 0x01, 0x00 }, 7);
	s->fetch.n = 17;
	slot_submit(s, &s->fetch);
}

static void on_fetch(struct apdu_job *j, const uint8_t *answer, size_t n)
{
	struct slot *s = container_of(j, struct slot, fetch);
	size_t at = n > 2 && answer[1] == 0x81 ? 3 : 2;

	if (n < 2)
		return;
	if (j->apdu[1] == 0x14) {
		if (answer[n - 2] == 0x91)
			slot_proactive(s, answer[n - 1]);
		else if (s->refresh_pending)
			follow_refresh(s);
		return;
	}
	if (answer[n - 2] != 0x90 || n - 2 < at + 5)
		return;
	if (is_refresh(answer, n - 2))
		s->refresh_pending = true;
	respond(s, answer, n - 2);
}

void slot_proactive(struct slot *s, unsigned length)
{
	if (s->fetch.queued || !slot_powered(s))
		return;
	memcpy(s->fetch.apdu, (uint8_t[]){ 0x80, 0x12, 0x00, 0x00, (uint8_t)length }, 5);
	s->fetch.n = 5;
	slot_submit(s, &s->fetch);
}

/* --- life ----------------------------------------------------------------------------------------- */

void slot_init(struct slot *s, struct module *m)
{
	s->m = m;
	list_init(&s->jobs);
	s->user.started = on_started;
	s->user.answered = on_answered;
	s->user.moved = on_moved;
	s->own.done = on_own;
	s->fetch.done = on_fetch;
	s->transport.fired = on_transport;
	s->follow.fired = on_follow;
	s->poll.fired = on_poll;
	s->look.done = on_look;
	s->pin_left = 3;
	s->puk_left = 10;
	s->mnc_digits = 2;
	s->handle_rng = m->o.seed ^ 0x385a7cf;
}

void slot_give_card(struct slot *s, struct card *card, bool inserted)
{
	s->card = card;
	s->inserted = card && inserted;
	if (card)
		card->user = &s->user;
}

void slot_stop(struct slot *s)
{
	ev_alarm_stop(&s->transport);
	ev_alarm_stop(&s->follow);
	ev_alarm_stop(&s->poll);
	card_free(s->card);
	s->card = NULL;
}
