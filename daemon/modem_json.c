/* The modem's status as the socket gives it: config/socket.md describes every member. */
#include "app.h"
#include "put.h"

static void put_tenths(struct json_object *o, const char *name, int32_t v)
{
	char digits[16];

	if (v == AT_NONE) {
		put(o, name, NULL);
		return;
	}
	snprintf(digits, sizeof(digits), "%.1f", v / 10.0);
	put(o, name, json_object_new_double_s(v / 10.0, digits));
}

static int64_t seconds_since(uint64_t ms)
{
	return (int64_t)((ev_now_ms() - ms) / 1000);
}

static struct json_object *sim_to_json(const struct modem_status *st)
{
	struct json_object *o = json_object_new_object();

	put_text(o, "state", modem_sim_name(st->sim));
	put_text(o, "iccid", st->iccid);
	put_text(o, "imsi", st->imsi);
	return o;
}

static struct json_object *network_to_json(const struct modem_status *st)
{
	const struct at_reg *reg = &st->reg[st->domain];
	struct json_object *o = json_object_new_object(), *domains = json_object_new_object();

	for (int i = 0; i < _AT_REG_MAX; i++)
		if (st->reg[i].stat >= 0)
			put_int(domains, at_reg_command((enum at_reg_kind)i), st->reg[i].stat);
	put_bool(o, "registered", st->registered);
	put_text(o, "status", reg->stat < 0 ? "" : at_reg_stat_name(reg->stat));
	put_bool(o, "roaming", reg->stat >= 0 && at_reg_roaming(reg->stat));
	put_text(o, "operator", st->operator_name);
	put_text(o, "plmn", st->plmn);
	put_text(o, "act", at_act_name(st->act));
	put_text(o, "area", reg->area);
	put_text(o, "cell", reg->cell);
	put_known(o, "reject_cause", reg->reject_cause, -1);
	put(o, "domains", domains);
	return o;
}

static struct json_object *signal_to_json(const struct modem_signal *s)
{
	struct json_object *o = json_object_new_object();

	put_known(o, "rssi_dbm", s->rssi_dbm, AT_NONE);
	put_known(o, "rsrp_dbm", s->rsrp_dbm, AT_NONE);
	put_tenths(o, "rsrq_db", s->rsrq_tenths);
	put_tenths(o, "sinr_db", s->sinr_tenths);
	put(o, "age_s", s->at_ms ? json_object_new_int64(seconds_since(s->at_ms)) : NULL);
	return o;
}

static void put_problem(struct json_object *o, const struct modem_status *st)
{
	struct json_object *problem;

	put_cause(o, "problem", &st->problem, st->problem_text);
	problem = json_object_object_get(o, "problem");
	if (problem)
		put_int(problem, "ago_s", seconds_since(st->problem_ms));
}

static struct json_object *counters_to_json(const struct modem *m)
{
	struct json_object *o = json_object_new_object();
	uint64_t sent = 0, received = 0;

	serial_counters(&m->serial, &sent, &received);
	put_int(o, "commands", m->chat.stats.commands);
	put_int(o, "urcs", m->chat.stats.urcs);
	put_int(o, "timeouts", m->chat.stats.timeouts);
	put_int(o, "resyncs", m->chat.stats.resyncs);
	put_int(o, "strays", m->chat.stats.strays);
	put_int(o, "octets_sent", (int64_t)sent);
	put_int(o, "octets_received", (int64_t)received);
	put_int(o, "lost", m->st.counters.lost);
	put_int(o, "reopens", m->st.counters.reopens);
	put_int(o, "resets", m->st.counters.resets);
	put_int(o, "recoveries", m->st.counters.recoveries);
	put_int(o, "switch_ons", m->st.counters.switch_ons);
	put_int(o, "line_resets", m->st.counters.line_resets);
	put_int(o, "power_cycles", m->st.counters.power_cycles);
	put_int(o, "rings", m->st.counters.rings);
	return o;
}

static struct json_object *mux_to_json(const struct modem *m)
{
	const struct modem_mux *x = &m->mux;
	struct modem_mux_counters c = modem_mux_count(m);
	struct json_object *o = json_object_new_object();

	put_bool(o, "on", x->on);
	put(o, "mode", x->on ? json_object_new_string("basic") : NULL);
	put(o, "frame_size", x->on ? json_object_new_int64(x->cmux.o.n1) : NULL);
	put_int(o, "channels", modem_mux_channels(m));
	put(o, "since_s", x->on ? json_object_new_int64(seconds_since(x->since_ms)) : NULL);
	put_int(o, "starts", c.starts);
	put_int(o, "losses", c.losses);
	put_int(o, "frames_sent", (int64_t)c.sent);
	put_int(o, "frames_received", (int64_t)c.received);
	put_int(o, "frames_torn", c.torn);
	put_int(o, "frames_unknown", c.unknown);
	put_int(o, "frames_dropped", c.dropped);
	put_int(o, "retries", c.retries);
	put_int(o, "checks", c.checks);
	return o;
}

/* The line's own word, null where there is none. */
static const char *power_name(const struct modem *m)
{
	int v = power_status(&m->power);

	return v < 0 ? "" : v ? "on" : "off";
}

struct json_object *modem_to_json(const struct modem *m)
{
	const struct modem_status *st = &m->st;
	struct json_object *o = json_object_new_object();

	put_text(o, "state", modem_state_name(st->state));
	put_int(o, "since_s", seconds_since(st->since_ms));
	put_text(o, "device", st->device);
	put_text(o, "port", st->port);
	put_int(o, "baud", st->baud);
	put_text(o, "maker", st->maker);
	put_text(o, "model", st->model);
	put_text(o, "revision", st->revision);
	put_text(o, "imei", st->imei);
	put_text(o, "family", st->family);
	put_text(o, "power", power_name(m));
	put(o, "mux", mux_to_json(m));
	put(o, "sim", sim_to_json(st));
	put(o, "network", network_to_json(st));
	put(o, "signal", signal_to_json(&st->signal));
	put_problem(o, st);
	put(o, "counters", counters_to_json(m));
	return o;
}

struct json_object *modem_changes_to_json(unsigned what)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ MODEM_CHANGED_STATE, "state" }, { MODEM_CHANGED_IDENTITY, "identity" },
		{ MODEM_CHANGED_SIM, "sim" }, { MODEM_CHANGED_NETWORK, "network" },
		{ MODEM_CHANGED_SIGNAL, "signal" }, { MODEM_CHANGED_PROBLEM, "problem" },
		{ MODEM_CHANGED_POWER, "power" }, { MODEM_CHANGED_MUX, "mux" },
	};
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (what & names[i].bit)
			json_object_array_add(a, json_object_new_string(names[i].name));
	return a;
}
