#include "sim/euicc/vpcd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "core/text.h"
#include "core/util.h"

#define DIAL_MS 5000

enum {
	SIGNAL_OFF = 0,
	SIGNAL_ON = 1,
	SIGNAL_RESET = 2,
	SIGNAL_ATR = 4,
};

/* --- dialling --------------------------------------------------------------------------------- */

static int split(const char *where, char host[256], char port[16])
{
	struct text t = text_of(where);
	size_t end;
	int r;

	if (text_starts(t, "[")) {
		end = text_find(t, ']');
		r = end < t.n ? text_copy(text_from(t.s + 1, end - 1), host, 256) : -EINVAL;
		t = text_skip(t, end + 1);
	} else {
		end = text_find(t, ':');
		r = text_copy(text_from(t.s, end), host, 256);
		t = text_skip(t, end);
	}
	if (!r)
		r = text_copy(text_starts(t, ":") ? text_skip(t, 1) : TEXT(VPCD_PORT), port, 16);
	return r;
}

static int dial_one(const struct addrinfo *a, int *ret_fd)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t n = sizeof(int);
	int r = 0, one = 1;

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
		r = -errno;
	else if (poll(&p, 1, DIAL_MS) <= 0)
		r = -ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &n))
		r = -errno;
	else
		r = -r;
	if (r) {
		close(fd);
		return r;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_fd = fd;
	return 0;
}

int vpcd_dial(const char *where, int *ret_fd, char why[VPCD_WHY_MAX])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char host[256], port[16];
	int r = -EINVAL;

	if (!split(where, host, port))
		r = getaddrinfo(host, port, &hints, &list) ? -EADDRNOTAVAIL : 0;
	if (!r) {
		r = -EADDRNOTAVAIL;
		for (const struct addrinfo *a = list; a && r; a = a->ai_next)
			r = dial_one(a, ret_fd);
		freeaddrinfo(list);
	}
	if (r)
		snprintf(why, VPCD_WHY_MAX, "%s: %s", where, strerror(-r));
	return r;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void end(struct vpcd *v, const char *why)
{
	ev_watch_stop(&v->watch);
	v->ended(v, why);
}

static void send_some(struct vpcd *v)
{
	ssize_t n = write(v->fd, v->out, v->out_n);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end(v, strerror(errno));
		return;
	}
	if (n > 0) {
		memmove(v->out, v->out + n, v->out_n - n);
		v->out_n -= n;
	}
	ev_watch_start(&v->watch, v->fd, v->out_n ? EV_IN | EV_OUT : EV_IN);
}

static void send_frame(struct vpcd *v, const void *p, size_t n)
{
	v->out[0] = n >> 8;
	v->out[1] = n;
	if (n)
		memcpy(v->out + 2, p, n);
	v->out_n = n + 2;
	send_some(v);
}

static void start_card(struct vpcd *v)
{
	v->state = VPCD_STARTING;
	card_reset(v->card);
}

static void take_signal(struct vpcd *v, uint8_t signal)
{
	switch (signal) {
	case SIGNAL_OFF:
		card_power_off(v->card);
		v->state = VPCD_OFF;
		break;
	case SIGNAL_ON:
	case SIGNAL_RESET:
		start_card(v);
		break;
	case SIGNAL_ATR:
		send_frame(v, v->atr, v->atr_n);
		break;
	default:
		log_warning("vpcd", "signal %02X is not known, ignoring", signal);
	}
}

static void take_apdu(struct vpcd *v, const uint8_t *p, size_t n)
{
	static const uint8_t wrong_length[] = { 0x67, 0x00 }, no_power[] = { 0x6f, 0x00 };

	if (v->state != VPCD_ON) {
		send_frame(v, no_power, sizeof(no_power));
	} else if (n > CARD_APDU_MAX) {
		send_frame(v, wrong_length, sizeof(wrong_length));
	} else {
		v->state = VPCD_BUSY;
		card_transmit(v->card, p, n);
	}
}

/* Is there something that may be looked at now? A signal that cuts the power never waits. */
static bool may_take(const struct vpcd *v, size_t n)
{
	bool waits = v->state == VPCD_BUSY || v->state == VPCD_STARTING ||
		     v->state == VPCD_LEARNING;

	if (v->out_n)
		return false;
	return !waits || (v->state == VPCD_BUSY && n == 1 && v->in[2] != SIGNAL_ATR);
}

static void take_frames(struct vpcd *v)
{
	while (v->in_n >= 2) {
		size_t n = v->in[0] << 8 | v->in[1];

		if (v->in_n < 2 + n || (n && !may_take(v, n)))
			return;
		if (n == 1)
			take_signal(v, v->in[2]);
		else if (n)
			take_apdu(v, v->in + 2, n);
		v->in_n -= 2 + n;
		memmove(v->in, v->in + 2 + n, v->in_n);
	}
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct vpcd *v = container_of(w, struct vpcd, watch);
	ssize_t n;

	if (what & EV_OUT)
		send_some(v);
	if (what & EV_IN) {
		n = read(v->fd, v->in + v->in_n, sizeof(v->in) - v->in_n);
		if (n == 0) {
			end(v, "the reader has gone");
			return;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			end(v, strerror(errno));
			return;
		}
		if (n > 0)
			v->in_n += n;
	}
	if (v->watch.active)
		take_frames(v);
}

/* --- the card's side -------------------------------------------------------------------------- */

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	struct vpcd *v = container_of(u, struct vpcd, user);

	/* A card that is mute now was not before: the reader has to see the ATR of some card. */
	if (n) {
		memcpy(v->atr, atr, n);
		v->atr_n = n;
	}
	if (v->state == VPCD_LEARNING) {
		card_power_off(v->card);
		v->state = VPCD_OFF;
	} else {
		v->state = VPCD_ON;
	}
	take_frames(v);
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	static const uint8_t mute[] = { 0x6f, 0x00 };
	struct vpcd *v = container_of(u, struct vpcd, user);

	v->state = VPCD_ON;
	send_frame(v, n ? answer : mute, n ? n : sizeof(mute));
	if (v->watch.active)
		take_frames(v);
}

static void on_moved(struct card_user *u, int present)
{
	(void)u;
	(void)present;
}

void vpcd_start(struct vpcd *v, struct card *card, int fd)
{
	v->card = card;
	v->fd = fd;
	v->user.started = on_started;
	v->user.answered = on_answered;
	v->user.moved = on_moved;
	card->user = &v->user;
	v->watch.ready = on_ready;
	v->state = VPCD_LEARNING;
	ev_watch_start(&v->watch, fd, EV_IN);
	card_reset(card);
}

void vpcd_stop(struct vpcd *v)
{
	ev_watch_stop(&v->watch);
	card_power_off(v->card);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}
