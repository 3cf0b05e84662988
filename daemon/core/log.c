#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const level_names[_LOG_LEVEL_MAX] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_TRACE] = "trace",
};

/* sd-daemon(3) and syslog(3) priorities. */
static const char *const level_priority[_LOG_LEVEL_MAX] = {
	[LOG_LEVEL_ERROR] = "<3>", [LOG_LEVEL_WARNING] = "<4>", [LOG_LEVEL_INFO] = "<6>",
	[LOG_LEVEL_DEBUG] = "<7>", [LOG_LEVEL_TRACE] = "<7>",
};

static enum log_level current = LOG_LEVEL_INFO;
static void (*other_sink)(enum log_level level, const char *subject, const char *message);

const char *log_priority(enum log_level level)
{
	static int journal = -1;

	if (journal < 0)
		journal = getenv("JOURNAL_STREAM") != NULL;
	return journal ? level_priority[level] : "";
}

/* The journal stamps lines itself and wants the priority in front; a terminal wants the opposite. */
static void to_stderr(enum log_level level, const char *subject, const char *message)
{
	const char *priority = log_priority(level);
	struct timespec now;
	struct tm tm;
	char stamp[32];

	if (priority[0]) {
		fprintf(stderr, "%s%s: %s\n", priority, subject, message);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ld %-7s %s: %s\n", stamp, now.tv_nsec / 1000000, level_names[level],
		subject, message);
}

void log_write(enum log_level level, const char *subject, const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (other_sink)
		other_sink(level, subject, message);
	else
		to_stderr(level, subject, message);
}

void log_wire(const char *subject, char direction, const void *data, size_t n)
{
	char line[1000];

	if (!log_enabled(LOG_LEVEL_TRACE))
		return;
	text_escape(data, n, line, sizeof(line));
	log_write(LOG_LEVEL_TRACE, subject, "%c %s", direction, line);
}

void log_set_level(enum log_level level)
{
	current = level;
}

enum log_level log_get_level(void)
{
	return current;
}

bool log_enabled(enum log_level level)
{
	return level <= current;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_from(struct text name, enum log_level *ret)
{
	for (int i = 0; i < _LOG_LEVEL_MAX; i++) {
		if (text_eq(name, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_set_sink(void (*sink)(enum log_level level, const char *subject, const char *message))
{
	other_sink = sink;
}

const char *log_id(struct text id, char out[LOG_ID_MAX])
{
	if (id.n == 0)
		snprintf(out, LOG_ID_MAX, "-");
	else if (id.n <= 10 && !log_enabled(LOG_LEVEL_TRACE))
		snprintf(out, LOG_ID_MAX, "(%zu characters)", id.n);
	else if (log_enabled(LOG_LEVEL_TRACE) && id.n < LOG_ID_MAX)
		snprintf(out, LOG_ID_MAX, TEXT_FMT, TEXT_ARG(id));
	else
		snprintf(out, LOG_ID_MAX, "%.6s…%.4s", id.s, id.s + id.n - 4);
	return out;
}
