/* Requests of one client: joined, told from duplicates, answered now or later. */
#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/coap_inner.h"
#include "sim/eim/spoil.h"

#define EXCHANGE_LIFETIME_MS 247000u    /* RFC 7252 4.8.2 */
#define MAX_RETRANSMIT 4                /* the same */
#define OCTET_STREAM 42u

struct se_coap_peer *se_coap_peer_of(struct se_coap *c, coap_session_t *session)
{
	struct se_coap_peer *p = coap_session_get_app_data(session);
	const coap_address_t *at = coap_session_get_addr_remote(session);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->coap = c;
	p->session = session;
	list_init(&p->jobs);
	se_lossy_name(&c->net, at ? coap_address_get_port(at) : 0, p->name);
	list_add(&c->peers, &p->node);
	c->n++;
	coap_session_set_app_data(session, p);
	/* The handshake is done. */
	coap_session_set_max_retransmit(session, MAX_RETRANSMIT);
	return p;
}

static void job_free(struct se_coap_job *j)
{
	ev_alarm_stop(&j->slow);
	list_del(&j->node);
	free(j->x.response);
	free(j->request);
	free(j);
}

void se_coap_peer_free(struct se_coap_peer *p)
{
	struct se_coap_job *j;

	while ((j = list_first(&p->jobs, struct se_coap_job, node))) {
		se_esipa_abandon(p->coap->eim, &j->x);
		job_free(j);
	}
	ev_task_stop(&p->close);
	se_upload_done(&p->upload);
	se_body_done(&p->answer);
	list_del(&p->node);
	p->coap->n--;
	free(p);
}

static void on_close(struct ev_task *t)
{
	struct se_coap_peer *p = container_of(t, struct se_coap_peer, close);
	struct se_coap *c = p->coap;

	/* The peer goes with its session, or is used up when that is opened again. */
	coap_session_disconnected(p->session, COAP_NACK_NOT_DELIVERABLE);
	se_coap_poke(c);
}

void se_coap_peer_close(struct se_coap_peer *p)
{
	p->close.run = on_close;
	ev_task_start(&p->close);
}

static uint16_t port_of(const struct se_coap_peer *p)
{
	const coap_address_t *at = coap_session_get_addr_remote(p->session);

	return at ? coap_address_get_port(at) : 0;
}

/* --- messages --------------------------------------------------------------------------------- */

static coap_pdu_code_t code_of(unsigned code)
{
	return (coap_pdu_code_t)(code / 100 << 5 | code % 100);
}

static void put_uint(coap_pdu_t *pdu, coap_option_num_t option, uint32_t value)
{
	uint8_t buf[4];

	coap_add_option(pdu, option, coap_encode_var_safe(buf, sizeof(buf), value), buf);
}

/* Options in the order of their numbers. */
static void fill(coap_pdu_t *pdu, const struct se_coap_reply *r)
{
	coap_pdu_set_code(pdu, code_of(r->code));
	if (r->has_etag)
		coap_add_option(pdu, COAP_OPTION_ETAG, SE_ETAG_LEN, r->etag);
	if (r->has_format)
		put_uint(pdu, COAP_OPTION_CONTENT_FORMAT, r->format);
	if (r->has_block2)
		put_uint(pdu, COAP_OPTION_BLOCK2, se_block_value(&r->block2));
	if (r->has_block1)
		put_uint(pdu, COAP_OPTION_BLOCK1, se_block_value(&r->block1));
	if (r->has_size2)
		put_uint(pdu, COAP_OPTION_SIZE2, r->size2);
	if (r->has_size1)
		put_uint(pdu, COAP_OPTION_SIZE1, r->size1);
	if (r->n)
		coap_add_data(pdu, r->n, r->data);
}

static struct octets option_of(const coap_pdu_t *pdu, coap_option_num_t number, bool *ret_there)
{
	coap_opt_iterator_t at;
	coap_opt_t *o = coap_check_option(pdu, number, &at);

	*ret_there = o != NULL;
	return o ? octets_from(coap_opt_value(o), coap_opt_length(o)) : octets_from(NULL, 0);
}

