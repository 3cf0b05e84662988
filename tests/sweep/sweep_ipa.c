/*
 * The IPA between a virtual eUICC and an eIM, on the virtual clock: every request that goes to
 * either of them fails in every way, once before it arrives and once after; and the daemon is
 * killed, or the power cut, at each of them. Afterwards the eIM must know exactly what the card has
 * done, once; nothing may be left on the card, in the journal or in flight.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "ipa/eims.h"
#include "sim/eim/config.h"
#include "sim/eim/esipa.h"
#include "sim/eim/order.h"
#include "sim/eim/package.h"
#include "sim/euicc/state.h"
#include "support/card_sim.h"
#include "support/talk.h"
#include "unit/fake_ev.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"
#define ICCID_C "89000123456789012343"          /* without coverage */

#define INTERVAL_S 600
#define ROLLBACK_S 120
#define EIM_MS 20
#define FOLLOW_MS 800
#define BOOT_MS 1500

/* --- what goes wrong, and where ---------------------------------------------------------------------- */

enum trouble {
	NOTHING,
	REFUSED,        /* the card: 6F00; the eIM: HTTP 500. It has not heard of it */
	SILENT,         /* it has not heard of it, and there is no answer */
	LOST,           /* the module has restarted; the connection broke */
	GARBAGE,        /* done, but the answer is not readable */
	SILENT_AFTER,   /* done, but there is no answer */
	LOST_AFTER,
	KILLED,         /* the daemon, before it arrived */
	KILLED_AFTER,
	POWER,          /* daemon, module and card */
	POWER_AFTER,
	_TROUBLE_MAX
};

static const char *const trouble_names[_TROUBLE_MAX] = {
	"nothing", "refused", "silent", "lost", "garbage", "silent after it", "lost after it",
	"daemon killed", "daemon killed after it", "power cut", "power cut after it",
};

static bool is_after(enum trouble t)
{
	return t == GARBAGE || t == SILENT_AFTER || t == LOST_AFTER || t == KILLED_AFTER ||
	       t == POWER_AFTER;
}

static unsigned requests, strike_at;    /* counted from 1; 0: never */
static enum trouble trouble;
static bool daemon_ended;               /* the daemon is to be ended, as soon as the loop is out */
static char struck[64];                 /* which request it was */

static bool strikes(const char *what)
{
	requests++;
	if (requests != strike_at)
		return false;
	snprintf(struck, sizeof(struck), "%s", what);
	return true;
}

/* --- the world ------------------------------------------------------------------------------------------ */

static struct talk card;
static struct card_sim sim;
static struct se_eim eim;
static struct se_card *account;
static struct ipa ipa;
static char state_dir[] = "/tmp/cellmux-sweep-XXXXXX";
static struct ev_alarm follow_alarm, boot_alarm;
static bool following;

static bool enabled_is(const char *iccid)
{
	struct ve_state *s = euicc_card_state(card.card);
	struct ve_profile *p = ve_profile_enabled(s);
	uint8_t raw[ES10_ICCID_OCTETS];

	if (!p)
		return !iccid[0];
	return es10_iccid_from_text(text_of(iccid), raw) == 0 &&
	       octets_same(blob_octets(&p->field[VE_ICCID]), octets_from(raw, sizeof(raw)));
}

/* The module uses whatever is enabled on the card, and registers where there is coverage. */
static void network(bool powered)
{
	static const uint8_t plmn[] = { 0x62, 0xf2, 0x10 };

	ipa_online(&ipa, powered && !enabled_is(ICCID_C) && !enabled_is(""),
		   octets_from(plmn, sizeof(plmn)));
}

static void restart_card(void)
{
	card_sim_reset(&sim);
	ipa_card_went(&ipa);
	network(false);
	ev_alarm_start(&boot_alarm, BOOT_MS);
}

static void on_booted(struct ev_alarm *a)
{
	(void)a;
	ipa_card_came(&ipa);
	network(true);
}

static void on_follow(struct ipa *i, const char *iccid)
{
	(void)i;
	(void)iccid;
	following = true;
	network(false);
	ev_alarm_start(&follow_alarm, FOLLOW_MS);
}

static void on_follow_stop(struct ipa *i)
{
	(void)i;
	following = false;
	ev_alarm_stop(&follow_alarm);
}

