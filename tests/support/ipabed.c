#include "support/ipabed.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/eim/config.h"
#include "sim/eim/order.h"
#include "sim/eim/relay.h"
#include "sim/smdp/add.h"
#include "sim/smdp/init.h"
#include "support/test.h"
#include "support/tree.h"
#include "unit/fake_ev.h"

#define FOLLOW_MS 800
#define BOOT_MS 1500
#define HOUR_MS 3600000
#define WORDS_MAX 32

struct ipabed ipabed;

const char *const trouble_names[_TROUBLE_MAX] = {
	"nothing", "refused", "silent", "lost", "garbage", "silent after it", "lost after it",
	"daemon killed", "daemon killed after it", "power cut", "power cut after it", "forbidden",
	"malformed by status word", "says no", "truncated", "cut", "stalled", "another session", "forged", "away", "unwanted",
	"stopped",
};

/*
 * In place of the system's, for card and daemon: power is cut by forgetting what is in memory, what
 * was written stays written. Thousands of cases would wait for the disk otherwise.
 */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

bool trouble_is_after(enum trouble t)
{
	return t == GARBAGE || t == SILENT_AFTER || t == LOST_AFTER || t == KILLED_AFTER ||
	       t == POWER_AFTER || t == TRUNCATED || t == CUT || t == STALLED ||
	       t == OTHER_SESSION || t == FORGED;
}

static enum trouble pick(enum trouble t, const struct ipabed_request *q)
{
	for (unsigned k = 0; ipabed.o.applies && !ipabed.o.applies(t, q) && k < _TROUBLE_MAX; k++)
		t = t + 1 < _TROUBLE_MAX ? t + 1 : NOTHING + 1;
	return t;
}

enum trouble ipabed_note(enum ipabed_to to, const char *what)
{
	struct ipabed_request *q = &ipabed.log[MIN(ipabed.requests, (unsigned)IPABED_REQUESTS_MAX - 1)];

	q->to = to;
	q->at_ms = ev_now_ms();
	snprintf(q->what, sizeof(q->what), "%s", what);
	ipabed.requests++;
	for (size_t k = 0; k < IPABED_STRIKES; k++) {
		struct ipabed_strike *s = &ipabed.strikes[k];

		if (ipabed.requests != s->at || s->trouble == NOTHING)
			continue;
		s->trouble = pick(s->trouble, q);
		s->struck = true;
		s->what = *q;
		if (s->trouble != STOPPED)
			return s->trouble;
		ipabed.o.stop();
	}
	return NOTHING;
}

bool ipabed_ends_daemon(enum trouble t)
{
	if (t != KILLED && t != KILLED_AFTER && t != POWER && t != POWER_AFTER)
		return false;
	ipabed.daemon_ended = true;
	ipabed.cut = t == POWER || t == POWER_AFTER;
	return true;
}

/* --- the module and its network ------------------------------------------------------------------------- */

bool ipabed_enabled_is(const char *iccid)
{
	struct ve_profile *p = ve_profile_enabled(euicc_card_state(ipabed.card.card));

	return p ? ipabed_on_card(iccid) == p : !iccid[0];
}

const struct ve_profile *ipabed_on_card(const char *iccid)
{
	struct ve_state *s = euicc_card_state(ipabed.card.card);
	uint8_t raw[ES10_ICCID_OCTETS];

	if (es10_iccid_from_text(text_of(iccid), raw) < 0)
		return NULL;
	for (size_t k = 0; k < s->n_profiles; k++)
		if (octets_same(blob_octets(&s->profiles[k].field[VE_ICCID]), octets_from(raw, sizeof(raw))))
			return &s->profiles[k];
	return NULL;
}

/* The module uses whatever is enabled on the card, and registers where there is coverage. */
static void network(bool powered)
{
	static const uint8_t plmn[] = { 0x62, 0xf2, 0x10 };

	ipa_online(&ipabed.ipa, powered && !ipabed_enabled_is(IPABED_C) && !ipabed_enabled_is(""),
		   octets_from(plmn, sizeof(plmn)));
}

/* It has read the card anew. */
static void look_at_card(void)
{
	struct ve_profile *p = ve_profile_enabled(euicc_card_state(ipabed.card.card));

	snprintf(ipabed.used, sizeof(ipabed.used), "none");
	if (p)
		es10_iccid_text(blob_octets(&p->field[VE_ICCID]), ipabed.used);
}

