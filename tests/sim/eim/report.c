#include "sim/eim/report.h"

#include <string.h>
#include <time.h>

#include "core/util.h"
#include "sim/eim/command.h"
#include "sim/eim/store.h"

static bool counts(const struct se_package *p)
{
	return !p->fault[0] && p->state != SE_CANCELLED;
}

/* Signed results must be verified; data and refusals carry no signature. */
static bool account_right(const struct se_package *p)
{
	bool needs_signature = p->kind == SE_KIND_PSMO || p->kind == SE_KIND_ECO;

	if (p->duplicates || p->refused)
		return false;
	if (p->state == SE_DONE && p->results != (p->rolled_back && p->results == 2 ? 2u : 1u))
		return false;
	return p->state != SE_DONE || p->error || !needs_signature || p->verdict == SE_VERIFIED;
}

static int judge_card(struct se_card *c, uint32_t id)
{
	struct se_package *p;
	int worst = SE_EXIT_OK;

	list_for_each(p, &c->packages, node) {
		if (!counts(p) || (id && p->id != id))
			continue;
		if (p->state == SE_QUEUED || p->state == SE_SENT)
			return SE_EXIT_PENDING;
		if (!account_right(p))
			worst = SE_EXIT_ACCOUNT;
		else if (p->error && worst == SE_EXIT_OK)
			worst = SE_EXIT_ERROR;
	}
	return worst;
}

int se_report_judge(struct se_eim *e, const struct se_report_wish *wish)
{
	struct se_card *c;
	int worst = SE_EXIT_OK, one;

	list_for_each(c, &e->cards, node) {
		if (wish->card && wish->card != c)
			continue;
		one = judge_card(c, wish->id);
		if (one == SE_EXIT_PENDING)
			return one;
		worst = MAX(worst, one);
	}
	return worst;
}

/* --- tables ----------------------------------------------------------------------------------- */

static unsigned count_state(struct se_card *c, enum se_state state)
{
	struct se_package *p;
	unsigned n = 0;

	list_for_each(p, &c->packages, node)
		n += p->state == state;
	return n;
}

static const char *ago(uint64_t when_ms, char out[16])
{
	uint64_t s = when_ms ? (se_clock_ms() - when_ms) / 1000 : 0;

	if (!when_ms)
		return "never";
	if (s < 120)
		snprintf(out, 16, "%us ago", (unsigned)s);
	else if (s < 7200)
		snprintf(out, 16, "%um ago", (unsigned)(s / 60));
	else
		snprintf(out, 16, "%uh ago", (unsigned)(s / 3600));
	return out;
}

static void print_packages(struct se_card *c, uint32_t id, FILE *out)
{
	struct se_package *p;

	fprintf(out, "%4s  %-9s  %4s  %7s  %4s  %7s  %-10s  %s\n", "NO", "STATE", "SENT", "RESULTS",
		"DUPL", "REFUSED", "VERDICT", "PACKAGE");
	list_for_each(p, &c->packages, node) {
		if (id && p->id != id)
			continue;
		fprintf(out, "%4u  %-9s  %4u  %7u  %4u  %7u  %-10s  %s%s%s%s\n", p->id,
			se_state_names[p->state], p->sent, p->results, p->duplicates, p->refused,
			se_verdict_names[p->verdict], p->what, p->automatic ? " (automatic)" : "",
			p->fault[0] ? ", SPOILT: " : "", p->fault);
		if (p->outcome[0])
			fprintf(out, "%58s-> %s\n", "", p->outcome);
	}
}

static void print_card(struct se_card *c, uint32_t id, FILE *out)
{
	char when[16];

	fprintf(out,
		"card %s  version %s  counter %u  token %d  last number %u  %s  polled %u times, "
		"%s\n",
		c->eid, se_version_names[c->version], c->counter, c->token, c->last_seq,
		c->euicc_n ? "certificates known" : "no certificates", c->polls,
		ago(c->last_poll_ms, when));
	print_packages(c, id, out);
	if (c->notes_n)
		fprintf(out, "%zu notification%s\n", c->notes_n, c->notes_n == 1 ? "" : "s");
	for (size_t i = 0; i < c->notes_n; i++)
		fprintf(out, "%4u  %-8s  %-20s  %-10s  %u duplicates\n", c->notes[i].seq,
			c->notes[i].event, c->notes[i].iccid, se_verdict_names[c->notes[i].verdict],
			c->notes[i].duplicates);
	if (c->profiles[0])
		fprintf(out, "profiles: %s\n", c->profiles);
	if (c->remarks || c->unmatched)
		fprintf(out, "%u remarks, %u unmatched: see sim-eim log\n", c->remarks,
			c->unmatched);
}

