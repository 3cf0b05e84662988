#include "atcmd/family.h"

#include "core/util.h"

static const struct at_family generic = {
	.name = "generic", .maker = "", .model = "", .boot_ms = 20000, .reset = "AT+CFUN=1,1",
	.iccid = { "AT+CCID", "AT+ICCID", "AT+QCCID" }, .pin_left = "AT+CPINR",
	/* Long enough to switch any on or off that is not told about in a table, Telit's aside. */
	.power = { 1000, 3000, 300, 15000, 30000 },
};

static const struct at_family *const tables[] = {
	at_families_quectel, at_families_simcom, at_families_telit, at_families_ublox,
	at_families_sierra, at_families_cinterion, at_families_nordic, at_families_others,
};

static bool maker_fits(struct text maker, const char *want)
{
	size_t n = strlen(want);

	for (size_t i = 0; i + n <= maker.n; i++)
		if (text_case_starts(text_skip(maker, i), want))
			return true;
	return false;
}

static bool model_fits(struct text model, const char *want)
{
	struct text rest = text_of(want);

	if (rest.n == 0)
		return true;
	/* "SIMCOM_SIM7600E-H" is a SIM7600. */
	if (text_case_starts(model, "SIMCOM_"))
		model = text_skip(model, strlen("SIMCOM_"));
	while (rest.n) {
		char start[32];

		if (text_copy(text_cut(&rest, '|'), start, sizeof(start)) == 0 &&
		    text_case_starts(model, start))
			return true;
	}
	return false;
}

const struct at_family *at_family_find(struct text maker, struct text model)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct at_family *f = tables[i]; f->name; f++)
			if (maker_fits(maker, f->maker) && model_fits(model, f->model))
				return f;
	return &generic;
}

const struct at_family *at_family_generic(void)
{
	return &generic;
}

const struct at_family *at_family_named(struct text name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct at_family *f = tables[i]; f->name; f++)
			if (text_eq(name, f->name))
				return f;
	return NULL;
}

struct at_power at_family_power(const struct at_family *f)
{
	struct at_power p = f->power;

	p.on_ms = p.on_ms ? p.on_ms : generic.power.on_ms;
	p.off_ms = p.off_ms ? p.off_ms : generic.power.off_ms;
	p.reset_ms = p.reset_ms ? p.reset_ms : generic.power.reset_ms;
	p.up_ms = p.up_ms ? p.up_ms : generic.power.up_ms;
	p.down_ms = p.down_ms ? p.down_ms : generic.power.down_ms;
	return p;
}
