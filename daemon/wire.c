/* Who is connected to whom, and in which order everything starts and ends. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"
#include "core/ev.h"
#include "core/log.h"
#include "notify.h"
#include "version.h"

static struct ev_catch on_term, on_int, on_hup;

static void quit(struct ev_catch *c)
{
	(void)c;
	ev_quit();
}

static void no_reload(struct ev_catch *c)
{
	(void)c;
	log_info("daemon", "configuration is read at start only; restart to apply changes");
}

/* --- the card: what the modem says of it, and the IPA wants of it ---------------------------------- */

/* A card that was reset may be another one, or have another profile: the IPA looks at it anew. */
static void watch_card(struct app *app)
{
	const struct modem *m = &app->modem;
	bool there = m->st.state == MODEM_READY && m->st.sim != MODEM_SIM_ABSENT &&
		     m->st.sim != MODEM_SIM_NOT_READY;

	/* While its state is read the card is neither: what was known stays. */
	if (m->st.state == MODEM_SIM || m->st.state == MODEM_IDENTIFYING)
		return;
	if (there && (!app->card_there || app->card_losses != m->card.losses)) {
		app->card_losses = m->card.losses;
		ipa_card_came(&app->ipa);
	} else if (!there && app->card_there) {
		ipa_card_went(&app->ipa);
	}
	app->card_there = there;
}

/* The way to the eIMs, as far as the module is part of it. */
static void watch_network(struct app *app)
{
	const struct modem_status *st = &app->modem.st;
	uint8_t plmn[3];
	bool known = esipa_plmn(text_of(st->plmn), plmn) == 0;

	snprintf(app->ipa.o.imei, sizeof(app->ipa.o.imei), "%s", st->imei);
	ipa_online(&app->ipa, app->settings.ipa_network == IPA_NETWORK_ANY ||
			      (st->state == MODEM_READY && st->registered),
		   octets_from(plmn, known ? sizeof(plmn) : 0));
}

static void on_followed(struct modem *m, const struct cause *why)
{
	ipa_followed(&container_of(m, struct app, modem)->ipa, why);
}

static void on_follow(struct ipa *i, const char *iccid)
{
	modem_follow_start(&container_of(i, struct app, ipa)->modem, iccid);
}

static void on_follow_stop(struct ipa *i)
{
	modem_follow_stop(&container_of(i, struct app, ipa)->modem);
}

static void on_ipa_changed(struct ipa *i, unsigned what)
{
	struct app *app = container_of(i, struct app, ipa);

	if (what & IPA_CHANGED_EIMS)
		app_dial_look(app);
	euicc_methods_changed(app, what);
	ipa_methods_changed(app, what);
}

/* --- the modem --------------------------------------------------------------------------------------- */

static void on_changed(struct modem *m, unsigned what)
{
	struct app *app = container_of(m, struct app, modem);
	char status[120];

	if (what & MODEM_CHANGED_STATE) {
		snprintf(status, sizeof(status), "modem %s", modem_state_name(m->st.state));
		notify_status(status);
		vports_state(&app->ports);
	}
	watch_card(app);
	watch_network(app);
	app_clock_look(app);
	modem_methods_changed(app, what);
}

static void on_refreshed(struct modem *m)
{
	modem_methods_refreshed(container_of(m, struct app, modem));
}

static void on_port_changed(struct vports *p, struct vport *v)
{
	ports_changed(container_of(p, struct app, ports), v);
}

static void on_channel(struct modem *m, unsigned port, struct cmux_dlc *dlc)
{
	struct vports *p = &container_of(m, struct app, modem)->ports;

	if (port < p->n)
		vport_set_channel(p->ports[port], dlc);
}

static void on_signals(struct modem *m, unsigned port, unsigned bits)
{
	struct vports *p = &container_of(m, struct app, modem)->ports;

	if (port < p->n)
		vport_signals(p->ports[port], bits);
}

static void fill_modem_options(struct app *app)
{
	const struct settings *s = &app->settings;
	struct modem_options *o = &app->modem.o;

	text_copy(text_of(s->device), o->device, sizeof(o->device));
	text_copy(text_of(s->pin), o->pin, sizeof(o->pin));
	o->baud = s->baud;
	o->rtscts = s->rtscts;
	o->hunt = s->hunt;
	o->radio_on = s->radio == RADIO_ON;
	o->alive_s = s->alive_s;
	o->gap_ms = s->gap_ms;
	app->modem.card.channel.segment_max = s->card_segment;
	o->cmux = s->cmux;
	o->ports = (unsigned)s->n_ports;
	o->max_baud = s->max_baud;
	app->modem.power.o = s->power;
	o->state_dir = s->state_dir;
	o->run_dir = s->run_dir;
	app->modem.changed = on_changed;
	app->modem.channel = on_channel;
	app->modem.signals = on_signals;
	app->modem.refreshed = on_refreshed;
	app->modem.follow.followed = on_followed;
}

static int make_directory(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		fprintf(stderr, "%scellmuxd: %s: %s; make it, or name another one (--run-dir, --state-dir)\n",
			log_priority(LOG_LEVEL_ERROR), path, strerror(errno));
		return errno == EACCES || errno == EPERM || errno == EROFS ? EXIT_CODE_NO_PERMISSION :
									   EXIT_CODE_FAILED;
	}
	return EXIT_CODE_OK;
}

