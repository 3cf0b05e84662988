/*
 * Something happens to the module, the line or the mux at any moment, hundreds of times, while four
 * clients with different settings give commands, one of them in data mode, and the card is read: by
 * itself everything comes back, each command ends with one result within bounds, no answer reaches
 * anybody else, and what was given when all was well is answered to the octet. All on the virtual clock;
 * the clients are real sockets.
 *
 *   FAULT_ROUNDS=n  FAULT_SEED=n   another run
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"
#include "support/cardbed.h"
#include "unit/fake_ev.h"

#define WORKERS 4
#define STEP_MS 10
/* A command ends by then, whatever happens: the longest patience and the resync behind it. */
#define HANG_MS 120000
/* And by then everything is as before. */
#define BACK_MS 240000
#define IDLE_MS 70000

enum strike {
	STRIKE_UNPLUG, STRIKE_HANG_UP, STRIKE_RESET, STRIKE_POWER_LOSS, STRIKE_MUX_FORGOTTEN, STRIKE_MUX_CLOSED,
	STRIKE_CHANNEL_CLOSED, STRIKE_CORRUPTION, STRIKE_LOSS, STRIKE_DUPLICATION, _STRIKE_MAX
};

static const char *const fault_names[_STRIKE_MAX] = {
	"unplugged", "hung up", "reset", "power loss", "mux forgotten", "mux closed", "channel closed",
	"corruption", "loss", "duplication",
};

#define BODY_LEN 9              /* "T0-000000" */
#define TOKEN_LEN 16            /* "-abcdef" behind it */

enum kind { KIND_COMMANDS, KIND_DATA };

struct worker {
	enum kind kind;
	unsigned i, seq, e, v;
	int fd;
	bool waits, connected;
	char in[8192], want[512], token[TOKEN_LEN + 1];
	size_t n;
	uint64_t since_ms, next_ms, heard_ms;
	unsigned good;                  /* since the fault */
};

static struct worker workers[WORKERS];
static uint64_t seed;
static bool on_mux, resting;
static uint64_t fault_ms, back_ms;      /* the last fault; all was well again (0: not yet) */
static uint64_t noise_until_ms;
static enum strike fault;
static struct {
	unsigned ok, errors, damaged, merged, calls, carriers;
	unsigned rounds[_STRIKE_MAX], longest_ms[_STRIKE_MAX];
} count;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % below;
}

/* --- tokens: an answer that somebody else gets cannot be mistaken for a damaged one ---------------- */

static void check_of(const char *token, char dst[8])
{
	unsigned long long sum = 1469598103934665603ull;

	for (int i = 0; i < BODY_LEN; i++)
		sum = (sum ^ (unsigned char)token[i]) * 1099511628211ull;
	dst[0] = '-';
	for (int i = 1; i < 7; i++, sum /= 26)
		dst[i] = (char)('a' + sum % 26);
	dst[7] = '\0';
}

static void make_token(struct worker *w)
{
	char check[8];

	snprintf(w->token, sizeof(w->token), "T%u-%06u", w->i % 10, ++w->seq % 1000000);
	check_of(w->token, check);
	strcat(w->token, check);
}

static bool is_token(const char *t)
{
	char check[8];

	if (strlen(t) < TOKEN_LEN || t[2] != '-')
		return false;
	check_of(t, check);
	return !strncmp(t + BODY_LEN, check, 7);
}

/* Octets were changed while it was under way: it may have become anything. */
static bool in_noise(const struct worker *w)
{
	return noise_until_ms && w->since_ms <= noise_until_ms + 30000;
}

/*
 * On a mux a changed length makes one of two frames, which one in 256 check sequences of eight bits does
 * not notice (27.010 5.2.1.6: they cover no data): then there is nothing to tell it by.
 */
static void no_foreign_token(const struct worker *w)
{
	for (const char *t = strchr(w->in, 'T'); t; t = strchr(t + 1, 'T'))
		if (is_token(t) && t[1] != w->token[1] && on_mux && in_noise(w))
			count.merged++;
		else if (is_token(t) && t[1] != w->token[1])
			fail_msg("%u got the answer %.16s of somebody else: %s", w->i, t, w->in);
}

