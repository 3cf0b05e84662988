#include "sim/eim/lossy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/util.h"

#define REORDER_MS 200u
#define FLIGHT_MAX 6144
#define FLIGHT_DATAGRAMS 12
#define FLIGHT_AGAIN_MS 1000u
#define FLIGHT_GIVE_UP_MS 32000u

/* Content types, and where the epoch is, in a DTLS record's head. */
enum { DTLS_CCS = 20, DTLS_ALERT = 21, DTLS_HANDSHAKE = 22, DTLS_DATA = 23 };
#define DTLS_HEAD 13
#define CLIENT_HELLO 1
#define HELLO_VERIFY_REQUEST 3

/* The server's latest part of a handshake, RFC 6347 4.2.4. */
struct flight {
	uint8_t octets[FLIGHT_MAX];
	size_t ends[FLIGHT_DATAGRAMS], n;
	struct ev_alarm alarm;          /* until there is an answer */
	unsigned again_ms;
	bool answered;
};

struct se_lossy_client {
	struct list_node node;
	struct se_lossy *net;
	struct ev_watch watch;
	struct sockaddr_in at;          /* the client's own */
	int fd;                         /* towards the server */
	uint16_t port;                  /* of ours there */
	unsigned swallow;
	bool established;               /* application data has been seen from it */
	struct flight flight;
};

/* A datagram on its way. */
struct waiting {
	struct list_node node;
	struct ev_alarm alarm;
	struct se_lossy_client *client;
	bool up, reordered;
	size_t n;
	uint8_t octets[];
};

/* --- dice ------------------------------------------------------------------------------------- */

/* xorshift32: the same run for the same seed, whatever the C library is. */
static uint32_t roll(struct se_lossy *l, uint32_t below)
{
	uint32_t x = l->dice;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	l->dice = x;
	return below ? x % below : 0;
}

static bool strikes(struct se_lossy *l, unsigned percent)
{
	return percent && roll(l, 100) < percent;
}

static void seed(struct se_lossy *l, uint32_t value)
{
	l->rules.seed = value;
	/* Neither zero nor small, which this generator is slow to leave. */
	l->dice = value * 2654435761u ^ 0x9e3779b9u;
	if (!l->dice)
		l->dice = 1;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void on_answer(struct ev_watch *w, unsigned what);
static void on_flight_again(struct ev_alarm *a);
static void waiting_free(struct waiting *d);

static void forget_waiting(struct se_lossy *l, const struct se_lossy_client *c, bool up_too)
{
	struct waiting *d, *tmp;

	list_for_each_safe(d, tmp, &l->waiting, node) {
		if (d->client == c && (up_too || !d->up))
			waiting_free(d);
	}
}

static void client_free(struct se_lossy_client *c)
{
	forget_waiting(c->net, c, true);
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->flight.alarm);
	if (c->fd >= 0)
		close(c->fd);
	list_del(&c->node);
	c->net->n--;
	free(c);
}

/* A socket towards the server; the old one, if there is one, goes. */
static int client_dial(struct se_lossy_client *c)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    connect(fd, (struct sockaddr *)&c->net->server, sizeof(c->net->server)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &n) < 0) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	ev_watch_stop(&c->watch);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fd;
	c->port = ntohs(own.sin_port);
	ev_watch_start(&c->watch, fd, EV_IN);
	return 0;
}

static struct se_lossy_client *client_find(struct se_lossy *l, const struct sockaddr_in *at)
{
	struct se_lossy_client *c;

	list_for_each(c, &l->clients, node) {
		if (c->at.sin_port == at->sin_port &&
		    c->at.sin_addr.s_addr == at->sin_addr.s_addr)
			return c;
	}
	return NULL;
}

static struct se_lossy_client *client_by_port(const struct se_lossy *l, uint16_t port)
{
	struct se_lossy_client *c;

	list_for_each(c, &l->clients, node) {
		if (c->port == port)
			return c;
	}
	return NULL;
}

/* The one that has been silent for longest makes room. */
static struct se_lossy_client *client_new(struct se_lossy *l, const struct sockaddr_in *at)
{
	struct se_lossy_client *c;

