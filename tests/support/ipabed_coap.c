#include "support/ipabed_coap.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "esipa/coaps.h"
#include "esipa/ways.h"
#include "sim/eim/coap.h"
#include "sim/eim/lossy.h"
#include "sim/eim/store.h"
#include "support/test.h"
#include "support/tree.h"
#include "unit/fake_clock.h"

#define KEY "a-secret-of-ours"
#define HOUR_MS 3600000
#define HANDLE 0xbf3d
#define EMPTY (4 + 29)          /* octets of a message without anything, and of its record */
#define ALIKE_MS 10000
#define BEGIN_MS 50             /* how long a daemon that was killed stays away at least */

const char *const harm_names[_HARM_MAX] = {
	"unharmed", "lost", "lost, and three more", "lost for 10 s", "doubled", "repeated later", "overtaken", "late", "very late",
	"damaged", "shortened", "after noise", "after a false alert", "silence", "long silence", "away", "refused",
	"refused for long", "rebound", "server forgets", "server leaves", "4.00", "4.04", "4.08", "4.13", "4.15",
	"4.29", "5.00", "5.03", "empty", "garbage", "truncated", "wrong tag", "other format", "no answer",
	"ACK only", "RST", "closed", "stalls", "closes", "slow", "too slow",
	"unwanted", "daemon killed",
	"daemon killed after it", "power cut", "power cut after it",
};

/* The server's own faults. */
static const char *const faults[_HARM_MAX] = {
	[H_BAD_REQUEST] = "http=400", [H_NOT_FOUND] = "http=404", [H_INCOMPLETE] = "http=408",
	[H_TOO_LARGE] = "http=413", [H_BAD_FORMAT] = "http=415", [H_TOO_MANY] = "http=429",
	[H_SERVER_ERROR] = "http=500", [H_UNAVAILABLE] = "http=503",
	[H_EMPTY] = "empty", [H_GARBAGE] = "garbage", [H_TRUNCATED] = "truncated",
	[H_WRONG_TAG] = "wrong-tag", [H_OTHER_FORMAT] = "content-type=50", [H_NO_ANSWER] = "no-answer",
	[H_ACK_ONLY] = "ack-only", [H_RESET] = "rst", [H_CLOSED] = "reset", [H_STALLS] = "stall",
	[H_CLOSES] = "close", [H_SLOW] = "slow=6000", [H_TOO_SLOW] = "slow=90000",
};

struct ipabed_coap ipabed_coap;

/* Of the client's datagrams not all have an answer: acknowledgements, pings. */
bool harm_applies(enum harm h, const struct coap_datagram *d)
{
	if (h == H_UNWANTED && d->tag != HANDLE)
		return false;
	return !harm_is_an_answer(h) || (d->up && !d->handshake && d->tag && d->n > EMPTY);
}

static struct road {
	struct se_server server;
	struct se_lossy net;
	struct psk psk;
	char dir[40];                   /* of the server's certificate; "": it has none */
	struct trust *trust;
	uint16_t port;
	char used[ES10_ICCID_TEXT_MAX]; /* whose network the gateway is in */
	/* what was done, and lasts */
	uint64_t silent_until_ms;
	unsigned lose_up, lose_down;
	uint64_t lose_until_ms;         /* all of this length … */
	size_t lose_n;
	bool lose_alike_up;             /* … and direction */
	const struct se_lossy_client *client;   /* of the latest datagram */
	size_t armed;                   /* faults of the server's */
	struct ev_task close_task, restart_task;
	struct ev_alarm open_alarm, begin_alarm, kill_alarm, wanted_alarm;
	enum trouble kill;
	bool politely;
	/* the daemon's link, in ours */
	struct eim_link link, *inner;
	struct eim_exchange mine, *theirs;
	uint16_t tag;
} road;

/* --- the harm ------------------------------------------------------------------------------------------ */

static void on_close(struct ev_task *t)
{
	(void)t;
	assert_int_equal(se_lossy_refuse(&road.net, true), 0);
}

