#include "support/cardbed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "support/test.h"
#include "support/tree.h"
#include "unit/fake_ev.h"

struct cardbed cardbed;

/* --- the line ------------------------------------------------------------------------------------- */

static void note_sent(const char *data, size_t n)
{
	char line[1024];

	cardbed.octets_out += n;
	if (!cardbed.sent || n == 0 || n > sizeof(line))
		return;
	memcpy(line, data, n);
	line[n - 1] = '\0';
	cardbed.sent(line);
}

static void on_wrote(struct wire *w)
{
	size_t n = w->written_n;

	note_sent(w->written, n);
	w->written_n = 0;
	assert_int_equal(pacer_put(&cardbed.from_host, w->written, n), 0);
}

/* In pieces, so that there is room for what a disturbed line adds. */
static void pass(bool to_host, const uint8_t *data, size_t n)
{
	uint8_t piece[CARDBED_PIECE];

	while (n) {
		size_t now = MIN(n, sizeof(piece) / 2), left = now;

		memcpy(piece, data, now);
		if (cardbed.disturb)
			left = cardbed.disturb(to_host, piece, now);
		if (to_host)
			wire_feed(&cardbed.wire, piece, left);
		else
			host_feed(&cardbed.host, piece, left);
		data += now;
		n -= now;
	}
}

static void on_from_host(struct pacer *p, const uint8_t *data, size_t n)
{
	(void)p;
	pass(false, data, n);
}

static void on_host_write(struct host *h, const void *data, size_t n)
{
	(void)h;
	assert_int_equal(pacer_put(&cardbed.to_host, data, n), 0);
}

static void on_to_host(struct pacer *p, const uint8_t *data, size_t n)
{
	(void)p;
	cardbed.octets_in += n;
	if (!cardbed.unplugged)
		pass(true, data, n);
}

void cardbed_unplug(bool with_power)
{
	if (cardbed.unplugged)
		return;
	cardbed.unplugged = true;
	pacer_clear(&cardbed.to_host);
	pacer_clear(&cardbed.from_host);
	if (with_power)
		module_power_off(&cardbed.module);
	wire_hang_up(&cardbed.wire, EIO);
}

void cardbed_plug(void)
{
	cardbed.unplugged = false;
	if (cardbed.module.power == MODULE_OFF)
		module_power_on(&cardbed.module);
	cardbed.modem.hotplug.stirred(&cardbed.modem.hotplug);
}

static void on_hang_up(struct module *m, unsigned ms)
{
	(void)m;
	cardbed_unplug(false);
	ev_alarm_start(&cardbed.replug, ms);
}

static void on_replug(struct ev_alarm *a)
{
	(void)a;
	cardbed_plug();
}

/* In place of daemon/modem/port.c. */
int modem_port_open(struct modem *m, unsigned baud, char why[SERIAL_WHY_MAX])
{
	(void)baud;
	if (cardbed.unplugged) {
		snprintf(why, SERIAL_WHY_MAX, "%s: no such device", m->o.device);
		return -ENOENT;
	}
	wire_open(&cardbed.wire);
	cardbed.wire.wrote = on_wrote;
	m->pipe = &cardbed.wire.pipe;
	return 0;
}

void modem_port_close(struct modem *m)
{
	wire_close(&cardbed.wire);
	m->pipe = NULL;
}

int modem_port_set_baud(struct modem *m, unsigned baud)
{
	(void)m, (void)baud;
	return 0;
}

/* --- what daemon/wire.c does ------------------------------------------------------------------------ */

static void watch_card(void)
{
	const struct modem *m = &cardbed.modem;
	bool there = m->st.state == MODEM_READY && m->st.sim != MODEM_SIM_ABSENT &&
		     m->st.sim != MODEM_SIM_NOT_READY;

	if (m->st.state == MODEM_SIM || m->st.state == MODEM_IDENTIFYING)
		return;
	if (there && (!cardbed.card_there || cardbed.card_losses != m->card.losses)) {
		cardbed.card_losses = m->card.losses;
		ipa_card_came(&cardbed.ipa);
	} else if (!there && cardbed.card_there) {
		ipa_card_went(&cardbed.ipa);
	}
	cardbed.card_there = there;
}

static void on_modem_changed(struct modem *m, unsigned what)
{
	(void)m;
	if (what & MODEM_CHANGED_STATE && cardbed.with_ports)
		vports_state(&cardbed.ports);
	watch_card();
}

static void on_channel(struct modem *m, unsigned port, struct cmux_dlc *dlc)
{
	(void)m;
	if (port < cardbed.ports.n)
		vport_set_channel(cardbed.ports.ports[port], dlc);
}

static void on_signals(struct modem *m, unsigned port, unsigned bits)
{
	(void)m;
	if (port < cardbed.ports.n)
		vport_signals(cardbed.ports.ports[port], bits);
}

static void on_followed(struct modem *m, const struct cause *why)
{
	(void)m;
	ipa_followed(&cardbed.ipa, why);
}

static void on_ipa_changed(struct ipa *i, unsigned what)
{
	(void)i, (void)what;
}

static void on_follow(struct ipa *i, const char *iccid)
{
	(void)i;
	modem_follow_start(&cardbed.modem, iccid);
}

static void on_follow_stop(struct ipa *i)
{
	(void)i;
	modem_follow_stop(&cardbed.modem);
}

static struct eim_link *no_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	(void)i, (void)e;
	snprintf(why, IPA_TEXT_MAX, "there is no network here");
	return NULL;
}

/* --- life --------------------------------------------------------------------------------------------- */