	if (l->n >= SE_LOSSY_CLIENTS_MAX)
		client_free(list_first(&l->clients, struct se_lossy_client, node));
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->net = l;
	c->at = *at;
	c->fd = -1;
	c->watch.ready = on_answer;
	c->flight.alarm.fired = on_flight_again;
	list_add(&l->clients, &c->node);
	l->n++;
	if (client_dial(c) < 0) {
		client_free(c);
		return NULL;
	}
	return c;
}

/* --- datagrams -------------------------------------------------------------------------------- */

/* What cannot be sent now is lost: that is how networks are. */
static void pass(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n)
{
	if (up)
		(void)!send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (!c->net->refusing)
		(void)!sendto(c->net->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL,
			      (const struct sockaddr *)&c->at, sizeof(c->at));
}

static void waiting_free(struct waiting *d)
{
	ev_alarm_stop(&d->alarm);
	list_del(&d->node);
	d->client->net->waiting_n--;
	free(d);
}

static void waiting_pass(struct waiting *d)
{
	if (!d->client->net->deaf)
		pass(d->client, d->up, d->octets, d->n);
	waiting_free(d);
}

static void on_due(struct ev_alarm *a)
{
	waiting_pass(container_of(a, struct waiting, alarm));
}

static void hold(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n, unsigned ms,
		 bool reordered)
{
	struct se_lossy *l = c->net;
	struct waiting *d = l->waiting_n < SE_LOSSY_WAITING_MAX ? calloc(1, sizeof(*d) + n) : NULL;

	if (!d) {
		l->counts.lost++;
		return;
	}
	d->client = c;
	d->up = up;
	d->reordered = reordered;
	d->n = n;
	memcpy(d->octets, p, n);
	d->alarm.fired = on_due;
	list_add(&l->waiting, &d->node);
	l->waiting_n++;
	ev_alarm_start(&d->alarm, ms);
}

/* Those of this direction that waited for another one to overtake them. */
static void release_overtaken(struct se_lossy_client *c, bool up)
{
	struct waiting *d, *tmp;

	list_for_each_safe(d, tmp, &c->net->waiting, node) {
		if (d->client == c && d->up == up && d->reordered)
			waiting_pass(d);
	}
}

static void travel(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n)
{
	struct se_lossy *l = c->net;
	const struct se_lossy_rules *r = &l->rules;
	unsigned ms = r->delay_ms + (r->jitter_ms ? roll(l, r->jitter_ms + 1) : 0);

	if (strikes(l, up ? r->loss_up : r->loss_down)) {
		l->counts.lost++;
		return;
	}
	if (strikes(l, r->duplicate)) {
		l->counts.duplicated++;
		hold(c, up, p, n, ms + 1, false);
	}
	if (strikes(l, r->reorder)) {
		l->counts.reordered++;
		hold(c, up, p, n, ms + REORDER_MS, true);
		return;
	}
	if (ms)
		hold(c, up, p, n, ms, false);
	else
		pass(c, up, p, n);
	release_overtaken(c, up);
}

/* --- what shows of DTLS ----------------------------------------------------------------------- */

static bool is_record(const uint8_t *p, size_t n, uint8_t type, unsigned epoch)
{
	return n >= DTLS_HEAD && p[0] == type && p[1] == 0xfe &&
	       (unsigned)(p[3] << 8 | p[4]) == epoch;
}

static bool is_client_hello(const uint8_t *p, size_t n)
{
	return is_record(p, n, DTLS_HANDSHAKE, 0) && n > DTLS_HEAD && p[DTLS_HEAD] == CLIENT_HELLO;
}

/* Does the list of suites have this one? RFC 6347, 4.2.1 for where it is. */
static bool offers(const uint8_t *p, size_t n, unsigned suite)
{
	size_t at = DTLS_HEAD + 12 + 2 + 32, end;

	for (int lists = 0; lists < 2; lists++) {       /* session id, cookie */
		if (at >= n)
			return true;
		at += 1u + p[at];
	}
	if (at + 2 > n)
		return true;
	end = at + 2 + (size_t)(p[at] << 8 | p[at + 1]);
	for (at += 2; at + 2 <= end && at + 2 <= n; at += 2) {
		if ((unsigned)(p[at] << 8 | p[at + 1]) == suite)
			return true;
	}
	return false;
}

