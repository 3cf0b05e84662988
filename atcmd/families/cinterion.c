/* Cinterion, whoever owned it: Siemens, Gemalto, Thales, Telit. The manual asks for a pause. */
#include "atcmd/family.h"

#define CINTERION .model = "EXS|PLS|EHS|ELS|TX|PHS|BGS|ALS|MV", .name = "Cinterion", \
		  .boot_ms = 15000, .reset = "AT+CFUN=1,1", .iccid = { "AT^SCID", "AT+CCID" }, \
		  .setup = { "AT^SCKS=1" }, .pin_left = "AT^SPIC", .gap_ms = 20, \
		  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 3, .cmux_pause_ms = 500, \
		  .power = { .reset_ms = 50, .up_ms = 10000, .down_ms = 10000 }, \
		  .power_down = "AT^SMSO"

const struct at_family at_families_cinterion[] = {
	{ .maker = "Cinterion", CINTERION },
	{ .maker = "Gemalto", CINTERION },
	{ .maker = "THALES", CINTERION },
	{ .maker = "Telit", CINTERION },
	{ 0 }
};
