#include "support/data_call.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "support/rig.h"

#define DIAL "ATD*99#\r"
#define CONNECT "\r\nCONNECT 150000000\r\n"
#define NO_CARRIER "\r\nNO CARRIER\r\n"
#define REDIAL_MS 1000
#define ERROR "\r\nERROR\r\n"

/* --- the stream ----------------------------------------------------------------------------------- */

uint8_t data_stream_next(struct data_stream *s)
{
	uint8_t octet;

	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	s->at++;
	octet = (uint8_t)(s->seed >> 40);
	return octet == '+' || octet == '/' ? '-' : octet;
}

void data_stream_write(struct data_stream *s, int fd, size_t total)
{
	uint8_t piece[4096];
	ssize_t r;

	while (s->at < total) {
		struct data_stream from = *s;
		size_t n = MIN(sizeof(piece), total - s->at);

		for (size_t i = 0; i < n; i++)
			piece[i] = data_stream_next(s);
		r = write(fd, piece, n);
		if (r == (ssize_t)n)
			continue;
		assert_true(r > 0 || errno == EAGAIN);
		/* The rest comes again. */
		for (*s = from; r > 0; r--)
			data_stream_next(s);
		return;
	}
}

/* --- the call --------------------------------------------------------------------------------------- */

void data_call_open(struct data_call *d, const char *path, uint64_t seed)
{
	*d = (struct data_call){ .out = { .seed = seed } };
	port_client_open(&d->c, path);
	port_client_ask(&d->c, "ATE0\r", PORT_CLIENT_OK, NULL);
	assert_int_equal(fcntl(d->c.fd, F_SETFL, O_NONBLOCK), 0);
}

void data_call_close(struct data_call *d)
{
	port_client_close(&d->c);
}

size_t data_call_under_way(const struct data_call *d)
{
	return d->state == DATA_CALL_ON ? d->out.at - d->in.at : 0;
}

short data_call_events(const struct data_call *d)
{
	bool gives = d->state == DATA_CALL_ON && data_call_under_way(d) < d->window;

	return (short)(POLLIN | (gives ? POLLOUT : 0));
}

static void forget_input(struct data_call *d)
{
	d->c.n = 0;
	d->c.in[0] = '\0';
}

static void be_without(struct data_call *d)
{
	d->state = DATA_CALL_NONE;
	d->next_ms = rig_now_ms() + REDIAL_MS;
}

/* The first thing that was wrong is what is told. */
static void be_wrong(struct data_call *d, const char *what)
{
	char text[256];

	if (d->why[0])
		return;
	text_escape(d->c.in, MIN(d->c.n, (size_t)60), text, sizeof(text));
	snprintf(d->why, sizeof(d->why), "a call, %zu octets out and %zu back: %s: '%s'", d->out.at, d->in.at,
		 what, text);
}

/*
 * Is what has come the end, or the beginning of it? How many octets of it, 0 where some are missing. Its
 * first ones may have looked like those of the stream that came next.
 */
static bool is_end(const struct data_call *d, size_t *ret_n)
{
	const char *last = d->last + sizeof(d->last);

	for (size_t k = 0; k <= sizeof(d->last); k++) {
		size_t rest = strlen(NO_CARRIER) - k;

		if (memcmp(last - k, NO_CARRIER, k) != 0 ||
		    memcmp(d->c.in, &NO_CARRIER[k], MIN(d->c.n, rest)) != 0)
			continue;
		*ret_n = d->c.n < rest ? 0 : rest;
		return true;
	}
	return false;
}

/*
 * What was on its way when the call ended is typing now, as on any serial port, and some of it may look like
 * a command.
 */
static bool is_about_leftovers(const struct data_call *d)
{
	for (size_t i = 0; i < d->c.n; i++)
		if (d->c.in[i] != ERROR[i % strlen(ERROR)])
			return false;
	return !d->c.n || d->at_risk > 0;
}

static void drop_input(struct data_call *d, size_t n)
{
	memmove(d->c.in, d->c.in + n, d->c.n - n);
	d->c.n -= n;
	d->c.in[d->c.n] = '\0';
}

static void note_good(struct data_call *d, uint8_t octet)
{
	memmove(d->last, d->last + 1, sizeof(d->last) - 1);
	d->last[sizeof(d->last) - 1] = (char)octet;
	d->octets++;
}

/* What has come and is none of the stream stays in c.in. */
static void compare(struct data_call *d)
{
	const uint8_t *got = (const uint8_t *)d->c.in;
	size_t good = 0, end = 0;

	while (good < d->c.n && d->in.at < d->out.at) {
		struct data_stream next = d->in;

		if (data_stream_next(&next) != got[good])
			break;
		d->in = next;
		note_good(d, got[good++]);
	}
	if (good)
		d->since_ms = rig_now_ms();
	drop_input(d, good);
	if (!d->c.n)
		return;
	if (!is_end(d, &end))
		be_wrong(d, "a wrong octet");
	if (!end)
		return;
	drop_input(d, end);
	d->at_risk = d->out.at - d->in.at;
	d->ended++;
	be_without(d);
	if (!is_about_leftovers(d))
		be_wrong(d, "octets behind the end");
}

static void connected(struct data_call *d)
{
	size_t n = strlen(CONNECT);

	/* Each call has octets of its own. */
	d->out.at = 0;
	d->in = d->out;
	memset(d->last, 0, sizeof(d->last));
	d->state = DATA_CALL_ON;
	d->calls++;
	drop_input(d, n);
}

static void judge_dialling(struct data_call *d)
{
	if (d->c.n >= strlen(CONNECT) && !memcmp(d->c.in, CONNECT, strlen(CONNECT))) {
		connected(d);
		compare(d);
	} else if (!strcmp(d->c.in, NO_CARRIER) || !strcmp(d->c.in, ERROR)) {
		d->refused++;
		forget_input(d);
		be_without(d);
	}
}

static void hear(struct data_call *d)
{
	while (!d->why[0] && port_client_take(&d->c, 0)) {
		if (d->state == DATA_CALL_ON)
			compare(d);
		else if (d->state == DATA_CALL_DIALLED)
			judge_dialling(d);
		else if (!is_about_leftovers(d))
			be_wrong(d, "octets without a call");
	}
}

static void give(struct data_call *d)
{
	size_t total = d->in.at + d->window;

	/* Only for what is under way something must come. */
	if (d->in.at == d->out.at)
		d->since_ms = rig_now_ms();
	if (d->out.at < total)
		data_stream_write(&d->out, d->c.fd, total);
}

bool data_call_serve(struct data_call *d, unsigned ms)
{
	bool waits;

	hear(d);
	if (d->why[0])
		return false;
	if (d->state == DATA_CALL_ON) {
		give(d);
	} else if (d->state == DATA_CALL_NONE && !d->rests && rig_now_ms() >= d->next_ms) {
		forget_input(d);
		port_client_type(&d->c, DIAL);
		d->state = DATA_CALL_DIALLED;
		d->since_ms = rig_now_ms();
	}
	waits = d->state == DATA_CALL_DIALLED || data_call_under_way(d);
	if (waits && rig_now_ms() - d->since_ms > ms)
		be_wrong(d, "silence");
	return !d->why[0];
}
