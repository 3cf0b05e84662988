/*
 * name → handshake → messages. Each wait belongs to one layer, which is the one a deadline names.
 *
 * How long an answer may take is not for us to know: servers acknowledge when the work is done, which
 * may be a minute. So silence alone ends nothing but the patience of whoever asks. What ends an
 * association over which something has come before is that nothing at all comes any more: a server
 * that works on it still answers a ping.
 *
 * An answer that has been shown while it grows cannot be asked for anew. It is worth more: a block that
 * nobody has acknowledged is asked for again, as long as there is a sign of the server, and each block
 * is waited for as patiently as the first.
 */
#include "net/coaps.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "net/crypto.h"

#define DATAGRAM        1152
#define CONNECT_MS      45000
#define ACK_MS          2000
#define RETRANSMITS     4
#define SILENCE_MS      20000
#define ONE_OF_MANY_MS  10000   /* for one address, where there are more */
#define HANDSHAKE_MS    20000   /* without an answer; then another port is tried */
#define SIGN_MS         10000   /* the same once something has come, and nothing more comes */
#define LOST_MS         1000    /* a handshake that ends earlier does so for a reason */
#define LOOK_MS         1000    /* how often a wait is looked at */
#define PING_GAP_MS     4000    /* before the server's limit; and between two pings */
#define PATIENCES       10      /* how long an answer may take that comes in blocks, steadily */
#define MESSAGE_HEAD    (4 + 8 + 1)

enum coaps_state {
	COAPS_CLOSED,
	COAPS_EXPECT_NAME,
	COAPS_EXPECT_HANDSHAKE,
	COAPS_EXPECT_ANSWER,
	COAPS_KEPT,             /* associated, nothing under way */
	_COAPS_STATE_MAX
};

struct coaps {
	struct coaps_server server;
	struct coap_post post;          /* what all messages have in common */
	char path[256];
	enum coaps_state state;
	struct names_query names;
	size_t at;                      /* the address that is tried … */
	uint64_t tried_ms;              /* … since */
	uint32_t heard_there;           /* datagrams of it, when that was looked at last */
	unsigned tries;                 /* handshakes for this request */
	uint32_t dead;                  /* those that have failed for good, a bit each */
	unsigned refused;               /* by alerts: nobody has signed them, so the first is not believed */
	enum dtls_stage stage;          /* the furthest that a handshake has come */
	struct coap_assoc *assoc;
	struct coap_assoc_user user;
	struct coaps_figures figures;   /* without those of assoc */

	struct coaps_request *request;  /* NULL: none */
	struct blockwise blocks;
	bool uploading;                 /* the block before was one of the body: same token */
	bool proven;                    /* something has come over the association before */
	bool sent, replaced;
	bool insisted;                  /* the latest block went out more often than it may */
	uint64_t ends_ms;               /* whatever comes in until then */
	bool shown;                     /* a part of the answer */
	bool no_blocks;                 /* learned: takes no Block1 */
	unsigned datagram;              /* no longer message is sent whole … */
	bool cut;                       /* … nor otherwise: learned */
	uint64_t asked_ms;              /* when the latest message went out … */
	uint32_t heard_before;          /* … and how many datagrams had come by then */
	uint64_t pinged_ms;
	struct ev_alarm deadline, connect_deadline, attempt, look, keep;
	struct ev_task task;
	struct net_error error;         /* of the first dead address; what the task ends with */
};

static const struct {
	enum net_layer layer;
	const char *what;
} waits[_COAPS_STATE_MAX] = {
	[COAPS_CLOSED] = { NET_CONNECT, "a start" },
	[COAPS_EXPECT_NAME] = { NET_NAME, "the address of" },
	[COAPS_EXPECT_HANDSHAKE] = { NET_TLS, "the handshake of" },
	[COAPS_EXPECT_ANSWER] = { NET_COAP, "the answer of" },
	[COAPS_KEPT] = { NET_COAP, "nothing from" },
};

/* --- ending ----------------------------------------------------------------------------------- */

static void add_figures(struct udp_figures *sum, const struct udp_figures *f)
{
	sum->sent += f->sent;
	sum->received += f->received;
	sum->octets_sent += f->octets_sent;
	sum->octets_received += f->octets_received;
}

/* Its farewell counts, too. */
static void drop_assoc(struct coaps *c)
{
	if (!c->assoc)
		return;
	add_figures(&c->figures.wire, coap_assoc_figures(c->assoc));
	coap_assoc_free(c->assoc);
	c->assoc = NULL;
}

