/*
 * Back into step. Nothing is assumed: a late answer may be on its way, echo, V0 or Q1 may have
 * been left by another program, the module may sit in a prompt or in data mode, or be gone.
 *
 *   silence    until nothing has come for a second: what comes now belongs to the past
 *   probe      AT, three times; "0" is an answer too (V0). The third one ends with CR LF: a few
 *              modules (Nordic) wait for the LF, on others it is one octet too many
 *   rescue     only without an answer: ESC (prompt), close-down of CMUX, +++ between silences (data
 *              mode), ATQ0. A module that muxes for a daemon that is gone hears nothing else
 *   settle     only after that CR LF
 *   settings   E0 Q0 V1, whatever they were; after a CR LF that helped first with CR alone, since
 *              the module may just have been late
 *   marker     a question whose answer shows that it is the answer to this question: late OKs of
 *              the steps before have no such text and are not taken for it
 *
 * 3GPP leaves all this open; the order is that of the gentlest first.
 */
#include <stdio.h>

#include "atcmd/answers.h"
#include "atcmd/chat.h"
#include "atcmd/cmux.h"
#include "core/log.h"

#define SILENCE_MS 1000
#define GUARD_MS 1100           /* V.250 S12: a second of silence around +++ */
#define PROBE_MS 500
#define SETTLE_MS 300
#define SETTINGS_MS 2000
#define MARKER_MS 3000

/* A port that never becomes silent (an URC storm, NMEA) is talked to all the same. */
#define SILENCE_TRIES 10

static struct at_chat *chat_of(struct proc *p)
{
	return container_of(p, struct at_chat, resync);
}

static void on_probe_line(struct at_cmd *cmd, struct text line)
{
	struct at_chat *c = container_of(cmd, struct at_chat, probe);
	char imei[AT_IMEI_MAX];

	if (text_starts(line, "+CMEE:") || at_imei_parse(line, imei) == 0)
		c->marker_seen = true;
}

static void on_probe_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct at_chat *c = container_of(cmd, struct at_chat, probe);
	struct cause why = { .kind = CAUSE_TIMEOUT, .from = "module", .code = code };

	(void)final;
	c->unanswered = end == AT_TIMEOUT;
	if (end == AT_LINK_LOST)
		why.kind = CAUSE_LINK_LOST;
	else if (end != AT_TIMEOUT && end != AT_OK)
		why.kind = CAUSE_REFUSED;
	proc_answer(&c->resync, end == AT_OK ? NULL : &why);
}

/* Past the queue, straight to the line. */
static int ask(struct at_chat *c, const char *text, bool every, unsigned patience_ms)
{
	c->probe = (struct at_cmd){ .text = text, .every = every, .patience_ms = patience_ms,
				    .line = on_probe_line, .done = on_probe_done };
	c->now = &c->probe;
	c->probe.state = AT_CMD_EXPECT_RESULT;
	c->echo_seen = c->body_sent = false;
	c->marker_seen = false;
	c->lexer.prompts = false;
	log_wire(c->name, '>', text, strlen(text));
	pipe_write(c->pipe, text, strlen(text));
	pipe_write(c->pipe, at_chat_line_end(c), strlen(at_chat_line_end(c)));
	ev_alarm_start(&c->patience, patience_ms);
	return 0;
}

static bool answered(const struct proc *p)
{
	return p->answer.kind == CAUSE_NONE || p->answer.kind == CAUSE_REFUSED;
}

/* --- silence: a request that nobody answers, judged by the driver's clock --- */

static int wait_silence(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	at_line_reset(&c->lexer);
	c->marker = 0;
	c->rescued = c->escaped = false;
	return 0;
}

static enum step_verdict was_silent(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	if (ev_now_ms() - c->heard_ms < SILENCE_MS && p->piece < SILENCE_TRIES)
		return STEP_AGAIN;
	return STEP_NEXT;
}

/* A fresh port has no past: what it says before the probe's answer is boot noise. */
static int wait_silence_unless_fresh(struct proc *p)
{
	wait_silence(p);
	return chat_of(p)->fresh ? STEP_SKIP : 0;
}

/* --- probe --- */

static int probe(struct proc *p)
{
	return ask(chat_of(p), "AT", false, PROBE_MS);
}

#define PROBES 3

static int first_probe(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	/* What it has taken so far of the lines before must not become the start of this one. */
	/* While hunting there is no rescue: what it could bring is done along the way. */
	if (p->attempt == 1 && c->no_rescue && !c->on_channel)
		cmux_leave_blindly(c->pipe);
	if (p->attempt == PROBES && !c->crlf) {
		pipe_write(c->pipe, "\r\n", 2);
		c->crlf = c->crlf_doubt = true;
	}
	return probe(p);
}

static enum step_verdict after_probe(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	if (answered(p)) {
		c->rescued = true;
		return STEP_NEXT;
	}
	c->crlf = c->crlf_doubt = false;
	return c->no_rescue ? STEP_FAIL : STEP_NEXT;
}

/* --- rescue: each rung does something blindly, waits, and probes --- */

