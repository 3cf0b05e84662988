/*
 * One line as many: 3GPP TS 27.010, basic option, as the side that began it (AT+CMUX). Each channel
 * (DLC) is a pipe. Channel 0 is the mux's own: opening and closing, modem signals, flow control.
 *
 * Life. The module has said OK to AT+CMUX and has had its pause; cmux_open() takes the line and asks
 * for channel 0. started() or ended() follows. Channels are opened one after the other, in the
 * order in which they were asked for; each gets opened() or refused(). cmux_stop() closes
 * everything in the standard's order and ends with ended(CMUX_END_CLOSED), answered or not: the line
 * is then the owner's again, and only an answer to AT proves that the module has left too.
 *
 * The module may leave or forget the mux by itself. Text on the line, an echo of our own frames or
 * what the owner suspects (cmux_check()) is a suspicion: the module is asked (Test, modem status),
 * and any frame of its own clears it.
 *
 * Sending. Channels queue octets, each up to its bound; frames leave one per channel and turn, first of
 * the channel that has not sent for longest, and no further ahead of the line than a few milliseconds:
 * a short command waits for the one frame that is on its way, not behind another channel's data.
 *
 * All callbacks run from the event loop, never from inside a call made here.
 */
#ifndef ATCMD_CMUX_H
#define ATCMD_CMUX_H

#include "atcmd/cmux_frame.h"
#include "core/buf.h"
#include "core/ev.h"
#include "core/list.h"
#include "link/pipe.h"

#define CMUX_BACKLOG 8192
/* What a module sends on a channel before its UA has been seen. */
#define CMUX_EARLY_MAX 512
#define CMUX_TEST_MAX 8

/* Signals of a modem status message, 27.010 5.4.6.3.7 */
enum {
	CMUX_FC = 0x02,         /* stop sending */
	CMUX_RTC = 0x04,        /* ready to communicate: DTR, DSR */
	CMUX_RTR = 0x08,        /* ready to receive: RTS, CTS */
	CMUX_IC = 0x40,         /* ring */
	CMUX_DV = 0x80,         /* data valid: DCD */
};

enum cmux_end {
	CMUX_END_CLOSED,        /* as asked */
	CMUX_END_UNANSWERED,    /* channel 0 was never opened */
	CMUX_END_AT_MODE,       /* it answers like a module that is not muxing */
	CMUX_END_RESTARTED,     /* it said what a module says after a start */
	CMUX_END_BY_MODULE,     /* it closed everything down */
	CMUX_END_SILENT,
	CMUX_END_HUNG_UP,       /* the line */
	_CMUX_END_MAX
};

enum cmux_state {
	CMUX_CLOSED,
	CMUX_EXPECT_START,      /* SABM 0 sent */
	CMUX_OPEN,
	CMUX_EXPECT_DISC,       /* closing down: channel by channel */
	CMUX_EXPECT_CLD,
	CMUX_EXPECT_DISC0,      /* no answer to CLD: the other way */
	_CMUX_STATE_MAX
};

enum cmux_dlc_state {
	CMUX_DLC_CLOSED,
	CMUX_DLC_QUEUED,        /* another one is being opened */
	CMUX_DLC_EXPECT_PN,
	CMUX_DLC_EXPECT_UA,
	CMUX_DLC_EXPECT_MSC,    /* open; some modules want their signals answered before the next SABM */
	CMUX_DLC_OPEN,
	CMUX_DLC_EXPECT_DISC,
	_CMUX_DLC_STATE_MAX
};

struct cmux;

/* Embedded in whoever uses the channel; zeroed before its first use. */
struct cmux_dlc {
	/*
	 * From opened() to cmux_dlc_close() or hung_up(). After cmux_close() it takes nothing and
	 * hung_up() is not called: whoever closes the mux closes what stands on it.
	 */
	struct pipe pipe;
	void (*opened)(struct cmux_dlc *d);
	/* silent: no answer at all; else the module said no (DM). */
	void (*refused)(struct cmux_dlc *d, bool silent);
	/* The module's signals have changed: CMUX_… bits. May be NULL. */
	void (*signals)(struct cmux_dlc *d, unsigned bits);

	/* the cmux files only */
	struct cmux *mux;
	unsigned dlci;
	enum cmux_dlc_state state;
	struct list_node node;
	struct buf out, early;
	uint8_t out_store[CMUX_BACKLOG], early_store[CMUX_EARLY_MAX];
	uint64_t turn;                  /* when it sent last, in frames */
	unsigned tries, peer_bits;
	bool held;                      /* we have asked it to stop sending */
	bool no_dtr;                    /* we are not ready, as far as it knows */
	bool msc_due, msc_heard;        /* our signals are not answered yet; its own have come */
	bool data_cr0;                  /* its data have been seen to have the responder's C/R */
	struct ev_alarm timer;
};

