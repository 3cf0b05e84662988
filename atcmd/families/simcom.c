/* SIMCom: three chip lines, told apart by the model's number. CGMI is "SIMCOM INCORPORATED". */
#include "atcmd/family.h"

#define SIMCOM .maker = "SIMCOM", .reset = "AT+CRESET", .pin_left = "AT+SPIC"

#define SIMCOM_CMUX .cmux = "AT+CMUX=0,0,$,127", .cmux_n1 = 127, .cmux_channels = 4, \
		    .cmux_pause_ms = 500

const struct at_family at_families_simcom[] = {
	{ SIMCOM, .name = "SIMCom A76xx/A79xx", .model = "A7", .boot_ms = 20000, SIMCOM_CMUX,
	  /* off from 2.5 s on */
	  .power = { 500, 3000, 100, 10000, 6000 }, .power_down = "AT+CPOF",
	  .iccid = { "AT+CICCID", "AT+CCID" } },
	{ SIMCOM, .name = "SIMCom SIM7500/SIM7600", .model = "SIM75|SIM76",
	  .quirks = QUIRK_CARD_SILENT, .boot_ms = 25000, SIMCOM_CMUX,
	  /* off by 2.5 to 5 s, and 25 s until STATUS says so */
	  .power = { 500, 3000, 300, 15000, 30000 }, .power_down = "AT+CPOF",
	  .iccid = { "AT+CICCID", "AT+CCID" } },
	{ SIMCOM, .name = "SIMCom SIM7000/7070/7080/7090",
	  .model = "SIM7000|SIM7070|SIM7080|SIM7090", .boot_ms = 12000, SIMCOM_CMUX,
	  /* on from 1 s on, off from 1.2 s on: in between */
	  .power = { 1100, 1500, 100, 8000, 8000 }, .power_down = "AT+CPOWD=1",
	  .iccid = { "AT+CCID", "AT+CICCID" } },
	{ .maker = "SIMCOM", .name = "SIMCom SIM800/SIM900", .model = "SIM8|SIM9",
	  .boot_ms = 10000, .reset = "AT+CFUN=1,1", .iccid = { "AT+CCID" }, .pin_left = "AT+SPIC",
	  .power_down = "AT+CPOWD=1" },
	{ SIMCOM, .name = "SIMCom", .model = "", .boot_ms = 25000, .power_down = "AT+CPOF",
	  .iccid = { "AT+CICCID", "AT+CCID" } },
	{ 0 }
};
