#include "sim/euicc/euicc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/iso.h"
#include "sim/euicc/note.h"
#include "sim/euicc/profile.h"

/* T=0 offered, and by TB after TD for T=15 the eUICC bit: ETSI TS 102 221 6.3.3. */
static const uint8_t atr[] = {
	0x3b, 0x9f, 0x96, 0x80, 0x3f, 0x87, 0x82, 0x80, 0x31, 0xe0, 0x73, 0xfe,
	0x21, 0x1f, 0x67, 0x45, 0x54, 0x75, 0x30, 0x30, 0x00, 0x65, 0x37,
};

/* --- profiles change -------------------------------------------------------------------------- */

bool ve_cat_busy(struct ve *e)
{
	if (e->busy_left) {
		e->busy_left--;
		return true;
	}
	return e->proactive != VE_PROACTIVE_NONE || e->state.switch_pending;
}

/* Enabling another profile disables the one before, each with its notification. */
static void change_profile(struct ve *e, struct octets aid)
{
	struct ve_profile *from = ve_profile_enabled(&e->state);
	struct ve_profile *to = ve_profile_find(&e->state, VE_AID, aid);

	e->state.dirty = true;
	if (from == to)
		return;
	if (from) {
		from->enabled = 0;
		ve_note_event(e, from, VE_EVENT_DISABLE);
	}
	if (to) {
		to->enabled = 1;
		ve_note_event(e, to, VE_EVENT_ENABLE);
	}
}

void ve_switch(struct ve *e, struct octets aid, bool refresh)
{
	static const struct {
		bool refresh, lock;
	} habits[_VE_SWITCH_MAX] = {
		[VE_SWITCH_REFRESH] = { true, false },
		[VE_SWITCH_LOCK] = { false, true },
		[VE_SWITCH_REFRESH_LOCK] = { true, true },
	};

	e->more_ms += e->times.switch_ms;
	e->locked = habits[e->who->after_switch].lock;
	if (refresh && habits[e->who->after_switch].refresh) {
		e->state.switch_pending = 1;
		blob_copy(&e->state.switch_to, aid);
		e->state.dirty = true;
		e->proactive = VE_PROACTIVE_WAITS;
		return;
	}
	change_profile(e, aid);
	ve_channels_close(e, e->command.channel);
}

static void finish_switch(struct ve *e)
{
	if (!e->state.switch_pending)
		return;
	change_profile(e, blob_octets(&e->state.switch_to));
	e->state.switch_pending = 0;
	blob_clear(&e->state.switch_to);
}

/* Cards made for one operator go back to his profile, their first, whenever they get power. */
static void revert_profile(struct ve *e)
{
	if (!e->who->boot_reverts)
		return;
	for (size_t i = 0; i < e->state.n_profiles; i++)
		if (e->state.profiles[i].preloaded) {
			change_profile(e, blob_octets(&e->state.profiles[i].field[VE_AID]));
			return;
		}
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct ve *e, const void *data, size_t n, uint16_t sw)
{
	if (sw == SW_OK && e->proactive == VE_PROACTIVE_WAITS)
		sw = SW_PROACTIVE | ve_proactive_length();
	if (n)
		memcpy(e->answer, data, n);
	e->answer[n] = sw >> 8;
	e->answer[n + 1] = sw;
	e->answer_n = n + 2;
}

/* What is left to fetch, as the second octet of 61xx. */
static uint16_t more_sw(const struct ve_response *r)
{
	size_t left = r->n - r->at;

	return left < 256 ? SW_MORE | left : SW_MORE;
}

/* The next octets of the response, and whether there are more of them. */
static void answer_part(struct ve *e, struct ve_response *r, size_t n)
{
	const uint8_t *from = r->data + r->at;

	r->at += n;
	answer(e, from, n, r->at < r->n ? more_sw(r) : SW_OK);
}

/* Data goes out at once if the command has no data of its own, else by GET RESPONSE. */
static void deliver(struct ve *e, const struct apdu *a, bool outgoing)
{
	struct ve_response *r = &e->responses[a->channel];
	bool at_once = e->who->data_at_once && a->has_le;

	if (outgoing && a->has_le) {
		if (a->le <= r->n) {
			r->n = a->le;
			answer_part(e, r, a->le);
		} else if (at_once && a->le == 256) {
			answer_part(e, r, r->n);
		} else {
			answer(e, NULL, 0, SW_EXACT | r->n);
			r->n = 0;
		}
	} else if (at_once) {
		answer_part(e, r, MIN(r->n, 256u));
	} else {
		answer(e, NULL, 0, more_sw(r));
	}
}

