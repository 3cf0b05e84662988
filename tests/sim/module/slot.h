/*
 * The module's card slot: power, the module's own reading of the card at every start (from the
 * files, so that a profile change shows), the queue of APDUs from everybody, proactive commands,
 * and the sessions that +CCHO opens.
 */
#ifndef SIM_MODULE_SLOT_H
#define SIM_MODULE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"
#include "core/list.h"
#include "sim/card.h"

#define SLOT_SESSIONS 19

struct module;
struct slot;

enum slot_state {
	SLOT_EMPTY,             /* no card */
	SLOT_OFF,               /* no power */
	SLOT_STARTING,          /* being reset or read */
	SLOT_PIN, SLOT_PUK,     /* waits for one */
	SLOT_READY,
	SLOT_NO_APP,            /* a card without USIM: an eUICC without an enabled profile */
	SLOT_FAILED,            /* mute */
	SLOT_RESTART,           /* unusable until the module restarts */
	_SLOT_STATE_MAX
};

/*
 * One APDU. The owner keeps it until done() or slot_drop(); done() runs from the loop, n = 0 where
 * no answer will come (card gone, reset, mute).
 */
struct apdu_job {
	uint8_t apdu[CARD_APDU_MAX];
	size_t n;
	void (*done)(struct apdu_job *j, const uint8_t *answer, size_t n);
	/* slot.c only */
	struct list_node node;
	bool queued;
};

struct session {
	bool open;
	unsigned channel;
	char handle[24];        /* what the host calls it */
};

struct slot {
	struct module *m;
	struct card *card;              /* NULL: none was given */
	bool inserted;
	enum slot_state state;
	char iccid[24], imsi[20];       /* as the module knows them now */
	unsigned mnc_digits;
	unsigned pin_left, puk_left;
	unsigned resets;                /* of the card, ever */
	unsigned apdus;                 /* ever */
	unsigned rests;                 /* of them, those that ask for the rest of an answer */
	uint64_t apdu_us;               /* that card and module have taken for them */
	uint64_t apdu_began_us;
	uint32_t channels;              /* open on the card, whoever has opened them: 1 << number */

	/* apdu commands */
	struct session sessions[SLOT_SESSIONS];
	uint64_t handle_rng;
	unsigned opened;                /* channels through +CSIM, ever */

	/* slot.c only */
	struct card_user user;
	struct list_node jobs;
	struct apdu_job *flying;
	uint8_t head[5];                /* of the APDU the card has, its job may be gone */
	bool deaf;                      /* the answer in flight is nobody's any more */
	struct ev_alarm transport;      /* the module's own time for an APDU */
	uint8_t answer[CARD_ANSWER_MAX];
	size_t answer_n;
	bool answer_there;
	struct apdu_job own;            /* the module's own */
	unsigned step;
	char read_iccid[24], read_imsi[20];
	struct apdu_job look;           /* and its looking for another profile */
	struct ev_alarm poll;
	struct apdu_job fetch;
	unsigned fetch_n;
	bool refresh_pending;
	struct ev_alarm follow;         /* from REFRESH to the card's reset, and to the new ICCID */
	enum { FOLLOW_NOTHING, FOLLOW_RESET, FOLLOW_SHOW } following;
	enum slot_state show_state;
	bool read_done;
};

void slot_init(struct slot *s, struct module *m);
/* Takes the card over; NULL: an empty slot. */
void slot_give_card(struct slot *s, struct card *card, bool inserted);
void slot_stop(struct slot *s);

/* Power on, or reset of a powered card, then reading; module_card_ready() follows. */
void slot_start(struct slot *s);
void slot_power_off(struct slot *s);
void slot_insert(struct slot *s, bool present);
/* Goes on reading after the PIN was accepted. */
void slot_pin_given(struct slot *s);

void slot_submit(struct slot *s, struct apdu_job *j);
void slot_drop(struct slot *s, struct apdu_job *j);
/* True while APDUs make sense. */
bool slot_powered(const struct slot *s);
const char *slot_state_name(enum slot_state state);

/* An answer ended with 91xx: the module fetches what the card wants. */
void slot_proactive(struct slot *s, unsigned length);

/* module.c: the card's state is known after slot_start(); it changed later on. */
void module_card_ready(struct module *m);
/* module.c: true if the module acts on REFRESH although its personality does not by itself. */
bool module_follows_cards(const struct module *m);
/* module.c: the card begins to be read again. */
void module_card_leaves(struct module *m);

#endif
