/* Telit, own products; those that came with Cinterion are in cinterion.c. */
#include "atcmd/family.h"

/* ON/OFF: 5 s switch on, 3 s switch off; known of the ME910, taken for the others. */
#define TELIT_POWER .power = { 5050, 3500, 250, 15000, 15000 }

#define TELIT .maker = "Telit", .iccid = { "AT#CCID", "AT+CCID", "AT+ICCID" }, \
	      .pin_left = "AT#PCT", .reset = "AT#REBOOT", \
	      .card_off = "AT#SIMDET=0", .card_on = "AT#SIMDET=1", \
	      .power_down = "AT#SHDN", TELIT_POWER

/*
 * #QSS=1: the card's insertion and removal, one unsolicited line each. #SIMDET plays them, whatever
 * the detection pin says.
 */
const struct at_family at_families_telit[] = {
	{ TELIT, .name = "Telit ME910/ME310", .model = "ME910|ME310", .boot_ms = 15000,
	  .cmux = "AT+CMUX=0,0,$,127,10,3,30,10,2", .cmux_n1 = 127, .cmux_channels = 3,
	  .cmux_pause_ms = 600,
	  .setup = { "AT#QSS=1" } },
	{ TELIT, .name = "Telit LE910", .model = "LE910", .boot_ms = 20000,
	  .cmux = "AT+CMUX=0", .cmux_n1 = 31, .cmux_channels = 3, .cmux_pause_ms = 600,
	  .setup = { "AT#QSS=1" } },
	{ TELIT, .name = "Telit", .model = "ME|LE|LN|FN|FE|NE|GE|UE|HE", .boot_ms = 20000,
	  .setup = { "AT#QSS=1" } },
	{ 0 }
};