static void on_open(struct ev_alarm *a)
{
	(void)a;
	assert_int_equal(se_lossy_refuse(&road.net, false), 0);
}

/* What goes for the network goes for whom it leads to: nobody is there. */
static void refuse_for(unsigned ms)
{
	ev_task_start(&road.close_task);
	ev_alarm_start(&road.open_alarm, ms);
}

/* The eIM keeps nothing there, but the server finds its certificate there when it starts. */
static void show_dir(bool show)
{
	snprintf(ipabed.eim.dir, sizeof(ipabed.eim.dir), "%s", show ? road.dir : "");
}

void ipabed_coap_restart(bool politely)
{
	char verb[] = "restart", how[] = "politely", *words[] = { verb, how, NULL };
	char *said = NULL;
	size_t n;
	FILE *out = open_memstream(&said, &n);
	int r;

	show_dir(true);
	r = road.server.coap->command(road.server.coap, politely ? 2 : 1, words, out);
	show_dir(false);
	fclose(out);
	if (r)
		fail_msg("%s", said);
	free(said);
}

static void on_restart(struct ev_task *t)
{
	(void)t;
	ipabed_coap_restart(road.politely);
}

static void on_kill(struct ev_alarm *a)
{
	(void)a;
	(void)ipabed_ends_daemon(road.kill);
}

static void kill_in(unsigned ms, enum trouble how)
{
	road.kill = how;
	ev_alarm_start(&road.kill_alarm, ms);
}

static void arm_one(const char *fault, const char *on)
{
	char line[64];
	const char *why;

	snprintf(line, sizeof(line), "%s,on=%s", fault, on);
	assert_int_equal(se_fault_add(&ipabed.eim.faults, text_of(line), &why), 0);
}

/* Whether it is a whole message or a block of one, the server knows. */
static void arm(enum harm h)
{
	if (h == H_UNWANTED) {
		ipabed_coap.away_until_ms = ev_now_ms() + IPABED_AWAY_S * 1000;
		ev_alarm_start(&road.wanted_alarm, IPABED_AWAY_S * 1000);
		arm_one("http=404", "notify,count=forever");
		return;
	}
	arm_one(faults[h], "any");
	arm_one(faults[h], "block");
	road.armed = ipabed.eim.faults.n;
}

/* What has struck, or has found nothing to strike at, does not wait for another message. */
static void disarm(void)
{
	if (road.armed)
		se_fault_clear(&ipabed.eim.faults);
	road.armed = 0;
}

static void on_wanted(struct ev_alarm *a)
{
	(void)a;
	se_fault_clear(&ipabed.eim.faults);
}

static void away_for(unsigned ms, bool icmp)
{
	ipabed_coap.away_until_ms = MAX(ipabed_coap.away_until_ms, ev_now_ms() + ms);
	if (icmp)
		refuse_for(ms);
	else
		road.silent_until_ms = MAX(road.silent_until_ms, ev_now_ms() + ms);
}

/* The way itself: false, the datagram is lost with it. */
static bool harm_way(enum harm h)
{
	if (h == H_SILENCE)
		away_for(15000, false);
	else if (h == H_LONG_SILENCE)
		away_for(100000, false);
	else if (h == H_AWAY)
		away_for(IPABED_AWAY_S * 1000, false);
	else if (h == H_REFUSED)
		away_for(5000, true);
	else if (h == H_REFUSED_AWAY)
		away_for(IPABED_AWAY_S * 1000, true);
	else if (h == H_REBOUND)
		(void)se_lossy_rebind(&road.net);
	return false;
}

static void send_noise(struct se_lossy_client *c, bool up)
{
	uint8_t noise[61];

	for (size_t k = 0; k < sizeof(noise); k++)
		noise[k] = (uint8_t)(k * 89 + 23);
	se_lossy_send(c, up, noise, sizeof(noise), 0, false);
}

/* Fatal, handshake_failure; nobody has signed it. */
static void send_alert(struct se_lossy_client *c, bool up)
{
	static const uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };

	se_lossy_send(c, up, alert, sizeof(alert), 0, false);
}

