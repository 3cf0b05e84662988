/* The queue of work, and the one request in flight. */
#include "ipa/ipa.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "ipa/notes.h"

static const char *const card_names[_IPA_CARD_MAX] = {
	[IPA_CARD_ABSENT] = "absent", [IPA_CARD_READING] = "reading", [IPA_CARD_READY] = "ready",
	[IPA_CARD_NO_EUICC] = "no-euicc", [IPA_CARD_UNREACHABLE] = "unreachable",
};

const char *ipa_card_name(enum ipa_card card)
{
	return card_names[card];
}

/* --- words ------------------------------------------------------------------------------------------ */

void ipa_explain(struct ipa *i, const char *fmt, ...)
{
	va_list ap;

	/* The first one counts, as with causes. */
	if (i->error_text[0])
		return;
	va_start(ap, fmt);
	vsnprintf(i->error_text, sizeof(i->error_text), fmt, ap);
	va_end(ap);
}

const char *ipa_error_text(const struct ipa *i)
{
	return i->error_text;
}

enum step_verdict ipa_refused(struct proc *p, const char *from, int code, const char *words)
{
	ipa_explain(ipa_of(p), "%s", words);
	proc_fail(p, CAUSE_REFUSED, from, code);
	return STEP_FAIL;
}

enum step_verdict ipa_garbled(struct proc *p, const char *what)
{
	ipa_explain(ipa_of(p), "%s cannot be read", what);
	proc_fail(p, CAUSE_MALFORMED, "card", -1);
	return STEP_FAIL;
}

/* The words for status words that people will meet; the number stands in the cause. */
static const char *sw_words(int sw)
{
	switch (sw) {
	case 0x6985:
		return "conditions of use not satisfied: the card wants to be reset, or forbids it";
	case 0x6a80:
		return "the card finds the request malformed";
	case 0x6a82:
		return "not found";
	case 0x6a88:
	case 0x6d00:
	case 0x6e00:
		return "the card does not know this function";
	}
	return NULL;
}

enum step_verdict ipa_no_answer(struct proc *p)
{
	if (p->answer.kind == CAUSE_REFUSED && p->answer.from && !strcmp(p->answer.from, "card") &&
	    sw_words(p->answer.code))
		ipa_explain(ipa_of(p), "%s", sw_words(p->answer.code));
	return STEP_FAIL;
}

/* --- requests ------------------------------------------------------------------------------------------ */

void ipa_show_step(struct ipa *i)
{
	const char *step = proc_step(&i->proc);

	if (i->step == step)
		return;
	i->step = step;
	log_debug("ipa", "%s: %s", i->now->name, step);
	if (i->now->progress)
		i->now->progress(i->now, step);
	i->changed(i, IPA_CHANGED_ACTIVITY);
}

static void answered(struct ipa *i, const struct cause *why)
{
	i->asked = IPA_ASKED_NOBODY;
	proc_answer(&i->proc, why);
}

static void on_called(struct euicc_call *c, const struct cause *why)
{
	struct ipa *i = container_of(c, struct ipa, call);

	/* The judge runs from a task of its own: the octets stay until the next call. */
	i->answer = why ? (struct octets){ 0 } : c->answer;
	if (why && why->kind == CAUSE_LINK_LOST && i->anyway)
		answered(i, &(struct cause){ CAUSE_REFUSED, "module", -1, NULL });
	else
		answered(i, why);
}

struct tlv_out ipa_writer(struct ipa *i)
{
	return (struct tlv_out){ .buf = i->request, .cap = sizeof(i->request) };
}

int ipa_ask_card_raw(struct ipa *i, enum es10_function f, struct octets command)
{
	ipa_show_step(i);
	i->anyway = false;
	i->asked = IPA_ASKED_CARD;
	i->call = (struct euicc_call){ .function = f, .command = command, .done = on_called };
	euicc_call(&i->euicc, &i->call);
	return 0;
}

int ipa_ask_card(struct ipa *i, enum es10_function f, const struct tlv_out *w)
{
	size_t n;
	int r = tlv_done(w, &n);

	return r < 0 ? r : ipa_ask_card_raw(i, f, octets_from(i->request, n));
}

int ipa_ask_card_here(struct ipa *i, enum es10_function f, struct octets command)
{
	int r = ipa_ask_card_raw(i, f, command);

	i->call.same_channel = true;
	return r;
}

int ipa_ask_card_anyway(struct ipa *i, enum es10_function f, const struct tlv_out *w)
{
	int r = ipa_ask_card(i, f, w);

	i->anyway = true;
	return r;
}

int ipa_ask_module(struct ipa *i, const char *iccid)
{
	ipa_show_step(i);
	i->asked = IPA_ASKED_MODULE;
	/* Whatever resets the card now, no channel of ours is in its way. */
	euicc_close(&i->euicc);
	i->follow(i, iccid);
	return 0;
}

/* --- the network ---------------------------------------------------------------------------------------- */

static void on_patience(struct ev_alarm *a)
{
	answered(container_of(a, struct ipa, patience),
		 &(struct cause){ CAUSE_REFUSED, "network", -1, NULL });
}

