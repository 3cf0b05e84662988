#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/log.h"
#include "core/text.h"
#include "core/util.h"

/* An alarm that is this late means that the loop is not what it should be. */
#define OVERDUE_MS 10000

static struct ev_alarm feeding;
static unsigned period_ms;

static void say(const char *message)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	socklen_t len;

	if (!name || (name[0] != '/' && name[0] != '@') ||
	    text_copy(text_of(name), to.sun_path, sizeof(to.sun_path)) < 0)
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		log_debug("daemon", "service manager: %s, ignoring", strerror(errno));
}

void notify_ready(const char *status)
{
	char message[300];

	snprintf(message, sizeof(message), "READY=1\nSTATUS=%s", status);
	say(message);
}

void notify_status(const char *status)
{
	char message[300];

	snprintf(message, sizeof(message), "STATUS=%s", status);
	say(message);
}

void notify_stopping(void)
{
	say("STOPPING=1");
}

static void on_feeding(struct ev_alarm *a)
{
	uint64_t late = ev_overdue_ms();

	if (late < OVERDUE_MS)
		say("WATCHDOG=1");
	else
		log_error("daemon", "a deadline is %llu ms overdue, not feeding the watchdog",
			  (unsigned long long)late);
	ev_alarm_start(a, period_ms);
}

void notify_watchdog_start(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t limit, owner;

	if (!usec || text_to_u64(text_of(usec), 10, &limit) < 0 || limit < 2000)
		return;
	if (pid && (text_to_u64(text_of(pid), 10, &owner) < 0 || owner != (uint64_t)getpid()))
		return;
	period_ms = (unsigned)MIN(limit / 2000, 3600000u);
	feeding.fired = on_feeding;
	on_feeding(&feeding);
}

void notify_watchdog_stop(void)
{
	ev_alarm_stop(&feeding);
}
