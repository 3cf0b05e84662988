/* The modem's status in words. Which members there are, config/socket.md says. */
#include <time.h>

#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"

struct tinted {
	const char *name;
	enum tint tint;
};

static const struct tinted states[] = {
	{ "absent", TINT_BAD }, { "powering", TINT_WARN }, { "syncing", TINT_WARN },
	{ "identifying", TINT_WARN }, { "sim", TINT_WARN }, { "ready", TINT_GOOD },
	{ "lost", TINT_BAD }, { 0 }
};

static const struct tinted sim_states[] = {
	{ "unknown", TINT_WARN }, { "not-ready", TINT_WARN }, { "ready", TINT_GOOD }, { 0 }
};

static const struct tinted network_states[] = {
	{ "home", TINT_GOOD }, { "roaming", TINT_GOOD }, { "searching", TINT_WARN },
	{ "home, CSFB not preferred", TINT_GOOD }, { "roaming, CSFB not preferred", TINT_GOOD },
	{ "denied", TINT_BAD }, { 0 }
};

static enum tint tint_of(const struct tinted *table, struct text name, enum tint otherwise)
{
	for (; table->name; table++)
		if (text_eq(name, table->name))
			return table->tint;
	return otherwise;
}

const char *modem_state_known(const char *name)
{
	for (const struct tinted *t = states; t->name; t++)
		if (text_eq(text_of(name), t->name))
			return t->name;
	return NULL;
}

int64_t member_count(struct json_object *o, const char *name)
{
	struct json_object *v = json_member(o, name);

	return json_object_is_type(v, json_type_int) ? MAX(json_object_get_int64(v), -1) : -1;
}

/* --- parts of a line ---------------------------------------------------------------------------- */

/* A text with words around it; nothing where it is not known. */
static void put_part(FILE *f, const char *before, struct text t, const char *after)
{
	if (!t.n)
		return;
	fputs(before, f);
	print_safe(f, t);
	fputs(after, f);
}

static void put_ago(FILE *f, const char *before, int64_t seconds, const char *after)
{
	if (seconds < 0)
		return;
	fputs(before, f);
	print_span(f, (uint64_t)seconds);
	fputs(after, f);
}

/* --- what there is ------------------------------------------------------------------------------ */

static void state_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct text state = json_member_text(modem, "state");

	(void)verbose;
	print_tinted(f, tint_of(states, state, TINT_WARN), state);
	if (text_eq(json_member_text(modem, "power"), "off"))
		fputs(", switched off", f);
}

static void state_age(FILE *f, struct json_object *modem)
{
	int64_t s = member_count(modem, "since_s");

	if (s < 0)
		return;
	fputs(" since ", f);
	print_clock(f, time(NULL) - (time_t)s);
	put_ago(f, " (", s, ")");
}

static void device_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct text device = json_member_text(modem, "device"), port = json_member_text(modem, "port");
	int64_t baud = member_count(modem, "baud");

	(void)verbose;
	print_safe(f, device);
	if (!text_same(device, port))
		put_part(f, device.n ? " -> " : "", port, "");
	if (baud > 0)
		fprintf(f, ", %lld baud", (long long)baud);
}

static void module_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct text maker = json_member_text(modem, "maker"), model = json_member_text(modem, "model");
	struct text revision = json_member_text(modem, "revision");

	print_safe(f, maker);
	put_part(f, maker.n ? " " : "", model, "");
	put_part(f, maker.n || model.n ? ", " : "", revision, "");
	if (verbose)
		put_part(f, " (family ", json_member_text(modem, "family"), ")");
}

static void imei_words(FILE *f, struct json_object *modem, bool verbose)
{
	(void)verbose;
	print_safe(f, json_member_text(modem, "imei"));
}

static void sim_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct json_object *sim = json_member(modem, "sim");
	struct text state = json_member_text(sim, "state");

	print_tinted(f, tint_of(sim_states, state, TINT_BAD), state);
	put_part(f, ", ICCID ", json_member_text(sim, "iccid"), "");
	if (verbose)
		put_part(f, ", IMSI ", json_member_text(sim, "imsi"), "");
}

static void network_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct json_object *network = json_member(modem, "network");
	struct text status = json_member_text(network, "status");
	struct text name = json_member_text(network, "operator");
	struct text plmn = json_member_text(network, "plmn");
	int64_t reject = member_count(network, "reject_cause");

	print_tinted(f, tint_of(network_states, status, TINT_WARN), status);
	put_part(f, ", ", name, "");
	if (!text_same(name, plmn))
		put_part(f, name.n ? " (" : ", ", plmn, name.n ? ")" : "");
	put_part(f, ", ", json_member_text(network, "act"), "");
	if (reject >= 0)
		fprintf(f, ", reject cause %lld", (long long)reject);
	if (!verbose || !json_member(network, "domains"))
		return;
	json_object_object_foreach(json_member(network, "domains"), domain, value) {
		fputs(", ", f);
		print_safe(f, text_of(domain));
		fprintf(f, " %lld", (long long)json_object_get_int64(value));
	}
}

static void cell_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct json_object *network = json_member(modem, "network");
	struct text area = json_member_text(network, "area");

	(void)verbose;
	put_part(f, "area ", area, "");
	put_part(f, area.n ? ", cell " : "cell ", json_member_text(network, "cell"), "");
}