/* A fatal alert before there are keys. */
static void refuse(struct se_lossy_client *c, uint8_t alert)
{
	const uint8_t record[] = { DTLS_ALERT, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, alert };

	c->net->counts.refused++;
	pass(c, false, record, sizeof(record));
}

#define TLS_PSK_WITH_AES_128_CCM_8 0xc0a8
#define INSUFFICIENT_SECURITY 71

/* True: the habits leave nothing to pass on. */
static bool stopped_by_habit(struct se_lossy_client *c, const uint8_t *p, size_t n)
{
	struct se_lossy *l = c->net;

	if (l->datagram_max && n > l->datagram_max) {
		l->counts.refused++;
		if (l->too_long)
			l->too_long(l, c->port, n);
		return true;
	}
	if (is_record(p, n, DTLS_DATA, 1))
		c->established = true;
	if (!is_client_hello(p, n))
		return false;
	if (l->lose_hello && !c->established && l->lose_hello(l)) {
		l->counts.lost++;
		return true;
	}
	if (l->needs_ccm8 && !offers(p, n, TLS_PSK_WITH_AES_128_CCM_8)) {
		refuse(c, INSUFFICIENT_SECURITY);
		return true;
	}
	return l->one_handshake && c->established;
}

/* --- handshakes on bad ways ------------------------------------------------------------------- */

/* What is in it is as it was, record numbers included: a client that has it already passes it over. */
static void on_flight_again(struct ev_alarm *a)
{
	struct se_lossy_client *c = container_of(a, struct se_lossy_client, flight.alarm);
	struct flight *f = &c->flight;

	for (size_t k = 0, at = 0; k < f->n && !c->net->deaf; at = f->ends[k++])
		travel(c, false, f->octets + at, f->ends[k] - at);
	f->again_ms *= 2;
	if (f->again_ms < FLIGHT_GIVE_UP_MS)
		ev_alarm_start(&f->alarm, f->again_ms);
}

/* A HelloVerifyRequest is none: who sends it keeps nothing. */
static bool is_of_flight(const uint8_t *p, size_t n)
{
	return n > DTLS_HEAD && (p[0] == DTLS_HANDSHAKE || p[0] == DTLS_CCS) &&
	       !(is_record(p, n, DTLS_HANDSHAKE, 0) && p[DTLS_HEAD] == HELLO_VERIFY_REQUEST);
}

static void keep_flight(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n)
{
	struct flight *f = &c->flight;
	size_t at = f->n ? f->ends[f->n - 1] : 0;

	if (!c->net->sends_again)
		return;
	if (up || !is_of_flight(p, n)) {
		/* The client goes on, or it is over. */
		ev_alarm_stop(&f->alarm);
		f->answered = true;
		return;
	}
	if (f->answered)
		f->n = at = 0;
	f->answered = false;
	if (f->n == FLIGHT_DATAGRAMS || at + n > FLIGHT_MAX)
		return;
	memcpy(f->octets + at, p, n);
	f->ends[f->n++] = at + n;
	f->again_ms = FLIGHT_AGAIN_MS;
	ev_alarm_start(&f->alarm, f->again_ms);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static bool is_let_through(struct se_lossy_client *c, bool up, uint8_t *p, ssize_t *n)
{
	size_t left = (size_t)*n;
	bool good = !c->net->look || c->net->look(c->net, c, up, p, &left);

	*n = (ssize_t)left;
	return good;
}

static void read_answers(struct se_lossy_client *c)
{
	uint8_t buf[SE_LOSSY_DATAGRAM_MAX];
	struct se_lossy *l = c->net;
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		l->counts.down++;
		/* An encrypted alert ends the session: its address may be used anew. */
		if (is_record(buf, (size_t)n, DTLS_ALERT, 1))
			c->established = false;
		if (c->swallow) {
			c->swallow--;
			l->counts.swallowed++;
			continue;
		}
		keep_flight(c, false, buf, (size_t)n);
		if (!l->deaf && is_let_through(c, false, buf, &n))
			travel(c, false, buf, (size_t)n);
	}
}

