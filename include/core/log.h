/*
 * One line per event on standard error: subject first ("modem", "ctl 4"), then what, then the
 * cause. State changes at info; octets on a wire at trace only, in the format recordings use.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"
#include "core/util.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE,
	_LOG_LEVEL_MAX
};

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

void log_write(enum log_level level, const char *subject, const char *fmt, ...) __printf(3, 4);

/* "at1 > AT+CSQ\r": octets that left ('>') or came ('<'). Costs nothing below trace. */
void log_wire(const char *subject, char direction, const void *data, size_t n);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);

const char *log_level_name(enum log_level level);
/* What the journal wants in front of a line that is written past this log; "" where it does not read. */
const char *log_priority(enum log_level level);
/* -EINVAL: no such level. */
int log_level_from(struct text name, enum log_level *ret);

/* Tests: where lines go instead of standard error (NULL: back). */
void log_set_sink(void (*sink)(enum log_level level, const char *subject, const char *message));

/*
 * The only way an EID, ICCID, IMSI, IMEI or key gets into the log: its first six and last four
 * characters ("890490…0055"), the whole of it at trace level. Returns out.
 */
#define LOG_ID_MAX 48
const char *log_id(struct text id, char out[LOG_ID_MAX]);

#endif
