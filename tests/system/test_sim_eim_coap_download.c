/*
 * Profiles through the eIM over CoAP: requests too long for a datagram, packages of many blocks,
 * answers that take the SM-DP+'s time, on networks and with servers of several kinds.
 */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "core/ev.h"
#include "core/log.h"
#include "core/util.h"
#include "support/coap_client.h"
#include "support/rspbed.h"

#define KEY "between card and eIM"

static const char *argv0;

static struct coapbed_rsp {
	struct rspbed rsp;
	struct coap_client client;
	bool own_blocks;
} bed;

static int carry(struct mini_ipa *i, struct octets request)
{
	int r = bed.own_blocks ? coap_client_whole(&bed.client, request) :
				 coap_client_post(&bed.client, request);

	if (r < 0)
		return r;
	i->status = bed.client.code == 205 ? 200 : bed.client.code == 204 ? 204 : 400;
	i->n = bed.client.n;
	assert_true(i->n <= sizeof(i->body));
	memcpy(i->body, bed.client.body, i->n);
	return 0;
}

static void open_with(const char *curve, const char *habits, bool own_blocks)
{
	const char *options[RSPBED_OPTIONS] = { "--coaps", "0", "--coaps-psk", KEY,
						"--coaps-habits", habits };
	struct coap_client_wish wish = { .identity = RSPBED_EID, .key = KEY, .ack_s = 1 };
	const char *at;

	bed.own_blocks = wish.own_blocks = own_blocks;
	memcpy(bed.rsp.options, options, sizeof(options));
	rspbed_open(&bed.rsp, argv0, curve);
	at = strstr(bed.rsp.eim->said, "coaps: port ");
	assert_non_null(at);
	wish.port = (uint16_t)strtoul(at + 12, NULL, 10);
	coap_client_open(&bed.client, &wish);
	bed.client.patience_ms = 60000;
	bed.rsp.ipa.carry = carry;
	rspbed_add_profile(&bed.rsp);
}

static void close_all(void)
{
	coap_client_close(&bed.client);
	rspbed_close(&bed.rsp);
}

static void install(void)
{
	struct rspbed *b = &bed.rsp;

	rspbed_good(b, RSPBED_EIM(b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b->rsp));
	rspbed_expect_end(b, mini_rsp_download(&b->rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b->rsp, MINI_RSP_AS_TRIGGER_RESULT);
	rspbed_expect_account(b, "installed as A0000005591010FFFFFFFF8900001100: " RSPBED_ICCID);
	rspbed_expect_told(b);
}

static void a_profile_comes_in_blocks_on_both_curves(void **state)
{
	static const char *const curves[] = { "nist", "brp" };
	static const char *const habits[] = { "none", "late-ack,big-first-block,no-etag,format=42" };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(curves); i++) {
		/* libcoap's blocks where answers come with their acknowledgement, ours with either. */
		if (i == 2)
			continue;
		open_with(curves[i % 2], habits[i % 2], i < 2);
		install();
		close_all();
	}
}

static void a_profile_comes_over_a_bad_network(void **state)
{
	(void)state;
	open_with("nist", "none", true);
	rspbed_good(&bed.rsp, RSPBED_EIM(&bed.rsp, "coaps", "net",
					 "loss=6,duplicate=5,reorder=5,delay=5,jitter=10,seed=3"));
	install();
	rspbed_good(&bed.rsp, RSPBED_EIM(&bed.rsp, "coaps", "show"));
	assert_null(strstr(bed.rsp.ran->said, " 0 lost"));
	close_all();
}

/* The SM-DP+ takes its time; no acknowledgement comes meanwhile, and the client must not give up. */
static void an_sm_dp_that_is_slow_is_waited_for(void **state)
{
	(void)state;
	open_with("nist", "late-ack", false);
	rspbed_good(&bed.rsp, RSPBED_SMDP(&bed.rsp, "fault",
					  "slow=4000,on=getBoundProfilePackage"));
	install();
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_ACK);
	close_all();
}

/* Everything short: what goes up fits into one datagram, and no server has to join blocks. */
static void short_forms_need_no_blocks_upwards(void **state)
{
	struct rspbed *b = &bed.rsp;

	(void)state;
	open_with("nist", "no-block1", true);
	b->rsp.download_data = b->rsp.ctx_params = b->rsp.metadata = b->rsp.minimize = true;
	/* The certificates are known; the rest is short enough. */
	rspbed_good(b, RSPBED_EIM(b, "queue", RSPBED_EID, "data-request", "capabilities", "info1",
				  "info2", "device"));
	rspbed_good(b, RSPBED_EIM(b, "queue", RSPBED_EID, "download", RSPBED_CODE, "--hold"));
	assert_true(mini_rsp_fetch(&b->rsp));
	assert_int_equal(b->rsp.order, MINI_RSP_HELD);
	rspbed_expect_end(b, mini_rsp_download(&b->rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b->rsp, MINI_RSP_COMPACT);
	rspbed_expect_account(b, "installed as A0000005591010FFFFFFFF8900001100: " RSPBED_ICCID);
	rspbed_expect_told(b);
	close_all();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_comes_in_blocks_on_both_curves),
		cmocka_unit_test(a_profile_comes_over_a_bad_network),
		cmocka_unit_test(an_sm_dp_that_is_slow_is_waited_for),
		cmocka_unit_test(short_forms_need_no_blocks_upwards),
	};
	int r;

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	log_set_level(LOG_LEVEL_ERROR);
	if (ev_open() < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	ev_close();
	return r;
}
