#include "sim/eim/result.h"

#include <errno.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/describe.h"
#include "sim/eim/expand.h"
#include "sim/eim/package.h"

/* --- certificates and signatures -------------------------------------------------------------- */

int se_card_certificates(struct se_eim *e, struct se_card *c, struct octets eum,
			 struct octets euicc, const char **ret_why)
{
	X509 *eum_cert = NULL, *euicc_cert = NULL;

	*ret_why = NULL;
	if (eum.n > SE_CERT_MAX || euicc.n > SE_CERT_MAX || se_cert_parse(eum, &eum_cert) < 0 ||
	    se_cert_parse(euicc, &euicc_cert) < 0)
		*ret_why = "a certificate of the eUICC cannot be parsed";
	else
		*ret_why = se_chain_check(&e->anchors, eum_cert, euicc_cert, c->eid);
	X509_free(eum_cert);
	X509_free(euicc_cert);
	if (*ret_why)
		return -EBADMSG;
	memcpy(c->eum, eum.p, eum.n);
	c->eum_n = eum.n;
	memcpy(c->euicc, euicc.p, euicc.n);
	c->euicc_n = euicc.n;
	return 0;
}

enum se_verdict se_card_signed(struct se_eim *e, struct se_card *c, const struct octets *parts,
			       size_t n, struct octets signature, const char **ret_why)
{
	X509 *eum = NULL, *euicc = NULL;
	enum se_verdict verdict = SE_WRONG;

	*ret_why = NULL;
	if (!c->euicc_n || !c->eum_n) {
		*ret_why = "the eUICC's certificate is not known";
		return SE_UNVERIFIED;
	}
	if (se_cert_parse(octets_from(c->eum, c->eum_n), &eum) < 0 ||
	    se_cert_parse(octets_from(c->euicc, c->euicc_n), &euicc) < 0)
		*ret_why = "a certificate of the eUICC cannot be parsed";
	else
		*ret_why = se_chain_check(&e->anchors, eum, euicc, c->eid);
	if (!*ret_why) {
		if (se_verify(X509_get0_pubkey(euicc), parts, n, signature) == 0)
			verdict = SE_VERIFIED;
		else
			*ret_why = "the signature is not the eUICC's";
	}
	X509_free(eum);
	X509_free(euicc);
	return verdict;
}

/* --- whose result is it ----------------------------------------------------------------------- */

static bool is_signed(const struct se_package *p)
{
	return p->kind == SE_KIND_PSMO || p->kind == SE_KIND_ECO;
}

struct se_card *se_card_of_tx(struct se_eim *e, struct octets tx)
{
	struct se_card *c;

	list_for_each(c, &e->cards, node) {
		if (se_package_by_tx(c, tx))
			return c;
	}
	return NULL;
}

static struct se_package *by_counter(struct se_card *c, uint32_t counter)
{
	struct se_package *p;

	list_for_each(p, &c->packages, node) {
		if (is_signed(p) && p->message && p->counter == counter)
			return p;
	}
	return NULL;
}

static bool is_download(const struct se_package *p)
{
	return p->kind == SE_KIND_DOWNLOAD;
}

static bool is_any(const struct se_package *p)
{
	return p->sent > 0;
}

