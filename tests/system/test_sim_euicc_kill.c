/*
 * SIGKILL while a card works: whatever the moment, its file then holds the state before or after
 * one command, octet for octet, and never a third one.
 *
 * A script is run once undisturbed, and the file is kept after every step. Then it is run again
 * and again in a child that tells how many steps were answered, and the child is killed after a
 * random time. What the file says must be the state after as many steps, or after one more.
 */
#include "support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/file.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/crypto.h"
#include "sim/euicc/euicc.h"
#include "support/hexjson.h"

#define SELECT_ISDR "00A4040010A0000005591010FFFFFFFF8900000100"
#define KILLS 100               /* of every script */
#define STEPS_MAX 160
#define FILE_MAX 65536

/* --- one command after the other, on the real loop -------------------------------------------- */

struct reader {
	struct card *card;
	struct card_user user;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t n;
};

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	(void)u;
	(void)atr;
	(void)n;
	ev_quit();
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct reader *r = container_of(u, struct reader, user);

	memcpy(r->answer, answer, n);
	r->n = n;
	ev_quit();
}

static void on_moved(struct card_user *u, int present)
{
	(void)u;
	(void)present;
}

static unsigned exchange(struct reader *r, const uint8_t *apdu, size_t n)
{
	card_transmit(r->card, apdu, n);
	ev_main();
	return r->n < 2 ? 0 : r->answer[r->n - 2] << 8 | r->answer[r->n - 1];
}

static unsigned send(struct reader *r, const char *digits)
{
	uint8_t raw[300];
	size_t n;

	if (hex_decode(text_of(digits), raw, sizeof(raw), &n))
		abort();
	return exchange(r, raw, n);
}

static void reset(struct reader *r, bool cold)
{
	if (cold)
		card_power_off(r->card);
	card_reset(r->card);
	ev_main();
	send(r, SELECT_ISDR);
}

/* One ES10 command in blocks, its answer fetched and dropped. */
static void es10(struct reader *r, const char *digits)
{
	static uint8_t raw[8192];
	size_t n, at = 0;
	unsigned sw = 0;

	if (hex_decode(text_of(digits), raw, sizeof(raw), &n))
		abort();
	for (unsigned block = 0; at < n; block++) {
		size_t part = MIN(n - at, 255u);
		uint8_t apdu[260] = { 0x80, 0xe2, at + part == n ? 0x91 : 0x11, block, part };

		memcpy(apdu + 5, raw + at, part);
		sw = exchange(r, apdu, 5 + part);
		at += part;
	}
	while (sw >> 8 == 0x61) {
		const uint8_t apdu[] = { 0x00, 0xc0, 0, 0, sw };

		sw = exchange(r, apdu, sizeof(apdu));
	}
}

/* "reset", "power", "apdu" and one, or an ES10 command. */
static void step(struct reader *r, const char *what)
{
	if (!strncmp(what, "apdu", 4))
		send(r, what + 4);
	else if (!strcmp(what, "reset"))
		reset(r, false);
	else if (!strcmp(what, "power"))
		reset(r, true);
	else
		es10(r, what);
}

/* What a card will draw: recorded downloads need their own numbers. */
static struct octets fed;

static void open_card(struct reader *r, const char *dir)
{
	static const struct ve_times none;
	const struct euicc_options o = { .dir = dir, .times = &none };
	char why[EUICC_WHY_MAX];

	if (euicc_card_open(&o, &r->card, why)) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	r->user.started = on_started;
	r->user.answered = on_answered;
	r->user.moved = on_moved;
	r->card->user = &r->user;
	euicc_card_feed_random(r->card, fed.p, fed.n);
	reset(r, true);
}

/* --- scripts ---------------------------------------------------------------------------------- */

static const struct euicc_profile profiles[] = {
	{ .iccid = TEXT("8900000000000000045"), .imsi = TEXT("001010000000001"), .name = TEXT("A"),
	  .class = VE_CLASS_OPERATIONAL, .enabled = true, .notify = TEXT("dp.example") },
	{ .iccid = TEXT("8900000000000000029"), .imsi = TEXT("001010000000002"), .name = TEXT("B"),
	  .class = VE_CLASS_OPERATIONAL, .notify = TEXT("dp.example"), .fallback = true,
	  .fallback_allowed = true },
	{ .iccid = TEXT("8900000000000000052"), .imsi = TEXT("001010000000003"), .name = TEXT("C"),
	  .class = VE_CLASS_OPERATIONAL, .notify = TEXT("dp.example"), .ecall = true },
};

#define ICCID_A "5A0A980000000000000040F5"
#define ICCID_B "5A0A980000000000000020F9"
#define ICCID_C "5A0A980000000000000050F2"

