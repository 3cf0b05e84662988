#include "support/desk.h"

#include <string.h>

#include "sim/module/plain_sim.h"
#include "support/test.h"
#include "unit/fake_ev.h"

static void on_write(struct port *p, const void *data, size_t n)
{
	struct desk *d = container_of(p, struct desk, port);

	assert_true(n < sizeof(d->said) - d->said_n);
	memcpy(d->said + d->said_n, data, n);
	d->said_n += n;
	d->said[d->said_n] = '\0';
}

static void on_hang_up(struct module *m, unsigned ms)
{
	(void)ms;
	container_of(m, struct desk, module)->hung_up++;
}

static void on_baud(struct module *m, unsigned baud)
{
	container_of(m, struct desk, module)->baud = baud;
}

void desk_lay(struct desk *d, const char *persona, struct card *card, uint64_t seed)
{
	static const struct plain_sim_options plain = {
		.iccid = "8988200000000000017", .imsi = "001010123456789", .mnc_digits = 2,
	};
	struct module_options o = {
		.imei = "866425031234567",
		.boot_ms = 2000,
		.ms_per_apdu = 0,
		.reg_ms = 100,
		.seed = seed,
	};

	memset(d, 0, sizeof(*d));
	assert_non_null(persona_find(persona));
	if (!card)
		assert_int_equal(plain_sim_open(&plain, &card), 0);
	module_init(&d->module, persona_find(persona), &o);
	d->module.hang_up = on_hang_up;
	d->module.set_baud = on_baud;
	d->port.write = on_write;
	module_add_port(&d->module, &d->port);
	slot_give_card(&d->module.slot, card, true);
}

void desk_start(struct desk *d)
{
	module_power_on(&d->module);
	fake_ev_run(3000);
}

void desk_open(struct desk *d, const char *persona, struct card *card, uint64_t seed)
{
	desk_lay(d, persona, card, seed);
	desk_start(d);
}

void desk_close(struct desk *d)
{
	module_stop(&d->module);
	assert_int_equal(fake_ev_active(), 0);
	fake_ev_reset();
}

void desk_type(struct desk *d, const void *data, size_t n)
{
	module_received(&d->module, &d->port, data, n);
	fake_ev_settle();
}

const char *desk_take(struct desk *d)
{
	static char kept[4][sizeof(d->said)];
	static unsigned turn;
	char *dst = kept[turn++ % 4];

	memcpy(dst, d->said, d->said_n + 1);
	d->said_n = 0;
	d->said[0] = '\0';
	return dst;
}

const char *desk_wait(struct desk *d, unsigned ms)
{
	fake_ev_run(ms);
	return desk_take(d);
}

static bool has_ended(void *arg)
{
	return ((struct desk *)arg)->port.state != PORT_BUSY;
}

const char *desk_ask(struct desk *d, const char *command)
{
	desk_type(d, command, strlen(command));
	desk_type(d, "\r", 1);
	assert_true(fake_ev_until(has_ended, d, DESK_LIMIT_MS));
	fake_ev_settle();
	return desk_take(d);
}