static void on_answer(struct ev_watch *w, unsigned what)
{
	(void)what;
	read_answers(container_of(w, struct se_lossy_client, watch));
}

static void on_request(struct ev_watch *w, unsigned what)
{
	struct se_lossy *l = container_of(w, struct se_lossy, watch);
	uint8_t buf[SE_LOSSY_DATAGRAM_MAX];
	struct sockaddr_in from;
	struct se_lossy_client *c;
	socklen_t len = sizeof(from);
	ssize_t n;

	(void)what;
	while ((n = recvfrom(l->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &len)) >= 0) {
		len = sizeof(from);
		l->counts.up++;
		if (l->deaf)
			continue;
		c = client_find(l, &from);
		if (!c)
			c = client_new(l, &from);
		if (!c)
			continue;
		list_del(&c->node);
		list_add(&l->clients, &c->node);
		keep_flight(c, true, buf, (size_t)n);
		if (!stopped_by_habit(c, buf, (size_t)n) && is_let_through(c, true, buf, &n))
			travel(c, true, buf, (size_t)n);
	}
}

/* A socket there; which place it has got. -errno. */
static int bind_at(struct sockaddr_in *at, int *ret_fd)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;
	socklen_t n = sizeof(*at);

	if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof(*at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)at, &n) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* One that the system has chosen would be lost with se_lossy_refuse(): it is asked for by its number then. */
static int bind_anywhere(struct sockaddr_in *at, int *ret_fd)
{
	int r = -EADDRINUSE;

	for (int tries = 0; r == -EADDRINUSE && tries < 8; tries++) {
		at->sin_port = 0;
		r = bind_at(at, ret_fd);
		if (r < 0)
			return r;
		close(*ret_fd);
		r = bind_at(at, ret_fd);
	}
	return r;
}

int se_lossy_open(struct se_lossy *l, const char *address, uint16_t *port, uint16_t server_port)
{
	int r;

	l->at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(*port) };
	l->server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(server_port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	list_init(&l->clients);
	list_init(&l->waiting);
	l->watch.ready = on_request;
	if (!l->dice)
		seed(l, 1);
	l->fd = -1;
	if (inet_pton(AF_INET, address, &l->at.sin_addr) != 1)
		return -EINVAL;
	r = *port ? bind_at(&l->at, &l->fd) : bind_anywhere(&l->at, &l->fd);
	if (r < 0) {
		l->fd = -1;
		return r;
	}
	*port = ntohs(l->at.sin_port);
	ev_watch_start(&l->watch, l->fd, EV_IN);
	return 0;
}

void se_lossy_close(struct se_lossy *l)
{
	struct se_lossy_client *c;

	if (!l->clients.next)
		return;         /* it was never opened */
	while ((c = list_first(&l->clients, struct se_lossy_client, node)))
		client_free(c);
	ev_watch_stop(&l->watch);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* --- orders ----------------------------------------------------------------------------------- */

struct rule {
	const char *name;
	size_t at, also;                /* offsets in the rules; also 0: only one */
	uint32_t max;
};

#define AT(member) offsetof(struct se_lossy_rules, member)

static const struct rule rules[] = {
	{ "loss-up", AT(loss_up), 0, 100 },
	{ "loss-down", AT(loss_down), 0, 100 },
	{ "loss", AT(loss_up), AT(loss_down), 100 },
	{ "duplicate", AT(duplicate), 0, 100 },
	{ "reorder", AT(reorder), 0, 100 },
	{ "delay", AT(delay_ms), 0, 60000 },
	{ "jitter", AT(jitter_ms), 0, 60000 },
};

static int set_one(struct se_lossy_rules *to, struct text name, uint32_t v)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!text_eq(name, rules[i].name))
			continue;
		if (v > rules[i].max)
			return -ERANGE;
		*(unsigned *)((char *)to + rules[i].at) = v;
		if (rules[i].also)
			*(unsigned *)((char *)to + rules[i].also) = v;
		return 0;
	}
	return -ENOENT;
}

