#include "support/fake_gpiod.h"

#include "support/test.h"

#if GPIO_API

#include <errno.h>
#include <fcntl.h>
#include <gpiod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modem/gpio_driver.h"

struct fake_gpiod fake_gpiod;

void fake_gpiod_open(void)
{
	memset(&fake_gpiod, 0, sizeof(fake_gpiod));
	snprintf(fake_gpiod.dir, sizeof(fake_gpiod.dir), "/tmp/cellmux-gpio-XXXXXX");
	assert_non_null(mkdtemp(fake_gpiod.dir));
	for (int i = 0; i < FAKE_GPIOD_CHIPS; i++) {
		char path[96];
		int fd;

		snprintf(path, sizeof(path), "%s/gpiochip%d", fake_gpiod.dir, i);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		assert_true(fd >= 0);
		close(fd);
		fake_gpiod.chips[i].label = i ? "expander" : "soc";
	}
	gpio_chip_dir = fake_gpiod.dir;
}

void fake_gpiod_close(void)
{
	for (int i = 0; i < FAKE_GPIOD_CHIPS; i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/gpiochip%d", fake_gpiod.dir, i);
		unlink(path);
		assert_int_equal(fake_gpiod.chips[i].open, 0);
		for (int k = 0; k < FAKE_GPIOD_LINES; k++)
			assert_false(fake_gpiod.chips[i].lines[k].requested);
	}
	rmdir(fake_gpiod.dir);
	gpio_chip_dir = "/dev";
}

void fake_gpiod_move(int chip, int line, int value)
{
	struct fake_gpiod_line *l = &fake_gpiod.chips[chip].lines[line];

	if (l->value == value)
		return;
	l->value = value;
	if (l->requested && l->edges)
		assert_int_equal(write(l->fds[1], "e", 1), 1);
}

/* --- what both interfaces do -------------------------------------------------------------------- */

static struct fake_gpiod_chip *open_chip(const char *path)
{
	const char *name = strrchr(path, '/');
	int i = name ? name[1 + strlen("gpiochip")] - '0' : -1;

	if (access(path, F_OK) < 0)
		return NULL;
	if (strncmp(path, fake_gpiod.dir, strlen(fake_gpiod.dir)) || i < 0 || i >= FAKE_GPIOD_CHIPS) {
		errno = ENOTTY;
		return NULL;
	}
	if (fake_gpiod.chips[i].error) {
		errno = fake_gpiod.chips[i].error;
		return NULL;
	}
	fake_gpiod.chips[i].open++;
	return &fake_gpiod.chips[i];
}

static struct fake_gpiod_line *line_at(struct fake_gpiod_chip *chip, unsigned offset)
{
	errno = EINVAL;
	return offset < FAKE_GPIOD_LINES ? &chip->lines[offset] : NULL;
}

static int request(struct fake_gpiod_line *l, const char *who)
{
	if (l->busy || l->requested)
		errno = EBUSY;
	else if (l->edges && l->no_edges)
		errno = ENXIO;
	else if (!l->edges || pipe2(l->fds, O_CLOEXEC) == 0) {
		l->requested = true;
		snprintf(l->who, sizeof(l->who), "%s", who);
		return 0;
	}
	return -1;
}

static void release(struct fake_gpiod_line *l)
{
	assert_true(l->requested);
	l->requested = false;
	if (!l->edges)
		return;
	close(l->fds[0]);
	close(l->fds[1]);
}

static int set(struct fake_gpiod_line *l, int value)
{
	assert_true(l->requested && l->output);
	errno = ENODEV;
	if (fake_gpiod.gone)
		return -1;
	l->value = value;
	return 0;
}

static int get(const struct fake_gpiod_line *l)
{
	assert_true(l->requested);
	errno = ENODEV;
	return fake_gpiod.gone ? -1 : l->value;
}

static int drain(struct fake_gpiod_line *l)
{
	char c;

	errno = ENODEV;
	return fake_gpiod.gone ? -1 : (int)read(l->fds[0], &c, 1);
}

#endif

/* --- 1.x ---------------------------------------------------------------------------------------- */

#if GPIO_API == 1

#define CHIP(c) ((struct fake_gpiod_chip *)(void *)(c))
#define LINE(l) ((struct fake_gpiod_line *)(void *)(l))

struct gpiod_chip *gpiod_chip_open(const char *path)
{
	return (struct gpiod_chip *)(void *)open_chip(path);
}

void gpiod_chip_close(struct gpiod_chip *chip)
{
	CHIP(chip)->open--;
}

const char *gpiod_chip_label(struct gpiod_chip *chip)
{
	return CHIP(chip)->label;
}

unsigned int gpiod_chip_num_lines(struct gpiod_chip *chip)
{
	(void)chip;
	return FAKE_GPIOD_LINES;
}

struct gpiod_line *gpiod_chip_get_line(struct gpiod_chip *chip, unsigned int offset)
{
	return (struct gpiod_line *)(void *)line_at(CHIP(chip), offset);
}

const char *gpiod_line_name(struct gpiod_line *line)
{
	return LINE(line)->name[0] ? LINE(line)->name : NULL;
}

const char *gpiod_line_consumer(struct gpiod_line *line)
{
	return LINE(line)->consumer[0] ? LINE(line)->consumer : NULL;
}

bool gpiod_line_is_used(struct gpiod_line *line)
{
	return LINE(line)->busy;
}

int gpiod_line_request(struct gpiod_line *line, const struct gpiod_line_request_config *config,
		       int default_val)
{
	struct fake_gpiod_line *l = LINE(line);

	l->output = config->request_type == GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
	l->edges = config->request_type == GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES;
	l->active_low = config->flags & GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW;
	l->open_drain = config->flags & GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN;
	l->bias = config->flags & GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP	 ? 1 :
		  config->flags & GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN ? -1 : 0;
	if (request(l, config->consumer) < 0)
		return -1;
	l->value = l->output ? default_val : l->value;
	return 0;
}