static void on_followed(struct ev_alarm *a)
{
	(void)a;
	following = false;
	card_sim_reset(&sim);
	ipa_card_went(&ipa);
	ipa_card_came(&ipa);
	network(true);
	ipa_followed(&ipa, NULL);
}

static void on_changed(struct ipa *i, unsigned what)
{
	(void)i;
	(void)what;
}

/* --- the card's channel, with trouble -------------------------------------------------------------------- */

static struct faulty {
	struct card_channel channel;
	struct card_channel_user user;
	struct card_exchange mine, *theirs;
	struct cause why;
	struct ev_task end;
	bool struck, forwarded;
} faulty;

static void on_opened(struct card_channel_user *u, const struct cause *why, const uint8_t *fci, size_t n)
{
	(void)u;
	faulty.channel.user->opened(faulty.channel.user, why, fci, n);
}

static void on_lost(struct card_channel_user *u)
{
	(void)u;
	faulty.channel.user->lost(faulty.channel.user);
}

static void on_faulty_end(struct ev_task *t)
{
	struct card_exchange *x = faulty.theirs;

	(void)t;
	faulty.theirs = NULL;
	x->done(x, cause_is_set(&faulty.why) ? &faulty.why : NULL);
}

/* What the daemon hears of the exchange that was struck. */
static void apply_to_card(void)
{
	struct card_exchange *x = faulty.theirs;

	switch (trouble) {
	case REFUSED:
		x->data_n = 0;
		x->sw = 0x6f00;
		faulty.why = (struct cause){ 0 };
		break;
	case GARBAGE:
		for (size_t k = 0; k < x->data_n; k++)
			x->data[k] ^= 0x5a;
		faulty.why = (struct cause){ 0 };
		break;
	case SILENT:
	case SILENT_AFTER:
		faulty.why = (struct cause){ CAUSE_TIMEOUT, "module", -1, NULL };
		break;
	case LOST:
	case LOST_AFTER:
		faulty.why = (struct cause){ CAUSE_LINK_LOST, "module", -1, NULL };
		restart_card();
		break;
	case KILLED:
	case KILLED_AFTER:
	case POWER:
	case POWER_AFTER:
		daemon_ended = true;
		return;
	case NOTHING:
	case _TROUBLE_MAX:
		break;
	}
	ev_task_start(&faulty.end);
}

static void on_inner_done(struct card_exchange *m, const struct cause *why)
{
	struct card_exchange *x = faulty.theirs;

	x->data_n = m->data_n;
	x->sw = m->sw;
	faulty.forwarded = false;
	if (faulty.struck) {
		faulty.struck = false;
		apply_to_card();
		return;
	}
	faulty.theirs = NULL;
	x->done(x, why);
}

static void faulty_open(struct card_channel *c, const uint8_t *aid, size_t n)
{
	(void)c;
	sim.channel.user = &faulty.user;
	card_open(&sim.channel, aid, n);
}

static void faulty_exchange(struct card_channel *c, struct card_exchange *x)
{
	char what[40];

	(void)c;
	snprintf(what, sizeof(what), "APDU %02X%02X with %02X%02X", x->command[1], x->command[2],
		 x->command_n > 5 ? x->command[5] : 0, x->command_n > 6 ? x->command[6] : 0);
	faulty.theirs = x;
	faulty.struck = strikes(what);
	if (faulty.struck && !is_after(trouble)) {
		faulty.struck = false;
		apply_to_card();
		return;
	}
	faulty.mine = *x;
	faulty.mine.done = on_inner_done;
	faulty.forwarded = true;
	card_exchange(&sim.channel, &faulty.mine);
}

static void faulty_cancel(struct card_channel *c, struct card_exchange *x)
{
	(void)c;
	if (faulty.theirs != x)
		return;
	ev_task_stop(&faulty.end);
	if (faulty.forwarded)
		card_cancel(&sim.channel, &faulty.mine);
	faulty.theirs = NULL;
	faulty.struck = faulty.forwarded = false;
}

static void faulty_close(struct card_channel *c)
{
	(void)c;
	card_close(&sim.channel);
}

static const struct card_channel_ops faulty_ops = {
	.open = faulty_open, .exchange = faulty_exchange, .cancel = faulty_cancel, .close = faulty_close,
};

/* --- the way to the eIM, with trouble ------------------------------------------------------------------------ */

static struct road {
	struct eim_link link;
	struct eim_exchange *now;
	struct ev_alarm alarm;
	bool struck;
} road;