int ipa_ask_network(struct ipa *i, unsigned patience_ms)
{
	if (i->online)
		return STEP_SKIP;
	ipa_show_step(i);
	i->asked = IPA_ASKED_NETWORK;
	i->patience.fired = on_patience;
	ev_alarm_start(&i->patience, patience_ms);
	return 0;
}

void ipa_online(struct ipa *i, bool online, struct octets plmn)
{
	bool was = i->online;

	/* While the channel is being given back the module may go. */
	if (i->closed)
		return;
	if (plmn.n == sizeof(i->plmn_store)) {
		memcpy(i->plmn_store, plmn.p, plmn.n);
		i->plmn = octets_from(i->plmn_store, plmn.n);
	}
	i->online = online;
	if (online && i->asked == IPA_ASKED_NETWORK) {
		ev_alarm_stop(&i->patience);
		answered(i, NULL);
	}
	if (was != online) {
		ipa_eims_online(i);
		ipa_notes_look(i);
	}
}

/* --- the eIM ---------------------------------------------------------------------------------------------- */

void ipa_stop_stream(struct ipa *i)
{
	if (i->streaming)
		eim_cancel(i->link, &i->exchange);
	i->streaming = false;
}

static void forget_reply(struct ipa *i)
{
	ipa_stop_stream(i);
	free(i->reply);
	i->reply = NULL;
	i->reply_n = 0;
	i->answer = (struct octets){ 0 };
}

static void on_exchanged(struct eim_exchange *x, const struct cause *why)
{
	struct ipa *i = container_of(x, struct ipa, exchange);
	struct cause refused = { CAUSE_REFUSED, "eim", -1, NULL };

	i->eim_why = why ? *why : (struct cause){ 0 };
	i->streaming = false;
	if (!why) {
		i->reply = take(x->reply);
		i->reply_n = x->reply_n;
	}
	/* The card is asked just now: who wants to know what has come will see. */
	if (i->asked != IPA_ASKED_EIM)
		return;
	if (why) {
		refused.code = why->code;
		ipa_explain(i, "%s", x->text);
		answered(i, &refused);
		return;
	}
	i->answer = octets_from(i->reply, i->reply_n);
	answered(i, NULL);
}

static void on_grown(struct eim_exchange *x)
{
	struct ipa *i = container_of(x, struct ipa, exchange);

	i->grown = true;
	if (i->asked == IPA_ASKED_EIM)
		answered(i, NULL);
}

int ipa_ask_server(struct ipa *i, struct eim_link *link, const char *function, struct octets request,
		   unsigned patience_ms)
{
	ipa_show_step(i);
	forget_reply(i);
	i->asked = IPA_ASKED_EIM;
	i->link = link;
	i->exchange = (struct eim_exchange){ .function = function, .request = request.p,
					     .request_n = request.n, .patience_ms = patience_ms,
					     .done = on_exchanged };
	eim_exchange(link, &i->exchange);
	return 0;
}

int ipa_ask_stream(struct ipa *i, struct eim_link *link, const char *function, struct octets request,
		   unsigned patience_ms)
{
	ipa_show_step(i);
	forget_reply(i);
	i->asked = IPA_ASKED_EIM;
	i->streaming = true;
	i->grown = false;
	i->eim_why = (struct cause){ 0 };
	i->link = link;
	i->exchange = (struct eim_exchange){ .function = function, .request = request.p,
					     .request_n = request.n, .patience_ms = patience_ms,
					     .done = on_exchanged, .grown = on_grown };
	eim_exchange(link, &i->exchange);
	return 0;
}

/* What has happened since the last look is not waited for. */
int ipa_await_stream(struct ipa *i)
{
	bool news = i->grown || !i->streaming;

	i->asked = IPA_ASKED_EIM;
	i->grown = false;
	if (news)
		answered(i, i->eim_why.kind == CAUSE_NONE ? NULL :
			    &(struct cause){ CAUSE_REFUSED, "eim", i->eim_why.code, NULL });
	return 0;
}

struct octets ipa_stream(const struct ipa *i)
{
	return i->streaming ? octets_from(i->exchange.reply, i->exchange.reply_n) :
			      octets_from(i->reply, i->reply_n);
}

int ipa_ask_eim_raw(struct ipa *i, struct eim_link *link, struct octets request, unsigned patience_ms)
{
	return ipa_ask_server(i, link, NULL, request, patience_ms);
}

int ipa_ask_eim(struct ipa *i, struct eim_link *link, const struct tlv_out *w, unsigned patience_ms)
{
	size_t n;
	int r = tlv_done(w, &n);

	return r < 0 ? r : ipa_ask_eim_raw(i, link, octets_from(i->request, n), patience_ms);
}

int ipa_status_of(const struct cause *why)
{
	bool said = why->kind == CAUSE_REFUSED && why->from &&
		    (!strcmp(why->from, "http") || !strcmp(why->from, "coap"));

	return said && why->code >= 400 ? why->code : 0;
}

