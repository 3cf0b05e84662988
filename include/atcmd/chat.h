/*
 * A conversation with a module over one pipe: a queue of commands of which exactly one is in
 * flight, unsolicited lines to who asked for them, and a way back into step after a silence.
 *
 * Out of step. A command whose final result did not come within its patience is ended with
 * AT_TIMEOUT. Its answer may still come and must not be taken for the next one's: the chat holds
 * the queue, waits until the line is silent, and asks for something that cannot be confused with
 * a late answer (resync.c). If the module does not come back, it says so once, by silent(), and
 * holds the queue until at_chat_sync() or at_chat_close().
 *
 * Callbacks run from the event loop, never from inside a call made here.
 */
#ifndef ATCMD_CHAT_H
#define ATCMD_CHAT_H

#include <stdbool.h>
#include <stdint.h>

#include "atcmd/line.h"
#include "atcmd/result.h"
#include "core/ev.h"
#include "core/list.h"
#include "core/proc.h"
#include "link/pipe.h"

struct at_cmd;

/* chat.c only */
enum at_cmd_state {
	AT_CMD_IDLE,
	AT_CMD_QUEUED,
	AT_CMD_EXPECT_RESULT,
	AT_CMD_ENDED,           /* done() will be called from the loop */
};

/*
 * The caller owns the command and what it points to, from at_submit() until done() has begun
 * or at_cancel() has returned. Exactly one of the two happens. In done() the command may be
 * submitted again or freed.
 */
struct at_cmd {
	const char *text;       /* without CR */
	const char *prefix;     /* of its lines where that is not its own name: "+ICCID:" */
	bool every;             /* its answer has bare lines, or is a stranger's: takes what is no URC */
	const char *body;       /* sent after the prompt; NULL: a prompt is answered with ESC */
	size_t body_n;
	bool body_raw;          /* as it is, after "CONNECT", "DOWNLOAD" or '@' too; else Ctrl-Z follows */
	unsigned patience_ms;   /* from when it, or its body, is on the line */
	void (*line)(struct at_cmd *cmd, struct text line);     /* may be NULL */
	/*
	 * A stranger's dialogue with the module. prompt: it asks for a body, to be given by at_reply();
	 * without it a prompt is answered as body says. connected: the line is the command's own from
	 * here on, behind CONNECT, DOWNLOAD or '@' (line: that word): octets go to data() as they come,
	 * at_write() sends, the queue waits, patience is off. It ends with at_give_back(), without
	 * done(), or with done(AT_LINK_LOST). All four may be NULL; connected goes with data.
	 */
	void (*prompt)(struct at_cmd *cmd, char which);
	void (*connected)(struct at_cmd *cmd, struct text line);
	void (*data)(struct at_cmd *cmd, struct text octets);
	void (*drained)(struct at_cmd *cmd);
	/* code: see enum at_end; final: the result's own text, valid until done() returns. */
	void (*done)(struct at_cmd *cmd, enum at_end end, int code, struct text final);
	/* chat.c only, from here */
	struct list_node node;
	enum at_cmd_state state;
	enum at_end end;
};

/* Hears lines that start with the prefix; "" hears all that are no answers. */
struct at_urc {
	const char *prefix;
	/* body: the line that belongs to it (+CMT: …), else empty. */
	void (*heard)(struct at_urc *u, struct text line, struct text body);
	struct list_node node;
};

struct at_chat_stats {
	uint32_t commands, urcs, timeouts, resyncs, strays, overlong;
};

struct at_chat {
	const char *name;               /* subject of its log lines, "at" */
	/* The pipe hung up; it is not used any more. All commands end with AT_LINK_LOST. */
	void (*lost)(struct at_chat *c, int error);
	/* A command was not answered in time; getting back into step begins. May be NULL. */
	void (*late)(struct at_chat *c);
	/* Out of step, and no way of asking brought an answer. */
	void (*silent)(struct at_chat *c);
	/* In step again. May be NULL. */
	void (*synced)(struct at_chat *c);
	/* The echo that had been switched off is back: the module has restarted unseen. May be NULL. */
	void (*echoed)(struct at_chat *c);
	unsigned gap_ms;                /* pause between a final result and the next command */
	bool no_rescue;                 /* a sync only probes: for hunting the line speed */
	bool on_channel;                /* the pipe is one of a mux's, which is not to be left */

