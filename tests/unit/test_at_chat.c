/*
 * The chat against a scripted line: what ends a command, what belongs to whom, and how it gets back
 * into step. The transcripts of the field (tests/vectors/at/transcripts, tests/vectors/real) run
 * through it whole and in pieces.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "atcmd/chat.h"
#include "atcmd/cmux.h"
#include "core/util.h"
#include "support/vectors.h"
#include "support/wire.h"
#include "unit/fake_ev.h"

#define MAX_ASKED 64

struct asked {
	struct at_cmd cmd;
	char text[600];
	char lines[4096];               /* each with LF behind */
	char final[128];
	int done;                       /* how often */
	enum at_end end;
	int code;
};

static struct wire line;
static struct at_chat chat;
static struct asked asked[MAX_ASKED];
static size_t n_asked;
static char urcs[4096];
static struct at_urc all;
static int lost, silent, synced, echoed;

static void on_line(struct at_cmd *cmd, struct text t)
{
	struct asked *a = container_of(cmd, struct asked, cmd);

	snprintf(a->lines + strlen(a->lines), sizeof(a->lines) - strlen(a->lines), TEXT_FMT "\n",
		 TEXT_ARG(t));
}

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct asked *a = container_of(cmd, struct asked, cmd);

	a->done++;
	a->end = end;
	a->code = code;
	snprintf(a->final, sizeof(a->final), TEXT_FMT, TEXT_ARG(final));
}

static void on_urc(struct at_urc *u, struct text t, struct text body)
{
	(void)u;
	snprintf(urcs + strlen(urcs), sizeof(urcs) - strlen(urcs), TEXT_FMT "%s" TEXT_FMT "\n",
		 TEXT_ARG(t), body.n ? "/" : "", TEXT_ARG(body));
}

static void on_lost(struct at_chat *c, int error)
{
	(void)c, (void)error;
	lost++;
}

static void on_silent(struct at_chat *c)
{
	(void)c;
	silent++;
}

static void on_synced(struct at_chat *c)
{
	(void)c;
	synced++;
}

