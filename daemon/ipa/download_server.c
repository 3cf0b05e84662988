/*
 * The server's five functions, asked of the SM-DP+ or SM-DS itself (ES9+, ES11) or of the eIM in its
 * place (ESipa): the one file that knows the difference. Failures are told in the server's words.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "ipa/download.h"

#define AUTHENTICATE_MS 120000
#define PACKAGE_MS 300000       /* it is bound while we wait */
#define CANCEL_MS 30000
#define HEAD_MAX 1024

static const char *from(const struct ipa_download *d)
{
	return d->indirect ? "eim" : "smdp";
}

/* --- the way there --------------------------------------------------------------------------------- */

void ipa_server_hang_up(struct ipa_download *d)
{
	if (!d->server)
		return;
	ipa_stop_stream(d->ipa);
	eim_close(d->server);
	eim_free(d->server);
	d->server = NULL;
}

int ipa_server_dial(struct ipa_download *d)
{
	char why[IPA_TEXT_MAX] = "";

	if (d->server)
		return 0;
	d->server = d->ipa->dial_server(d->ipa, d->address, why);
	if (d->server)
		return 0;
	ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "config", -1, NULL }, "%s: %s", d->address,
			  why);
	return -1;
}

/* --- requests ------------------------------------------------------------------------------------------ */

static int room(struct ipa_octets *o, size_t n)
{
	uint8_t *p = realloc(o->p, n);

	if (!p)
		return -ENOMEM;
	*o = (struct ipa_octets){ p, n };
	return 0;
}

static struct tlv_out writer(struct ipa_download *d)
{
	return (struct tlv_out){ .buf = d->message.p, .cap = d->message.n };
}

/* A package is long, and worth looking at while it comes in; the answer to a card's refusal is not. */
static int ask(struct ipa_download *d, enum es9p_function f, size_t n, unsigned patience_ms)
{
	struct eim_link *link = d->indirect ? d->eim->link : d->server;
	const char *name = d->indirect ? NULL : es9p_function_name(f);
	struct octets request = octets_from(d->message.p, n);

	return f == ES9P_GET_BPP && !d->forward ? ipa_ask_stream(d->ipa, link, name, request, patience_ms) :
						  ipa_ask_server(d->ipa, link, name, request, patience_ms);
}

static int ask_eim(struct ipa_download *d, enum es9p_function f, const struct tlv_out *w,
		   unsigned patience_ms)
{
	size_t n;
	int r = tlv_done(w, &n);

	return r < 0 ? r : ask(d, f, n, patience_ms);
}

static int ask_smdp(struct ipa_download *d, enum es9p_function f, int r, size_t n, unsigned patience_ms)
{
	if (r < 0)
		return r;
	/* Of one that was cut, which has not dialled before: it fails like an answer that does not come. */
	return ipa_server_dial(d) < 0 ? STEP_SKIP : ask(d, f, n, patience_ms);
}

static char *text_room(struct ipa_download *d)
{
	return (char *)d->message.p;
}

/* Servers want the name alone, whatever port they are reached at. */
static struct text host_of(const struct ipa_download *d)
{
	struct text t = text_of(d->address);
	size_t colon = text_find(t, ':');

	return t.s[0] == '[' || text_find(text_skip(t, colon + 1), ':') + colon + 1 < t.n ?
		       t : text_from(t.s, colon);
}

int ipa_server_initiate(struct ipa_download *d, struct octets challenge)
{
	struct octets info1 = octets_from(d->info1.p, d->info1.n);
	struct esipa_initiate q = {
		.euicc_challenge = challenge, .info1 = info1,
		.smdp_address = octets_from(d->given ? d->address : NULL, strlen(d->address)),
		.transaction_id = octets_from(d->eim_transaction, d->eim_transaction_n),
	};
	struct tlv_out w;
	size_t n = 0;
	int r = room(&d->message, ES9P_REQUEST_MAX(info1.n) + HEAD_MAX);

	if (r < 0)
		return r;
	if (!d->indirect) {
		r = es9p_initiate_encode(text_room(d), d->message.n, challenge, info1, host_of(d), &n);
		return ask_smdp(d, ES9P_INITIATE, r, n, AUTHENTICATE_MS);
	}
	w = writer(d);
	esipa_initiate_encode(&w, d->eim->version, &q);
	return ask_eim(d, ES9P_INITIATE, &w, AUTHENTICATE_MS);
}

