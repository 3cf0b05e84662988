/* The parts of sim-eim that need no card: faults by the dice, HTTP in pieces, the state on disk. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/util.h"
#include "sim/eim/http.h"
#include "sim/eim/package.h"
#include "sim/eim/store.h"

#define EID "89049032123451234512345678901235"

/* --- faults ----------------------------------------------------------------------------------- */

static void add(struct se_faults *f, const char *line)
{
	const char *why;

	if (se_fault_add(f, text_of(line), &why) < 0)
		fail_msg("%s: %s", line, why);
}

static void faults_strike_as_often_as_they_say(void **state)
{
	struct se_faults f;
	char value[SE_FAULT_VALUE_MAX];

	(void)state;
	se_faults_init(&f, 1);
	add(&f, "http=503,on=result,after=1,count=2");
	/* Not on other messages, not the first, then twice, then never again. */
	assert_false(se_fault_strikes(&f, SE_FAULT_HTTP, SE_ON_GET, value));
	assert_false(se_fault_strikes(&f, SE_FAULT_SLOW, SE_ON_RESULT, value));
	assert_false(se_fault_strikes(&f, SE_FAULT_HTTP, SE_ON_RESULT, value));
	assert_true(se_fault_strikes(&f, SE_FAULT_HTTP, SE_ON_RESULT, value));
	assert_int_equal(se_fault_number(value, 0), 503);
	assert_true(se_fault_strikes(&f, SE_FAULT_HTTP, SE_ON_RESULT, NULL));
	assert_false(se_fault_strikes(&f, SE_FAULT_HTTP, SE_ON_RESULT, NULL));
	assert_int_equal(f.struck[SE_FAULT_HTTP], 2);
	assert_int_equal(f.n, 0);
	add(&f, "reset,count=forever");
	for (int i = 0; i < 1000; i++)
		assert_true(se_fault_strikes(&f, SE_FAULT_RESET, SE_ON_ANY, NULL));
	se_fault_clear(&f);
	assert_false(se_fault_strikes(&f, SE_FAULT_RESET, SE_ON_ANY, NULL));
}

static unsigned run_dice(uint32_t seed, char pattern[1001])
{
	struct se_faults f;
	unsigned n = 0;

	se_faults_init(&f, seed);
	add(&f, "reset,chance=25,count=forever");
	for (int i = 0; i < 1000; i++) {
		bool struck = se_fault_strikes(&f, SE_FAULT_RESET, SE_ON_GET, NULL);

		pattern[i] = struck ? 'x' : '.';
		n += struck;
	}
	pattern[1000] = '\0';
	return n;
}

static void dice_fall_the_same_with_the_same_seed(void **state)
{
	char a[1001], b[1001];
	unsigned n = run_dice(7, a);

	(void)state;
	assert_int_equal(run_dice(7, b), n);
	assert_string_equal(a, b);
	run_dice(8, b);
	assert_string_not_equal(a, b);
	assert_in_range(n, 180, 320);
}

static void wrong_faults_are_refused_with_a_reason(void **state)
{
	static const char *const rows[] = {
		"", "explode", "http=500,on=", "http,on=never", "slow=1,count=0", "slow=1,count=x",
		"slow=1,chance=101", "slow=1,after=-1", "slow=1,colour=red",
	};
	struct se_faults f;
	const char *why;

	(void)state;
	se_faults_init(&f, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		why = NULL;
		if (se_fault_add(&f, text_of(rows[i]), &why) == 0 || !why)
			fail_msg("\"%s\": taken, or without a reason", rows[i]);
	}
	assert_int_equal(f.n, 0);
	for (size_t i = 0; i < SE_FAULTS_MAX; i++)
		add(&f, "reset");
	assert_int_equal(se_fault_add(&f, TEXT("reset"), &why), -ENOSPC);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

#define HEAD "POST /gsma/rsp2/asn1 HTTP/1.1\r\nHost: x\r\n"

/* Whole, and octet by octet: until the last one it is incomplete, then it is the same. */
static void requests_may_come_in_any_pieces(void **state)
{
	static const struct {
		const char *text;
		const char *body;
	} rows[] = {
		{ HEAD "\r\n", "" },
		{ HEAD "Content-Length: 5\r\n\r\nabcde", "abcde" },
		{ HEAD "content-length:5 \r\nX: y\r\n\r\nabcde", "abcde" },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n",
		  "abcde" },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].text);

		for (size_t part = 0; part <= n; part++) {
			uint8_t *buf = malloc(part ? part : 1);
			struct se_http h;
			int r;

			memcpy(buf, rows[i].text, part);
			r = se_http_parse(buf, part, 100, &h);
			assert_int_equal(r, part < n ? -EAGAIN : 0);
			if (r == 0) {
				assert_true(text_eq(octets_text(h.body), rows[i].body));
				assert_int_equal(h.used, n);
				assert_true(h.keep_alive);
				assert_true(text_eq(h.path, "/gsma/rsp2/asn1"));
			}
			free(buf);
		}
	}
}

