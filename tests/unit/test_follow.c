/* A module follows the profile that was enabled on its card, by the mildest rung that helps it. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "support/fake_port.h"
#include "unit/fake_ev.h"

#define OLD "89860025128306012474"
#define NEW "89000123456789012341"

static struct modem m;
static int followed;
static struct cause why;

/* When the module under test begins to see the new card. */
enum helps {
	HELPS_WORDS,            /* it says so after two seconds */
	HELPS_TIME,             /* by itself, but silently */
	HELPS_RADIO,
	HELPS_RESET,
	HELPS_GONE,             /* its port goes and comes back */
	HELPS_NOTHING,
};

static enum helps helps;
static bool sees_new;
static const char *new_iccid;
static struct ev_alarm event;
static struct fake_answer answers[40];

static void on_changed(struct modem *modem, unsigned what)
{
	(void)modem;
	(void)what;
}

static void on_followed(struct modem *modem, const struct cause *cause)
{
	(void)modem;
	followed++;
	why = cause ? *cause : (struct cause){ 0 };
}

static void on_event(struct ev_alarm *a)
{
	(void)a;
	sees_new = true;
	if (helps == HELPS_WORDS)
		fake_port_says("\\r\\n+CPIN: NOT READY\\r\\n\\r\\n+CPIN: READY\\r\\n\\r\\n+QUSIM: 1\\r\\n");
	if (helps == HELPS_GONE)
		wire_hang_up(&fake_port.wire, 5);
}

static bool before(struct fake_port *p, const char *command)
{
	(void)p;
	if (!strcmp(command, "AT+CFUN=1") && helps == HELPS_RADIO)
		sees_new = true;
	if (!strcmp(command, "AT+CFUN=1,1") && helps == HELPS_RESET) {
		sees_new = true;
		fake_port_says("\\r\\nOK\\r\\n\\r\\nRDY\\r\\n");
		return true;
	}
	if (strcmp(command, "AT+QCCID") || !sees_new)
		return false;
	if (!new_iccid) {
		fake_port_says("\\r\\n+CME ERROR: 13\\r\\n");
		return true;
	}
	fake_port_says("\\r\\n+QCCID: ");
	fake_port_says(new_iccid);
	fake_port_says("\\r\\n\\r\\nOK\\r\\n");
	return true;
}

static bool is_ready(void *arg)
{
	(void)arg;
	return m.st.state == MODEM_READY;
}

static bool is_over(void *arg)
{
	(void)arg;
	return followed > 0;
}

static int setup(void **state)
{
	char error[SERIAL_WHY_MAX];

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	memset(&m, 0, sizeof(m));
	memset(&event, 0, sizeof(event));
	followed = 0;
	sees_new = false;
	new_iccid = NEW;
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.radio_on = true;
	m.changed = on_changed;
	m.follow.followed = on_followed;
	answers[0] = (struct fake_answer){ "AT+CFUN", "\\r\\nOK\\r\\n" };
	answers[1] = (struct fake_answer){ "AT+CRSM", "\\r\\n+CME ERROR: 3\\r\\n" };
	for (size_t i = 0; fake_port_ordinary[i].command; i++)
		answers[i + 2] = fake_port_ordinary[i];
	fake_port_open(answers);
	fake_port.before = before;
	event.fired = on_event;
	assert_int_equal(modem_open(&m, true, error), 0);
	assert_true(fake_ev_until(is_ready, NULL, 60000));
	assert_string_equal(m.st.iccid, OLD);
	fake_port.log[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ev_alarm_stop(&event);
	modem_close(&m);
	fake_ev_settle();
	fake_port_close();
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static void follow(enum helps h, const char *want, unsigned limit_ms)
{
	helps = h;
	modem_follow_start(&m, want);
	if (h == HELPS_WORDS || h == HELPS_TIME || h == HELPS_GONE)
		ev_alarm_start(&event, 2000);
	assert_true(fake_ev_until(is_over, NULL, limit_ms));
	fake_ev_settle();
	assert_int_equal(followed, 1);
}

static void by_itself_with_words(void **state)
{
	(void)state;
	follow(HELPS_WORDS, NEW, 4000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_REFRESH);
	assert_string_equal(m.st.iccid, NEW);
	assert_int_equal(fake_port_count("AT+CFUN=0"), 0);
}

static void by_itself_without_a_word(void **state)
{
	(void)state;
	follow(HELPS_TIME, NEW, 8000);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_REFRESH);
	assert_string_equal(m.st.iccid, NEW);
}

static void one_digit_less_is_the_same_card(void **state)
{
	(void)state;
	new_iccid = "8900012345678901234";
	follow(HELPS_TIME, NEW, 8000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_REFRESH);
}

static void by_its_radio(void **state)
{
	(void)state;
	follow(HELPS_RADIO, NEW, 40000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_RADIO);
	assert_int_equal(fake_port_count("AT+CFUN=0"), 1);
	assert_int_equal(fake_port_count("AT+CFUN=1,1"), 0);
}

static void by_a_reset(void **state)
{
	(void)state;
	follow(HELPS_RESET, NEW, 120000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_RESET);
	assert_string_equal(m.st.iccid, NEW);
}

static void over_a_port_that_goes_and_comes_back(void **state)
{
	(void)state;
	follow(HELPS_GONE, NEW, 60000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_string_equal(m.st.iccid, NEW);
}

static void nothing_helps_and_the_cause_says_so(void **state)
{
	(void)state;
	follow(HELPS_NOTHING, NEW, 400000);
	assert_int_equal(why.kind, CAUSE_TIMEOUT);
	assert_string_equal(why.step, "reset");
	assert_int_equal(fake_port_count("AT+CFUN=1,1"), 1);
}

static void no_profile_is_proven_by_the_old_one_being_gone(void **state)
{
	(void)state;
	new_iccid = NULL;
	follow(HELPS_TIME, "", 20000);
	assert_int_equal(why.kind, CAUSE_NONE);
	assert_string_equal(m.st.iccid, "");
}

static void stopped_it_calls_nobody(void **state)
{
	(void)state;
	helps = HELPS_NOTHING;
	modem_follow_start(&m, NEW);
	fake_ev_run(3000);
	modem_follow_stop(&m);
	fake_ev_run(300000);
	assert_int_equal(followed, 0);
	assert_false(modem_is_following(&m));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(by_itself_with_words),
		T(by_itself_without_a_word),
		T(one_digit_less_is_the_same_card),
		T(by_its_radio),
		T(by_a_reset),
		T(over_a_port_that_goes_and_comes_back),
		T(nothing_helps_and_the_cause_says_so),
		T(no_profile_is_proven_by_the_old_one_being_gone),
		T(stopped_it_calls_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
