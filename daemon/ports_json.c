/* The virtual ports as the socket gives them: config/socket.md describes every member. */
#include "app.h"
#include "put.h"

static int64_t seconds_since(uint64_t ms)
{
	return (int64_t)((ev_now_ms() - ms) / 1000);
}

static struct json_object *settings_to_json(const struct vport *v)
{
	struct json_object *o = json_object_new_object();
	const char *name, *text;
	unsigned n;

	for (unsigned i = 0; vport_own_setting(v, i, &name, &n, &text); i++) {
		if (text)
			put_text(o, name, text);
		else
			put_int(o, name, n);
	}
	return o;
}

static struct json_object *port_to_json(const struct vports *p, unsigned i)
{
	const struct vport *v = p->ports[i];
	struct json_object *o = json_object_new_object();
	bool used = v->state != VPORT_AWAY;

	put_text(o, "name", v->o.name);
	put_text(o, "kind", v->o.kind == VPORT_PTY ? "pty" : "socket");
	put_text(o, "path", v->end.path);
	put_text(o, "state", vport_state_name(v));
	put_bool(o, "in_use", used);
	put_int(o, "since_s", seconds_since(v->since_ms));
	put_known(o, "channel", v->own_ready ? modem_mux_channel_of(p->modem, i) : 0, 0);
	put(o, "settings", used ? settings_to_json(v) : NULL);
	put_int(o, "clients", v->stats.clients);
	put_int(o, "commands", v->stats.commands);
	put_int(o, "octets_in", (int64_t)v->stats.in);
	put_int(o, "octets_out", (int64_t)v->stats.out);
	put_int(o, "dropped", v->stats.dropped);
	return o;
}

struct json_object *ports_to_json(const struct vports *p)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < p->n; i++)
		json_object_array_add(a, port_to_json(p, i));
	return a;
}

void ports_changed(struct app *app, const struct vport *v)
{
	const struct vports *p = &app->ports;
	unsigned i = 0;

	if (!app->ctl || !ctl_wanted(app->ctl, "ports"))
		return;
	while (i < p->n && p->ports[i] != v)
		i++;
	if (i < p->n) {
		struct json_object *o = json_object_new_object();

		put(o, "port", port_to_json(p, i));
		ctl_publish(app->ctl, "ports", o);
	}
}
