/*
 * A card in a test's hand, behind link/card.h: it answers ES10 commands from a table, assembles STORE
 * DATA blocks as a card does and refuses what a card refuses, and fails in every way at the exchange
 * it is told. Time is the fake clock's; each exchange takes LATENCY.
 */
#ifndef SUPPORT_CARD_SCRIPT_H
#define SUPPORT_CARD_SCRIPT_H

#include "codec/tlv.h"
#include "core/ev.h"
#include "link/card.h"

#define CARD_SCRIPT_LATENCY_MS 20
#define CARD_SCRIPT_ROWS_MAX 64

enum card_failure {
	CARD_FINE,
	CARD_REFUSES,           /* fail_sw */
	CARD_TIMES_OUT,         /* silent until the patience is over */
	CARD_LINK_LOST,         /* reset or module gone: the exchange ends, then the channel */
	CARD_SILENT,            /* nothing comes: for what is cancelled meanwhile */
	CARD_GARBAGE,           /* octets that are no TLV */
	CARD_CUT_OFF,           /* the last octet of the answer is missing */
	CARD_FOREIGN,           /* the answer to something else */
	CARD_TOO_LONG,          /* more than fits: MALFORMED from the channel */
	_CARD_FAILURE_MAX
};

/* Commands whole, without STORE DATA around them. The rows of one command are used in turn. */
struct card_script_row {
	struct octets command;
	struct octets answer;
	uint16_t sw;
};

struct card_script {
	struct card_channel channel;
	struct card_script_row rows[CARD_SCRIPT_ROWS_MAX];
	size_t n_rows;
	/* Asked where the table has no row: 0 with what is set, or -1 for 6A88. May be NULL. */
	int (*answer)(struct card_script *s, struct octets command, struct octets *ret, uint16_t *sw);
	struct octets aid;              /* that opens; missing: the standard one */
	struct octets fci;
	const char *refused_by;         /* who refuses an AID; NULL: "card" */
	unsigned open_ms;               /* how long an opening takes; 0: like the others */
	bool needs_capability;          /* 6985 until TERMINAL CAPABILITY and a SELECT have come */
	uint16_t locked_sw;             /* every ES10 command is refused with it; 0: not */
	/* Exchanges, openings included, are counted from 1. */
	unsigned fail_at;               /* 0: never */
	enum card_failure failure;
	uint16_t fail_sw;
	unsigned fail_times;            /* how many from there on; 0 means 1 */

	/* to be looked at */
	unsigned exchanges, opens, closes, capabilities, commands;
	bool open;
	unsigned lost_blocks;           /* blocks out of order, and other faults of the speaker */

	/* card_script.c only */
	struct card_exchange *now;
	bool opening;
	uint16_t open_sw;
	bool capable, capable_now;
	struct ev_alarm alarm;
	uint8_t command[65536];
	size_t command_n;
	unsigned next_block;
	size_t cursor;
	enum card_failure fails;
};

/* Zeroed by it. */
void card_script_init(struct card_script *s);
void card_script_add(struct card_script *s, struct octets command, struct octets answer, uint16_t sw);
void card_script_add_hex(struct card_script *s, const char *command, const char *answer);
/* All that a reading of facts asks of an SGP.32 card, with the answers of the worked examples. */
void card_script_add_iot_card(struct card_script *s);
/* The rows of a recording, tests/vectors/real/, "# layer: apdu"; its FCI too. How many. */
size_t card_script_load_chat(struct card_script *s, const char *path);
/* The card is reset: what is in flight ends, the channel is lost. */
void card_script_reset(struct card_script *s);
bool card_script_busy(const struct card_script *s);
void card_script_done(struct card_script *s);

#endif
