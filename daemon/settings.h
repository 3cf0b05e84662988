/* What can be configured: one table of keys, see config/cellmux.conf for what each one means. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

#include "core/conf.h"

enum radio_policy { RADIO_ON, RADIO_KEEP };

struct settings {
	char device[256];
	unsigned baud;
	bool rtscts, hunt;
	char pin[9];
	unsigned radio;                 /* enum radio_policy */
	unsigned alive_s, gap_ms;
	bool wait;
	char run_dir[200], state_dir[200];
	char socket[108];               /* "" cellmux.sock in run_dir */
	char reader_group[33], admin_group[33];
	unsigned log_level;             /* enum log_level */
};

/* The table over these settings. */
struct conf settings_conf(struct settings *s);

/* What no single key can tell; 0, or -EINVAL and one line in why. */
int settings_check(struct settings *s, char why[CONF_WHY_MAX]);

#endif