static void disconnect(struct coaps *c)
{
	names_stop(&c->names);
	ev_alarm_stop(&c->connect_deadline);
	ev_alarm_stop(&c->attempt);
	ev_alarm_stop(&c->look);
	ev_alarm_stop(&c->keep);
	drop_assoc(c);
	c->state = COAPS_CLOSED;
}

static void drop_request(struct coaps *c)
{
	ev_alarm_stop(&c->deadline);
	ev_alarm_stop(&c->look);
	ev_task_stop(&c->task);
	/* Where there is no way without blocks either, it was perhaps not the blocks: the next one finds out. */
	c->no_blocks = (c->no_blocks || c->blocks.refuses_blocks) && !c->blocks.too_large;
	blockwise_free(&c->blocks);
	c->request = NULL;
}

static void keep_for_a_while(struct coaps *c)
{
	c->state = COAPS_KEPT;
	if (c->server.keep_ms)
		ev_alarm_start(&c->keep, c->server.keep_ms);
}

/* From the loop only. The client may be freed when this returns. */
static void finish(struct coaps *c, const struct net_error *why)
{
	struct coaps_request *q = c->request;
	struct net_error copy;

	if (why) {
		copy = *why;
		q->too_large = c->blocks.too_large;
		q->unsent = !c->sent || q->too_large;
		q->answer = NULL;
		q->answer_n = 0;
		drop_request(c);
		disconnect(c);
		q->done(q, &copy);
		return;
	}
	q->code = c->blocks.code;
	q->max_age = c->blocks.max_age;
	q->answer = blockwise_take(&c->blocks, &q->answer_n);
	drop_request(c);
	keep_for_a_while(c);
	q->done(q, NULL);
}

static void fail(struct coaps *c, enum cause_kind kind, enum net_layer layer, int code, const char *what)
{
	struct net_error why = { 0 };

	net_error_set(&why, kind, layer, code, "%s", what);
	finish(c, &why);
}

/* Anything at all, since the latest message went out. */
static bool heard(const struct coaps *c)
{
	return coap_assoc_figures(c->assoc)->received != c->heard_before;
}

/* Whoever holds another key does not say so: most are just silent (RFC 6347 4.1.2.7). */
static const char *far_as_it_went(const struct coaps *c)
{
	enum dtls_stage stage = c->stage;

	if (c->state == COAPS_EXPECT_ANSWER && c->assoc && !heard(c))
		return ": not a sign of it";
	if (c->state != COAPS_EXPECT_HANDSHAKE)
		return "";
	if (c->assoc && coap_assoc_stage(c->assoc) > stage)
		stage = coap_assoc_stage(c->assoc);
	switch (stage) {
	case DTLS_NOTHING:
		return ": not a sign of it";
	case DTLS_COOKIE:
	case DTLS_HELLO:
		return c->server.psk ? ": it began, then silence; is the key right?" : ": it began, then silence";
	case DTLS_FINISHED:
	case _DTLS_STAGE_MAX:
		break;
	}
	return "";
}

static void time_out(struct coaps *c, unsigned ms)
{
	struct net_error why = { 0 };

	net_error_set(&why, CAUSE_TIMEOUT, waits[c->state].layer, -1, "waited %u ms in vain for %s %.50s%s",
		      ms, waits[c->state].what, c->server.place.host, far_as_it_went(c));
	finish(c, &why);
}

static void on_deadline(struct ev_alarm *a)
{
	struct coaps *c = container_of(a, struct coaps, deadline);

	time_out(c, c->request->patience_ms);
}

/* --- connecting ------------------------------------------------------------------------------- */

static void try_address(struct coaps *c);

static void on_connect_deadline(struct ev_alarm *a)
{
	struct coaps *c = container_of(a, struct coaps, connect_deadline);

	time_out(c, c->server.connect_ms);
}

static void connect_anew(struct coaps *c)
{
	disconnect(c);
	c->proven = false;
	c->error = (struct net_error){ 0 };
	c->dead = c->refused = 0;
	c->stage = DTLS_NOTHING;
	c->state = COAPS_EXPECT_NAME;
	ev_alarm_start(&c->connect_deadline, c->server.connect_ms);
	names_start(&c->names);
}

static void on_named(struct names_query *names, const struct net_error *why)
{
	struct coaps *c = container_of(names, struct coaps, names);

	if (why) {
		finish(c, why);
		return;
	}
	c->state = COAPS_EXPECT_HANDSHAKE;
	c->at = 0;
	try_address(c);
}

