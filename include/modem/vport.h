/*
 * Virtual AT ports: each looks like a serial port with a module of its own behind it. The V.250
 * side (echo, V, Q, X, S registers, A/, several commands in a line, error texts) is done here per
 * port and never reaches the module; what a port has set is kept per port, the module being told the
 * highest of all; commands go one by one into the chat that everybody uses, or into the port's own
 * CMUX channel; answers go to the asker, reports to those that asked for them. What is forwarded,
 * kept, answered without effect or refused is one table, vport_rules.c.
 *
 *     vports.c       all of them: what the module must be told on their behalf, reports to each
 *     vport.c        one port: its client, line editor, result codes
 *     vport_run.c    a command on its way through the module: dialogue, abort
 *     vport_data.c   data mode
 *     vport_own.c    the settings that a port has for itself
 *     vport_urc.c    which reports a port gets, and in which form
 */
#ifndef MODEM_VPORT_H
#define MODEM_VPORT_H

#include "atcmd/chat.h"
#include "atcmd/cmux.h"
#include "atcmd/endpoint.h"
#include "core/ev.h"

#define VPORTS_MAX 8
#define VPORT_LINE_MAX 2048
#define VPORT_BODY_MAX 2048
#define VPORT_AHEAD_MAX 2048
#define VPORT_PENDING_MAX 2048
#define VPORT_TEXT_MAX 40

enum vport_kind { VPORT_PTY, VPORT_SOCKET };

enum vport_urcs {
	VPORT_URCS_ASKED,       /* what the client has asked for, and what needs no asking */
	VPORT_URCS_ALL,
	VPORT_URCS_NONE,
};

enum vport_data {
	VPORT_DATA_NO,          /* dialling is answered by NO CARRIER */
	VPORT_DATA_YES,         /* with CMUX on its own channel; else the line is lent until hang-up */
	VPORT_DATA_MUX,         /* on its own channel or not at all */
};

struct vport_options {
	char name[32];
	char path[200];                 /* "" name in the run directory */
	unsigned kind;                  /* enum vport_kind */
	char group[33];
	char mode[5];                   /* octal */
	unsigned urcs, data;            /* enum vport_urcs, vport_data */
	bool control;                   /* may restart the module and switch its radio off */
};

/* Settings of one number. The first ones are V.250's and never reach the module. */
enum vport_number {
	VPORT_E, VPORT_V, VPORT_Q, VPORT_X, VPORT_CMEE,
	VPORT_CREG, VPORT_CGREG, VPORT_CEREG, VPORT_C5GREG,
	VPORT_CMGF, VPORT_CSDH, VPORT_CLIP, VPORT_COLP, VPORT_CRC, VPORT_CTZR, VPORT_CUSD,
	VPORT_CGPIAF, VPORT_COPS,
	_VPORT_NUMBER_MAX
};

/* Settings that are a list of fields, kept as they were given. */
enum vport_text { VPORT_CNMI, VPORT_CMER, VPORT_CGEREP, VPORT_CSCS, _VPORT_TEXT_MAX };

struct vport_own {
	unsigned n[_VPORT_NUMBER_MAX];
	char text[_VPORT_TEXT_MAX][VPORT_TEXT_MAX];
	uint8_t s[32];                  /* S registers */
	int stat[4];                    /* last registration state told with n = 1; -1 none */
};

enum vport_state {
	VPORT_AWAY,             /* no client */
	VPORT_COMMAND,
	VPORT_RUNNING,          /* a command is with the module */
	VPORT_PROMPT,           /* the client types a body */
	VPORT_CONNECTED,        /* data mode */
	_VPORT_STATE_MAX
};

enum vport_phase { VPORT_PREPARE, VPORT_ASK, VPORT_RESTORE };

struct modem;
struct vports;

struct vport_stats {
	uint32_t clients, lines, commands, dropped;
	uint64_t in, out;               /* octets from and to clients */
};

struct vport {
	struct vport_options o;
	/* Of log lines: what its client says, and its own channel; a port may be called at1, as the line is. */
	char subject[40], line_subject[48];
	struct vport_stats stats;
	uint64_t since_ms;              /* since when its client is there, or it has none */

	/* the layer's own, from here */
	struct vports *all;
	struct endpoint end;
	struct pipe_user user;
	enum vport_state state;
	bool lingers;                   /* the client has left; what it has written whole still runs */
	bool ending;                    /* the client writes no more and waits for its answers */
	struct vport_own own;