static bool has_own_token(const struct worker *w)
{
	for (const char *t = strchr(w->in, 'T'); t; t = strchr(t + 1, 'T'))
		if (is_token(t))
			return true;
	return false;
}

/* --- clients --------------------------------------------------------------------------------------- */

/* Was all well from when it was asked until now? What noise has left behind may show later. */
static bool in_peace(const struct worker *w)
{
	return back_ms && w->since_ms > back_ms && !in_noise(w);
}

static void dial(struct worker *w)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/at%u", cardbed.card.dir, w->i);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(w->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static void type(struct worker *w, const char *s)
{
	assert_int_equal(write(w->fd, s, strlen(s)), strlen(s));
}

static void take_all(struct worker *w)
{
	ssize_t n = read(w->fd, w->in + w->n, sizeof(w->in) - 1 - w->n);

	assert_true(n > 0 || (n < 0 && errno == EAGAIN));
	if (n <= 0)
		return;
	w->n += (size_t)n;
	w->in[w->n] = '\0';
	for (char *z = w->in; (z = memchr(z, '\0', (size_t)(w->in + w->n - z)));)
		*z = '?';
	w->heard_ms = ev_now_ms();
}

static void forget_input(struct worker *w)
{
	w->n = 0;
	w->in[0] = '\0';
}

static bool ends_with(const struct worker *w, const char *end)
{
	size_t n = strlen(end);

	return w->n >= n && !strcmp(w->in + w->n - n, end);
}

/* As the last line, from its first character on: noise in front of it makes it a line of the answer. */
static bool ends_with_error(const struct worker *w)
{
	size_t at = w->n;

	if (!ends_with(w, "\r\n"))
		return false;
	for (at -= 2; at >= 2 && memcmp(w->in + at - 2, "\r\n", 2) != 0; at--)
		;
	return at >= 2 ? !strncmp(w->in + at, "+CME ERROR:", 11) : !strncmp(w->in, "+CME ERROR:", 11);
}

/* The result has come. */
static bool has_ended(const struct worker *w)
{
	const char *line = w->in;

	if (w->v)
		return ends_with(w, "\r\nOK\r\n") || ends_with(w, "\r\nERROR\r\n") ||
		       ends_with(w, "\r\nNO CARRIER\r\n") ||
		       ends_with_error(w);
	for (const char *l; (l = strstr(line, "\r\n"));)
		line = l + 2;
	return (strlen(line) == 2 && strchr("0134678", line[0]) && line[1] == '\r') ||
	       ends_with_error(w) ||
	       /* The end of what noise has made an upload: as the module said it. */
	       ends_with(w, "\r\nOK\r\n");
}

static bool is_error(const struct worker *w)
{
	return strstr(w->in, "ERROR") || strstr(w->in, "NO CARRIER") || (!w->v && !ends_with(w, "0\r") && !ends_with(w, "OK\r\n"));
}

static void ask(struct worker *w)
{
	unsigned lines = 1 + roll(4);
	char command[80];
	size_t at = 0;

	make_token(w);
	snprintf(command, sizeof(command), "AT%%ECHO=\"%s\",%u\r", w->token, lines);
	w->want[0] = '\0';
	if (w->e)
		at = (size_t)snprintf(w->want, sizeof(w->want), "%s", command);
	for (unsigned k = 1; k <= lines; k++)
		at += (size_t)snprintf(w->want + at, sizeof(w->want) - at, "%s%%ECHO: \"%s\",%u\r\n",
				       w->v && k == 1 ? "\r\n" : "", w->token, k);
	snprintf(w->want + at, sizeof(w->want) - at, w->v ? "\r\nOK\r\n" : "0\r");
	forget_input(w);
	w->waits = true;
	w->since_ms = ev_now_ms();
	type(w, command);
}

