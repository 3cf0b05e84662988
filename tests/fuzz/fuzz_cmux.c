/*
 * Octets from the module against a mux with channels under way: whatever comes, it ends at most
 * once, no channel gets more than one verdict per opening, and closing leaves nothing behind. The
 * first octet chooses the size of the pieces and how it ends.
 */
#include <stdint.h>
#include <stdlib.h>

#include "atcmd/cmux.h"
#include "core/log.h"
#include "core/util.h"
#include "support/wire.h"
#include "unit/fake_ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned ended, verdicts[3];
static struct cmux_dlc dlcs[3];
static struct pipe_user users[3];

static void on_received(struct pipe_user *u, struct text data)
{
	(void)u;
	if (!data.n || data.n > CMUX_INFO_MAX)
		abort();
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)u, (void)error;
}

static void on_opened(struct cmux_dlc *d)
{
	size_t i = (size_t)(d - dlcs);

	if (verdicts[i]++)
		abort();
	users[i] = (struct pipe_user){ .received = on_received, .hung_up = on_hung_up };
	d->pipe.user = &users[i];
	pipe_write(&d->pipe, "AT\r", 3);
}

static void on_refused(struct cmux_dlc *d, bool silent)
{
	(void)silent;
	if (verdicts[d - dlcs]++)
		abort();
}

static void on_started(struct cmux *m)
{
	(void)m;
}

static void on_ended(struct cmux *m, enum cmux_end why)
{
	(void)m, (void)why;
	if (ended++)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct wire wire;
	static struct cmux mux;
	unsigned which = n ? data[0] : 0;

	if (n < 2)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	memset(&wire, 0, sizeof(wire));
	memset(&mux, 0, sizeof(mux));
	memset(dlcs, 0, sizeof(dlcs));
	memset(verdicts, 0, sizeof(verdicts));
	ended = 0;
	mux.name = "mux";
	mux.started = on_started;
	mux.ended = on_ended;
	mux.o.negotiate = which & 0x20;
	mux.o.baud = which & 0x40 ? 9600 : 0;
	wire_open(&wire);
	wire.chunk = which & 15;
	wire.seed = which;
	cmux_open(&mux, &wire.pipe);
	for (unsigned i = 0; i < ARRAY_SIZE(dlcs); i++) {
		dlcs[i].opened = on_opened;
		dlcs[i].refused = on_refused;
		cmux_dlc_open(&mux, &dlcs[i], i + 1);
	}
	wire_feed(&wire, data + 1, MIN(n - 1, sizeof(wire.store)));
	fake_ev_run(500);
	if (which & 16)
		cmux_stop(&mux);
	if (which & 0x80)
		wire_hang_up(&wire, 0);
	fake_ev_run(60000);
	if (which & (16 | 0x80) && !ended)
		abort();
	cmux_close(&mux);
	wire_close(&wire);
	fake_ev_settle();
	if (fake_ev_active())
		abort();
	return 0;
}
