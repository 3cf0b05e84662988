/* All virtual ports together: opening, reports to each, and what the module is told for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "atcmd/patience.h"
#include "atcmd/urc.h"
#include "core/log.h"
#include "modem/modem.h"
#include "modem/vport.h"

/* A report that several channels bring within this time is one report. */
#define SAME_MS 500

/* --- reports ------------------------------------------------------------------------------------ */

static bool seen_on_own(struct vport *v, struct text line)
{
	for (size_t i = 0; i < ARRAY_SIZE(v->recent); i++)
		if (v->recent[i][0] && text_eq(line, v->recent[i]) &&
		    ev_now_ms() - v->recent_ms[i] < SAME_MS) {
			v->recent[i][0] = '\0';
			return true;
		}
	return false;
}

static void note(struct vport *v, struct text line)
{
	unsigned i = v->recent_i++ % ARRAY_SIZE(v->recent);

	v->recent[i][0] = '\0';
	if (text_copy(line, v->recent[i], sizeof(v->recent[i])) == 0)
		v->recent_ms[i] = ev_now_ms();
}

static bool is_result(struct text line)
{
	enum at_end end;
	int code;

	return at_result(line, NULL, &end, &code);
}

static void on_report(struct at_urc *u, struct text line, struct text body)
{
	struct vports *p = container_of(u, struct vports, urc);

	/* What nobody knows may be the late answer to somebody's command, unless all is quiet. */
	if (!at_urc_is(line, NULL) && (!at_chat_in_step(&p->modem->chat) ||
				       at_chat_busy(&p->modem->chat) || is_result(line)))
		return;
	for (size_t i = 0; i < p->n; i++)
		if (!seen_on_own(p->ports[i], line)) {
			if (p->ports[i]->own_ready)
				note(p->ports[i], line);
			vport_report(p->ports[i], line, body);
		}
}

/* --- what the module is told ---------------------------------------------------------------------- */

static void tell_next(struct vports *p);

static void on_told(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct vports *p = container_of(cmd, struct vports, tell);

	(void)code, (void)final;
	if (end != AT_OK)
		log_debug("ports", "%s: %s, ignoring", p->tell_text, at_end_name(end));
	if (end == AT_LINK_LOST || end == AT_TIMEOUT) {
		p->telling = false;
		return;
	}
	tell_next(p);
}

static void tell_next(struct vports *p)
{
	p->telling = false;
	while (vport_own_need(p, p->tell_i++, p->tell_text, sizeof(p->tell_text))) {
		if (!p->tell_text[0])
			continue;
		p->tell.text = p->tell_text;
		p->tell.done = on_told;
		p->tell.patience_ms = at_patience_ms(text_of(p->tell_text));
		p->telling = true;
		at_submit(&p->modem->chat, &p->tell);
		return;
	}
	if (p->tell_again) {
		p->tell_again = false;
		p->tell_i = 0;
		tell_next(p);
	}
}

void vports_ready(struct vports *p)
{
	if (!p->n || p->modem->st.state != MODEM_READY)
		return;
	if (p->telling) {
		p->tell_again = true;
		return;
	}
	p->tell_i = 0;
	tell_next(p);
}

void vports_doubt(struct vports *p)
{
	p->cmgf = p->csdh = p->cops = -1;
}

/* The module has lost everything that it was told. */
static void forget(struct vports *p)
{
	memset(p->level, 0, sizeof(p->level));
	for (int i = 0; i < _VPORT_TEXT_MAX; i++)
		text_copy(TEXT("0,0,0,0,0"), p->level_text[i], sizeof(p->level_text[i]));
	text_copy(TEXT("0,0"), p->level_text[VPORT_CGEREP], sizeof(p->level_text[0]));
	vports_doubt(p);
	text_copy(TEXT("\"IRA\""), p->cscs, sizeof(p->cscs));
}

void vports_state(struct vports *p)
{
	switch (p->modem->st.state) {
	case MODEM_READY:
		vports_ready(p);
		break;
	case MODEM_ABSENT:
	case MODEM_POWERING:
	case MODEM_SYNCING:
	case MODEM_LOST:
		forget(p);
		break;
	case MODEM_IDENTIFYING:
	case MODEM_SIM:
	case _MODEM_STATE_MAX:
		break;
	}
}