	char line[VPORT_LINE_MAX];      /* what is being typed */
	size_t n;
	bool overlong, skip_lf;
	char last[VPORT_LINE_MAX];      /* for A/ */
	char ahead[VPORT_AHEAD_MAX];    /* typed while a command runs */
	size_t ahead_n;
	char pending[VPORT_PENDING_MAX];        /* reports that have to wait */
	size_t pending_n;

	char rest[VPORT_LINE_MAX];      /* commands of the line that still have to run */
	size_t rest_at;
	struct ev_task step;

	struct at_chat *chat;           /* where the running command is */
	struct at_cmd cmd;
	enum vport_phase phase;
	char text[VPORT_LINE_MAX + 2];  /* of the command in the chat */
	char main[VPORT_LINE_MAX + 2];  /* the client's own, while it is prepared */
	const char *restore;
	char prepared[VPORT_TEXT_MAX + 16];
	unsigned prepare_i;
	bool wrapped;
	bool look, abortable, aborted, data_allowed, any_info;
	int set_number, set_text;       /* what to keep when the module has said OK; -1 nothing */
	unsigned set_n;
	char set_value[VPORT_TEXT_MAX];
	enum at_end end_kind;           /* of the main command, while things are restored */
	int end_code;
	char end_text[160];
	uint64_t sent_ms;

	char body[VPORT_BODY_MAX];
	size_t body_n;
	bool shows_prompt;
	struct ev_alarm patience;       /* of a prompt */

	bool dialled;                   /* the data mode is a call's */
	bool restarted;                 /* the module's first words have come in it */
	bool dcd_off, mute;             /* DCD has gone off; and there were no words */
	char tail[40];                  /* the last octets from the module */
	size_t tail_n;
	size_t behind_n;                /* what has come behind the words that may be its end */
	uint64_t typed_ms, plus_ms;     /* the last octet from the client; the last "+++" */
	unsigned plus_n;
	struct ev_alarm dtr, over;
	bool slow;                      /* its client does not keep up: the module is asked to wait */
	bool line_stopped, heedless;    /* the module does not: the whole line is; was, in vain */
	struct ev_alarm stuck;          /* how long it may stay so */

	/* its own CMUX channel; chat is open when it may be used */
	struct cmux_dlc *dlc;
	unsigned signals;               /* the module's on it: CMUX_… */
	struct ev_alarm dtr_again;      /* ours is off until then */
	struct at_chat own_chat;
	struct at_urc own_urc;
	bool own_ready;
	struct at_cmd own_setup;
	char recent[4][64];             /* reports that its own channel has brought already */
	uint64_t recent_ms[4];
	unsigned recent_i;
};

struct vports {
	/* A client has come to this port or left it, or its data mode has begun or ended. May be NULL. */
	void (*changed)(struct vports *p, struct vport *v);
	struct modem *modem;
	struct vport *ports[VPORTS_MAX];
	size_t n;
	struct at_urc urc;
	/* What the module was told on behalf of the ports, and must be told again after a restart. */
	unsigned level[_VPORT_NUMBER_MAX];
	char level_text[_VPORT_TEXT_MAX][VPORT_TEXT_MAX];
	int cmgf, csdh, cops;           /* as they stand in the module; -1 unknown */
	char cscs[VPORT_TEXT_MAX];
	struct at_cmd tell;
	char tell_text[80];
	unsigned tell_i;
	bool telling, tell_again;
};

/*
 * Opens all ports; run_dir is for those without a path. 0 or a negative errno with one line in why:
 * then none is open.
 */
int vports_open(struct vports *p, struct modem *m, const struct vport_options *o, size_t n,
		const char *run_dir, char why[ENDPOINT_WHY_MAX]);
void vports_close(struct vports *p);
/* The modem's state has changed. */
void vports_state(struct vports *p);
/* Somebody else's command may have changed how the module is set up. */
void vports_doubt(struct vports *p);
/* One of the commands in the line would reach into the channel that the daemon has on the card. */
bool vports_touch_card(const struct modem *m, struct text line);
/* The port's own channel is open, or gone (NULL). */
void vport_set_channel(struct vport *v, struct cmux_dlc *dlc);
/* The module's signals on it have changed: CMUX_… */
void vport_signals(struct vport *v, unsigned bits);