int se_lossy_set(struct se_lossy *l, struct text line, char why[128])
{
	struct se_lossy_rules to = l->rules;
	bool seeded = false;
	uint32_t v;

	if (text_eq(line, "none"))
		to = (struct se_lossy_rules){ .seed = to.seed };
	else if (!line.n)
		line = TEXT("?");
	while (line.n && !text_eq(line, "none")) {
		struct text one = text_cut(&line, ','), name = text_cut(&one, '=');
		int r = text_to_u32(one, 10, &v);

		if (r == 0 && text_eq(name, "seed")) {
			to.seed = v;
			seeded = true;
			continue;
		}
		if (r == 0)
			r = set_one(&to, name, v);
		if (r < 0) {
			snprintf(why, 128, TEXT_FMT ": %s", (int)MIN(name.n, 40u), name.s,
				 r == -ENOENT ? "no such rule" : r == -ERANGE ? "too much" :
				 "expected =NUMBER");
			return -EINVAL;
		}
	}
	l->rules = to;
	if (seeded)
		seed(l, to.seed);
	return 0;
}

void se_lossy_print(const struct se_lossy *l, FILE *out)
{
	const struct se_lossy_counts *n = &l->counts;

	fprintf(out, "loss-up=%u,loss-down=%u,duplicate=%u,reorder=%u,delay=%u,jitter=%u,seed=%u%s\n",
		l->rules.loss_up, l->rules.loss_down, l->rules.duplicate, l->rules.reorder,
		l->rules.delay_ms, l->rules.jitter_ms, l->rules.seed, l->deaf ? "  UNREACHABLE" : "");
	fprintf(out,
		"%u clients, %u datagrams up, %u down, %u lost, %u duplicated, %u reordered, "
		"%u swallowed, %u refused, %u rebound\n",
		l->n, n->up, n->down, n->lost, n->duplicated, n->reordered, n->swallowed,
		n->refused, n->rebound);
}

unsigned se_lossy_rebind(struct se_lossy *l)
{
	struct se_lossy_client *c;
	unsigned n = 0;

	list_for_each(c, &l->clients, node) {
		if (client_dial(c) < 0)
			continue;
		/* To the new address the server has said nothing yet. */
		c->swallow = 0;
		c->established = false;
		forget_waiting(l, c, false);
		n++;
	}
	l->counts.rebound += n;
	return n;
}

void se_lossy_drain(struct se_lossy *l)
{
	struct se_lossy_client *c;

	list_for_each(c, &l->clients, node)
		read_answers(c);
}

void se_lossy_deafen(struct se_lossy *l, bool deaf)
{
	l->deaf = deaf;
}

/* A socket that is connected, to itself here, is not there for anybody else; but the port stays ours. */
int se_lossy_refuse(struct se_lossy *l, bool refuse)
{
	struct sockaddr_in to = refuse ? l->at : (struct sockaddr_in){ .sin_family = AF_UNSPEC };

	if (connect(l->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	l->refusing = refuse;
	return 0;
}

void se_lossy_send(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n, unsigned ms,
		   bool behind_next)
{
	hold(c, up, p, n, ms, behind_next);
}

void se_lossy_swallow(struct se_lossy *l, uint16_t port)
{
	struct se_lossy_client *c = client_by_port(l, port);

	if (!c)
		return;
	read_answers(c);
	c->swallow++;
}

void se_lossy_name(const struct se_lossy *l, uint16_t port, char ret[32])
{
	const struct se_lossy_client *c = client_by_port(l, port);
	char address[INET_ADDRSTRLEN] = "?";

	if (c)
		inet_ntop(AF_INET, &c->at.sin_addr, address, sizeof(address));
	snprintf(ret, 32, "%s:%u", address, c ? ntohs(c->at.sin_port) : 0);
}
