#include "sim/module/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/util.h"

const char control_help[] =
	"  status                         power, card, registration, counters\n"
	"  plug | unplug                  the port comes and goes, and the power with it\n"
	"  hang-up [MS]                   the port alone vanishes for so long (1000)\n"
	"  reset                          the module restarts by itself\n"
	"  power on|off                   with the port left in place\n"
	"  hang reset|power|supply        it hears and says nothing until its RESET line, PWRKEY or\n"
	"                                 the loss of its supply has ended that\n"
	"  lines                          the wires beside the port: levels, last pulses in ms\n"
	"  line NAME out 0|1              drives pwrkey, reset, supply or dtr, until the client leaves\n"
	"  line NAME in                   the level of status or ri, and again whenever it moves\n"
	"  fault SPEC                     adds a fault; see below\n"
	"  faults [clear]                 how often each kind has struck; or no more faults\n"
	"  sim insert|remove|reset        the card moves, or is reset and read again\n"
	"  card-fault ORDER|clear         the card does something wrong, as sim-euicc --fault\n"
	"  coverage ICCID KIND            none, home, roaming or denied for cards whose ICCID\n"
	"                                 begins so; * for every card\n"
	"  register STATE                 27.007 <stat> whatever the card; auto: by coverage\n"
	"  cell                           another cell: location changes\n"
	"  signal RSSI [RSRQ RSRP]        as +CSQ and +CESQ count\n"
	"  act N                          access technology: 7 LTE, 9 NB-IoT, 11 NR\n"
	"  sms NUMBER TEXT                a message comes in\n"
	"  urc TEXT                       any unsolicited line\n"
	"  no-carrier                     the data connection ends\n"
	"  mux forget                     AT mode again, without a word\n"
	"  mux close [N]                  closes a channel of the mux, or all of it\n"
	"  baud N                         another line speed, 0 not paced\n";

#define say(...) snprintf(answer, cap, __VA_ARGS__)

struct request {
	struct bench *b;
	struct module *m;
	struct text rest;
	char *answer;
	size_t cap;
	struct control_client *client;  /* NULL: somebody without a connection */
};

static struct text word(struct request *q)
{
	struct text t = text_cut(&q->rest, ' ');

	q->rest = text_trim(q->rest);
	return t;
}

/* --- commands: 0 "ok", or whatever they said, or -errno ------------------------------------------- */

static int do_status(struct request *q)
{
	static const char *const power[_MODULE_POWER_MAX] = {
		[MODULE_OFF] = "off", [MODULE_BOOTING] = "booting", [MODULE_RUNNING] = "running",
	};
	const struct module *m = q->m;
	unsigned sessions = 0;

	for (size_t i = 0; i < SLOT_SESSIONS; i++)
		sessions += m->slot.sessions[i].open;
	snprintf(q->answer, q->cap,
		 "ok persona=%s port=%s power=%s cfun=%u card=%s iccid=%s imsi=%s stat=%u "
		 "sessions=%u channels=%d mux=%d "
		 "card_resets=%u apdus=%u rests=%u apdu_ms=%llu octets_in=%llu octets_out=%llu starts=%u "
		 "baud=%u",
		 m->persona->name, q->b->pty.fd >= 0 ? q->b->pty.slave : "none", power[m->power],
		 m->cfun, slot_state_name(m->slot.state), m->slot.iccid, m->slot.imsi, m->net.stat,
		 sessions, __builtin_popcount(m->slot.channels), m->muxed, m->slot.resets,
		 m->slot.apdus, m->slot.rests, (unsigned long long)m->slot.apdu_us / 1000,
		 (unsigned long long)q->b->pty.octets_in, (unsigned long long)q->b->pty.octets_out,
		 m->starts, q->b->baud);
	return 0;
}

static int do_plug(struct request *q)
{
	char why[PTY_WHY_MAX];

	if (bench_plug(q->b, why) < 0)
		snprintf(q->answer, q->cap, "error: %s", why);
	return 0;
}

static int do_unplug(struct request *q)
{
	bench_unplug(q->b);
	return 0;
}

