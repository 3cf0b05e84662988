/*
 * Whole programs under test: starts them from the build the test belongs to, each in its own
 * process group, waits for what they say with deadlines, and ends them with the test. Everything
 * lives in one temporary directory that goes with rig_close().
 */
#ifndef SUPPORT_RIG_H
#define SUPPORT_RIG_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RIG_PROGRAMS 8
#define RIG_ARGS 40

struct rig_program {
	pid_t pid;                      /* 0: not running */
	int out;                        /* its standard output and error, both */
	char said[262144];              /* what came, terminated; beyond it the rest is dropped */
	size_t said_n;
	int status;                     /* as waitpid() gave it */
};

struct rig {
	char dir[64];
	char build[256];                /* build/<flavour> */
	struct rig_program programs[RIG_PROGRAMS];
	size_t n;
};

/* argv0: of the test, which is in build/<flavour>/tests/…; $BUILD wins. */
void rig_open(struct rig *r, const char *argv0);
/* Ends all programs. Fails the test if one has crashed, or a sanitizer has found something in one. */
void rig_close(struct rig *r);
/* A path in the rig's directory. Static storage, good for eight calls. */
const char *rig_path(struct rig *r, const char *name);

/* Starts build/<flavour>/name (or name itself, if it has a slash); arguments end with NULL. */
struct rig_program *rig_start(struct rig *r, const char *name, ...);
struct rig_program *rig_startv(struct rig *r, const char *name, char *const *argv);
/* True when the program has said this, from offset on; false when time ran out or it ended. */
bool rig_wait_for(struct rig_program *p, const char *text, size_t from, unsigned ms);
/* Takes what the program has said by now; false: it has said everything, as one that ends. */
bool rig_listen(struct rig_program *p);
/* The exit code, 128 + signal; -1: it did not end in time (and was killed). */
int rig_wait_end(struct rig_program *p, unsigned ms);
int rig_stop(struct rig_program *p);            /* SIGTERM, then as above */
/* Runs to its end: the exit code. What it said is in p->said. */
int rig_run(struct rig *r, struct rig_program **ret, const char *name, ...);

/* --- the usual set: sim-module on <dir>/modem, cellmuxd with socket <dir>/cellmux.sock ------------ */

struct rig_program *rig_start_module(struct rig *r, ...);       /* more options, NULL */
struct rig_program *rig_start_daemon(struct rig *r, ...);
/* One line to sim-module's control socket; false: it said no. */
bool rig_tell_module(struct rig *r, const char *line);
/* The answer to a line, static storage. */
const char *rig_ask_module(struct rig *r, const char *line);

/* --- the control socket --------------------------------------------------------------------------- */

struct rig_client {
	int fd;
	char in[1 << 20];
	size_t n;
};

int rig_dial(struct rig_client *c, const char *path, unsigned ms);      /* 0 or -errno */
void rig_hang_up(struct rig_client *c);
void rig_say(struct rig_client *c, const char *line);           /* LF is added */
/* The next line as an object, owned by the caller; NULL: time ran out or the end has come. */
struct json_object *rig_hear(struct rig_client *c, unsigned ms);
/* A request and its result; NULL: it was an error, whose name is in rig_error. */
struct json_object *rig_ask(struct rig_client *c, const char *method, const char *params,
			    unsigned ms);
extern char rig_error[64];
/* Waits by events until the modem is in this state. */
bool rig_wait_state(struct rig *r, const char *state, unsigned ms);

unsigned long long rig_now_ms(void);

#endif
