/* Makers with one line of modules each. */
#include "atcmd/family.h"

const struct at_family at_families_others[] = {
	{ .maker = "Sequans", .name = "Sequans GM02S", .model = "GM02", .boot_ms = 5000,
	  .cmux = "AT+CMUX=0,0,$,127", .cmux_n1 = 127, .cmux_channels = 4, .cmux_pause_ms = 500,
	  .power = { .reset_ms = 100 },
	  .reset = "AT^RESET", .iccid = { "AT+SQNCCID" }, .pin_left = "AT+CPINR" },
	{ .maker = "Fibocom", .name = "Fibocom FM350", .model = "FM350",
	  .quirks = QUIRK_CARD_SILENT, .boot_ms = 40000, .reset = "AT+CFUN=15",
	  .iccid = { "AT+CCID", "AT+ICCID" }, .pin_left = "AT+CPINR" },
	{ .maker = "Fibocom", .name = "Fibocom NL668", .model = "NL668", .boot_ms = 25000,
	  .reset = "AT+CFUN=15", .iccid = { "AT+CCID", "AT+ICCID" }, .pin_left = "AT+CPINR",
	  .card_by_csim = true },
	{ .maker = "Fibocom", .name = "Fibocom", .model = "", .boot_ms = 25000,
	  .reset = "AT+CFUN=15", .iccid = { "AT+CCID", "AT+ICCID" }, .pin_left = "AT+CPINR" },
	{ .maker = "MEIGLINK", .name = "MeiG", .model = "", .boot_ms = 25000,
	  .reset = "AT+CFUN=1,1", .iccid = { "AT+ICCID", "AT+CCID" }, .pin_left = "AT+CPINR" },
	{ .maker = "CMIOT", .name = "CMIOT ML307", .model = "", .quirks = QUIRK_CARD_SILENT,
	  .boot_ms = 15000, .reset = "AT+CFUN=1,1", .iccid = { "AT+ICCID", "AT+CCID" },
	  .pin_left = "AT+CPINR" },
	{ .maker = "Huawei", .name = "Huawei", .model = "", .boot_ms = 25000,
	  .reset = "AT^RESET", .iccid = { "AT^ICCID?", "AT+ICCID" }, .pin_left = "AT^CPIN?" },
	{ 0 }
};