static int number(struct request *q, uint32_t otherwise, uint32_t *ret)
{
	struct text t = word(q);

	*ret = otherwise;
	return t.n ? text_to_u32(t, 10, ret) : 0;
}

static int do_hang_up(struct request *q)
{
	uint32_t ms;

	if (number(q, 1000, &ms) < 0)
		return -EINVAL;
	module_hang_up(q->m, ms);
	return 0;
}

static int do_reset(struct request *q)
{
	module_restart(q->m);
	return 0;
}

static int do_power(struct request *q)
{
	struct text t = word(q);

	if (text_eq(t, "on"))
		module_power_on(q->m);
	else if (text_eq(t, "off"))
		module_power_off(q->m);
	else
		return -EINVAL;
	return 0;
}

static int do_hang(struct request *q)
{
	static const char *const until[_MODULE_HUNG_MAX] = {
		[MODULE_HUNG_UNTIL_RESET] = "reset", [MODULE_HUNG_UNTIL_POWER] = "power",
		[MODULE_HUNG_UNTIL_SUPPLY] = "supply",
	};

	for (int i = 1; i < _MODULE_HUNG_MAX; i++) {
		if (text_eq(q->rest, until[i])) {
			module_hang(q->m, (enum module_hung)i);
			return 0;
		}
	}
	return -EINVAL;
}

static int do_lines(struct request *q)
{
	const struct lines *l = &q->m->lines;
	size_t n = 2;

	for (int i = 0; i < _PIN_MAX && n < q->cap; i++)
		n += (size_t)snprintf(q->answer + n, q->cap - n, " %s=%d %s_pulses=%u %s_ms=%u",
				      pin_name((enum line_pin)i), l->high[i], pin_name((enum line_pin)i),
				      l->pulses[i], pin_name((enum line_pin)i), l->held_ms[i]);
	return 0;
}

static bool driven_by_another(const struct control_client *cl, enum line_pin pin)
{
	for (size_t i = 0; cl && i < CONTROL_CLIENTS; i++) {
		const struct control_client *other = &cl->control->clients[i];

		if (other != cl && other->fd >= 0 && other->drives & 1u << pin)
			return true;
	}
	return false;
}

static int drive_line(struct request *q, enum line_pin pin)
{
	uint32_t level;

	if (pin_is_output(pin) || number(q, 2, &level) < 0 || level > 1)
		return -EINVAL;
	if (driven_by_another(q->client, pin))
		return -EBUSY;
	if (q->client)
		q->client->drives |= 1u << pin;
	lines_set(q->m, pin, level);
	return 0;
}

static int do_line(struct request *q)
{
	struct text name = word(q), way = word(q);
	enum line_pin pin;

	if (pin_find(name, &pin) < 0) {
		snprintf(q->answer, q->cap, "error: no line of that name; expected pwrkey, reset, supply, dtr, "
			 "status or ri");
		return 0;
	}
	if (text_eq(way, "out"))
		return drive_line(q, pin);
	if (!text_eq(way, "in"))
		return -EINVAL;
	if (q->client)
		q->client->watches |= 1u << pin;
	snprintf(q->answer, q->cap, "ok %d", q->m->lines.high[pin]);
	return 0;
}

static int do_fault(struct request *q)
{
	char why[FAULT_WHY_MAX];

	if (faults_add(&q->m->faults, word(q), why) < 0)
		snprintf(q->answer, q->cap, "error: %s", why);
	return 0;
}

static int do_faults(struct request *q)
{
	size_t n = 2;

	if (text_eq(q->rest, "clear")) {
		faults_clear(&q->m->faults);
		return 0;
	}
	if (q->rest.n)
		return -EINVAL;
	snprintf(q->answer, q->cap, "ok");
	for (int k = 0; k < _FAULT_KIND_MAX && n < q->cap; k++)
		if (q->m->faults.hit[k])
			n += (size_t)snprintf(q->answer + n, q->cap - n, " %s=%u",
					      fault_name((enum fault_kind)k), q->m->faults.hit[k]);
	return 0;
}