enum step_verdict ipa_eim_failed(struct proc *p)
{
	struct ipa *i = ipa_of(p);

	proc_fail(p, i->eim_why.kind, i->eim_why.from, i->eim_why.code);
	return STEP_FAIL;
}

/* --- the module -------------------------------------------------------------------------------------------- */

void ipa_followed(struct ipa *i, const struct cause *why)
{
	if (i->asked == IPA_ASKED_MODULE)
		answered(i, why);
}

static void abandon(struct proc *p)
{
	struct ipa *i = ipa_of(p);

	switch (i->asked) {
	case IPA_ASKED_CARD:
		euicc_cancel(&i->call);
		break;
	case IPA_ASKED_READER:
		facts_drop(&i->reader);
		break;
	case IPA_ASKED_MODULE:
		i->follow_stop(i);
		break;
	case IPA_ASKED_NETWORK:
		ev_alarm_stop(&i->patience);
		break;
	case IPA_ASKED_EIM:
		eim_cancel(i->link, &i->exchange);
		i->streaming = false;
		break;
	case IPA_ASKED_NOBODY:
	case _IPA_REQUEST_MAX:
		break;
	}
	i->asked = IPA_ASKED_NOBODY;
}

/* --- the queue ------------------------------------------------------------------------------------------- */

static void end(struct ipa *i, struct ipa_work *w, const struct cause *why)
{
	char text[CAUSE_TEXT_MAX];

	w->ipa = NULL;
	if (why)
		log_write(why->kind == CAUSE_CANCELLED ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "ipa",
			  "%s%s%s: %s%s%s", w->name, w->whose ? " at " : "", w->whose ? w->whose : "",
			  cause_text(why, text), i->error_text[0] ? ": " : "", i->error_text);
	w->ended(w, why);
	i->error_text[0] = '\0';
	i->changed(i, IPA_CHANGED_ACTIVITY);
}

static void on_finished(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_work *w = i->now;
	struct cause why = p->cause;

	ipa_stop_stream(i);
	i->now = NULL;
	i->step = NULL;
	ev_task_start(&i->pump);
	end(i, w, cause_is_set(&why) ? &why : NULL);
}

static void on_pump(struct ev_task *t)
{
	struct ipa *i = container_of(t, struct ipa, pump);
	struct ipa_work *w;

	if (i->now)
		return;
	w = list_first(&i->queue, struct ipa_work, node);
	if (!w)
		return;
	list_del(&w->node);
	i->now = w;
	i->step = NULL;
	i->error_text[0] = '\0';
	i->proc.steps = w->steps;
	proc_start(&i->proc);
	i->changed(i, IPA_CHANGED_ACTIVITY);
}

static void submit(struct ipa *i, struct ipa_work *w, bool first)
{
	if (w->ipa)
		return;
	w->ipa = i;
	if (first)
		list_add_first(&i->queue, &w->node);
	else
		list_add(&i->queue, &w->node);
	ev_task_start(&i->pump);
}

void ipa_submit(struct ipa *i, struct ipa_work *w)
{
	submit(i, w, false);
}

void ipa_submit_first(struct ipa *i, struct ipa_work *w)
{
	submit(i, w, true);
}

void ipa_withdraw(struct ipa_work *w)
{
	struct ipa *i = w->ipa;

	if (!i)
		return;
	w->ipa = NULL;
	if (i->now != w) {
		list_del(&w->node);
		return;
	}
	proc_drop(&i->proc);
	ipa_stop_stream(i);
	i->now = NULL;
	i->step = NULL;
	ev_task_start(&i->pump);
	i->changed(i, IPA_CHANGED_ACTIVITY);
}

/* --- life ------------------------------------------------------------------------------------------------- */

int ipa_open(struct ipa *i, struct card_channel *channel)
{
	int r = ipa_eims_open(i);

	if (r == 0)
		r = ipa_notes_open(i);
	if (r < 0) {
		ipa_eims_close(i);
		return r;
	}
	list_init(&i->queue);
	i->pump.run = on_pump;
	i->proc.name = "ipa";
	i->proc.abandon = abandon;
	i->proc.finished = on_finished;
	euicc_init(&i->euicc, channel);
	ipa_card_open(i);
	return 0;
}

void ipa_close(struct ipa *i)
{
	const struct cause why = { CAUSE_CANCELLED, "us", -1, NULL };
	struct ipa_work *w;

	if (i->now) {
		w = i->now;
		proc_drop(&i->proc);
		ipa_stop_stream(i);
		i->now = NULL;
		w->ipa = NULL;
		w->ended(w, &why);
	}
	while ((w = list_first(&i->queue, struct ipa_work, node))) {
		list_del(&w->node);
		w->ipa = NULL;
		w->ended(w, &why);
	}
	/* Whoever ended has perhaps planned another try. */
	ipa_card_close(i);
	ipa_notes_close(i);
	ipa_eims_close(i);
	forget_reply(i);
	ev_task_stop(&i->pump);
	euicc_close(&i->euicc);
	euicc_done(&i->euicc);
}