static void on_echoed(struct at_chat *c)
{
	(void)c;
	echoed++;
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	memset(&line, 0, sizeof(line));
	memset(&chat, 0, sizeof(chat));
	memset(asked, 0, sizeof(asked));
	n_asked = 0;
	urcs[0] = '\0';
	lost = silent = synced = echoed = 0;
	chat.name = "at1";
	chat.lost = on_lost;
	chat.silent = on_silent;
	chat.synced = on_synced;
	chat.echoed = on_echoed;
	wire_open(&line);
	at_chat_open(&chat, &line.pipe);
	all = (struct at_urc){ .prefix = "", .heard = on_urc };
	at_listen(&chat, &all);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	at_chat_close(&chat);
	fake_ev_settle();
	wire_close(&line);
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static struct asked *ask(const char *text, bool every, unsigned patience_ms)
{
	struct asked *a = &asked[n_asked++];

	assert_true(n_asked <= MAX_ASKED);
	snprintf(a->text, sizeof(a->text), "%s", text);
	a->cmd = (struct at_cmd){ .text = a->text, .every = every, .patience_ms = patience_ms,
				  .line = on_line, .done = on_done };
	at_submit(&chat, &a->cmd);
	return a;
}

/* Submits, and checks that exactly this went to the line. */
static struct asked *ask_now(const char *text)
{
	struct asked *a = ask(text, true, 5000);

	fake_ev_settle();
	assert_string_equal(wire_take_line(&line), text);
	return a;
}

static void says(const char *s)
{
	char octets[1024];
	size_t n = vectors_unescape(text_of(s), octets);

	wire_feed(&line, octets, n);
	fake_ev_settle();
}

static void an_answer_reaches_its_asker(void **state)
{
	struct asked *a = ask_now("AT+CSQ");

	(void)state;
	says("\\r\\n+CSQ: 20,99\\r\\n\\r\\nOK\\r\\n");
	assert_int_equal(a->done, 1);
	assert_int_equal(a->end, AT_OK);
	assert_string_equal(a->lines, "+CSQ: 20,99\n");
	assert_string_equal(urcs, "");
}

static void exactly_one_command_is_in_flight(void **state)
{
	struct asked *a = ask("AT+CSQ", true, 5000), *b = ask("AT+CGSN", true, 5000);

	(void)state;
	fake_ev_settle();
	assert_string_equal(wire_take_all(&line), "AT+CSQ\r");
	says("OK\\r\\n");
	assert_int_equal(a->done, 1);
	assert_int_equal(b->done, 0);
	assert_string_equal(wire_take_all(&line), "AT+CGSN\r");
	says("866425031234567\\r\\nOK\\r\\n");
	assert_string_equal(b->lines, "866425031234567\n");
}

static void errors_keep_their_number_and_words(void **state)
{
	struct asked *a = ask_now("AT+CPIN?"), *b;

	(void)state;
	says("\\r\\n+CME ERROR: 10\\r\\n");
	assert_int_equal(a->end, AT_CME_ERROR);
	assert_int_equal(a->code, 10);
	b = ask_now("AT+CCHO=\"A0\"");
	says("\\r\\n+CME ERROR: Parameters error\\r\\n");
	assert_int_equal(b->end, AT_CME_ERROR);
	assert_int_equal(b->code, -1);
	assert_string_equal(b->final, "+CME ERROR: Parameters error");
}

static void echo_is_dropped_and_its_return_is_noticed(void **state)
{
	struct asked *a = ask_now("AT+CSQ");

	(void)state;
	says("AT+CSQ\\r\\r\\n+CSQ: 1,99\\r\\n\\r\\nOK\\r\\n");
	assert_string_equal(a->lines, "+CSQ: 1,99\n");
	assert_int_equal(echoed, 0);    /* nobody had switched it off */
	chat.echo_off = true;
	a = ask_now("AT+CSQ");
	says("AT+CSQ\\r\\r\\n+CSQ: 1,99\\r\\n\\r\\nOK\\r\\n");
	assert_string_equal(a->lines, "+CSQ: 1,99\n");
	assert_int_equal(echoed, 1);
}

static void cancelled_command_swallows_its_answer(void **state)
{
	struct asked *a = ask_now("AT+COPS?"), *b;

	(void)state;
	at_cancel(&chat, &a->cmd);
	b = ask("AT+CSQ", true, 5000);
	fake_ev_settle();
	assert_string_equal(wire_take_all(&line), "");
	says("\\r\\n+COPS: 0\\r\\n\\r\\nOK\\r\\n");
	assert_int_equal(a->done, 0);
	assert_string_equal(a->lines, "");
	assert_string_equal(wire_take_all(&line), "AT+CSQ\r");
	says("\\r\\n+CSQ: 5,0\\r\\n\\r\\nOK\\r\\n");
	assert_string_equal(b->lines, "+CSQ: 5,0\n");
	assert_string_equal(urcs, "");
}

static void cancelled_command_without_answer_does_not_stop_the_line(void **state)
{
	struct asked *a = ask_now("AT+COPS?"), *b;

	(void)state;
	at_cancel(&chat, &a->cmd);
	b = ask("AT+CSQ", true, 5000);
	fake_ev_run(5000 + 1100);
	assert_string_equal(wire_take_all(&line), "AT\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "AT+CMEE?\r");
	says("+CMEE: 1\\r\\nOK\\r\\n");
	assert_string_equal(wire_take_all(&line), "AT+CSQ\r");
	says("OK\\r\\n");
	assert_int_equal(b->done, 1);
}

static void queued_command_can_be_cancelled(void **state)
{
	struct asked *a = ask("AT+CSQ", true, 5000), *b = ask("AT+CGSN", true, 5000);

	(void)state;
	at_cancel(&chat, &b->cmd);
	fake_ev_settle();
	says("OK\\r\\n");
	assert_int_equal(a->done, 1);
	assert_int_equal(b->done, 0);
	assert_string_equal(wire_take_all(&line), "AT+CSQ\r");
}

/* The late answer of a timed-out command must not be taken for the next one's. */
static void late_answers_are_dropped_before_the_next_command(void **state)
{
	struct asked *a = ask("AT+COPS=?", true, 180000), *b;

	(void)state;
	fake_ev_run(180000);
	assert_int_equal(a->end, AT_TIMEOUT);
	b = ask("AT+CGMM", true, 5000);
	wire_take_all(&line);
	fake_ev_run(1100);
	assert_string_equal(wire_take_all(&line), "AT\r");
	/* the answer of COPS=? comes now, then that of AT, each a question too late */
	says("\\r\\n+COPS: (2,\"Op One\",\"One\",\"26201\",7),,(0,1),(0,1)\\r\\n\\r\\nOK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "AT+CMEE?\r");
	says("OK\\r\\n");                /* of ATE0Q0V1 */
	says("+CMEE: 1\\r\\nOK\\r\\n"); /* of the marker, while nobody asks */
	fake_ev_run(1100);
	assert_string_equal(wire_take_all(&line), "AT+CGSN\r");
	says("866425031234567\\r\\nOK\\r\\n");
	assert_int_equal(synced, 1);
	assert_string_equal(wire_take_all(&line), "AT+CGMM\r");
	assert_int_equal(a->done, 1);
	says("EC25\\r\\nOK\\r\\n");
	assert_string_equal(b->lines, "EC25\n");
}

static void silence_is_told_once_and_holds_the_queue(void **state)
{
	struct asked *a = ask("AT+CSQ", true, 1000), *b = ask("AT+CGSN", true, 1000);

	(void)state;
	fake_ev_run(60000);
	assert_int_equal(a->end, AT_TIMEOUT);
	assert_int_equal(silent, 1);
	assert_int_equal(b->done, 0);
	wire_take_all(&line);
	fake_ev_run(600000);
	assert_string_equal(wire_take_all(&line), "");
	assert_int_equal(silent, 1);
}

static void rescue_leaves_a_prompt(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_run(1500);
	assert_string_equal(wire_take_all(&line), "AT\rAT\r\r\nAT\r\n\x1b");
	fake_ev_run(500);
	assert_string_equal(wire_take_all(&line), "AT\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
}

/* nRF91 with its default terminator: a lone CR is no end of a line. */
static void a_module_that_wants_cr_lf_is_spoken_to_so(void **state)
{
	struct asked *a;

	(void)state;
	at_chat_sync(&chat);
	fake_ev_run(1000);
	assert_string_equal(wire_take_all(&line), "AT\rAT\r\r\nAT\r\n");
	says("ERROR\\r\\nOK\\r\\n");    /* of all before the first LF, of the AT behind it */
	fake_ev_run(300);
	/* It may just have been late: CR alone is tried once more. */
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
	fake_ev_run(500);
	assert_string_equal(wire_take_all(&line), "\r\nATE0Q0V1\r\n");
	says("OK\\r\\n");             /* of the one that lacked its LF */
	assert_string_equal(wire_take_all(&line), "AT+CMEE?\r\n");
	says("OK\\r\\n");
	fake_ev_run(1100);
	assert_string_equal(wire_take_all(&line), "AT+CGSN\r\n");
	says("352656100367872\\r\\nOK\\r\\n");
	assert_int_equal(synced, 1);
	a = ask("AT+CSQ", true, 1000);
	fake_ev_run(0);
	assert_string_equal(wire_take_all(&line), "AT+CSQ\r\n");
	says("+CSQ: 9,99\\r\\nOK\\r\\n");
	assert_int_equal(a->done, 1);
}

static void a_module_that_was_only_late_is_spoken_to_with_cr(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_run(1000);
	wire_take_all(&line);
	says("OK\\r\\nOK\\r\\nOK\\r\\n");
	fake_ev_run(300);
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "AT+CMEE?\r");
}

static void rescue_leaves_data_mode_and_hangs_up(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_run(1500 + 500 + 500 + 1000);      /* prompt, then the end of a mux */
	assert_non_null(strstr(wire_take_all(&line), CMUX_LEAVE));
	fake_ev_run(1100);
	assert_string_equal(wire_take_all(&line), "+++");
	says("\\r\\nOK\\r\\n");
	fake_ev_run(1100);
	assert_string_equal(wire_take_all(&line), "AT\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATH\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
}

/* It muxes for somebody who is gone, and what comes is what that one has asked for. */
static void late_answers_do_not_hide_a_mux(void **state)
{
	static const char *const questions[] = { "ATE0Q0V1\r", "AT+CMEE?\r" };

	(void)state;
	for (unsigned late = 1; late <= 2; late++) {
		at_chat_sync(&chat);
		fake_ev_run(late == 1 ? 100 : 1100);
		for (unsigned k = 0; k < late; k++) {
			wire_take_all(&line);
			says("\\r\\nOK\\r\\n");
		}
		assert_string_equal(wire_take_all(&line), questions[late - 1]);
		fake_ev_run(5000);
		assert_non_null(strstr(wire_take_all(&line), CMUX_LEAVE "\rAT"));
		says("\\r\\nOK\\r\\n");
		if (late == 1)
			wire_take_all(&line);
		says("\\r\\n+CMEE: 1\\r\\n352656100367872\\r\\nOK\\r\\n");
		fake_ev_run(2000);
		says("\\r\\n352656100367872\\r\\nOK\\r\\n");
		assert_int_equal(synced, late);
	}
}

static void rescue_ends_q1(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_run(1500 + 1000 + 1000 + 2200 + 500);
	assert_non_null(strstr(wire_take_all(&line), "ATQ0V1E0\r"));
	fake_ev_run(500);
	assert_string_equal(wire_take_all(&line), "AT\r");
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
}

static void numeric_mode_is_an_answer_to_the_probe(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_settle();
	assert_string_equal(wire_take_all(&line), "AT\r");
	says("AT\\r0\\r");
	assert_string_equal(wire_take_all(&line), "ATE0Q0V1\r");
}

/* A shell prompt, NMEA, noise: something that is no module. */
static void garbage_is_never_taken_for_a_module(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	for (int i = 0; i < 400; i++) {
		says("$GPGGA,123519,4807.038,N*47\\r\\n\\xFE\\x00login: \\r\\n");
		fake_ev_run(100);
		line.written_n = 0;
	}
	assert_int_equal(silent, 1);
	assert_int_equal(synced, 0);
}

static void a_module_without_marker_commands_gets_into_step(void **state)
{
	(void)state;
	at_chat_sync(&chat);
	fake_ev_settle();
	for (int i = 0; i < 20 && !synced; i++) {
		const char *said = wire_take_line(&line);

		if (!said) {
			fake_ev_run(1000);
			continue;
		}
		says(text_starts(text_of(said), "AT+") ? "ERROR\\r\\n" : "OK\\r\\n");
	}
	assert_int_equal(synced, 1);
}

static void prompt_gets_its_body_and_ctrl_z(void **state)
{
	struct asked *a = &asked[n_asked++];

	(void)state;
	a->cmd = (struct at_cmd){ .text = "AT+CMGS=23", .body = "0011", .body_n = 4, .every = true,
				  .patience_ms = 120000, .line = on_line, .done = on_done };
	at_submit(&chat, &a->cmd);
	fake_ev_settle();
	assert_string_equal(wire_take_all(&line), "AT+CMGS=23\r");
	says("\\r\\n> ");
	assert_string_equal(wire_take_all(&line), "0011\x1a");
	/* the echo of the body, an event, the answer */
	says("0011\\z\\r\\n+CREG: 1\\r\\n\\r\\n+CMGS: 7\\r\\n\\r\\nOK\\r\\n");
	assert_int_equal(a->end, AT_OK);
	assert_non_null(strstr(a->lines, "+CMGS: 7\n"));
	assert_string_equal(urcs, "+CREG: 1\n");
}

static void prompt_nobody_expects_is_left_by_escape(void **state)
{
	struct asked *a = ask_now("AT+CMGS=23");

	(void)state;
	says("\\r\\n> ");
	assert_string_equal(wire_take_all(&line), "\x1b");
	says("\\r\\nOK\\r\\n");
	assert_int_equal(a->done, 1);
}

static void escape_that_is_not_answered_ends_in_bounded_time(void **state)
{
	struct asked *a = ask_now("AT+CMGS=23");

	(void)state;
	says("\\r\\n> ");
	fake_ev_run(2100);
	assert_int_equal(a->end, AT_TIMEOUT);
}

static void incoming_message_and_its_body_are_one_event(void **state)
{
	struct asked *a = ask_now("AT+CSQ");

	(void)state;
	says("\\r\\n+CMT: ,24\\r\\n0791\\r\\n\\r\\n+CSQ: 3,0\\r\\nOK\\r\\n");
	assert_string_equal(urcs, "+CMT: ,24/0791\n");
	assert_string_equal(a->lines, "+CSQ: 3,0\n");
	/* its body never comes */
	says("\\r\\n+CDS: 24\\r\\n");
	fake_ev_run(1100);
	assert_string_equal(urcs, "+CMT: ,24/0791\n+CDS: 24\n");
	/* nor does this one's, but the end of a command does */
	a = ask_now("AT+CSQ");
	says("\\r\\n+CDS: 24\\r\\nOK\\r\\n");
	assert_int_equal(a->end, AT_OK);
}

static void hang_up_ends_everything_with_link_lost(void **state)
{
	struct asked *a = ask("AT+CSQ", true, 5000), *b = ask("AT+CGSN", true, 5000), *c;

	(void)state;
	fake_ev_settle();
	wire_hang_up(&line, EIO);
	fake_ev_settle();
	assert_int_equal(a->end, AT_LINK_LOST);
	assert_int_equal(b->end, AT_LINK_LOST);
	assert_int_equal(lost, 1);
	/* one that comes too late ends the same way, from the loop */
	c = ask("AT", true, 5000);
	assert_int_equal(c->done, 0);
	fake_ev_settle();
	assert_int_equal(c->end, AT_LINK_LOST);
	assert_int_equal(a->done + b->done + c->done, 3);
}

static void a_port_that_takes_no_octets_times_out(void **state)
{
	struct asked *a;

	(void)state;
	line.refuse = true;
	a = ask("AT+CSQ", true, 1000);
	fake_ev_run(1000);
	assert_int_equal(a->end, AT_TIMEOUT);
	fake_ev_run(60000);
	assert_int_equal(silent, 1);
}

static void unexpected_data_mode_is_left(void **state)
{
	struct asked *a = ask_now("AT+QFUPL=\"x\",5");

	(void)state;
	says("\\r\\nCONNECT\\r\\n");
	assert_int_equal(a->end, AT_CONNECT);
	assert_false(at_chat_in_step(&chat));
	fake_ev_run(1000 + 1500 + 1000 + 1000 + 1100 + 100);
	assert_non_null(strstr(wire_take_all(&line), "+++"));
}

static void upload_gets_its_raw_body(void **state)
{
	struct asked *a = &asked[n_asked++];

	(void)state;
	a->cmd = (struct at_cmd){ .text = "AT+QFUPL=\"x\",5", .body = "hello", .body_n = 5,
				  .body_raw = true, .every = true, .patience_ms = 5000,
				  .line = on_line, .done = on_done };
	at_submit(&chat, &a->cmd);
	fake_ev_settle();
	wire_take_all(&line);
	says("\\r\\nCONNECT\\r\\n");
	assert_string_equal(wire_take_all(&line), "hello");
	says("\\r\\n+QFUPL: 5,ab\\r\\n\\r\\nOK\\r\\n");
	assert_int_equal(a->end, AT_OK);
}

static void quoted_ok_ends_nothing(void **state)
{
	struct asked *a = ask_now("AT+CUSD=1,\"*100#\"");

	(void)state;
	says("\\r\\n+CUSD: 0,\"one\\r\\nOK\\r\\ntwo\",15\\r\\n");
	assert_int_equal(a->done, 0);
	says("\\r\\nOK\\r\\n");
	assert_int_equal(a->end, AT_OK);
	assert_string_equal(a->lines, "+CUSD: 0,\"one\nOK\ntwo\",15\n");
}

static void lost_quote_costs_a_moment_not_the_command(void **state)
{
	struct asked *a = ask_now("AT+QCCID");

	(void)state;
	says("\\r\\n+QCCID: \"8986\\r\\n\\r\\nOK\\r\\n");
	assert_int_equal(a->done, 0);
	fake_ev_run(AT_LINE_HOLD_MS);
	assert_int_equal(a->end, AT_OK);
}

static void pause_between_commands_is_kept(void **state)
{
	struct asked *b;

	(void)state;
	chat.gap_ms = 20;
	ask_now("AT+CSQ");
	b = ask("AT+CGSN", true, 5000);
	says("OK\\r\\n");
	assert_string_equal(wire_take_all(&line), "");
	fake_ev_run(20);
	assert_string_equal(wire_take_all(&line), "AT+CGSN\r");
	says("OK\\r\\n");
	assert_int_equal(b->done, 1);
}

static struct at_urc second;

static void on_first_stops_second(struct at_urc *u, struct text t, struct text body)
{
	on_urc(u, t, body);
	at_unlisten(&second);
	at_unlisten(u);
}

static void listeners_may_leave_while_they_are_told(void **state)
{
	static struct at_urc first = { .prefix = "+CREG:", .heard = on_first_stops_second };

	(void)state;
	at_unlisten(&all);
	second = (struct at_urc){ .prefix = "+CREG:", .heard = on_urc };
	at_listen(&chat, &first);
	at_listen(&chat, &second);
	says("+CREG: 1\\r\\n+CREG: 2\\r\\n");
	assert_string_equal(urcs, "+CREG: 1\n");
}

static void close_chat(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	on_done(cmd, end, code, final);
	at_chat_close(&chat);
}

static void chat_may_be_closed_in_a_callback(void **state)
{
	struct asked *a = ask_now("AT+CSQ"), *b = ask("AT+CGSN", true, 5000);

	(void)state;
	a->cmd.done = close_chat;
	says("+CSQ: 1,0\\r\\nOK\\r\\n+CREG: 1\\r\\n866425031234567\\r\\nOK\\r\\n");
	assert_int_equal(a->end, AT_OK);
	assert_int_equal(b->end, AT_LINK_LOST);
	assert_string_equal(urcs, "");
}

/* --- transcripts ----------------------------------------------------------------------------------- */

/*
 * '>' is asked by us and must be what goes to the line; '<' and '<=' come from the module. Every
 * command must end, none twice, and no line may be lost: each '<' is a result, in an answer, or
 * an event.
 */
struct transcript {
	const char *path;
	size_t chunk;
	struct asked *now;
	size_t fed, commands;
};

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* The way back from data mode: a module that answers what the chat asks for. */
static void transcript_resync(void)
{
	for (int i = 0; i < 60 && !at_chat_in_step(&chat); i++) {
		const char *said = wire_take_line(&line);

		if (!said)
			fake_ev_run(500);
		else if (text_has(text_of(said), "+CMEE?"))
			says("\\r\\n+CMEE: 1\\r\\n\\r\\nOK\\r\\n");
		else if (i > 5)
			says("\\r\\nOK\\r\\n");
	}
	assert_true(at_chat_in_step(&chat));
}

static void transcript_ask(struct transcript *t, struct text text)
{
	char cmd[600];

	/* What continues a message body or a raw key belongs to the command before. */
	if (text_has(text, "\\z") || text_has(text, "\\e") || text_has(text, "\\n0") ||
	    !text_case_starts(text, "AT"))
		return;
	text_copy(text, cmd, sizeof(cmd));
	if (t->now && !t->now->done) {
		/* The file goes on although no answer came: so do we, as a user would who gives up. */
		at_cancel(&chat, &t->now->cmd);
		chat.swallowing = false;
	}
	transcript_resync();
	line.written_n = 0;
	if (n_asked == MAX_ASKED)
		n_asked = 0;
	t->now = ask(cmd, true, 200000);
	t->now->done = 0;
	t->now->lines[0] = '\0';
	fake_ev_settle();
	assert_string_equal(wire_take_line(&line), cmd);
	t->commands++;
}

static void transcript_line(struct transcript *t, struct text l)
{
	char octets[2048];
	size_t n;

	if (text_starts(l, "> ")) {
		transcript_ask(t, text_skip(l, 2));
	} else if (text_starts(l, "<= ")) {
		n = vectors_unescape(text_skip(l, 3), octets);
		wire_feed(&line, octets, n);
		fake_ev_settle();
	} else if (text_starts(l, "< ")) {
		wire_feed_text(&line, "\r\n");
		wire_feed(&line, l.s + 2, l.n - 2);
		wire_feed_text(&line, "\r\n");
		fake_ev_settle();
		t->fed++;
	} else if (text_starts(l, "~ ")) {
		uint32_t ms;

		assert_int_equal(text_to_u32(text_trim(text_skip(l, 2)), 10, &ms), 0);
		fake_ev_run(ms < 1000 ? ms : 1000);
	}
}

static void run_transcript(const char *path, size_t chunk)
{
	struct transcript t = { .path = path, .chunk = chunk };
	char *data = vectors_load(path, NULL);
	struct text rest = text_of(data);
	size_t heard = 0, finals = 0;

	print_message("%s in pieces of %zu\n", path, chunk);
	line.chunk = chunk;
	line.seed = 4711;
	while (rest.n)
		transcript_line(&t, text_cut(&rest, '\n'));
	for (size_t i = 0; i < n_asked; i++) {
		assert_true(asked[i].done <= 1);
		heard += count_lines(asked[i].lines);
		finals += asked[i].done;
	}
	heard += count_lines(urcs);
	/* '<=' lines only add to what is heard. */
	assert_true(heard + finals >= t.fed || strstr(path, "sync.txt"));
	assert_true(t.commands == 0 || finals > 0);
	free(data);
}

static const char *const transcripts[] = {
	"tests/vectors/at/transcripts/apdu_ccho_cgla.txt", "tests/vectors/at/transcripts/apdu_csim.txt",
	"tests/vectors/at/transcripts/boot.txt", "tests/vectors/at/transcripts/ppp_dial.txt",
	"tests/vectors/at/transcripts/profile_switch.txt", "tests/vectors/at/transcripts/sms_prompt.txt",
	"tests/vectors/at/transcripts/sync.txt", "tests/vectors/at/transcripts/urc_interleave.txt",
	"tests/vectors/real/module-a7908e-nospace-61.chat",
	"tests/vectors/real/module-bg0309-cgla-inline.chat",
	"tests/vectors/real/module-csim-lenovo-fci-inline.chat",
	"tests/vectors/real/module-ec200a-thales-csim.chat",
	"tests/vectors/real/module-eg916q-crsm-cme3.chat",
	"tests/vectors/real/module-eg95-csim-select-cme0.chat",
	"tests/vectors/real/module-em9191-ccho-parameters-error.chat",
	"tests/vectors/real/module-fm350-ccho-bare.chat",
	"tests/vectors/real/module-mc7455-handle.chat",
	"tests/vectors/real/module-ml307-switch-errors.chat",
	"tests/vectors/real/module-nl668-isdr-6999.chat",
	"tests/vectors/real/module-no-isdr-answers.chat",
	"tests/vectors/real/module-quectel-cgla-error-lastblock.chat",
};

static void transcripts_of_the_field_run_through(void **state)
{
	static const size_t chunks[] = { 0, 1, 2, 7, 64 };

	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		for (size_t c = 0; c < ARRAY_SIZE(chunks); c++) {
			teardown(state);
			setup(state);
			run_transcript(transcripts[i], chunks[c]);
			for (size_t a = 0; a < n_asked; a++)
				at_cancel(&chat, &asked[a].cmd);
		}
	}
}

/* urc_interleave.txt, with what each line must have been taken for. */
static void events_between_the_lines_of_an_answer_are_told_apart(void **state)
{
	struct asked *a = ask_now("AT+CGDCONT?");

	(void)state;
	says("+CGDCONT: 1,\"IP\",\"internet\",\"\",0,0\\r\\n+CREG: 5,\"00C3\",\"0000AB12\",7\\r\\n"
	     "+CGDCONT: 2,\"IPV4V6\",\"ims\",\"\",0,0\\r\\nOK\\r\\n");
	assert_int_equal(count_lines(a->lines), 2);
	assert_string_equal(urcs, "+CREG: 5,\"00C3\",\"0000AB12\",7\n");
	urcs[0] = '\0';
	a = ask_now("AT+CREG?");
	says("+CREG: 2\\r\\n+CREG: 1,2\\r\\nOK\\r\\n");
	assert_string_equal(a->lines, "+CREG: 1,2\n");
	assert_string_equal(urcs, "+CREG: 2\n");
	urcs[0] = '\0';
	a = ask_now("AT+CGSN");
	says("RING\\r\\n866425031234567\\r\\nOK\\r\\n");
	assert_string_equal(a->lines, "866425031234567\n");
	assert_string_equal(urcs, "RING\n");
	a = ask_now("AT+CREG?;+CGREG?");
	says("+CREG: 0,1\\r\\n+CGREG: 0,1\\r\\nOK\\r\\n");
	assert_string_equal(a->lines, "+CREG: 0,1\n+CGREG: 0,1\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_reaches_its_asker),
		T(exactly_one_command_is_in_flight),
		T(errors_keep_their_number_and_words),
		T(echo_is_dropped_and_its_return_is_noticed),
		T(cancelled_command_swallows_its_answer),
		T(cancelled_command_without_answer_does_not_stop_the_line),
		T(queued_command_can_be_cancelled),
		T(late_answers_are_dropped_before_the_next_command),
		T(silence_is_told_once_and_holds_the_queue),
		T(rescue_leaves_a_prompt),
		T(a_module_that_wants_cr_lf_is_spoken_to_so),
		T(a_module_that_was_only_late_is_spoken_to_with_cr),
		T(rescue_leaves_data_mode_and_hangs_up),
		T(late_answers_do_not_hide_a_mux),
		T(rescue_ends_q1),
		T(numeric_mode_is_an_answer_to_the_probe),
		T(garbage_is_never_taken_for_a_module),
		T(a_module_without_marker_commands_gets_into_step),
		T(prompt_gets_its_body_and_ctrl_z),
		T(prompt_nobody_expects_is_left_by_escape),
		T(escape_that_is_not_answered_ends_in_bounded_time),
		T(incoming_message_and_its_body_are_one_event),
		T(hang_up_ends_everything_with_link_lost),
		T(a_port_that_takes_no_octets_times_out),
		T(unexpected_data_mode_is_left),
		T(upload_gets_its_raw_body),
		T(quoted_ok_ends_nothing),
		T(lost_quote_costs_a_moment_not_the_command),
		T(pause_between_commands_is_kept),
		T(listeners_may_leave_while_they_are_told),
		T(chat_may_be_closed_in_a_callback),
		T(transcripts_of_the_field_run_through),
		T(events_between_the_lines_of_an_answer_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
