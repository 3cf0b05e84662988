#include "sim/smdp/command.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/smdp/add.h"
#include "sim/smdp/store.h"

const char sdp_command_help[] =
	"  add [OPTION]...         a profile; add --help tells the options\n"
	"  list [--json]           the profiles and their states\n"
	"  show ICCID              one profile with everything\n"
	"  ac ICCID [--bare] [--oid]   its activation code; --bare without \"LPA:\"\n"
	"  release ICCID           to be had (again); counters and bindings are forgotten\n"
	"  state ICCID STATE       available, released, downloaded, installed or error\n"
	"  remove ICCID\n"
	"  wait ICCID STATE [--timeout S]      until it is in this state\n"
	"  notifications [--json] [--iccid ICCID] [--wait [--count N] [--timeout S]] [--clear]\n"
	"                          those received; --wait until there are N (1)\n"
	"  event add EID EVENT-ID [ADDRESS]    the SM-DS tells this EID of it\n"
	"  event remove EID EVENT-ID\n"
	"  events                  those registered\n"
	"  fault SPEC              arms a fault; SPEC is told by --help\n"
	"  faults [--clear]        those armed\n"
	"  status                  requests served, as JSON\n";

static int fail(FILE *out, const char *what)
{
	fprintf(out, "%s\n", what);
	return SDP_EXIT_FAILED;
}

static struct sdp_profile *want_profile(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = argc > 1 ? sdp_find_profile(s, argv[1]) : NULL;

	if (!p)
		fprintf(out, "there is no such profile: %s\n", argc > 1 ? argv[1] : "no ICCID given");
	return p;
}

/* True if the option is there; then *ret_value is what follows it, if the caller wants that. */
static bool has_option(int argc, char *const *argv, const char *name, const char **ret_value)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) != 0)
			continue;
		if (ret_value)
			*ret_value = i + 1 < argc ? argv[i + 1] : "";
		return true;
	}
	return false;
}

static uint32_t number_option(int argc, char *const *argv, const char *name, uint32_t otherwise)
{
	const char *value;

	return has_option(argc, argv, name, &value) ? sdp_fault_number(value, otherwise) : otherwise;
}

unsigned sdp_command_patience(int argc, char *const *argv)
{
	return MIN(number_option(argc, argv, "--timeout", 60), 86400u) * 1000;
}

/* --- profiles --------------------------------------------------------------------------------- */

static struct json_object *profile_json(const struct sdp_profile *p)
{
	struct json_object *o = json_object_new_object();

	sdp_json_put_text(o, "iccid", p->iccid);
	sdp_json_put_text(o, "name", p->name);
	sdp_json_put_text(o, "provider", p->provider);
	sdp_json_put_text(o, "state", sdp_state_names[p->state]);
	sdp_json_put_text(o, "why", p->why);
	sdp_json_put_text(o, "matchingId", p->matching_id);
	sdp_json_put_text(o, "eid", p->eid);
	sdp_json_put_bool(o, "confirmationCode", p->confirmation[0] != '\0');
	sdp_json_put_number(o, "size", (int64_t)p->upp.n);
	sdp_json_put_number(o, "tries", p->tries);
	sdp_json_put_number(o, "downloads", p->downloads);
	sdp_json_put_number(o, "results", p->results);
	sdp_json_put_number(o, "command", p->command);
	sdp_json_put_number(o, "reason", p->reason);
	sdp_json_put_hex(o, "metadata", sdp_blob_octets(&p->metadata));
	return o;
}

static void print_json(FILE *out, struct json_object *o)
{
	fprintf(out, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int do_list(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct json_object *list;
	struct sdp_profile *p;

	if (has_option(argc, argv, "--json", NULL)) {
		list = json_object_new_array();
		list_for_each(p, &s->profiles, node)
			json_object_array_add(list, profile_json(p));
		print_json(out, list);
		return SDP_EXIT_OK;
	}
	list_for_each(p, &s->profiles, node)
		fprintf(out, "%-20s %-10s %6zu octets  %u downloads  %-20s %s%s%s\n", p->iccid,
			sdp_state_names[p->state], p->upp.n, p->downloads,
			p->matching_id[0] ? p->matching_id : "-", p->name, p->why[0] ? ": " : "", p->why);
	return SDP_EXIT_OK;
}

static int do_show(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);

	if (!p)
		return SDP_EXIT_FAILED;
	print_json(out, profile_json(p));
	return SDP_EXIT_OK;
}

static void put_oid(FILE *out, const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		v = v << 7 | (p[i] & 0x7f);
		if (p[i] & 0x80)
			continue;
		if (first)
			fprintf(out, "%u.%llu", (unsigned)MIN(v / 40, 2u),
				(unsigned long long)(v - 40 * MIN(v / 40, 2u)));
		else
			fprintf(out, ".%llu", (unsigned long long)v);
		first = false;
		v = 0;
	}
}