static void mux_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct json_object *mux = json_member(modem, "mux");
	int64_t channels = member_count(mux, "channels"), size = member_count(mux, "frame_size");

	(void)verbose;
	if (!mux)
		return;
	if (!json_object_get_boolean(json_member(mux, "on"))) {
		fputs("off", f);
		return;
	}
	fprintf(f, "on, %lld channels, frames of %lld octets", (long long)channels, (long long)size);
}

/* --- virtual ports ------------------------------------------------------------------------------ */

void port_words(FILE *f, struct json_object *port, bool verbose)
{
	static const struct tinted port_states[] = {
		{ "free", TINT_NONE }, { "data", TINT_GOOD }, { 0 }
	};
	static const char *const words[][2] = {
		{ "command", "in use" }, { "running", "in use" }, { "prompt", "in use" }, { "data", "data mode" },
	};
	struct text state = json_member_text(port, "state"), shown = state;
	int64_t channel = member_count(port, "channel"), dropped = member_count(port, "dropped");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (text_eq(state, words[i][0]))
			shown = text_of(words[i][1]);
	print_safe(f, json_member_text(port, "name"));
	fputs(" ", f);
	print_tinted(f, tint_of(port_states, state, TINT_GOOD), shown);
	if (channel > 0)
		fprintf(f, ", own channel %lld", (long long)channel);
	if (!verbose)
		return;
	put_part(f, ", ", json_member_text(port, "path"), "");
	fprintf(f, ", %lld clients, %lld commands, %lld octets in, %lld out",
		(long long)member_count(port, "clients"), (long long)member_count(port, "commands"),
		(long long)member_count(port, "octets_in"), (long long)member_count(port, "octets_out"));
	if (dropped > 0)
		fprintf(f, ", %lld times dropped", (long long)dropped);
}

/* --- signal ------------------------------------------------------------------------------------- */

/*
 * What a technician calls good: from here up it is good, from there up it is fair. Strength alone
 * does not tell (a strong cell may be drowned in noise), so the worst of the quantities counts.
 * RSSI, which contains noise and neighbours, has a say only where it is all there is.
 */
static const struct quantity {
	const char *member, *name, *unit;
	double good, fair;
} quantities[] = {
	{ "rsrp_dbm", "RSRP", "dBm", -95, -110 },
	{ "rsrq_db",  "RSRQ", "dB",  -13, -18 },
	{ "sinr_db",  "SINR", "dB",   10, 0 },
	{ "rssi_dbm", "RSSI", "dBm", -75, -95 },
};

#define RSSI (ARRAY_SIZE(quantities) - 1)

static bool is_number(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

static enum tint judge(struct json_object *signal)
{
	enum tint worst = TINT_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
		const struct quantity *q = &quantities[i];
		struct json_object *v = json_member(signal, q->member);
		double x = json_object_get_double(v);
		enum tint t = x >= q->good ? TINT_GOOD : x >= q->fair ? TINT_WARN : TINT_BAD;

		if (is_number(v) && (i != RSSI || worst == TINT_NONE))
			worst = MAX(worst, t);
	}
	return worst;
}

static void signal_words(FILE *f, struct json_object *modem, bool verbose)
{
	static const char *const words[_TINT_MAX] = {
		[TINT_NONE] = "", [TINT_GOOD] = "good", [TINT_WARN] = "fair", [TINT_BAD] = "poor",
	};
	struct json_object *signal = json_member(modem, "signal");
	const char *between = ": ";

	(void)verbose;
	print_tinted(f, judge(signal), text_of(words[judge(signal)]));
	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
		struct json_object *v = json_member(signal, quantities[i].member);

		if (!is_number(v))
			continue;
		fprintf(f, "%s%s %s %s", between, quantities[i].name, json_object_to_json_string(v),
			quantities[i].unit);
		between = ", ";
	}
}

static void signal_age(FILE *f, struct json_object *modem)
{
	put_ago(f, " (", member_count(json_member(modem, "signal"), "age_s"), " ago)");
}

/* --- problem ------------------------------------------------------------------------------------ */

static void problem_words(FILE *f, struct json_object *modem, bool verbose)
{
	struct json_object *problem = json_member(modem, "problem");
	struct text text = json_member_text(problem, "text");
	int64_t code = member_count(problem, "code");

	if (!problem)
		return;
	print_tinted(f, TINT_WARN, text.n ? text : json_member_text(problem, "cause"));
	if (text.n && !verbose)
		return;
	if (text.n)
		put_part(f, ", ", json_member_text(problem, "cause"), "");
	put_part(f, " by ", json_member_text(problem, "from"), "");
	if (code >= 0)
		fprintf(f, " (%lld)", (long long)code);
	put_part(f, " in ", json_member_text(problem, "step"), "");
}

static void problem_age(FILE *f, struct json_object *modem)
{
	put_ago(f, " (", member_count(json_member(modem, "problem"), "ago_s"), " ago)");
}

const struct aspect aspects[] = {
	{ "State",   "state",    state_words,   state_age },
	{ "Device",  "state",    device_words,  NULL },
	{ "Mux",     "mux",      mux_words,     NULL },
	{ "Module",  "identity", module_words,  NULL },
	{ "IMEI",    "identity", imei_words,    NULL },
	{ "SIM",     "sim",      sim_words,     NULL },
	{ "Network", "network",  network_words, NULL },
	{ "Cell",    "network",  cell_words,    NULL },
	{ "Signal",  "signal",   signal_words,  signal_age },
	{ "Problem", "problem",  problem_words, problem_age },
	{ 0 }
};
