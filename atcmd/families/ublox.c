/* u-blox. +CFUN=16 restarts module and card; no line is printed at start. */
#include "atcmd/family.h"

#define UBLOX .maker = "u-blox", .iccid = { "AT+CCID" }, .pin_left = "AT+UPINCNT", \
	      .power_down = "AT+CPWROFF"

#define UBLOX_POWER .power = { 1500, 3000, 100, 5000, 15000 }

const struct at_family at_families_ublox[] = {
	{ UBLOX, .name = "u-blox SARA-R4", .model = "SARA-R4", .boot_ms = 12000,
	  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 2, .cmux_pause_ms = 500,
	  .reset = "AT+CFUN=15", UBLOX_POWER },
	{ UBLOX, .name = "u-blox SARA-R5", .model = "SARA-R5", .boot_ms = 8000,
	  .cmux = "AT+CMUX=0,0,$,127", .cmux_n1 = 127, .cmux_channels = 3, .cmux_pause_ms = 500,
	  .reset = "AT+CFUN=16", UBLOX_POWER },
	{ UBLOX, .name = "u-blox LARA-R6", .model = "LARA-R6", .boot_ms = 12000,
	  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 2, .cmux_pause_ms = 500,
	  .power = { 1500, 3000, 100, 10000, 6000 }, .reset = "AT+CFUN=16" },
	{ UBLOX, .name = "u-blox", .model = "", .boot_ms = 12000,
	  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 5, .cmux_pause_ms = 500,
	  .reset = "AT+CFUN=16", UBLOX_POWER },
	{ 0 }
};