/* What the card said, or its compact form where the eIM has begun with such. */
static int put_compact(struct ipa_download *d, enum es9p_function f, struct octets whole,
		       struct ipa_octets *store, struct octets *ret)
{
	struct tlv_out w;
	size_t n;
	int r = room(store, whole.n + 64);

	*ret = whole;
	if (r < 0 || !d->compact)
		return r;
	w = (struct tlv_out){ .buf = store->p, .cap = store->n };
	switch (f) {
	case ES9P_AUTHENTICATE:
		r = esipa_compact_authenticate(&w, whole, !d->own_ctx, d->eim->knows_certs);
		break;
	case ES9P_GET_BPP:
		r = esipa_compact_prepare(&w, whole, false, d->authenticated.hash_cc.n > 0);
		break;
	case ES9P_CANCEL:
		r = esipa_compact_cancel(&w, whole);
		break;
	case ES9P_INITIATE:
	case ES9P_NOTIFY:
	case _ES9P_FUNCTION_MAX:
		break;
	}
	if (r < 0 || tlv_done(&w, &n) < 0)
		return 0;
	*ret = octets_from(store->p, n);
	return 0;
}

static int ask_with(struct ipa_download *d, enum es9p_function f, struct octets whole, unsigned patience_ms)
{
	struct octets session = octets_from(d->session, d->session_n), said;
	struct text transaction = text_of(d->transaction);
	struct ipa_octets store = { 0 };
	struct tlv_out w;
	size_t n = 0;
	int r = room(&d->message, ES9P_REQUEST_MAX(whole.n) + HEAD_MAX);

	if (r == 0 && d->indirect)
		r = put_compact(d, f, whole, &store, &said);
	if (r < 0)
		return r;
	w = writer(d);
	switch (f) {
	case ES9P_AUTHENTICATE:
		if (!d->indirect)
			r = es9p_authenticate_encode(text_room(d), d->message.n, transaction, whole, &n);
		else
			esipa_authenticate_encode(&w, session, said);
		break;
	case ES9P_GET_BPP:
		if (!d->indirect)
			r = es9p_get_bpp_encode(text_room(d), d->message.n, transaction, whole, &n);
		else
			esipa_get_bpp_encode(&w, session, said);
		break;
	case ES9P_CANCEL:
		if (!d->indirect)
			r = es9p_cancel_encode(text_room(d), d->message.n, transaction, whole, &n);
		else
			r = esipa_cancel_session_encode(&w, session, said);
		break;
	case ES9P_INITIATE:
	case ES9P_NOTIFY:
	case _ES9P_FUNCTION_MAX:
		break;
	}
	ipa_octets_clear(&store);
	if (r < 0)
		return r;
	return d->indirect ? ask_eim(d, f, &w, patience_ms) : ask_smdp(d, f, r, n, patience_ms);
}

int ipa_server_authenticate(struct ipa_download *d, struct octets bf38)
{
	return ask_with(d, ES9P_AUTHENTICATE, bf38, AUTHENTICATE_MS);
}

int ipa_server_get_package(struct ipa_download *d, struct octets bf21)
{
	return ask_with(d, ES9P_GET_BPP, bf21, PACKAGE_MS);
}

int ipa_server_cancel(struct ipa_download *d, struct octets bf41)
{
	return ask_with(d, ES9P_CANCEL, bf41, CANCEL_MS);
}

/* --- answers --------------------------------------------------------------------------------------------- */

/* Trouble on the way and in the server's house may be gone at the next try (sgp32 12.4). */
static bool may_pass(const struct cause *why)
{
	int status = ipa_status_of(why);

	switch (why->kind) {
	case CAUSE_TIMEOUT:
	case CAUSE_LINK_LOST:
		return true;
	case CAUSE_REFUSED:
		/* In CoAP 408 is a body of which a block was lost; 429: asked too often. */
		return status >= 500 || status == 408 || status == 429 ||
		       (why->from && (!strcmp(why->from, "connect") || !strcmp(why->from, "name")));
	case CAUSE_NONE:
	case CAUSE_MALFORMED:
	case CAUSE_CANCELLED:
	case _CAUSE_KIND_MAX:
		break;
	}
	return false;
}

bool ipa_server_may_recover(const struct ipa *i)
{
	return may_pass(&i->eim_why);
}

