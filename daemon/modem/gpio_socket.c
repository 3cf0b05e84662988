/*
 * Lines that another program has: a board's own service, an expander without a kernel driver, the
 * virtual module of the test bed. One connection to its UNIX stream socket per line, which owns the
 * line as long as it stands; a few words per line, ended by LF:
 *
 *     daemon                      program
 *     line NAME out 0|1           ok             from now on, and again for each change
 *     line NAME in                ok 0|1
 *                                 line NAME 0|1  later, whenever it has changed
 *                                 error: TEXT    instead of ok; it is asked again after a while
 *
 * 0 and 1 are levels: polarity is this side's. A connection that ends takes the line with it, so
 * that a program can let it go; it is dialled again.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/log.h"
#include "modem/gpio_driver.h"

#define AGAIN_MS 1000

/* The end of a sentence about this line; once per trouble. */
static void complain(struct gpio_line *l, struct text what)
{
	char name[GPIO_SPEC_TEXT_MAX];

	if (!l->complained)
		log_error("power", "%s: " TEXT_FMT "; trying again", gpio_spec_text(&l->spec, name),
			  TEXT_ARG(what));
	l->complained = true;
}

static void hang_up(struct gpio_line *l)
{
	ev_watch_stop(&l->watch);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->in_n = 0;
}

static void lose(struct gpio_line *l, int error)
{
	hang_up(l);
	ev_alarm_start(&l->again, AGAIN_MS);
	if (l->use == GPIO_INPUT)
		gpio_take(l, error);
}

/* --- what is said ------------------------------------------------------------------------------- */

static int say(struct gpio_line *l)
{
	char words[GPIO_NAME_MAX + 16];
	int n = l->use == GPIO_INPUT ?
			snprintf(words, sizeof(words), "line %s in\n", l->spec.line) :
			snprintf(words, sizeof(words), "line %s out %d\n", l->spec.line,
				 l->value != l->spec.active_low);

	/* So little fits, unless nobody reads it: then nobody has the line either. */
	return send(l->fd, words, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n ? 0 : -EPIPE;
}

static int dial(struct gpio_line *l)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int r;

	if (text_copy(text_of(l->spec.chip + strlen(GPIO_SOCKET_PREFIX)), a.sun_path,
		      sizeof(a.sun_path)) < 0)
		return -ENAMETOOLONG;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	r = connect(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : say(l);
	if (r < 0) {
		hang_up(l);
		return r;
	}
	ev_watch_start(&l->watch, l->fd, EV_IN);
	return 0;
}

static void on_again(struct ev_alarm *a)
{
	struct gpio_line *l = container_of(a, struct gpio_line, again);
	int r = dial(l);

	if (r < 0) {
		complain(l, text_of(strerror(-r)));
		ev_alarm_start(a, AGAIN_MS);
	}
}

/* --- what is heard ------------------------------------------------------------------------------ */

static void take_level(struct gpio_line *l, struct text level)
{
	bool high = text_eq(level, "1");

	if (high || text_eq(level, "0"))
		gpio_take(l, high != l->spec.active_low);
}

/* False: the connection is no more. */
static bool hear(struct gpio_line *l, struct text line)
{
	struct text word = text_cut(&line, ' ');

	if (text_eq(word, "error:")) {
		complain(l, line);
		lose(l, -EBUSY);
		return false;
	}
	l->complained = false;
	if (l->use != GPIO_INPUT)
		return true;
	if (text_eq(word, "line"))
		text_cut(&line, ' ');
	else if (!text_eq(word, "ok"))
		return true;
	take_level(l, text_trim(line));
	return l->fd >= 0;
}

static void on_readable(struct ev_watch *w, unsigned what)
{
	struct gpio_line *l = container_of(w, struct gpio_line, watch);
	ssize_t n = recv(l->fd, l->in + l->in_n, sizeof(l->in) - l->in_n, MSG_DONTWAIT);
	char *lf;

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		complain(l, TEXT("the program that has it hung up"));
		lose(l, -ENOTCONN);
		return;
	}
	l->in_n += (unsigned)n;
	while ((lf = memchr(l->in, '\n', l->in_n))) {
		char line[sizeof(l->in)];
		unsigned used = (unsigned)(lf - l->in) + 1;

		/* Taken out first: who is told of it may close the line. */
		memcpy(line, l->in, used);
		memmove(l->in, l->in + used, l->in_n - used);
		l->in_n -= used;
		if (!hear(l, text_from(line, used - 1)))
			return;
	}
	if (l->in_n == sizeof(l->in)) {
		complain(l, TEXT("the program that has it talks nonsense"));
		lose(l, -EBADMSG);
	}
}

/* --- the driver --------------------------------------------------------------------------------- */

static int socket_open(struct gpio_line *l, char why[GPIO_WHY_MAX])
{
	int r;

	l->watch.ready = on_readable;
	l->again.fired = on_again;
	r = dial(l);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		snprintf(why, GPIO_WHY_MAX, "%s: no program offers lines there (%s)",
			 l->spec.chip + strlen(GPIO_SOCKET_PREFIX), strerror(-r));
		return -ENOENT;
	}
	if (r < 0)
		snprintf(why, GPIO_WHY_MAX, "%s: %s", l->spec.chip + strlen(GPIO_SOCKET_PREFIX),
			 strerror(-r));
	return r;
}

/* What cannot be said now is said when the program is there again. */
static int socket_set(struct gpio_line *l, bool active)
{
	int r = -ENOTCONN;

	l->value = active;
	if (l->fd >= 0)
		r = say(l);
	if (r < 0 && l->fd >= 0)
		lose(l, r);
	return r;
}

static int socket_get(const struct gpio_line *l)
{
	return l->value;
}

static void socket_close(struct gpio_line *l)
{
	hang_up(l);
	ev_alarm_stop(&l->again);
}

const struct gpio_driver gpio_socket_driver = { socket_open, socket_set, socket_get, socket_close };