/* One line and an exit code that a script can tell apart. */
static int complain(int r, const char *why)
{
	fprintf(stderr, "%scellmuxd: %s\n", log_priority(LOG_LEVEL_ERROR), why);
	switch (-r) {
	case ENOENT:
		return EXIT_CODE_NO_DEVICE;
	case EACCES:
		return EXIT_CODE_NO_PERMISSION;
	case EBUSY:
	case EADDRINUSE:
		return EXIT_CODE_IN_USE;
	default:
		return EXIT_CODE_FAILED;
	}
}

static const struct ctl_method *const methods[] = { modem_methods, euicc_methods, download_methods,
						     ipa_methods, NULL };

static int open_parts(struct app *app)
{
	const struct settings *s = &app->settings;
	struct ctl_options o = { .path = s->socket, .reader_group = s->reader_group,
				 .admin_group = s->admin_group };
	char why[MAX(MAX(SERIAL_WHY_MAX, CTL_WHY_MAX), ENDPOINT_WHY_MAX)];
	int r = make_directory(s->run_dir, 0755);

	if (r == EXIT_CODE_OK)
		r = make_directory(s->state_dir, 0700);
	if (r != EXIT_CODE_OK)
		return r;
	fill_modem_options(app);
	modem_methods_open(app);
	euicc_methods_open(app);
	app->ipa.changed = on_ipa_changed;
	app->ipa.follow = on_follow;
	app->ipa.follow_stop = on_follow_stop;
	app->ipa.serves = app_serves;
	app->ipa.protocols = app_protocols;
	app->ipa.dial = app_dial;
	app->ipa.dial_server = app_dial_server;
	app->ipa.o = (struct ipa_options){
		.state_dir = s->state_dir, .interval_s = s->ipa_interval_s, .spread_s = s->ipa_spread_s,
		.rollback_s = s->ipa_rollback_s, .route = (enum ipa_route)s->ipa_route,
		.immediate_enable = s->ipa_immediate,
		.features = (s->ipa_ca[0] ? ESIPA_IPA_DIRECT : 0) | ESIPA_IPA_INDIRECT |
			    ESIPA_IPA_EIM_DOWNLOAD_DATA | ESIPA_IPA_EIM_CTX_PARAMS | ESIPA_IPA_EIM_METADATA |
			    ESIPA_IPA_MINIMIZE,
	};
	app_dial_check(app);
	r = modem_open(&app->modem, s->wait, why);
	if (r < 0)
		return complain(r, why);
	r = ipa_open(&app->ipa, &app->modem.card.channel);
	if (r < 0) {
		modem_close(&app->modem);
		return complain(r, strerror(-r));
	}
	r = ctl_open(&app->ctl, &app->user, &o, methods, why);
	if (r == 0) {
		app->ports.changed = on_port_changed;
		r = vports_open(&app->ports, &app->modem, s->ports, s->n_ports, s->run_dir, why);
		if (r < 0)
			ctl_close(app->ctl);
	}
	if (r < 0) {
		ipa_close(&app->ipa);
		modem_close(&app->modem);
		return complain(r, why);
	}
	return EXIT_CODE_OK;
}

/*
 * The channel on the card is given back: a module has few of them, and keeps them open for a daemon
 * that is gone. Not for longer than a service manager would wait, though.
 */
#define CLOSE_CARD_MS 2000
#define CLOSE_LOOK_MS 10

static struct ev_alarm close_limit, close_look;
static struct app *closing;

static void on_close_limit(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

static void on_close_look(struct ev_alarm *a)
{
	if (card_at_is_closing(&closing->modem.card) || modem_is_leaving(&closing->modem))
		ev_alarm_start(a, CLOSE_LOOK_MS);
	else
		ev_quit();
}

static void run_until_closed(struct app *app)
{
	closing = app;
	close_limit.fired = on_close_limit;
	close_look.fired = on_close_look;
	ev_alarm_start(&close_limit, CLOSE_CARD_MS);
	ev_alarm_start(&close_look, CLOSE_LOOK_MS);
	ev_main();
	ev_alarm_stop(&close_limit);
	ev_alarm_stop(&close_look);
}

/* The card's channel, then the module's mux. */
static void close_card(struct app *app)
{
	ipa_close(&app->ipa);
	if (card_at_is_closing(&app->modem.card))
		run_until_closed(app);
	modem_leave(&app->modem);
	if (modem_is_leaving(&app->modem))
		run_until_closed(app);
}

static void close_parts(struct app *app)
{
	euicc_methods_close(app);
	download_methods_close(app);
	ipa_methods_close(app);
	modem_methods_close(app);
	vports_close(&app->ports);
	close_card(app);
	ctl_close(app->ctl);
	modem_close(&app->modem);
}

int app_run(struct app *app)
{
	int r = ev_open();

	if (r < 0) {
		fprintf(stderr, "%scellmuxd: no event loop: %s\n", log_priority(LOG_LEVEL_ERROR), strerror(-r));
		return EXIT_CODE_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	app->started_ms = ev_now_ms();
	r = open_parts(app);
	if (r == EXIT_CODE_OK) {
		on_term.caught = on_int.caught = quit;
		on_hup.caught = no_reload;
		ev_catch_start(&on_term, SIGTERM);
		ev_catch_start(&on_int, SIGINT);
		ev_catch_start(&on_hup, SIGHUP);
		log_info("daemon", "cellmuxd %s, socket %s, device %s", CELLMUX_VERSION,
			 app->settings.socket, app->settings.device);
		notify_ready("started");
		notify_watchdog_start();
		ev_main();
		notify_stopping();
		notify_watchdog_stop();
		log_info("daemon", "ending");
		close_parts(app);
		ev_catch_stop(&on_term);
		ev_catch_stop(&on_int);
		ev_catch_stop(&on_hup);
	}
	ev_close();
	return r;
}
