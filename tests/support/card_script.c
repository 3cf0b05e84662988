#include "support/card_script.h"

#include <assert.h>
#include <stdlib.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/examples.h"
#include "support/vectors.h"

static const uint8_t standard_aid[] = { 0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff,
					0x89, 0, 0, 1, 0 };

static struct card_script *script_of(struct card_channel *c)
{
	return container_of(c, struct card_script, channel);
}

static void count(struct card_script *s)
{
	unsigned times = s->fail_times ? s->fail_times : 1;

	s->exchanges++;
	s->fails = s->fail_at && s->exchanges >= s->fail_at && s->exchanges - s->fail_at < times
			   ? s->failure : CARD_FINE;
}

/* When the exchange ends: at once, when its patience is over, or not at all. */
static void schedule(struct card_script *s, unsigned patience_ms)
{
	if (s->fails == CARD_TIMES_OUT)
		ev_alarm_start(&s->alarm, patience_ms);
	else if (s->fails != CARD_SILENT)
		ev_alarm_start(&s->alarm, CARD_SCRIPT_LATENCY_MS);
}

static void on_open(struct card_channel *c, const uint8_t *aid, size_t n)
{
	struct card_script *s = script_of(c);
	struct octets want = s->aid.n ? s->aid : octets_from(standard_aid, sizeof(standard_aid));

	assert(!s->open && !s->opening && !s->now);
	s->opening = true;
	s->opens++;
	s->open_sw = octets_same(want, octets_from(aid, n)) ? 0x9000 : 0x6a82;
	count(s);
	schedule(s, 30000);
	if (s->open_ms && s->alarm.active)
		ev_alarm_start(&s->alarm, s->open_ms);
}

static void on_exchange(struct card_channel *c, struct card_exchange *x)
{
	struct card_script *s = script_of(c);

	assert(!s->now && !s->opening);
	assert(x->command_n >= 4 && x->command_n <= CARD_COMMAND_MAX && x->patience_ms > 0);
	s->now = x;
	count(s);
	if (!s->open && !x->basic)
		s->fails = CARD_LINK_LOST;
	schedule(s, x->patience_ms);
}

static void on_cancel(struct card_channel *c, struct card_exchange *x)
{
	struct card_script *s = script_of(c);

	assert(s->now == x);
	s->now = NULL;
	ev_alarm_stop(&s->alarm);
}

static void on_close(struct card_channel *c)
{
	struct card_script *s = script_of(c);

	assert(!s->now);
	s->closes++;
	s->open = s->opening = false;
	ev_alarm_stop(&s->alarm);
}

static const struct card_channel_ops ops = { on_open, on_exchange, on_cancel, on_close };

static const struct cause *cause_of(const struct card_script *s)
{
	static const struct cause causes[_CARD_FAILURE_MAX] = {
		[CARD_TIMES_OUT] = { CAUSE_TIMEOUT, "module", -1, NULL },
		[CARD_LINK_LOST] = { CAUSE_LINK_LOST, "module", -1, NULL },
		[CARD_TOO_LONG] = { CAUSE_MALFORMED, "card", -1, NULL },
	};

	return causes[s->fails].kind == CAUSE_NONE ? NULL : &causes[s->fails];
}

static void lose(struct card_script *s)
{
	bool was = s->open;

	s->open = s->capable = s->capable_now = false;
	s->command_n = 0;
	if (was)
		s->channel.user->lost(s->channel.user);
}

static void end_opening(struct card_script *s)
{
	struct card_channel_user *u = s->channel.user;
	struct cause refused = { CAUSE_REFUSED, s->refused_by ? s->refused_by : "card", s->open_sw,
				 NULL };

	s->opening = false;
	if (s->fails == CARD_REFUSES)
		refused.code = s->fail_sw;
	if (s->fails == CARD_REFUSES || s->open_sw != 0x9000) {
		u->opened(u, &refused, NULL, 0);
	} else if (cause_of(s)) {
		u->opened(u, cause_of(s), NULL, 0);
	} else {
		s->open = true;
		s->capable_now = s->capable;
		s->next_block = 0;
		s->command_n = 0;
		/* Garbage and the like: an FCI that cannot be read is no fault. */
		u->opened(u, NULL, s->fci.p, s->fails == CARD_CUT_OFF ? s->fci.n / 2 : s->fci.n);
	}
}

