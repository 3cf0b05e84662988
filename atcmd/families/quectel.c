/*
 * Quectel. EC2x, EG2x and relatives share one firmware line; EG915/EG916/EG800 and EC200 are other
 * chips under the same names and notice a changed card only with card detection reporting on.
 */
#include "atcmd/family.h"

#define QUECTEL .maker = "Quectel", .iccid = { "AT+QCCID", "AT+CCID", "AT+ICCID" }, \
		.pin_left = "AT+QPINC=\"SC\"", .reset = "AT+CFUN=1,1", \
		.power_down = "AT+QPOWD=1"

/* On from 500 ms on, off from 650 ms on, RESET 150 to 460 ms; +QPOWD may take half a minute. */
#define QUECTEL_POWER .power = { 600, 800, 300, 10000, 30000 }

/* EG25 moves the line to the speed that is named. */
#define QUECTEL_CMUX .cmux = "AT+CMUX=0,0,$,127,10,3,30,10,2", .cmux_n1 = 127, .cmux_channels = 4, \
		     .cmux_pause_ms = 300

#define QUECTEL_BG QUECTEL, .boot_ms = 8000, .setup = { "AT+QSIMSTAT=1" }, \
		   .cmux = "AT+CMUX=0,0,$,127", .cmux_n1 = 127, .cmux_channels = 4, .cmux_pause_ms = 300

const struct at_family at_families_quectel[] = {
	{ QUECTEL, .name = "Quectel EG915/EG916/EG800", .model = "EG915|EG916|EG800",
	  .quirks = QUIRK_QUSIM, .boot_ms = 15000, QUECTEL_CMUX, QUECTEL_POWER,
	  .setup = { "AT+QSIMDET=1,0", "AT+QSIMSTAT=1" } },
	{ QUECTEL, .name = "Quectel EC200", .model = "EC200", .quirks = QUIRK_CARD_SILENT,
	  .boot_ms = 15000, .card_by_csim = true, QUECTEL_CMUX, QUECTEL_POWER },
	{ QUECTEL, .name = "Quectel EC2x/EG2x/EG9x/EP06/EM0x", .model = "EC2|EG2|EG9|EP06|EM0",
	  .quirks = QUIRK_QUSIM, .boot_ms = 20000, QUECTEL_CMUX, QUECTEL_POWER,
	  .setup = { "AT+QSIMSTAT=1" } },
	/* BG95 and BG77 have RESET and PWRKEY on one pin, told apart by the time; BG96 has two pins. */
	{ QUECTEL_BG, .name = "Quectel BG96", .model = "BG96", .power = { 600, 1000, 300, 10000, 10000 } },
	{ QUECTEL_BG, .name = "Quectel BG95/BG77", .model = "BG95|BG77|BG600",
	  .power = { 600, 1000, 3000, 10000, 10000 } },
	{ QUECTEL, .name = "Quectel RM5xx/RG5xx/RG6xx", .model = "RM|RG",
	  .quirks = QUIRK_QUSIM, .boot_ms = 35000, .setup = { "AT+QSIMSTAT=1" },
	  /* RESET# 200 to 700 ms; FULL_CARD_POWER_OFF# is a level: the supply line */
	  .power = { .reset_ms = 500, .up_ms = 10000, .down_ms = 30000 } },
	{ QUECTEL, .name = "Quectel", .model = "", .quirks = QUIRK_QUSIM, .boot_ms = 20000,
	  QUECTEL_CMUX, QUECTEL_POWER },
	{ 0 }
};