struct octets se_result_tx(struct octets alternative)
{
	static const struct {
		uint32_t outer, inner;          /* inner 0: none */
		bool data;                      /* a 30 around it */
		uint32_t tx;
	} rows[] = {
		{ 0xBF51, 0xA0, true, 0x82 },   { 0xBF51, 0xA1, true, 0x82 },
		{ 0xBF51, 0xA2, false, 0x82 },  { 0xBF52, 0xA0, false, 0x87 },
		{ 0xBF52, 0xA1, false, 0x80 },  { 0xBF54, 0, false, 0x82 },
		{ 0xA0, 0, false, 0x80 },
	};
	struct octets tx = { NULL, 0 };
	struct tlv_doc doc;
	uint32_t tag;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && !tx.n; i++) {
		struct tlv top = tlv_open(&doc, alternative), w;

		if (tlv_peek(&top) == 0x30) {
			w = tlv_enter(&top, 0x30);
			top = tlv_open(&doc, tlv_take_whole(&w, &tag));
		}
		if (tlv_peek(&top) != rows[i].outer)
			continue;
		w = tlv_enter(&top, rows[i].outer);
		if (rows[i].inner && tlv_peek(&w) != rows[i].inner)
			continue;
		if (rows[i].inner)
			w = tlv_enter(&w, rows[i].inner);
		if (rows[i].data)
			w = tlv_enter(&w, 0x30);
		while (tlv_more(&w) && tlv_peek(&w) != rows[i].tx)
			tlv_skip(&w);
		tx = tlv_maybe(&w, rows[i].tx);
	}
	return tx.n <= SE_TX_MAX ? tx : octets_from(NULL, 0);
}

/* --- results of eUICC packages ---------------------------------------------------------------- */

struct signed_result {
	struct octets whole;            /* the 30, as signed */
	struct octets eim_id, tx, signature;
	uint32_t counter, seq, code;
	bool is_error;
	struct tlv list;
};

static void acknowledge(struct se_acks *acks, uint32_t seq)
{
	if (acks && acks->n < SE_ACKS_MAX)
		acks->seq[acks->n++] = seq;
}

/* A wrong token is the usual mistake: say so if it is one. */
static void look_for_token(struct se_eim *e, struct se_card *c, const struct signed_result *r,
			   int32_t right)
{
	uint8_t token[8];
	struct octets parts[2] = { r->whole };
	X509 *cert = NULL;

	if (se_cert_parse(octets_from(c->euicc, c->euicc_n), &cert) < 0)
		return;
	for (int32_t t = 0; t < 32; t++) {
		parts[1] = octets_from(token, se_token_do(t, token));
		if (t != right && se_verify(X509_get0_pubkey(cert), parts, 2, r->signature) == 0)
			se_remark(e, c,
				  "the signature is right for association token %d, not for %d", t,
				  right);
	}
	X509_free(cert);
}

static enum se_verdict check_result(struct se_eim *e, struct se_card *c, struct se_package *p,
				    const struct signed_result *r, const char **ret_why)
{
	const size_t own = SE_SIGNATURE_LEN + 3;        /* 5F37 40 … at the package's end */
	uint8_t token[8];
	int32_t right = p ? p->token : c->token;
	struct octets parts[2] = { r->whole, octets_from(token, se_token_do(right, token)) };
	enum se_verdict v = se_card_signed(e, c, parts, 2, r->signature, ret_why);
	const char *why;

	if (v != SE_WRONG)
		return v;
	/* The text of v1.0 names the package's signature where everybody uses the token. */
	if (p && c->version == SE_V1_0 && p->message_n > own) {
		parts[1] = octets_from(p->message + p->message_n - own, own);
		if (se_card_signed(e, c, parts, 2, r->signature, &why) == SE_VERIFIED)
			return SE_VERIFIED;
	}
	look_for_token(e, c, r, right);
	return v;
}

static void take_signed_error(struct se_eim *e, struct se_card *c, struct se_package *p,
			      const struct signed_result *r, enum se_verdict verdict)
{
	const char *name = se_describe_package_error(r->code);
	struct se_package *ask;
	struct se_order order = { .kind = SE_KIND_DATA, .what = "data-request results", .n = 3,
				  .body = { 0x5C, 0x01, 0xA2 } };

	if (r->code == 4 && p->results && !p->fault[0]) {
		p->replays++;
		se_log(e, c, "< package %u: replay refused, as it should be", p->id);
		return;
	}
	if (r->code == 4 && p->sent > 1 && !p->replays && !p->fault[0] && c->version != SE_V1_0) {
		/* It has been executed before: the result must be on the card, so ask for it. */
		p->replays++;
		se_log(e, c,
		       "< package %u: replayError after %u times sent, asking for stored results",
		       p->id, p->sent);
		ask = se_package_order(c, &order);
		if (ask) {
			ask->automatic = true;
			list_del(&ask->node);
			list_add(&p->node, &ask->node);
		}
		return;
	}
	if (p->results) {
		p->duplicates++;
		se_remark(e, c, "package %u: DUPLICATE signed error %s(%u)", p->id, name, r->code);
		return;
	}
	p->results++;
	p->error = true;
	p->verdict = verdict;
	snprintf(p->outcome, sizeof(p->outcome), "%s(%u)", name, r->code);
	se_package_conclude(p, SE_DONE);
	se_log(e, c, "< package %u: signed error %s, %s", p->id, p->outcome,
	       se_verdict_names[verdict]);
}

