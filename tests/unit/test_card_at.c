/*
 * The card through AT commands, on the virtual clock: a module that answers from a table, with the
 * differences between families that the field shows.
 */
#include <stdio.h>
#include <string.h>

#include "support/test.h"

#include "atcmd/card_at.h"
#include "core/hex.h"
#include "support/wire.h"
#include "unit/fake_ev.h"

static struct wire line;
static struct at_chat chat;
static struct card_at card;

/* --- the module: rules are looked at in their order, each may be limited in how often it fits --- */

struct rule {
	const char *command;            /* starts with */
	const char *answer;             /* NULL: none at all */
	int times;                      /* 0: always */
};

static const struct rule *rules;
static int used[64];
static char asked[8192];

static void on_wrote(struct wire *w)
{
	const char *command;

	while ((command = wire_take_line(w))) {
		strncat(asked, command, sizeof(asked) - strlen(asked) - 2);
		strcat(asked, "\n");
		for (int i = 0; rules[i].command; i++) {
			if (strncmp(command, rules[i].command, strlen(rules[i].command)) ||
			    (rules[i].times && used[i] >= rules[i].times))
				continue;
			used[i]++;
			if (rules[i].answer)
				wire_feed_text(w, rules[i].answer);
			break;
		}
	}
}

#define OK "\r\nOK\r\n"
#define SYNC { "AT", OK }, { NULL }

/* --- the user of the channel ----------------------------------------------------------------------- */

static int opened, lost;
static struct cause opened_why;
static char fci[200];

static void on_opened(struct card_channel_user *u, const struct cause *why, const uint8_t *p, size_t n)
{
	(void)u;
	opened++;
	opened_why = why ? *why : (struct cause){ 0 };
	hex_encode(p, n, fci, sizeof(fci));
}

static void on_lost(struct card_channel_user *u)
{
	(void)u;
	lost++;
}

static struct card_channel_user user = { on_opened, on_lost };

struct asked_apdu {
	struct card_exchange x;
	uint8_t command[CARD_COMMAND_MAX], data[600];
	int done;
	struct cause why;
};

static void on_done(struct card_exchange *x, const struct cause *why)
{
	struct asked_apdu *a = container_of(x, struct asked_apdu, x);

	a->done++;
	a->why = why ? *why : (struct cause){ 0 };
}

static struct asked_apdu *send(const char *hex, bool basic)
{
	static struct asked_apdu a;

	memset(&a, 0, sizeof(a));
	a.x = (struct card_exchange){ .command = a.command, .basic = basic, .patience_ms = 60000,
				      .data = a.data, .cap = sizeof(a.data), .done = on_done };
	assert_int_equal(hex_decode(text_of(hex), a.command, sizeof(a.command), &a.x.command_n), 0);
	card_exchange(&card.channel, &a.x);
	return &a;
}

static const uint8_t isdr[] = { 0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff,
				0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x01, 0x00 };

static char remembered[CARD_AT_HANDLE_MAX];

static void on_remember(struct card_at *c, const char *handle)
{
	(void)c;
	strcpy(remembered, handle);
}

static void begin(const struct rule *r)
{
	rules = r;
	memset(used, 0, sizeof(used));
	asked[0] = '\0';
	opened = lost = 0;
	card_open(&card.channel, isdr, sizeof(isdr));
}

static void on_chat_lost(struct at_chat *c, int error)
{
	(void)c;
	(void)error;
}

static void on_silent(struct at_chat *c)
{
	(void)c;
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	memset(&chat, 0, sizeof(chat));
	memset(&card, 0, sizeof(card));
	memset(remembered, 0, sizeof(remembered));
	wire_open(&line);
	line.wrote = on_wrote;
	chat.name = "at1";
	chat.lost = on_chat_lost;
	chat.silent = on_silent;
	at_chat_open(&chat, &line.pipe);
	card.chat = &chat;
	card.remember = on_remember;
	card_at_init(&card);
	card.channel.user = &user;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	card_at_drop(&card);
	at_chat_close(&chat);
	wire_close(&line);
	fake_ev_run(0);
	return 0;
}

/* --- opening ------------------------------------------------------------------------------------------ */

#define CCHO "AT+CCHO=\"A0000005591010FFFFFFFF8900000100\"\n"

