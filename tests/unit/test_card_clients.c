/*
 * AT clients beside an APDU train on one line, paced as at 115200 baud, on the virtual clock: a
 * client waits for at most the APDU in flight, the train moves on, and raw APDUs of clients on the
 * basic channel do neither any harm.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/cardbed.h"
#include "unit/fake_ev.h"

#define CLIENTS 4
#define ANSWER_MAX 512

/* The train goes by +CGLA here: whatever else is on the line is the clients'. */
static const struct cardbed_options bed = {
	.module = "quectel-rm500", .card = "classic-consumer", .baud = 115200,
};

static struct client {
	struct at_cmd cmd;
	const char *text;
	char expected[ANSWER_MAX];      /* its answer when nobody else is there; "": any */
	char answer[ANSWER_MAX];
	struct ev_alarm pause;
	unsigned pause_ms;
	bool waits;                     /* submitted, not yet on the line */
	uint64_t submitted_ms;
	/* Sent by others while it waited. */
	unsigned blocks, follow_ups, others;
	/* Results. */
	unsigned done, wrong, most_blocks, most_follow_ups, most_others, longest_ms;
} clients[CLIENTS];

static unsigned blocks;                 /* of the train: STORE DATA */
static unsigned block_ms;               /* the longest, with what it took to fetch its answer */
static uint64_t block_sent_ms;
static bool stopped;

/* --- what goes over the line -------------------------------------------------------------------------- */

static void note_command(const char *line)
{
	bool block = text_starts(text_of(line), "AT+CGLA=") && strstr(line, "\"80E2");
	bool follow_up = text_starts(text_of(line), "AT+CGLA=") && !block;

	if (!follow_up && block_sent_ms) {
		block_ms = MAX(block_ms, (unsigned)(ev_now_ms() - block_sent_ms));
		block_sent_ms = 0;
	}
	if (block)
		block_sent_ms = ev_now_ms();
	blocks += block;
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (!c->waits)
			continue;
		if (!strcmp(line, c->text)) {
			c->waits = false;
			c->most_blocks = MAX(c->most_blocks, c->blocks);
			c->most_follow_ups = MAX(c->most_follow_ups, c->follow_ups);
			c->most_others = MAX(c->most_others, c->others);
			c->longest_ms = MAX(c->longest_ms, (unsigned)(ev_now_ms() - c->submitted_ms));
			continue;
		}
		c->blocks += block;
		c->follow_ups += follow_up;
		c->others += !block && !follow_up;
	}
}

/* --- the clients, as at.send has them ------------------------------------------------------------------- */

static void on_line(struct at_cmd *cmd, struct text line)
{
	struct client *c = container_of(cmd, struct client, cmd);
	size_t n = strlen(c->answer);

	snprintf(c->answer + n, sizeof(c->answer) - n, TEXT_FMT "\n", TEXT_ARG(line));
}

static void say(struct client *c)
{
	c->answer[0] = '\0';
	c->blocks = c->follow_ups = c->others = 0;
	c->waits = true;
	c->submitted_ms = ev_now_ms();
	assert_int_equal(modem_send(&cardbed.modem, &c->cmd), 0);
}

static void on_pause(struct ev_alarm *a)
{
	say(container_of(a, struct client, pause));
}

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct client *c = container_of(cmd, struct client, cmd);

	(void)code, (void)final;
	if (end != AT_OK || (c->expected[0] && strcmp(c->answer, c->expected) != 0)) {
		print_error("%s: %s %s", c->text, at_end_name(end), c->answer);
		c->wrong++;
	}
	c->done++;
	if (!stopped && c->pause_ms)
		ev_alarm_start(&c->pause, c->pause_ms);
	else if (!stopped)
		say(c);
}

static void add_client(size_t i, const char *text, unsigned pause_ms)
{
	struct client *c = &clients[i];

	*c = (struct client){ .text = text, .pause_ms = pause_ms, .pause.fired = on_pause };
	c->cmd = (struct at_cmd){ .text = text, .every = true, .patience_ms = 30000, .line = on_line,
				  .done = on_done };
}

static bool is_done(void *arg)
{
	return ((struct client *)arg)->done > 0;
}

/* What it hears alone is what it must hear in company. */
static void ask_alone(size_t i)
{
	struct client *c = &clients[i];

	stopped = true;
	say(c);
	assert_true(fake_ev_until(is_done, c, 30000));
	assert_int_equal(c->wrong, 0);
	snprintf(c->expected, sizeof(c->expected), "%s", c->answer);
	c->done = 0;
	c->most_blocks = c->most_follow_ups = c->most_others = c->longest_ms = 0;
}

/* --- the train ---------------------------------------------------------------------------------------- */

static unsigned readings;

static void read_lists(unsigned ms)
{
	uint64_t end = ev_now_ms() + ms;

	readings = 0;
	while (ev_now_ms() < end) {
		unsigned before = cardbed.ipa.facts_seq;

		ipa_read_again(&cardbed.ipa, FACTS_ALL);
		assert_true(cardbed_settle(60000));
		assert_true(cardbed.ipa.facts_seq > before);
		assert_true(cardbed_is_true());
		readings++;
	}
}

static void run(size_t n, unsigned ms)
{
	for (size_t i = 0; i < n; i++)
		ask_alone(i);
	stopped = false;
	blocks = block_ms = 0;
	block_sent_ms = 0;
	for (size_t i = 0; i < n; i++)
		say(&clients[i]);
	read_lists(ms);
	stopped = true;
	fake_ev_run(5000);
	for (size_t i = 0; i < n; i++) {
		struct client *c = &clients[i];

		ev_alarm_stop(&c->pause);
		print_message("%-34s %5u times, waited %3u ms at most, for %u blocks, %u follow-ups, "
			      "%u of others\n", c->text, c->done, c->longest_ms, c->most_blocks,
			      c->most_follow_ups, c->most_others);
		assert_int_equal(c->wrong, 0);
		assert_true(c->done > 10);
	}
	print_message("%u lists read, %u blocks, the longest %u ms\n", readings, blocks, block_ms);
	assert_true(readings > 3);
}

static int setup(void **state)
{
	(void)state;
	memset(clients, 0, sizeof(clients));
	cardbed_open(&bed);
	cardbed.sent = note_command;
	assert_true(cardbed_settle(60000));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cardbed_close();
	return 0;
}

/* What is on the line when it comes must end, with the answer that the card holds for it; no more. */
static void a_client_waits_for_the_one_in_flight(void **state)
{
	(void)state;
	add_client(0, "AT+CSQ", 137);
	run(1, 60000);
	assert_int_equal(clients[0].most_blocks, 0);
	assert_true(clients[0].most_follow_ups <= 1);
	assert_true(clients[0].longest_ms <= block_ms);
}

/* Each of four that never rest has its turn, and so has the train. */
static void four_clients_and_the_train_take_turns(void **state)
{
	unsigned done = 0;

	(void)state;
	add_client(0, "AT+CSQ", 0);
	add_client(1, "AT+CRSM=176,12258,0,0,10", 0);
	add_client(2, "AT+CSIM=10,\"80F2000000\"", 0);
	add_client(3, "AT+CSIM=14,\"00A40004023F00\"", 0);
	run(CLIENTS, 60000);
	for (size_t i = 0; i < CLIENTS; i++) {
		assert_true(clients[i].most_blocks <= 1);
		assert_true(clients[i].most_others <= CLIENTS);
		done += clients[i].done;
	}
	/* One block to each four commands, but for the pauses between two lists. */
	assert_true(blocks * (CLIENTS + 2) > done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_waits_for_the_one_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(four_clients_and_the_train_take_turns, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