/* The next one that has not failed for good; the same, where there is no other. False: there is none. */
static bool choose_address(struct coaps *c)
{
	for (size_t i = 1; i <= c->names.n; i++) {
		size_t k = (c->at + i) % c->names.n;

		if (!(c->dead & 1u << k)) {
			c->at = k;
			return true;
		}
	}
	return false;
}

static void on_task(struct ev_task *t)
{
	struct coaps *c = container_of(t, struct coaps, task);
	struct net_error why = c->error;

	if (c->state == COAPS_EXPECT_HANDSHAKE && choose_address(c))
		try_address(c);
	else
		finish(c, &why);
}

/* This address is no good. The first such reason is the one that is told. */
static void next_address(struct coaps *c, const struct net_error *why)
{
	if (!net_error_is_set(&c->error))
		c->error = *why;
	c->dead |= 1u << c->at;
	drop_assoc(c);
	ev_alarm_stop(&c->attempt);
	ev_task_start(&c->task);
}

/* Once more from another port: the server may still hold an association with this one. */
static void try_again(struct coaps *c)
{
	if (c->assoc && coap_assoc_stage(c->assoc) > c->stage)
		c->stage = coap_assoc_stage(c->assoc);
	drop_assoc(c);
	if (choose_address(c))
		try_address(c);
}

/* A way that loses much makes it slow; from the beginning it would be slower. */
static void on_attempt(struct ev_alarm *a)
{
	struct coaps *c = container_of(a, struct coaps, attempt);
	uint32_t heard = coap_assoc_figures(c->assoc)->received;
	uint64_t limit = c->names.n > 1 ? ONE_OF_MANY_MS : HANDSHAKE_MS, passed = ev_now_ms() - c->tried_ms;

	if (heard == c->heard_there && (heard || passed >= limit)) {
		try_again(c);
		return;
	}
	c->heard_there = heard;
	ev_alarm_start(&c->attempt, heard ? SIGN_MS : (unsigned)(limit - passed));
}

static void try_address(struct coaps *c)
{
	struct net_error why = { 0 };
	struct coap_assoc_options o = {
		.to = c->names.found[c->at],
		.host = c->server.place.host,
		.interface = c->server.interface,
		.psk = c->server.psk,
		.trust = c->server.trust,
		.message_max = COAPS_DATAGRAM_MAX,
		.ack_timeout_ms = c->server.ack_timeout_ms,
		.retransmits = c->server.retransmits,
		/* Every other time, for servers that take one record from a datagram only. */
		.gather = c->tries++ % 2 == 0,
	};

	c->figures.handshakes++;
	c->tried_ms = ev_now_ms();
	c->heard_there = 0;
	if (coap_assoc_new(&o, &c->user, &c->assoc, &why) < 0) {
		c->assoc = NULL;
		next_address(c, &why);
		return;
	}
	ev_alarm_start(&c->attempt, SIGN_MS);
}

/* --- messages --------------------------------------------------------------------------------- */

static size_t whole_max(const struct coaps *c, unsigned datagram)
{
	size_t head = MESSAGE_HEAD + 3;

	for (size_t i = 0; i < c->post.path_n; i++)
		head += c->post.path[i].n + 3;
	if (c->post.uri_host)
		head += strlen(c->post.uri_host) + 3;
	return datagram > head ? datagram - head : 0;
}

/* Longer messages than usual do not get through. False: without them there is no way, and that was all. */
static bool shorten(struct coaps *c)
{
	struct net_error why = { 0 };

	c->datagram = MIN(c->datagram, DATAGRAM);
	c->cut = true;
	c->blocks.o.whole_max = c->blocks.o.anyway_max = whole_max(c, DATAGRAM);
	c->replaced = false;
	if (c->blocks.o.upload && !c->blocks.refuses_blocks)
		return true;
	c->blocks.too_large = true;
	net_error_set(&why, CAUSE_REFUSED, NET_COAP, -1, "the server takes nothing in blocks, and %zu octets "
		      "in one datagram do not get through", c->request->body_n);
	finish(c, &why);
	return false;
}

static bool is_long(const struct coaps *c)
{
	return c->blocks.sent_n > whole_max(c, DATAGRAM);
}

