/*
 * The virtual module between host and card: recorded exchanges and the transcripts of tests/vectors
 * are repeated against the personality they belong to; a card that only says what the recording
 * wants stands behind. Profile switches run against the virtual eUICC.
 */
#include "support/test.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/desk.h"
#include "support/hexjson.h"
#include "support/talk.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

#define ISDR "A0000005591010FFFFFFFF8900000100"
#define CCHO_ISDR "AT+CCHO=\"" ISDR "\""

static struct desk d;

/* --- a card that speaks by the script ------------------------------------------------------------- */

struct script {
	struct card card;
	struct ev_task starting;
	struct ev_alarm answering;
	unsigned answer_ms;
	bool no_isdr;
	const char *iccid;              /* as in the file: swapped */
	bool channels[4];
	unsigned file;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t answer_n;
	/* What the host will send, and what the card then says. */
	uint8_t wanted[CARD_APDU_MAX];
	size_t wanted_n;
	char next[2 * CARD_ANSWER_MAX + 1];
	/* What the host's command was when it arrived. */
	uint8_t seen[CARD_APDU_MAX];
	size_t seen_n;
};

static struct script script;

static void on_starting(struct ev_task *t)
{
	struct script *s = container_of(t, struct script, starting);

	s->card.user->started(s->card.user, (const uint8_t *)"\x3b\x00", 2);
}

static void on_answering(struct ev_alarm *a)
{
	struct script *s = container_of(a, struct script, answering);

	s->card.user->answered(s->card.user, s->answer, s->answer_n);
}

static void script_power_off(struct card *c)
{
	struct script *s = container_of(c, struct script, card);

	ev_task_stop(&s->starting);
	ev_alarm_stop(&s->answering);
}

static void script_reset(struct card *c)
{
	struct script *s = container_of(c, struct script, card);

	script_power_off(c);
	memset(s->channels, 0, sizeof(s->channels));
	ev_task_start(&s->starting);
}

/* TS 102 221 11.1.17: any free one, or the one that is asked for; closing. */
static const char *manage_channel(struct script *s, const uint8_t *a)
{
	static char text[8];

	if (a[2] == 0x80) {
		s->channels[a[3] & 3] = false;
		return "9000";
	}
	if (a[3]) {
		s->channels[a[3] & 3] = true;
		return "9000";
	}
	for (unsigned i = 1; i < 4; i++) {
		if (s->channels[i])
			continue;
		s->channels[i] = true;
		snprintf(text, sizeof(text), "%02X9000", i);
		return text;
	}
	return "6A81";
}

static const char *read_file(const struct script *s)
{
	static char text[40];

	switch (s->file) {
	case 0x2FE2:
		snprintf(text, sizeof(text), "%s9000", s->iccid);
		return text;
	case 0x6F07:
		return "0809101010325476989000";
	default:
		return "000000029000";
	}
}

static const char *usual(struct script *s, const uint8_t *a, size_t n)
{
	switch (a[1]) {
	case 0x70:
		return manage_channel(s, a);
	case 0xA4:
		if (a[2] == 0x04)
			return a[4] == 16 && s->no_isdr ? "6A82" : "6121";
		s->file = (unsigned)a[n - 2] << 8 | a[n - 1];
		return "9000";
	case 0xB0:
		return read_file(s);
	case 0x12:
		return "D0098103010104820281829000";
	default:
		return "9000";
	}
}

/* But for the channel, which is the module's affair. */
static bool is_wanted(const struct script *s, const uint8_t *a, size_t n)
{
	return s->wanted_n && n == s->wanted_n && !memcmp(a + 1, s->wanted + 1, n - 1) &&
	       (a[0] & 0x80) == (s->wanted[0] & 0x80);
}

static void script_transmit(struct card *c, const uint8_t *a, size_t n)
{
	struct script *s = container_of(c, struct script, card);
	bool wanted = is_wanted(s, a, n);
	const char *text = wanted && s->next[0] ? s->next : usual(s, a, n);

	if (wanted) {
		memcpy(s->seen, a, n);
		s->seen_n = n;
	}
	assert_int_equal(hex_decode(text_of(text), s->answer, sizeof(s->answer), &s->answer_n), 0);
	ev_alarm_start(&s->answering, wanted ? s->answer_ms : 0);
}

static void script_free(struct card *c)
{
	script_power_off(c);
}

static struct card *script_card(void)
{
	static const struct card_ops ops = {
		.reset = script_reset, .power_off = script_power_off, .transmit = script_transmit,
		.free = script_free,
	};