static void opens_by_ccho_whatever_the_answer_looks_like(void **state)
{
	static const struct {
		const char *answer, *handle;
	} forms[] = {
		{ "\r\n+CCHO: 1\r\n" OK, "ccho:1" },
		{ "\r\n+CCHO:2\r\n" OK, "ccho:2" },
		{ "\r\n1\r\n" OK, "ccho:1" },                                   /* FM350 */
		{ "\r\n+CREG: 1,\"1A2B\",\"01234567\",7\r\n1\r\n" OK, "ccho:1" },
		{ "\r\n+CCHO: 000000000385a7cf\r\n" OK, "ccho:000000000385a7cf" },  /* MC7455 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct rule r[] = { { "AT+CCHO", forms[i].answer }, SYNC };

		begin(r);
		fake_ev_run(10);
		assert_int_equal(opened, 1);
		assert_int_equal(opened_why.kind, CAUSE_NONE);
		assert_string_equal(remembered, forms[i].handle);
		assert_string_equal(asked, CCHO);
		card_close(&card.channel);
		fake_ev_run(10);
		assert_string_equal(remembered, "");
		assert_non_null(strstr(asked, "AT+CCHC="));
		assert_false(card_at_is_closing(&card));
	}
}

static void a_busy_card_is_asked_again(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\n+CME ERROR: 14\r\n", 3 },
					 { "AT+CCHO", "\r\n+CCHO: 1\r\n" OK }, SYNC };

	(void)state;
	begin(r);
	fake_ev_run(2500);
	assert_int_equal(opened, 0);
	fake_ev_run(1000);
	assert_int_equal(opened, 1);
	assert_string_equal(asked, CCHO CCHO CCHO CCHO);
}

static void what_a_crash_left_open_is_closed_first(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\n+CCHO: 2\r\n" OK }, SYNC };

	(void)state;
	strcpy(card.left, "ccho:3");
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_string_equal(asked, "AT+CCHC=3\n" CCHO);
}

static void a_channel_nobody_remembers_is_swept_away(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\nERROR\r\n", 1 },
					 { "AT+CCHC=1", "\r\nERROR\r\n" },
					 { "AT+CCHO", "\r\n+CCHO: 2\r\n" OK }, SYNC };

	(void)state;
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_NONE);
	assert_string_equal(asked, CCHO "AT+CCHC=1\nAT+CCHC=2\nAT+CCHC=3\n" CCHO);
}

static void csim_is_the_second_way_and_gives_the_fci(void **state)
{
	static const struct rule r[] = {
		{ "AT+CC", "\r\nERROR\r\n" },
		{ "AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"029000\"\r\n" OK },
		{ "AT+CSIM=42,\"02A4040010A0000005591010FFFFFFFF8900000100\"",
		  "\r\n+CSIM: 4,\"6105\"\r\n" OK },
		{ "AT+CSIM=10,\"02C0000005\"", "\r\n+CSIM: 14,\"6F036F01029000\"\r\n" OK },
		{ "AT+CSIM=16,\"82E29100", "\r\n+CSIM: 4,\"6103\"\r\n" OK },
		{ "AT+CSIM=10,\"82C0000003\"", "\r\n+CSIM: 10,\"BF20009000\"\r\n" OK },
		SYNC };
	struct asked_apdu *a;

	(void)state;
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_NONE);
	assert_string_equal(fci, "6F036F0102");
	assert_string_equal(remembered, "csim:2");
	a = send("80E2910003BF2000", false);
	fake_ev_run(10);
	assert_int_equal(a->done, 1);
	assert_int_equal(a->x.sw, 0x9000);
	assert_int_equal(a->x.data_n, 3);
	card_close(&card.channel);
	fake_ev_run(10);
	assert_non_null(strstr(asked, "AT+CSIM=10,\"0070800200\"\n"));
}

static void a_card_without_the_application_says_so_and_keeps_no_channel(void **state)
{
	static const struct rule r[] = {
		{ "AT+CC", "\r\n+CME ERROR: 13\r\n" },
		{ "AT+CSIM=10,\"0070000001\"", "\r\n+CSIM: 6,\"019000\"\r\n" OK },
		{ "AT+CSIM=42,", "\r\n+CSIM: 4,\"6A82\"\r\n" OK },
		{ "AT+CSIM=10,\"0070800100\"", "\r\n+CSIM: 4,\"9000\"\r\n" OK },
		SYNC };

	(void)state;
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_REFUSED);
	assert_string_equal(opened_why.from, "card");
	assert_int_equal(opened_why.code, 0x6a82);
	assert_non_null(strstr(asked, "AT+CSIM=10,\"0070800100\"\n"));
	/* The next AID is asked for by the way whose answers mean something. */
	begin(r);
	fake_ev_run(10);
	assert_null(strstr(asked, "CCHO"));
}

static void a_module_without_any_way_is_told_by_its_own_code(void **state)
{
	static const struct rule r[] = { { "AT+CC", "\r\n+CME ERROR: 3\r\n" },
					 { "AT+CSIM", "\r\nERROR\r\n" }, SYNC };

	(void)state;
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_REFUSED);
	assert_string_equal(opened_why.from, "module");
	assert_int_equal(opened_why.code, 3);
}