static void send_message(struct coaps *c)
{
	int r;

	blockwise_next(&c->blocks, &c->post.m);
	/* Blocks of one body under one token: there are servers that put them together by it. */
	c->post.new_token = !(c->uploading && c->post.m.has_block1);
	c->uploading = c->post.m.has_block1;
	c->sent = true;
	c->asked_ms = ev_now_ms();
	c->heard_before = coap_assoc_figures(c->assoc)->received;
	c->pinged_ms = 0;
	r = coap_assoc_post(c->assoc, &c->post);
	if (r == -EMSGSIZE && c->blocks.o.anyway_max > whole_max(c, DATAGRAM)) {
		if (!shorten(c))
			return;
		blockwise_again(&c->blocks);
		send_message(c);
	} else if (r < 0) {
		fail(c, CAUSE_REFUSED, NET_COAP, -r, "the request does not fit into a datagram");
	} else {
		ev_alarm_start(&c->look, MIN(LOOK_MS, c->server.silence_ms));
	}
}

static unsigned szx_of(unsigned block)
{
	unsigned szx = 0;

	while (szx < COAP_SZX_MAX && coap_block_size(szx + 1) <= block)
		szx++;
	return szx;
}

static int start_blocks(struct coaps *c)
{
	struct blockwise_options o = {
		.whole_max = whole_max(c, c->datagram),
		.anyway_max = whole_max(c, c->cut ? DATAGRAM : COAPS_DATAGRAM_MAX),
		.szx = szx_of(c->server.block),
		.answer_max = c->request->answer_max,
	};
	uint8_t tag[COAP_TAG_LEN];
	int r = crypto_random(tag, sizeof(tag));

	if (r < 0)
		return r;
	o.upload = !c->server.no_upload && !(c->no_blocks && c->request->body_n <= o.anyway_max);
	blockwise_start(&c->blocks, &o, octets_from(c->request->body, c->request->body_n), tag);
	c->blocks.too_large = !o.upload && c->request->body_n > o.anyway_max;
	return c->blocks.too_large ? -EMSGSIZE : 0;
}

static void begin(struct coaps *c)
{
	c->state = COAPS_EXPECT_ANSWER;
	c->uploading = false;
	send_message(c);
}

static void on_ready(struct coap_assoc_user *u)
{
	struct coaps *c = container_of(u, struct coaps, user);

	ev_alarm_stop(&c->connect_deadline);
	ev_alarm_stop(&c->attempt);
	begin(c);
}

/* What was shown is used, perhaps: it cannot be taken back. */
static void show(struct coaps *c)
{
	struct coaps_request *q = c->request;

	c->blocks.restarted = c->replaced = c->shown = true;
	q->answer = c->blocks.answer;
	q->answer_n = c->blocks.answer_n;
	q->grown(q);
}

/* There is a block more than before: patience begins anew, but not for ever. */
static void go_on(struct coaps *c)
{
	uint64_t now = ev_now_ms(), left = c->ends_ms > now ? c->ends_ms - now : 0;

	ev_alarm_start(&c->deadline, (unsigned)MIN(left, (uint64_t)c->request->patience_ms));
	c->insisted = false;
	send_message(c);
}

static void on_answered(struct coap_assoc_user *u, const struct blockwise_answer *a)
{
	struct coaps *c = container_of(u, struct coaps, user);
	struct net_error why = { 0 };

	if (c->state != COAPS_EXPECT_ANSWER)
		return;
	c->proven = true;
	switch (blockwise_judge(&c->blocks, a, &why)) {
	case BLOCKWISE_SEND:
		if (c->request->grown && c->blocks.answer_n)
			show(c);
		go_on(c);
		break;
	case BLOCKWISE_DONE:
		finish(c, NULL);
		break;
	case BLOCKWISE_FAILED:
		finish(c, &why);
		break;
	}
}

/* --- dead associations ------------------------------------------------------------------------ */

/* False: it was replaced before. */
static bool replace(struct coaps *c, const char *why)
{
	if (c->replaced)
		return false;
	c->replaced = true;
	c->figures.replaced++;
	log_info("coap", "%s: another association: %s", c->server.place.host, why);
	blockwise_again(&c->blocks);
	connect_anew(c);
	return true;
}

/* It says no, or somebody else does, or what it got was damaged on the way. */
static void try_there_again(struct coaps *c)
{
	drop_assoc(c);
	try_address(c);
}

