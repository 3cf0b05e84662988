#include "modem/hotplug.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"

/* A node is made first and gets its owner and mode after: let the burst of events pass. */
#define SETTLE_MS 150

/* Only where the kernel has no inotify watch left for us. */
#define POLL_MS 2000

/* The nearest directory above the path that exists; "/" always does. */
static void nearest_directory(const char *path, char dir[PATH_MAX])
{
	struct stat st;

	text_copy(text_of(path), dir, PATH_MAX);
	do {
		char *slash = strrchr(dir, '/');

		if (!slash) {
			text_copy(TEXT("."), dir, PATH_MAX);
			return;
		}
		slash[slash == dir] = '\0';
	} while (strcmp(dir, "/") != 0 && (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)));
}

/* Watches anew: the directory that matters may be another one now. */
static int look(struct hotplug *h)
{
	char dir[PATH_MAX];

	ev_watch_stop(&h->watch);
	if (h->fd >= 0)
		close(h->fd);
	h->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (h->fd < 0)
		return -errno;
	nearest_directory(h->path, dir);
	if (inotify_add_watch(h->fd, dir, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF |
						  IN_MOVE_SELF) < 0)
		return -errno;
	ev_watch_start(&h->watch, h->fd, EV_IN);
	return 0;
}

static void look_or_poll(struct hotplug *h)
{
	if (look(h) < 0)
		ev_alarm_start(&h->backstop, POLL_MS);
}

static void on_settled(struct ev_alarm *a)
{
	struct hotplug *h = container_of(a, struct hotplug, settle);

	/* A directory may have been made between the last event and the watch on its parent. */
	look_or_poll(h);
	h->stirred(h);
}

static void on_event(struct ev_watch *w, unsigned what)
{
	struct hotplug *h = container_of(w, struct hotplug, watch);
	char events[4096] __attribute__((aligned(8)));

	(void)what;
	/* Which file it was does not matter: the answer is always to look at the path. */
	while (read(h->fd, events, sizeof(events)) > 0)
		;
	look_or_poll(h);
	if (!h->settle.active)
		ev_alarm_start(&h->settle, SETTLE_MS);
}

static void on_backstop(struct ev_alarm *a)
{
	struct hotplug *h = container_of(a, struct hotplug, backstop);

	look_or_poll(h);
	h->stirred(h);
}

void hotplug_start(struct hotplug *h, const char *path)
{
	hotplug_stop(h);
	text_copy(text_of(path), h->path, sizeof(h->path));
	h->watch.ready = on_event;
	h->settle.fired = on_settled;
	h->backstop.fired = on_backstop;
	h->fd = -1;
	look_or_poll(h);
	/* It may have come between the last look and this watch. */
	ev_alarm_start(&h->settle, SETTLE_MS);
}

void hotplug_stop(struct hotplug *h)
{
	if (!h->watch.ready)
		return;
	ev_watch_stop(&h->watch);
	ev_alarm_stop(&h->settle);
	ev_alarm_stop(&h->backstop);
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}
