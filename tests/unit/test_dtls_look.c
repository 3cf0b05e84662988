/* What is seen of a handshake from outside: records and messages put together here, piece by piece. */
#include "support/test.h"

#include <string.h>

#include "core/util.h"
#include "net/dtls_look.h"

static struct dtls_look look;

static int setup(void **state)
{
	(void)state;
	dtls_look_init(&look);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dtls_look_done(&look);
	return 0;
}

struct datagram {
	uint8_t p[4096];
	size_t n;
};

static void put_record(struct datagram *d, uint8_t type, unsigned epoch, const void *p, size_t n)
{
	const uint8_t head[] = { type, 0xfe, 0xfd, 0, (uint8_t)epoch, 0, 0, 0, 0, 0, 1, (uint8_t)(n >> 8),
				 (uint8_t)n };

	memcpy(d->p + d->n, head, sizeof(head));
	memcpy(d->p + d->n + sizeof(head), p, n);
	d->n += sizeof(head) + n;
}

/* One fragment of a handshake message, in a record of its own. */
static void put_piece(struct datagram *d, uint8_t type, const uint8_t *all, size_t all_n, size_t at, size_t n)
{
	uint8_t m[4096] = { type, 0, (uint8_t)(all_n >> 8), (uint8_t)all_n, 0, 1, 0, (uint8_t)(at >> 8),
			    (uint8_t)at, 0, (uint8_t)(n >> 8), (uint8_t)n };

	memcpy(m + 12, all + at, n);
	put_record(d, 22, 0, m, 12 + n);
}

static void see(const struct datagram *d)
{
	dtls_look(&look, octets_from(d->p, d->n));
}

/* Two certificates, of 300 and 200 octets. */
static size_t make_chain(uint8_t *p)
{
	const uint8_t head[] = { 0, 1, 0xfa, 0, 1, 0x2c }, second[] = { 0, 0, 200 };

	memcpy(p, head, sizeof(head));
	memset(p + 6, 'a', 300);
	memcpy(p + 306, second, sizeof(second));
	memset(p + 309, 'b', 200);
	return 509;
}

static void assert_chain(void)
{
	struct octets c[DTLS_CERTIFICATES_MAX];

	assert_int_equal(dtls_look_chain(&look, c), 2);
	assert_int_equal(c[0].n, 300);
	assert_int_equal(c[0].p[299], 'a');
	assert_int_equal(c[1].n, 200);
	assert_int_equal(c[1].p[0], 'b');
}

static void a_handshake_is_followed(void **state)
{
	struct datagram d = { .n = 0 };
	uint8_t hello[50] = { 0 };

	(void)state;
	assert_int_equal(look.stage, DTLS_NOTHING);
	assert_int_equal(look.alert, -1);
	put_piece(&d, 3, hello, 23, 0, 23);
	see(&d);
	assert_int_equal(look.stage, DTLS_COOKIE);
	d.n = 0;
	put_piece(&d, 2, hello, 50, 0, 50);
	see(&d);
	assert_int_equal(look.stage, DTLS_HELLO);
	d.n = 0;
	put_record(&d, 20, 0, "\x01", 1);
	put_record(&d, 22, 1, hello, 40);
	see(&d);
	assert_int_equal(look.stage, DTLS_FINISHED);
	/* It never goes back. */
	d.n = 0;
	put_piece(&d, 3, hello, 23, 0, 23);
	see(&d);
	assert_int_equal(look.stage, DTLS_FINISHED);
}

static void only_alerts_in_the_clear_are_seen(void **state)
{
	struct datagram d = { .n = 0 };

	(void)state;
	put_record(&d, 21, 1, "\x02\x14", 2);
	see(&d);
	assert_int_equal(look.alert, -1);
	d.n = 0;
	put_record(&d, 21, 0, "\x02\x47", 2);
	see(&d);
	assert_int_equal(look.alert, 71);
}

static void certificates_come_whole(void **state)
{
	uint8_t chain[600];
	size_t n = make_chain(chain);
	struct datagram d = { .n = 0 };

	(void)state;
	put_piece(&d, 11, chain, n, 0, n);
	see(&d);
	assert_chain();
}

static void certificates_come_in_any_order_and_again(void **state)
{
	static const size_t pieces[][2] = { { 400, 109 }, { 0, 100 }, { 400, 109 }, { 50, 200 }, { 0, 0 },
					    { 250, 150 } };
	uint8_t chain[600];
	struct octets c[DTLS_CERTIFICATES_MAX];
	size_t n = make_chain(chain);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct datagram d = { .n = 0 };

		assert_int_equal(dtls_look_chain(&look, c), 0);
		put_piece(&d, 11, chain, n, pieces[i][0], pieces[i][1]);
		see(&d);
	}
	assert_chain();
}

static void broken_certificates_are_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t v;
	} table[] = {
		{ 2, 0xf9 },    /* the list is shorter than the message */
		{ 0, 1 },       /* … or longer */
		{ 3, 1 },       /* a certificate beyond the end */
		{ 308, 199 },   /* one octet left */
		{ 5, 0 },       /* the length of the first is another one */
	};
	struct octets c[DTLS_CERTIFICATES_MAX];
	uint8_t chain[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = make_chain(chain);
		struct datagram d = { .n = 0 };

		chain[table[i].at] = table[i].v;
		put_piece(&d, 11, chain, n, 0, n);
		see(&d);
		assert_int_equal(dtls_look_chain(&look, c), 0);
	}
}

static void what_is_no_dtls_is_passed_over(void **state)
{
	struct datagram d = { .n = 0 };
	uint8_t chain[600];
	struct octets c[DTLS_CERTIFICATES_MAX];
	size_t n = make_chain(chain);

	(void)state;
	dtls_look(&look, octets_from("", 0));
	dtls_look(&look, octets_from("GET / HTTP/1.1\r\n\r\n", 18));
	put_piece(&d, 11, chain, n, 0, n);
	/* Cut anywhere, it is not complete. */
	for (size_t i = 0; i < d.n; i++) {
		dtls_look(&look, octets_from(d.p, i));
		assert_int_equal(dtls_look_chain(&look, c), 0);
	}
	assert_int_equal(look.stage, DTLS_NOTHING);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_handshake_is_followed),
		T(only_alerts_in_the_clear_are_seen),
		T(certificates_come_whole),
		T(certificates_come_in_any_order_and_again),
		T(broken_certificates_are_none),
		T(what_is_no_dtls_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
