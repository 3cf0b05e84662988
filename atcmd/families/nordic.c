/* Nordic: nRF91 with the Serial LTE Modem or Serial Modem firmware, and the nRF93M1 module. */
#include "atcmd/family.h"

const struct at_family at_families_nordic[] = {
	{ .maker = "Nordic", .name = "Nordic nRF91", .model = "nRF91",
	  .boot_ms = 4000, .reset = "AT#XRESET", .iccid = { "AT%XICCID" },
	  .setup = { "AT%XSIM=1" }, .pin_left = "AT+CPINR=\"SIM PIN\"",
	  /* +CFUN=0 writes down what it must not lose */
	  .power = { .reset_ms = 500, .down_ms = 5000 }, .power_down = "AT+CFUN=0" },
	{ .maker = "Nordic", .name = "Nordic nRF93M1", .model = "nRF93", .boot_ms = 8000,
	  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 4, .cmux_pause_ms = 500,
	  .reset = "AT+CFUN=1,1", .iccid = { "AT+CCID", "AT+ICCID" }, .pin_left = "AT+CPINR" },
	{ 0 }
};
