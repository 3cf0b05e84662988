/* profiles, euicc, eims, notifications: what is on the card, in tables; and profile, to change it. */
#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"

/* The daemon's ladder for a module that does not follow takes up to three minutes. */
#define PROFILE_PATIENCE_MS 360000
/* A large profile over a slow line, from a server that takes its time. */
#define DOWNLOAD_PATIENCE_MS 1800000

/* --- tables -------------------------------------------------------------------------------------- */

#define COLUMNS_MAX 8

/* What stands in a row; written to f. */
typedef void (*cell_fn)(FILE *f, struct json_object *row);

struct column {
	const char *title;
	cell_fn cell;
};

/* Characters, not octets: UTF-8 continuation octets take no room. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int cell_width(cell_fn cell, struct json_object *row)
{
	struct note n;
	int width;

	note_begin(&n);
	if (n.f)
		cell(n.f, row);
	width = width_of(note_end(&n));
	note_free(&n);
	return width;
}

static void print_row(const struct column *columns, const int *widths, struct json_object *row)
{
	for (int c = 0; columns[c].title; c++) {
		struct note n;
		const char *s;

		note_begin(&n);
		if (n.f && row)
			columns[c].cell(n.f, row);
		s = row ? note_end(&n) : columns[c].title;
		fputs(s, stdout);
		if (columns[c + 1].title)
			printf("%*s", widths[c] - width_of(s) + 2, "");
		note_free(&n);
	}
	putchar('\n');
}

static void print_table(const struct column *columns, struct json_object *rows)
{
	size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
	int widths[COLUMNS_MAX] = { 0 };

	for (int c = 0; columns[c].title; c++) {
		widths[c] = width_of(columns[c].title);
		for (size_t i = 0; i < n; i++)
			widths[c] = MAX(widths[c], cell_width(columns[c].cell,
							      json_object_array_get_idx(rows, i)));
	}
	print_row(columns, widths, NULL);
	for (size_t i = 0; i < n; i++)
		print_row(columns, widths, json_object_array_get_idx(rows, i));
}

static void put_member(FILE *f, struct json_object *row, const char *name)
{
	struct text t = json_member_text(row, name);

	print_safe(f, t.n ? t : TEXT("-"));
}

static bool flag(struct json_object *o, const char *name)
{
	return json_object_get_boolean(json_member(o, name));
}

/* The texts of a list, with commas between them. */
static void put_list(FILE *f, struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(list, i));

		if (i)
			fputs(", ", f);
		print_safe(f, text_of(s ? s : ""));
	}
}

/* --- profiles -------------------------------------------------------------------------------------- */

static void mark_cell(FILE *f, struct json_object *p)
{
	bool enabled = text_eq(json_member_text(p, "state"), "enabled");

	fputs(!enabled ? " " : flag(p, "in_use") ? "*" : "!", f);
}

static void iccid_cell(FILE *f, struct json_object *p)
{
	put_member(f, p, "iccid");
}

static void state_cell(FILE *f, struct json_object *p)
{
	put_member(f, p, "state");
}

/* The nickname is what its user calls it; the operator's name is the rest. */
static void name_cell(FILE *f, struct json_object *p)
{
	struct text nickname = json_member_text(p, "nickname"), name = json_member_text(p, "name");

	if (nickname.n) {
		print_safe(f, nickname);
		if (name.n) {
			fputs(" (", f);
			print_safe(f, name);
			fputc(')', f);
		}
	} else {
		print_safe(f, name.n ? name : TEXT("-"));
	}
}

static void provider_cell(FILE *f, struct json_object *p)
{
	put_member(f, p, "provider");
}

static void remarks_cell(FILE *f, struct json_object *p)
{
	static const struct {
		const char *member, *word;
	} words[] = {
		{ "fallback", "fallback" }, { "emergency", "emergency" },
	};
	struct text class = json_member_text(p, "class");
	const char *between = "";

	if (class.n && !text_eq(class, "operational")) {
		print_safe(f, class);
		between = ", ";
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!flag(p, words[i].member))
			continue;
		fprintf(f, "%s%s", between, words[i].word);
		between = ", ";
	}
}

static void aid_cell(FILE *f, struct json_object *p)
{
	put_member(f, p, "aid");
}

static void owner_cell(FILE *f, struct json_object *p)
{
	put_member(f, p, "owner");
}

static void rules_cell(FILE *f, struct json_object *p)
{
	put_list(f, json_member(p, "pprs"));
}

static const struct column profile_columns[] = {
	{ " ", mark_cell }, { "ICCID", iccid_cell }, { "STATE", state_cell }, { "NAME", name_cell },
	{ "PROVIDER", provider_cell }, { "REMARKS", remarks_cell }, { 0 }
};

static const struct column profile_details[] = {
	{ " ", mark_cell }, { "ICCID", iccid_cell }, { "AID", aid_cell }, { "OWNER", owner_cell },
	{ "RULES", rules_cell }, { 0 }
};

