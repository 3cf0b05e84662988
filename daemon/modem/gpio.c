#include "modem/gpio.h"

#include <errno.h>

#include "modem/gpio_driver.h"

void gpio_take(struct gpio_line *l, int value)
{
	if (l->value == value)
		return;
	l->value = value;
	if (l->changed)
		l->changed(l);
}

int gpio_open(struct gpio_line *l, const struct gpio_spec *spec, enum gpio_use use,
	      char why[GPIO_WHY_MAX])
{
	const struct gpio_driver *driver = text_starts(text_of(spec->chip), GPIO_SOCKET_PREFIX) ?
						   &gpio_socket_driver : &gpio_chip_driver;
	int r;

	l->spec = *spec;
	l->use = use;
	l->value = use == GPIO_INPUT ? -EAGAIN : use == GPIO_OUTPUT_ON;
	l->fd = -1;
	l->in_n = 0;
	l->complained = false;
	r = driver->open(l, why);
	if (r == 0)
		l->driver = driver;
	return r;
}

int gpio_set(struct gpio_line *l, bool active)
{
	int r = l->driver ? l->driver->set(l, active) : -ENODEV;

	if (r == 0)
		l->value = active;
	return r;
}

int gpio_get(const struct gpio_line *l)
{
	if (!l->driver)
		return -ENODEV;
	return l->use == GPIO_INPUT ? l->driver->get(l) : l->value;
}

void gpio_close(struct gpio_line *l)
{
	if (!l->driver)
		return;
	l->driver->close(l);
	l->driver = NULL;
}