static void end_road(const struct cause *why)
{
	struct eim_exchange *x = road.now;

	road.now = NULL;
	if (why)
		snprintf(x->text, sizeof(x->text), "trouble on the way");
	x->done(x, why);
	free(x->reply);
	x->reply = NULL;
}

static void ask_eim(struct eim_exchange *x)
{
	struct se_exchange s = { .request = octets_from(x->request, x->request_n) };

	assert_int_equal(se_esipa_handle(&eim, &s), 0);
	x->reply = s.response;
	x->reply_n = s.response_n;
}

static void apply_to_eim(struct eim_exchange *x)
{
	switch (trouble) {
	case REFUSED:
		end_road(&(struct cause){ CAUSE_REFUSED, "eim", 500, NULL });
		break;
	case GARBAGE:
		for (size_t k = 0; k < x->reply_n; k++)
			x->reply[k] ^= 0x5a;
		end_road(NULL);
		break;
	case SILENT:
	case SILENT_AFTER:
		end_road(&(struct cause){ CAUSE_TIMEOUT, "eim", -1, NULL });
		break;
	case LOST:
	case LOST_AFTER:
		end_road(&(struct cause){ CAUSE_LINK_LOST, "eim", -1, NULL });
		break;
	case KILLED:
	case KILLED_AFTER:
	case POWER:
	case POWER_AFTER:
		daemon_ended = true;
		break;
	case NOTHING:
	case _TROUBLE_MAX:
		end_road(NULL);
		break;
	}
}

static void on_arrived(struct ev_alarm *a)
{
	struct eim_exchange *x = road.now;
	bool hit = road.struck;

	(void)a;
	road.struck = false;
	if (!ipa.online) {
		end_road(&(struct cause){ CAUSE_TIMEOUT, "eim", -1, NULL });
		return;
	}
	if (!hit || is_after(trouble))
		ask_eim(x);
	if (hit)
		apply_to_eim(x);
	else
		end_road(NULL);
}

static void road_exchange(struct eim_link *l, struct eim_exchange *x)
{
	char what[40];

	(void)l;
	snprintf(what, sizeof(what), "ESipa %02X%02X", x->request[0], x->request[1]);
	road.now = x;
	road.struck = strikes(what);
	road.alarm.fired = on_arrived;
	ev_alarm_start(&road.alarm, EIM_MS);
}

static void road_cancel(struct eim_link *l, struct eim_exchange *x)
{
	(void)l;
	if (road.now != x)
		return;
	ev_alarm_stop(&road.alarm);
	free(x->reply);
	x->reply = NULL;
	road.now = NULL;
	road.struck = false;
}

static void road_nothing(struct eim_link *l)
{
	(void)l;
}

static const struct eim_link_ops road_ops = {
	.exchange = road_exchange, .cancel = road_cancel, .close = road_nothing, .free = road_nothing,
};

static struct eim_link *on_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	(void)i;
	(void)e;
	(void)why;
	road.link.ops = &road_ops;
	return &road.link;
}

/* --- beginning and end ------------------------------------------------------------------------------------------ */

static void start_daemon(void)
{
	memset(&ipa, 0, sizeof(ipa));
	ipa.changed = on_changed;
	ipa.follow = on_follow;
	ipa.follow_stop = on_follow_stop;
	ipa.dial = on_dial;
	ipa.o = (struct ipa_options){ .state_dir = state_dir, .interval_s = INTERVAL_S, .spread_s = 1,
				      .rollback_s = ROLLBACK_S };
	assert_int_equal(ipa_open(&ipa, &faulty.channel), 0);
}

/* As a SIGKILL would: whatever was in memory is gone, nobody is told. */
static void kill_daemon(void)
{
	ev_alarm_stop(&road.alarm);
	if (road.now) {
		free(road.now->reply);
		road.now->reply = NULL;
		road.now = NULL;
	}
	ev_alarm_stop(&follow_alarm);
	following = false;
	ipa_close(&ipa);
}

static void restart_daemon(void)
{
	bool cut = trouble == POWER || trouble == POWER_AFTER;

	daemon_ended = false;
	kill_daemon();
	fake_ev_run(100);
	start_daemon();
	if (cut || following) {
		restart_card();
		return;
	}
	/* The module is as it was: it goes on with what the card had when it was read last. */
	ipa_card_came(&ipa);
	network(true);
}