static void get_response(struct ve *e, const struct apdu *a)
{
	struct ve_response *r = &e->responses[a->channel];
	size_t left = r->n - r->at;

	if (!left) {
		answer(e, NULL, 0, SW_CONDITIONS);
	} else if (r->fetch_sw) {
		answer(e, NULL, 0, r->fetch_sw);
		r->n = r->at = 0;
	} else if (a->p1 || a->p2) {
		answer(e, NULL, 0, SW_P1P2);
	} else if (a->data.n || !a->has_le) {
		answer(e, NULL, 0, SW_LENGTH);
	} else if (a->le > left) {
		answer(e, NULL, 0, SW_EXACT | left);
	} else {
		answer_part(e, r, a->le);
	}
}

/* What a command changed must be on disk before anybody learns of it. */
static uint16_t keep_state(struct ve *e, uint16_t sw)
{
	int r;

	if (!e->state.dirty)
		return sw;
	r = ve_state_save(&e->state);
	if (!r)
		return sw;
	log_error("euicc", "state not saved: %s", strerror(-r));
	return SW_MEMORY_FAILURE;
}

static void run_command(struct ve *e, const struct apdu *a)
{
	struct ve_response *r = &e->responses[a->channel];
	struct tlv_out w = { r->data, sizeof(r->data) };
	const struct iso_command *c;
	uint16_t sw;

	r->n = r->at = 0;
	r->fetch_sw = 0;
	sw = ve_iso_find(a, &c);
	if (sw == SW_OK)
		sw = c->run(e, a, &w);
	if (sw == SW_OK && w.full)
		sw = SW_MEMORY_FAILURE;
	sw = keep_state(e, sw);
	if (sw == SW_OK && w.len) {
		r->n = w.len;
		deliver(e, a, c->outgoing);
	} else {
		answer(e, NULL, 0, sw);
	}
}

static void execute(struct ve *e, const uint8_t *apdu, size_t n)
{
	struct apdu a;
	uint16_t sw = apdu_parse(apdu, n, &a);

	if (sw != SW_OK)
		answer(e, NULL, 0, sw);
	else if (!e->channels[a.channel].open)
		answer(e, NULL, 0, SW_CHANNEL);
	else if (a.ins == 0xc0)
		get_response(e, &a);
	else
		run_command(e, &a);
}

/* --- contacts --------------------------------------------------------------------------------- */

static void forget(struct ve *e)
{
	ev_task_stop(&e->starting);
	ev_alarm_stop(&e->thinking);
	for (unsigned i = 0; i < APDU_CHANNELS; i++)
		e->responses[i].n = e->responses[i].at = 0;
	e->command.open = false;
	e->proactive = VE_PROACTIVE_NONE;
	e->capabilities = 0;
	e->locked = false;
	e->more_ms = 0;
	ve_switch_drop(e);
	ve_session_clear(&e->session);
	ve_bpp_abandon(e);
	ve_channels_reset(e);
}

/* A start with power or after a reset: what waited for it happens now. */
static void begin(struct ve *e, bool cold)
{
	finish_switch(e);
	ve_bpp_interrupted(e);
	if (cold) {
		e->busy_left = e->who->busy_first;
		revert_profile(e);
	}
	if (keep_state(e, SW_OK) != SW_OK)
		e->mute = true;
}

void ve_fault_strike(struct ve *e, const struct ve_fault *f)
{
	switch (f->kind) {
	case VE_FAULT_DELAY:
		e->more_ms += f->value;
		break;
	case VE_FAULT_MUTE:
		e->hushed = true;
		break;
	case VE_FAULT_SILENT:
		e->silent = true;
		break;
	case VE_FAULT_RESET:
		e->reset_after = true;
		break;
	case VE_FAULT_SW:
	case VE_FAULT_GARBAGE:
	case VE_FAULT_CUT:
	case VE_FAULT_EMPTY:
	case _VE_FAULT_MAX:
		break;
	}
}

static void on_starting(struct ev_task *t)
{
	struct ve *e = container_of(t, struct ve, starting);

	e->card.user->started(e->card.user, atr, e->mute ? 0 : sizeof(atr));
}

static void on_thought(struct ev_alarm *a)
{
	struct ve *e = container_of(a, struct ve, thinking);

	log_wire("card", '<', e->answer, e->answer_n);
	e->card.user->answered(e->card.user, e->answer, e->answer_n);
}

static void on_reset(struct card *c)
{
	struct ve *e = ve_of(c);
	bool cold = !e->powered;

	forget(e);
	e->powered = true;
	e->hushed = false;
	begin(e, cold);
	ev_task_start(&e->starting);
}

static void on_power_off(struct card *c)
{
	struct ve *e = ve_of(c);

	forget(e);
	e->powered = false;
	e->mute = false;
	e->failed_loads = 0;
}

