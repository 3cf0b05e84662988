/* The bed's way to the eIM, with trouble on it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/esipa.h"
#include "sim/eim/rsp.h"
#include "support/ipabed.h"
#include "support/test.h"

#define WAY_MS 20
#define TIMEOUT_MS 60000
#define HANDLE 0xbf3d

static struct road {
	struct eim_link link;
	struct eim_exchange *now;
	struct ev_alarm alarm;
	struct ipabed_flow flow;
	enum trouble trouble;
	struct se_exchange asked;
	bool late;                      /* a relay has it */
} road;

/* --- the end of an exchange ---------------------------------------------------------------------------- */

static void end_road(const struct cause *why)
{
	struct eim_exchange *x = road.now;

	road.now = NULL;
	if (why) {
		free(x->reply);
		x->reply = NULL;
		x->reply_n = 0;
		snprintf(x->text, sizeof(x->text), "trouble on the way");
	}
	x->done(x, why);
}

static void on_flown(struct ipabed_flow *f, const struct cause *why)
{
	(void)f;
	end_road(why);
}

/* What there is for an answer comes. */
static void flow(enum trouble t)
{
	struct eim_exchange *x = road.now;

	ipabed_flow_start(&road.flow, x, x->reply, x->reply_n, t);
}

static void end_with_status(int status)
{
	end_road(&(struct cause){ CAUSE_REFUSED, "http", status, NULL });
}

/* The error alternatives, SGP.32 6.3: undefined error. One that has no answer can only be refused. */
static void answer_no(struct eim_exchange *x)
{
	uint32_t tag = (uint32_t)x->request[0] << 8 | x->request[1];
	uint8_t no[] = { x->request[0], x->request[1], 0x03, 0x81, 0x01, 0x7f };

	if (tag == HANDLE) {
		end_with_status(400);
		return;
	}
	if (tag == 0xbf4f || tag == 0xbf50)
		no[3] = 0x02;
	if (tag == 0xbf3b)
		no[3] = 0x82;
	x->reply = malloc(sizeof(no));
	assert_non_null(x->reply);
	memcpy(x->reply, no, sizeof(no));
	x->reply_n = sizeof(no);
	flow(NOTHING);
}

/* One bit of the transactionId: A0 { 80 … } in the answers of downloads. */
static void turn_transaction(struct eim_exchange *x)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, octets_from(x->reply, x->reply_n)), ok;
	struct octets tid;

	ok = tlv_enter(&top, tlv_peek(&top));
	ok = tlv_enter(&ok, 0xa0);
	tid = tlv_take(&ok, 0x80);
	if (!doc.fault && tid.n)
		x->reply[tid.p - x->reply] ^= 0x01;
}

static void strike(enum trouble t)
{
	struct eim_exchange *x = road.now;

	if (ipabed_ends_daemon(t))
		return;
	switch (t) {
	case REFUSED:
		end_with_status(500);
		break;
	case FORBIDDEN:
	case UNWANTED:
		end_with_status(404);
		break;
	case SAYS_NO:
		answer_no(x);
		break;
	case GARBAGE:
		for (size_t k = 0; k < x->reply_n; k++)
			x->reply[k] ^= 0x5a;
		flow(t);
		break;
	case TRUNCATED:
		x->reply_n /= 2;
		flow(t);
		break;
	case CUT:
	case STALLED:
		flow(t);
		break;
	case OTHER_SESSION:
		turn_transaction(x);
		flow(t);
		break;
	case SILENT:
	case SILENT_AFTER:
	case AWAY:
		end_road(&(struct cause){ CAUSE_TIMEOUT, "http", -1, NULL });
		break;
	case LOST:
	case LOST_AFTER:
		end_road(&(struct cause){ CAUSE_LINK_LOST, "http", -1, NULL });
		break;
	case FORGED:
	case MALFORMED_SW:
	case NOTHING:
	case KILLED:
	case KILLED_AFTER:
	case POWER:
	case POWER_AFTER:
	case STOPPED:
	case _TROUBLE_MAX:
		flow(t);
		break;
	}
}

/* --- the exchange ------------------------------------------------------------------------------------------ */

