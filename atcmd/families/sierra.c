/* Sierra Wireless: HL78xx (Altair), and the Qualcomm based EM/MC/WP with their "!" commands. */
#include "atcmd/family.h"

const struct at_family at_families_sierra[] = {
	{ .maker = "Sierra", .name = "Sierra HL78xx", .model = "HL78", .boot_ms = 15000,
	  .cmux = "AT+CMUX=0,0,$,127", .cmux_n1 = 127, .cmux_channels = 4, .cmux_pause_ms = 500,
	  .reset = "AT+CFUN=1,1", .iccid = { "AT+CCID", "AT+ICCID" }, .pin_left = "AT+CPINC",
	  .power = { 1500, 3000, 100, 10000, 6000 }, .power_down = "AT+CPWROFF",
	  .setup = { "AT+KSLEEP=2" } },
	{ .maker = "Sierra", .name = "Sierra EM/MC/WP", .model = "EM|MC|WP", .boot_ms = 30000,
	  .reset = "AT!RESET", .iccid = { "AT+ICCID", "AT!ICCID?", "AT+CCID" },
	  .pin_left = "AT+CPINC" },
	{ .maker = "Sierra", .name = "Sierra", .model = "", .boot_ms = 30000,
	  .reset = "AT+CFUN=1,1", .iccid = { "AT+CCID", "AT+ICCID", "AT!ICCID?" },
	  .pin_left = "AT+CPINC" },
	{ 0 }
};
