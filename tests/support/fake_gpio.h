/*
 * The kernel's GPIO chips (daemon/modem/gpio_chip.c) without any: a test that calls
 * fake_gpio_reset() gets these in place of the real ones. A line is named as in its specification;
 * what is done with it is written down with the virtual time.
 */
#ifndef SUPPORT_FAKE_GPIO_H
#define SUPPORT_FAKE_GPIO_H

#include "modem/gpio.h"

#define FAKE_GPIO_LINES 8

struct fake_gpio {
	struct {
		char name[GPIO_NAME_MAX];
		struct gpio_line *line;         /* NULL: nobody has it open */
		int value;                      /* an input's */
	} lines[FAKE_GPIO_LINES];
	/* "+0 pwrkey=1\n+600 pwrkey=0\n": ms since the event before */
	char log[4096];
	uint64_t last_ms;
	const char *missing;                    /* this line cannot be opened: -ENOENT */
	const char *broken;                     /* this one cannot be set: -EIO */
	/* An output was set. May be NULL. */
	void (*set)(const char *name, bool active);
};

extern struct fake_gpio fake_gpio;

void fake_gpio_reset(void);
/* The other end moves an input; before it is opened as well. */
void fake_gpio_input(const char *name, int value);
/* How many are open. */
unsigned fake_gpio_open(void);

#endif