static void take_signed_ok(struct se_eim *e, struct se_card *c, struct se_package *p,
			   const struct signed_result *r, struct octets whole,
			   enum se_verdict verdict, struct se_acks *acks)
{
	struct se_words w = { .s = p->outcome, .cap = sizeof(p->outcome) };
	bool error = false, rolled = false;

	if (r->seq <= c->last_seq && p->results) {
		p->duplicates++;
		acknowledge(acks, r->seq);
		if (r->seq == p->seq && !octets_same(whole, octets_from(p->result, p->result_n)))
			se_remark(e, c, "package %u: ANOTHER result under the number %u", p->id,
				  r->seq);
		else
			se_remark(e, c,
				  "package %u: DUPLICATE result %u, number %u, acknowledged again",
				  p->id, p->duplicates, r->seq);
		return;
	}
	if (r->seq <= c->last_seq) {
		p->refused++;
		se_remark(e, c, "package %u: result number %u is not above %u, discarded", p->id,
			  r->seq, c->last_seq);
		return;
	}
	p->outcome[0] = '\0';
	se_describe_results(r->list, &w, &error, &rolled, c->profiles);
	acknowledge(acks, r->seq);
	c->last_seq = r->seq;
	p->results++;
	p->error = error;
	p->rolled_back = rolled;
	p->verdict = verdict;
	p->seq = r->seq;
	(void)se_package_set(&p->result, &p->result_n, whole);
	se_package_conclude(p, SE_DONE);
	se_log(e, c, "< package %u: %s (number %u, %s)", p->id, p->outcome, r->seq,
	       se_verdict_names[verdict]);
	if (p->results > 1 && !rolled)
		se_remark(e, c, "package %u: has been executed %u times", p->id, p->results);
	if (p->fault[0])
		se_remark(e, c, "package %u was spoilt (%s) and executed all the same", p->id,
			  p->fault);
}

static void take_signed(struct se_eim *e, struct se_card *c, struct tlv body, bool is_error,
			struct octets whole, struct se_acks *acks)
{
	struct signed_result r = { .is_error = is_error };
	struct se_package *p;
	enum se_verdict verdict;
	const char *why;
	struct tlv before = body, data = tlv_enter(&body, 0x30);
	uint32_t tag;