static void make_eim(void)
{
	se_eim_init(&eim, "");
	assert_int_equal(se_key_load("tests/vectors/rsp/pki/nist/eimsign.key.pem", &eim.key), 0);
	assert_int_equal(se_anchor_load(&eim.anchors, "tests/vectors/rsp/pki/nist/ci.der"), 0);
	assert_int_equal(se_card_new(&eim, EID, &account), 0);
}

static void associate(void)
{
	struct se_config_wish wish = { .form = SE_FORM_ADD_INITIAL, .trust = SE_TRUST_NONE };
	uint8_t request[2048];
	char digits[4097];
	const char *why;
	size_t n;

	assert_int_equal(se_config_own(&eim, &wish, request, sizeof(request), &n, &why), 0);
	hex_encode(request, n, digits, sizeof(digits));
	talk_isdr(&card);
	assert_string_equal(talk_es10(&card, digits), "BF5704A0020500");
}

static void make_card(const char *personality)
{
	static const struct euicc_profile three[] = {
		{ .iccid = TEXT(ICCID_A), .name = TEXT("A"), .enabled = true,
		  .notify = TEXT("dp.example") },
		{ .iccid = TEXT(ICCID_B), .name = TEXT("B"), .notify = TEXT("dp.example") },
		{ .iccid = TEXT(ICCID_C), .name = TEXT("C"), .notify = TEXT("dp.example") },
	};
	struct euicc_recipe r = { .eid = text_of(EID), .personality = personality,
				  .version = VE_SGP32_12, .profiles = three, .n_profiles = 3,
				  .pki = { "tests/vectors/rsp/pki/nist" } };

	talk_make(&card, &r);
	talk_open(&card, NULL);
}

static void queue(const char *line)
{
	static struct se_order order;
	char copy[512], why[SE_WHY_MAX], *words[32], *rest = copy, *word;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")))
		words[n++] = word;
	assert_int_equal(se_order_parse(n, words, ".", account->version, &order, why), 0);
	assert_non_null(se_package_order(account, &order));
}

static struct se_package *last_package(void)
{
	return list_entry(account->packages.prev, struct se_package, node);
}

static bool stopped(void *arg)
{
	(void)arg;
	return daemon_ended;
}

static void open_world(const char *personality)
{
	fake_ev_reset();
	requests = strike_at = 0;
	daemon_ended = false;
	struck[0] = '\0';
	memset(&faulty, 0, sizeof(faulty));
	memset(&road, 0, sizeof(road));
	memset(&sim, 0, sizeof(sim));
	memset(&follow_alarm, 0, sizeof(follow_alarm));
	memset(&boot_alarm, 0, sizeof(boot_alarm));
	follow_alarm.fired = on_followed;
	boot_alarm.fired = on_booted;
	faulty.channel.ops = &faulty_ops;
	faulty.channel.segment_max = 255;
	faulty.user.opened = on_opened;
	faulty.user.lost = on_lost;
	faulty.end.run = on_faulty_end;
	make_eim();
	make_card(personality);
	associate();
	talk_reset(&card);
	card_sim_init(&sim, card.card);
	start_daemon();
	ipa_card_came(&ipa);
	network(true);
	/* The eIM learns the card's certificates. */
	queue("list-profiles");
	fake_ev_run(60000);
	assert_int_equal(last_package()->state, SE_DONE);
}

static void close_world(void)
{
	char path[128];

	ev_alarm_stop(&boot_alarm);
	kill_daemon();
	fake_ev_settle();
	card_sim_done(&sim);
	talk_close(&card);
	se_eim_done(&eim);
	snprintf(path, sizeof(path), "%s/ipa-journal", state_dir);
	unlink(path);
}

/* --- one case ----------------------------------------------------------------------------------------------------- */

struct scenario {
	const char *name, *personality, *order;
	const char *enabled;            /* afterwards, where all goes well or the trouble passes */
	const char *otherwise;          /* where it may have been rolled back; NULL: never */
};

static const struct scenario scenarios[] = {
	{ "a list", "iot", "list-profiles", ICCID_A, NULL },
	{ "a switch", "iot", "enable " ICCID_B " --rollback + list-profiles", ICCID_B, ICCID_A },
	{ "a switch for good", "iot", "enable " ICCID_B, ICCID_B, NULL },
	{ "a switch of a card that locks itself", "iot-silent-6985", "enable " ICCID_B " --rollback",
	  ICCID_B, ICCID_A },
	{ "a switch without coverage", "iot", "enable " ICCID_C " --rollback", ICCID_A, NULL },
	{ "a data request", "iot", "data-request all", ICCID_A, NULL },
};