static const char *const consumer[] = {
	"BF3111A00C" ICCID_B "810100",                  /* enable B */
	"BF29155A0A980000000000000020F99007" "67617465776179",
	"BF3111A00C" ICCID_A "8101FF",
	"BF3003800101", "BF3003800102",                 /* notifications */
	"BF3F0C800A64702E6578616D706C65",
	"BF3211A00C" ICCID_A "810100",
	"BF330C" ICCID_C,
	"power",
	"BF3111A00C" ICCID_B "8101FF",
	"BF3003800103", "BF3003800104",
	"BF3404820205E0",
	"BF3003800105",
	NULL,
};

static const char *const refreshing[] = {
	"BF3111A00C" ICCID_B "8101FF", "reset",
	"BF3111A00C" ICCID_C "8101FF", "power",
	"BF3211A00C" ICCID_C "8101FF", "reset",
	"BF3111A00C" ICCID_A "8101FF", "reset",
	"BF3003800101", "BF3003800102", "BF3003800103",
	"BF330C" ICCID_B,
	"BF3404820205E0", "reset",
	NULL,
};

/* eim2 with token 1 and the key of the worked examples. */
#define ADD_EIM                                                                                \
	"BF578186A08183308180800465696D32810C65696D322E6578616D706C658201028301008401FFA55BA0" \
	"59301306072A8648CE3D020106082A8648CE3D03010703420004D7039BB85D12EEC23F29B341B88AA071" \
	"41FAEBD4CB1CFFDC25E4DB4C19ABA32DE47ED8C942764EC19849E0CA8E02C6EFD87B3C05673EAE619CDD" \
	"47F7F36BA3CA870207808900"

static const char *const iot[] = {
	"BF5912800081022A03820A64702E6578616D706C65",
	ADD_EIM,
	"BF5D038001FF", "reset",
	"BF5E038001FF", "reset",
	"BF5B038001FF", "power",
	"BF5C038001FF", "reset",
	"BF3003800101", "BF3003800102", "BF3003800103",
	"BF650C800A64702E6578616D706C65",
	"BF640482020186", "reset",
	NULL,
};

/* A package of the eIM that the card is given by the script, signed by it. */
static char *package(unsigned counter, const char *content)
{
	static const char eid[] = "89049032000000000000000000000163";
	static const char secret_digits[] =
		"9E3592CB7756B08EC3788CE449335F23C6D97EA0BDBB1F06232A3810F96B4B82";
	static const uint8_t token[] = { 0x84, 0x01, 0x01 };
	uint8_t raw[512], signed_part[512], whole[700], secret[VE_SECRET_LEN], signature[64];
	struct tlv_out w = { signed_part, sizeof(signed_part) }, all = { whole, sizeof(whole) };
	struct tlv_mark m = tlv_begin(&w, 0x30);
	char *text = calloc(1, 2 * sizeof(whole) + 1);
	size_t n;

	assert_non_null(text);
	tlv_put_text(&w, 0x80, "eim2");
	assert_int_equal(hex_decode(text_of(eid), raw, sizeof(raw), &n), 0);
	tlv_put(&w, 0x5a, raw, n);
	tlv_put_u32(&w, 0x81, counter);
	assert_int_equal(hex_decode(text_of(content), raw, sizeof(raw), &n), 0);
	tlv_put_raw(&w, raw, n);
	tlv_close(&w, m);
	assert_int_equal(hex_decode(text_of(secret_digits), secret, sizeof(secret), &n), 0);
	n = w.len;
	tlv_put_raw(&w, token, sizeof(token));
	assert_int_equal(ve_ec_sign(VE_CURVE_P256, secret, octets_from(signed_part, w.len),
				    signature), 0);
	m = tlv_begin(&all, 0xbf51);
	tlv_put_raw(&all, signed_part, n);
	tlv_put(&all, 0x5f37, signature, sizeof(signature));
	tlv_close(&all, m);
	hex_encode(whole, all.len, text, 2 * sizeof(whole) + 1);
	return text;
}

/* --- killing ---------------------------------------------------------------------------------- */

static struct state_file {
	uint8_t *p;
	size_t n;
} expected[STEPS_MAX + 1];

static char root[] = "/tmp/euicc-kill-XXXXXX";
static uint32_t seed;