/* This datagram: false, it goes no further now. */
static bool harm_datagram(enum harm h, struct se_lossy_client *c, bool up, uint8_t *p, size_t *n)
{
	switch ((int)h) {
	case H_LOST_OFTEN:
		*(up ? &road.lose_up : &road.lose_down) = 3;
		return false;
	case H_LOST_ALIKE:
		road.lose_until_ms = ev_now_ms() + ALIKE_MS;
		road.lose_n = *n;
		road.lose_alike_up = up;
		return false;
	case H_DOUBLED:
		se_lossy_send(c, up, p, *n, 1, false);
		return true;
	case H_REPEATED:
		se_lossy_send(c, up, p, *n, 30000, false);
		return true;
	case H_OVERTAKEN:
		se_lossy_send(c, up, p, *n, 1000, true);
		return false;
	case H_LATE:
		se_lossy_send(c, up, p, *n, 5000, false);
		return false;
	case H_VERY_LATE:
		se_lossy_send(c, up, p, *n, 50000, false);
		return false;
	case H_DAMAGED:
		p[*n - 3] ^= 0x10;
		return true;
	case H_SHORTENED:
		*n /= 2;
		return true;
	case H_NOISE:
		send_noise(c, up);
		se_lossy_send(c, up, p, *n, 1, false);
		return false;
	case H_FALSE_ALERT:
		send_alert(c, up);
		se_lossy_send(c, up, p, *n, 1, false);
		return false;
	default:
		return false;
	}
}

static bool harm_gateway(enum harm h, bool up)
{
	enum trouble how = h == H_KILLED || h == H_KILLED_AFTER ? KILLED : POWER;
	bool after = h == H_KILLED_AFTER || h == H_POWER_AFTER;

	/* What has come it has read, but nothing of what it would do next comes of it. */
	kill_in(after && !up ? 1 : 0, how);
	return after;
}

static bool do_harm(enum harm h, struct se_lossy_client *c, bool up, uint8_t *p, size_t *n)
{
	if (harm_is_an_answer(h)) {
		arm(h);
		return true;
	}
	if (h == H_FORGETS || h == H_LEAVES) {
		road.politely = h == H_LEAVES;
		if (up)
			on_restart(&road.restart_task);
		else
			ev_task_start(&road.restart_task);
		return true;
	}
	if (h >= H_KILLED)
		return harm_gateway(h, up);
	if (h >= H_SILENCE)
		return harm_way(h);
	return harm_datagram(h, c, up, p, n);
}

/* --- the network ------------------------------------------------------------------------------------------ */

static struct coap_datagram *note(bool up, const uint8_t *p, size_t n)
{
	unsigned k = MIN(ipabed_coap.datagrams, (unsigned)COAP_DATAGRAMS_MAX - 1);
	struct coap_datagram *d = &ipabed_coap.log[k];

	ipabed_coap.datagrams++;
	*d = (struct coap_datagram){ .up = up, .handshake = n && p[0] != 23, .tag = road.tag,
				     .exchange = ipabed_coap.exchanges, .n = n, .at_ms = ev_now_ms() };
	return d;
}

/* With another profile the gateway is in another network, and has another address. */
static void move(void)
{
	if (strcmp(road.used, ipabed.used) != 0 && road.used[0]) {
		ipabed_coap.moves++;
		(void)se_lossy_rebind(&road.net);
	}
	memcpy(road.used, ipabed.used, sizeof(road.used));
}

