/*
 * Module personalities as table rows: who the module says it is, what it prints at start, and in
 * which behaviours it differs from the ordinary. A behaviour is a column, never a maker's name in
 * the code; makers only decide which commands exist.
 */
#ifndef SIM_MODULE_PERSONA_H
#define SIM_MODULE_PERSONA_H

#include <stdbool.h>
#include <stddef.h>

enum maker {
	MAKER_QUECTEL = 1 << 0,
	MAKER_SIMCOM = 1 << 1,
	MAKER_TELIT = 1 << 2,
	MAKER_UBLOX = 1 << 3,
	MAKER_SIERRA = 1 << 4,
	MAKER_CINTERION = 1 << 5,
	MAKER_NORDIC = 1 << 6,
	MAKER_FIBOCOM = 1 << 7,
	MAKER_HUAWEI = 1 << 8,
	MAKER_CMIOT = 1 << 9,
	MAKER_FOXCONN = 1 << 10,
	MAKER_SEQUANS = 1 << 11,
};

enum test_form { TEST_OK, TEST_NAMES, TEST_ERROR, TEST_SILENT };
enum ccho_form { CCHO_PREFIXED, CCHO_BARE, CCHO_HANDLE };
enum csim_form { CSIM_FULL, CSIM_OPEN_CLOSE, CSIM_SELECT_CME0, CSIM_BASIC_ONLY, CSIM_NONE };
/* Who fetches what a status word announces. */
enum sw_form { SW_PASS, SW_FETCH_61, SW_PASS_91 };
enum after_refresh {
	REFRESH_REREAD,                 /* resets the card and reads it again */
	REFRESH_REMOVE_INSERT,          /* the same, shown as removal and insertion */
	REFRESH_NOTHING,                /* sees nothing until the card loses power */
	REFRESH_RESTART,                /* no card access until the module restarts */
};
/* What the module says of itself in TERMINAL CAPABILITY, ETSI TS 102 221 11.1.19. */
enum termcap { TERMCAP_PLAIN, TERMCAP_IPAD, TERMCAP_NONE };

#define PERSONA_URCS 8
#define PERSONA_MAX_LINE 600
#define PERSONA_CHANNELS 4

struct persona {
	const char *name;
	enum maker maker;
	const char *cgmi, *cgmm, *cgmr;
	const char *about;              /* for --list */

	/* At start and after the card was read. "%cpin" prints the card's state as +CPIN: does. */
	const char *boot_urcs[PERSONA_URCS];
	const char *card_urcs[PERSONA_URCS];
	const char *card_gone_urc;      /* before a re-read */
	unsigned boot_ms;
	/* How long a line must be active: PWRKEY to switch on and off, RESET. 0: 500, 650, 100 */
	unsigned key_on_ms, key_off_ms, reset_ms;
	bool autobaud;                  /* what it prints at start waits for the first octet */
	bool no_echo;                   /* starts with E0 */
	bool line_crlf;                 /* only CR LF ends a line */
	bool silent;                    /* never answers */
	bool radio_off;                 /* starts in CFUN=0 */
	bool has_5g;                    /* C5GREG exists */
	bool lte_only;                  /* no CREG and CGREG */
	bool ati_error;
	unsigned max_line;              /* characters; 0: PERSONA_MAX_LINE */
	unsigned drop_every;            /* loses one of so many octets from the host; 0: none */

	/* Card access. Words instead of a form are the whole final line. */
	enum test_form test;
	enum ccho_form ccho;
	unsigned session_offset;        /* a session's id is the channel's number and this */
	const char *ccho_always;        /* CCHO ends so whatever is asked */
	const char *ccho_no_app;        /* no such application; NULL: ERROR */
	const char *ccho_busy;          /* NULL: +CME ERROR: 14 */
	bool cchc_line;                 /* a line "+CCHC" before OK, for closed sessions too */
	bool cchc_none;
	const char *cgla_always;
	bool cgla_no_blank;
	bool cgla_bare_data;            /* takes the command without quotes, too */
	bool cla_zero_only;
	enum sw_form sw;
	enum csim_form csim;
	unsigned char channels[PERSONA_CHANNELS];       /* it hands out; none: the card's choice */
	const char *isdr_sw;            /* the module refuses SELECT of the ISD-R with this */
	const char *slot_command;       /* the eUICC is reached only after this command */
	bool lpa_off;                   /* an own LPA holds the ISD-R until it is switched off */
	unsigned isdr_window_ms;        /* after the slot command; then the own LPA takes it */
	unsigned card_timeout_ms;       /* gives up on slower answers with ERROR; 0: waits */
	bool no_profile_no_ccho;
	const char *crsm_iccid;         /* CRSM of EF.ICCID ends so */
	unsigned ms_per_apdu;

	/* After a profile change. */
	enum after_refresh refresh;
	unsigned reread_ms;             /* until the module knows the new ICCID */
	unsigned poll_ms;               /* looks for another ICCID so often; 0: never */
	bool cfun_keeps_card;           /* +CFUN=0 leaves the card its power */
	bool needs_simdet;              /* follows only with QSIMDET and QSIMSTAT on */
	bool port_lost;                 /* the port vanishes for a moment at REFRESH */
	bool keeps_carrier;             /* attaches only after a restart */
	bool data_sticks;               /* stays in data mode when the host leaves */
	/* +CMUX */
	unsigned mux_channels;          /* 0: 4 */
	unsigned mux_oddities;          /* MUX_... */
	unsigned mux_delay_ms;          /* from its OK until it understands frames */
	bool mux_locks;                 /* a frame before that makes it deaf until a restart */
	unsigned mux_idle_ms;           /* back to AT if no channel is opened; 0: waits */
	bool mux_none;

	enum termcap termcap;
	unsigned restart_after;         /* restarts by itself after so many commands; 0: never */
};

/* NULL: no such row. */
const struct persona *persona_find(const char *name);
/* The i-th row; NULL behind the last. */
const struct persona *persona_at(size_t i);

#endif
