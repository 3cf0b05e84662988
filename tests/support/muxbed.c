#include "support/muxbed.h"

#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/test.h"
#include "unit/fake_ev.h"

struct muxbed muxbed;

/* --- channels -------------------------------------------------------------------------------------- */

static struct muxbed_end *end_of(struct cmux_dlc *d)
{
	return container_of(d, struct muxbed_end, dlc);
}

static void on_received(struct pipe_user *u, struct text data)
{
	struct muxbed_end *e = container_of(u, struct muxbed_end, user);

	assert_true(data.n <= sizeof(e->in) - e->in_n);
	memcpy(e->in + e->in_n, data.s, data.n);
	e->in_n += data.n;
}

static void on_drained(struct pipe_user *u)
{
	container_of(u, struct muxbed_end, user)->drained++;
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)error;
	container_of(u, struct muxbed_end, user)->hung_up++;
}

static void on_opened(struct cmux_dlc *d)
{
	struct muxbed_end *e = end_of(d);

	e->opened++;
	e->user = (struct pipe_user){ on_received, on_drained, on_hung_up };
	d->pipe.user = &e->user;
}

static void on_refused(struct cmux_dlc *d, bool silent)
{
	end_of(d)->refused++;
	end_of(d)->silent = silent;
}

static void on_signals(struct cmux_dlc *d, unsigned bits)
{
	end_of(d)->bits = bits;
}

static void on_started(struct cmux *m)
{
	(void)m;
	muxbed.started++;
}

static void on_ended(struct cmux *m, enum cmux_end why)
{
	(void)m;
	muxbed.ended++;
	muxbed.why = why;
}

/* --- the module and the line ----------------------------------------------------------------------- */

static size_t pass(const void *src, size_t n, uint8_t *dst)
{
	if (muxbed.damage)
		return muxbed.damage(src, n, dst);
	memcpy(dst, src, n);
	return n;
}

static void module_write(struct mux *m, const uint8_t *data, size_t n)
{
	static uint8_t raw[2 * MUXBED_ROOM];

	(void)m;
	wire_feed(&muxbed.wire, raw, pass(data, n, raw));
}

static void module_received(struct mux *m, unsigned channel, const uint8_t *data, size_t n)
{
	(void)m;
	assert_true(n <= sizeof(muxbed.at_module[0]) - muxbed.at_module_n[channel]);
	memcpy(muxbed.at_module[channel] + muxbed.at_module_n[channel], data, n);
	muxbed.at_module_n[channel] += n;
}

static void module_ended(struct mux *m)
{
	(void)m;
	muxbed.joined = false;
}

static void on_wrote(struct wire *w)
{
	static uint8_t raw[2 * MUXBED_ROOM];
	size_t n = pass(w->written, w->written_n, raw);

	w->written_n = 0;
	if (muxbed.echo)
		wire_feed(w, raw, n);
	else if (muxbed.joined)
		mux_feed(&muxbed.module, raw, n);
}

/* --- life ------------------------------------------------------------------------------------------ */

void muxbed_begin(unsigned oddities)
{
	fake_ev_reset();
	log_set_level(LOG_LEVEL_ERROR);
	memset(&muxbed, 0, sizeof(muxbed));
	muxbed.joined = true;
	wire_open(&muxbed.wire);
	muxbed.wire.wrote = on_wrote;
	muxbed.module.write = module_write;
	muxbed.module.received = module_received;
	muxbed.module.ended = module_ended;
	muxbed.module.oddities = oddities;
	muxbed.module.channels = MUXBED_ENDS;
	muxbed.module.n1 = 127;
	mux_start(&muxbed.module);
	muxbed.mux.name = "mux";
	muxbed.mux.started = on_started;
	muxbed.mux.ended = on_ended;
	muxbed.mux.o.n1 = 127;
	for (unsigned i = 0; i < MUXBED_ENDS; i++) {
		muxbed.ends[i].dlc.opened = on_opened;
		muxbed.ends[i].dlc.refused = on_refused;
		muxbed.ends[i].dlc.signals = on_signals;
	}
}

void muxbed_open(unsigned n)
{
	cmux_open(&muxbed.mux, &muxbed.wire.pipe);
	fake_ev_run(100);
	assert_int_equal(muxbed.started, 1);
	for (unsigned i = 0; i < n; i++)
		cmux_dlc_open(&muxbed.mux, &muxbed.ends[i].dlc, i + 1);
	fake_ev_run(5000);
}

void muxbed_finish(void)
{
	cmux_close(&muxbed.mux);
	wire_close(&muxbed.wire);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
}
