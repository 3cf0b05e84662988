#include "sim/eim/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/util.h"
#include "sim/eim/post.h"

#define SESSIONS_MAX 32
#define ANSWER_MS 60000u
#define HEADERS                                                             \
	"User-Agent: gsma-rsp-eim\r\nX-Admin-Protocol: gsma/rsp/v2.2.2\r\n" \
	"Content-Type: application/json\r\n"

/* A transaction at an SM-DP+; the oldest goes when there are too many. */
struct session {
	struct octets tid;
	uint8_t store[SE_RELAY_TID_MAX];
	char address[128];
};

/* One function under way, or a notification. */
struct job {
	struct list_node node;
	struct relay *relay;
	struct se_post post;
	struct se_exchange *x;          /* NULL: a notification, or its IPA is gone */
	uint32_t tag;
	const char *function;
	struct se_rsp_order order;
};

struct relay {
	struct se_relay face;
	struct se_eim *eim;
	struct se_routes routes;
	struct list_node jobs;
	struct session sessions[SESSIONS_MAX];
	size_t n, turn;
};

/* --- sessions --------------------------------------------------------------------------------- */

static struct session *find_session(struct relay *r, struct octets tid)
{
	for (size_t i = 0; i < r->n; i++) {
		if (octets_same(r->sessions[i].tid, tid))
			return &r->sessions[i];
	}
	return NULL;
}

static void remember(struct relay *r, struct octets tid, const char *address)
{
	struct session *s = &r->sessions[r->turn];

	if (!tid.n || tid.n > sizeof(s->store) || find_session(r, tid))
		return;
	memcpy(s->store, tid.p, tid.n);
	s->tid = octets_from(s->store, tid.n);
	snprintf(s->address, sizeof(s->address), "%s", address);
	r->turn = (r->turn + 1) % SESSIONS_MAX;
	r->n = MAX(r->n, r->turn ? r->turn : (size_t)SESSIONS_MAX);
}

static struct octets tid_of(uint32_t tag, struct octets message)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, message), body = tlv_enter(&top, tag);

	return tlv_maybe(&body, 0x80);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void job_free(struct job *j)
{
	se_post_stop(&j->post);
	list_del(&j->node);
	free(j);
}

static void answer(struct job *j, int r, unsigned status, struct octets body)
{
	struct se_exchange *x = j->x;
	uint8_t error[16];
	struct octets tid = { NULL, 0 };
	int done = -EBADMSG;

	free(x->response);
	x->response = NULL;
	if (r == 0 && status == 200)
		done = se_rsp_answer(j->tag, octets_text(body), j->order.matching_id, &x->response,
				     &x->response_n, &tid);
	if (done == 0) {
		x->status = 200;
		se_log(j->relay->eim, x->card, "  %s at %s: %zu octets for the IPA", j->function,
		       j->order.address, x->response_n);
	} else {
		se_remark(j->relay->eim, x->card, "%s at %s failed: %s, status %u", j->function,
			  j->order.address, r < 0 ? strerror(-r) : "answered", status);
		(void)se_esipa_reply(x, octets_from(error, se_rsp_error(j->tag, 127, error)));
	}
	if (j->tag == 0xBF39)
		remember(j->relay, tid, j->order.address);
	x->done(x);
}

static void on_done(struct se_post *p, int r, unsigned status, struct octets body)
{
	struct job *j = container_of(p, struct job, post);

	if (j->x)
		answer(j, r, status, body);
	else if (j->tag == 0)
		se_log(j->relay->eim, NULL, "  notification to %s: %s, status %u", j->order.address,
		       r < 0 ? strerror(-r) : "delivered", status);
	job_free(j);
}

static int start(struct relay *r, uint32_t tag, struct octets message, struct se_exchange *x,
		 const struct se_rsp_order *order)
{
	struct se_post_wish wish = { .ctx = r->routes.ctx, .headers = HEADERS,
				     .patience_ms = ANSWER_MS };
	const struct sockaddr_in *at = se_route_find(&r->routes, order->address);
	struct job *j = at ? calloc(1, sizeof(*j)) : NULL;
	_cleanup_(freep) char *body = NULL;
	char path[96];
	int err;

	if (!j)
		return at ? -ENOMEM : -ENOENT;
	wish.at = *at;
	j->relay = r;
	j->x = x;
	j->tag = tag;
	j->order = *order;
	j->post.done = on_done;
	j->post.fd = -1;
	list_add(&r->jobs, &j->node);
	body = se_rsp_request(tag, message, order->address, &j->function);
	if (!body) {
		job_free(j);
		return -EBADMSG;
	}
	snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", j->function);
	wish.path = path;
	wish.host = j->order.address;
	wish.body = octets_from(body, strlen(body));
	err = se_post_start(&j->post, &wish);
	if (err < 0)
		job_free(j);
	return err;
}

/* --- what the eIM calls ----------------------------------------------------------------------- */

/* The order that an InitiateAuthentication is about: by transaction id, else what is in flight. */
static bool is_download(const struct se_package *p)
{
	return p->kind == SE_KIND_DOWNLOAD;
}

