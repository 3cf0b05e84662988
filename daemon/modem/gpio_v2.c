/* libgpiod 2.x. A request stands for itself; lines in it are named by their number on the chip. */
#include "modem/gpio_driver.h"

#if GPIO_API == 2

#include <errno.h>
#include <gpiod.h>
#include <stdio.h>

#define EVENTS 16

struct gpio_lib_line {
	struct gpiod_line_request *request;
	struct gpiod_edge_event_buffer *events;         /* NULL: without edges */
	unsigned offset;
};

int gpio_lib_chip_info(void *chip, char label[GPIO_CHIP_MAX], unsigned *ret_lines)
{
	struct gpiod_chip_info *info = gpiod_chip_get_info(chip);

	if (!info)
		return -errno;
	snprintf(label, GPIO_CHIP_MAX, "%s", gpiod_chip_info_get_label(info));
	*ret_lines = (unsigned)gpiod_chip_info_get_num_lines(info);
	gpiod_chip_info_free(info);
	return 0;
}

int gpio_lib_line_info(void *chip, unsigned offset, struct gpio_lib_info *ret)
{
	struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, offset);

	if (!info)
		return -errno;
	gpio_lib_note(ret, gpiod_line_info_get_name(info), gpiod_line_info_get_consumer(info),
		      gpiod_line_info_is_used(info));
	gpiod_line_info_free(info);
	return 0;
}

/* --- a request --------------------------------------------------------------------------------- */

static int describe(struct gpiod_line_settings *s, const struct gpio_line *l, bool edges)
{
	const struct gpio_spec *spec = &l->spec;
	int r;

	gpiod_line_settings_set_active_low(s, spec->active_low);
	r = gpiod_line_settings_set_direction(s, l->use == GPIO_INPUT ? GPIOD_LINE_DIRECTION_INPUT :
									GPIOD_LINE_DIRECTION_OUTPUT);
	if (r == 0 && l->use != GPIO_INPUT)
		r = gpiod_line_settings_set_output_value(s, l->use == GPIO_OUTPUT_ON ?
						     GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
	if (r == 0 && spec->open_drain)
		r = gpiod_line_settings_set_drive(s, GPIOD_LINE_DRIVE_OPEN_DRAIN);
	if (r == 0 && spec->bias != GPIO_BIAS_AS_IS)
		r = gpiod_line_settings_set_bias(s, spec->bias == GPIO_BIAS_UP ?
						     GPIOD_LINE_BIAS_PULL_UP : GPIOD_LINE_BIAS_PULL_DOWN);
	if (r == 0 && edges)
		r = gpiod_line_settings_set_edge_detection(s, GPIOD_LINE_EDGE_BOTH);
	return r < 0 ? -errno : 0;
}

/* The library's parts of a request, any of which may be missing. */
static int ask(struct gpiod_chip *chip, unsigned offset, const struct gpio_line *l, bool edges,
	       struct gpiod_line_request **ret)
{
	struct gpiod_line_settings *s = gpiod_line_settings_new();
	struct gpiod_line_config *lines = gpiod_line_config_new();
	struct gpiod_request_config *config = gpiod_request_config_new();
	int r = s && lines && config ? describe(s, l, edges) : -ENOMEM;

	if (r == 0) {
		gpiod_request_config_set_consumer(config, "cellmuxd");
		if (gpiod_line_config_add_line_settings(lines, &offset, 1, s) < 0)
			r = -errno;
	}
	if (r == 0) {
		*ret = gpiod_chip_request_lines(chip, config, lines);
		if (!*ret)
			r = -errno;
	}
	gpiod_request_config_free(config);
	gpiod_line_config_free(lines);
	gpiod_line_settings_free(s);
	return r;
}

int gpio_lib_request(void *chip, unsigned offset, const struct gpio_line *l, bool edges,
		     struct gpio_lib_line **ret, int *ret_fd)
{
	struct gpio_lib_line *q = calloc(1, sizeof(*q));
	int r = -ENOMEM;

	if (!q)
		return -ENOMEM;
	q->offset = offset;
	if (edges)
		q->events = gpiod_edge_event_buffer_new(EVENTS);
	if (!edges || q->events)
		r = ask(chip, offset, l, edges, &q->request);
	if (r < 0) {
		gpiod_edge_event_buffer_free(q->events);
		free(q);
		return r;
	}
	gpiod_chip_close(chip);
	*ret = q;
	*ret_fd = edges ? gpiod_line_request_get_fd(q->request) : -1;
	return 0;
}

int gpio_lib_set(struct gpio_lib_line *r, bool active)
{
	return gpiod_line_request_set_value(r->request, r->offset, active ? GPIOD_LINE_VALUE_ACTIVE :
						      GPIOD_LINE_VALUE_INACTIVE) < 0 ? -errno : 0;
}

int gpio_lib_get(struct gpio_lib_line *r)
{
	switch (gpiod_line_request_get_value(r->request, r->offset)) {
	case GPIOD_LINE_VALUE_ACTIVE:
		return 1;
	case GPIOD_LINE_VALUE_INACTIVE:
		return 0;
	case GPIOD_LINE_VALUE_ERROR:
		break;
	}
	return -errno;
}

int gpio_lib_drain(struct gpio_lib_line *r)
{
	/* The descriptor blocks; there is at least one, or the chip has gone. */
	return gpiod_line_request_read_edge_events(r->request, r->events, EVENTS) < 0 ? -errno : 0;
}

void gpio_lib_release(struct gpio_lib_line *r)
{
	gpiod_line_request_release(r->request);
	gpiod_edge_event_buffer_free(r->events);
	free(r);
}

#endif
