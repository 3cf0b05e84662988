#include "support/fleet_cut.h"

#include <string.h>

#define OUTCOME_MS 100000

/* What an eIM has offered and never heard of again it offers again: another visit. */
static struct json_object *await_outcome(struct fleet *f)
{
	unsigned long long end = rig_now_ms() + OUTCOME_MS;

	while (fleet_results(f, "1") == 3) {
		if (rig_now_ms() > end)
			fleet_fail(f, "package %u has no result", f->number);
		fleet_visit(f);
	}
	return fleet_package(f);
}

bool fleet_expect_one_outcome(struct fleet *f)
{
	struct json_object *p = await_outcome(f);
	bool installed = !strncmp(fleet_words(p, "outcome"), "installed as", 12);

	if (fleet_count(p, "results") != 1 || fleet_count(p, "duplicates") > 1 || fleet_count(p, "refused"))
		fleet_fail(f, "one outcome expected: %s", json_object_to_json_string(p));
	json_object_put(p);
	return installed;
}

bool fleet_is_on_card(struct fleet *f)
{
	FLEET_CTL(f, "profiles", "--json");
	return strstr(f->ran->said, f->iccid);
}

void fleet_expect_server_knows(struct fleet *f, bool installed)
{
	struct json_object *all, *one;
	unsigned good = 0;

	if (installed)
		FLEET_DP(f, "wait", f->iccid, "installed", "--timeout", "60");
	FLEET_DP(f, "notifications", "--json", "--iccid", f->iccid);
	all = json_tokener_parse(f->ran->said);
	for (size_t k = 0; k < json_object_array_length(all); k++) {
		one = json_object_array_get_idx(all, k);
		good += json_object_get_boolean(json_object_object_get(one, "installed"));
		if (strcmp(fleet_words(one, "verdict"), "verified"))
			fleet_fail(f, "a notification that is not verified: %s", f->ran->said);
	}
	if (good != installed)
		fleet_fail(f, "the SM-DP+ has %u results of an installation: %s", good, f->ran->said);
	json_object_put(all);
}

bool fleet_expect_agreement(struct fleet *f)
{
	bool installed = fleet_expect_one_outcome(f);

	fleet_await_card(f);
	fleet_visit(f);
	fleet_await_settled(f);
	if (fleet_is_on_card(f) != installed)
		fleet_fail(f, "the card has another opinion than the eIM, which was told %s",
			   installed ? "installed" : "not");
	fleet_expect_server_knows(f, installed);
	fleet_expect_one_outcome(f);
	if (!installed)
		return false;
	FLEET_ORDER(f, "delete", f->iccid);
	fleet_visit(f);
	fleet_expect_result(f, "delete ok", true);
	return true;
}