struct cmux_options {
	unsigned n1;                    /* information per frame that we send; 0: 31 */
	unsigned t1_ms, t2_ms, n2;      /* 0: defaults */
	unsigned baud;                  /* paces what is given to the line; 0: the line does itself */
	bool negotiate;                 /* ask with PN before a channel is opened */
};

struct cmux_stats {
	uint32_t sent, received, retries, checks, unknown, dropped;
};

struct cmux {
	const char *name;               /* subject of its log lines */
	void (*started)(struct cmux *m);
	void (*ended)(struct cmux *m, enum cmux_end why);
	struct cmux_options o;
	struct cmux_stats stats;

	/* the cmux files only */
	struct pipe *line;
	struct pipe_user user;
	struct cmux_reader reader;
	enum cmux_state state;
	struct list_node dlcs;
	struct ev_alarm timer, gap, pace, check;
	struct ev_task pump;
	unsigned tries, check_tries;
	uint64_t turn;
	uint64_t line_busy_us;          /* until when what was written keeps the line */
	bool all_stopped;               /* FCoff */
	bool held;                      /* we do not read the line */
	bool gap_doubted;               /* the rest of a frame is late, or waits to be read */
	bool asleep;                    /* power saving: flags first */
	unsigned wakes;
	bool no_control;                /* channel 0 was refused; some work all the same */
	enum cmux_end suspicion;
	bool checking, heard;           /* something has come meanwhile */
	bool must_answer;               /* that alone does not do */
	uint8_t test[2];                /* what the last Test carried */
	char noise[80];
	size_t noise_n;
};

/* name, started, ended and o are set. Takes the line as its user. */
void cmux_open(struct cmux *m, struct pipe *line);
/* At once and without a word to the module; nothing is called any more. */
void cmux_close(struct cmux *m);
bool cmux_is_open(const struct cmux *m);
/* Closes down in order; ended() follows. */
void cmux_stop(struct cmux *m);
/* Somebody doubts that the module still hears us: ended(CMUX_END_SILENT) if it does not answer. */
void cmux_check(struct cmux *m);

/* 1 to CMUX_DLCI_MAX. opened() or refused() follows, unless the mux ends before. */
void cmux_dlc_open(struct cmux *m, struct cmux_dlc *d, unsigned dlci);
/* Tells the module, waits for nothing. The channel may be opened again at once. */
void cmux_dlc_close(struct cmux_dlc *d);
bool cmux_dlc_is_open(const struct cmux_dlc *d);
/* Stops the line itself for everybody, and lets it go on: for a module that heeds no channel's wish. */
void cmux_hold(struct cmux *m, bool on);
/* Asks the module to stop sending on this channel, and to go on. */
void cmux_dlc_hold(struct cmux_dlc *d, bool on);
/* Our DTR on this channel. Off: most modules then hang up a call. */
void cmux_dlc_dtr(struct cmux_dlc *d, bool on);

const char *cmux_end_name(enum cmux_end end);

/*
 * The octets that end the mux of a module about which nothing is known: close-down, and DISC on
 * channel 0 for those that do not know it.
 */
#define CMUX_LEAVE "\xf9\x03\xef\x05\xc3\x01\xf2\xf9\xf9\x03\x53\x01\xfd\xf9"
/*
 * Writes them to a line that no mux has, and a CR. In front stand flags, which fill up a frame that was
 * cut: a module that waits for the rest of one takes everything for it.
 */
void cmux_leave_blindly(struct pipe *line);

/* --- between the files ------------------------------------------------------------------------- */

/* cmux.c */
void cmux_send(struct cmux *m, unsigned dlci, enum cmux_type type, struct text info);
void cmux_finish(struct cmux *m, enum cmux_end why);
void cmux_suspect(struct cmux *m, enum cmux_end why);
void cmux_dlc_settled(struct cmux_dlc *d);
struct cmux_dlc *cmux_find(struct cmux *m, unsigned dlci);
void cmux_closed_down(struct cmux *m);
void cmux_negotiated(struct cmux_dlc *d);

/* cmux_doubt.c */
void cmux_doubt_init(struct cmux *m);
/* A frame has come: a sign of life, or the answer that was asked for. */
void cmux_note_life(struct cmux *m, const struct cmux_frame *f);

/* cmux_control.c: channel 0, 27.010 5.4.6 */
void cmux_control(struct cmux *m, struct text info);
void cmux_send_msc(struct cmux_dlc *d);
void cmux_send_pn(struct cmux_dlc *d);
void cmux_send_test(struct cmux *m);
void cmux_send_cld(struct cmux *m);

#endif