static uint32_t roll(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

static const char *in_root(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static size_t read_state(const char *dir, uint8_t dst[FILE_MAX])
{
	char path[160];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(file_load(path, dst, FILE_MAX, &n), 0);
	return n;
}

static void keep_expected(unsigned i, const char *dir)
{
	static uint8_t raw[FILE_MAX];
	size_t n = read_state(dir, raw);

	free(expected[i].p);
	expected[i].p = malloc(n);
	assert_non_null(expected[i].p);
	memcpy(expected[i].p, raw, n);
	expected[i].n = n;
}

static bool is_expected(unsigned i, const uint8_t *p, size_t n)
{
	return expected[i].n == n && !memcmp(expected[i].p, p, n);
}

/* Starts from the first state again: the file alone is the card. */
static void put_back(const char *dir)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(file_save(path, expected[0].p, expected[0].n, 0600), 0);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The undisturbed run, in a child as well: a loop belongs to one process. Returns its time. */
static uint64_t learn(const char *dir, const char *const *script, unsigned *ret_steps)
{
	unsigned n = 0;
	uint64_t time = 0;

	while (script[n])
		n++;
	assert_true(n < STEPS_MAX);
	keep_expected(0, dir);
	/* The last one takes as long as the children will need. */
	for (unsigned upto = 1; upto <= n; upto++) {
		uint64_t start = now_us();
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			struct reader r = { 0 };

			if (ev_open())
				_exit(1);
			open_card(&r, dir);
			for (unsigned i = 0; i < upto; i++)
				step(&r, script[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		time = now_us() - start;
		keep_expected(upto, dir);
		put_back(dir);
	}
	*ret_steps = n;
	return time;
}

static void run_child(const char *dir, const char *const *script, atomic_uint *answered)
{
	struct reader r = { 0 };

	if (ev_open())
		_exit(1);
	open_card(&r, dir);
	for (unsigned i = 0; script[i]; i++) {
		step(&r, script[i]);
		atomic_store(answered, i + 1);
	}
	_exit(0);
}

/* Does a card with that file still work? */
static void look_at_it(const char *dir)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct reader r = { 0 };

		if (ev_open())
			_exit(1);
		open_card(&r, dir);
		/* A download that was cut is over: there is a result, or it had not begun. */
		if (euicc_card_state(r.card)->loading || euicc_card_state(r.card)->switch_pending)
			_exit(2);
		_exit(send(&r, "80E2910006BF3E035C015A") == 0x6115 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct tally {
	unsigned before, after, finished;
};

static void kill_once(const char *dir, const char *const *script, uint32_t after_us,
		      atomic_uint *answered, struct tally *t)
{
	static uint8_t raw[FILE_MAX];
	const struct timespec wait = { after_us / 1000000, after_us % 1000000 * 1000 };
	unsigned k;
	size_t n;
	pid_t pid;
	int status;

	atomic_store(answered, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		run_child(dir, script, answered);
	nanosleep(&wait, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	k = atomic_load(answered);
	n = read_state(dir, raw);
	if (is_expected(k, raw, n))
		t->before++;
	else if (script[k] && is_expected(k + 1, raw, n))
		t->after++;
	else
		fail_msg("killed after %u us, %u steps answered: the state is neither",
			 after_us, k);
	t->finished += !script[k];
	look_at_it(dir);
	put_back(dir);
}

static void set_hex(struct blob *b, const char *digits)
{
	uint8_t raw[64];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), raw, sizeof(raw), &n), 0);
	blob_set(b, raw, n);
}

/* What the card of the recorded download said of itself: signatures depend on it. */
static void talk_as_recorded(const char *dir)
{
	_cleanup_(freep) struct ve_state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_int_equal(ve_state_load(s, dir), 0);
	set_hex(&s->info[VE_INFO_RESOURCES], "810100820400008000830400004000");
	set_hex(&s->info[VE_INFO_SAS], "544553542D30303031");
	set_hex(&s->info[VE_INFO_IPA_MODE], "00");
	set_hex(&s->info[VE_INFO_IOT], "A0050403010200");
	assert_int_equal(ve_state_save(s), 0);
	ve_state_free(s);
}

/* The script must have done what it is for. */
static void expect_at_end(const char *dir, unsigned steps, unsigned profiles_then)
{
	_cleanup_(freep) struct ve_state *s = calloc(1, sizeof(*s));
	char path[160];

	assert_non_null(s);
	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(file_save(path, expected[steps].p, expected[steps].n, 0600), 0);
	assert_int_equal(ve_state_load(s, dir), 0);
	assert_int_equal(s->n_profiles, profiles_then);
	ve_state_free(s);
	put_back(dir);
}

static void torture(const char *name, const char *personality, const char *const *script,
		    unsigned profiles_then)
{
	atomic_uint *answered = mmap(NULL, sizeof(*answered), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *dir = in_root(name);
	struct euicc_recipe r = {
		.dir = dir, .personality = personality, .version = _VE_VERSION_MAX,
		.pki = { "tests/vectors/rsp/pki/nist", "tests/vectors/rsp/pki/brp" },
		.profiles = profiles, .n_profiles = ARRAY_SIZE(profiles),
	};
	struct tally t = { 0 };
	char why[EUICC_WHY_MAX];
	unsigned steps;
	uint64_t time = 0;

	assert_true(answered != MAP_FAILED);
	if (euicc_make(&r, why))
		fail_msg("%s", why);
	if (fed.n)
		talk_as_recorded(dir);
	time = learn(dir, script, &steps);
	expect_at_end(dir, steps, profiles_then);
	/* Who got to the end was not disturbed and does not count; the next one gets less time. */
	for (unsigned i = 0; i < 8 * KILLS && t.before + t.after - t.finished < KILLS; i++) {
		unsigned finished = t.finished;

		kill_once(dir, script, roll(time + 1), answered, &t);
		if (t.finished > finished)
			time -= time / 32;
	}
	print_message("%s: %u steps, killed: %u before, %u after, %u of them at the end\n",
		      name, steps, t.before, t.after, t.finished);
	assert_true(t.before + t.after - t.finished >= KILLS);
	munmap(answered, sizeof(*answered));
}

static void consumer_card_is_before_or_after(void **state)
{
	(void)state;
	torture("consumer", "classic-consumer", consumer, 0);
}

static void refreshing_card_is_before_or_after(void **state)
{
	(void)state;
	torture("refresh", "consumer-refresh", refreshing, 0);
}

static void iot_card_is_before_or_after(void **state)
{
	(void)state;
	torture("iot", "iot", iot, 0);
}

static void packages_are_before_or_after(void **state)
{
	char *one = package(1, "A010A30E" ICCID_B "0500");
	char *two = package(2, "A00EA30C" ICCID_B);
	char *three = package(3, "A01FBF2D055C035A9F70A900A80C" ICCID_C "A600A7028000");
	char *four = package(4, "A01CA40C" ICCID_B "A50C" ICCID_A);
	char *five = package(5, "A108A906800465696D32");
	const char *const script[] = {
		ADD_EIM, one, "reset", "BF58038001FF", "reset", "BF3003800101", two, "power", two,
		three, four, "reset", "BF3003800104", "BF3003800105", five, NULL,
	};

	(void)state;
	torture("packages", "iot", script, 2);
	free(one);
	free(two);
	free(three);
	free(four);
	free(five);
}

/* The recorded download; the card draws what the recorded one drew. */
static void download_is_before_or_after(void **state)
{
	static char texts[STEPS_MAX][600];
	static const char *script[STEPS_MAX + 1];
	struct json_object *load = hexjson_load("tests/vectors/rsp/apdu-load-nist-small-ppk.json");
	struct json_object *session = hexjson_load("tests/vectors/rsp/session/nist-small-ppk.json");
	struct json_object *steps = hexjson_at(load, "script");
	struct octets challenge = hexjson_octets(session, "getEuiccChallengeResponse");
	uint8_t drawn[16 + VE_SECRET_LEN];
	size_t n = 0;

	(void)state;
	memcpy(drawn, challenge.p + challenge.n - 16, 16);
	memcpy(drawn + 16, hexjson_octets(session, "otSK_EUICC").p, VE_SECRET_LEN);
	fed = octets_from(drawn, sizeof(drawn));
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *apdus =
			hexjson_at(json_object_array_get_idx(steps, i), "apdus");

		for (size_t k = 0; k < json_object_array_length(apdus); k++) {
			struct json_object *one = json_object_array_get_idx(apdus, k);

			assert_true(n < STEPS_MAX);
			snprintf(texts[n], sizeof(texts[n]), "apdu%s",
				 json_object_get_string(hexjson_at(one, "c")));
			script[n] = texts[n];
			n++;
		}
	}
	torture("download", "classic-consumer", script, ARRAY_SIZE(profiles) + 1);
	fed = octets_from(NULL, 0);
	json_object_put(load);
	json_object_put(session);
	hexjson_done();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	const char *given = getenv("SEED");

	(void)state;
	seed = given ? (uint32_t)strtoul(given, NULL, 10) : 1;
	print_message("SEED=%u\n", seed);
	log_set_level(LOG_LEVEL_ERROR);
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= STEPS_MAX; i++)
		free(expected[i].p);
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumer_card_is_before_or_after),
		cmocka_unit_test(refreshing_card_is_before_or_after),
		cmocka_unit_test(iot_card_is_before_or_after),
		cmocka_unit_test(packages_are_before_or_after),
		cmocka_unit_test(download_is_before_or_after),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
