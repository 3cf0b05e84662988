/*
 * The rows; legend in persona.h. The first twenty are the field's modules in the order in which it
 * meets them, the rest are the families' identifications with what is known of their card access.
 * Values without evidence are ordinary ones.
 */
#include <string.h>

#include "core/util.h"
#include "sim/module/mux.h"
#include "sim/module/persona.h"

/* A switch of profiles shows as the card's reset, with these lines; EC2x and relatives. */
#define QUECTEL_LINES .boot_ms = 3000, .ms_per_apdu = 15,                                       \
		      .boot_urcs = { "RDY", "%cpin", "?+QUSIM: 1", "+CFUN: 1", "?+QIND: SMS DONE", \
				     "?+QIND: PB DONE" },                                       \
		      .card_urcs = { "%cpin", "?+QUSIM: 1", "?+QIND: SMS DONE", "?+QIND: PB DONE" }, \
		      .card_gone_urc = "+CPIN: NOT READY"
#define QUECTEL(model, revision) .maker = MAKER_QUECTEL, .cgmi = "Quectel", .cgmm = (model), \
				 .cgmr = (revision), QUECTEL_LINES, .reread_ms = 2000,       \
				 .key_on_ms = 500, .key_off_ms = 650, .reset_ms = 150

#define FIBOCOM(model, revision) .maker = MAKER_FIBOCOM, .cgmi = "Fibocom Wireless Inc.", .cgmm = (model), \
				 .cgmr = (revision), .boot_ms = 4000, .ms_per_apdu = 15,              \
				 .boot_urcs = { "?+SIM READY", "?+PBREADY" },                         \
				 .card_urcs = { "?+SIM READY", "?+PBREADY" }, .reread_ms = 2000

#define A76(model, revision) .maker = MAKER_SIMCOM, .cgmi = "INCORPORATED", .cgmm = (model), .cgmr = (revision), \
			     .boot_ms = 3000, .ms_per_apdu = 15, .key_off_ms = 2500,                    \
			     .boot_urcs = { "*ATREADY: 1", "%cpin", "?SMS DONE", "?+CGEV: EPS PDN ACT 1",       \
					    "?PB DONE" },                                               \
			     .card_urcs = { "%cpin", "?SMS DONE", "?PB DONE" }, .reread_ms = 2000

#define SIM7600(model) .maker = MAKER_SIMCOM, .cgmi = "SIMCOM INCORPORATED", .cgmm = (model),           \
		       .cgmr = "LE20B04SIM7600G22", .boot_ms = 4000, .ms_per_apdu = 15,                 \
		       .key_on_ms = 100, .key_off_ms = 2500,                                            \
		       .boot_urcs = { "RDY", "%cpin", "?SMS DONE", "?PB DONE" },                        \
		       .card_urcs = { "%cpin", "?SMS DONE", "?PB DONE" }

#define SIERRA(model, revision)                                                                    \
	.maker = MAKER_SIERRA, .cgmi = "Sierra Wireless, Incorporated", .cgmm = (model),           \
	.cgmr = (revision), .boot_ms = 4000, .ms_per_apdu = 15, .reread_ms = 2000

#define TELIT(model, revision) .maker = MAKER_TELIT, .cgmi = "Telit", .cgmm = (model), .cgmr = (revision), \
			       .boot_ms = 4000, .ms_per_apdu = 15, .reread_ms = 2000,                 \
			       .key_on_ms = 5000, .key_off_ms = 3000, .reset_ms = 200

#define UBLOX(model, revision) .maker = MAKER_UBLOX, .cgmi = "u-blox", .cgmm = (model), .cgmr = (revision), \
			       .boot_ms = 2000, .ms_per_apdu = 15, .reread_ms = 2000