	r.whole = tlv_take_whole(&before, &tag);
	r.signature = tlv_take(&body, 0x5F37);
	r.eim_id = tlv_take(&data, 0x80);
	r.counter = tlv_take_u32(&data, 0x81);
	r.tx = tlv_maybe(&data, 0x82);
	if (is_error) {
		r.code = tlv_take_u32(&data, 0x02);
	} else {
		r.seq = tlv_take_u32(&data, 0x83);
		r.list = tlv_enter(&data, 0x30);
	}
	if (data.doc->fault) {
		c->unmatched++;
		se_remark(e, c, "a package result is malformed (%s at %zu)",
			  tlv_fault_name(data.doc->fault), data.doc->fault_at);
		return;
	}
	if (!text_eq(octets_text(r.eim_id), e->id)) {
		c->unmatched++;
		se_remark(e, c, "a package result is for another eIM, \"" TEXT_FMT "\"",
			  TEXT_ARG(octets_text(r.eim_id)));
		return;
	}
	p = r.tx.n ? se_package_by_tx(c, r.tx) : by_counter(c, r.counter);
	if (p && (!is_signed(p) || !p->message || p->counter != r.counter)) {
		se_remark(e, c, "package %u: its result has counter %u", p->id, r.counter);
		p = NULL;
	}
	verdict = check_result(e, c, p, &r, &why);
	if (verdict == SE_WRONG || (verdict == SE_UNVERIFIED && !e->accept_unverified)) {
		if (p && verdict == SE_WRONG && !p->results)
			p->verdict = SE_WRONG;
		if (p)
			p->refused++;
		else
			c->unmatched++;
		se_remark(e, c, "package %u: result NOT TAKEN: %s", p ? p->id : 0, why);
		return;
	}
	if (!p) {
		c->unmatched++;
		if (!is_error)
			acknowledge(acks, r.seq);
		se_remark(e, c, "a result belongs to no package (counter %u)", r.counter);
		return;
	}
	if (is_error)
		take_signed_error(e, c, p, &r, verdict);
	else
		take_signed_ok(e, c, p, &r, whole, verdict, acks);
}

static void take_unsigned(struct se_eim *e, struct se_card *c, struct tlv body)
{
	struct octets eim_id = tlv_take(&body, 0x80), tx = tlv_maybe(&body, 0x82), token;
	struct se_package *p = tx.n ? se_package_by_tx(c, tx) : se_package_in_flight(c, is_signed);
	int32_t value = 0;
	uint32_t code;

	token = tlv_maybe(&body, 0x84);
	code = tlv_maybe_u32(&body, 0x8F, 0);
	if (body.doc->fault || !p) {
		c->unmatched++;
		se_remark(e, c, "an unsigned package error %s",
			  p ? "is malformed" : "belongs to no package");
		return;
	}
	if (!text_eq(octets_text(eim_id), e->id))
		se_remark(e, c, "package %u: the unsigned error names eIM \"" TEXT_FMT "\"", p->id,
			  TEXT_ARG(octets_text(eim_id)));
	if (p->results) {
		p->duplicates++;
		se_remark(e, c, "package %u: DUPLICATE unsigned error", p->id);
		return;
	}
	p->results++;
	p->error = true;
	snprintf(p->outcome, sizeof(p->outcome), "unsigned error%s",
		 code == 15 ? " sizeOverflow" : ": eIM unknown or signature wrong");
	se_package_conclude(p, SE_DONE);
	se_log(e, c, "< package %u: %s", p->id, p->outcome);
	if (token.n && octets_to_i32(token, &value) == 0 && value != p->token && !p->fault[0])
		se_remark(e, c, "package %u: signed with association token %d, the card has %d",
			  p->id, p->token, value);
}

void se_result_take(struct se_eim *e, struct se_card *c, struct octets result, struct se_acks *acks)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, result), body = top;
	uint32_t tag;

	if (tlv_peek(&top) == 0xBF51)
		body = tlv_enter(&top, 0xBF51);
	tag = tlv_peek(&body);
	if (tag == 0xA0 || tag == 0xA1) {
		take_signed(e, c, tlv_enter(&body, tag), tag == 0xA1, result, acks);
	} else if (tag == 0xA2) {
		take_unsigned(e, c, tlv_enter(&body, tag));
	} else {
		c->unmatched++;
		se_remark(e, c, "a package result has the alternative %X", tag);
	}
}

/* --- downloads -------------------------------------------------------------------------------- */

/* What a ProfileDownloadTriggerResult says, or an installation result for itself. */
struct installation {
	struct octets whole;            /* as it is remembered */
	enum se_verdict verdict;
	const char *why;                /* it is not verified */
	bool good, has_pir;
	uint32_t seq;
	struct octets tid, address, iccid, aid;
	char words[SE_OUTCOME_MAX];
};