void se_report_list(struct se_server *s, struct se_card *card, FILE *out)
{
	struct se_eim *e = s->eim;
	struct se_card *c;
	char when[16];

	fprintf(out, "%s  https://%s:%u/gsma/rsp2/asn1  %s%s\n", e->id, e->fqdn, s->port, e->curve,
		se_server_is_up(s) ? "" : "  UNREACHABLE");
	if (s->coap)
		fprintf(out, "%s  %s\n", e->id, s->coap->where(s->coap));
	if (card) {
		print_card(card, 0, out);
		return;
	}
	fprintf(out, "%-32s  %-7s  %7s  %5s  %-5s  %6s  %6s  %4s  %4s  %7s  %s\n", "EID", "VERSION",
		"COUNTER", "TOKEN", "CERTS", "QUEUED", "FLIGHT", "DONE", "FAIL", "REMARKS",
		"LAST POLL");
	list_for_each(c, &e->cards, node)
		fprintf(out, "%-32s  %-7s  %7u  %5d  %-5s  %6u  %6u  %4u  %4u  %7u  %s\n", c->eid,
			se_version_names[c->version], c->counter, c->token,
			c->euicc_n ? "yes" : "no", count_state(c, SE_QUEUED),
			count_state(c, SE_SENT), count_state(c, SE_DONE), count_state(c, SE_FAILED),
			c->remarks, ago(c->last_poll_ms, when));
}

/* --- JSON ------------------------------------------------------------------------------------- */

static struct json_object *notes_json(struct se_card *c)
{
	struct json_object *list = json_object_new_array(), *o;

	for (size_t i = 0; i < c->notes_n; i++) {
		const struct se_note *n = &c->notes[i];

		o = json_object_new_object();
		json_object_object_add(o, "seqNumber", json_object_new_int64(n->seq));
		json_object_object_add(o, "event", json_object_new_string(n->event));
		json_object_object_add(o, "iccid", json_object_new_string(n->iccid));
		json_object_object_add(o, "address", json_object_new_string(n->address));
		json_object_object_add(o, "verified",
				       json_object_new_boolean(n->verdict == SE_VERIFIED));
		json_object_object_add(o, "duplicates", json_object_new_int64(n->duplicates));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *card_json(struct se_card *c, uint32_t id)
{
	struct json_object *o = json_object_new_object(), *packages = json_object_new_array();
	struct se_package *p;

	json_object_object_add(o, "eid", json_object_new_string(c->eid));
	json_object_object_add(o, "version", json_object_new_string(se_version_names[c->version]));
	json_object_object_add(o, "counter", json_object_new_int64(c->counter));
	json_object_object_add(o, "token", json_object_new_int(c->token));
	json_object_object_add(o, "lastSeqNumber", json_object_new_int64(c->last_seq));
	json_object_object_add(o, "certificates", json_object_new_boolean(c->euicc_n > 0));
	json_object_object_add(o, "polls", json_object_new_int64(c->polls));
	json_object_object_add(o, "remarks", json_object_new_int64(c->remarks));
	json_object_object_add(o, "unmatched", json_object_new_int64(c->unmatched));
	json_object_object_add(o, "profiles", json_object_new_string(c->profiles));
	list_for_each(p, &c->packages, node) {
		if (!id || p->id == id)
			json_object_array_add(packages, se_package_json(p, false));
	}
	json_object_object_add(o, "packages", packages);
	json_object_object_add(o, "notifications", notes_json(c));
	return o;
}

void se_report_results(struct se_eim *e, const struct se_report_wish *wish, FILE *out)
{
	struct json_object *list = wish->json ? json_object_new_array() : NULL;
	struct se_card *c;
	bool first = true;

	list_for_each(c, &e->cards, node) {
		if (wish->card && wish->card != c)
			continue;
		if (list) {
			json_object_array_add(list, card_json(c, wish->id));
			continue;
		}
		if (!first)
			fputc('\n', out);
		first = false;
		print_card(c, wish->id, out);
	}
	if (list)
		fprintf(out, "%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	json_object_put(list);
}