	memset(&script, 0, sizeof(script));
	script.card.ops = &ops;
	script.iccid = "988802000000000010F7";
	script.starting.run = on_starting;
	script.answering.fired = on_answering;
	return &script.card;
}

/* --- repeating what was recorded ------------------------------------------------------------------ */

struct scene {
	const char *file;
	unsigned block, skip, take;     /* of its events; 0: to the end */
	const char *persona;
	const char *before[3];          /* commands typed first */
	bool echo, session, no_isdr;
	const char *iccid;
	int reference;                  /* of the last message sent */
	enum coverage coverage;
	bool off;                       /* power comes with the first pause */
};

static bool next_line(struct text *rest, struct text *ret)
{
	if (rest->n == 0)
		return false;
	*ret = text_cut(rest, '\n');
	return true;
}

static bool is_event(struct text line)
{
	return line.n && strchr("><~@", line.s[0]);
}

/* Blocks are parted by empty lines; only those with events count. */
static struct text find_block(struct text all, unsigned block)
{
	struct text line, rest = all;
	const char *start = all.s;
	bool events = false;

	while (next_line(&rest, &line)) {
		events |= is_event(line);
		if (line.n)
			continue;
		if (events && block-- == 0)
			return text_from(start, (size_t)(line.s - start));
		events = false;
		start = line.s + 1;
	}
	assert_true(events && block == 0);
	return text_from(start, (size_t)(all.s + all.n - start));
}

/* What stands between the last two quotes; empty: nothing of the kind. */
static struct text quoted(struct text line)
{
	size_t end = line.n, start;

	while (end > 0 && line.s[end - 1] != '"')
		end--;
	if (end < 2)
		return TEXT("");
	start = end - 1;
	while (start > 0 && line.s[start - 1] != '"')
		start--;
	return start ? text_from(line.s + start, end - 1 - start) : TEXT("");
}

static bool for_card(struct text command)
{
	return text_starts(command, "AT+CGLA=") || text_starts(command, "AT+CSIM=");
}

/* The card is told what comes, and what to say: what the recording shows next. */
static void prepare_card(struct text command, struct text rest)
{
	struct text line, answer = { 0 };

	script.wanted_n = script.seen_n = 0;
	script.next[0] = '\0';
	if (!for_card(command) || hex_decode(quoted(command), script.wanted, sizeof(script.wanted),
					     &script.wanted_n) < 0)
		return;
	while (!answer.n && next_line(&rest, &line) && !text_starts(line, ">"))
		if (text_starts(line, "<") &&
		    (text_has(line, "+CGLA:") || text_has(line, "+CSIM:")))
			answer = text_has(line, "<=") ? text_from(line.s, text_find(line, '\n'))
						      : line;
	if (text_all_hex(quoted(answer)))
		text_copy(quoted(answer), script.next, sizeof(script.next));
}

static void type_line(struct text line, struct text rest)
{
	char octets[1024];
	size_t n;

	prepare_card(line, rest);
	if (line.n > 2 && text_eq(text_skip(line, line.n - 3), "\\n0")) {
		n = vectors_unescape(text_from(line.s, line.n - 3), octets);
	} else {
		n = vectors_unescape(line, octets);
		if (!text_eq(text_skip(line, line.n - 2), "\\z") &&
		    !text_eq(text_skip(line, line.n - 2), "\\e"))
			octets[n++] = '\r';
	}
	desk_type(&d, octets, n);
}

static bool something_came(void *arg)
{
	(void)arg;
	return d.said_n > 0;
}

/* The module must say exactly this next; it may take its time. */
static void expect(const struct scene *s, struct text line, const char *want, size_t n)
{
	if (d.said_n < n)
		fake_ev_until(something_came, NULL, 20000);
	fake_ev_settle();
	if (d.said_n < n || memcmp(d.said, want, n) != 0) {
		print_error("%s block %u, " TEXT_FMT ": got %s\n", s->file, s->block,
			    TEXT_ARG(line), d.said);
		assert_true(0);
	}
	memmove(d.said, d.said + n, d.said_n - n + 1);
	d.said_n -= n;
}