static void make_card(const char *personality)
{
	static const struct euicc_profile two[] = {
		{ .iccid = TEXT(CARDBED_FIRST), .imsi = TEXT("001010123456789"), .name = TEXT("First"),
		  .provider = TEXT("One"), .class = VE_CLASS_OPERATIONAL, .enabled = true },
		{ .iccid = TEXT(CARDBED_SECOND), .imsi = TEXT("001010987654321"), .name = TEXT("Second"),
		  .provider = TEXT("Two"), .class = VE_CLASS_OPERATIONAL },
	};
	struct euicc_recipe r = { .personality = personality, .version = _VE_VERSION_MAX,
				  .profiles = two, .n_profiles = ARRAY_SIZE(two),
				  .eid = TEXT("89049032123451234512345678901235") };
	struct euicc_options o = { .personality = NULL };
	char why[EUICC_WHY_MAX] = "";

	talk_make(&cardbed.card, &r);
	o.dir = cardbed.card.dir;
	if (euicc_card_open(&o, &cardbed.card.card, why))
		fail_msg("euicc_card_open: %s", why);
}

static void make_module(const struct cardbed_options *o)
{
	struct module_options mo = { .imei = "860000000000003", .boot_ms = 20, .reg_ms = 20, .seed = 1,
				     .latency_ms = o->baud ? 5 : 0, .ms_per_apdu = o->baud ? -1 : 0 };
	const struct persona *persona = persona_find(o->module);

	assert_non_null(persona);
	cardbed.to_host.deliver = on_to_host;
	cardbed.from_host.deliver = on_from_host;
	pacer_init(&cardbed.to_host, o->baud);
	pacer_init(&cardbed.from_host, o->baud);
	cardbed.replug.fired = on_replug;
	module_init(&cardbed.module, persona, &mo);
	cardbed.module.hang_up = on_hang_up;
	cardbed.host.write = on_host_write;
	host_init(&cardbed.host, &cardbed.module);
	slot_give_card(&cardbed.module.slot, cardbed.card.card, true);
	module_power_on(&cardbed.module);
}

void cardbed_open(const struct cardbed_options *o)
{
	struct modem *m = &cardbed.modem;
	char why[MAX(SERIAL_WHY_MAX, ENDPOINT_WHY_MAX)];

	fake_ev_reset();
	memset(&cardbed, 0, sizeof(cardbed));
	make_card(o->card);
	make_module(o);
	text_copy(TEXT("/nonexistent/modem"), m->o.device, sizeof(m->o.device));
	m->o.baud = o->baud ? o->baud : 115200;
	m->o.radio_on = true;
	m->o.alive_s = 60;
	m->o.cmux = o->cmux;
	m->o.ports = (unsigned)o->n_ports;
	m->changed = on_modem_changed;
	m->channel = on_channel;
	m->signals = on_signals;
	m->follow.followed = on_followed;
	m->card.channel.segment_max = o->segment;
	cardbed.ipa.changed = on_ipa_changed;
	cardbed.ipa.follow = on_follow;
	cardbed.ipa.follow_stop = on_follow_stop;
	assert_int_equal(modem_open(m, true, why), 0);
	cardbed.with_ports = o->n_ports > 0;
	if (cardbed.with_ports)
		assert_int_equal(vports_open(&cardbed.ports, m, o->ports, o->n_ports, cardbed.card.dir, why), 0);
	cardbed.ipa.o.state_dir = cardbed.card.dir;
	cardbed.ipa.dial = no_dial;
	assert_int_equal(ipa_open(&cardbed.ipa, &m->card.channel), 0);
}

static bool is_closed(void *arg)
{
	(void)arg;
	return !card_at_is_closing(&cardbed.modem.card);
}

void cardbed_close(void)
{
	if (cardbed.with_ports)
		vports_close(&cardbed.ports);
	ipa_close(&cardbed.ipa);
	assert_true(fake_ev_until(is_closed, NULL, 60000));
	fake_ev_settle();
	modem_close(&cardbed.modem);
	ev_alarm_stop(&cardbed.replug);
	host_stop(&cardbed.host);
	module_stop(&cardbed.module);
	pacer_clear(&cardbed.to_host);
	pacer_clear(&cardbed.from_host);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
	tree_remove(cardbed.card.dir);
	fake_ev_reset();
}

/* --- looking ------------------------------------------------------------------------------------------- */

static bool is_settled(void *arg)
{
	struct ipa *i = &cardbed.ipa;

	(void)arg;
	return cardbed.modem.st.state == MODEM_READY && i->card == IPA_CARD_READY && !i->now &&
	       !i->want && !i->doubtful && !ipa_is_reading(i);
}

bool cardbed_settle(unsigned limit_ms)
{
	return fake_ev_until(is_settled, NULL, limit_ms);
}

unsigned cardbed_channels(void)
{
	return (unsigned)__builtin_popcount(cardbed.module.slot.channels);
}

bool cardbed_is_true(void)
{
	const struct ve_state *s = euicc_card_state(cardbed.card.card);
	const struct euicc_facts *f = &cardbed.ipa.facts;

	if (!euicc_facts_have(f, FACT_PROFILES) || f->n_profiles != s->n_profiles)
		return false;
	for (size_t i = 0; i < f->n_profiles; i++) {
		const struct ve_profile *p = &s->profiles[i];

		if (!octets_same(f->profiles[i].iccid,
				 octets_from(p->field[VE_ICCID].p, p->field[VE_ICCID].n)) ||
		    (f->profiles[i].state == ES10C_ENABLED) != (p->enabled != 0))
			return false;
	}
	return true;
}