/* ProfileInstallationResult, BF37 whole: signed over BF27. */
static void read_installation(struct se_eim *e, struct se_card *c, struct octets pir,
			      struct installation *r)
{
	struct se_words w = { .s = r->words, .cap = sizeof(r->words) };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, pir), body = tlv_enter(&top, 0xBF37), before = body, data,
		   meta, final;
	struct octets signature, whole;
	uint32_t tag;

	r->has_pir = true;
	whole = tlv_take_whole(&before, &tag);
	data = tlv_enter(&body, 0xBF27);
	signature = tlv_take(&body, 0x5F37);
	r->good = se_describe_installation(data, &w);
	r->tid = tlv_maybe(&data, 0x80);
	meta = tlv_enter(&data, 0xBF2F);
	r->seq = tlv_take_u32(&meta, 0x80);
	r->address = se_tlv_find(meta, 0x0C);
	r->iccid = se_tlv_find(meta, 0x5A);
	final = tlv_open(&doc, se_tlv_find(data, 0xA2));
	final = tlv_open(&doc, se_tlv_find(final, 0xA0));
	r->aid = se_tlv_find(final, 0x4F);
	if (doc.fault) {
		r->verdict = SE_WRONG;
		r->why = "it is malformed";
		return;
	}
	r->verdict = se_card_signed(e, c, &whole, 1, signature, &r->why);
}

/* v1.0: 80 holds free octets, and may be missing. */
static void read_failure(struct tlv body, struct installation *r)
{
	struct se_words w = { .s = r->words, .cap = sizeof(r->words) };
	struct tlv error = tlv_enter(&body, 0x30);
	struct octets reason = tlv_maybe(&error, 0x80);
	char text[128];

	se_words_add(&w, "download failed");
	if (reason.n == 1)
		se_words_add(&w, ": %s(%u)",
			     reason.p[0] == 104 ? "ecallActive" : "undefinedError", reason.p[0]);
	reason = tlv_peek(&error) == 0x04 ? tlv_take(&error, 0x04) : octets_from(NULL, 0);
	text_escape(reason.p, reason.n, text, sizeof(text));
	if (reason.n)
		se_words_add(&w, ", \"%s\"", text);
}

/* What is known now of the profile, and what does not fit the order. */
static void note_delivery(struct se_eim *e, struct se_card *c, struct se_package *p,
			  const struct installation *r)
{
	struct se_download *d = p->download;
	char iccid[24];

	if (!r->has_pir)
		return;
	if (d->tid_n && !octets_same(octets_from(d->tid, d->tid_n), r->tid)) {
		/* A session through this eIM, and then the IPA went by itself. */
		d->name[0] = d->provider[0] = '\0';
		d->way = SE_WAY_DIRECT;
	} else if (!d->tid_n) {
		d->way = SE_WAY_DIRECT;
	}
	se_iccid_text(r->iccid, iccid);
	if (d->way == SE_WAY_INDIRECT && d->iccid[0] && strcmp(d->iccid, iccid) != 0)
		se_remark(e, c, "package %u: %s was offered, and the result is about %s", p->id,
			  d->iccid, iccid);
	snprintf(d->iccid, sizeof(d->iccid), "%s", iccid);
	/* Through this eIM it came from where the session was, whoever is to be told of it. */
	if (d->way == SE_WAY_DIRECT)
		(void)text_copy(octets_text(r->address), d->address, sizeof(d->address));
	if (r->aid.n * 2 < sizeof(d->aid))
		hex_encode(r->aid.p, r->aid.n, d->aid, sizeof(d->aid));
	if (d->wanted && d->wanted != d->way)
		se_remark(e, c, "package %u: was ordered %s and went %s", p->id,
			  se_way_names[d->wanted], se_way_names[d->way]);
}