/* SGP.22 4.1: 1$address$matchingId[$oid[$1]] */
static int do_ac(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);
	bool oid = has_option(argc, argv, "--oid", NULL);

	if (!p)
		return SDP_EXIT_FAILED;
	fprintf(out, "%s1$%s", has_option(argc, argv, "--bare", NULL) ? "" : "LPA:", s->hosts[0]);
	if (s->port && s->port != 443)
		fprintf(out, ":%u", s->port);
	fprintf(out, "$%s", p->matching_id);
	if (oid || p->confirmation[0])
		fputc('$', out);
	if (oid)
		put_oid(out, s->pki[0].dp_auth.cert.oid, s->pki[0].dp_auth.cert.oid_n);
	fprintf(out, "%s\n", p->confirmation[0] ? "$1" : "");
	return SDP_EXIT_OK;
}

static int saved(struct sdp *s, const struct sdp_profile *p, FILE *out)
{
	int r = s->dir[0] ? sdp_profile_save(s->dir, p, false) : 0;

	return r < 0 ? fail(out, strerror(-r)) : SDP_EXIT_OK;
}

static int do_release(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);

	if (!p)
		return SDP_EXIT_FAILED;
	sdp_profile_release(p);
	return saved(s, p, out);
}

static int find_state(const char *name, enum sdp_state *ret)
{
	for (size_t i = 0; i < _SDP_STATE_MAX; i++) {
		if (strcmp(name, sdp_state_names[i]) == 0) {
			*ret = (enum sdp_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int do_state(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);

	if (!p)
		return SDP_EXIT_FAILED;
	if (argc != 3 || find_state(argv[2], &p->state) < 0)
		return fail(out, "available, released, downloaded, installed or error"), SDP_EXIT_USAGE;
	text_copy(TEXT("set by hand"), p->why, sizeof(p->why));
	return saved(s, p, out);
}

static int do_remove(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);
	int r;

	if (!p)
		return SDP_EXIT_FAILED;
	r = s->dir[0] ? sdp_profile_remove(s->dir, p) : 0;
	if (r < 0)
		return fail(out, strerror(-r));
	sdp_profile_free(p);
	return SDP_EXIT_OK;
}

static int do_wait(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_profile *p = want_profile(s, argc, argv, out);
	enum sdp_state state;

	if (!p)
		return SDP_EXIT_FAILED;
	if (argc < 3 || find_state(argv[2], &state) < 0)
		return fail(out, "available, released, downloaded, installed or error"), SDP_EXIT_USAGE;
	fprintf(out, "%s%s%s\n", sdp_state_names[p->state], p->why[0] ? ": " : "", p->why);
	return p->state == state ? SDP_EXIT_OK : SDP_EXIT_NOT_YET;
}

static int do_add(struct sdp *s, int argc, char **argv, FILE *out)
{
	return sdp_add(s, argc, argv, out);
}

/* --- notifications, events, faults ------------------------------------------------------------ */

static void clear_notes(struct sdp *s)
{
	while (!list_empty(&s->notes)) {
		struct sdp_note *n = list_first(&s->notes, struct sdp_note, node);

		list_del(&n->node);
		sdp_blob_done(&n->sima);
		sdp_blob_done(&n->aid);
		free(n);
	}
	s->notes_n = 0;
}

static void print_note(FILE *out, const struct sdp_note *n)
{
	fprintf(out, "%5u  %-10s %-20s %s  %u deliveries", n->seq,
		n->result ? "result" : n->event & 0x80 ? "install" : n->event & 0x40 ? "enable" :
		n->event & 0x20 ? "disable" : "delete",
		n->iccid, sdp_verdict_names[n->verdict], n->deliveries);
	if (n->result && n->reason >= 0)
		fprintf(out, "  failed: command %d, reason %d", n->command, n->reason);
	fputc('\n', out);
}

static int do_notifications(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct json_object *list = json_object_new_array();
	bool json = has_option(argc, argv, "--json", NULL);
	const char *iccid = NULL;
	struct sdp_note *n;
	uint32_t found = 0;

	has_option(argc, argv, "--iccid", &iccid);
	list_for_each(n, &s->notes, node) {
		if (iccid && strcmp(n->iccid, iccid) != 0)
			continue;
		found++;
		if (json)
			json_object_array_add(list, sdp_note_json(n));
		else
			print_note(out, n);
	}
	if (json)
		print_json(out, list);
	else
		json_object_put(list);
	if (has_option(argc, argv, "--clear", NULL)) {
		clear_notes(s);
		sdp_save_notes(s);
	}
	return has_option(argc, argv, "--wait", NULL) &&
	       found < number_option(argc, argv, "--count", 1) ? SDP_EXIT_NOT_YET : SDP_EXIT_OK;
}

static int do_event(struct sdp *s, int argc, char **argv, FILE *out)
{
	char address[SDP_HOST_MAX + 8];
	int r = -EINVAL;

	if (s->port && s->port != 443)
		snprintf(address, sizeof(address), "%s:%u", s->hosts[0], s->port);
	else
		snprintf(address, sizeof(address), "%s", s->hosts[0]);
	if (argc >= 4 && strcmp(argv[1], "add") == 0)
		r = sdp_event_add(s, argv[2], argv[3], argc > 4 ? argv[4] : address);
	else if (argc == 4 && strcmp(argv[1], "remove") == 0)
		r = sdp_event_remove(s, argv[2], argv[3]);
	if (r == -EINVAL) {
		fprintf(out, "event add EID EVENT-ID [ADDRESS], event remove EID EVENT-ID\n");
		return SDP_EXIT_USAGE;
	}
	return r < 0 ? fail(out, strerror(-r)) : SDP_EXIT_OK;
}

static int do_events(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct sdp_event *e;

	(void)argc;
	(void)argv;
	list_for_each(e, &s->events, node)
		fprintf(out, "%s %s %s\n", e->eid, e->id, e->address);
	return SDP_EXIT_OK;
}

static int do_fault(struct sdp *s, int argc, char **argv, FILE *out)
{
	const char *why = "fault SPEC";

	if (argc != 2 || sdp_fault_add(&s->faults, text_of(argv[1]), &why) < 0)
		return fail(out, why), SDP_EXIT_USAGE;
	return SDP_EXIT_OK;
}

static int do_faults(struct sdp *s, int argc, char **argv, FILE *out)
{
	for (size_t i = 0; i < s->faults.n; i++) {
		const struct sdp_fault *f = &s->faults.list[i];

		fprintf(out, "%s%s%s,on=%s", sdp_fault_names[f->kind], f->value[0] ? "=" : "", f->value,
			f->on == _SDP_FUNCTION_MAX ? "any" : sdp_function_names[f->on]);
		if (f->count == SDP_FAULT_FOREVER)
			fprintf(out, ",count=forever");
		else
			fprintf(out, ",count=%u", f->count);
		fprintf(out, ",after=%u\n", f->after);
	}
	if (has_option(argc, argv, "--clear", NULL))
		s->faults.n = 0;
	return SDP_EXIT_OK;
}

static int do_status(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct json_object *o = json_object_new_object(), *requests = json_object_new_object();

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < _SDP_FUNCTION_MAX; i++)
		sdp_json_put_number(requests, sdp_function_names[i], s->requests[i]);
	sdp_json_put_text(o, "host", s->hosts[0]);
	sdp_json_put_number(o, "port", s->port);
	json_object_object_add(o, "requests", requests);
	sdp_json_put_number(o, "sessions", (int64_t)s->sessions_n);
	sdp_json_put_number(o, "notifications", (int64_t)s->notes_n);
	sdp_json_put_number(o, "faultsStruck", s->faults.struck);
	print_json(out, o);
	return SDP_EXIT_OK;
}

static const struct {
	const char *name;
	int (*run)(struct sdp *s, int argc, char **argv, FILE *out);
} commands[] = {
	{ "add", do_add }, { "list", do_list }, { "show", do_show }, { "ac", do_ac },
	{ "release", do_release }, { "state", do_state }, { "remove", do_remove },
	{ "wait", do_wait }, { "notifications", do_notifications }, { "event", do_event },
	{ "events", do_events }, { "fault", do_fault }, { "faults", do_faults },
	{ "status", do_status },
};

int sdp_command(struct sdp *s, int argc, char **argv, FILE *out)
{
	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(s, argc, argv, out);
	}
	fprintf(out, "there is no such command: %s\n", argc > 0 ? argv[0] : "none given");
	return SDP_EXIT_USAGE;
}