bool ipabed_module_is_right(void)
{
	return ipabed_enabled_is(strcmp(ipabed.used, "none") ? ipabed.used : "");
}

void ipabed_restart_card(void)
{
	ipabed.resets++;
	card_sim_reset(&ipabed.sim);
	ipa_card_went(&ipabed.ipa);
	network(false);
	ev_alarm_start(&ipabed.boot_alarm, BOOT_MS);
}

static void on_booted(struct ev_alarm *a)
{
	(void)a;
	look_at_card();
	ipa_card_came(&ipabed.ipa);
	network(true);
}

static void on_follow(struct ipa *i, const char *iccid)
{
	(void)i;
	(void)iccid;
	ipabed.following = true;
	network(false);
	ev_alarm_start(&ipabed.follow_alarm, FOLLOW_MS);
}

static void on_follow_stop(struct ipa *i)
{
	(void)i;
	ipabed.following = false;
	ev_alarm_stop(&ipabed.follow_alarm);
}

static void on_followed(struct ev_alarm *a)
{
	(void)a;
	ipabed.following = false;
	card_sim_reset(&ipabed.sim);
	look_at_card();
	ipa_card_went(&ipabed.ipa);
	ipa_card_came(&ipabed.ipa);
	network(true);
	ipa_followed(&ipabed.ipa, NULL);
}

static void on_changed(struct ipa *i, unsigned what)
{
	(void)i;
	(void)what;
}

/* --- the daemon -------------------------------------------------------------------------------------------- */

static void start_daemon(void)
{
	struct ipa *i = &ipabed.ipa;

	memset(i, 0, sizeof(*i));
	i->changed = on_changed;
	i->follow = on_follow;
	i->follow_stop = on_follow_stop;
	i->dial = ipabed.o.way ? ipabed.o.way->dial : ipabed_dial;
	i->dial_server = ipabed_dial_server;
	i->o = (struct ipa_options){ .state_dir = ipabed.state_dir, .interval_s = IPABED_INTERVAL_S,
				     .spread_s = 1, .rollback_s = IPABED_ROLLBACK_S };
	if (ipabed.o.configure)
		ipabed.o.configure(&i->o);
	assert_int_equal(ipa_open(i, ipabed_card_open()), 0);
}

/* Whatever was in memory is gone, nobody is told. */
static void kill_daemon(void)
{
	ev_alarm_stop(&ipabed.follow_alarm);
	ipabed.following = false;
	ipa_close(&ipabed.ipa);
	/* Until the card's channel is given back news of the module still comes in. */
	ipa_online(&ipabed.ipa, false, octets_from(NULL, 0));
	ipa_online(&ipabed.ipa, true, octets_from(NULL, 0));
	ipabed_eim_stop();
	if (ipabed.o.way)
		ipabed.o.way->stop();
	ipabed_smdp_stop();
}

void ipabed_restart_daemon(bool cut)
{
	ipabed.daemon_ended = false;
	kill_daemon();
	fake_ev_run(100);
	start_daemon();
	if (cut) {
		ipabed_restart_card();
		return;
	}
	/* The module is as it was: it goes on with what the card had when it was read last. */
	ipa_card_came(&ipabed.ipa);
	network(true);
}

static bool has_ended(void *arg)
{
	(void)arg;
	return ipabed.daemon_ended;
}

void ipabed_run(unsigned ms)
{
	uint64_t end = ev_now_ms() + ms;

	while (ev_now_ms() < end && fake_ev_until(has_ended, NULL, (unsigned)(end - ev_now_ms())))
		ipabed_restart_daemon(ipabed.cut);
}

/* --- beginning and end --------------------------------------------------------------------------------------- */

const char *ipabed_pki(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s%s%s", ipabed.o.pki ? ipabed.o.pki : "nist",
		 file[0] ? "/" : "", file);
	return path;
}

static void take_certificate(const char *file, uint8_t dst[SE_CERT_MAX], size_t *ret_n)
{
	assert_int_equal(file_load(ipabed_pki(file), dst, SE_CERT_MAX, ret_n), 0);
}