static void judge(struct worker *w)
{
	no_foreign_token(w);
	w->waits = false;
	w->next_ms = ev_now_ms() + roll(150);
	if (!strcmp(w->in, w->want)) {
		count.ok++;
		w->good++;
		return;
	}
	if (in_peace(w))
		fail_msg("%u, all being well: '%s', not '%s'", w->i, w->in, w->want);
	if (is_error(w))
		count.errors++;
	else if (in_noise(w))
		count.damaged++;
	else
		fail_msg("%u after '%s': '%s', not '%s'", w->i, fault_names[fault], w->in, w->want);
}

static void not_for_ever(const struct worker *w)
{
	char in[400];

	if (!w->waits || ev_now_ms() - w->since_ms <= HANG_MS)
		return;
	text_escape(w->in, w->n, in, sizeof(in));
	fail_msg("%u hangs since %llu s after '%s' (%llu s ago), modem %s: '%s'", w->i,
			 (unsigned long long)(ev_now_ms() - w->since_ms) / 1000, fault_names[fault],
			 (unsigned long long)(ev_now_ms() - fault_ms) / 1000,
			 modem_state_name(cardbed.modem.st.state), in);
}

static void serve_commands(struct worker *w)
{
	take_all(w);
	if (w->waits && has_ended(w))
		judge(w);
	not_for_ever(w);
	if (!w->waits && !resting && ev_now_ms() >= w->next_ms)
		ask(w);
}

/* One call after the other; in it, a word goes out and comes back. */
static void serve_data(struct worker *w)
{
	bool again = false;
	char word[32];

	take_all(w);
	no_foreign_token(w);
	not_for_ever(w);
	if (w->connected && strstr(w->in, "NO CARRIER")) {
		w->connected = w->waits = false;
		w->next_ms = ev_now_ms() + 500 + roll(1000);
		count.carriers++;
		if (in_peace(w))
			fail_msg("a call ends, all being well: '%s'", w->in);
		forget_input(w);
	} else if (w->connected && w->waits && has_own_token(w)) {
		w->waits = false;
		w->good++;
		w->next_ms = ev_now_ms() + roll(300);
	} else if (!w->connected && w->waits && strstr(w->in, "CONNECT")) {
		/* It may be over by now. */
		w->connected = !strstr(w->in, "NO CARRIER");
		w->waits = false;
		count.calls++;
	} else if (!w->connected && w->waits && has_ended(w)) {
		w->waits = false;
		w->next_ms = ev_now_ms() + 1000 + roll(2000);
	} else if (w->connected && w->waits && in_noise(w) && ev_now_ms() - w->heard_ms > 3000) {
		/* The word is lost for good: another one. */
		w->waits = false;
		again = true;
	}
	if (w->waits || resting || ev_now_ms() < w->next_ms)
		return;
	forget_input(w);
	w->waits = true;
	w->heard_ms = ev_now_ms();
	if (!again)
		w->since_ms = ev_now_ms();
	if (w->connected) {
		make_token(w);
		snprintf(word, sizeof(word), "<%s>", w->token);
		type(w, word);
	} else {
		type(w, "ATD*99#\r");
	}
}

static void serve(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (workers[i].kind == KIND_DATA)
			serve_data(&workers[i]);
		else
			serve_commands(&workers[i]);
	}
}

/* --- faults ---------------------------------------------------------------------------------------- */

/* Never to '/': A/ repeats the last command, whose answer is then a good one that nobody asked for. */
static size_t disturb(bool to_host, uint8_t *data, size_t n)
{
	(void)to_host;
	if (ev_now_ms() > noise_until_ms)
		return n;
	for (size_t i = 0; i < n; i++) {
		if (roll(200))
			continue;
		if (fault == STRIKE_CORRUPTION) {
			data[i] ^= (uint8_t)(1 + roll(255));
			if (data[i] == '/')
				data[i] = '#';
		} else if (fault == STRIKE_LOSS) {
			memmove(data + i, data + i + 1, n - i - 1);
			n--;
		} else if (fault == STRIKE_DUPLICATION && n < CARDBED_PIECE) {
			memmove(data + i + 1, data + i, n - i);
			n++;
			i++;
		}
	}
	return n;
}