static void execute_with_faults(struct ve *e, const uint8_t *apdu, size_t n)
{
	const struct ve_fault *f = ve_fault_at(&e->faults, 0);
	struct tlv_out w = { e->answer, sizeof(e->answer) };
	uint16_t sw;

	if (f)
		ve_fault_strike(e, f);
	if (!f || f->after || f->kind != VE_FAULT_SW)
		execute(e, apdu, n);
	else
		answer(e, NULL, 0, f->value);
	if (f) {
		w.len = e->answer_n - 2;
		sw = ve_fault_answer(f, e->answer[w.len] << 8 | e->answer[w.len + 1], &w);
		e->answer[w.len] = sw >> 8;
		e->answer[w.len + 1] = sw;
		e->answer_n = w.len + 2;
	}
	if (e->reset_after) {
		e->reset_after = false;
		forget(e);
		begin(e, false);
	}
}

/* The results of failed loads can still be fetched; what comes next is not answered any more. */
static bool had_enough(const struct ve *e, const uint8_t *apdu, size_t n)
{
	return e->who->mute_after && e->failed_loads >= e->who->mute_after &&
	       (n < 2 || apdu[1] != 0xc0);
}

static void on_transmit(struct card *c, const uint8_t *apdu, size_t n)
{
	struct ve *e = ve_of(c);

	log_wire("card", '>', apdu, n);
	e->answer_n = 0;
	e->more_ms = 0;
	e->silent = false;
	if (had_enough(e, apdu, n))
		e->mute = true;
	if (e->powered && !e->mute && !e->hushed)
		execute_with_faults(e, apdu, n);
	if (e->mute || e->hushed)
		e->answer_n = 0;
	if (!e->silent)
		ev_alarm_start(&e->thinking, e->times.apdu_ms + e->more_ms);
}

static void on_free(struct card *c)
{
	struct ve *e = ve_of(c);

	forget(e);
	ve_state_free(&e->state);
	blob_clear(&e->fed_random);
	blob_clear(&e->marked_aid);
	free(e);
}

static int on_fault(struct card *c, const char *order)
{
	if (order[0])
		return euicc_card_fault(c, order);
	euicc_card_faults_clear(c);
	return 0;
}

static const struct card_ops card_ops = {
	.reset = on_reset,
	.power_off = on_power_off,
	.transmit = on_transmit,
	.free = on_free,
	.fault = on_fault,
};

static int __printf(3, 4) refuse(int r, char why[EUICC_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, EUICC_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

int euicc_card_open(const struct euicc_options *o, struct card **ret, char why[EUICC_WHY_MAX])
{
	struct ve *e = calloc(1, sizeof(*e));
	struct text name;
	int r;

	if (!e)
		return refuse(-ENOMEM, why, "no memory");
	r = ve_state_load(&e->state, o->dir);
	if (r) {
		refuse(r, why, "%s: %s", o->dir,
		       r == -EBADMSG ? "not the state of a card" : strerror(-r));
		goto out;
	}
	name = o->personality ? text_of(o->personality)
			      : octets_text(blob_octets(&e->state.personality));
	e->who = ve_personality_find(name);
	if (!e->who) {
		r = refuse(-EINVAL, why, "no personality \"" TEXT_FMT "\"", TEXT_ARG(name));
		goto out;
	}
	for (const char *const *f = o->faults; f && *f; f++) {
		r = ve_fault_add(&e->faults, text_of(*f));
		if (r) {
			refuse(r, why, "fault \"%s\" is not understood", *f);
			goto out;
		}
	}
	e->times = o->times ? *o->times : e->who->times;
	e->card.ops = &card_ops;
	e->starting.run = on_starting;
	e->thinking.fired = on_thought;
	*ret = &e->card;
	return 0;
out:
	ve_state_free(&e->state);
	free(e);
	return r;
}

void ve_random(struct ve *e, void *dst, size_t n)
{
	struct blob *fed = &e->fed_random;
	size_t given = MIN(n, fed->n);

	if (given) {
		memcpy(dst, fed->p, given);
		blob_set(fed, fed->p + given, fed->n - given);
	}
	if (getrandom((uint8_t *)dst + given, n - given, 0) != (ssize_t)(n - given))
		abort();
}

struct ve_state *euicc_card_state(struct card *c)
{
	return &ve_of(c)->state;
}

int euicc_card_fault(struct card *c, const char *order)
{
	return ve_fault_add(&ve_of(c)->faults, text_of(order));
}

void euicc_card_faults_clear(struct card *c)
{
	ve_of(c)->faults.n = 0;
}

struct ve_times euicc_card_times(struct card *c)
{
	return ve_of(c)->times;
}

void euicc_card_set_times(struct card *c, const struct ve_times *times)
{
	ve_of(c)->times = *times;
}

void euicc_card_feed_random(struct card *c, const void *p, size_t n)
{
	blob_append(&ve_of(c)->fed_random, p, n);
}