static bool look(struct se_lossy *l, struct se_lossy_client *c, bool up, uint8_t *p, size_t *n)
{
	unsigned *lose = up ? &road.lose_up : &road.lose_down;
	const struct coap_datagram *d = note(up, p, *n);

	(void)l;
	ipabed_coap.associations += up && c != road.client;
	road.client = up ? c : road.client;
	move();
	if (road.armed && road.armed != ipabed.eim.faults.n)
		disarm();
	for (size_t k = 0; k < COAP_STRIKES; k++) {
		struct coap_strike *s = &ipabed_coap.strikes[k];

		if (ipabed_coap.enough || ipabed_coap.datagrams != s->at || s->harm == UNHARMED ||
		    !harm_applies(s->harm, d))
			continue;
		s->struck = true;
		s->what = *d;
		return do_harm(s->harm, c, up, p, n);
	}
	if (*lose) {
		--*lose;
		return false;
	}
	if (ev_now_ms() < road.lose_until_ms && *n == road.lose_n && up == road.lose_alike_up)
		return false;
	return ipabed.ipa.online && ev_now_ms() >= road.silent_until_ms;
}

/* --- the daemon's link ------------------------------------------------------------------------------------ */

static void on_done(struct eim_exchange *m, const struct cause *why)
{
	struct eim_exchange *x = road.theirs;

	road.theirs = NULL;
	road.tag = 0;
	disarm();
	x->reply = m->reply;
	x->reply_n = m->reply_n;
	x->unsent = m->unsent;
	x->too_large = m->too_large;
	memcpy(x->text, m->text, sizeof(x->text));
	x->done(x, why);
}

static void on_grown(struct eim_exchange *m)
{
	struct eim_exchange *x = road.theirs;

	x->reply = m->reply;
	x->reply_n = m->reply_n;
	x->grown(x);
}

static void exchange(struct eim_link *l, struct eim_exchange *x)
{
	char what[48];

	(void)l;
	road.tag = (uint16_t)(x->request[0] << 8 | x->request[1]);
	ipabed_coap.exchanges++;
	snprintf(what, sizeof(what), "ESipa %04X", road.tag);
	(void)ipabed_note(TO_EIM, what);
	road.theirs = x;
	road.mine = *x;
	road.mine.done = on_done;
	road.mine.grown = x->grown ? on_grown : NULL;
	eim_exchange(road.inner, &road.mine);
}

static void cancel(struct eim_link *l, struct eim_exchange *x)
{
	(void)l;
	if (road.theirs != x)
		return;
	road.theirs = NULL;
	road.tag = 0;
	eim_cancel(road.inner, &road.mine);
}

static void close_link(struct eim_link *l)
{
	(void)l;
	eim_close(road.inner);
}

static void free_link(struct eim_link *l)
{
	(void)l;
	eim_free(road.inner);
	road.inner = NULL;
}

static const struct eim_link_ops ops = {
	.exchange = exchange, .cancel = cancel, .close = close_link, .free = free_link,
};

/* With the daemon's presets (config/cellmux.conf), but that associations are kept from visit to visit. */
static struct eim_link *dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	struct esipa_coaps o = { .server = { .psk = road.trust ? NULL : &road.psk, .trust = road.trust, .format = -1, .datagram = 1152, .block = 1024,
					     .ack_timeout_ms = 2000, .retransmits = 4, .silence_ms = 20000,
					     .idle_limit_ms = 16000, .keep_ms = 2 * IPABED_INTERVAL_S * 1000 } };
	struct esipa_ways w = { .name = "eim1" };

	(void)i;
	(void)e;
	(void)why;
	assert_int_equal(net_place_parse(TEXT("127.0.0.1"), road.port, &o.server.place), 0);
	assert_int_equal(esipa_coaps_new(&o, &w.links[0]), 0);
	assert_int_equal(esipa_ways_new(&w, &road.inner), 0);
	road.link.ops = &ops;
	return &road.link;
}

/* --- the way ------------------------------------------------------------------------------------------------ */

static void reset(void)
{
	static bool opened;

	if (!opened)
		fake_clock_open();
	opened = true;
	fake_clock_reset(ipabed_coap.seed);
}

static void on_begin(struct ev_alarm *a)
{
	(void)a;
	se_lossy_deafen(&road.net, false);
}