static void strike(void)
{
	struct host *h = &cardbed.host;

	fault = (enum strike)roll(_STRIKE_MAX);
	fault_ms = ev_now_ms();
	back_ms = 0;
	count.rounds[fault]++;
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i].good = 0;
	switch (fault) {
	case STRIKE_UNPLUG:
		cardbed_unplug(true);
		break;
	case STRIKE_HANG_UP:
		module_hang_up(&cardbed.module, 10 + roll(2000));
		break;
	case STRIKE_RESET:
		module_restart(&cardbed.module);
		break;
	case STRIKE_POWER_LOSS:
		module_power_off(&cardbed.module);
		break;
	case STRIKE_MUX_FORGOTTEN:
		host_forget_mux(h);
		break;
	case STRIKE_MUX_CLOSED:
		if (h->muxed)
			mux_shut(&h->mux, 0);
		break;
	case STRIKE_CHANNEL_CLOSED:
		if (h->muxed)
			mux_shut(&h->mux, 1 + roll(4));
		break;
	case STRIKE_CORRUPTION:
	case STRIKE_LOSS:
	case STRIKE_DUPLICATION:
		noise_until_ms = ev_now_ms() + 50 + roll(3000);
		break;
	case _STRIKE_MAX:
		break;
	}
}

/* What does not end by itself ends now. */
static void relent(void)
{
	if (cardbed.unplugged && fault == STRIKE_UNPLUG)
		cardbed_plug();
	if (fault == STRIKE_POWER_LOSS && cardbed.module.power == MODULE_OFF)
		module_power_on(&cardbed.module);
}

/* --- rounds ---------------------------------------------------------------------------------------- */

static void run(unsigned ms)
{
	for (unsigned t = 0; t < ms; t += STEP_MS) {
		serve();
		fake_ev_run(STEP_MS);
	}
}

static bool is_back(void)
{
	const struct modem *m = &cardbed.modem;
	const struct ipa *i = &cardbed.ipa;

	if (m->st.state != MODEM_READY || i->card != IPA_CARD_READY || ev_now_ms() <= noise_until_ms)
		return false;
	/* A mux that has not lasted is left alone; else it is there again. */
	if (on_mux && m->mux.failures < 3 && !m->mux.on)
		return false;
	for (unsigned k = 0; k < WORKERS; k++) {
		bool without_line = workers[k].kind == KIND_DATA && !cardbed.ports.ports[k]->own_ready;

		if (workers[k].good < 2 && !without_line)
			return false;
	}
	return true;
}

/* All ports that had a channel of their own have one. */
static void wait_until_back(void)
{
	while (!is_back()) {
		run(STEP_MS);
		if (cardbed.ipa.card == IPA_CARD_READY && !cardbed.ipa.now && !ipa_is_reading(&cardbed.ipa))
			ipa_read_again(&cardbed.ipa, FACTS_ALL);
		if (ev_now_ms() - fault_ms > BACK_MS)
			fail_msg("not back %llu s after '%s': modem %s, card %d, mux %d (%u failures), good %u %u %u %u",
				 (unsigned long long)(ev_now_ms() - fault_ms) / 1000, fault_names[fault],
				 modem_state_name(cardbed.modem.st.state), (int)cardbed.ipa.card,
				 cardbed.modem.mux.on, cardbed.modem.mux.failures, workers[0].good,
				 workers[1].good, workers[2].good, workers[3].good);
	}
	back_ms = ev_now_ms();
	count.longest_ms[fault] = MAX(count.longest_ms[fault], (unsigned)(back_ms - fault_ms));
}

/* Nobody asks anything for longer than a mux has to last to be trusted again. */
static void rest(void)
{
	bool waits = true;

	resting = true;
	while (waits) {
		run(STEP_MS);
		waits = false;
		for (unsigned k = 0; k < WORKERS; k++)
			waits |= workers[k].waits;
	}
	fake_ev_run(IDLE_MS);
	resting = false;
}