/* A message of its own: a separate response, or the acknowledgement that was held back. */
static void send_later(struct se_coap_job *j, const struct se_coap_reply *r)
{
	struct se_coap_peer *p = j->peer;
	bool ack = j->con && p->coap->habits.late_ack;
	coap_pdu_type_t type = ack ? COAP_MESSAGE_ACK :
			       j->con || p->coap->habits.con_for_non ? COAP_MESSAGE_CON :
								       COAP_MESSAGE_NON;
	coap_mid_t mid = ack ? j->mid : coap_new_message_id(p->session);
	coap_pdu_t *pdu = coap_pdu_init(type, code_of(r->code), mid,
					coap_session_max_pdu_size(p->session));

	if (!pdu)
		return;
	coap_add_token(pdu, j->token_n, j->token);
	fill(pdu, r);
	coap_send(p->session, pdu);
	se_coap_poke(p->coap);
}

/* --- duplicates ------------------------------------------------------------------------------- */

static struct se_coap_recent *recent_find(struct se_coap_peer *p, coap_mid_t mid)
{
	for (size_t i = 0; i < SE_COAP_RECENT; i++) {
		if (p->recent[i].used && p->recent[i].mid == mid)
			return &p->recent[i];
	}
	return NULL;
}

static void recent_begin(struct se_coap_peer *p, coap_mid_t mid)
{
	struct se_coap_recent *r = &p->recent[p->turn];

	p->turn = (p->turn + 1) % SE_COAP_RECENT;
	r->mid = mid;
	r->used = true;
	r->state = SE_COAP_WORKING;
}

