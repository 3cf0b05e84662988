#include "support/fake_gpio.h"

#include <errno.h>
#include <stdio.h>

#include "modem/gpio_driver.h"
#include "support/test.h"

struct fake_gpio fake_gpio;

static size_t find(const char *name)
{
	for (size_t i = 0; i < FAKE_GPIO_LINES; i++) {
		if (!fake_gpio.lines[i].name[0])
			snprintf(fake_gpio.lines[i].name, GPIO_NAME_MAX, "%s", name);
		if (!strcmp(fake_gpio.lines[i].name, name))
			return i;
	}
	assert_true(!"too many lines");
	return 0;
}

static void note(const char *name, int value)
{
	size_t n = strlen(fake_gpio.log);

	snprintf(fake_gpio.log + n, sizeof(fake_gpio.log) - n, "+%u %s=%d\n",
		 (unsigned)(ev_now_ms() - fake_gpio.last_ms), name, value);
	fake_gpio.last_ms = ev_now_ms();
}

void fake_gpio_reset(void)
{
	memset(&fake_gpio, 0, sizeof(fake_gpio));
	fake_gpio.last_ms = ev_now_ms();
}

void fake_gpio_input(const char *name, int value)
{
	size_t i = find(name);
	struct gpio_line *l = fake_gpio.lines[i].line;

	if (fake_gpio.lines[i].value == value)
		return;
	fake_gpio.lines[i].value = value;
	if (l)
		gpio_take(l, value);
}

unsigned fake_gpio_open(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < FAKE_GPIO_LINES; i++)
		n += fake_gpio.lines[i].line != NULL;
	return n;
}

/* --- in place of daemon/modem/gpio_chip.c -------------------------------------------------------- */

static int fake_open(struct gpio_line *l, char why[GPIO_WHY_MAX])
{
	size_t i = find(l->spec.line);

	if (fake_gpio.missing && !strcmp(fake_gpio.missing, l->spec.line)) {
		snprintf(why, GPIO_WHY_MAX, "no line is named %s", l->spec.line);
		return -ENOENT;
	}
	assert_null(fake_gpio.lines[i].line);
	fake_gpio.lines[i].line = l;
	if (l->use == GPIO_INPUT)
		l->value = fake_gpio.lines[i].value;
	return 0;
}

static int fake_set(struct gpio_line *l, bool active)
{
	if (fake_gpio.broken && !strcmp(fake_gpio.broken, l->spec.line))
		return -EIO;
	assert_true(l->use != GPIO_INPUT);
	note(l->spec.line, active);
	if (fake_gpio.set)
		fake_gpio.set(l->spec.line, active);
	return 0;
}

static int fake_get(const struct gpio_line *l)
{
	return fake_gpio.lines[find(l->spec.line)].value;
}

static void fake_close(struct gpio_line *l)
{
	size_t i = find(l->spec.line);

	assert_ptr_equal(fake_gpio.lines[i].line, l);
	note(l->spec.line, -1);
	fake_gpio.lines[i].line = NULL;
}

const struct gpio_driver gpio_chip_driver = { fake_open, fake_set, fake_get, fake_close };