static void make_eim(void)
{
	se_eim_init(&ipabed.eim, "");
	ipabed.eim.indirect = !ipabed.o.no_indirect;
	assert_int_equal(se_key_load(ipabed_pki("eimsign.key.pem"), &ipabed.eim.key), 0);
	assert_int_equal(se_anchor_load(&ipabed.eim.anchors, ipabed_pki("ci.der")), 0);
	assert_int_equal(se_card_new(&ipabed.eim, IPABED_EID, &ipabed.account), 0);
	take_certificate("eum.der", ipabed.account->eum, &ipabed.account->eum_n);
	take_certificate("euicc.der", ipabed.account->euicc, &ipabed.account->euicc_n);
	ipabed_eim_open();
	if (ipabed.o.way)
		ipabed.o.way->open();
}

static void make_smdp(void)
{
	sdp_init(&ipabed.smdp);
	text_copy(TEXT(IPABED_HOST), ipabed.smdp.hosts[0], SDP_HOST_MAX);
	ipabed.smdp.hosts_n = 1;
	text_copy(TEXT(IPABED_DS_HOST), ipabed.smdp.ds_host, SDP_HOST_MAX);
	ipabed_smdp_open();
}

/*
 * Its certificates, an SM-DS's issued for it among them: made and loaded once, and only where there is
 * anything to give, for cases are many.
 */
static struct kept {
	char path[128];
	struct sdp_pki pki;
} kept;

static void make_pki(void)
{
	char dir[] = "/tmp/cellmux-pki-XXXXXX", path[64], why[SDP_WHY_MAX] = "";
	struct sdp_recipe r = { .dir = dir, .pki = { ipabed_pki("") }, .pki_n = 1,
				.hosts = { IPABED_HOST }, .hosts_n = 1, .ds_host = IPABED_DS_HOST };

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pki/0", dir);
	if (sdp_make(&r, why) || sdp_pki_load(&kept.pki, path, why))
		fail_msg("%s", why);
	tree_remove(dir);
	snprintf(kept.path, sizeof(kept.path), "%s", ipabed_pki(""));
}

static void forget_pki(void)
{
	sdp_pki_done(&kept.pki);
	kept.path[0] = '\0';
}

static void open_for_business(void)
{
	if (strcmp(kept.path, ipabed_pki("")) != 0) {
		forget_pki();
		make_pki();
	}
	ipabed.smdp.pki[0] = kept.pki;
	ipabed.smdp.pki_n = 1;
}

static void associate(void)
{
	struct se_config_wish wish = { .form = SE_FORM_ADD_INITIAL, .trust = SE_TRUST_NONE,
					.indirect = -1 };
	uint8_t request[2048];
	char digits[4097];
	const char *why;
	size_t n;

	assert_int_equal(se_config_own(&ipabed.eim, &wish, request, sizeof(request), &n, &why), 0);
	hex_encode(request, n, digits, sizeof(digits));
	talk_isdr(&ipabed.card);
	assert_string_equal(talk_es10(&ipabed.card, digits), "BF5704A0020500");
}

static void make_card(void)
{
	static const struct euicc_profile three[] = {
		{ .iccid = TEXT(IPABED_A), .name = TEXT("A"), .enabled = true,
		  .notify = TEXT(IPABED_HOST) },
		{ .iccid = TEXT(IPABED_B), .name = TEXT("B"), .notify = TEXT(IPABED_HOST) },
		{ .iccid = TEXT(IPABED_C), .name = TEXT("C"), .notify = TEXT(IPABED_HOST) },
	};
	struct euicc_recipe r = { .eid = TEXT(IPABED_EID), .personality = ipabed.o.personality,
				  .version = _VE_VERSION_MAX, .profiles = three, .n_profiles = 3,
				  .pki = { ipabed_pki("") } };

	talk_make(&ipabed.card, &r);
	talk_open(&ipabed.card, NULL);
}

void ipabed_open(const struct ipabed_options *o)
{
	char dir[sizeof(ipabed.state_dir)];

	if (o->way)
		o->way->reset();
	else
		fake_ev_reset();
	memcpy(dir, ipabed.state_dir, sizeof(dir));
	memset(&ipabed, 0, sizeof(ipabed));
	memcpy(ipabed.state_dir, dir, sizeof(dir));
	ipabed.o = *o;
	ipabed.follow_alarm.fired = on_followed;
	ipabed.boot_alarm.fired = on_booted;
	make_eim();
	make_smdp();
	make_card();
	if (!o->no_eim)
		associate();
	if (o->card)
		o->card(euicc_card_state(ipabed.card.card));
	talk_reset(&ipabed.card);
	card_sim_init(&ipabed.sim, ipabed.card.card);
	look_at_card();
	start_daemon();
	ipa_card_came(&ipabed.ipa);
	network(true);
	fake_ev_run(60000);
	assert_int_equal(ipabed.account->polls, !o->no_eim);
	ipabed.requests = 0;
}