static void recent_end(struct se_coap_peer *p, coap_mid_t mid, const struct se_coap_reply *reply)
{
	struct se_coap_recent *r = recent_find(p, mid);

	if (!r)
		return;
	r->state = SE_COAP_ANSWERED;
	r->reply = *reply;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* libcoap is about to acknowledge on its own, and is not to be heard. */
static void say_nothing(struct se_coap_job *j)
{
	if (j->con)
		se_lossy_swallow(&j->peer->coap->net, port_of(j->peer));
}

static void give(struct se_coap_job *j, const struct se_coap_reply *r)
{
	recent_end(j->peer, j->mid, r);
	if (j->response && (j->con || !j->peer->coap->habits.con_for_non))
		fill(j->response, r);
	else
		send_later(j, r);
}

static void text_reply(struct se_coap_reply *r, unsigned code, const char *why)
{
	*r = (struct se_coap_reply){ .code = code };
	r->n = MIN(strlen(why), sizeof(r->data));
	memcpy(r->data, why, r->n);
	r->has_format = r->n > 0;
}

static void refuse(struct se_coap_job *j, unsigned code, const char *why)
{
	struct se_coap_reply r;

	se_remark(j->peer->coap->eim, j->peer->card, "coaps %s: %u.%02u: %s", j->peer->name,
		  code / 100, code % 100, why);
	text_reply(&r, code, why);
	r.has_block1 = j->has_block1;
	r.block1 = j->block1;
	give(j, &r);
}

/* HTTP statuses and CoAP codes are close relatives: 404 and 4.04, 503 and 5.03. */
static unsigned code_from(const struct se_exchange *x, unsigned status)
{
	if (status == 204)
		return 204;
	if (status == 200)
		return x->response_n ? 205 : 204;
	return status % 100 < 32 ? status : status / 100 * 100;
}

/* The whole answer is kept, its first block goes out. */
static void reply_with(struct se_coap_job *j, unsigned status, int32_t format)
{
	struct se_coap_peer *p = j->peer;
	struct se_coap_habits *h = &p->coap->habits;
	struct se_body *d = &p->answer;
	struct se_exchange *x = &j->x;
	struct se_coap_reply first;
	unsigned code = code_from(x, status);
	uint32_t etag = p->coap->next_etag++;

	if (code >= 400) {
		text_reply(&first, code, status == 400 ? "the message is not ESipa" : "");
	} else {
		se_body_done(d);
		d->body = take(x->response);
		d->n = code == 204 ? 0 : x->response_n;
		d->until_ms = ev_now_ms() + (h->keep_s ? h->keep_s * 1000 : EXCHANGE_LIFETIME_MS);
		d->head.code = code;
		d->head.has_format = code == 205 && format >= 0;
		d->head.format = format >= 0 ? (uint32_t)format : 0;
		d->head.has_etag = !h->no_etag;
		memcpy(d->head.etag, &etag, SE_ETAG_LEN);
		j->block2.num = 0;
		(void)se_body_block(d, &j->block2, j->asked_block2 && !h->big_first_block,
					&first);
	}
	first.has_block1 = j->has_block1;
	first.block1 = j->block1;
	give(j, &first);
}

/* A fault ends it without an answer, in silence or with close_notify. */
static void drop(struct se_coap_job *j, bool close)
{
	struct se_coap_peer *p = j->peer;

	if (j->response)
		say_nothing(j);
	job_free(j);
	if (close)
		se_coap_peer_close(p);
}

/* A RST, where the message has not been acknowledged yet. */
static void reject(struct se_coap_job *j)
{
	struct se_coap_peer *p = j->peer;
	bool open = j->response || p->coap->habits.late_ack;
	coap_pdu_t *pdu = open ? coap_pdu_init(COAP_MESSAGE_RST, COAP_EMPTY_CODE, j->mid, 0) : NULL;

	if (pdu)
		coap_send(p->session, pdu);
	drop(j, false);
}

/* True: there is no answer, by a fault, and no job any more. */
static bool withheld(struct se_coap_job *j, enum se_fault_on on)
{
	struct se_eim *e = j->peer->coap->eim;
	struct se_exchange *x = &j->x;

	x->on = on;
	if (se_strikes(e, x, SE_FAULT_NO_ANSWER, NULL))
		drop(j, false);
	else if (se_strikes(e, x, SE_FAULT_RESET, NULL))
		drop(j, true);
	else if (se_strikes(e, x, SE_FAULT_RST, NULL))
		reject(j);
	else if (se_strikes(e, x, SE_FAULT_ACK_ONLY, NULL))
		job_free(j);
	else
		return false;
	return true;
}

/* An answer of one block has no middle. */
static void arm_rebind(struct se_coap_job *j)
{
	struct se_coap_peer *p = j->peer;
	char value[SE_FAULT_VALUE_MAX] = "";
	uint32_t blocks = (uint32_t)(j->x.response_n / se_block_size(&j->block2));

	p->rebinds_at = 0;
	if (se_strikes(p->coap->eim, &j->x, SE_FAULT_REBIND, value) && blocks > 1)
		p->rebinds_at = se_fault_number(value, blocks / 2);
}

/* Everything about the answer is known: as it is, or as the faults want it. Frees the job. */
static void respond(struct se_coap_job *j)
{
	struct se_coap_peer *p = j->peer;
	struct se_server *s = p->coap->server;
	struct se_eim *e = p->coap->eim;
	struct se_exchange *x = &j->x;
	char value[SE_FAULT_VALUE_MAX] = "";
	int32_t format = p->coap->habits.format;
	unsigned status = x->status, down_s = 0;
	bool down = false;
	uint32_t number;

	p->card = x->card;
	if (withheld(j, x->on))
		return;
	se_spoil(e, x);
	if (se_strikes(e, x, SE_FAULT_HTTP, value))
		status = se_fault_number(value, 500);
	if (se_strikes(e, x, SE_FAULT_CONTENT_TYPE, value))
		format = text_to_u32(text_of(value), 10, &number) == 0 ? (int32_t)number : 0;
	p->stalled = se_strikes(e, x, SE_FAULT_STALL, NULL);
	p->closes = se_strikes(e, x, SE_FAULT_CLOSE, NULL);
	arm_rebind(j);
	if ((p->stalled || p->closes) && x->response_n <= se_block_size(&j->block2)) {
		/* There is no middle to stop in. */
		drop(j, p->closes);
		return;
	}
	if (x->switches && se_strikes(e, x, SE_FAULT_LOST_AFTER_SWITCH, value)) {
		down = true;
		down_s = se_fault_number(value, 0);
	}
	reply_with(j, status, format);
	job_free(j);
	if (down)
		se_server_down(s, down_s);
}

static void on_slow(struct ev_alarm *a)
{
	respond(container_of(a, struct se_coap_job, slow));
}

/* The answer is there; a fault may hold it back. */
static void answered(struct se_coap_job *j)
{
	struct se_eim *e = j->peer->coap->eim;
	char value[SE_FAULT_VALUE_MAX] = "";

	if (se_strikes(e, &j->x, SE_FAULT_SLOW, value)) {
		ev_alarm_start(&j->slow, se_fault_number(value, 1000));
		return;
	}
	respond(j);
}

static void on_done(struct se_exchange *x)
{
	struct se_coap_job *j = container_of(x, struct se_coap_job, x);
	struct se_server *s = j->peer->coap->server;

	answered(j);
	if (s->served)
		s->served(s);
}

/* --- requests --------------------------------------------------------------------------------- */

/* What the references say of the head: told, not enforced. */
static void look_at_head(struct se_coap_peer *p, const coap_pdu_t *request)
{
	bool there;
	struct octets v = option_of(request, COAP_OPTION_CONTENT_FORMAT, &there);
	uint32_t format = 0;

	if (p->greeted)
		return;
	p->greeted = true;
	for (size_t i = 0; i < v.n && i < 4; i++)
		format = format << 8 | v.p[i];
	if (there)
		se_log(p->coap->eim, p->card, "  coaps %s sends Content-Format %u", p->name,
		       format);
}

/* One block, as it is or as the faults want it. Frees the job. */
static void give_block(struct se_coap_job *j, struct se_coap_reply *r)
{
	struct se_eim *e = j->peer->coap->eim;
	char value[SE_FAULT_VALUE_MAX] = "";

	if (withheld(j, SE_ON_BLOCK))
		return;
	if (se_strikes(e, &j->x, SE_FAULT_HTTP, value))
		text_reply(r, se_fault_number(value, 500), "");
	if (se_strikes(e, &j->x, SE_FAULT_TRUNCATED, NULL))
		r->n /= 2;
	if (se_strikes(e, &j->x, SE_FAULT_EMPTY, NULL))
		r->n = 0;
	if (se_strikes(e, &j->x, SE_FAULT_GARBAGE, NULL))
		for (size_t i = 0; i < r->n; i++)
			r->data[i] = (uint8_t)se_fault_roll(&e->faults, 256);
	give(j, r);
	job_free(j);
}

static void dispatch(struct se_coap_job *j, struct octets body)
{
	struct se_coap_peer *p = j->peer;
	struct se_server *s = p->coap->server;

	j->request = malloc(body.n ? body.n : 1);
	if (!j->request) {
		refuse(j, 500, "no memory");
		job_free(j);
		return;
	}
	if (body.n)
		memcpy(j->request, body.p, body.n);
	j->x.request = octets_from(j->request, body.n);
	j->x.card = p->card;
	j->x.done = on_done;
	j->x.status = 500;
	if (se_esipa_handle(p->coap->eim, &j->x) != SE_LATER)
		answered(j);
	if (s->served)
		s->served(s);
}

/* Block1: what it is a part of. */
static void upload(struct se_coap_job *j, const coap_pdu_t *request, struct octets data)
{
	struct se_coap_peer *p = j->peer;
	bool there;
	struct octets key = p->coap->habits.token_blocks ? octets_from(j->token, j->token_n) :
			    option_of(request, COAP_OPTION_RTAG, &there);
	struct se_coap_reply r = { .code = 231 };

	switch (se_upload_add(&p->upload, &j->block1, key, data, SE_MESSAGE_MAX)) {
	case SE_UPLOAD_MORE:
		r.has_block1 = true;
		r.block1 = j->block1;
		give_block(j, &r);
		return;
	case SE_UPLOAD_WHOLE:
		dispatch(j, octets_from(p->upload.body, p->upload.n));
		return;
	case SE_UPLOAD_GAP:
		/* As where the token decides and every block has another: the last one is all. */
		if (p->coap->habits.token_blocks && !j->block1.more)
			dispatch(j, data);
		else {
			refuse(j, 408, "blocks are missing");
			job_free(j);
		}
		return;
	case SE_UPLOAD_LONG:
		r.code = 413;
		r.has_size1 = true;
		r.size1 = SE_MESSAGE_MAX;
		give(j, &r);
		job_free(j);
		return;
	case SE_UPLOAD_BAD:
		refuse(j, 400, "a block is not full");
		job_free(j);
		return;
	}
}

/* One more block of the answer that was given last. */
static void next_block(struct se_coap_job *j)
{
	struct se_coap_peer *p = j->peer;
	struct se_coap_reply r;

	if (p->stalled || p->closes) {
		drop(j, p->closes);
		return;
	}
	if (p->rebinds_at && j->block2.num >= p->rebinds_at) {
		p->rebinds_at = 0;
		se_log(p->coap->eim, p->card, "  coaps: other addresses at block %u for %u clients",
		       j->block2.num, se_lossy_rebind(&p->coap->net));
	}
	if (!p->answer.body || ev_now_ms() > p->answer.until_ms) {
		refuse(j, 400, "empty input");
	} else if (!se_body_block(&p->answer, &j->block2, true, &r)) {
		refuse(j, 400, "there is no such block");
	} else {
		if (!p->coap->habits.keep_s)
			p->answer.until_ms = ev_now_ms() + EXCHANGE_LIFETIME_MS;
		give_block(j, &r);
		return;
	}
	job_free(j);
}

/* False: an option that cannot be read. */
static bool read_blocks(struct se_coap_job *j, const coap_pdu_t *request)
{
	struct se_coap_habits *h = &j->peer->coap->habits;
	uint8_t largest = SE_BLOCK_SZX_MAX;
	struct octets v;

	while (h->block && largest && (16u << largest) > h->block)
		largest--;
	v = option_of(request, COAP_OPTION_BLOCK1, &j->has_block1);
	if (j->has_block1 && se_block_parse(v, &j->block1) < 0)
		return false;
	if (h->no_block1)
		j->has_block1 = false;
	v = option_of(request, COAP_OPTION_BLOCK2, &j->asked_block2);
	j->block2.szx = largest;
	if (j->asked_block2 && se_block_parse(v, &j->block2) < 0)
		return false;
	if (j->block2.szx > largest)
		j->block2.szx = largest;
	if (h->big_first_block && !j->block2.num)
		j->block2.szx = SE_BLOCK_SZX_MAX;
	return true;
}

static struct se_coap_job *job_new(struct se_coap_peer *p, const coap_pdu_t *request,
				   coap_pdu_t *response)
{
	struct se_coap_job *j = calloc(1, sizeof(*j));
	coap_bin_const_t token = coap_pdu_get_token(request);

	if (!j)
		return NULL;
	j->peer = p;
	j->mid = coap_pdu_get_mid(request);
	j->con = coap_pdu_get_type(request) == COAP_MESSAGE_CON;
	j->token_n = MIN(token.length, sizeof(j->token));
	if (j->token_n)
		memcpy(j->token, token.s, j->token_n);
	j->response = response;
	j->slow.fired = on_slow;
	list_add(&p->jobs, &j->node);
	return j;
}

/* True: it was there before, and has been dealt with. */
static bool was_duplicate(struct se_coap_job *j)
{
	struct se_coap_peer *p = j->peer;
	struct se_coap_recent *old = recent_find(p, j->mid);

	if (!old)
		return false;
	se_log(p->coap->eim, p->card, "  coaps %s repeats message %d", p->name, j->mid);
	if (old->state == SE_COAP_ANSWERED)
		fill(j->response, &old->reply);
	else if (p->coap->habits.late_ack)
		say_nothing(j);
	return true;
}

void se_coap_post(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		  const coap_string_t *query, coap_pdu_t *response)
{
	struct se_coap *c = se_coap_of(session);
	struct se_coap_peer *p = c ? se_coap_peer_of(c, session) : NULL;
	struct se_coap_job *j = p ? job_new(p, request, response) : NULL;
	const uint8_t *data = NULL;
	size_t n = 0;

	(void)resource;
	(void)query;
	if (!j) {
		coap_pdu_set_code(response, code_of(500));
		return;
	}
	if (was_duplicate(j)) {
		job_free(j);
		return;
	}
	recent_begin(p, j->mid);
	coap_get_data(request, &n, &data);
	look_at_head(p, request);
	if (!read_blocks(j, request)) {
		refuse(j, 400, "a block option cannot be read");
		job_free(j);
	} else if (j->asked_block2 && j->block2.num && !n) {
		next_block(j);
	} else if (j->has_block1) {
		upload(j, request, octets_from(data, n));
	} else {
		dispatch(j, octets_from(data, n));
	}
	/* Those that are still at work are answered by messages of their own. */
	list_for_each(j, &p->jobs, node) {
		if (j->response && c->habits.late_ack)
			say_nothing(j);
		j->response = NULL;
	}
}
