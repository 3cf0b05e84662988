/*
 * Does the module still mux, and does it hear us? Text on the line, an echo of our own frames, or an owner
 * who waits for an answer in vain are reasons to ask.
 */
#include "atcmd/cmux.h"

#include "atcmd/urc.h"
#include "core/log.h"

/* Questions that a module which is there would have answered. */
#define CHECKS 4
/* And those of one that has much to say, before it comes to the answer. */
#define CHECKS_HEARD 20
/* The longest information that any family is sent. */
#define OURS_MAX 127
/* The longest frames that were seen have 1509 octets (SARA-R4) and 1500 (A76xx). */
#define FILL_MAX 1600

/*
 * A module that has heard a wrong length waits for the rest of a frame, and takes everything for it. Flags
 * fill it up, and mean nothing to one that does not wait (27.010 5.2.6.1).
 */
static void fill_up(struct cmux *m, size_t n)
{
	uint8_t flags[FILL_MAX];

	n = MIN(n, sizeof(flags));
	memset(flags, 0xf9, n);
	if (pipe_write(m->line, flags, n) == 0 && m->o.baud)
		m->line_busy_us = MAX(m->line_busy_us, ev_now_ms() * 1000) + n * 10 * 1000000 / m->o.baud;
}

/*
 * Test is answered, or named as unknown, by what the standard says; modem status is what nobody
 * ignores. The two in turn.
 */
static void ask_for_life(struct cmux *m)
{
	struct cmux_dlc *d = list_first(&m->dlcs, struct cmux_dlc, node);

	if (m->check_tries == 1)
		fill_up(m, m->o.n1 + CMUX_FRAME_EXTRA);
	else if (m->check_tries > 1)
		fill_up(m, FILL_MAX);
	if (m->check_tries % 2 && d && d->state == CMUX_DLC_OPEN)
		cmux_send_msc(d);
	else
		cmux_send_test(m);
	ev_alarm_start(&m->check, m->o.t2_ms);
}

void cmux_leave_blindly(struct pipe *line)
{
	uint8_t octets[OURS_MAX + CMUX_FRAME_EXTRA + sizeof(CMUX_LEAVE)];
	size_t n = OURS_MAX + CMUX_FRAME_EXTRA;

	memset(octets, 0xf9, n);
	memcpy(octets + n, CMUX_LEAVE "\r", sizeof(CMUX_LEAVE));
	pipe_write(line, octets, sizeof(octets));
}

static void on_check(struct ev_alarm *a)
{
	struct cmux *m = container_of(a, struct cmux, check);

	if (++m->check_tries >= (m->heard ? CHECKS_HEARD : CHECKS)) {
		cmux_finish(m, m->suspicion);
		return;
	}
	ask_for_life(m);
}

void cmux_suspect(struct cmux *m, enum cmux_end why)
{
	/* The first sign of a restart says more than that nothing is heard. */
	if (!m->checking || m->suspicion == CMUX_END_SILENT)
		m->suspicion = why;
	if (m->state != CMUX_OPEN || m->checking)
		return;
	m->checking = true;
	m->heard = false;
	m->check_tries = 0;
	m->stats.checks++;
	log_debug(m->name, "does it still mux? (%s)", cmux_end_name(why));
	ask_for_life(m);
}

void cmux_check(struct cmux *m)
{
	if (m->no_control)
		return;         /* there is nobody to ask */
	m->must_answer = true;
	cmux_suspect(m, CMUX_END_SILENT);
}

static void clear(struct cmux *m)
{
	if (!m->checking)
		return;
	m->checking = m->must_answer = false;
	m->suspicion = CMUX_END_SILENT;
	ev_alarm_stop(&m->check);
}

/*
 * Not what a module in AT mode can send by echoing us. Some have our C/R in their data frames; of
 * those only the answers to Test and NSC count, which nobody gives to an echo.
 */
static bool is_its_own(const struct cmux_frame *f)
{
	uint8_t type = f->dlci == 0 && f->info.n ? (uint8_t)f->info.s[0] : 0;

	return f->type == CMUX_UA || f->type == CMUX_DM || !f->cr || type == 0x21 || type == 0x11;
}

/* To what is asked in doubt, and not to something before: Test, modem status, a message unknown to it. */
static bool is_answer(const struct cmux *m, const struct cmux_frame *f)
{
	uint8_t type = f->dlci == 0 && f->info.n ? (uint8_t)f->info.s[0] : 0;

	if (type == 0x21)
		return f->info.n == 2 + sizeof(m->test) &&
		       !memcmp(f->info.s + 2, m->test, sizeof(m->test));
	return type == 0x11 || (type == 0xe1 && m->check_tries > 0);
}

/*
 * That it has not left the mux is shown by any frame of its own; that it hears us only by an answer.
 */
void cmux_note_life(struct cmux *m, const struct cmux_frame *f)
{
	if (!is_its_own(f))
		return;
	m->heard = true;
	if (!m->must_answer || is_answer(m, f))
		clear(m);
}

static void on_noise(struct cmux_reader *r, struct text octets)
{
	struct cmux *m = container_of(r, struct cmux, reader);

	for (size_t i = 0; i < octets.n; i++) {
		char c = octets.s[i];

		if (c >= 0x20 && c < 0x7f) {
			if (m->noise_n < sizeof(m->noise) - 1)
				m->noise[m->noise_n++] = c;
			continue;
		}
		m->noise[m->noise_n] = '\0';
		if ((c == '\r' || c == '\n') && m->noise_n >= 2) {
			bool boot = at_urc_is_boot(text_of(m->noise));

			log_debug(m->name, "'%s' outside of any frame", m->noise);
			m->noise_n = 0;
			cmux_suspect(m, boot ? CMUX_END_RESTARTED : CMUX_END_AT_MODE);
		}
		m->noise_n = 0;
	}
}

void cmux_doubt_init(struct cmux *m)
{
	m->check.fired = on_check;
	m->reader.noise = on_noise;
}