static void one_round(void)
{
	ipa_read_again(&cardbed.ipa, FACTS_ALL);
	run(roll(600));
	strike();
	run(roll(4000));
	relent();
	wait_until_back();
	/* What is asked now is answered to the octet. */
	run(300);
	if (roll(2))
		rest();
}

static void run_rounds(const struct cardbed_options *bed, bool data)
{
	unsigned rounds = getenv("FAULT_ROUNDS") ? (unsigned)strtoul(getenv("FAULT_ROUNDS"), NULL, 10) : 150;

	seed = getenv("FAULT_SEED") ? strtoull(getenv("FAULT_SEED"), NULL, 10) : 42;
	print_message("seed %llu\n", (unsigned long long)seed);
	memset(&count, 0, sizeof(count));
	memset(workers, 0, sizeof(workers));
	on_mux = bed->cmux != MODEM_CMUX_NO;
	resting = false;
	fault = STRIKE_UNPLUG;
	fault_ms = back_ms = noise_until_ms = 0;
	cardbed_open(bed);
	cardbed.disturb = disturb;
	assert_true(cardbed_settle(60000));
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		*w = (struct worker){ .i = i, .e = i == 3, .v = i != 2,
				      .kind = data && i == 1 ? KIND_DATA : KIND_COMMANDS };
		dial(w);
		type(w, i == 3 ? "AT+CMEE=2\r" : i == 2 ? "ATE0V0+CMEE=1\r" : "ATE0+CMEE=1\r");
		fake_ev_run(100);
		take_all(w);
		assert_true(ends_with(w, i == 2 ? "0\r" : "\r\nOK\r\n"));
		forget_input(w);
	}
	for (unsigned i = 0; i < rounds; i++)
		one_round();
	rest();
	assert_true(cardbed_settle(60000));
	assert_true(cardbed_is_true());
	for (unsigned i = 0; i < WORKERS; i++)
		close(workers[i].fd);
	fake_ev_run(20000);
	cardbed_close();
	print_message("%u answers right, %u errors, %u damaged and %u merged by the line, %u calls, %u ended\n",
		      count.ok, count.errors, count.damaged, count.merged, count.calls, count.carriers);
	for (int f = 0; f < _STRIKE_MAX; f++)
		if (count.rounds[f])
			print_message("%-16s %4u times, back after %6u ms at the longest\n", fault_names[f],
				      count.rounds[f], count.longest_ms[f]);
}

static const struct vport_options ports[WORKERS] = {
	{ .name = "at0", .kind = VPORT_SOCKET, .mode = "0600", .urcs = VPORT_URCS_NONE },
	{ .name = "at1", .kind = VPORT_SOCKET, .mode = "0600", .urcs = VPORT_URCS_NONE, .data = VPORT_DATA_MUX },
	{ .name = "at2", .kind = VPORT_SOCKET, .mode = "0600", .urcs = VPORT_URCS_NONE },
	{ .name = "at3", .kind = VPORT_SOCKET, .mode = "0600", .urcs = VPORT_URCS_NONE },
};

static void a_shared_line_comes_back_from_everything(void **state)
{
	static const struct cardbed_options bed = {
		.module = "quectel-eg25", .card = "classic-consumer", .baud = 115200, .ports = ports,
		.n_ports = WORKERS,
	};

	(void)state;
	run_rounds(&bed, false);
}

static void a_mux_comes_back_from_everything(void **state)
{
	static const struct cardbed_options bed = {
		.module = "quectel-eg25", .card = "classic-consumer", .baud = 115200, .ports = ports,
		.n_ports = WORKERS, .cmux = MODEM_CMUX_YES,
	};

	(void)state;
	run_rounds(&bed, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_line_comes_back_from_everything),
		cmocka_unit_test(a_mux_comes_back_from_everything),
	};

	log_set_level(getenv("FAULT_LOG") ? LOG_LEVEL_TRACE : LOG_LEVEL_ERROR);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
