/*
 * The virtual eUICC loses its power, and its process, at every point at which it writes: before and
 * after each fsync and rename of a package's life and of a download. Whoever looks afterwards finds
 * the card before or after a command, never in between.
 */
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "support/binder.h"
#include "support/eimdesk.h"
#include "support/rspcard.h"

#define DIED 77

/* --- the fuse --------------------------------------------------------------------------------- */

/* So many points from now on the process ends; negative: never. */
static int fuse = -1;

int fsync(int fd);
int rename(const char *from, const char *to);

static void burn(void)
{
	if (fuse >= 0 && fuse-- == 0)
		_exit(DIED);
}

/* In place of libc's, for everything that is linked here. */
int fsync(int fd)
{
	int r;

	burn();
	r = (int)syscall(SYS_fsync, fd);
	burn();
	return r;
}

int rename(const char *from, const char *to)
{
	int r;

	burn();
	r = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	burn();
	return r;
}

/* True: it came to its end; the fuse was too long. */
static bool run_in_child(int points, void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		fuse = points;
		run(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != DIED))
		fail_msg("after %d points: status %x", points, (unsigned)status);
	return !WEXITSTATUS(status);
}

/* --- packages --------------------------------------------------------------------------------- */

/* Each is one package; counters are 1, 2 ... */
static const struct {
	unsigned tag;
	const char *list;
} packages[] = {
	{ 0xa0, "A30E5A0A" EIMDESK_B "0500" },                  /* enable B with rollback */
	{ 0xa0, "A50C5A0A" EIMDESK_A "BF2D055C035A9F70" },      /* delete A */
	{ 0xa1, "AA0B800465696D318103646566" },                 /* a name for the eIM */
	{ 0xa0, "A40C5A0A" EIMDESK_B },                         /* disable B */
};

static void run_packages(void *arg)
{
	struct eimdesk *d = arg;

	talk_open(&d->t, NULL);
	talk_isdr(&d->t);
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++) {
		eimdesk_list(d, packages[i].tag, packages[i].list);
		eimdesk_again(d);
	}
}

static unsigned results_kept(const struct ve_state *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->n_notes; i++)
		n += s->notes[i].kind == VE_NOTE_PACKAGE;
	return n;
}

/* What the counter says was done was done whole, result and switch included. */
static void judge_packages(struct eimdesk *d, int point)
{
	static const char *const enabled[] = { EIMDESK_A, EIMDESK_B, EIMDESK_B, EIMDESK_B, "" };
	static const unsigned profiles[] = { 2, 2, 1, 1, 1 };
	const struct ve_state *s = eimdesk_state(d);
	uint32_t counter = s->eims[0].counter;

	assert_true(counter < ARRAY_SIZE(enabled));
	if (results_kept(s) != counter || !eimdesk_enabled(d, enabled[counter]) ||
	    s->n_profiles != profiles[counter] ||
	    (counter >= 3) != (s->eims[0].field[VE_EIM_FQDN].n == 3) || s->switch_pending)
		fail_msg("point %d, counter %u", point, (unsigned)counter);
}

static void packages_are_done_whole_or_not_at_all(void **state)
{
	bool complete = false;
	int point;

	(void)state;
	for (point = 0; !complete; point++) {
		struct eimdesk d;
		const char *r;

		eimdesk_open(&d, "iot");
		/* What was changed behind the card's back is written with the next command. */
		eimdesk_state(&d)->dirty = true;
		talk_reset(&d.t);
		talk_shut(&d.t);
		complete = run_in_child(point, run_packages, &d);
		talk_open(&d.t, NULL);
		talk_isdr(&d.t);
		judge_packages(&d, point);
		/* An IPA that never got the answer sends it again. */
		d.counter = eimdesk_state(&d)->eims[0].counter;
		if (d.counter) {
			d.counter--;
			r = eimdesk_list(&d, packages[d.counter].tag, packages[d.counter].list);
			assert_non_null(strstr(r, "020104"));
		}
		if (d.counter < ARRAY_SIZE(packages))
			eimdesk_list(&d, packages[d.counter].tag, packages[d.counter].list);
		eimdesk_again(&d);
		judge_packages(&d, point);
		eimdesk_close(&d);
	}
	/* Four packages with their resets, three calls to a save, two points to each. */
	assert_true(point > 30);
}

/* --- downloads -------------------------------------------------------------------------------- */

static void run_download(void *arg)
{
	struct binder *b = arg;

	talk_open(&b->card->talk, NULL);
	rspcard_take_info(euicc_card_state(b->card->talk.card),
			  hexjson_octets(b->card->v, "euiccSigned1"));
	talk_isdr(&b->card->talk);
	rspcard_authenticate(b->card);
	rspcard_prepare(b->card);
	binder_send(b, 0, b->n);
}

/* One profile with the result of its install, or none and at most the result of a failure. */
static void downloads_are_told_as_they_ended(void **state)
{
	bool complete = false;
	int point, interrupted = 0;

	(void)state;
	for (point = 0; !complete; point++) {
		struct rspcard c;
		struct binder b;
		struct ve_state *s;
		char pir[2048];
		int command, reason = 0;

		rspcard_open(&c, "nist-small-ppk", NULL);
		binder_init(&b, &c);
		binder_bind(&b);
		euicc_card_state(c.talk.card)->dirty = true;
		talk_reset(&c.talk);
		talk_shut(&c.talk);
		complete = run_in_child(point, run_download, &b);
		talk_open(&c.talk, NULL);
		s = euicc_card_state(c.talk.card);
		assert_true(s->n_notes <= 1 && s->n_profiles <= s->n_notes && !s->loading);
		if (s->n_notes) {
			hex_encode(s->notes[0].whole.p, s->notes[0].whole.n, pir, sizeof(pir));
			binder_read_result(&b, pir, &command, &reason);
			if (reason != (s->n_profiles ? -1 : 11))
				fail_msg("point %d: %d/%d", point, command, reason);
			interrupted += reason == 11;
		}
		assert_int_equal(s->n_profiles, complete || reason == -1);
		binder_done(&b);
		rspcard_close(&c);
	}
	assert_true(interrupted > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packages_are_done_whole_or_not_at_all),
		cmocka_unit_test(downloads_are_told_as_they_ended),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
