/*
 * Tells when a path may have come into being or changed: a device node, or a symlink to one in a
 * directory that comes and goes with it. Costs nothing while nothing happens: it watches the
 * nearest directory that exists.
 */
#ifndef MODEM_HOTPLUG_H
#define MODEM_HOTPLUG_H

#include "core/ev.h"

struct hotplug {
	/* Something happened on the way to the path: look whether it can be opened now. */
	void (*stirred)(struct hotplug *h);
	/* hotplug.c only */
	char path[256];
	int fd;
	struct ev_watch watch;
	struct ev_alarm settle, backstop;
};

/* h->stirred is set. Always works; without inotify it looks every few seconds instead. */
void hotplug_start(struct hotplug *h, const char *path);
void hotplug_stop(struct hotplug *h);

#endif
