#include "support/ipabed.h"
#include "support/test.h"

struct se_package *ipabed_visit(const char *order)
{
	struct se_package *p = ipabed_queue(order);

	assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
	ipabed_run(IPABED_VISIT_MS);
	return p;
}

void ipabed_arm(const char *fault)
{
	const char *why;

	if (sdp_fault_add(&ipabed.smdp.faults, text_of(fault), &why))
		fail_msg("%s: %s", fault, why);
}

void ipabed_expect_over(void)
{
	struct sdp_session *x;

	assert_true(ipabed_is_idle());
	assert_null(ipabed_file_left());
	assert_int_equal(euicc_card_state(ipabed.card.card)->n_notes, 0);
	/* Before authenticateClient an SM-DP+ cannot be told that it is over. */
	list_for_each(x, &ipabed.smdp.sessions, node)
		assert_int_equal(x->state, SDP_SESSION_EXPECT_CLIENT);
}