static const struct persona rows[] = {
	{ QUECTEL("EG25", "EG25GGBR07A08M2G"), .name = "quectel-eg25",
	  .about = "CSIM opens and closes only, the port vanishes at REFRESH, data mode sticks",
	  .csim = CSIM_OPEN_CLOSE, .port_lost = true, .data_sticks = true, .poll_ms = 1800 },
	{ QUECTEL("EC25", "EC25EFAR06A06M4G"), .name = "quectel-ec20-ec25",
	  .about = "CGLA gives up after 300 ms, removal and insertion, keeps the operator's "
		   "settings",
	  .card_timeout_ms = 300, .refresh = REFRESH_REMOVE_INSERT, .keeps_carrier = true },
	{ QUECTEL("EG916Q-GL", "EG916QGLLGR01A05M04"), .name = "quectel-eg916q",
	  .about = "CME 13 without ISD-R, blind without QSIMDET and QSIMSTAT, CRSM of the ICCID "
		   "fails",
	  .ccho_no_app = "+CME ERROR: 13", .needs_simdet = true, .refresh = REFRESH_NOTHING,
	  .poll_ms = 1800, .crsm_iccid = "+CME ERROR: 3", .restart_after = 5000 },
	{ FIBOCOM("FM350-GL", "81600.0000.00.29.19.16"), .name = "fibocom-fm350",
	  .about = "bare CCHO, silent test forms, slot command with a time window",
	  .test = TEST_SILENT, .ccho = CCHO_BARE, .slot_command = "AT+GTDUALSIM=1",
	  .isdr_window_ms = 10000, .refresh = REFRESH_NOTHING, .cfun_keeps_card = true },
	{ .maker = MAKER_QUECTEL,
	  .cgmi = "Quectel",
	  .cgmm = "EC200A",
	  .cgmr = "EC200AAUHAR01A11M16",
	  QUECTEL_LINES,
	  .reread_ms = 2000,
	  .name = "quectel-ec200a",
	  .about = "CSIM only, channels 1 to 3",
	  .ccho_always = "ERROR",
	  .cgla_always = "ERROR",
	  .cchc_none = true,
	  .channels = { 1, 2, 3 },
	  .refresh = REFRESH_NOTHING },
	{ A76("A7908E", "A7908B01V01"), .name = "simcom-a7908",
	  .about = "no blank behind +CGLA:", .cgla_no_blank = true },
	{ SIERRA("MC7455", "SWI9X30C_02.24.05.06 r7040 CARMD-EV-FRMWR2"), .name = "sierra-handle",
	  .about = "session handles of 16 digits, CLA without channel, no test forms",
	  .ccho = CCHO_HANDLE, .cla_zero_only = true, .test = TEST_ERROR },
	{ .maker = MAKER_CMIOT,
	  .cgmi = "CMIOT",
	  .cgmm = "BG0309",
	  .cgmr = "1.0.0",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .boot_urcs = { "%cpin" },
	  .card_urcs = { "%cpin" },
	  .reread_ms = 2000,
	  .name = "auto-get-response",
	  .about = "fetches what 61xx announces, a line +CCHC before OK",
	  .sw = SW_FETCH_61,
	  .cchc_line = true,
	  .test = TEST_NAMES },
	{ FIBOCOM("FG132-GL", "19900.1000.00.01.01.01"), .name = "test-form-error",
	  .about = "test forms are errors, commands work", .test = TEST_ERROR },
	{ QUECTEL("RG650E", "RG650EEUAAR01A01M4G"), .name = "quectel-rg650-internal-lpa",
	  .about = "an LPA of its own holds the ISD-R until lpa_enable 0 and a restart",
	  .has_5g = true, .lpa_off = true, .ccho_busy = "ERROR" },
	{ QUECTEL("EM061K-GL", "EM061KGLAAR01A05M2G"), .name = "quectel-em061-noprofile",
	  .about = "no CCHO while no profile is enabled", .no_profile_no_ccho = true },
	{ FIBOCOM("NL668-EAU-00", "19305.1000.00.02.73.04"), .name = "fibocom-nl668",
	  .about = "no way to the ISD-R: SELECT is answered 6999", .ccho_always = "ERROR",
	  .cgla_always = "ERROR", .cchc_none = true, .isdr_sw = "6999" },
	{ .maker = MAKER_CMIOT,
	  .cgmi = "CMIOT",
	  .cgmm = "ML307R",
	  .cgmr = "ML307R-DC-MBRH0S00",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .boot_urcs = { "%cpin" },
	  .card_urcs = { "%cpin" },
	  .name = "cmiot-ml307",
	  .about = "91xx is passed to the host, no card access after a switch until a restart",
	  .sw = SW_PASS_91,
	  .refresh = REFRESH_RESTART,
	  .ccho_busy = "+CME ERROR: 4" },
	{ SIM7600("SIMCOM_SIM7600G-H"), .name = "simcom-sim7600",
	  .about = "no APDU commands, reads the card again only after a power cycle",
	  .ccho_always = "ERROR", .cgla_always = "ERROR", .cchc_none = true, .csim = CSIM_NONE,
	  .refresh = REFRESH_NOTHING, .cfun_keeps_card = true },
	{ .maker = MAKER_FOXCONN,
	  .cgmi = "Foxconn",
	  .cgmm = "DW5821e",
	  .cgmr = "T77W968.F1.1.1.1",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .boot_urcs = { "%cpin" },
	  .card_urcs = { "%cpin" },
	  .reread_ms = 2000,
	  .name = "csim-only-slot",
	  .about = "CSIM, after the slot command",
	  .ccho_always = "ERROR",
	  .cgla_always = "ERROR",
	  .cchc_none = true,
	  .slot_command = "AT^SWITCH_SLOT" },
	{ QUECTEL("EG95", "EG95EFBR06A08M4G"), .name = "csim-select-cme0",
	  .about = "SELECT through CSIM is +CME ERROR: 0", .csim = CSIM_SELECT_CME0 },
	{ .maker = MAKER_HUAWEI,
	  .cgmi = "huawei",
	  .cgmm = "MS2372h-517",
	  .cgmr = "21.180.99.01.00",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .boot_urcs = { "^SIMST:1" },
	  .reread_ms = 2000,
	  .name = "csim-no-channels",
	  .about = "CSIM on the basic channel only, CCHO always fails",
	  .csim = CSIM_BASIC_ONLY,
	  .ccho_always = "+CME ERROR: 100" },
	{ SIERRA("EM9191", "SWIX55C_03.04.03.00"), .name = "sierra-em9191",
	  .about = "a CME error in its own words, no CCHC", .has_5g = true,
	  .ccho_always = "+CME ERROR: Parameters error", .cchc_none = true },
	{ QUECTEL("EC20F", "EC20CEFRKGR06A05M4G"), .name = "lossy-uart",
	  .about = "loses one of 4000 octets", .drop_every = 4000 },
	{ QUECTEL("RM520N-GL", "RM520NGLAAR01A07M4G"), .name = "silent-port",
	  .about = "never answers", .silent = true },

	{ FIBOCOM("FM350-GL", "81600.0000.00.29.16.03"), .name = "fibocom-fm350-ok",
	  .mux_none = true, .about = "as fibocom-fm350, with test forms that are OK and no slots",
	  .ccho = CCHO_BARE, .refresh = REFRESH_NOTHING },
	{ .maker = MAKER_QUECTEL,
	  .cgmi = "Quectel",
	  .cgmm = "BG95-M3",
	  .cgmr = "BG95M3LAR02A04",
	  .boot_ms = 2500,
	  .ms_per_apdu = 15,
	  .reread_ms = 2000,
	  .name = "quectel-bg95",
	  .reset_ms = 2000,             /* on the pin that PWRKEY is on, too */
	  .mux_delay_ms = 100,
	  .mux_locks = true,
	  .mux_oddities = MUX_DATA_PF,
	  .boot_urcs = { "RDY", "APP RDY", "+CFUN: 1", "%cpin" },
	  .card_urcs = { "%cpin" } },
	{ .maker = MAKER_QUECTEL,
	  .cgmi = "Quectel",
	  .cgmm = "RM500Q-GL",
	  .cgmr = "RM500QGLABR11A06M4G",
	  .boot_ms = 4000,
	  .ms_per_apdu = 15,
	  .reread_ms = 2000,
	  .name = "quectel-rm500",
	  .has_5g = true,
	  .boot_urcs = { "RDY", "%cpin", "?+QUSIM: 1", "?+QIND: PB DONE", "?+QIND: SMS DONE" },
	  .card_urcs = { "%cpin", "?+QUSIM: 1", "?+QIND: PB DONE", "?+QIND: SMS DONE" } },
	{ SIM7600("SIMCOM_SIM7600E"), .name = "simcom-sim7600-new", .mux_oddities = MUX_DATA_PF,
	  .about = "a firmware with APDU commands", .reread_ms = 2000 },
	{ .maker = MAKER_SIMCOM,
	  .cgmi = "SIMCOM_Ltd",
	  .cgmm = "SIMCOM_SIM7080G",
	  .cgmr = "1951B16SIM7080",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .name = "simcom-sim7080",
	  .about = "CSIM only",
	  .key_on_ms = 1000,
	  .key_off_ms = 1200,
	  .boot_urcs = { "RDY", "+CFUN: 1", "%cpin", "?SMS Ready" },
	  .card_urcs = { "%cpin" },
	  .reread_ms = 2000,
	  .ccho_always = "ERROR",
	  .cgla_always = "ERROR",
	  .cchc_none = true,
	  .lte_only = true },
	{ A76("A7670E-LNXY-UBL", "A7670M7_V1.11.1"), .name = "simcom-a7670",
	  .about = "finds the line's speed by the first AT and is quiet until then",
	  .autobaud = true, .mux_oddities = MUX_DATA_CR | MUX_NO_CLD },
	{ TELIT("ME910G1-W1", "37.00.213"), .name = "telit-me910", .mux_delay_ms = 400,
	  .mux_locks = true, .mux_channels = 3, .session_offset = 4 },
	{ TELIT("LE910C4-EU", "25.21.674"), .name = "telit-le910", .session_offset = 4 },
	{ UBLOX("SARA-R410M-02B", "L0.0.00.00.05.08"), .name = "ublox-sara-r4", .mux_channels = 3 },
	{ UBLOX("SARA-R510S", "02.06"), .name = "ublox-sara-r5" },
	{ UBLOX("LARA-R6001", "00.07"), .name = "ublox-lara-r6" },
	{ .maker = MAKER_SIERRA,
	  .cgmi = "Sierra Wireless",
	  .cgmm = "HL7812",
	  .cgmr = "HL7812.5.5.14.0",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .name = "sierra-hl78",
	  .boot_urcs = { "+KSUP: 0", "?+PBREADY" },
	  .reread_ms = 2000 },
	{ .maker = MAKER_CINTERION,
	  .cgmi = "Cinterion",
	  .cgmm = "PLS83-W",
	  .cgmr = "REVISION 01.202",
	  .boot_ms = 3000,
	  .ms_per_apdu = 15,
	  .name = "cinterion-pls83",
	  .reset_ms = 10,
	  .mux_channels = 3,
	  .mux_idle_ms = 5000,
	  .boot_urcs = { "^SYSSTART" },
	  .reread_ms = 2000,
	  .session_offset = 0x10 },
	{ .maker = MAKER_NORDIC,
	  .cgmi = "Nordic Semiconductor ASA",
	  .cgmm = "nRF9160-SICA",
	  .cgmr = "mfw_nrf9160_1.3.5",
	  .boot_ms = 500,
	  .ms_per_apdu = 15,
	  .name = "nordic-nrf91",
	  .about = "lines end with CR LF, starts with the radio off",
	  .boot_urcs = { "Ready" },
	  .reread_ms = 2000,
	  .no_echo = true,
	  .line_crlf = true,
	  .radio_off = true,
	  .ati_error = true,
	  .lte_only = true },
	{ .maker = MAKER_SEQUANS,
	  .cgmi = "SEQUANS Communications",
	  .cgmm = "GM02S",
	  .cgmr = "UE8.0.5.13",
	  .boot_ms = 1000,
	  .ms_per_apdu = 15,
	  .name = "sequans-gm02s",
	  .boot_urcs = { "+SYSSTART" },
	  .reread_ms = 2000,
	  .lte_only = true },
	/* Knows what an IPAd needs: declares it to the card. */
	{ QUECTEL("EG25", "EG25GGBR07A08M2G"), .name = "ipad-module",
	  .about = "ordinary, with tag 84 in its TERMINAL CAPABILITY", .termcap = TERMCAP_IPAD },
	{ QUECTEL("EG25", "EG25GGBR07A08M2G"), .name = "no-termcap",
	  .about = "ordinary, without TERMINAL CAPABILITY", .termcap = TERMCAP_NONE },
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
