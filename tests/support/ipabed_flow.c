#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/ipabed.h"
#include "support/test.h"

#define PIECE 400
#define QUICK_MS 5
#define SLOW_MS 350             /* more than a card takes for a segment */
#define STALL_MS 30000

static void forget_reply(struct ipabed_flow *f)
{
	free(f->x->reply);
	f->x->reply = NULL;
	f->x->reply_n = 0;
}

static void finish(struct ipabed_flow *f)
{
	bool whole = f->stop == f->n && !cause_is_set(&f->why);

	forget_reply(f);
	if (whole) {
		f->x->reply = take(f->all);
		f->x->reply_n = f->n;
	}
	free(f->all);
	f->all = NULL;
	f->end(f, whole ? NULL : &f->why);
}

/* Each time in a piece of memory of its own: what was looked at before is gone. */
static void grow(struct ipabed_flow *f)
{
	f->at = MIN(f->at + PIECE, f->stop);
	forget_reply(f);
	f->x->reply = malloc(f->at ? f->at : 1);
	assert_non_null(f->x->reply);
	memcpy(f->x->reply, f->all, f->at);
	f->x->reply_n = f->at;
	f->x->grown(f->x);
}

static void on_piece(struct ev_alarm *a)
{
	struct ipabed_flow *f = container_of(a, struct ipabed_flow, alarm);

	if (f->at == f->stop || !f->x->grown) {
		finish(f);
		return;
	}
	grow(f);
	f->pieces++;
	if (f->at == f->stop && f->why.kind == CAUSE_TIMEOUT)
		ev_alarm_start(&f->alarm, STALL_MS);
	else
		ev_alarm_start(&f->alarm, f->pieces % 3 ? QUICK_MS : SLOW_MS);
}

void ipabed_flow_start(struct ipabed_flow *f, struct eim_exchange *x, uint8_t *all, size_t n,
		       enum trouble t)
{
	f->x = x;
	f->all = all;
	f->n = n;
	f->at = 0;
	f->pieces = 0;
	f->stop = t == CUT || t == STALLED ? n / 2 : n;
	f->why = (struct cause){ 0 };
	if (t == CUT)
		f->why = (struct cause){ CAUSE_LINK_LOST, "http", -1, NULL };
	if (t == STALLED)
		f->why = (struct cause){ CAUSE_TIMEOUT, "http", -1, NULL };
	x->reply = NULL;
	x->reply_n = 0;
	f->alarm.fired = on_piece;
	ev_alarm_start(&f->alarm, 0);
}

void ipabed_flow_stop(struct ipabed_flow *f)
{
	ev_alarm_stop(&f->alarm);
	if (f->all)
		forget_reply(f);
	free(f->all);
	f->all = NULL;
}