/* What the module goes on with where it does not use the enabled profile. */
static void print_module(struct json_object *result, struct json_object *profiles)
{
	size_t n = json_object_is_type(profiles, json_type_array) ? json_object_array_length(profiles) : 0;
	struct text iccid = json_member_text(result, "module_iccid");
	bool enabled = false, used = false;

	for (size_t i = 0; i < n; i++) {
		struct json_object *p = json_object_array_get_idx(profiles, i);

		enabled |= text_eq(json_member_text(p, "state"), "enabled");
		used |= flag(p, "in_use");
	}
	if (enabled && !used) {
		fputs("\n! The module does not use the enabled profile; it reports ", stdout);
		if (iccid.n)
			fputs("ICCID ", stdout);
		print_safe(stdout, iccid.n ? iccid : TEXT("no card"));
		fputs(".\n", stdout);
	}
}

enum end run_profiles(struct request *r)
{
	struct json_object *result, *list;
	enum end e = client_call(&r->client, "profiles", NULL, CLIENT_PATIENCE_MS, &result);

	if (e != END_OK)
		return e;
	list = json_member(result, "profiles");
	if (r->json) {
		print_json(stdout, result);
	} else if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list)) {
		puts("No profiles.");
	} else {
		print_table(profile_columns, list);
		if (r->verbose) {
			putchar('\n');
			print_table(profile_details, list);
		}
		print_module(result, list);
	}
	json_object_put(result);
	return END_OK;
}

/* --- euicc ------------------------------------------------------------------------------------------ */

static void print_text(const char *label, struct json_object *o, const char *name)
{
	struct text t = json_member_text(o, name);

	if (!t.n)
		return;
	print_label(stdout, label);
	print_safe(stdout, t);
	putchar('\n');
}

static void print_list(const char *label, struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		return;
	print_label(stdout, label);
	put_list(stdout, list);
	putchar('\n');
}

static void print_versions(struct json_object *o)
{
	static const struct {
		const char *member, *word;
	} parts[] = {
		{ "svn", "RSP" }, { "profile_version", "profiles" }, { "firmware", "firmware" },
		{ "globalplatform", "GlobalPlatform" }, { "javacard", "Java Card" },
	};
	const char *between = "";

	print_label(stdout, "Versions");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct text t = json_member_text(o, parts[i].member);

		if (!t.n)
			continue;
		printf("%s%s ", between, parts[i].word);
		print_safe(stdout, t);
		between = ", ";
	}
	putchar('\n');
}

static void print_memory(struct json_object *o)
{
	int64_t nv = member_count(o, "free_memory"), ram = member_count(o, "free_ram");

	if (nv < 0)
		return;
	print_label(stdout, "Memory");
	printf("%lld octets free", (long long)nv);
	if (ram >= 0)
		printf(", %lld of RAM", (long long)ram);
	putchar('\n');
}

static void print_euicc(struct json_object *o)
{
	struct json_object *problem = json_member(o, "problem");

	print_text("Card", o, "card");
	print_text("EID", o, "eid");
	print_text("Kind", o, "kind");
	if (problem && !text_eq(json_member_text(o, "card"), "ready"))
		print_text("Problem", problem, "text");
	if (!json_member(o, "aid"))
		return;
	print_versions(o);
	print_list("SGP.32", json_member(o, "iot_versions"));
	print_memory(o);
	print_text("SM-DP+", o, "default_smdp");
	print_text("SM-DS", o, "root_smds");
	print_list("CI keys", json_member(o, "ci_verify"));
	print_list("Forbids", json_member(o, "forbidden_pprs"));
	print_text("ISD-R", o, "aid");
	print_text("SAS", o, "sas");
	print_text("Doing", o, "doing");
}

enum end run_euicc(struct request *r)
{
	struct json_object *result;
	enum end e = client_call(&r->client, "euicc", NULL, CLIENT_PATIENCE_MS, &result);

	if (e != END_OK)
		return e;
	if (r->json)
		print_json(stdout, result);
	else
		print_euicc(result);
	json_object_put(result);
	return END_OK;
}

/* --- eims, notifications ------------------------------------------------------------------------------ */

static void id_cell(FILE *f, struct json_object *o)
{
	put_member(f, o, "id");
}

static void fqdn_cell(FILE *f, struct json_object *o)
{
	put_member(f, o, "fqdn");
}

static void protocols_cell(FILE *f, struct json_object *o)
{
	struct json_object *list = json_member(o, "protocols");

	if (list)
		put_list(f, list);
	else
		fputs("-", f);
}

static void tls_cell(FILE *f, struct json_object *o)
{
	struct text tls = json_member_text(o, "tls");

	if (tls.n)
		fputs("pinned ", f);
	print_safe(f, tls.n ? tls : TEXT("by authority"));
}

static void number_cell(FILE *f, struct json_object *o)
{
	fprintf(f, "%lld", (long long)member_count(o, "number"));
}

static void event_cell(FILE *f, struct json_object *o)
{
	put_member(f, o, "event");
}

static void address_cell(FILE *f, struct json_object *o)
{
	put_member(f, o, "address");
}

static const struct column eim_columns[] = {
	{ "EIM", id_cell }, { "ADDRESS", fqdn_cell }, { "TRUST", tls_cell },
	{ "PROTOCOLS", protocols_cell }, { 0 }
};

