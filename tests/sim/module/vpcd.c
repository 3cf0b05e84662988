#include "sim/module/vpcd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/ev.h"
#include "core/log.h"
#include "core/util.h"

#define OFF 0
#define ON 1
#define RESET 2
#define ATR 4
#define IN_MAX 2048             /* more than the longest message has no place on a card's contacts */
#define ANSWER_MS 60000         /* a card that takes longer is mute */

enum vpcd_waits { VPCD_IDLE, VPCD_ATR, VPCD_ANSWER };

struct vpcd {
	struct card card;
	int listener, fd;               /* fd -1: nobody is connected */
	struct ev_watch knock, data;
	struct ev_task mute;            /* tells from the loop that there is no card */
	struct ev_alarm limit;
	enum vpcd_waits waits;
	bool powered;
	uint8_t store[IN_MAX];
	struct buf in;
};

static struct vpcd *vpcd_of(struct card *c)
{
	return container_of(c, struct vpcd, card);
}

static void drop_connection(struct vpcd *v)
{
	ev_watch_stop(&v->data);
	close(v->fd);
	v->fd = -1;
	v->powered = false;
	buf_clear(&v->in);
}

/* What was waited for comes as "nothing". */
static void on_mute(struct ev_task *t)
{
	struct vpcd *v = container_of(t, struct vpcd, mute);
	enum vpcd_waits was = v->waits;

	v->waits = VPCD_IDLE;
	ev_alarm_stop(&v->limit);
	if (was == VPCD_ATR)
		v->card.user->started(v->card.user, NULL, 0);
	else if (was == VPCD_ANSWER)
		v->card.user->answered(v->card.user, NULL, 0);
}

static void on_limit(struct ev_alarm *a)
{
	ev_task_start(&container_of(a, struct vpcd, limit)->mute);
}

static void lose_card(struct vpcd *v)
{
	drop_connection(v);
	log_info("vpcd", "the card has left");
	on_mute(&v->mute);
	v->card.user->moved(v->card.user, 0);
}

/* A card takes at most a few hundred octets: a socket that cannot take them is a dead one. */
static void send_message(struct vpcd *v, const uint8_t *data, size_t n)
{
	uint8_t out[2 + CARD_APDU_MAX] = { (uint8_t)(n >> 8), (uint8_t)n };

	memcpy(out + 2, data, n);
	if (v->fd < 0 || send(v->fd, out, n + 2, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(n + 2))
		ev_task_start(&v->mute);
}

static void send_control(struct vpcd *v, uint8_t what)
{
	send_message(v, &what, 1);
}

static void take_message(struct vpcd *v, const uint8_t *data, size_t n)
{
	enum vpcd_waits was = v->waits;

	v->waits = VPCD_IDLE;
	ev_alarm_stop(&v->limit);
	if (was == VPCD_ATR)
		v->card.user->started(v->card.user, data, MIN(n, (size_t)CARD_ATR_MAX));
	else if (was == VPCD_ANSWER)
		v->card.user->answered(v->card.user, data, n >= 2 && n <= CARD_ANSWER_MAX ? n : 0);
}

static bool take_next(struct vpcd *v)
{
	uint8_t message[IN_MAX];
	const uint8_t *d = buf_data(&v->in);
	size_t n;

	if (v->in.len < 2)
		return false;
	n = (size_t)d[0] << 8 | d[1];
	if (v->in.len < n + 2)
		return false;
	memcpy(message, d + 2, n);
	buf_drop(&v->in, n + 2);
	take_message(v, message, n);
	return true;
}

static void on_data(struct ev_watch *w, unsigned what)
{
	struct vpcd *v = container_of(w, struct vpcd, data);
	uint8_t in[512];
	ssize_t n = recv(v->fd, in, sizeof(in), MSG_DONTWAIT);

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || buf_put(&v->in, in, (size_t)n) < 0) {
		lose_card(v);
		return;
	}
	while (v->fd >= 0 && take_next(v))
		;
}

static void on_knock(struct ev_watch *w, unsigned what)
{
	struct vpcd *v = container_of(w, struct vpcd, knock);
	int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), yes = 1;

	(void)what;
	if (fd < 0)
		return;
	if (v->fd >= 0) {
		close(fd);      /* one slot, one card */
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	v->fd = fd;
	ev_watch_start(&v->data, fd, EV_IN);
	log_info("vpcd", "a card has come");
	v->card.user->moved(v->card.user, 1);
}

/* --- contacts ------------------------------------------------------------------------------------- */

static void wait_for(struct vpcd *v, enum vpcd_waits what)
{
	v->waits = what;
	ev_alarm_start(&v->limit, ANSWER_MS);
}

static void vpcd_reset(struct card *c)
{
	struct vpcd *v = vpcd_of(c);

	ev_task_stop(&v->mute);
	wait_for(v, VPCD_ATR);
	if (v->fd < 0) {
		ev_task_start(&v->mute);
		return;
	}
	send_control(v, v->powered ? RESET : ON);
	send_control(v, ATR);
	v->powered = true;
}

static void vpcd_power_off(struct card *c)
{
	struct vpcd *v = vpcd_of(c);

	v->waits = VPCD_IDLE;
	ev_alarm_stop(&v->limit);
	ev_task_stop(&v->mute);
	if (v->fd >= 0 && v->powered)
		send_control(v, OFF);
	v->powered = false;
}

static void vpcd_transmit(struct card *c, const uint8_t *apdu, size_t n)
{
	struct vpcd *v = vpcd_of(c);

	wait_for(v, VPCD_ANSWER);
	send_message(v, apdu, n);
}

static void vpcd_free(struct card *c)
{
	struct vpcd *v = vpcd_of(c);

	ev_watch_stop(&v->knock);
	ev_task_stop(&v->mute);
	ev_alarm_stop(&v->limit);
	if (v->fd >= 0)
		drop_connection(v);
	if (v->listener >= 0)
		close(v->listener);
	free(v);
}

static const struct card_ops ops = {
	.reset = vpcd_reset,
	.power_off = vpcd_power_off,
	.transmit = vpcd_transmit,
	.free = vpcd_free,
};

int vpcd_open(unsigned port, struct card **ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vpcd *v = calloc(1, sizeof(*v));
	int yes = 1, r;

	if (!v)
		return -ENOMEM;
	v->card.ops = &ops;
	v->fd = -1;
	v->in = BUF_ON(v->store);
	v->knock.ready = on_knock;
	v->data.ready = on_data;
	v->mute.run = on_mute;
	v->limit.fired = on_limit;
	v->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->listener >= 0)
		setsockopt(v->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (v->listener < 0 || bind(v->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(v->listener, 1) < 0) {
		r = -errno;
		vpcd_free(&v->card);
		return r;
	}
	ev_watch_start(&v->knock, v->listener, EV_IN);
	*ret = &v->card;
	return 0;
}
