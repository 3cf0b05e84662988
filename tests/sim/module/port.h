/*
 * One AT interpreter (V.250, 27.007 chapter 4): a stream of octets in, a stream out. It knows
 * nothing of what carries the octets, so each DLC of a multiplexer can have its own; what belongs
 * to the module as a whole is in struct module.
 *
 * Life of a command line: typed (echoed, edited) -> taken apart -> commands run one after the
 * other, some of which end later -> the answer is collected, the final result appended, faults
 * applied -> the answer leaves as a whole. What is typed meanwhile waits, or aborts an abortable
 * command.
 */
#ifndef SIM_MODULE_PORT_H
#define SIM_MODULE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/ev.h"
#include "core/text.h"
#include "core/util.h"
#include "sim/module/faults.h"
#include "sim/module/slot.h"

#define PORT_LINE_MAX 4096
#define PORT_ANSWER_MAX 65536
#define PORT_CUTS 512
#define PORT_WAITING_MAX 4096
#define PORT_S_REGISTERS 32

struct module;
struct port;

/*
 * How a command ends. Errors of the module's own wording go to END_TEXT by port_refuse().
 * END_LATER: port_end() will follow.
 */
enum {
	END_OK, END_ERROR, END_LATER, END_SILENT, END_CONNECT, END_NO_CARRIER, END_TEXT,
	_END_NAMED_MAX,
	_END_CME = 1000, _END_CMS = 3000,
};
#define END_CME(code) (_END_CME + (code))
#define END_CMS(code) (_END_CMS + (code))

enum form {
	FORM_ACTION = 1,        /* +X */
	FORM_SET = 2,           /* +X=... */
	FORM_READ = 4,          /* +X? */
	FORM_TEST = 8,          /* +X=? */
};

/* One command of a line while it runs. */
struct call {
	struct module *m;
	struct port *port;
	const struct command *command;
	enum form form;
	struct text args;               /* behind '=', to the end of the command */
};

struct command {
	const char *name;               /* upper case: "+CREG" */
	unsigned forms;
	unsigned makers;                /* whose modules have it; 0: everybody's */
	int (*run)(struct call *c);
	bool abortable;                 /* by a character, V.250 5.6.1 */
};

enum port_state {
	PORT_COMMAND,                   /* reads a line */
	PORT_BUSY,                      /* a line runs, or its answer is on its way */
	PORT_PROMPT,                    /* takes text until Ctrl-Z or ESC */
	PORT_DATA,                      /* octets are data */
	_PORT_STATE_MAX
};

/* What each port of a module has for itself; as after power-up when it is zeroed and reset. */
struct port_settings {
	bool echo, verbose, quiet;
	unsigned x, cmee;
	unsigned creg, cgreg, cereg, c5greg, cgerep, cmer, ctzr, cusd, cscon;
	unsigned cnmi_mode, cnmi_mt, cnmi_ds;
	bool cmgf, csdh;
	unsigned cops_format;
	unsigned qsimstat, qss, xsim, scks;
	uint8_t s[PORT_S_REGISTERS];
	char cscs[16];
};

struct port {
	struct module *m;
	/* Octets for the host, from the loop or from port_feed(). */
	void (*write)(struct port *p, const void *data, size_t n);
	/* A call begins, or is over. May be NULL. */
	void (*carrier)(struct port *p, bool on);
	struct port_settings set;

	/* port.c and line.c only */
	enum port_state state;
	char line[PORT_LINE_MAX], last[PORT_LINE_MAX];
	size_t line_n, last_n;
	unsigned seen;                  /* of the prefix: 0 nothing, 1 'A', 2 "AT" */
	bool too_long;
	struct text rest;               /* of the line that runs, not yet taken */
	struct call call;
	char name[24];                  /* of the running command */
	uint64_t began_ms;
	char final_text[64];
	char answer[PORT_ANSWER_MAX];   /* what the line has said so far */
	size_t answer_n;
	size_t cuts[PORT_CUTS];         /* where its lines begin: between them a URC may come */
	unsigned cuts_n;
	struct fate fate;
	size_t sent;                    /* of the answer */
	uint8_t waiting_store[PORT_WAITING_MAX];
	struct buf waiting;             /* typed while busy */
	unsigned mux_n1;                /* the mux begins when this answer has left; 0: not */
	bool quiet_yet;                 /* has not found the speed: nothing leaves */
	uint8_t urc_store[PORT_ANSWER_MAX];
	struct buf urcs;                /* held back while a line is being typed, or data flow */
	struct ev_alarm later;
	struct ev_task next;
	int ended;                      /* how the running command ended, -1: it runs */
	int final;                      /* how the line did */

	/* the command that talks to the card */
	struct apdu_job job;
	struct card_task {
		void (*judge)(struct port *p, const uint8_t *data, size_t n, unsigned sw);
		unsigned step, number, a, b, c, wait_ms;
		char text[64];
		uint8_t data[CARD_ANSWER_MAX];
		size_t data_n;
	} task;
	struct ev_alarm task_limit;

	/* prompt */
	void (*prompt_done)(struct port *p, struct text body, bool cancelled);
	char body[PORT_LINE_MAX];
	size_t body_n;
	bool prompt_again;              /* after each CR: text mode */

	/* data */
	unsigned plus;                  /* of "+++" */
	uint64_t last_octet_ms;
	struct ev_alarm guard;
	bool was_data;                  /* ATO goes back */
};

void port_init(struct port *p, struct module *m);
/* As after power-up: settings, half a line, an open prompt or data connection are gone. */
void port_reset(struct port *p);
void port_default_registers(struct port *p);
void port_stop(struct port *p);
void port_feed(struct port *p, const void *data, size_t n);

/* A line of the running command's answer. */
void port_say(struct port *p, const char *fmt, ...) __printf(2, 3);
/* An unsolicited line; held back where the port cannot show it now. */
void port_urc(struct port *p, const char *fmt, ...) __printf(2, 3);
/* Octets as they are, now. */
void port_raw(struct port *p, const void *data, size_t n);
/* The running command ends, after END_LATER. */
void port_end(struct port *p, int end);
/* END_TEXT with these words as the whole final line. */
int port_refuse(struct port *p, const char *words);
/*
 * The running command, which returns END_LATER, asks for text: prompt_done() gets it and calls
 * port_end(). The answer so far is shown first.
 */
void port_prompt(struct port *p, bool again,
		 void (*done)(struct port *p, struct text body, bool cancelled));
/* Leaves data mode; words ("NO CARRIER") or NULL. */
void port_leave_data(struct port *p, const char *words);

/* --- arguments (args.c) --------------------------------------------------------------------------- */

/* The next argument, quotes kept and respected, blanks around it taken off; empty: left out. */
struct text arg_next(struct text *rest);
/* Without quotes. */
struct text arg_string(struct text *rest);
/* A number in this range; otherwise the default where it is left out. -EINVAL, or 0. */
int arg_number(struct text *rest, unsigned low, unsigned high, unsigned otherwise, unsigned *ret);

#endif