static int do_sim(struct request *q)
{
	struct text t = word(q);

	if (text_eq(t, "insert") && q->m->slot.card)
		slot_insert(&q->m->slot, true);
	else if (text_eq(t, "remove"))
		slot_insert(&q->m->slot, false);
	else if (text_eq(t, "reset") && slot_powered(&q->m->slot))
		slot_start(&q->m->slot);
	else
		return -EINVAL;
	return 0;
}

static int do_card_fault(struct request *q)
{
	struct card *card = q->m->slot.card;
	char order[64];

	if (!card || !q->rest.n || text_copy(q->rest, order, sizeof(order)) < 0)
		return -EINVAL;
	return card_fault(card, strcmp(order, "clear") ? order : "");
}

static int do_coverage(struct request *q)
{
	struct text iccid = word(q);

	return net_cover(&q->m->net, iccid, word(q));
}

static int do_register(struct request *q)
{
	uint32_t stat;

	if (text_eq(q->rest, "auto"))
		q->m->net.forced = -1;
	else if (text_to_u32(q->rest, 10, &stat) == 0 && stat <= 11)
		q->m->net.forced = (int)stat;
	else
		return -EINVAL;
	net_look(&q->m->net);
	return 0;
}

static int do_cell(struct request *q)
{
	net_move(&q->m->net);
	return 0;
}

static int do_signal(struct request *q)
{
	struct net *n = &q->m->net;
	uint32_t rssi, rsrq, rsrp;

	if (!q->rest.n || number(q, 99, &rssi) < 0 || number(q, n->rsrq, &rsrq) < 0 ||
	    number(q, n->rsrp, &rsrp) < 0 || rssi > 199 || rsrq > 255 || rsrp > 255)
		return -EINVAL;
	n->rssi = rssi;
	n->rsrq = rsrq;
	n->rsrp = rsrp;
	return 0;
}

static int do_act(struct request *q)
{
	uint32_t act;

	if (!q->rest.n || number(q, 7, &act) < 0 || act > 16)
		return -EINVAL;
	q->m->net.act = act;
	net_move(&q->m->net);
	return 0;
}

static int do_sms(struct request *q)
{
	struct text from = word(q);

	return from.n ? sms_receive(&q->m->sms, from, q->rest) : -EINVAL;
}

static int do_urc(struct request *q)
{
	if (!q->rest.n)
		return -EINVAL;
	module_urc(q->m, TEXT_FMT, TEXT_ARG(q->rest));
	return 0;
}

static int do_no_carrier(struct request *q)
{
	bench_hang_up_data(q->b);
	return 0;
}

static int do_mux(struct request *q)
{
	struct text what = word(q);
	uint32_t channel;

	if (number(q, 0, &channel) < 0 || channel >= MUX_CHANNELS || !q->b->host.muxed)
		return -EINVAL;
	if (text_eq(what, "forget"))
		host_forget_mux(&q->b->host);
	else if (text_eq(what, "close"))
		mux_shut(&q->b->host.mux, channel);
	else
		return -EINVAL;
	return 0;
}

static int do_baud(struct request *q)
{
	uint32_t baud;

	if (!q->rest.n || number(q, 0, &baud) < 0)
		return -EINVAL;
	bench_set_baud(q->b, baud);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct request *q);
} commands[] = {
	{ "status", do_status },     { "plug", do_plug },         { "unplug", do_unplug },
	{ "hang", do_hang },         { "lines", do_lines },       { "line", do_line },
	{ "hang-up", do_hang_up },   { "reset", do_reset },       { "power", do_power },
	{ "fault", do_fault },       { "faults", do_faults },     { "sim", do_sim },
	{ "card-fault", do_card_fault },
	{ "coverage", do_coverage }, { "register", do_register }, { "cell", do_cell },
	{ "signal", do_signal },     { "act", do_act },           { "sms", do_sms },
	{ "urc", do_urc },           { "no-carrier", do_no_carrier }, { "baud", do_baud },
	{ "mux", do_mux },
};

static void carry_out(struct bench *b, struct control_client *client, struct text line, char *answer,
		      size_t cap)
{
	struct request q = {
		.b = b, .m = &b->module, .rest = text_trim(line), .answer = answer, .cap = cap,
		.client = client,
	};
	struct text name = word(&q);

	say("ok");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int r;

		if (!text_eq(name, commands[i].name))
			continue;
		r = commands[i].run(&q);
		if (r < 0)
			say("error: %s", strerror(-r));
		return;
	}
	say("error: no such command: " TEXT_FMT, TEXT_ARG(text_from(name.s, MIN(name.n, 40))));
}