static void answered(void)
{
	struct eim_exchange *x = road.now;
	enum trouble t = road.trouble;
	unsigned status = road.asked.status;

	road.late = false;
	road.trouble = NOTHING;
	x->reply = road.asked.response;
	x->reply_n = road.asked.response_n;
	road.asked = (struct se_exchange){ .card = NULL };
	if (t != NOTHING)
		strike(t);
	else if (status >= 400)
		end_with_status((int)status);
	else
		flow(t);
}

static void on_answered(struct se_exchange *a)
{
	(void)a;
	answered();
}

/*
 * What an eIM sends again after a while it sends by the clock of the machine: here that is the time
 * since it was sent on the virtual one.
 */
static void set_resend_time(void)
{
	static uint64_t sent_ms;
	static unsigned sent;
	unsigned now = 0;
	struct se_package *p;

	list_for_each(p, &ipabed.account->packages, node)
		now += p->sent;
	if (now != sent) {
		sent = now;
		sent_ms = ev_now_ms();
	}
	ipabed.eim.resend_download_s = ev_now_ms() - sent_ms > 1500000 ? 0 : 86400;
}

static void ask(struct eim_exchange *x)
{
	set_resend_time();
	road.asked = (struct se_exchange){ .request = octets_from(x->request, x->request_n),
					   .done = on_answered };
	road.late = se_esipa_handle(&ipabed.eim, &road.asked) == SE_LATER;
	if (!road.late)
		answered();
}

static void on_arrived(struct ev_alarm *a)
{
	struct eim_exchange *x = road.now;
	uint32_t tag = (uint32_t)x->request[0] << 8 | x->request[1];
	enum trouble t = road.trouble;

	(void)a;
	if (!ipabed.ipa.online || ipabed.away_until_ms[TO_EIM] > ev_now_ms())
		end_road(&(struct cause){ CAUSE_TIMEOUT, "http", -1, NULL });
	else if (ipabed.unwanted_until_ms > ev_now_ms() && tag == HANDLE)
		end_with_status(404);
	else if (t != NOTHING && !trouble_is_after(t))
		strike(t);
	else
		ask(x);
}

static void on_exchange(struct eim_link *l, struct eim_exchange *x)
{
	bool away = !ipabed.ipa.online || ipabed.away_until_ms[TO_EIM] > ev_now_ms();
	char what[48];

	(void)l;
	snprintf(what, sizeof(what), "ESipa %02X%02X", x->request[0], x->request[1]);
	x->reply = NULL;
	x->reply_n = 0;
	road.now = x;
	road.trouble = ipabed_note(TO_EIM, what);
	if (road.trouble == AWAY)
		ipabed.away_until_ms[TO_EIM] = ev_now_ms() + IPABED_AWAY_S * 1000;
	if (road.trouble == UNWANTED)
		ipabed.unwanted_until_ms = ev_now_ms() + IPABED_AWAY_S * 1000;
	away |= road.trouble == AWAY || road.trouble == SILENT;
	road.alarm.fired = on_arrived;
	ev_alarm_start(&road.alarm, away ? TIMEOUT_MS : WAY_MS);
}

static void drop(void)
{
	ev_alarm_stop(&road.alarm);
	ipabed_flow_stop(&road.flow);
	if (road.late)
		se_esipa_abandon(&ipabed.eim, &road.asked);
	free(road.asked.response);
	road.asked = (struct se_exchange){ .card = NULL };
	if (road.now) {
		free(road.now->reply);
		road.now->reply = NULL;
	}
	road.now = NULL;
	road.late = false;
	road.trouble = NOTHING;
}

static void on_cancel(struct eim_link *l, struct eim_exchange *x)
{
	(void)l;
	if (road.now == x)
		drop();
}

static void nothing(struct eim_link *l)
{
	(void)l;
}

static const struct eim_link_ops ops = {
	.exchange = on_exchange, .cancel = on_cancel, .close = nothing, .free = nothing,
};

struct eim_link *ipabed_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	(void)i;
	(void)e;
	(void)why;
	road.link.ops = &ops;
	return &road.link;
}

bool ipabed_eim_is_asked(void)
{
	return road.now != NULL;
}

void ipabed_eim_open(void)
{
	memset(&road, 0, sizeof(road));
	road.flow.end = on_flown;
	ipabed_post_open();
}

void ipabed_eim_stop(void)
{
	drop();
}