/* No answer came: -1, and why is kept; 0: there is one, or still comes in. */
static int came(struct ipa_download *d, enum es9p_function f, int cancel)
{
	struct ipa *i = d->ipa;
	char words[CAUSE_TEXT_MAX], text[IPA_TEXT_MAX];

	if (i->streaming || i->eim_why.kind == CAUSE_NONE)
		return 0;
	d->again = may_pass(&i->eim_why);
	snprintf(text, sizeof(text), "%s", i->exchange.text[0] ? i->exchange.text :
							       cause_text(&i->eim_why, words));
	ipa_download_fail(d, d->again ? ES10B_CANCEL_TIMEOUT : cancel, i->eim_why, "%s: %s",
			  es9p_function_name(f), text);
	return -1;
}

static int unreadable(struct ipa_download *d, enum es9p_function f, int cancel, const char *why)
{
	ipa_download_fail(d, cancel, (struct cause){ CAUSE_MALFORMED, from(d), -1, NULL },
			  "the answer to %s cannot be read%s%s", es9p_function_name(f), why[0] ? ": " : "", why);
	return -1;
}

/*
 * It has another session in mind than we: it was started again, or has had a request before whose answer
 * was lost on the way here. A new session may do.
 */
static int begin_anew(struct ipa_download *d)
{
	d->again = true;
	return ES10B_CANCEL_TIMEOUT;
}

/* The server's no, in its numbers, ours and its words. */
static int refused(struct ipa_download *d, enum es9p_function f, int cancel, const struct es9p_status *s)
{
	const char *words = es9p_status_words(s);

	if (!strcmp(s->subject, "8.10.1") && !strcmp(s->reason, "3.9"))
		cancel = begin_anew(d);
	ipa_download_fail(d, cancel, (struct cause){ CAUSE_REFUSED, from(d), -1, NULL },
			  "%s: %s%s%s%s%s%s%s%s", es9p_function_name(f), words ? words : "failed",
			  s->subject[0] ? " (" : "", s->subject, s->subject[0] ? "/" : "", s->reason,
			  s->subject[0] ? ")" : "", s->message[0] ? ": " : "", s->message);
	return -1;
}

static int refused_by_eim(struct ipa_download *d, enum es9p_function f, int cancel,
			  enum esipa_codes codes, int error)
{
	if (!strcmp(esipa_error_name(codes, error), "invalidTransactionId"))
		cancel = begin_anew(d);
	ipa_download_fail(d, cancel, (struct cause){ CAUSE_REFUSED, "eim", error, NULL }, "%s: %s (%d)",
			  es9p_function_name(f), esipa_error_name(codes, error), error);
	return -1;
}

static struct octets answer(const struct ipa_download *d)
{
	return d->ipa->answer;
}

static int area_for(struct ipa_download *d, struct es9p_area *a)
{
	int r = room(&d->area, answer(d).n + 64);

	*a = (struct es9p_area){ .area = d->area.p, .cap = d->area.n };
	return r;
}

static int out_of_memory(struct ipa_download *d)
{
	ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_REFUSED, "us", ENOMEM, NULL },
			  "out of memory");
	return -1;
}

static int take_session(struct ipa_download *d)
{
	struct octets t = d->initiated.transaction_id;

	if (!t.n || t.n > sizeof(d->session))
		return unreadable(d, ES9P_INITIATE, -1, "transactionId of 1 to 16 octets expected");
	memcpy(d->session, t.p, t.n);
	d->session_n = t.n;
	if (d->indirect)
		hex_encode(t.p, t.n, d->transaction, sizeof(d->transaction));
	return 0;
}

/* The server must be the one that was asked, for the card does not know whom we meant. */
static int check_server(struct ipa_download *d)
{
	struct es10b_server_signed1 s;
	struct text host = host_of(d);
	char said[64];

	if (es10b_server_signed1_decode(d->initiated.server_signed1, &s) < 0)
		return unreadable(d, ES9P_INITIATE, -1, "serverSigned1 is broken");
	if (!octets_same(s.euicc_challenge, octets_from(d->challenge, sizeof(d->challenge)))) {
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "us", -1, NULL },
				  "the server has signed another challenge than the card's");
		return -1;
	}
	if (d->indirect || text_case_eq(octets_text(s.address), d->address) ||
	    (s.address.n == host.n && !strncasecmp((const char *)s.address.p, host.s, host.n)))
		return 0;
	text_escape(s.address.p, s.address.n, said, sizeof(said));
	ipa_download_fail(d, ES10B_CANCEL_UNDEFINED, (struct cause){ CAUSE_REFUSED, "us", -1, NULL },
			  "the server says that it is %s, asked was %.80s", said, d->address);
	return -1;
}