static void say_delivery(const struct se_download *d, const struct installation *r,
			 struct se_words *w)
{
	if (r->has_pir) {
		se_words_add(w, ": %s", d->iccid[0] ? d->iccid : "no ICCID");
		if (d->name[0])
			se_words_add(w, " \"%s\"", d->name);
		if (d->provider[0])
			se_words_add(w, " of %s", d->provider);
		se_words_add(w, ", from %s, %s", d->address[0] ? d->address : "?",
			     se_way_names[d->way]);
	} else if (d->ended[0]) {
		se_words_add(w, " (%s)", d->ended);
	}
}

/* False: the result is not taken. */
static bool conclude_download(struct se_eim *e, struct se_card *c, struct se_package *p,
			      struct installation *r)
{
	struct se_words w = { .s = p->outcome, .cap = sizeof(p->outcome) };

	if (r->verdict == SE_WRONG || (r->verdict == SE_UNVERIFIED && !e->accept_unverified)) {
		p->refused++;
		se_remark(e, c, "package %u: download result NOT TAKEN: %s", p->id, r->why);
		return false;
	}
	if (p->results) {
		p->duplicates++;
		se_remark(e, c, "package %u: DUPLICATE download result (%s)", p->id, r->words);
		return true;
	}
	p->results++;
	p->error = !r->good;
	p->verdict = r->verdict;
	p->seq = r->seq;
	note_delivery(e, c, p, r);
	p->outcome[0] = '\0';
	se_words_add(&w, "%s", r->words);
	say_delivery(p->download, r, &w);
	(void)se_package_set(&p->result, &p->result_n, r->whole);
	se_package_conclude(p, SE_DONE);
	se_log(e, c, "< package %u: %s (%s)", p->id, p->outcome, se_verdict_names[r->verdict]);
	return true;
}

bool se_download_take(struct se_eim *e, struct se_card *c, struct octets result)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, result), body = tlv_enter(&top, 0xBF54);
	struct octets tx = tlv_maybe(&body, 0x82);
	struct se_package *p =
		tx.n ? se_package_by_tx(c, tx) : se_package_in_flight(c, is_download);
	struct installation r = { .whole = result };
	uint32_t tag;

	if (tlv_peek(&body) == 0xBF37)
		read_installation(e, c, tlv_take_whole(&body, &tag), &r);
	else
		read_failure(body, &r);
	if (doc.fault || !p || !p->download) {
		c->unmatched++;
		se_remark(e, c, "a download result %s (%s)",
			  doc.fault ? "is malformed" : "belongs to no trigger", r.words);
		return false;
	}
	return conclude_download(e, c, p, &r);
}

void se_download_note(struct se_eim *e, struct se_card *c, struct octets pir)
{
	struct se_package *p = se_package_by_tid(c, se_installation_tid(pir));
	struct installation r = { .whole = pir };

	/* It comes both ways from many IPAs: only what is new counts. */
	if (!p || p->results)
		return;
	read_installation(e, c, pir, &r);
	(void)conclude_download(e, c, p, &r);
}

/* --- what the IPA says itself ----------------------------------------------------------------- */

void se_refusal_take(struct se_eim *e, struct se_card *c, struct octets tx, uint32_t code)
{
	static const char *const names[] = { "?", "invalidPackageFormat", "unknownPackage" };
	struct se_package *p = tx.n ? se_package_by_tx(c, tx) : se_package_in_flight(c, is_any);
	const char *name = code < ARRAY_SIZE(names) ? names[code]
			   : code == 127	    ? "undefinedError"
						    : "?";

	if (!p) {
		c->unmatched++;
		se_remark(e, c, "the IPA refuses a package that is none of ours: %s(%u)", name,
			  code);
		return;
	}
	if (p->results || p->state == SE_FAILED) {
		p->duplicates++;
		se_remark(e, c, "package %u: refused by the IPA after its result: %s(%u)", p->id,
			  name, code);
		return;
	}
	snprintf(p->outcome, sizeof(p->outcome), "IPA: %s(%u)", name, code);
	p->error = true;
	se_package_conclude(p, SE_FAILED);
	se_log(e, c, "< package %u: refused by the IPA: %s(%u)", p->id, name, code);
}