static void on_closed(struct coap_assoc_user *u, const struct net_error *why)
{
	struct coaps *c = container_of(u, struct coaps, user);
	struct net_error copy = *why;

	switch (c->state) {
	case COAPS_EXPECT_HANDSHAKE:
		/* Lost on the way, rather than refused: as after a time without end. */
		if (copy.kind == CAUSE_LINK_LOST && ev_now_ms() - c->tried_ms >= LOST_MS)
			try_again(c);
		else if (copy.kind == CAUSE_REFUSED && copy.layer == NET_TLS && !c->refused++)
			try_there_again(c);
		else
			next_address(c, &copy);
		break;
	case COAPS_EXPECT_ANSWER:
		/* A message that is larger than its buffer ends the association with some: each time. */
		if (is_long(c) && c->replaced && !c->cut && !shorten(c))
			return;
		if (copy.kind != CAUSE_LINK_LOST || !replace(c, copy.text))
			finish(c, &copy);
		break;
	case COAPS_KEPT:
		log_debug("coap", "%s: %s", c->server.place.host, copy.text);
		disconnect(c);
		break;
	case COAPS_CLOSED:
	case COAPS_EXPECT_NAME:
	case _COAPS_STATE_MAX:
		break;
	}
}

/* The same once more. The wait goes on: it has begun when the first one went out. */
static void ask_again(struct coaps *c)
{
	uint64_t asked_ms = c->asked_ms;
	uint32_t heard_before = c->heard_before;

	send_message(c);
	c->asked_ms = asked_ms;
	c->heard_before = heard_before;
}

/*
 * In the middle of a long answer it costs all of it to be wrong. Where the way has been losing much, it
 * has lost these more likely than that nobody is there any more; and asking for a block again is harmless.
 */
static bool insist(struct coaps *c)
{
	const struct udp_figures *f = coap_assoc_figures(c->assoc);

	if (c->insisted || c->blocks.phase != BLOCKWISE_DOWNLOAD || f->received * 4 >= f->sent * 3)
		return false;
	c->insisted = true;
	send_message(c);
	return true;
}

static void on_unheard(struct coap_assoc_user *u)
{
	struct coaps *c = container_of(u, struct coaps, user);

	if (c->state != COAPS_EXPECT_ANSWER)
		return;
	/* What has been shown ends in silence only; see is_dead(). */
	if (c->shown)
		ask_again(c);
	else if (!insist(c) && !replace(c, "nobody has acknowledged the request"))
		fail(c, CAUSE_TIMEOUT, NET_COAP, -1, "nobody has acknowledged the request");
}

/*
 * For how long there has been no sign of the server. In the middle of an answer one from before does not
 * count for ever: it may have been on its way for long, or twice.
 */
static uint64_t quiet_ms(const struct coaps *c)
{
	uint64_t now = ev_now_ms();

	if (c->shown)
		return now - MAX(coap_assoc_heard_ms(c->assoc), c->asked_ms);
	return heard(c) ? 0 : now - c->asked_ms;
}

/* Another association, or the end where there is no going back. */
static bool is_dead(struct coaps *c)
{
	uint64_t quiet = quiet_ms(c);

	if (!c->proven || quiet < c->server.silence_ms)
		return false;
	if (replace(c, "the old one is silent"))
		return true;
	if (!c->shown || quiet < 2ull * c->server.silence_ms)
		return false;
	fail(c, CAUSE_TIMEOUT, NET_COAP, -1, "silence in the middle of the answer");
	return true;
}

/* Once a second while an answer is awaited. */
static void on_look(struct ev_alarm *a)
{
	struct coaps *c = container_of(a, struct coaps, look);
	uint64_t now = ev_now_ms(), quiet = now - c->asked_ms;
	unsigned limit = c->server.idle_limit_ms;
	/* For the server's sake, and for ours: is it still there? */
	bool grows_old = limit && now - coap_assoc_sent_ms(c->assoc) + PING_GAP_MS >= limit;
	bool doubted = c->proven && quiet_ms(c) >= c->server.silence_ms / 2;

	if (is_dead(c))
		return;
	/* It gets lost each time, for its length; pings get through. */
	if (is_long(c) && quiet >= c->server.silence_ms && !c->cut) {
		if (shorten(c))
			replace(c, "a long message is not answered");
		return;
	}
	if ((grows_old || doubted) && now - c->pinged_ms >= PING_GAP_MS) {
		c->pinged_ms = now;
		coap_assoc_ping(c->assoc);
	}
	ev_alarm_start(&c->look, MIN(LOOK_MS, c->server.silence_ms));
}

/* --- requests --------------------------------------------------------------------------------- */