/* --- a port's own channel ---------------------------------------------------------------------------- */

/* Many modules say the same on each channel; what only this one says is for its port. */
static void on_own_report(struct at_urc *u, struct text line, struct text body)
{
	struct vport *v = container_of(u, struct vport, own_urc);

	if (seen_on_own(v, line) || (!at_urc_is(line, NULL) && is_result(line)))
		return;
	note(v, line);
	vport_report(v, line, body);
}

static void on_own_lost(struct at_chat *c, int error)
{
	struct vport *v = container_of(c, struct vport, own_chat);

	(void)error;
	v->own_ready = false;
	v->dlc = NULL;
}

static void on_own_silent(struct at_chat *c)
{
	struct vport *v = container_of(c, struct vport, own_chat);

	log_info(v->subject, "its own channel does not answer; it goes with everybody's");
	v->own_ready = false;
}

static void on_own_late(struct at_chat *c)
{
	modem_mux_doubt(container_of(c, struct vport, own_chat)->all->modem);
}

static void on_own_set_up(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct vport *v = container_of(cmd, struct vport, own_setup);

	(void)code, (void)final;
	if (end == AT_LINK_LOST || end == AT_TIMEOUT)
		return;
	v->own_ready = true;
	log_debug(v->subject, "has its own channel");
}

static void on_own_synced(struct at_chat *c)
{
	struct vport *v = container_of(c, struct vport, own_chat);

	if (v->own_ready || at_cmd_active(&v->own_setup))
		return;
	v->own_setup = (struct at_cmd){ .text = "AT+CMEE=1", .patience_ms = 5000,
					.done = on_own_set_up };
	at_submit(c, &v->own_setup);
}

void vport_set_channel(struct vport *v, struct cmux_dlc *dlc)
{
	v->own_ready = false;
	v->dlc = dlc;
	v->signals = 0;
	/* DTR goes with its channel, and is on on the next one. */
	ev_alarm_stop(&v->dtr_again);
	at_chat_close(&v->own_chat);
	if (!dlc)
		return;
	v->own_chat.name = v->line_subject;
	v->own_chat.on_channel = true;
	v->own_chat.lost = on_own_lost;
	v->own_chat.silent = on_own_silent;
	v->own_chat.late = on_own_late;
	v->own_chat.synced = on_own_synced;
	at_chat_open(&v->own_chat, &dlc->pipe);
	at_chat_sync(&v->own_chat);
}

void vport_signals(struct vport *v, unsigned bits)
{
	unsigned was = v->signals;

	v->signals = bits;
	if ((was ^ bits) & CMUX_DV)
		vport_data_dcd(v, bits & CMUX_DV);
}

/* --- opening -------------------------------------------------------------------------------------------- */

int vports_open(struct vports *p, struct modem *m, const struct vport_options *o, size_t n,
		const char *run_dir, char why[ENDPOINT_WHY_MAX])
{
	int r = 0;

	p->modem = m;
	p->n = 0;
	forget(p);
	if (n > VPORTS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct vport *v = calloc(1, sizeof(*v));

		if (!v) {
			r = -ENOMEM;
			break;
		}
		v->o = o[i];
		v->all = p;
		v->own_urc = (struct at_urc){ .prefix = "", .heard = on_own_report };
		at_listen(&v->own_chat, &v->own_urc);
		p->ports[p->n++] = v;
		r = vport_open(v, run_dir, why);
	}
	p->urc = (struct at_urc){ .prefix = "", .heard = on_report };
	at_listen(&m->chat, &p->urc);
	if (r < 0)
		vports_close(p);
	return r;
}

void vports_close(struct vports *p)
{
	if (!p->modem)
		return;
	at_unlisten(&p->urc);
	at_cancel(&p->modem->chat, &p->tell);
	p->telling = p->tell_again = false;
	for (size_t i = 0; i < p->n; i++) {
		vport_close(p->ports[i]);
		ev_task_stop(&p->ports[i]->own_chat.pump);
		at_unlisten(&p->ports[i]->own_urc);
		free(p->ports[i]);
	}
	p->n = 0;
}

const struct vport *vports_caller(const struct vports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ports[i]->state == VPORT_CONNECTED && p->ports[i]->chat == &p->modem->chat)
			return p->ports[i];
	return NULL;
}