static void closing_while_it_opens_leaks_nothing(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", NULL }, SYNC };

	(void)state;
	begin(r);
	fake_ev_run(10);
	card_close(&card.channel);
	assert_true(card_at_is_closing(&card));
	wire_feed_text(&line, "\r\n+CCHO: 3\r\n" OK);
	fake_ev_run(10);
	assert_int_equal(opened, 0);
	assert_string_equal(asked, CCHO "AT+CCHC=3\n");
	assert_false(card_at_is_closing(&card));
}

static void a_silent_ccho_ends_in_time(void **state)
{
	static const struct rule r[] = { { "AT+CCH", NULL }, { "AT+CSIM", NULL },
					 { "AT+CMEE?", "\r\n+CMEE: 1\r\n" OK }, SYNC };

	(void)state;
	begin(r);
	fake_ev_run(30000 * 7);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_TIMEOUT);
}

/* --- exchanges ----------------------------------------------------------------------------------------- */

static void open_with(const struct rule *r)
{
	begin(r);
	fake_ev_run(10);
	assert_int_equal(opened, 1);
	assert_int_equal(opened_why.kind, CAUSE_NONE);
	asked[0] = '\0';
}

static void long_answers_are_fetched_piece_by_piece(void **state)
{
	static const struct rule r[] = {
		{ "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
		{ "AT+CGLA=1,16", "\r\n+CGLA: 4,\"6102\"\r\n" OK },
		{ "AT+CGLA=1,10,\"80C0000002\"", "\r\n+CGLA: 8,\"AABB6100\"\r\n" OK },
		{ "AT+CGLA=1,10,\"80C0000000\"", "\r\n+CGLA: 6,\"CC9000\"\r\n" OK },
		SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	fake_ev_run(10);
	assert_int_equal(a->done, 1);
	assert_int_equal(a->x.sw, 0x9000);
	assert_int_equal(a->x.data_n, 3);
	assert_memory_equal(a->data, "\xaa\xbb\xcc", 3);
}

static void a_wrong_le_is_put_right(void **state)
{
	static const struct rule r[] = {
		{ "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
		{ "AT+CGLA=1,10,\"80CA005A00\"", "\r\n+CGLA: 4,\"6C01\"\r\n" OK },
		{ "AT+CGLA=1,10,\"80CA005A01\"", "\r\n+CGLA: 6,\"119000\"\r\n" OK },
		SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80CA005A00", false);
	fake_ev_run(10);
	assert_int_equal(a->x.sw, 0x9000);
	assert_int_equal(a->x.data_n, 1);
}

static void modules_that_fetch_themselves_need_no_follow_up(void **state)
{
	static const struct rule r[] = {
		{ "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
		{ "AT+CGLA", "\r\n+CGLA: 10,\"BF2D009000\"\r\n" OK }, SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	fake_ev_run(10);
	assert_int_equal(a->x.data_n, 3);
	assert_string_equal(asked, "AT+CGLA=1,16,\"80E2910003BF2D00\"\n");
}

static void what_is_short_of_its_length_is_malformed(void **state)
{
	static const struct {
		const char *answer;
		enum cause_kind kind;
	} answers[] = {
		{ "\r\n+CGLA: 10,\"BF2D9000\"\r\n" OK, CAUSE_MALFORMED },       /* lost two digits */
		{ "\r\n+CGLA: 5,\"BF2D009000\"\r\n" OK, CAUSE_NONE },           /* counts octets */
		{ "\r\n+CGLA:10,\"BF2D009000\"\r\n" OK, CAUSE_NONE },           /* A7908E */
		{ "\r\n+CGLA: 10,\"BF2D00900\"\r\n" OK, CAUSE_MALFORMED },
		{ "\r\n+CGLA: 2,\"90\"\r\n" OK, CAUSE_MALFORMED },
		{ OK, CAUSE_MALFORMED },
		{ "\r\n+CME ERROR: 3\r\n", CAUSE_REFUSED },
		{ "\r\n+CGLA: 4,\"6881\"\r\n" OK, CAUSE_LINK_LOST },
		{ NULL, CAUSE_TIMEOUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct rule r[] = { { "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
					  { "AT+CGLA", answers[i].answer }, SYNC };
		struct asked_apdu *a;

		open_with(r);
		a = send("80E2910003BF2D00", false);
		fake_ev_run(60010);
		assert_int_equal(a->done, 1);
		assert_int_equal(a->why.kind, answers[i].kind);
		assert_int_equal(lost, answers[i].kind == CAUSE_LINK_LOST);
		card_close(&card.channel);
		fake_ev_run(20000);
	}
}

static void an_answer_beyond_its_room_is_malformed(void **state)
{
	static const struct rule r[] = {
		{ "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
		{ "AT+CGLA", "\r\n+CGLA: 10,\"BF2D009000\"\r\n" OK }, SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	a->x.cap = 2;
	fake_ev_run(10);
	assert_int_equal(a->why.kind, CAUSE_MALFORMED);
}

static void a_card_that_never_ends_is_stopped(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
					 { "AT+CGLA", "\r\n+CGLA: 4,\"6101\"\r\n" OK }, SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	fake_ev_run(1000);
	assert_int_equal(a->done, 1);
	assert_int_equal(a->x.sw, 0x6101);
}

static void without_a_channel_only_the_basic_one_can_be_used(void **state)
{
	static const struct rule r[] = { { "AT+CSIM=20,\"80AA000005A903840101\"",
					   "\r\n+CSIM: 4,\"9000\"\r\n" OK }, SYNC };
	struct asked_apdu *a;

	(void)state;
	rules = r;
	a = send("80E2910003BF2D00", false);
	assert_int_equal(a->done, 0);
	fake_ev_run(0);
	assert_int_equal(a->why.kind, CAUSE_LINK_LOST);
	a = send("80AA000005A903840101", true);
	fake_ev_run(10);
	assert_int_equal(a->why.kind, CAUSE_NONE);
	assert_int_equal(a->x.sw, 0x9000);
}

static void a_reset_of_the_card_ends_what_is_in_flight(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
					 { "AT+CGLA", NULL }, SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	fake_ev_run(10);
	card_at_lost(&card);
	assert_int_equal(a->done + lost, 0);
	fake_ev_run(0);
	assert_int_equal(a->done, 1);
	assert_int_equal(a->why.kind, CAUSE_LINK_LOST);
	assert_int_equal(lost, 1);
	assert_string_equal(remembered, "");
}

static void a_cancelled_exchange_swallows_its_answer(void **state)
{
	static const struct rule r[] = { { "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
					 { "AT+CGLA", NULL, 1 },
					 { "AT+CGLA", "\r\n+CGLA: 4,\"9000\"\r\n" OK }, SYNC };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	fake_ev_run(10);
	card_cancel(&card.channel, &a->x);
	a = send("80E2910003BF2000", false);
	wire_feed_text(&line, "\r\n+CGLA: 10,\"BF2D009000\"\r\n" OK);
	fake_ev_run(10);
	assert_int_equal(a->done, 1);
	assert_int_equal(a->x.sw, 0x9000);
	assert_int_equal(a->x.data_n, 0);
}

/* --- sharing the line ------------------------------------------------------------------------------------- */

struct client {
	struct at_cmd cmd;
	int done;
	size_t apdus_before;
};

static void on_client_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct client *c = container_of(cmd, struct client, cmd);

	(void)code;
	(void)final;
	assert_int_equal(end, AT_OK);
	c->done++;
}

/* Nothing may come between 61xx and its GET RESPONSE; a client comes between two APDUs. */
static void clients_come_between_apdus_not_into_them(void **state)
{
	static const struct rule r[] = {
		{ "AT+CCHO", "\r\n+CCHO: 1\r\n" OK },
		{ "AT+CGLA=1,16", "\r\n+CGLA: 4,\"6103\"\r\n" OK },
		{ "AT+CGLA=1,10", "\r\n+CGLA: 10,\"BF2D009000\"\r\n" OK },
		SYNC };
	struct client c = { .cmd = { .text = "AT+CSQ", .every = true, .patience_ms = 1000,
				     .done = on_client_done } };
	struct asked_apdu *a;

	(void)state;
	open_with(r);
	a = send("80E2910003BF2D00", false);
	at_submit(&chat, &c.cmd);
	fake_ev_run(10);
	assert_int_equal(a->done, 1);
	assert_int_equal(c.done, 1);
	assert_string_equal(asked, "AT+CGLA=1,16,\"80E2910003BF2D00\"\nAT+CGLA=1,10,\"80C0000003\"\n"
				   "AT+CSQ\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(opens_by_ccho_whatever_the_answer_looks_like),
		T(a_busy_card_is_asked_again),
		T(what_a_crash_left_open_is_closed_first),
		T(a_channel_nobody_remembers_is_swept_away),
		T(csim_is_the_second_way_and_gives_the_fci),
		T(a_card_without_the_application_says_so_and_keeps_no_channel),
		T(a_module_without_any_way_is_told_by_its_own_code),
		T(closing_while_it_opens_leaks_nothing),
		T(a_silent_ccho_ends_in_time),
		T(long_answers_are_fetched_piece_by_piece),
		T(a_wrong_le_is_put_right),
		T(modules_that_fetch_themselves_need_no_follow_up),
		T(what_is_short_of_its_length_is_malformed),
		T(an_answer_beyond_its_room_is_malformed),
		T(a_card_that_never_ends_is_stopped),
		T(without_a_channel_only_the_basic_one_can_be_used),
		T(a_reset_of_the_card_ends_what_is_in_flight),
		T(a_cancelled_exchange_swallows_its_answer),
		T(clients_come_between_apdus_not_into_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
