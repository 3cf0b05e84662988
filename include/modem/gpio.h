/*
 * One wire between the gateway and the module, as something that can be opened, set, read and
 * closed. Two kinds of chips have such lines: the kernel's GPIO chips, through libgpiod where the
 * daemon was built with it, and chips that another program offers on a UNIX socket
 * ("unix:/path", see gpio_socket.c). Who uses a line does not see the difference.
 *
 * Values are logical: true is "active", whatever the polarity. Callbacks run from the event loop,
 * never from inside a call made here.
 */
#ifndef MODEM_GPIO_H
#define MODEM_GPIO_H

#include <stdbool.h>

#include "core/ev.h"
#include "core/text.h"

#define GPIO_TEXT_MAX 192               /* of a line in the configuration */
#define GPIO_CHIP_MAX 128
#define GPIO_NAME_MAX 64
#define GPIO_WHY_MAX 320

enum gpio_bias { GPIO_BIAS_AS_IS, GPIO_BIAS_UP, GPIO_BIAS_DOWN };

struct gpio_spec {
	char chip[GPIO_CHIP_MAX];       /* name, path, label or number; "" any, by the line's name */
	char line[GPIO_NAME_MAX];       /* number on the chip, or name; "" there is no such line */
	bool active_low, open_drain;
	enum gpio_bias bias;
};

/*
 * "[CHIP:]LINE [active-low] [open-drain] [pull-up|pull-down]". 0, or -EINVAL and what was expected
 * in why, without a subject. Empty text: a specification of no line.
 */
int gpio_spec_parse(struct text text, struct gpio_spec *ret, char why[GPIO_WHY_MAX]);
/* False: the daemon was built without what the chip needs. */
bool gpio_spec_served(const struct gpio_spec *s);
/* As in a log line: "gpiochip0:17". Returns out. */
#define GPIO_SPEC_TEXT_MAX (GPIO_CHIP_MAX + GPIO_NAME_MAX)
const char *gpio_spec_text(const struct gpio_spec *s, char out[GPIO_SPEC_TEXT_MAX]);

enum gpio_use {
	GPIO_INPUT,
	GPIO_OUTPUT_OFF,                /* it has this value from the request on: no glitch */
	GPIO_OUTPUT_ON,
};

struct gpio_driver;
struct gpio_lib_line;

struct gpio_line {
	/* An input has another value, is known now or not any more. May be NULL. */
	void (*changed)(struct gpio_line *l);

	/* gpio.c and the drivers only */
	const struct gpio_driver *driver;       /* NULL: closed */
	struct gpio_spec spec;
	enum gpio_use use;
	int value;                      /* 0, 1, -errno; of an output what it was set to */
	struct ev_watch watch;          /* edges; the socket */
	struct ev_alarm again;          /* looks at a line without edges; dials again */
	struct gpio_lib_line *lib;
	int fd;
	char in[128];
	unsigned in_n;
	bool complained;
};

/*
 * 0, or a negative errno and one line for people in why: which line, what is wrong, who holds it.
 * -ENOENT: no such chip or line; -EBUSY: held by somebody else; -EACCES; -ENOTUNIQ: several lines
 * have this name; -ENOTSUP: built without libgpiod, or the chip cannot do what is asked for.
 * The line is owned until gpio_close(), which leaves its level to the chip's driver.
 */
int gpio_open(struct gpio_line *l, const struct gpio_spec *spec, enum gpio_use use,
	      char why[GPIO_WHY_MAX]);
/* 0 or -errno: the chip has gone. */
int gpio_set(struct gpio_line *l, bool active);
/* 1 active, 0 not; -errno: not known (-EAGAIN: not yet). */
int gpio_get(const struct gpio_line *l);
/* Of a line that was never opened: fine. */
void gpio_close(struct gpio_line *l);

#endif
