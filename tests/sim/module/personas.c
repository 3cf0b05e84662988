/* The rows; legend in persona.h. */
#include <string.h>

#include "core/util.h"
#include "sim/module/persona.h"

#define QUECTEL .maker = MAKER_QUECTEL, .cgmi = "Quectel", .boot_ms = 3000, .ms_per_apdu = 15, \
		.boot_urcs = { "RDY", "%cpin", "?+QUSIM: 1", "+CFUN: 1", "?+QIND: SMS DONE",        \
			       "?+QIND: PB DONE" },                                              \
		.card_urcs = { "%cpin", "?+QUSIM: 1", "?+QIND: SMS DONE", "?+QIND: PB DONE" },      \
		.card_gone_urc = "+CPIN: NOT READY"

static const struct persona rows[] = {
	{ QUECTEL, .name = "quectel-eg25", .cgmm = "EG25", .cgmr = "EG25GGBR07A08M2G",
	  .csim = CSIM_OPEN_CLOSE, .port_lost = true, .reread_ms = 2000, .data_sticks = true },
};

const struct persona *persona_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

const struct persona *persona_at(size_t i)
{
	return i < ARRAY_SIZE(rows) ? &rows[i] : NULL;
}
