/*
 * The virtual module's line: any octets, at any time, muxed or not. It may answer what it likes, but
 * after a restart it must answer AT. The first octet chooses the personality, the second the faults.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/util.h"
#include "sim/module/host.h"
#include "sim/module/plain_sim.h"
#include "unit/fake_ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct module module;
static struct host host;
static char said[64];
static size_t said_n;

/* Keeps the end. */
static void on_write(struct host *h, const void *data, size_t n)
{
	const char *s = data;

	(void)h;
	for (size_t i = 0; i < n; i++) {
		if (said_n == sizeof(said))
			memmove(said, said + 1, --said_n);
		said[said_n++] = s[i];
	}
}

static void set_up(uint8_t which, uint8_t faults)
{
	static const char *const specs[] = { "late(50)%20", "hang-up%3", "reset%2", "garbage%5", "urc%20" };
	static const struct plain_sim_options plain = {
		.iccid = "8988200000000000017", .imsi = "001010123456789", .mnc_digits = 2, .pin = "1234",
	};
	struct module_options o = { .imei = "866425031234567", .boot_ms = 10, .reg_ms = 10, .seed = 1 };
	char why[FAULT_WHY_MAX];
	struct card *card = NULL;
	size_t rows = 0;

	while (persona_at(rows))
		rows++;
	memset(&module, 0, sizeof(module));
	memset(&host, 0, sizeof(host));
	plain_sim_open(&plain, &card);
	module_init(&module, persona_at(which % rows), &o);
	slot_give_card(&module.slot, card, true);
	host.write = on_write;
	host_init(&host, &module);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		if (faults & 1u << i)
			faults_add(&module.faults, text_of(specs[i]), why);
	module_power_on(&module);
	fake_ev_run(100);
}

static void must_answer(void)
{
	static const char line[] = "ATE0V1Q0\r\n";

	faults_clear(&module.faults);
	module_power_on(&module);
	fake_ev_run(100);
	said_n = 0;
	host_feed(&host, line, strlen(line));
	fake_ev_run(100);
	if (!module.persona->silent)
		assert(memmem(said, said_n, "OK\r\n", 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2 || n > 8192)
		return 0;
	set_up(data[0], data[1]);
	for (size_t i = 2; i < n;) {
		/* Now and then time passes between the octets. */
		size_t piece = MIN(n - i, (size_t)1 + data[i] % 16);

		host_feed(&host, data + i, piece);
		fake_ev_run(data[i] & 0x40 ? 40u * data[i] : 0);
		i += piece;
	}
	must_answer();
	host_stop(&host);
	module_stop(&module);
	assert(fake_ev_active() == 0);
	fake_ev_reset();
	return 0;
}