static void do_event(const struct scene *s, struct text line, struct text rest)
{
	char want[1200];
	uint32_t ms;
	size_t n;

	if (text_starts(line, "> ")) {
		type_line(text_skip(line, 2), rest);
	} else if (text_starts(line, "<= ")) {
		n = vectors_unescape(text_skip(line, 3), want);
		expect(s, line, want, n);
	} else if (text_starts(line, "< ")) {
		n = (size_t)snprintf(want, sizeof(want), "\r\n" TEXT_FMT "\r\n",
				     TEXT_ARG(text_skip(line, 2)));
		expect(s, line, want, n);
	} else if (text_starts(line, "~ ")) {
		if (s->off && d.module.power == MODULE_OFF)
			module_power_on(&d.module);
		assert_int_equal(text_to_u32(text_skip(line, 2), 10, &ms), 0);
		fake_ev_run(ms);
	}
}

static void set_scene(const struct scene *s)
{
	struct card *card = script_card();

	script.no_isdr = s->no_isdr;
	if (s->iccid)
		script.iccid = s->iccid;
	desk_lay(&d, s->persona, card, 1);
	if (s->off)
		return;
	if (s->coverage == COVERAGE_NONE)
		net_cover(&d.module.net, TEXT("*"), TEXT("none"));
	desk_start(&d);
	if (d.port.quiet_yet)
		return;
	d.module.sms.reference = (unsigned)s->reference;
	if (!s->echo)
		desk_ask(&d, "ATE0+CMEE=1");
	for (size_t i = 0; i < ARRAY_SIZE(s->before) && s->before[i]; i++)
		desk_ask(&d, s->before[i]);
	if (s->session)
		assert_non_null(strstr(desk_ask(&d, CCHO_ISDR), "1"));
	desk_take(&d);
}

static void play(const struct scene *s)
{
	char path[128];
	struct text rest, line;
	unsigned events = 0;
	size_t n;
	char *all;

	snprintf(path, sizeof(path), "tests/vectors/%s", s->file);
	all = vectors_load(path, &n);
	rest = find_block(text_from(all, n), s->block);
	set_scene(s);
	while (next_line(&rest, &line) && (!s->take || events < s->skip + s->take)) {
		if (!is_event(line))
			continue;
		if (events++ >= s->skip)
			do_event(s, line, rest);
	}
	assert_true(events > s->skip);
	if (!s->take && d.said_n) {
		print_error("%s block %u: more was said: %s\n", s->file, s->block, d.said);
		assert_true(0);
	}
	desk_close(&d);
	free(all);
}

#define HOME .coverage = COVERAGE_HOME

