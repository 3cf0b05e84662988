/* status: what somebody wants to know at night, in front of a box that does not answer. */
#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"

static void print_aspect(const struct aspect *a, struct json_object *modem, bool verbose)
{
	struct note n;
	const char *words;

	note_begin(&n);
	if (n.f)
		a->words(n.f, modem, verbose);
	words = note_end(&n);
	print_label(stdout, a->label);
	fputs(words[0] ? words : "-", stdout);
	if (words[0] && a->age)
		a->age(stdout, modem);
	putchar('\n');
	note_free(&n);
}

static void print_daemon(struct json_object *daemon)
{
	int64_t pid = member_count(daemon, "pid"), uptime = member_count(daemon, "uptime_s");
	struct text config = json_member_text(daemon, "config");

	print_label(stdout, "Daemon");
	fputs("cellmuxd ", stdout);
	print_safe(stdout, json_member_text(daemon, "version"));
	if (pid >= 0)
		printf(", pid %lld", (long long)pid);
	if (uptime >= 0) {
		fputs(", up ", stdout);
		print_span(stdout, (uint64_t)uptime);
	}
	fputs(", ", stdout);
	print_safe(stdout, config.n ? config : TEXT("no configuration"));
	putchar('\n');
}

static void print_trouble(struct json_object *problem)
{
	if (!problem)
		return;
	print_tinted(stdout, TINT_BAD, json_member_text(problem, "text"));
	putchar('\n');
}

static void print_euicc(struct json_object *euicc)
{
	struct text card = json_member_text(euicc, "card"), kind = json_member_text(euicc, "kind");
	struct text doing = json_member_text(euicc, "doing"), step = json_member_text(euicc, "step");

	print_label(stdout, "eUICC");
	print_safe(stdout, text_eq(card, "no-euicc") ? TEXT("none, an ordinary SIM") : card);
	if (kind.n) {
		fputs(", ", stdout);
		print_safe(stdout, kind);
		fputs(", EID ", stdout);
		print_safe(stdout, json_member_text(euicc, "eid"));
	}
	if (doing.n && step.n) {
		fputs(", ", stdout);
		print_safe(stdout, doing);
		fputs(": ", stdout);
		print_safe(stdout, step);
	}
	putchar('\n');
	if (json_member(euicc, "problem"))
		print_label(stdout, "");
	print_trouble(json_member(euicc, "problem"));
}

/* Those that cannot be reached; what else there is to say of them has its own command. */
static enum end print_eims(struct request *r)
{
	struct json_object *ipa, *eims, *e, *problem;
	enum end end = client_call(&r->client, "ipa.status", NULL, CLIENT_PATIENCE_MS, &ipa);

	if (end != END_OK)
		return end;
	eims = json_member(ipa, "eims");
	for (size_t i = 0; json_object_is_type(eims, json_type_array) && i < json_object_array_length(eims); i++) {
		e = json_object_array_get_idx(eims, i);
		problem = json_member(e, "problem");
		if (!problem)
			continue;
		print_label(stdout, "eIM");
		print_safe(stdout, json_member_text(e, "id"));
		fputs(": ", stdout);
		print_trouble(problem);
	}
	json_object_put(ipa);
	return END_OK;
}

static void print_ports(struct json_object *ports, bool verbose)
{
	size_t n = json_object_is_type(ports, json_type_array) ? json_object_array_length(ports) : 0;

	for (size_t i = 0; i < n; i++) {
		print_label(stdout, i == 0 ? "Ports" : "");
		port_words(stdout, json_object_array_get_idx(ports, i), verbose);
		putchar('\n');
	}
}

static void print_counters(const char *label, struct json_object *counters)
{
	if (!counters)
		return;
	print_label(stdout, label);
	puts("since the start");
	json_object_object_foreach(counters, name, value) {
		if (!json_object_is_type(value, json_type_int))
			continue;
		fputs("  ", stdout);
		print_safe(stdout, text_of(name));
		printf("%*s %12lld\n", MAX(20 - (int)strlen(name), 0), "",
		       (long long)json_object_get_int64(value));
	}
}

enum end run_status(struct request *r)
{
	struct json_object *params = json_object_new_object(), *status, *modem;
	enum end e;

	json_object_object_add(params, "refresh", json_object_new_boolean(!r->no_refresh));
	e = client_call(&r->client, "status", params, CLIENT_PATIENCE_MS, &status);
	if (e != END_OK)
		return e;
	modem = json_member(status, "modem");
	if (r->json) {
		print_json(stdout, status);
	} else {
		for (const struct aspect *a = aspects; a->label; a++)
			print_aspect(a, modem, r->verbose);
		print_euicc(json_member(status, "euicc"));
		e = print_eims(r);
		print_ports(json_member(status, "ports"), r->verbose);
		if (r->verbose) {
			print_daemon(json_member(status, "daemon"));
			print_counters("Counters", json_member(modem, "counters"));
			if (member_count(json_member(modem, "mux"), "starts") > 0)
				print_counters("Mux", json_member(modem, "mux"));
		}
	}
	json_object_put(status);
	return e;
}