static int write_blindly(struct proc *p, const char *octets)
{
	struct at_chat *c = chat_of(p);

	if (c->rescued)
		return STEP_SKIP;
	log_wire(c->name, '>', octets, strlen(octets));
	pipe_write(c->pipe, octets, strlen(octets));
	return 0;
}

static enum step_verdict waited(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

static int leave_prompt(struct proc *p)
{
	return write_blindly(p, "\x1b");
}

static int probe_again(struct proc *p);

static int leave_mux(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	if (c->on_channel || c->rescued)
		return STEP_SKIP;
	cmux_leave_blindly(c->pipe);
	return 0;
}

static int probe_unmuxed(struct proc *p)
{
	return chat_of(p)->on_channel ? STEP_SKIP : probe_again(p);
}

static int guard(struct proc *p)
{
	return chat_of(p)->rescued ? STEP_SKIP : 0;
}

static int leave_data(struct proc *p)
{
	return write_blindly(p, "+++");
}

static int unquiet(struct proc *p)
{
	return write_blindly(p, "ATQ0V1E0\r");
}

static int probe_again(struct proc *p)
{
	return chat_of(p)->rescued ? STEP_SKIP : probe(p);
}

static enum step_verdict after_leaving(struct proc *p)
{
	if (answered(p))
		chat_of(p)->rescued = true;
	return STEP_NEXT;
}

static enum step_verdict after_leaving_data(struct proc *p)
{
	chat_of(p)->escaped = answered(p);
	return after_leaving(p);
}

static enum step_verdict last_chance(struct proc *p)
{
	return answered(p) ? STEP_NEXT : STEP_FAIL;
}

static int hang_up(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	/* Only where +++ helped: there is a call behind it. */
	return c->escaped ? ask(c, "ATH", false, 10 * PROBE_MS) : STEP_SKIP;
}

/* --- settings and marker --- */

/*
 * A module that waits for LF has now taken two lines, the leftovers before the LF being one, and
 * answers both: none of that may be taken for the answer to what comes next.
 */
static int settle(struct proc *p)
{
	return chat_of(p)->crlf_doubt ? 0 : STEP_SKIP;
}

/*
 * What has answered before may have been late answers of a module that still muxes, for a daemon that is
 * gone or behind a port that was: the rescue was skipped for them.
 */
static void doubt_answers(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	if (p->attempt > 1 && c->unanswered && !c->on_channel && !c->crlf_doubt)
		cmux_leave_blindly(c->pipe);
}

static int set_line(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	doubt_answers(p);
	c->crlf = c->crlf && !(c->crlf_doubt && p->attempt == 1);
	if (c->crlf_doubt && p->attempt > 1) {
		pipe_write(c->pipe, "\r\n", 2);
		c->crlf = true;
	}
	return ask(c, "ATE0Q0V1", false, c->crlf_doubt ? PROBE_MS : SETTINGS_MS);
}

static enum step_verdict after_settings(struct proc *p)
{
	if (!answered(p))
		return STEP_FAIL;
	chat_of(p)->crlf_doubt = false;
	return STEP_NEXT;
}

static int ask_marker(struct proc *p)
{
	static const char *const markers[] = { "AT+CMEE?", "AT+CGSN" };
	struct at_chat *c = chat_of(p);

	doubt_answers(p);
	return ask(c, markers[c->marker++ % 2], true, MARKER_MS);
}

static enum step_verdict check_marker(struct proc *p)
{
	struct at_chat *c = chat_of(p);

	if (p->answer.kind == CAUSE_NONE && c->marker_seen) {
		c->echo_off = true;
		c->fresh = false;
		return STEP_NEXT;
	}
	if (!answered(p))
		return STEP_FAIL;
	/*
	 * An OK without the text was a late one, or the module has no such command. The pause before
	 * the next try drops what is late; four refusals in a row, each with a second of silence
	 * around it, are a module that knows neither question.
	 */
	if (p->attempt < 4)
		return STEP_RETRY;
	log_info(c->name, "answers, but knows neither +CMEE nor +CGSN; taking it as in step");
	c->echo_off = true;
	c->fresh = false;
	return STEP_NEXT;
}

const struct step at_resync_steps[] = {
	{ "silence",      wait_silence_unless_fresh, was_silent, SILENCE_MS },
	{ "probe",        first_probe,  after_probe,        0, PROBES },
	{ "leave-prompt", leave_prompt, waited,             PROBE_MS },
	{ "probe-prompt", probe_again,  after_leaving,      0 },
	{ "leave-mux",    leave_mux,    waited,             PROBE_MS },
	{ "probe-mux",    probe_unmuxed, after_leaving,     0 },
	{ "guard",        guard,        waited,             GUARD_MS },
	{ "leave-data",   leave_data,   waited,             GUARD_MS },
	{ "probe-data",   probe_again,  after_leaving_data, 0 },
	{ "unquiet",      unquiet,      waited,             PROBE_MS },
	{ "probe-last",   probe_again,  last_chance,        0, 2 },
	{ "hang-up",      hang_up,      waited,             0 },
	{ "settle",       settle,       waited,             SETTLE_MS },
	{ "settings",     set_line,     after_settings,     0, 3 },
	{ "marker",       ask_marker,   check_marker,       0, 4, SILENCE_MS },
	{ 0 }
};
