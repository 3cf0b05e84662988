/* libgpiod 1.x. A line belongs to its chip, which stays open as long as the request. */
#include "modem/gpio_driver.h"

#if GPIO_API == 1

#include <errno.h>
#include <gpiod.h>
#include <stdio.h>

struct gpio_lib_line {
	struct gpiod_chip *chip;
	struct gpiod_line *line;
};

int gpio_lib_chip_info(void *chip, char label[GPIO_CHIP_MAX], unsigned *ret_lines)
{
	snprintf(label, GPIO_CHIP_MAX, "%s", gpiod_chip_label(chip));
	*ret_lines = gpiod_chip_num_lines(chip);
	return 0;
}

int gpio_lib_line_info(void *chip, unsigned offset, struct gpio_lib_info *ret)
{
	struct gpiod_line *line = gpiod_chip_get_line(chip, offset);

	if (!line)
		return -errno;
	gpio_lib_note(ret, gpiod_line_name(line), gpiod_line_consumer(line), gpiod_line_is_used(line));
	return 0;
}

static int flags_of(const struct gpio_spec *s)
{
	return (s->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0) |
	       (s->open_drain ? GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN : 0) |
	       (s->bias == GPIO_BIAS_UP ? GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP : 0) |
	       (s->bias == GPIO_BIAS_DOWN ? GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN : 0);
}

int gpio_lib_request(void *chip, unsigned offset, const struct gpio_line *l, bool edges,
		     struct gpio_lib_line **ret, int *ret_fd)
{
	struct gpiod_line_request_config config = {
		.consumer = "cellmuxd", .flags = flags_of(&l->spec),
		.request_type = l->use != GPIO_INPUT ? GPIOD_LINE_REQUEST_DIRECTION_OUTPUT :
				edges		     ? GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES :
						       GPIOD_LINE_REQUEST_DIRECTION_INPUT,
	};
	struct gpiod_line *line = gpiod_chip_get_line(chip, offset);
	struct gpio_lib_line *r;

	if (!line)
		return -errno;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (gpiod_line_request(line, &config, l->use == GPIO_OUTPUT_ON) < 0) {
		int error = errno;

		free(r);
		return -error;
	}
	*r = (struct gpio_lib_line){ chip, line };
	*ret = r;
	*ret_fd = edges ? gpiod_line_event_get_fd(line) : -1;
	return 0;
}

int gpio_lib_set(struct gpio_lib_line *r, bool active)
{
	return gpiod_line_set_value(r->line, active) < 0 ? -errno : 0;
}

int gpio_lib_get(struct gpio_lib_line *r)
{
	int v = gpiod_line_get_value(r->line);

	return v < 0 ? -errno : v;
}

int gpio_lib_drain(struct gpio_lib_line *r)
{
	struct gpiod_line_event events[16];

	/* The descriptor blocks; there is at least one, or the chip has gone. */
	return gpiod_line_event_read_multiple(r->line, events, 16) < 0 ? -errno : 0;
}

void gpio_lib_release(struct gpio_lib_line *r)
{
	gpiod_line_release(r->line);
	gpiod_chip_close(r->chip);
	free(r);
}

#endif