static const struct scene scenes[] = {
	/* recordings of real modules */
	{ "real/module-a7908e-nospace-61.chat", 0, 0, 0, "simcom-a7908", .session = true, HOME },
	{ "real/module-bg0309-cgla-inline.chat", 0, 0, 0, "auto-get-response", .session = true,
	  HOME },
	{ "real/module-csim-lenovo-fci-inline.chat", 0, 0, 0, "quectel-rm500", HOME },
	{ "real/module-ec200a-thales-csim.chat", 0, 0, 0, "quectel-ec200a", HOME },
	{ "real/module-eg916q-crsm-cme3.chat", 0, 0, 0, "quectel-eg916q",
	  .iccid = "98001032547698103285", HOME },
	{ "real/module-eg95-csim-select-cme0.chat", 0, 0, 0, "csim-select-cme0", HOME },
	{ "real/module-em9191-ccho-parameters-error.chat", 0, 0, 0, "sierra-em9191", HOME },
	{ "real/module-fm350-ccho-bare.chat", 0, 1, 0, "fibocom-fm350-ok", .session = true, HOME },
	{ "real/module-ml307-switch-errors.chat", 0, 0, 0, "cmiot-ml307", .session = true, HOME },
	{ "real/module-nl668-isdr-6999.chat", 0, 0, 0, "fibocom-nl668", HOME },
	{ "real/module-no-isdr-answers.chat", 0, 0, 2, "quectel-eg25", .no_isdr = true, HOME },
	{ "real/module-no-isdr-answers.chat", 0, 2, 0, "quectel-eg916q", .no_isdr = true, HOME },
	{ "real/module-quectel-cgla-error-lastblock.chat", 0, 0, 0, "quectel-ec20-ec25",
	  .session = true, HOME },
	/* transcripts */
	{ "at/transcripts/apdu_ccho_cgla.txt", 0, 0, 0, "auto-get-response", HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 1, 0, 3, "simcom-a7908", .session = true, HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 3, 0, 0, "fibocom-fm350-ok", .session = true, HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 4, 0, 0, "test-form-error", HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 5, 0, 2, "quectel-eg916q", .no_isdr = true, HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 5, 2, 0, "quectel-eg25", .no_isdr = true, HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 6, 0, 0, "sierra-em9191", HOME },
	{ "at/transcripts/apdu_ccho_cgla.txt", 7, 0, 0, "quectel-eg25", HOME },
	{ "at/transcripts/apdu_csim.txt", 0, 0, 0, "quectel-ec200a", HOME },
	{ "at/transcripts/apdu_csim.txt", 1, 0, 0, "csim-select-cme0", HOME },
	{ "at/transcripts/apdu_csim.txt", 2, 0, 0, "quectel-eg25", HOME,
	  .before = { "AT+CMEE=0" } },
	{ "at/transcripts/boot.txt", 0, 0, 0, "quectel-eg25", HOME },
	{ "at/transcripts/boot.txt", 1, 0, 0, "quectel-bg95", .off = true, HOME },
	{ "at/transcripts/boot.txt", 2, 0, 0, "quectel-rm500", .before = { "AT+CFUN=0" }, HOME },
	{ "at/transcripts/boot.txt", 3, 0, 0, "simcom-a7670", .echo = true, HOME },
	{ "at/transcripts/boot.txt", 5, 0, 3, "cinterion-pls83", .off = true, HOME },
	{ "at/transcripts/sync.txt", 0, 2, 0, "quectel-eg25", .echo = true, HOME },
	{ "at/transcripts/sync.txt", 2, 0, 0, "quectel-eg25", .before = { "ATV0" }, HOME },
	{ "at/transcripts/sync.txt", 3, 0, 0, "quectel-eg25", .before = { "AT+CMGS=23" }, HOME },
	{ "at/transcripts/sms_prompt.txt", 0, 0, 0, "quectel-eg25", .reference = 4, HOME },
	{ "at/transcripts/sms_prompt.txt", 1, 0, 0, "quectel-eg25", HOME },
	{ "at/transcripts/sms_prompt.txt", 2, 0, 0, "quectel-eg25", .reference = 5, HOME },
	{ "at/transcripts/sms_prompt.txt", 3, 0, 0, "quectel-eg25", HOME },
	{ "at/transcripts/urc_interleave.txt", 4, 0, 0, "quectel-eg25", HOME },
	{ "at/transcripts/ppp_dial.txt", 0, 0, 4, "quectel-eg25", HOME },
	{ "at/transcripts/ppp_dial.txt", 4, 0, 2, "quectel-eg25", .coverage = COVERAGE_NONE },
};

static void recorded_exchanges_are_repeated(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
		play(&scenes[i]);
}

/* --- APDUs as they reach the card ----------------------------------------------------------------- */