void gpiod_line_release(struct gpiod_line *line)
{
	release(LINE(line));
}

int gpiod_line_set_value(struct gpiod_line *line, int value)
{
	return set(LINE(line), value);
}

int gpiod_line_get_value(struct gpiod_line *line)
{
	return get(LINE(line));
}

int gpiod_line_event_get_fd(struct gpiod_line *line)
{
	return LINE(line)->fds[0];
}

int gpiod_line_event_read_multiple(struct gpiod_line *line, struct gpiod_line_event *events,
				   unsigned int num_events)
{
	(void)events, (void)num_events;
	return drain(LINE(line));
}

#endif

/* --- 2.x: settings and configurations are memory, and the library's own ---------------------------- */

#if GPIO_API == 2

#define CHIP(c) ((struct fake_gpiod_chip *)(void *)(c))
#define LINE(l) ((struct fake_gpiod_line *)(void *)(l))

struct gpiod_chip *gpiod_chip_open(const char *path)
{
	return (struct gpiod_chip *)(void *)open_chip(path);
}

void gpiod_chip_close(struct gpiod_chip *chip)
{
	CHIP(chip)->open--;
}

struct gpiod_chip_info *gpiod_chip_get_info(struct gpiod_chip *chip)
{
	return (struct gpiod_chip_info *)(void *)chip;
}

void gpiod_chip_info_free(struct gpiod_chip_info *info)
{
	(void)info;
}

const char *gpiod_chip_info_get_label(struct gpiod_chip_info *info)
{
	return CHIP(info)->label;
}

size_t gpiod_chip_info_get_num_lines(struct gpiod_chip_info *info)
{
	(void)info;
	return FAKE_GPIOD_LINES;
}

struct gpiod_line_info *gpiod_chip_get_line_info(struct gpiod_chip *chip, unsigned int offset)
{
	return (struct gpiod_line_info *)(void *)line_at(CHIP(chip), offset);
}

void gpiod_line_info_free(struct gpiod_line_info *info)
{
	(void)info;
}

const char *gpiod_line_info_get_name(struct gpiod_line_info *info)
{
	return LINE(info)->name[0] ? LINE(info)->name : NULL;
}

const char *gpiod_line_info_get_consumer(struct gpiod_line_info *info)
{
	return LINE(info)->consumer[0] ? LINE(info)->consumer : NULL;
}

bool gpiod_line_info_is_used(struct gpiod_line_info *info)
{
	return LINE(info)->busy;
}

static void take_settings(struct fake_gpiod_line *l, struct gpiod_line_settings *s)
{
	enum gpiod_line_bias bias = gpiod_line_settings_get_bias(s);

	l->output = gpiod_line_settings_get_direction(s) == GPIOD_LINE_DIRECTION_OUTPUT;
	l->edges = gpiod_line_settings_get_edge_detection(s) == GPIOD_LINE_EDGE_BOTH;
	l->active_low = gpiod_line_settings_get_active_low(s);
	l->open_drain = gpiod_line_settings_get_drive(s) == GPIOD_LINE_DRIVE_OPEN_DRAIN;
	l->bias = bias == GPIOD_LINE_BIAS_PULL_UP ? 1 : bias == GPIOD_LINE_BIAS_PULL_DOWN ? -1 : 0;
}

struct gpiod_line_request *gpiod_chip_request_lines(struct gpiod_chip *chip,
						    struct gpiod_request_config *req_cfg,
						    struct gpiod_line_config *line_cfg)
{
	struct gpiod_line_settings *s;
	struct fake_gpiod_line *l;
	unsigned offset;
	int value;

	assert_int_equal(gpiod_line_config_get_configured_offsets(line_cfg, &offset, 1), 1);
	l = line_at(CHIP(chip), offset);
	assert_non_null(l);
	s = gpiod_line_config_get_line_settings(line_cfg, offset);
	assert_non_null(s);
	take_settings(l, s);
	value = gpiod_line_settings_get_output_value(s) == GPIOD_LINE_VALUE_ACTIVE;
	gpiod_line_settings_free(s);
	if (request(l, gpiod_request_config_get_consumer(req_cfg)) < 0)
		return NULL;
	l->value = l->output ? value : l->value;
	return (struct gpiod_line_request *)(void *)l;
}

void gpiod_line_request_release(struct gpiod_line_request *r)
{
	release(LINE(r));
}

int gpiod_line_request_set_value(struct gpiod_line_request *r, unsigned int offset,
				 enum gpiod_line_value value)
{
	for (int i = 0; i < FAKE_GPIOD_CHIPS; i++)
		if (offset < FAKE_GPIOD_LINES && LINE(r) == &fake_gpiod.chips[i].lines[offset])
			return set(LINE(r), value == GPIOD_LINE_VALUE_ACTIVE);
	errno = EINVAL;
	return -1;
}

enum gpiod_line_value gpiod_line_request_get_value(struct gpiod_line_request *r, unsigned int offset)
{
	(void)offset;
	return (enum gpiod_line_value)get(LINE(r));
}

int gpiod_line_request_get_fd(struct gpiod_line_request *r)
{
	return LINE(r)->fds[0];
}

int gpiod_line_request_read_edge_events(struct gpiod_line_request *r,
					struct gpiod_edge_event_buffer *buffer, size_t max_events)
{
	assert_non_null(buffer);
	(void)max_events;
	return drain(LINE(r));
}

#endif