void control_do(struct bench *b, struct text line, char *answer, size_t cap)
{
	carry_out(b, NULL, line, answer, cap);
}

/* --- socket --------------------------------------------------------------------------------------- */

static void drop_client(struct control_client *cl)
{
	unsigned drives = cl->drives;

	ev_watch_stop(&cl->watch);
	close(cl->fd);
	cl->fd = -1;
	cl->watches = cl->drives = 0;
	for (int i = 0; i < _PIN_MAX; i++)
		if (drives & 1u << i)
			lines_set(&cl->control->bench->module, (enum line_pin)i,
				  pin_idle((enum line_pin)i));
}

static void on_moved(struct lines_watcher *w, enum line_pin pin)
{
	struct control *c = container_of(w, struct control, lines);
	char text[40];
	int n = snprintf(text, sizeof(text), "line %s %d\n", pin_name(pin),
			 c->bench->module.lines.high[pin]);

	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *cl = &c->clients[i];

		if (cl->fd >= 0 && cl->watches & 1u << pin &&
		    send(cl->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
			drop_client(cl);
	}
}

static void answer_line(struct control_client *cl, struct text line)
{
	char answer[1024];
	size_t n;

	carry_out(cl->control->bench, cl, line, answer, sizeof(answer) - 1);
	n = strlen(answer);
	answer[n++] = '\n';
	/* An answer that the socket does not take is for somebody who does not listen. */
	if (send(cl->fd, answer, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		drop_client(cl);
}

static void on_client(struct ev_watch *w, unsigned what)
{
	struct control_client *cl = container_of(w, struct control_client, watch);
	ssize_t n = recv(cl->fd, cl->in + cl->n, sizeof(cl->in) - cl->n, MSG_DONTWAIT);
	char *lf;

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop_client(cl);
		return;
	}
	cl->n += (size_t)n;
	while (cl->fd >= 0 && (lf = memchr(cl->in, '\n', cl->n))) {
		size_t used = (size_t)(lf - cl->in) + 1;

		answer_line(cl, text_from(cl->in, used - 1));
		memmove(cl->in, cl->in + used, cl->n - used);
		cl->n -= used;
	}
	if (cl->fd >= 0 && cl->n == sizeof(cl->in))
		drop_client(cl);
}

static void on_connect(struct ev_watch *w, unsigned what)
{
	struct control *c = container_of(w, struct control, watch);
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *cl = &c->clients[i];

		if (cl->fd >= 0)
			continue;
		cl->fd = fd;
		cl->n = 0;
		cl->watches = cl->drives = 0;
		cl->control = c;
		cl->watch.ready = on_client;
		ev_watch_start(&cl->watch, fd, EV_IN);
		return;
	}
	close(fd);
}

int control_open(struct control *c, struct bench *b, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	c->bench = b;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		c->clients[i].fd = -1;
	if (text_copy(text_of(path), a.sun_path, sizeof(a.sun_path)) < 0)
		return -ENAMETOOLONG;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	/* One that answers is somebody's; one that does not was left behind. */
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		close(c->fd);
		c->fd = -1;
		return -EADDRINUSE;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	if (bind(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(c->fd, CONTROL_CLIENTS) < 0) {
		int r = -errno;

		close(c->fd);
		c->fd = -1;
		return r;
	}
	memcpy(c->path, a.sun_path, sizeof(c->path));
	c->lines.moved = on_moved;
	b->module.lines.watcher = &c->lines;
	c->watch.ready = on_connect;
	ev_watch_start(&c->watch, c->fd, EV_IN);
	return 0;
}

void control_close(struct control *c)
{
	if (c->fd < 0)
		return;
	c->bench->module.lines.watcher = NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			drop_client(&c->clients[i]);
	ev_watch_stop(&c->watch);
	close(c->fd);
	unlink(c->path);
	c->fd = -1;
}