	struct at_chat_stats stats;

	/* chat.c and resync.c only */
	struct pipe *pipe;
	struct pipe_user user;
	struct at_line lexer;
	struct list_node queue, ended, urcs;
	struct at_cmd *now;             /* in flight */
	bool swallowing;                /* the command in flight was cancelled: its answer is dropped */
	bool echo_seen, body_sent;
	bool lent, lent_lf;             /* to the command in flight; the LF of its CONNECT may follow */
	bool held;
	char now_text[64];              /* of a swallowed command, for what is final for it */
	char urc_line[AT_LINE_MAX];     /* an unsolicited line whose body is still to come */
	struct ev_alarm patience, hold, gap, body_wait;
	struct ev_task pump;
	struct proc resync;
	struct at_cmd probe;
	bool syncing, sync_failed;
	bool fresh;                     /* nothing was asked yet since the pipe was opened */
	bool echo_off;                  /* the module was told E0 */
	bool crlf;                      /* it takes a line only with CR LF at its end (Nordic) */
	bool crlf_doubt;                /* it answered one; not yet known whether it must be */
	unsigned marker;                /* which question comes next */
	bool marker_seen, rescued, escaped;
	bool unanswered;                /* the last question of the resync was */
	uint64_t heard_ms;              /* when the last octet came */
	int lost_error;
	bool is_lost;
};

void at_chat_open(struct at_chat *c, struct pipe *pipe);
/* All commands end with AT_LINK_LOST. The pipe is the caller's to close. */
void at_chat_close(struct at_chat *c);
bool at_chat_is_open(const struct at_chat *c);

void at_submit(struct at_chat *c, struct at_cmd *cmd);
/* Before everything else that waits. */
void at_submit_first(struct at_chat *c, struct at_cmd *cmd);
/* done() will not be called. A command in flight still gets its answer, which is swallowed. */
void at_cancel(struct at_chat *c, struct at_cmd *cmd);
bool at_cmd_active(const struct at_cmd *cmd);
/* It is on the line, and nothing else of this chat. */
bool at_cmd_in_flight(const struct at_chat *c, const struct at_cmd *cmd);

/*
 * What the command in flight wants to be written behind a prompt; ESC ends it. Its patience starts
 * anew. The whole body in one go: what the module shows in between is dropped.
 */
void at_reply(struct at_chat *c, struct at_cmd *cmd, const void *data, size_t n);
/* While it is connected, or to abort what can be aborted (V.250 5.6.1): as pipe_write(). */
int at_write(struct at_chat *c, struct at_cmd *cmd, const void *data, size_t n);
size_t at_backlog(const struct at_chat *c);
/* While it is connected: as pipe_hold(), and undone at the latest when it ends. */
void at_hold(struct at_chat *c, struct at_cmd *cmd, bool on);
/*
 * Ends a connected command without done(). clean: the module is back in command mode; else the
 * chat finds the way out of data mode, and hangs up.
 */
void at_give_back(struct at_chat *c, struct at_cmd *cmd, bool clean);

void at_listen(struct at_chat *c, struct at_urc *u);
void at_unlisten(struct at_urc *u);

/*
 * Assumes nothing about the module's state: gets into step as after a timeout, before the queue.
 * synced() or silent() follows, unless the pipe hangs up.
 */
void at_chat_sync(struct at_chat *c);
bool at_chat_in_step(const struct at_chat *c);
/* Its line is a command's own: data mode. Everything else waits until that is over. */
bool at_chat_lent(const struct at_chat *c);
/* Commands queued or in flight. */
bool at_chat_busy(const struct at_chat *c);

/* resync.c only */
const char *at_chat_line_end(const struct at_chat *c);
extern const struct step at_resync_steps[];

#endif