static void look_up(struct card_script *s, struct octets command, struct octets *answer, uint16_t *sw)
{
	for (size_t i = 0; i < s->n_rows; i++) {
		size_t k = (s->cursor + i) % s->n_rows;

		if (!octets_same(s->rows[k].command, command))
			continue;
		s->cursor = k + 1;
		*answer = s->rows[k].answer;
		*sw = s->rows[k].sw;
		return;
	}
	if (!s->answer || s->answer(s, command, answer, sw) < 0)
		*sw = 0x6a88;
}

/* STORE DATA: P1 11 more blocks follow, 91 the last; P2 counts from 0. */
static void store_data(struct card_script *s, struct octets *answer, uint16_t *sw)
{
	const uint8_t *c = s->now->command;

	if (c[3] == 0)
		s->next_block = 0, s->command_n = 0;
	if (c[0] != 0x80 || (c[2] != 0x11 && c[2] != 0x91) || c[3] != s->next_block % 256 ||
	    c[4] == 0 || s->now->command_n != 5u + c[4] || c[4] > s->channel.segment_max) {
		s->lost_blocks++;
		*sw = 0x6a86;
		return;
	}
	memcpy(s->command + s->command_n, c + 5, c[4]);
	s->command_n += c[4];
	s->next_block++;
	*sw = 0x9000;
	if (s->needs_capability && !s->capable_now)
		*sw = 0x6985;
	else if (s->locked_sw)
		*sw = s->locked_sw;
	else if (c[2] == 0x91) {
		s->commands++;
		look_up(s, octets_from(s->command, s->command_n), answer, sw);
	}
}

static void disturb(struct card_script *s, struct octets *answer, uint16_t *sw)
{
	static const uint8_t garbage[] = { 0xff, 0xff, 0xff, 0xff, 0x80 };
	static const uint8_t foreign[] = { 0xbf, 0x7e, 0x03, 0x80, 0x01, 0x00 };

	switch (s->fails) {
	case CARD_REFUSES:
		*answer = (struct octets){ 0 };
		*sw = s->fail_sw;
		break;
	case CARD_GARBAGE:
		*answer = octets_from(garbage, sizeof(garbage));
		break;
	case CARD_FOREIGN:
		*answer = octets_from(foreign, sizeof(foreign));
		break;
	case CARD_CUT_OFF:
		answer->n -= answer->n > 0;
		break;
	case CARD_FINE:
	case CARD_TIMES_OUT:
	case CARD_LINK_LOST:
	case CARD_SILENT:
	case CARD_TOO_LONG:
	case _CARD_FAILURE_MAX:
		break;
	}
}

static void end_exchange(struct card_script *s)
{
	struct card_exchange *x = s->now;
	struct octets answer = { 0 };
	uint16_t sw = 0x9000;

	if (cause_of(s)) {
		s->now = NULL;
		x->done(x, cause_of(s));
		return;
	}
	if (x->basic) {
		s->capabilities++;
		s->capable = true;
	} else {
		store_data(s, &answer, &sw);
	}
	disturb(s, &answer, &sw);
	s->now = NULL;
	assert(answer.n <= x->cap);
	if (answer.n)
		memcpy(x->data, answer.p, answer.n);
	x->data_n = answer.n;
	x->sw = sw;
	x->done(x, NULL);
}

static void on_alarm(struct ev_alarm *a)
{
	struct card_script *s = container_of(a, struct card_script, alarm);
	bool lost = s->fails == CARD_LINK_LOST;

	if (s->opening)
		end_opening(s);
	else
		end_exchange(s);
	if (lost)
		lose(s);
}