static void make_certificate(void)
{
	static struct se_eim maker;
	struct se_init_wish wish = { .pki = ipabed_pki("") };
	char why[256] = "";
	unsigned n;

	if (!ipabed_coap.certificate)
		return;
	strcpy(road.dir, "/tmp/cellmux-eim-XXXXXX");
	assert_non_null(mkdtemp(road.dir));
	se_eim_init(&maker, road.dir);
	if (se_store_init(&maker, &wish, why) < 0)
		fail_msg("%s", why);
	se_eim_done(&maker);
	assert_int_equal(trust_new(&road.trust), 0);
	assert_int_equal(trust_add_path(road.trust, ipabed_pki("ci.pem"), &n, why), 0);
}

static void open_way(void)
{
	struct se_coap_wish wish = { .address = "127.0.0.1", .keys = { KEY }, .keys_n = 1,
				     .habits = ipabed_coap.habits ? ipabed_coap.habits : "idle=7200" };
	char why[256] = "";

	memset(&road, 0, sizeof(road));
	road.close_task.run = on_close;
	road.restart_task.run = on_restart;
	road.open_alarm.fired = on_open;
	road.begin_alarm.fired = on_begin;
	road.kill_alarm.fired = on_kill;
	road.wanted_alarm.fired = on_wanted;
	road.psk = (struct psk){ .identity_n = 7, .key_n = strlen(KEY) };
	memcpy(road.psk.identity, "gateway", 7);
	memcpy(road.psk.key, KEY, strlen(KEY));
	/* Over CoAP only; but as one whose other listener is open. */
	road.server.eim = &ipabed.eim;
	make_certificate();
	show_dir(true);
	if (se_coap_start(&road.server, &wish, why) < 0)
		fail_msg("%s", why);
	show_dir(false);
	road.net.look = look;
	assert_int_equal(se_lossy_open(&road.net, "127.0.0.1", &road.port, ipabed.eim.coap_port), 0);
	memset(ipabed_coap.strikes, 0, sizeof(ipabed_coap.strikes));
	ipabed_coap.enough = false;
	ipabed_coap_forget();
}

static void close_way(void)
{
	ev_task_stop(&road.close_task);
	ev_task_stop(&road.restart_task);
	ev_alarm_stop(&road.open_alarm);
	ev_alarm_stop(&road.begin_alarm);
	ev_alarm_stop(&road.kill_alarm);
	ev_alarm_stop(&road.wanted_alarm);
	se_coap_stop(&road.server);
	coap_library_close();
	se_lossy_close(&road.net);
	trust_free(road.trust);
	if (road.dir[0])
		tree_remove(road.dir);
}

static void stop(void)
{
	ev_alarm_stop(&road.kill_alarm);
	road.theirs = NULL;
	road.tag = 0;
	disarm();
	se_lossy_deafen(&road.net, true);
	ev_alarm_start(&road.begin_alarm, BEGIN_MS);
}

static bool is_asked(void)
{
	return road.theirs != NULL;
}

const struct ipabed_way ipabed_by_coap = { reset, open_way, close_way, stop, is_asked, dial };

void ipabed_coap_forget(void)
{
	ipabed_coap.datagrams = ipabed_coap.exchanges = ipabed_coap.associations = 0;
	ipabed_coap.moves = 0;
	road.client = NULL;
	ipabed_coap.away_until_ms = 0;
}

void ipabed_coap_net(const char *rules)
{
	char why[128];

	if (se_lossy_set(&road.net, text_of(rules), why) < 0)
		fail_msg("%s", why);
}

void ipabed_coap_rebind(void)
{
	(void)se_lossy_rebind(&road.net);
}

unsigned ipabed_coap_busiest_hour(void)
{
	unsigned n = MIN(ipabed_coap.datagrams, (unsigned)COAP_DATAGRAMS_MAX), most = 0, now = 0, first = 0;

	for (unsigned k = 0; k < n; k++) {
		now += ipabed_coap.log[k].up;
		for (; ipabed_coap.log[first].at_ms + HOUR_MS < ipabed_coap.log[k].at_ms; first++)
			now -= ipabed_coap.log[first].up;
		most = MAX(most, now);
	}
	return most;
}