/* The port whose data call has everybody's line; NULL: none. */
const struct vport *vports_caller(const struct vports *p);
/* What it is doing: "free" "command" "running" "prompt" "data". */
const char *vport_state_name(const struct vport *v);
/* A setting of the port, by its command without plus and AT ("E", "CMEE", "CSCS"), one after the other. */
bool vport_own_setting(const struct vport *v, unsigned i, const char **ret_name, unsigned *ret_n,
		       const char **ret_text);

/* --- between the files ------------------------------------------------------------------------------- */

enum vport_rule {
	VPORT_FORWARD,
	VPORT_LOOK,             /* forwarded; what the daemon knows is read again afterwards */
	VPORT_OWN,              /* kept per port */
	VPORT_NOTHING,          /* OK, and nothing happens: it is the daemon's business */
	VPORT_DIAL,
	VPORT_RESTART,          /* with control: through the life cycle; else refused */
	VPORT_CONTROL,          /* with control: forwarded; else refused */
	VPORT_REFUSED,
};

/* vports.c: the module is told what the ports want, if it may have changed. */
void vports_ready(struct vports *p);

/* vport_rules.c */
enum vport_rule vport_rule(struct text command, bool *ret_abortable);
/* The command would reach into the card's channel that the daemon has open. */
bool vport_touches_card(const struct modem *m, struct text command);

/* vport.c */
int vport_open(struct vport *v, const char *run_dir, char why[ENDPOINT_WHY_MAX]);
void vport_close(struct vport *v);
void vport_write(struct vport *v, const void *data, size_t n);
/* What the client has written. */
void vport_type(struct vport *v, struct text data);
/* Takes nothing more from the client, and again. */
void vport_hold(struct vport *v, bool on);
void vport_info(struct vport *v, struct text line);
void vport_result(struct vport *v, enum at_end end, int code, struct text final);
/* The command at hand has ended: the next one of the line, or the result. */
void vport_command_done(struct vport *v, enum at_end end, int code, struct text final);
void vport_line_done(struct vport *v);
/* For all.changed(). */
void vport_changed(struct vport *v);

/* vport_run.c */
void vport_run(struct vport *v, struct text command);
/* False: it is not for what runs. */
bool vport_run_typed(struct vport *v, struct text data);
void vport_run_drop(struct vport *v);
/* The client has left, or will write no more. True: what runs goes on to its end; false: nothing does. */
bool vport_run_leave(struct vport *v);
/* Nothing but the module's word on a command that it has is waited for. */
bool vport_run_awaits(const struct vport *v);
void vport_run_init(struct vport *v);

/* vport_data.c: while the module's line is the command's own */
void vport_data_init(struct vport *v);
void vport_data_connected(struct vport *v, struct text line);
void vport_data_octets(struct vport *v, struct text octets);
void vport_data_typed(struct vport *v, struct text data);
/* The client has taken all that there was for it. */
void vport_data_go_on(struct vport *v);
/* The client has left. */
void vport_data_leave(struct vport *v);
void vport_data_hang_up(struct vport *v, const char *why);
/* The call is over, and not by its client. */
void vport_data_carrier_lost(struct vport *v);
/* The module's DCD on its own channel has gone off, or on. */
void vport_data_dcd(struct vport *v, bool on);
/* It is over, however: nothing of it runs or waits any more. */
void vport_data_stop(struct vport *v);

/* vport_own.c */
enum vport_own_verdict { VPORT_OWN_OK, VPORT_OWN_ERROR, VPORT_OWN_ASK };
void vport_own_reset(struct vport *v);
/* ASK: v->set_… say what to keep if the module agrees. */
enum vport_own_verdict vport_own_run(struct vport *v, struct text command);
/* What it means depends on how the module is set up. */
bool vport_own_depends(struct text command);
/* The next command that the module needs before the client's (NULL: none); i counts from 0. */
const char *vport_own_prepare(struct vport *v, struct text command, unsigned i);
const char *vport_own_restore(const struct vport *v, struct text command);
void vport_own_prepared(struct vport *v, const char *text);
void vport_own_keep(struct vport *v);
/* What to tell the module after a start, item by item; false: no such item. "" nothing to tell. */
bool vport_own_need(struct vports *p, unsigned i, char *dst, size_t cap);

/* vport_urc.c */
/* The line of an answer in this port's form. */
void vport_answer_line(struct vport *v, struct text line);
void vport_report(struct vport *v, struct text line, struct text body);
void vport_report_pending(struct vport *v);

#endif