static const struct column notification_columns[] = {
	{ "NUMBER", number_cell }, { "EVENT", event_cell }, { "ICCID", iccid_cell },
	{ "ADDRESS", address_cell }, { 0 }
};

static enum end run_list(struct request *r, const char *name, const struct column *columns,
			 const char *none)
{
	struct json_object *result, *list;
	enum end e = client_call(&r->client, name, NULL, CLIENT_PATIENCE_MS, &result);

	if (e != END_OK)
		return e;
	list = json_member(result, name);
	if (r->json)
		print_json(stdout, result);
	else if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		puts(none);
	else
		print_table(columns, list);
	json_object_put(result);
	return END_OK;
}

enum end run_eims(struct request *r)
{
	return run_list(r, "eims", eim_columns, "No eIMs: the first one is added with "
			"cellmuxctl eim add.");
}

enum end run_notifications(struct request *r)
{
	return run_list(r, "notifications", notification_columns, "No notifications.");
}

/* --- profile --------------------------------------------------------------------------------------------- */

static const struct {
	const char *action, *method;
	int args;
} actions[] = {
	{ "enable", "profile.enable", 2 }, { "disable", "profile.disable", 2 },
	{ "delete", "profile.delete", 2 }, { "nickname", "profile.nickname", 3 },
};

static bool is_download(const struct request *r)
{
	return text_eq(text_of(r->args[0]), "download");
}

static enum end check_download(const struct request *r)
{
	if (r->n_args != 2) {
		complain(r->args[0], "one activation code is expected, in single quotes: the shell takes a $ "
			 "without them for its own");
		return END_USAGE;
	}
	if (strlen(r->args[1]) > 255) {
		complain(r->args[0], "an activation code has 255 characters at most");
		return END_USAGE;
	}
	return END_OK;
}

enum end check_profile(const struct request *r)
{
	struct text iccid = text_of(r->args[1]);

	if (is_download(r))
		return check_download(r);
	if (r->confirmation) {
		complain("--confirmation-code", "only profile download has it");
		return END_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!text_eq(text_of(r->args[0]), actions[i].action))
			continue;
		if (r->n_args != actions[i].args) {
			complain(r->args[0], "wrong number of arguments; see cellmuxctl profile --help");
			return END_USAGE;
		}
		if (!text_all_digits(iccid) || iccid.n < 18 || iccid.n > 20) {
			complain(r->args[1], "expected an ICCID of 18 to 20 digits, as cellmuxctl profiles "
				 "shows it");
			return END_USAGE;
		}
		return END_OK;
	}
	complain(r->args[0], "no such action; expected enable, disable, delete, nickname or download");
	return END_USAGE;
}

static enum end print_change(const struct request *r, struct json_object *result, uint64_t took_ms)
{
	struct json_object *problem = json_member(result, "problem");
	struct text by = json_member_text(result, "by"), why = json_member_text(problem, "text");

	if (problem) {
		complain(json_member_text(result, "iccid").s, "the card has switched, the module does not "
			 "follow: " TEXT_FMT, TEXT_ARG(why));
		return END_MODULE;
	}
	if (r->json)
		return END_OK;
	fputs("done after ", stdout);
	print_span(stdout, took_ms / 1000);
	if (by.n) {
		fputs("; the module follows (", stdout);
		print_safe(stdout, by);
		fprintf(stdout, ", %.1f s)", (double)member_count(result, "follow_ms") / 1000);
	}
	putchar('\n');
	return END_OK;
}

static enum end print_download(const struct request *r, struct json_object *result, uint64_t took_ms)
{
	if (r->json)
		return END_OK;
	fputs("installed ", stdout);
	print_safe(stdout, json_member_text(result, "iccid"));
	if (json_member_text(result, "name").n) {
		fputs(", ", stdout);
		print_safe(stdout, json_member_text(result, "name"));
	}
	fputs(", after ", stdout);
	print_span(stdout, took_ms / 1000);
	if (!json_object_get_boolean(json_member(result, "delivered")))
		fputs("; the SM-DP+ will hear of it later", stdout);
	putchar('\n');
	return END_OK;
}

static enum end run_download(struct request *r)
{
	struct json_object *params = json_object_new_object();
	bool by_default = text_eq(text_of(r->args[1]), "default");

	json_object_object_add(params, "code", json_object_new_string(by_default ? "" : r->args[1]));
	if (r->confirmation)
		json_object_object_add(params, "confirmation", json_object_new_string(r->confirmation));
	return run_as_job(r, "profile.download", params, DOWNLOAD_PATIENCE_MS, print_download);
}

enum end run_profile(struct request *r)
{
	struct json_object *params;
	const char *method = NULL;

	if (is_download(r))
		return run_download(r);
	params = json_object_new_object();
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (text_eq(text_of(r->args[0]), actions[i].action))
			method = actions[i].method;
	json_object_object_add(params, "iccid", json_object_new_string(r->args[1]));
	if (r->n_args > 2)
		json_object_object_add(params, "nickname", json_object_new_string(r->args[2]));
	return run_as_job(r, method, params, PROFILE_PATIENCE_MS, print_change);
}