static void remove_files(void)
{
	char path[300];
	const char *name;

	while ((name = ipabed_file_left())) {
		snprintf(path, sizeof(path), "%s/%s", ipabed.state_dir, name);
		assert_int_equal(unlink(path), 0);
	}
}

void ipabed_close(void)
{
	ev_alarm_stop(&ipabed.boot_alarm);
	kill_daemon();
	fake_ev_settle();
	if (ipabed.o.way)
		ipabed.o.way->close();
	card_sim_done(&ipabed.sim);
	talk_close(&ipabed.card);
	se_relay_close(&ipabed.eim);
	se_eim_done(&ipabed.eim);
	ipabed.smdp.pki_n = 0;
	sdp_done(&ipabed.smdp);
	remove_files();
}

static void tell(const char *line)
{
	fprintf(stderr, "eIM %s\n", line);
}

int ipabed_setup(void **state)
{
	(void)state;
	log_set_level(getenv("LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	if (getenv("LOG"))
		se_log_follower = tell;
	strcpy(ipabed.state_dir, "/tmp/cellmux-bed-XXXXXX");
	return mkdtemp(ipabed.state_dir) ? 0 : -1;
}

int ipabed_teardown(void **state)
{
	(void)state;
	forget_pki();
	return rmdir(ipabed.state_dir);
}

/* --- orders --------------------------------------------------------------------------------------------------- */

static int words_of(char *line, char *words[WORDS_MAX])
{
	char *word;
	int n = 0;

	while ((word = strsep(&line, " "))) {
		assert_true(n < WORDS_MAX - 1);
		if (*word)
			words[n++] = word;
	}
	words[n] = NULL;
	return n;
}

struct se_package *ipabed_queue(const char *line)
{
	static struct se_order order;
	char copy[512], why[SE_WHY_MAX], *words[WORDS_MAX];
	struct se_package *p;
	int n;

	snprintf(copy, sizeof(copy), "%s", line);
	n = words_of(copy, words);
	if (se_order_parse(n, words, ".", ipabed.account->version, &order, why))
		fail_msg("%s: %s", line, why);
	p = se_package_order(ipabed.account, &order);
	assert_non_null(p);
	return p;
}

struct sdp_profile *ipabed_offer(const char *line)
{
	char copy[512], *words[WORDS_MAX], *said = NULL;
	size_t said_n;
	FILE *out = open_memstream(&said, &said_n);
	int r;

	open_for_business();
	snprintf(copy, sizeof(copy), "add %s", line);
	r = sdp_add(&ipabed.smdp, words_of(copy, words), words, out);
	fclose(out);
	if (r)
		fail_msg("%s: %s", copy, said);
	free(said);
	return list_entry(ipabed.smdp.profiles.prev, struct sdp_profile, node);
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

bool ipabed_is_idle(void)
{
	return !ipabed.ipa.now && list_empty(&ipabed.ipa.queue) && !ipabed_eim_is_asked() &&
	       !(ipabed.o.way && ipabed.o.way->is_asked()) && !ipabed_smdp_is_asked() && !ipabed_card_is_asked();
}

const char *ipabed_file_left(void)
{
	static char name[256];
	DIR *d = opendir(ipabed.state_dir);
	struct dirent *e;

	assert_non_null(d);
	name[0] = '\0';
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(name, sizeof(name), "%s", e->d_name);
	closedir(d);
	return name[0] ? name : NULL;
}

unsigned ipabed_busiest_hour(bool servers)
{
	unsigned n = MIN(ipabed.requests, (unsigned)IPABED_REQUESTS_MAX), most = 0, now = 0, first = 0;

	for (unsigned k = 0; k < n; k++) {
		if ((ipabed.log[k].to != TO_CARD) != servers)
			continue;
		now++;
		while (ipabed.log[first].at_ms + HOUR_MS < ipabed.log[k].at_ms) {
			now -= (ipabed.log[first].to != TO_CARD) == servers;
			first++;
		}
		most = MAX(most, now);
	}
	return most;
}