static void requests_that_are_wrong_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ "nonsense\r\n\r\n", -EBADMSG },
		{ "POST / HTTP/2\r\n\r\n", -EBADMSG },
		{ "POST /\r\n\r\n", -EBADMSG },
		{ HEAD "no colon\r\n\r\n", -EBADMSG },
		{ HEAD "Bad Name: x\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: -1\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", -EBADMSG },
		{ HEAD "Content-Length: 4294967296\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: 101\r\n\r\n", -E2BIG },
		{ HEAD "Transfer-Encoding: gzip\r\n\r\n", -EBADMSG },
		{ HEAD "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", -EBADMSG },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", -EBADMSG },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n65\r\n", -E2BIG },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nabc", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[512];
		size_t n = strlen(rows[i].text);
		struct se_http h;
		int r;

		memcpy(buf, rows[i].text, n);
		r = se_http_parse(buf, n, 100, &h);
		if (r != rows[i].r)
			fail_msg("row %zu: %d", i, r);
	}
}

/* --- state ------------------------------------------------------------------------------------ */

static char dir[] = "/tmp/test_sim_eim_parts.XXXXXX";

static struct se_card *fill(struct se_eim *e)
{
	struct se_card *c;
	struct se_package *p;

	assert_int_equal(se_card_new(e, EID, &c), 0);
	c->version = SE_V1_1;
	c->counter = 41;
	c->token = -5;
	c->last_seq = 0xfffffffe;
	memset(c->euicc, 0xa5, sizeof(c->euicc));
	c->euicc_n = sizeof(c->euicc);
	for (int i = 0; i < 3; i++) {
		p = se_package_new(c, (enum se_kind)i, "what \"it\" is\n");
		assert_non_null(p);
		assert_int_equal(se_package_set(&p->body, &p->body_n,
						octets_from("\xA0\x02\xA6\x00", 4)), 0);
	}
	p->state = SE_CANCELLED;
	p->verdict = SE_WRONG;
	p->rolled_back = p->error = p->automatic = p->switches = true;
	p->sent = 7;
	p->duplicates = 8;
	p->tx_n = SE_TX_MAX;
	memset(p->tx, 0x80, sizeof(p->tx));
	c->notes_n = 1;
	c->notes[0] = (struct se_note){ .seq = 9, .event = "enable", .iccid = "8900",
					.address = "dp.example", .verdict = SE_VERIFIED,
					.duplicates = 2 };
	return c;
}

static void what_is_written_is_read_again(void **state)
{
	static struct se_eim a, b;
	struct se_init_wish wish = { .pki = NULL };
	struct se_card *x, *y;
	struct se_package *p, *q;
	char why[256], path[128], first[65536], second[65536];
	size_t n, m;

	(void)state;
	se_eim_init(&a, dir);
	snprintf(a.fqdn, sizeof(a.fqdn), "192.0.2.1");
	assert_int_equal(se_store_init(&a, &wish, why), 0);
	assert_int_equal(se_store_init(&a, &wish, why), -EEXIST);
	x = fill(&a);
	assert_int_equal(se_store_save_card(&a, x), 0);
	se_eim_init(&b, dir);
	if (se_store_load(&b, why) < 0)
		fail_msg("%s", why);
	assert_string_equal(b.fqdn, "192.0.2.1");
	y = se_card_find(&b, EID);
	assert_non_null(y);
	assert_int_equal(y->token, -5);
	assert_int_equal(y->last_seq, 0xfffffffe);
	assert_int_equal(y->packages_n, 3);
	p = list_entry(x->packages.prev, struct se_package, node);
	q = list_entry(y->packages.prev, struct se_package, node);
	assert_string_equal(p->what, q->what);
	assert_int_equal(q->state, SE_CANCELLED);
	assert_true(q->rolled_back && q->error && q->automatic && q->switches);
	assert_memory_equal(p->tx, q->tx, sizeof(p->tx));
	/* Written once more it is the same file. */
	snprintf(path, sizeof(path), "%s/cards/%s.json", dir, EID);
	assert_int_equal(file_load(path, first, sizeof(first), &n), 0);
	assert_int_equal(se_store_save_card(&b, y), 0);
	assert_int_equal(file_load(path, second, sizeof(second), &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(first, second, n);
	/* Half a file is not taken for a card. */
	assert_int_equal(file_save(path, first, n / 2, 0600), 0);
	se_eim_done(&b);
	se_eim_init(&b, dir);
	assert_int_not_equal(se_store_load(&b, why), 0);
	assert_non_null(strstr(why, EID));
	se_eim_done(&a);
	se_eim_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_strike_as_often_as_they_say),
		cmocka_unit_test(dice_fall_the_same_with_the_same_seed),
		cmocka_unit_test(wrong_faults_are_refused_with_a_reason),
		cmocka_unit_test(requests_may_come_in_any_pieces),
		cmocka_unit_test(requests_that_are_wrong_are_told_apart),
		cmocka_unit_test(what_is_written_is_read_again),
	};
	char command[96];
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) || failed;
}
