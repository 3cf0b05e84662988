/* The bed's SM-DP+, asked by the IPA or by the eIM, with trouble on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/ipabed.h"
#include "support/test.h"

#define WAY_MS 20
#define TIMEOUT_MS 60000

struct lane {
	struct eim_link link;
	struct eim_exchange *now;
	struct ev_alarm alarm;
	struct ipabed_flow flow;
	enum trouble trouble;
};

static struct lane *asked;      /* nobody asks two servers at the same time */

/* --- one request ------------------------------------------------------------------------------------- */

static void arm(const char *kind, const char *function)
{
	char line[96];
	const char *why;

	snprintf(line, sizeof(line), "%s,on=%s", kind, function);
	if (sdp_fault_add(&ipabed.smdp.faults, text_of(line), &why))
		fail_msg("%s: %s", line, why);
}

/* The server's own faults. */
static void spoil_answer(enum trouble t, const char *function)
{
	bool known = !strcmp(function, "initiateAuthentication") ||
		     !strcmp(function, "authenticateClient") ||
		     !strcmp(function, "getBoundProfilePackage");

	if (t == SAYS_NO)
		arm("status=8.1/6.1", function);
	else if (t == GARBAGE)
		arm("garbage", function);
	else if (t == TRUNCATED)
		arm("truncated", function);
	else if (t == OTHER_SESSION && known)
		arm("wrong-transaction", function);
	else if (t == FORGED && known)
		arm("wrong-signature", function);
}

static struct cause way_back(enum trouble t, unsigned status)
{
	switch (t) {
	case REFUSED:
		return (struct cause){ CAUSE_REFUSED, "http", 500, NULL };
	case FORBIDDEN:
		return (struct cause){ CAUSE_REFUSED, "http", 404, NULL };
	case SILENT:
	case SILENT_AFTER:
		return (struct cause){ CAUSE_TIMEOUT, "http", -1, NULL };
	case AWAY:
		return (struct cause){ CAUSE_TIMEOUT, "connect", -1, NULL };
	case LOST:
	case LOST_AFTER:
		return (struct cause){ CAUSE_LINK_LOST, "http", -1, NULL };
	case NOTHING:
	case GARBAGE:
	case KILLED:
	case KILLED_AFTER:
	case POWER:
	case POWER_AFTER:
	case MALFORMED_SW:
	case SAYS_NO:
	case TRUNCATED:
	case CUT:
	case STALLED:
	case OTHER_SESSION:
	case FORGED:
	case UNWANTED:
	case STOPPED:
	case _TROUBLE_MAX:
		break;
	}
	if (status > 299)
		return (struct cause){ CAUSE_REFUSED, "http", (int)status, NULL };
	return (struct cause){ 0 };
}

static bool is_away(void)
{
	return ipabed.away_until_ms[TO_SMDP] > ev_now_ms();
}

void ipabed_smdp_serve(enum ipabed_to to, const char *function, struct octets body, enum trouble t,
		       struct sdp_reply *ret, struct cause *why)
{
	char path[96];
	struct sdp_faults before = ipabed.smdp.faults;
	struct sdp_request q = { .method = TEXT("POST"), .content_type = TEXT("application/json"),
				 .admin_protocol = TEXT("gsma/rsp/v2.2.2"), .body = body };

	memset(ret, 0, sizeof(*ret));
	if (t == AWAY)
		ipabed.away_until_ms[TO_SMDP] = ev_now_ms() + IPABED_AWAY_S * 1000;
	if (is_away() && to != TO_EIM)
		t = AWAY;
	spoil_answer(t, function);
	if (t == NOTHING || trouble_is_after(t) || t == SAYS_NO) {
		snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", function);
		q.path = text_of(path);
		sdp_serve(&ipabed.smdp, &q, ret);
	}
	/* What was armed for this answer is not kept for another one. */
	if (ipabed.smdp.faults.struck == before.struck)
		ipabed.smdp.faults = before;
	*why = way_back(t, ret->status);
}

/* --- the IPA's way ---------------------------------------------------------------------------------------- */

static void end(struct lane *l, const struct cause *why)
{
	struct eim_exchange *x = l->now;

	l->now = NULL;
	asked = NULL;
	if (why)
		snprintf(x->text, sizeof(x->text), "trouble on the way to the server");
	x->done(x, why);
}

static void on_flown(struct ipabed_flow *f, const struct cause *why)
{
	end(container_of(f, struct lane, flow), why);
}

static void on_arrived(struct ev_alarm *a)
{
	struct lane *l = container_of(a, struct lane, alarm);
	struct eim_exchange *x = l->now;
	enum trouble t = l->trouble;
	struct cause why = { 0 };
	struct sdp_reply reply;

	l->trouble = NOTHING;
	if (!ipabed.ipa.online) {
		end(l, &(struct cause){ CAUSE_TIMEOUT, "connect", -1, NULL });
		return;
	}
	if (t == KILLED || t == POWER) {
		ipabed_ends_daemon(t);
		return;
	}
	ipabed_smdp_serve(TO_SMDP, x->function, octets_from(x->request, x->request_n), t, &reply, &why);
	if (!ipabed_ends_daemon(t)) {
		if (cause_is_set(&why))
			end(l, &why);
		else
			ipabed_flow_start(&l->flow, x, take(reply.body.p), reply.body.n, t);
	}
	sdp_reply_done(&reply);
}

static void on_exchange(struct eim_link *link, struct eim_exchange *x)
{
	struct lane *l = container_of(link, struct lane, link);
	bool late;

	assert_null(asked);
	x->reply = NULL;
	x->reply_n = 0;
	l->now = x;
	asked = l;
	l->trouble = ipabed_note(TO_SMDP, x->function);
	late = l->trouble == SILENT || l->trouble == AWAY || is_away() || !ipabed.ipa.online;
	l->alarm.fired = on_arrived;
	l->flow.end = on_flown;
	ev_alarm_start(&l->alarm, late ? TIMEOUT_MS : WAY_MS);
}

static void on_cancel(struct eim_link *link, struct eim_exchange *x)
{
	struct lane *l = container_of(link, struct lane, link);

	if (l->now != x)
		return;
	ev_alarm_stop(&l->alarm);
	ipabed_flow_stop(&l->flow);
	l->now = NULL;
	asked = NULL;
}

static void on_close(struct eim_link *link)
{
	(void)link;
}

static void on_free(struct eim_link *link)
{
	struct lane *l = container_of(link, struct lane, link);

	assert_null(l->now);
	free(l);
}

static const struct eim_link_ops ops = { on_exchange, on_cancel, on_close, on_free };

struct eim_link *ipabed_dial_server(struct ipa *i, const char *address, char why[IPA_TEXT_MAX])
{
	struct lane *l = calloc(1, sizeof(*l));

	(void)i;
	(void)why;
	assert_non_null(l);
	assert_true(address[0]);
	l->link.ops = &ops;
	return &l->link;
}

bool ipabed_smdp_is_asked(void)
{
	return asked != NULL;
}

void ipabed_smdp_open(void)
{
	asked = NULL;
}

/* Links are the daemon's: with it gone nothing of them is left. */
void ipabed_smdp_stop(void)
{
	assert_null(asked);
}
