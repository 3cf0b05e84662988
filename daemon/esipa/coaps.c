/*
 * Of the binding little is certain but that the messages are those of HTTPS. So: POST, the path that
 * the type follows from, nothing else unless it is configured; any 2.xx is success, whatever is in
 * it, and the body's first tag tells what it is.
 */
#include "esipa/coaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esipa/exchange.h"

#define PATH      "gsma/rsp2/asn1"
#define NOTE_MAX  80

struct coaps_link {
	struct eim_link link;
	struct esipa_coaps options;
	struct coaps *coaps;
	struct coaps_request request;
	struct eim_exchange *exchange;
	uint64_t due_ms;
	bool plain;                     /* tried without Content-Format, for good */
};

static const struct {
	uint8_t code;
	const char *words;
} refusals[] = {
	{ COAP_CODE(4, 0), "cannot use the message" },
	{ COAP_CODE(4, 1), "wants other credentials" },
	{ COAP_CODE(4, 2), "does not know an option" },
	{ COAP_CODE(4, 3), "wants other credentials" },
	{ COAP_CODE(4, 4), "knows no such path" },
	{ COAP_CODE(4, 5), "takes no POST there" },
	{ COAP_CODE(4, 6), "cannot answer in this format" },
	{ COAP_CODE(4, 8), "has lost a part of the message" },
	{ COAP_CODE(4, 13), "finds the message too large" },
	{ COAP_CODE(4, 15), "wants another Content-Format" },
	{ COAP_CODE(4, 29), "is asked too often" },
	{ COAP_CODE(5, 0), "has failed" },
	{ COAP_CODE(5, 3), "cannot answer now" },
	{ COAP_CODE(5, 4), "waits in vain for somebody else" },
};

static const char *words_for(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (refusals[i].code == code)
			return refusals[i].words;
	return code >> 5 == 4 ? "refuses the message" : code >> 5 == 5 ? "has failed" :
								       "answers with an unknown code";
}

static void judge(const struct coaps_link *l, const struct coaps_request *q, struct net_error *ret)
{
	unsigned class = q->code >> 5, detail = q->code & 31;
	char note[NOTE_MAX] = "", where[64] = "", wait[32] = "";

	if (class == 2)
		return;
	if (q->answer_n)
		text_escape(q->answer, MIN(q->answer_n, NOTE_MAX), note, sizeof(note));
	if (q->code == COAP_CODE(4, 4))
		snprintf(where, sizeof(where), " (%.40s)", l->options.server.path);
	if (q->code == COAP_CODE(4, 29) || q->code == COAP_CODE(5, 3))
		snprintf(wait, sizeof(wait), ", for %u s", q->max_age);
	net_error_set(ret, class == 4 || class == 5 ? CAUSE_REFUSED : CAUSE_MALFORMED, NET_COAP,
		      (int)(class * 100 + detail), "%.50s %s%s%s, %u.%02u%s%s", l->options.server.place.host,
		      words_for(q->code), where, wait, class, detail, note[0] ? ": " : "", note);
}

static void submit(struct coaps_link *l, unsigned patience_ms);

/* Some servers refuse what they do not need to be told. */
static bool try_plainly(struct coaps_link *l, uint8_t code)
{
	uint64_t now = ev_now_ms();

	if (l->plain || l->options.server.format < 0 || l->due_ms <= now ||
	    (code != COAP_CODE(4, 2) && code != COAP_CODE(4, 15)))
		return false;
	l->plain = true;
	coaps_set_format(l->coaps, -1);
	free(l->request.answer);
	submit(l, (unsigned)(l->due_ms - now));
	return true;
}

static void on_done(struct coaps_request *q, const struct net_error *why)
{
	struct coaps_link *l = container_of(q, struct coaps_link, request);
	struct eim_exchange *x = l->exchange;
	struct net_error error = { 0 };

	if (!why && try_plainly(l, q->code))
		return;
	l->exchange = NULL;
	if (why)
		error = *why;
	else
		judge(l, q, &error);
	x->unsent = why ? q->unsent : q->code == COAP_CODE(4, 13);
	x->too_large = why ? q->too_large : q->code == COAP_CODE(4, 13);
	esipa_exchange_end(x, q->answer, q->answer_n, &error);
}

static void on_grown(struct coaps_request *q)
{
	esipa_exchange_grow(container_of(q, struct coaps_link, request)->exchange, q->answer, q->answer_n);
}

static void submit(struct coaps_link *l, unsigned patience_ms)
{
	const struct eim_exchange *x = l->exchange;

	l->request = (struct coaps_request){
		.body = x->request,
		.body_n = x->request_n,
		.patience_ms = patience_ms,
		.answer_max = esipa_exchange_room(x, l->options.reply_max),
		.done = on_done,
		.grown = x->grown ? on_grown : NULL,
	};
	coaps_submit(l->coaps, &l->request);
}

static void exchange(struct eim_link *link, struct eim_exchange *x)
{
	struct coaps_link *l = container_of(link, struct coaps_link, link);

	esipa_exchange_begin(x);
	l->exchange = x;
	l->due_ms = ev_now_ms() + x->patience_ms;
	submit(l, x->patience_ms);
}

static void cancel(struct eim_link *link, struct eim_exchange *x)
{
	struct coaps_link *l = container_of(link, struct coaps_link, link);

	if (l->exchange != x)
		return;
	l->exchange = NULL;
	coaps_cancel(l->coaps, &l->request);
}

static void close_link(struct eim_link *link)
{
	coaps_close(container_of(link, struct coaps_link, link)->coaps);
}

static void free_link(struct eim_link *link)
{
	struct coaps_link *l = container_of(link, struct coaps_link, link);

	coaps_free(l->coaps);
	free(l);
}

static void tell(const struct eim_link *link, struct eim_way *ret)
{
	const struct coaps_link *l = container_of(link, const struct coaps_link, link);
	struct coaps_figures f;

	coaps_figures(l->coaps, &f);
	*ret = (struct eim_way){ "coap", f.open, (int64_t)f.wire.octets_sent,
				 (int64_t)f.wire.octets_received };
}

static const struct eim_link_ops ops = { exchange, cancel, close_link, free_link, tell };

struct coaps *esipa_coaps_client(struct eim_link *link)
{
	return container_of(link, struct coaps_link, link)->coaps;
}

int esipa_coaps_new(const struct esipa_coaps *options, struct eim_link **ret)
{
	struct coaps_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->link.ops = &ops;
	l->options = *options;
	if (!l->options.server.path || !*l->options.server.path)
		l->options.server.path = PATH;
	r = coaps_new(&l->options.server, &l->coaps);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = &l->link;
	return 0;
}
