#include "support/ipabed_judge.h"

#include <string.h>

#include "unit/fake_ev.h"

#define VISIT_MS (2 * 60000)

static bool was_refused(const struct ipabed_judge *j)
{
	return j->order->state == SE_FAILED && j->refused;
}

void ipabed_judge_package(const struct ipabed_judge *j, const char *enabled, const char *otherwise)
{
	struct se_package *p = j->order;
	bool back = p->rolled_back || p->error;

	if (was_refused(j) && strstr(p->outcome, "invalidPackageFormat") && ipabed_enabled_is(IPABED_A))
		return;
	if (p->state != SE_DONE)
		j->blame("the eIM was not told");
	if (p->results != 1 && !(p->results == 2 && p->rolled_back))
		j->blame("not told exactly once");
	if (p->replays)
		j->blame("executed, and loaded again");
	if (p->kind != SE_KIND_DATA && p->verdict != SE_VERIFIED)
		j->blame("not verified");
	if (!ipabed_enabled_is(enabled) && !(otherwise && ipabed_enabled_is(otherwise)))
		j->blame("another profile is enabled");
	if (otherwise && ipabed_enabled_is(otherwise) != back)
		j->blame("the eIM believes that another profile is enabled");
	/* "There is nothing" looks like a package then, and is refused as one. */
	if (ipabed.account->unmatched && !j->garbled)
		j->blame("results that belong to nothing");
}

void ipabed_judge_download(const struct ipabed_judge *j, bool told)
{
	struct se_package *p = j->order;

	/* It would not hear it, and has perhaps asked for another one meanwhile. */
	if (j->unwanted || (was_refused(j) && !told))
		return;
	if (p->state != SE_DONE)
		j->blame("the eIM was not told");
	else if (p->results != 1 || p->refused)
		j->blame("not told exactly once");
	else if (p->error == told)
		j->blame("told something else than is true");
	if (p->duplicates && !j->unheard)
		j->blame("told again");
	/* As above. */
	if (ipabed.account->unmatched && !j->garbled)
		j->blame("results that belong to nothing");
}

void ipabed_judge_smdp(const struct ipabed_judge *j, bool told, unsigned n)
{
	unsigned installed = 0;
	struct sdp_session *x;
	struct sdp_note *note;

	list_for_each(note, &ipabed.smdp.notes, node) {
		if (note->verdict != SDP_VERIFIED)
			j->blame("the SM-DP+ has a notification that is not right");
		/* What waits for an eIM with others is delivered with them, and may be once more. */
		if (note->result && note->deliveries > 1 && !j->unheard)
			j->blame("delivered to the SM-DP+ more than once");
		installed += note->result && note->reason < 0;
	}
	if (installed != n)
		j->blame(installed > n ? "the SM-DP+ believes that it is installed" : "the SM-DP+ was not told");
	list_for_each(x, &ipabed.smdp.sessions, node)
		if (x->state != SDP_SESSION_EXPECT_CLIENT && !told && !j->open_session)
			j->blame("a session is open");
}

static bool is_idle(void *arg)
{
	(void)arg;
	return ipabed_is_idle() && !ipabed.ipa.download;
}

void ipabed_judge_rest(const struct ipabed_judge *j)
{
	const char *file = ipabed_file_left();

	if (!ipabed_module_is_right())
		j->blame("the module does not use the profile that is enabled");
	if (euicc_card_state(ipabed.card.card)->n_notes)
		j->blame("something is left on the card");
	if (ipa_journal_is_open(&ipabed.ipa.journal))
		j->blame("the journal is open");
	if (file)
		j->blame(file);
	if (!fake_ev_until(is_idle, NULL, VISIT_MS))
		j->blame("something is in flight");
}