static void blame(const struct scenario *s, const char *what)
{
	struct se_package *p = last_package();

	fail_msg("%s, request %u (%s) %s: %s; eIM: %s, %u results, %u duplicates, %u replays, \"%s\"",
		 s->name, strike_at, struck, trouble_names[trouble], what, se_state_names[p->state],
		 p->results, p->duplicates, p->replays, p->outcome);
}

static void judge(const struct scenario *s)
{
	struct ve_state *state = euicc_card_state(card.card);
	struct se_package *p = last_package();
	bool back = p->rolled_back || p->error;

	/* A package that arrives unreadable is refused, and the eIM told so: that ends it. */
	if (p->state == SE_FAILED && trouble == GARBAGE && strstr(p->outcome, "invalidPackageFormat") &&
	    enabled_is(ICCID_A))
		return;
	if (p->state != SE_DONE)
		blame(s, "the eIM was not told");
	if (p->results != 1 && !(p->results == 2 && p->rolled_back))
		blame(s, "not told exactly once");
	if (p->replays)
		blame(s, "executed, and loaded again");
	if (p->kind != SE_KIND_DATA && p->verdict != SE_VERIFIED)
		blame(s, "not verified");
	if (!enabled_is(s->enabled) && !(s->otherwise && enabled_is(s->otherwise)))
		blame(s, "another profile is enabled");
	if (s->otherwise && enabled_is(s->otherwise) != back)
		blame(s, "the eIM believes that another profile is enabled");
	if (state->n_notes)
		blame(s, "something is left on the card");
	if (ipa_journal_is_open(&ipa.journal))
		blame(s, "the journal is open");
	if (ipa.now || !list_empty(&ipa.queue) || road.now || faulty.theirs)
		blame(s, "something is in flight");
	/* "There is nothing", garbled, looks like a package, and is refused as one. */
	if (account->unmatched && trouble != GARBAGE)
		blame(s, "results that belong to nothing");
}

/* How many requests there were. */
static unsigned run_case(const struct scenario *s, unsigned at, enum trouble t)
{
	open_world(s->personality);
	requests = 0;
	strike_at = at;
	trouble = t;
	queue(s->order);
	assert_int_equal(ipa_poll(&ipa, NULL), 0);
	if (fake_ev_until(stopped, NULL, 4 * INTERVAL_S * 1000))
		restart_daemon();
	strike_at = 0;
	/* Long enough for retries, back-off, rollback and some ordinary visits. */
	fake_ev_run(6 * INTERVAL_S * 1000);
	strike_at = at;
	judge(s);
	close_world();
	return requests;
}

static void sweep(const struct scenario *s)
{
	unsigned n = run_case(s, 0, NOTHING), cases = 0;

	trouble = NOTHING;
	/* Ordinary visits follow the one that matters: their requests are like its own. */
	n = MIN(n, 60u);
	for (unsigned at = 1; at <= n; at++) {
		for (enum trouble t = NOTHING + 1; t < _TROUBLE_MAX; t++) {
			run_case(s, at, t);
			cases++;
		}
	}
	print_message("%s: %u requests, %u cases\n", s->name, n, cases);
}

#define SWEEP(n)                          \
	static void scenario_##n(void **state) \
	{                                 \
		(void)state;              \
		sweep(&scenarios[n]);     \
	}

SWEEP(0)
SWEEP(1)
SWEEP(2)
SWEEP(3)
SWEEP(4)
SWEEP(5)

static int make_dir(void **state)
{
	(void)state;
	log_set_level(getenv("LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return mkdtemp(state_dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(state_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a_list_is_reported_once", scenario_0, NULL, NULL, NULL },
		{ "a_switch_is_reported_once_or_rolled_back", scenario_1, NULL, NULL, NULL },
		{ "a_switch_for_good_is_reported_once", scenario_2, NULL, NULL, NULL },
		{ "a_locked_card_is_reported_once_or_rolled_back", scenario_3, NULL, NULL, NULL },
		{ "a_switch_without_coverage_is_rolled_back", scenario_4, NULL, NULL, NULL },
		{ "a_data_request_is_answered_once", scenario_5, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