/* Key identifiers may be cut short to save octets: the card's that begins so. */
static void complete_ci(struct ipa_download *d)
{
	struct octets cut = d->initiated.ci_pkid, lists[2], id;
	struct es10b_info1 info;

	if (es10b_info1_decode(octets_from(d->info1.p, d->info1.n), &info) < 0)
		return;
	lists[0] = info.ci_verify;
	lists[1] = info.ci_sign;
	for (size_t k = 0; k < ARRAY_SIZE(lists) && cut.n; k++) {
		while (es10_list_next(&lists[k], 0x04, &id)) {
			if (id.n <= cut.n || memcmp(id.p, cut.p, cut.n) != 0)
				continue;
			d->compact = true;
			/* Its tag and length stand before it. */
			d->initiated.ci_pkid_whole = octets_from(id.p - 2, id.n + 2);
			return;
		}
	}
}

int ipa_server_initiated(struct ipa_download *d)
{
	struct es9p_status status;
	struct es9p_area a;

	if (came(d, ES9P_INITIATE, -1) < 0)
		return -1;
	if (d->indirect) {
		if (esipa_initiate_decode(answer(d), &d->initiated) < 0)
			return unreadable(d, ES9P_INITIATE, -1, "");
		if (d->initiated.error)
			return refused_by_eim(d, ES9P_INITIATE, -1, ESIPA_CODES_INITIATE, d->initiated.error);
		complete_ci(d);
	} else {
		if (area_for(d, &a) < 0)
			return out_of_memory(d);
		if (es9p_initiate_decode(answer(d), &a, &status, d->transaction, &d->initiated) < 0)
			return unreadable(d, ES9P_INITIATE, -1, a.why);
		if (status.failed)
			return refused(d, ES9P_INITIATE, -1, &status);
	}
	if (take_session(d) < 0 || check_server(d) < 0)
		return -1;
	ipa_download_check_oid(d);
	return d->failed ? -1 : 0;
}

static int cancel_for(int error)
{
	return error == 50 ? ES10B_PPR_NOT_ALLOWED : ES10B_CANCEL_UNDEFINED;
}

/* What an SM-DS answers: where to go. */
static int redirect(struct ipa_download *d)
{
	if (d->indirect ? d->authenticated.trigger.n > 0 : d->events.n > 0) {
		if (d->indirect && ipa_download_take_trigger(d, d->authenticated.trigger) < 0)
			return unreadable(d, ES9P_AUTHENTICATE, -1, "the trigger in it is broken");
		if (d->failed)
			return -1;
		d->next_event = 0;
		d->redirected = true;
		return 0;
	}
	ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, from(d), -1, NULL },
			  "nothing waits for this eUICC at %s", d->address);
	return -1;
}

int ipa_server_authenticated(struct ipa_download *d)
{
	struct esipa_authenticated *got = &d->authenticated;
	struct es9p_status status;
	struct es9p_area a;

	if (came(d, ES9P_AUTHENTICATE, ES10B_CANCEL_UNDEFINED) < 0)
		return -1;
	if (d->indirect) {
		if (esipa_authenticate_decode(answer(d), got) < 0)
			return unreadable(d, ES9P_AUTHENTICATE, ES10B_CANCEL_UNDEFINED, "");
		if (got->error)
			return refused_by_eim(d, ES9P_AUTHENTICATE, cancel_for(got->error),
					      ESIPA_CODES_AUTHENTICATE, got->error);
	} else {
		if (area_for(d, &a) < 0)
			return out_of_memory(d);
		if (es9p_authenticate_decode(answer(d), &a, &status, got, &d->events) < 0)
			return unreadable(d, ES9P_AUTHENTICATE, ES10B_CANCEL_UNDEFINED, a.why);
		/* The server has ended the session itself; the card has not yet. */
		if (status.failed)
			return refused(d, ES9P_AUTHENTICATE, ES10B_CANCEL_UNDEFINED, &status);
	}
	if (got->smds)
		return redirect(d);
	if (d->smds) {
		ipa_download_fail(d, ES10B_CANCEL_UNDEFINED, (struct cause){ CAUSE_REFUSED, from(d), -1, NULL },
				  "%s is an SM-DP+, not an SM-DS", d->address);
		return -1;
	}
	return got->metadata.n && ipa_octets_set(&d->metadata, got->metadata) < 0 ? out_of_memory(d) : 0;
}