static void every_apdu_reaches_the_card_as_it_was_given(void **state)
{
	struct json_object *o = hexjson_load("tests/vectors/at/apdu_commands.json");
	struct json_object *all = hexjson_at(o, "commands");
	size_t n = json_object_array_length(all);

	(void)state;
	desk_open(&d, "quectel-bg95", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_non_null(strstr(desk_ask(&d, CCHO_ISDR), "+CCHO: 1"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *c = json_object_array_get_idx(all, i);
		struct octets apdu = hexjson_octets(c, "apdu");

		memcpy(script.wanted, apdu.p, apdu.n);
		script.wanted_n = apdu.n;
		text_copy(TEXT("9000"), script.next, sizeof(script.next));
		script.seen_n = 0;
		assert_string_equal(desk_ask(&d, hexjson_text(c, "csim")),
				    "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
		assert_int_equal(script.seen_n, apdu.n);
		assert_memory_equal(script.seen, apdu.p, apdu.n);
		/* Through a session the channel is its own, whatever the host has set. */
		script.seen_n = 0;
		assert_string_equal(desk_ask(&d, hexjson_text(c, "cgla")),
				    "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
		assert_int_equal(script.seen_n, apdu.n);
		assert_memory_equal(script.seen + 1, apdu.p + 1, apdu.n - 1);
		assert_int_equal(script.seen[0] & 0x43, 1);
		assert_int_equal(script.seen[0] & 0x80, apdu.p[0] & 0x80);
	}
	desk_close(&d);
	hexjson_done();
	json_object_put(o);
}

static void lengths_and_quotes_are_checked(void **state)
{
	static const char *const wrong[] = {
		"AT+CGLA=1,14,\"80E2910003BF2E00\"",
		"AT+CGLA=1,16,\"80E2910003BF2E0\"",
		"AT+CGLA=1,16,80E2910003BF2E00",
		"AT+CGLA=1,16,\"80E2910003BF2E0G\"",
		"AT+CGLA=1,16",
		"AT+CGLA=1",
		"AT+CGLA=",
		"AT+CGLA=1,6,\"80E291\"",
		"AT+CGLA=1,16,\"80E2910003BF2E00\",1",
		"AT+CSIM=15,\"80E2910003BF2E00\"",
		"AT+CSIM=",
		"AT+CSIM=16",
	};

	(void)state;
	desk_open(&d, "quectel-bg95", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_ask(&d, CCHO_ISDR);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_string_equal(desk_ask(&d, wrong[i]), "\r\nERROR\r\n");
	assert_string_equal(desk_ask(&d, "AT+CCHO=\"\""), "\r\n+CME ERROR: 50\r\n");
	assert_string_equal(desk_ask(&d, "AT+CCHO=\"" ISDR "00\""), "\r\n+CME ERROR: 50\r\n");
	/* Two more channels, then none is free. */
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 2\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 3\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\nERROR\r\n");
	assert_string_equal(desk_ask(&d, "AT+CCHC=2"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 2\r\n\r\nOK\r\n");
	desk_close(&d);
}

static void handles_are_opaque_and_new_each_time(void **state)
{
	char first[64], second[64], line[128];

	(void)state;
	desk_open(&d, "sierra-handle", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CGLA=?"), "\r\nERROR\r\n");
	snprintf(first, sizeof(first), "%.16s", desk_ask(&d, CCHO_ISDR) + strlen("\r\n+CCHO: "));
	assert_int_equal(strspn(first, "0123456789abcdef"), 16);
	assert_string_equal(desk_ask(&d, "AT+CGLA=1,16,\"80E2910003BF2E00\""),
			    "\r\n+CME ERROR: 3\r\n");
	snprintf(line, sizeof(line), "AT+CGLA=%s,16,\"81E2910003BF2E00\"", first);
	assert_string_equal(desk_ask(&d, line), "\r\nERROR\r\n");
	snprintf(line, sizeof(line), "AT+CGLA=%s,16,\"80E2910003BF2E00\"", first);
	assert_string_equal(desk_ask(&d, line), "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
	snprintf(line, sizeof(line), "AT+CCHC=%s", first);
	assert_string_equal(desk_ask(&d, line), "\r\nOK\r\n");
	snprintf(second, sizeof(second), "%.16s", desk_ask(&d, CCHO_ISDR) + strlen("\r\n+CCHO: "));
	assert_int_not_equal(strcmp(first, second), 0);
	desk_close(&d);
}

static void a_module_gives_up_on_a_slow_card_and_the_session_stays(void **state)
{
	(void)state;
	desk_open(&d, "quectel-ec20-ec25", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_ask(&d, CCHO_ISDR);
	hex_decode(TEXT("80E2910003BF2E00"), script.wanted, sizeof(script.wanted),
		   &script.wanted_n);
	script.answer_ms = 301;
	assert_string_equal(desk_ask(&d, "AT+CGLA=1,16,\"80E2910003BF2E00\""), "\r\nERROR\r\n");
	/* The card works on; what follows waits for it. */
	fake_ev_run(10);
	script.answer_ms = 299;
	assert_string_equal(desk_ask(&d, "AT+CGLA=1,16,\"80E2910003BF2E00\""),
			    "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
	/* CSIM waits. */
	script.answer_ms = 2000;
	assert_string_equal(desk_ask(&d, "AT+CSIM=16,\"80E2910003BF2E00\""),
			    "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
	desk_close(&d);
}

static void an_own_lpa_and_a_slot_stand_in_the_way(void **state)
{
	(void)state;
	desk_open(&d, "quectel-rg650-internal-lpa", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\nERROR\r\n");
	assert_string_equal(desk_ask(&d, "AT+QESIM=\"lpa_enable\",0"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\nERROR\r\n");
	desk_ask(&d, "AT+CFUN=1,1");
	desk_wait(&d, 5000);
	desk_ask(&d, "ATE0");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 1\r\n\r\nOK\r\n");
	desk_close(&d);

	desk_open(&d, "fibocom-fm350", script_card(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CCHO=?"), "");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\nERROR\r\n");
	assert_string_equal(desk_ask(&d, "AT+GTDUALSIM=1"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n1\r\n\r\nOK\r\n");
	/* Later its own LPA has taken it. */
	desk_wait(&d, 11000);
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CME ERROR: 14\r\n");
	desk_close(&d);
}

/* --- personalities -------------------------------------------------------------------------------- */

static const char *in_row(struct json_object *set, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(set, key, &v) && v ? json_object_get_string(v) : "";
}

/* The table of the vectors and that of the module say the same. */
static void the_fields_rows_are_all_there(void **state)
{
	struct json_object *o = hexjson_load("tests/vectors/real/personalities-module.json");
	struct json_object *rows = hexjson_at(o, "rows");

	(void)state;
	assert_int_equal(json_object_array_length(rows), 20);
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i),
				   *set = hexjson_at(row, "set");
		const struct persona *p = persona_find(hexjson_text(row, "name"));
		const char *ccho = in_row(set, "ccho"), *csim = in_row(set, "csim");

		assert_non_null(p);
		assert_ptr_equal(p, persona_at(i));
		assert_int_equal(!strcmp(ccho, "bare"), p->ccho == CCHO_BARE);
		assert_int_equal(!strcmp(ccho, "prefixed-hex16"), p->ccho == CCHO_HANDLE);
		if (!strcmp(ccho, "ERROR") || text_starts(text_of(ccho), "+CME"))
			assert_string_equal(p->ccho_always, ccho);
		else
			assert_null(p->ccho_always);
		assert_int_equal(!strcmp(in_row(set, "cgla"), "prefixed-noblank"),
				 p->cgla_no_blank);
		assert_int_equal(!strcmp(in_row(set, "cgla"), "ERROR"), p->cgla_always != NULL);
		assert_int_equal(!strcmp(in_row(set, "cglaCla"), "zeroOnly"), p->cla_zero_only);
		assert_int_equal(!strcmp(csim, "openCloseOnly"), p->csim == CSIM_OPEN_CLOSE);
		assert_int_equal(!strcmp(csim, "selectCme0"), p->csim == CSIM_SELECT_CME0);
		assert_int_equal(!strcmp(csim, "basicOnly"), p->csim == CSIM_BASIC_ONLY);
		assert_int_equal(!strcmp(in_row(set, "statusWords"), "autoFetch"),
				 p->sw == SW_FETCH_61);
		assert_int_equal(!strcmp(in_row(set, "statusWords"), "pass91"),
				 p->sw == SW_PASS_91);
		assert_int_equal(!strcmp(in_row(set, "testForm"), "silent"),
				 p->test == TEST_SILENT);
		assert_int_equal(!strcmp(in_row(set, "testForm"), "ERROR"), p->test == TEST_ERROR);
		assert_int_equal(!strcmp(in_row(set, "cchc"), "line+ok"), p->cchc_line);
		assert_int_equal(strtoul(in_row(set, "cglaCardTimeoutMs"), NULL, 10),
				 p->card_timeout_ms);
		assert_int_equal(strtoul(in_row(set, "dropsCharEvery"), NULL, 10), p->drop_every);
		assert_int_equal(!strcmp(in_row(set, "needsSimdet"), "true"), p->needs_simdet);
		assert_int_equal(!strcmp(in_row(set, "needsLpaOff"), "true"), p->lpa_off);
		assert_int_equal(!strcmp(in_row(set, "silentPort"), "true"), p->silent);
		assert_int_equal(!strcmp(in_row(set, "keepsCarrierConfig"), "true"),
				 p->keeps_carrier);
		assert_int_equal(!strcmp(in_row(set, "noProfileBlocksCcho"), "true"),
				 p->no_profile_no_ccho);
		assert_int_equal(!strcmp(in_row(set, "dataModeStickyAfterHangup"), "true"),
				 p->data_sticks);
		assert_int_equal(!strcmp(in_row(set, "usbReenumOnRefresh"), "true"), p->port_lost);
		assert_string_equal(in_row(set, "needsSlotCommand"),
				    p->slot_command ? p->slot_command : "");
		assert_string_equal(in_row(set, "isdrSelectSw"), p->isdr_sw ? p->isdr_sw : "");
		assert_int_equal(!strcmp(in_row(set, "afterRefresh"), "removeInsert"),
				 p->refresh == REFRESH_REMOVE_INSERT);
		assert_int_equal(!strcmp(in_row(set, "afterRefresh"), "restartNeeded"),
				 p->refresh == REFRESH_RESTART);
	}
	json_object_put(o);
}

static void every_personality_starts_and_says_who_it_is(void **state)
{
	const struct persona *p;

	(void)state;
	for (size_t i = 0; (p = persona_at(i)); i++) {
		const char *end = p->line_crlf ? "\n" : "", *got;

		assert_ptr_equal(persona_find(p->name), p);
		desk_open(&d, p->name, NULL, 1);
		desk_ask(&d, "ATE0");
		desk_type(&d, end, strlen(end));
		desk_take(&d);
		desk_ask(&d, "AT+CGMM");
		desk_type(&d, end, strlen(end));
		got = d.said_n ? desk_take(&d) : "";
		if (!p->silent && !p->line_crlf)
			assert_string_equal(desk_ask(&d, "AT"), "\r\nOK\r\n");
		if (p->line_crlf)
			assert_non_null(strstr(got, p->cgmm));
		if (p->silent)
			assert_string_equal(got, "");
		desk_close(&d);
	}
}

/* --- profile switches against the virtual eUICC --------------------------------------------------- */

static const struct euicc_profile two[] = {
	{ .iccid = TEXT("8900012345678901234"), .imsi = TEXT("001010123456789"), .name = TEXT("A"),
	  .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL, .enabled = true },
	{ .iccid = TEXT("89000123456789012342"), .imsi = TEXT("001020000000001"), .name = TEXT("B"),
	  .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL },
};

static struct talk talk_state;

static struct card *euicc(const char *personality, size_t profiles)
{
	struct euicc_recipe r = {
		.eid = TEXT("89049032123451234512345678901235"), .personality = personality,
		.version = _VE_VERSION_MAX, .profiles = two, .n_profiles = profiles,
	};
	char why[EUICC_WHY_MAX];
	struct euicc_options o = { 0 };
	struct card *c = NULL;

	talk_make(&talk_state, &r);
	o.dir = talk_state.dir;
	assert_int_equal(euicc_card_open(&o, &c, why), 0);
	return c;
}

static void close_with_euicc(void)
{
	desk_close(&d);
	talk_open(&talk_state, NULL);
	talk_close(&talk_state);
}

/* ES10c.EnableProfile of B; the answer as the host sees it. */
static const char *enable_b(bool refresh)
{
	char line[128];
	const char *got;

	snprintf(line, sizeof(line),
		 "AT+CGLA=1,50,\"80E2910014BF3111A00C5A0A980010325476981032248101%s\"",
		 refresh ? "FF" : "00");
	got = desk_ask(&d, line);
	return strstr(got, "\"61") ? desk_ask(&d, "AT+CGLA=1,10,\"80C0000006\"") : got;
}

static const char *iccid(void)
{
	return d.module.slot.iccid;
}

static void a_switch_with_refresh_resets_the_card_and_ends_sessions(void **state)
{
	(void)state;
	desk_open(&d, "quectel-eg25", euicc("consumer-refresh", 2), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(iccid(), "8900012345678901234");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 1\r\n\r\nOK\r\n");
	assert_string_equal(enable_b(true), "\r\n+CGLA: 16,\"BF31038001009000\"\r\n\r\nOK\r\n");
	/* vectors/at/transcripts/profile_switch.txt */
	assert_string_equal(desk_wait(&d, 1000), "\r\n+CPIN: NOT READY\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CME ERROR: 14\r\n");
	assert_string_equal(desk_wait(&d, 3000),
			    "\r\n+CPIN: READY\r\n\r\n+QUSIM: 1\r\n\r\n+QIND: SMS DONE\r\n"
			    "\r\n+QIND: PB DONE\r\n");
	assert_string_equal(desk_ask(&d, "AT+CGLA=1,16,\"80E2910003BF2D00\""),
			    "\r\n+CME ERROR: 3\r\n");
	assert_string_equal(desk_ask(&d, "AT+QCCID"),
			    "\r\n+QCCID: 89000123456789012342\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CIMI"), "\r\n001020000000001\r\n\r\nOK\r\n");
	assert_int_equal(d.hung_up, 1);
	close_with_euicc();
}

static void a_switch_without_refresh_is_noticed_by_looking_or_after_cfun(void **state)
{
	(void)state;
	desk_open(&d, "quectel-eg25", euicc("classic-consumer", 2), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_ask(&d, CCHO_ISDR);
	assert_string_equal(enable_b(false), "\r\n+CGLA: 16,\"BF31038001009000\"\r\n\r\nOK\r\n");
	desk_wait(&d, 6000);
	assert_string_equal(iccid(), "89000123456789012342");
	close_with_euicc();

	desk_open(&d, "simcom-a7908", euicc("classic-consumer", 2), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_ask(&d, CCHO_ISDR);
	enable_b(false);
	desk_wait(&d, 10000);
	assert_string_equal(iccid(), "8900012345678901234");
	desk_ask(&d, "AT+CFUN=0");
	assert_string_equal(desk_ask(&d, "AT+CICCID"), "\r\n+CME ERROR: 13\r\n");
	desk_ask(&d, "AT+CFUN=1");
	desk_wait(&d, 1000);
	assert_string_equal(desk_ask(&d, "AT+CICCID"),
			    "\r\n+ICCID: 89000123456789012342\r\n\r\nOK\r\n");
	close_with_euicc();
}

static void some_follow_only_with_detection_on(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		desk_open(&d, "quectel-eg916q", euicc("consumer-refresh", 2), 1);
		desk_ask(&d, "ATE0+CMEE=1");
		if (on)
			desk_ask(&d, "AT+QSIMDET=1,0;+QSIMSTAT=1");
		desk_ask(&d, CCHO_ISDR);
		enable_b(true);
		desk_wait(&d, 6000);
		assert_string_equal(iccid(), on ? "89000123456789012342" : "8900012345678901234");
		close_with_euicc();
	}
}

static void some_need_a_restart(void **state)
{
	static const char *const rows[][2] = {
		{ "cmiot-ml307", "AT+CFUN=1,1" }, { "quectel-ec20-ec25", "AT+CFUN=1,1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		desk_open(&d, rows[i][0], euicc("consumer-refresh", 2), 1);
		desk_ask(&d, "ATE0+CMEE=1");
		desk_ask(&d, CCHO_ISDR);
		enable_b(true);
		desk_wait(&d, 6000);
		/* One cannot reach the card any more, the other searches with the old operator's settings. */
		assert_int_equal(d.module.net.stat, i ? STAT_SEARCHING : STAT_HOME);
		assert_string_equal(iccid(), i ? "89000123456789012342" : "8900012345678901234");
		desk_ask(&d, "AT+CFUN=0");
		desk_ask(&d, "AT+CFUN=1");
		desk_wait(&d, 2000);
		assert_int_not_equal(d.module.net.stat, i ? STAT_HOME : STAT_ROAMING);
		desk_ask(&d, rows[i][1]);
		desk_wait(&d, 6000);
		assert_string_equal(iccid(), "89000123456789012342");
		assert_int_equal(d.module.net.stat, STAT_HOME);
		close_with_euicc();
	}
}

static void coverage_by_iccid_decides_after_a_switch(void **state)
{
	(void)state;
	desk_open(&d, "simcom-a7908", euicc("consumer-refresh", 2), 1);
	assert_int_equal(net_cover(&d.module.net, TEXT("89000123456789012342"), TEXT("none")), 0);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_ask(&d, "AT+CEREG=1");
	desk_ask(&d, CCHO_ISDR);
	enable_b(true);
	assert_non_null(strstr(desk_wait(&d, 60000), "+CEREG: 2"));
	assert_string_equal(iccid(), "89000123456789012342");
	assert_string_equal(desk_ask(&d, "AT+CEREG?"), "\r\n+CEREG: 1,2\r\n\r\nOK\r\n");
	close_with_euicc();
}

static void a_card_without_profile_keeps_its_door_open(void **state)
{
	(void)state;
	desk_open(&d, "simcom-a7908", euicc("classic-consumer", 0), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CME ERROR: 13\r\n");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\n+CCHO: 1\r\n\r\nOK\r\n");
	close_with_euicc();
	desk_open(&d, "quectel-em061-noprofile", euicc("classic-consumer", 0), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, CCHO_ISDR), "\r\nERROR\r\n");
	close_with_euicc();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_exchanges_are_repeated),
		cmocka_unit_test(every_apdu_reaches_the_card_as_it_was_given),
		cmocka_unit_test(lengths_and_quotes_are_checked),
		cmocka_unit_test(handles_are_opaque_and_new_each_time),
		cmocka_unit_test(a_module_gives_up_on_a_slow_card_and_the_session_stays),
		cmocka_unit_test(an_own_lpa_and_a_slot_stand_in_the_way),
		cmocka_unit_test(the_fields_rows_are_all_there),
		cmocka_unit_test(every_personality_starts_and_says_who_it_is),
		cmocka_unit_test(a_switch_with_refresh_resets_the_card_and_ends_sessions),
		cmocka_unit_test(a_switch_without_refresh_is_noticed_by_looking_or_after_cfun),
		cmocka_unit_test(some_follow_only_with_detection_on),
		cmocka_unit_test(some_need_a_restart),
		cmocka_unit_test(coverage_by_iccid_decides_after_a_switch),
		cmocka_unit_test(a_card_without_profile_keeps_its_door_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