void card_script_init(struct card_script *s)
{
	static const char fci[] = "6F1E8410A0000005591010FFFFFFFF8900000100A5049F6501FFE1048002"
				  "06C0";

	memset(s, 0, sizeof(*s));
	s->channel.ops = &ops;
	s->channel.segment_max = 120;
	s->alarm.fired = on_alarm;
	s->fci = octets_of_hex(fci);
}

void card_script_add(struct card_script *s, struct octets command, struct octets answer, uint16_t sw)
{
	assert(s->n_rows < CARD_SCRIPT_ROWS_MAX);
	s->rows[s->n_rows++] = (struct card_script_row){ command, answer, sw };
}

void card_script_add_hex(struct card_script *s, const char *command, const char *answer)
{
	card_script_add(s, octets_of_hex(command), octets_of_hex(answer), 0x9000);
}

void card_script_add_iot_card(struct card_script *s)
{
	static const struct {
		const char *command, *answer;
		int behind;
	} rows[] = {
		{ "BF3E035C015A", "GetEID request", 1 },
		{ "BF2200", "EUICCInfo2 of a v1.2 card with emergency and fallback support", 0 },
		{ "BF2000", "EUICCInfo1", 0 },
		{ "BF3C00", "GetEuiccConfiguredAddresses request", 1 },
		{ "BF2D125C105A4F9F7090919295B7999F7B9F269F67", "GetProfilesInfo, all SGP.32 tags", 1 },
		{ "BF2D0C5C0A5A4F9F7090919295B799", "GetProfilesInfo, all SGP.32 tags", 1 },
		{ "BF5500", "GetEimConfigurationData response (token generated: 1; no counter)", 0 },
		{ "BF2800", "ListNotification request", 1 },
		{ "BF4300", "GetRAT request", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		card_script_add(s, octets_of_hex(rows[i].command),
				example_after(rows[i].answer, rows[i].behind), 0x9000);
}

void card_script_reset(struct card_script *s)
{
	struct card_exchange *x = s->now;

	if (x) {
		s->now = NULL;
		ev_alarm_stop(&s->alarm);
		x->done(x, &(struct cause){ CAUSE_LINK_LOST, "module", -1, NULL });
	}
	lose(s);
}

bool card_script_busy(const struct card_script *s)
{
	return s->now || s->opening;
}

void card_script_done(struct card_script *s)
{
	ev_alarm_stop(&s->alarm);
}

/* --- recordings --------------------------------------------------------------------------------- */

static bool hex_line(const char *line, char *digits, size_t cap)
{
	size_t n = strlen(line);

	if (n + 1 > cap)
		return false;
	for (size_t i = 0; i < n; i++)
		if (hex_digit(line[i]) < 0)
			return false;
	memcpy(digits, line, n + 1);
	return n % 2 == 0 && n >= 4;
}

/* The answer so far and its status word; a GET RESPONSE goes on with it. */
static void take_answer(struct card_script *s, struct octets command, struct octets answer)
{
	uint16_t sw = (uint16_t)(answer.p[answer.n - 2] << 8 | answer.p[answer.n - 1]);

	answer.n -= 2;
	if (sw >> 8 == 0x61)
		return;
	if (command.n > 5 && command.p[1] == 0xe2)
		card_script_add(s, octets_from(command.p + 5, command.p[4]), answer, sw);
	else if (command.n >= 21 && command.p[1] == 0xa4 && answer.n && command.p[19] == 0x01)
		s->fci = answer;
}

size_t card_script_load_chat(struct card_script *s, const char *path)
{
	char *data = vectors_load(path, NULL), *rest = data, *line, digits[4096];
	struct octets command = { 0 };

	while ((line = strsep(&rest, "\n"))) {
		struct octets o;

		if ((line[0] != '>' && line[0] != '<') || line[1] != ' ' ||
		    !hex_line(line + 2, digits, sizeof(digits)))
			continue;
		o = octets_of_hex(digits);
		if (line[0] == '<' && command.n)
			take_answer(s, command, o);
		else if (line[0] == '>' && !(o.n >= 5 && o.p[1] == 0xc0))
			command = o;
	}
	free(data);
	return s->n_rows;
}