/* A code that was mistyped can be tried again with a new session, if this one leaves the order alone. */
static bool wants_other_code(const struct es9p_status *s)
{
	return !strcmp(s->subject, "8.2.7") && (!strcmp(s->reason, "3.8") || !strcmp(s->reason, "2.2"));
}

static int cancel_for_package(int error)
{
	switch (error) {
	case 2:         /* confirmationCodeMissing */
	case 3:         /* confirmationCodeRefused */
		return ES10B_POSTPONED;
	case 50:
		return ES10B_METADATA_MISMATCH;
	}
	return ES10B_CANCEL_UNDEFINED;
}

/* All of it is there, and does not begin as it should: what the server has to say instead. */
static int no_package(struct ipa_download *d)
{
	struct octets package;
	struct es9p_status status;
	char why[ES9P_WHY_MAX] = "";
	int error = 0, r;

	if (d->indirect) {
		r = esipa_get_bpp_decode(ipa_stream(d->ipa), &package, &error);
		if (r == 0 && error)
			return refused_by_eim(d, ES9P_GET_BPP, cancel_for_package(error), ESIPA_CODES_GET_BPP,
					      error);
	} else {
		r = es9p_get_bpp_decode(d->ipa->reply, d->ipa->reply_n, &status, &package, why);
		if (r == 0 && status.failed)
			return refused(d, ES9P_GET_BPP, wants_other_code(&status) ? ES10B_POSTPONED :
				       ES10B_CANCEL_UNDEFINED, &status);
	}
	return unreadable(d, ES9P_GET_BPP, ES10B_CANCEL_UNDEFINED, why);
}

int ipa_server_package(struct ipa_download *d)
{
	int r;

	if (came(d, ES9P_GET_BPP, ES10B_CANCEL_UNDEFINED) < 0)
		return -1;
	r = d->indirect ? esipa_get_bpp_find(ipa_stream(d->ipa), &d->reader.at) :
			  es9p_bpp_find(ipa_stream(d->ipa), &d->reader);
	if (r < 0)
		return d->ipa->streaming ? 0 : no_package(d);
	return 1;
}

static size_t read_raw(struct ipa_download *d, struct octets so_far)
{
	size_t n = MIN(so_far.n - d->reader.at, sizeof(d->chunk));

	memcpy(d->chunk, so_far.p + d->reader.at, n);
	d->reader.at += n;
	return n;
}

int ipa_server_read(struct ipa_download *d)
{
	struct ipa *i = d->ipa;
	struct octets so_far = ipa_stream(i);

	d->chunk_at = d->chunk_n = 0;
	/* What had come of an answer that broke off is gone with it. */
	if (!i->streaming && i->eim_why.kind != CAUSE_NONE)
		return came(d, ES9P_GET_BPP, ES10B_CANCEL_UNDEFINED);
	d->chunk_n = d->indirect ? read_raw(d, so_far) :
				   es9p_bpp_read(&d->reader, so_far, d->chunk, sizeof(d->chunk));
	if (d->chunk_n)
		return 1;
	if (d->reader.broken)
		return unreadable(d, ES9P_GET_BPP, ES10B_LOAD_BPP_ERROR, "boundProfilePackage is no base64");
	return i->streaming && !d->reader.ended ? 0 : -ENODATA;
}

bool ipa_server_took(struct ipa *i)
{
	char why[ES9P_WHY_MAX];
	struct es9p_status status;

	if (i->proc.answer.kind != CAUSE_NONE)
		return false;
	/* What is no status is no refusal either: HTTP has said yes. */
	if (es9p_header_decode(i->answer, &status, why) < 0 || !status.failed)
		return true;
	ipa_explain(i, "%s (%s/%s)%s%s", es9p_status_words(&status) ? es9p_status_words(&status) : "failed",
		    status.subject, status.reason, status.message[0] ? ": " : "", status.message);
	return false;
}
