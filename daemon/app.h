/* The parts of the running daemon, and the files at this level that connect them. */
#ifndef APP_H
#define APP_H

#include <json-c/json.h>

#include "ctl/ctl.h"
#include "modem/modem.h"
#include "settings.h"

struct app {
	struct settings settings;
	const char *config_path;        /* NULL: none was read */
	uint64_t started_ms;
	struct modem modem;
	struct ctl_user user;
	struct ctl *ctl;                /* NULL: not open */
	/* modem_methods.c */
	struct list_node requests;      /* at.send calls under way */
	struct list_node waiting;       /* status calls that wait for a refresh */
	struct ctl_job *reset_job;
	struct ev_alarm reset_deadline;
};

/* Exit codes, in cellmuxd(8). */
enum {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,            /* options or configuration */
	EXIT_CODE_NO_DEVICE = 3,
	EXIT_CODE_NO_PERMISSION = 4,
	EXIT_CODE_IN_USE = 5,           /* the port or the socket */
};

/* wire.c: opens everything, runs the loop until a signal, closes everything. The exit code. */
int app_run(struct app *app);

/* modem_json.c: the modem object of status and events. */
struct json_object *modem_to_json(const struct modem *m);
struct json_object *modem_changes_to_json(unsigned what);

/* modem_methods.c */
extern const struct ctl_method modem_methods[];
void modem_methods_open(struct app *app);
void modem_methods_close(struct app *app);
/* The modem's changed() and refreshed(). */
void modem_methods_changed(struct app *app, unsigned what);
void modem_methods_refreshed(struct app *app);

#endif
