/* What libgpiod 1.x and 2.x have in common. */
#include "modem/gpio_driver.h"

#if GPIO_API != 0

#include <errno.h>
#include <gpiod.h>
#include <stdio.h>

int gpio_lib_chip_open(const char *path, void **ret)
{
	struct gpiod_chip *chip = gpiod_chip_open(path);

	if (!chip)
		return -errno;
	*ret = chip;
	return 0;
}

void gpio_lib_chip_close(void *chip)
{
	gpiod_chip_close(chip);
}

void gpio_lib_note(struct gpio_lib_info *ret, const char *name, const char *consumer, bool used)
{
	snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	snprintf(ret->consumer, sizeof(ret->consumer), "%s", consumer ? consumer : "");
	ret->used = used;
}

#endif