void coaps_submit(struct coaps *c, struct coaps_request *q)
{
	int r;

	assert(!c->request);
	q->code = 0;
	q->max_age = 0;
	q->unsent = q->too_large = false;
	q->answer = NULL;
	q->answer_n = 0;
	c->request = q;
	c->sent = c->replaced = c->shown = c->insisted = false;
	c->tries = 0;
	c->ends_ms = ev_now_ms() + (uint64_t)PATIENCES * q->patience_ms;
	c->error = (struct net_error){ 0 };
	c->figures.requests++;
	ev_alarm_stop(&c->keep);
	r = start_blocks(c);
	if (r == -EMSGSIZE)
		net_error_set(&c->error, CAUSE_REFUSED, NET_COAP, -1, "the server takes nothing in blocks, "
			      "and %zu octets are more than a datagram holds", q->body_n);
	else if (r < 0)
		net_error_set(&c->error, CAUSE_LINK_LOST, NET_COAP, -r, "the system has no entropy");
	if (r < 0) {
		ev_task_start(&c->task);
		return;
	}
	ev_alarm_start(&c->deadline, q->patience_ms);
	if (c->state == COAPS_KEPT && !coap_assoc_moved(c->assoc)) {
		c->proven = true;
		begin(c);
	} else {
		connect_anew(c);
	}
}

void coaps_cancel(struct coaps *c, struct coaps_request *q)
{
	if (c->request != q)
		return;
	drop_request(c);
	disconnect(c);
}

void coaps_close(struct coaps *c)
{
	if (!c->request && !c->server.keep_ms)
		disconnect(c);
}

static void on_keep(struct ev_alarm *a)
{
	disconnect(container_of(a, struct coaps, keep));
}

void coaps_figures(const struct coaps *c, struct coaps_figures *ret)
{
	*ret = c->figures;
	ret->open = c->state == COAPS_KEPT || c->state == COAPS_EXPECT_ANSWER;
	if (c->assoc)
		add_figures(&ret->wire, coap_assoc_figures(c->assoc));
}

void coaps_set_format(struct coaps *c, int format)
{
	c->post.format = format;
}

static int split_path(struct coaps *c, const char *path)
{
	struct text rest;
	int r = text_copy(text_of(path), c->path, sizeof(c->path));

	if (r < 0)
		return -EINVAL;
	rest = text_of(c->path);
	while (text_starts(rest, "/"))
		rest = text_skip(rest, 1);
	while (rest.n) {
		if (c->post.path_n == COAP_PATH_SEGMENTS)
			return -EINVAL;
		c->post.path[c->post.path_n++] = text_cut(&rest, '/');
	}
	return 0;
}

static void set_defaults(struct coaps_server *s)
{
	s->datagram = s->datagram ? MIN(s->datagram, COAPS_DATAGRAM_MAX) : DATAGRAM;
	s->block = s->block ? s->block : 1024;
	s->connect_ms = s->connect_ms ? s->connect_ms : CONNECT_MS;
	s->ack_timeout_ms = s->ack_timeout_ms ? s->ack_timeout_ms : ACK_MS;
	s->retransmits = s->retransmits ? s->retransmits : RETRANSMITS;
	s->silence_ms = s->silence_ms ? s->silence_ms : SILENCE_MS;
}

int coaps_new(const struct coaps_server *server, struct coaps **ret)
{
	struct coaps *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->server = *server;
	set_defaults(&c->server);
	c->datagram = c->server.datagram;
	c->post.format = server->format;
	c->post.uri_host = server->uri_host ? c->server.place.host : NULL;
	r = split_path(c, server->path);
	if (r < 0) {
		free(c);
		return r;
	}
	c->names.host = c->server.place.host;
	c->names.port = server->place.port;
	c->names.interface = server->interface;
	c->names.servers = server->name_servers;
	c->names.patience_ms = c->server.connect_ms;
	c->names.done = on_named;
	c->user = (struct coap_assoc_user){ on_ready, on_answered, on_unheard, on_closed };
	c->deadline.fired = on_deadline;
	c->connect_deadline.fired = on_connect_deadline;
	c->attempt.fired = on_attempt;
	c->look.fired = on_look;
	c->keep.fired = on_keep;
	c->task.run = on_task;
	*ret = c;
	return 0;
}

void coaps_free(struct coaps *c)
{
	if (!c)
		return;
	if (c->request)
		coaps_cancel(c, c->request);
	disconnect(c);
	free(c);
}