static void find_order(struct se_card *c, struct octets message, struct se_rsp_order *ret,
		       char asked[128])
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, message), body = tlv_enter(&top, 0xBF39);
	struct se_package *p = NULL;
	struct octets tx = { NULL, 0 };

	asked[0] = '\0';
	while (tlv_more(&body)) {
		if (tlv_peek(&body) == 0x83)
			(void)text_copy(octets_text(tlv_take(&body, 0x83)), asked, 128);
		else if (tlv_peek(&body) == 0x82)
			tx = tlv_take(&body, 0x82);
		else
			tlv_skip(&body);
	}
	*ret = (struct se_rsp_order){ .address = "" };
	if (c)
		p = tx.n ? se_package_by_tx(c, tx) : se_package_in_flight(c, is_download);
	if (p && is_download(p))
		se_rsp_order_of(octets_from(p->body, p->body_n), ret);
}

static int refuse(struct se_exchange *x, uint32_t tag, uint32_t code)
{
	uint8_t error[16];

	(void)se_esipa_reply(x, octets_from(error, se_rsp_error(tag, code, error)));
	return -EINVAL;
}

static int on_request(struct se_relay *face, struct se_card *c, uint32_t tag, struct se_exchange *x)
{
	struct relay *r = container_of(face, struct relay, face);
	struct se_rsp_order order = { .address = "" };
	struct session *s;
	char asked[128];

	if (tag == 0xBF39) {
		find_order(c, x->request, &order, asked);
		/* 50 smdpAddressMismatch: not the server that was ordered. */
		if (order.address[0] && asked[0] && strcasecmp(order.address, asked) != 0)
			return refuse(x, tag, 50);
		if (!order.address[0])
			snprintf(order.address, sizeof(order.address), "%s", asked);
		if (!order.address[0])
			return refuse(x, tag, 1);
	} else {
		s = find_session(r, tid_of(tag, x->request));
		if (!s)
			return -ENOENT;
		snprintf(order.address, sizeof(order.address), "%s", s->address);
	}
	return start(r, tag, x->request, x, &order);
}

static void on_abandon(struct se_relay *face, struct se_exchange *x)
{
	struct relay *r = container_of(face, struct relay, face);
	struct job *j;

	list_for_each(j, &r->jobs, node) {
		if (j->x == x)
			j->x = NULL;
	}
}

/* Results of downloads that went through here go to their SM-DP+; other notifications to theirs. */
static void on_notify(struct se_relay *face, struct se_card *c, struct octets note)
{
	struct relay *r = container_of(face, struct relay, face);
	struct se_rsp_order order = { .address = "" };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, note), body, meta;
	struct session *s;

	(void)c;
	if (tlv_peek(&top) == 0xBF37) {
		body = tlv_enter(&top, 0xBF37);
		body = tlv_enter(&body, 0xBF27);
		s = find_session(r, tlv_take(&body, 0x80));
		if (!s)
			return;
		snprintf(order.address, sizeof(order.address), "%s", s->address);
	} else {
		body = tlv_enter(&top, 0x30);
		meta = tlv_enter(&body, 0xBF2F);
		while (tlv_more(&meta) && tlv_peek(&meta) != 0x0C)
			tlv_skip(&meta);
		(void)text_copy(octets_text(tlv_maybe(&meta, 0x0C)), order.address,
				sizeof(order.address));
	}
	if (order.address[0] && start(r, 0, note, NULL, &order) < 0)
		se_remark(r->eim, NULL, "a notification for %s could not be sent", order.address);
}

/* --- opening ---------------------------------------------------------------------------------- */

int se_relay_open(struct se_eim *e, const struct se_relay_wish *wish, char why[256])
{
	struct relay *r = calloc(1, sizeof(*r));
	char folder[PATH_MAX];
	int err = 0;

	if (!r)
		return -ENOMEM;
	r->face = (struct se_relay){ on_request, on_abandon, on_notify };
	r->eim = e;
	list_init(&r->jobs);
	for (size_t i = 0; err == 0 && i < wish->at_n; i++) {
		err = se_route_add(&r->routes, wish->at[i]);
		if (err < 0)
			snprintf(why, 256, "--smdp %.64s: expected [HOST=]ADDRESS:PORT",
				 wish->at[i]);
	}
	snprintf(folder, sizeof(folder), "%s/ci", e->dir);
	if (err == 0)
		err = se_route_trust(&r->routes, wish->ca, wish->ca_n, folder, why);
	if (err < 0) {
		se_routes_done(&r->routes);
		free(r);
		return err;
	}
	e->relay = &r->face;
	return 0;
}

void se_relay_close(struct se_eim *e)
{
	struct relay *r;
	struct job *j;

	if (!e->relay)
		return;
	r = container_of(e->relay, struct relay, face);
	e->relay = NULL;
	while ((j = list_first(&r->jobs, struct job, node)))
		job_free(j);
	se_routes_done(&r->routes);
	free(r);
}
