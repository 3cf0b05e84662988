#include "sim/module/lines.h"

#include <errno.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/module/module.h"

#define RING_MS 120
/* From DTR until it hears again. */
#define WAKE_MS 50

static const struct {
	const char *name;
	bool output, idle;
} pins[_PIN_MAX] = {
	[PIN_PWRKEY] = { "pwrkey", false, false }, [PIN_RESET] = { "reset", false, false },
	[PIN_SUPPLY] = { "supply", false, true },  [PIN_DTR] = { "dtr", false, true },
	[PIN_STATUS] = { "status", true, false },  [PIN_RI] = { "ri", true, true },
};

const char *pin_name(enum line_pin pin)
{
	return pins[pin].name;
}

int pin_find(struct text name, enum line_pin *ret)
{
	for (int i = 0; i < _PIN_MAX; i++) {
		if (text_eq(name, pins[i].name)) {
			*ret = (enum line_pin)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool pin_is_output(enum line_pin pin)
{
	return pins[pin].output;
}

bool pin_idle(enum line_pin pin)
{
	return pins[pin].idle;
}

static unsigned or_ordinary(unsigned own, unsigned ordinary)
{
	return own ? own : ordinary;
}

/* --- what moves --------------------------------------------------------------------------------- */

/* False: it was there already. */
static bool move(struct lines *l, enum line_pin pin, bool high)
{
	uint64_t now = ev_now_ms();

	if (l->high[pin] == high)
		return false;
	l->high[pin] = high;
	if (high == pins[pin].idle) {
		l->held_ms[pin] = (unsigned)(now - l->since_ms[pin]);
		l->pulses[pin]++;
		log_debug("module", "%s: a pulse of %u ms", pins[pin].name, l->held_ms[pin]);
	}
	l->since_ms[pin] = now;
	return true;
}

static void drive(struct lines *l, enum line_pin pin, bool high)
{
	if (move(l, pin, high) && l->watcher)
		l->watcher->moved(l->watcher, pin);
}

static void on_status(struct ev_alarm *a)
{
	struct lines *l = container_of(a, struct lines, status);

	drive(l, PIN_STATUS, l->wanted);
}

void lines_power(struct module *m, bool on)
{
	struct lines *l = &m->lines;

	if (l->wanted == on)
		return;
	l->wanted = on;
	ev_alarm_start(&l->status, m->o.status_ms);
}

bool lines_going_down(const struct module *m)
{
	return m->lines.status.active && !m->lines.wanted;
}

static void on_ring_over(struct ev_alarm *a)
{
	drive(container_of(a, struct lines, ri), PIN_RI, true);
}

void lines_ring(struct module *m)
{
	drive(&m->lines, PIN_RI, false);
	ev_alarm_start(&m->lines.ri, RING_MS);
}

bool lines_asleep(const struct module *m)
{
	const struct lines *l = &m->lines;

	return m->may_sleep && (l->high[PIN_DTR] || ev_now_ms() - l->since_ms[PIN_DTR] < WAKE_MS);
}

/* --- PWRKEY, RESET, supply ---------------------------------------------------------------------- */

/* Pressed for as long as it takes to switch on: it starts while the key is still down. */
static void on_key(struct ev_alarm *a)
{
	struct module *m = container_of(a, struct module, lines.key);

	if (m->power != MODULE_OFF || !m->lines.high[PIN_SUPPLY] || lines_going_down(m))
		return;
	m->lines.used = true;
	module_power_on(m);
}

static void press_key(struct module *m)
{
	m->lines.used = false;
	if (m->power == MODULE_OFF)
		ev_alarm_start(&m->lines.key, or_ordinary(m->persona->key_on_ms, 500));
}

/* Switching off begins when the key is let go. */
static void release_key(struct module *m)
{
	ev_alarm_stop(&m->lines.key);
	if (m->power == MODULE_OFF || m->lines.used || m->hung == MODULE_HUNG_UNTIL_SUPPLY)
		return;
	if (m->lines.held_ms[PIN_PWRKEY] >= or_ordinary(m->persona->key_off_ms, 650))
		module_power_off(m);
}

static void release_reset(struct module *m)
{
	if (m->power == MODULE_OFF || m->hung > MODULE_HUNG_UNTIL_RESET)
		return;
	if (m->lines.held_ms[PIN_RESET] >= or_ordinary(m->persona->reset_ms, 100))
		module_power_on(m);
}

static void set_supply(struct module *m, bool on)
{
	if (!on)
		module_power_off(m);
	else if (m->lines.autostart && m->power == MODULE_OFF)
		module_power_on(m);
}

void lines_set(struct module *m, enum line_pin pin, bool high)
{
	if (!move(&m->lines, pin, high))
		return;
	switch (pin) {
	case PIN_PWRKEY:
		if (high)
			press_key(m);
		else
			release_key(m);
		break;
	case PIN_RESET:
		if (!high)
			release_reset(m);
		break;
	case PIN_SUPPLY:
		set_supply(m, high);
		break;
	case PIN_DTR:
	case PIN_STATUS:
	case PIN_RI:
	case _PIN_MAX:
		break;
	}
}

void lines_init(struct module *m)
{
	for (int i = 0; i < _PIN_MAX; i++) {
		m->lines.high[i] = pins[i].idle;
		m->lines.since_ms[i] = ev_now_ms();
	}
	m->lines.key.fired = on_key;
	m->lines.status.fired = on_status;
	m->lines.ri.fired = on_ring_over;
}

void lines_stop(struct module *m)
{
	ev_alarm_stop(&m->lines.key);
	ev_alarm_stop(&m->lines.status);
	ev_alarm_stop(&m->lines.ri);
}
