/*
 * Lines of the kernel's GPIO chips. libgpiod's two interfaces differ in everything but what they
 * mean; here is what is the same for both: finding the chip and the line, and saying in one line
 * what is wrong. Names of chips change with the order in which the kernel finds them, so a label or
 * the line's own name is as good; names of lines may occur more than once.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/log.h"
#include "modem/gpio_driver.h"

const char *gpio_chip_dir = "/dev";

#if GPIO_API

/* How often a line is looked at whose chip cannot tell of changes. */
#define LOOK_MS 250

#define CHIPS_MAX 64

struct found {
	void *chip;                     /* open; NULL: none yet */
	char name[GPIO_CHIP_MAX];
	unsigned offset;
};

/* --- the chip ------------------------------------------------------------------------------------- */

static int is_chip(const struct dirent *d)
{
	return !strncmp(d->d_name, "gpiochip", 8) && strlen(d->d_name) < 16;
}

static int open_chip(const char *name, void **ret, char why[GPIO_WHY_MAX])
{
	char path[GPIO_CHIP_MAX + 64];
	struct stat st;
	struct group *g;
	int r;

	snprintf(path, sizeof(path), name[0] == '/' ? "%.0s%s" : "%s/%s", gpio_chip_dir, name);
	r = gpio_lib_chip_open(path, ret);
	if (r == 0)
		return 0;
	if (r == -EACCES && stat(path, &st) == 0 && (g = getgrgid(st.st_gid)))
		snprintf(why, GPIO_WHY_MAX, "%s: permission denied; members of group %s may", path,
			 g->gr_name);
	else if (r == -ENOTTY || r == -EINVAL)
		snprintf(why, GPIO_WHY_MAX, "%s is no GPIO chip", path);
	else if (r == -ENOENT)
		snprintf(why, GPIO_WHY_MAX, "there is no %s", path);
	else
		snprintf(why, GPIO_WHY_MAX, "%s: %s", path, strerror(-r));
	return r == -ENOTTY || r == -EINVAL ? -ENOENT : r;
}

/* Everything that looks for a chip or a line asks all of them; false from visit() ends it. */
static int visit_chips(bool (*visit)(void *chip, const char *name, void *arg), void *arg,
		       char why[GPIO_WHY_MAX])
{
	struct dirent **names;
	int n = scandir(gpio_chip_dir, &names, is_chip, alphasort), opened = 0, r = -ENOENT;
	bool more = true;

	for (int i = 0; i < n; i++) {
		void *chip;

		if (more && i < CHIPS_MAX) {
			int opening = open_chip(names[i]->d_name, &chip, why);

			if (opening == 0) {
				opened++;
				more = visit(chip, names[i]->d_name, arg);
			} else if (r == -ENOENT) {
				r = opening;
			}
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (opened)
		return 0;
	if (r == -ENOENT)
		snprintf(why, GPIO_WHY_MAX, "there is no GPIO chip in %s", gpio_chip_dir);
	return r;
}

struct chip_search {
	const char *want;
	struct found *found;
	char seen[120];                 /* for who has to correct the name */
};

static void note_seen(char *seen, size_t cap, const char *name, const char *label)
{
	size_t n = strlen(seen);

	if (n + strlen(name) + strlen(label) + 8 < cap)
		snprintf(seen + n, cap - n, "%s%s (%s)", n ? ", " : "", name, label);
}

static bool has_label(void *chip, const char *name, void *arg)
{
	struct chip_search *s = arg;
	char label[GPIO_CHIP_MAX];
	unsigned lines;

	if (gpio_lib_chip_info(chip, label, &lines) == 0) {
		note_seen(s->seen, sizeof(s->seen), name, label);
		if (!strcmp(label, s->want)) {
			s->found->chip = chip;
			snprintf(s->found->name, sizeof(s->found->name), "%s", name);
			return false;
		}
	}
	gpio_lib_chip_close(chip);
	return true;
}

/* By number, name, path or label, in this order. */
static int find_chip(const char *want, struct found *f, char why[GPIO_WHY_MAX])
{
	struct chip_search s = { .want = want, .found = f };
	bool number = text_all_digits(text_of(want));
	int r;

	if (number || !strncmp(want, "gpiochip", 8) || want[0] == '/') {
		const char *slash = strrchr(want, '/');

		snprintf(f->name, sizeof(f->name), number ? "gpiochip%s" : "%s",
			 slash ? slash + 1 : want);
		return open_chip(want[0] == '/' ? want : f->name, &f->chip, why);
	}
	r = visit_chips(has_label, &s, why);
	if (r < 0 || f->chip)
		return r;
	snprintf(why, GPIO_WHY_MAX, "no GPIO chip has the label %s; there are %s", want, s.seen);
	return -ENOENT;
}

/* --- the line ------------------------------------------------------------------------------------- */

struct line_search {
	const char *want;
	struct found *found;
	unsigned n;
	char seen[120];
};

/* Counts the lines of this name; keeps the first one's chip open. */
static bool has_line(void *chip, const char *name, void *arg)
{
	struct line_search *s = arg;
	struct gpio_lib_info info;
	char label[GPIO_CHIP_MAX];
	bool keep = false;
	unsigned lines;

	if (gpio_lib_chip_info(chip, label, &lines) < 0)
		lines = 0;
	for (unsigned i = 0; i < lines; i++) {
		char number[16];

		if (gpio_lib_line_info(chip, i, &info) < 0 || strcmp(info.name, s->want) != 0)
			continue;
		snprintf(number, sizeof(number), "line %u", i);
		note_seen(s->seen, sizeof(s->seen), name, number);
		if (s->n++)
			continue;
		keep = true;
		s->found->offset = i;
		snprintf(s->found->name, sizeof(s->found->name), "%s", name);
	}
	if (keep)
		s->found->chip = chip;
	else
		gpio_lib_chip_close(chip);
	return true;
}

static int judge_names(struct line_search *s, const char *where, char why[GPIO_WHY_MAX])
{
	if (s->n == 1)
		return 0;
	if (s->n == 0) {
		snprintf(why, GPIO_WHY_MAX, "no line is named %s%s%s", s->want, where ? " on " : "",
			 where ? where : "");
		return -ENOENT;
	}
	snprintf(why, GPIO_WHY_MAX, "%u lines are named %s: %s; give chip and number", s->n, s->want,
		 s->seen);
	return -ENOTUNIQ;
}

static int find_on_chip(const struct gpio_spec *spec, struct found *f, char why[GPIO_WHY_MAX])
{
	struct line_search s = { .want = spec->line, .found = f };
	char label[GPIO_CHIP_MAX];
	unsigned lines;
	uint32_t number;
	void *chip;
	int r = find_chip(spec->chip, f, why);

	if (r < 0)
		return r;
	chip = f->chip;
	if (text_to_u32(text_of(spec->line), 10, &number) < 0) {
		f->chip = NULL;
		has_line(chip, f->name, &s);
		return judge_names(&s, f->name, why);
	}
	f->offset = number;
	r = gpio_lib_chip_info(chip, label, &lines);
	if (r == 0 && number < lines)
		return 0;
	snprintf(why, GPIO_WHY_MAX, "%s (%s) has %u lines, and no line %u", f->name, r ? "?" : label,
		 r ? 0 : lines, number);
	return r < 0 ? r : -ENOENT;
}

static int find_line(const struct gpio_spec *spec, struct found *f, char why[GPIO_WHY_MAX])
{
	struct line_search s = { .want = spec->line, .found = f };
	int r;

	if (spec->chip[0])
		return find_on_chip(spec, f, why);
	r = visit_chips(has_line, &s, why);
	return r < 0 ? r : judge_names(&s, NULL, why);
}

/* --- the driver ----------------------------------------------------------------------------------- */

static int refused(const struct found *f, int r, char why[GPIO_WHY_MAX])
{
	struct gpio_lib_info info;

	if (r == -EBUSY && gpio_lib_line_info(f->chip, f->offset, &info) == 0 && info.consumer[0])
		snprintf(why, GPIO_WHY_MAX, "line %u of %s is held by %s", f->offset, f->name, info.consumer);
	else if (r == -EBUSY)
		snprintf(why, GPIO_WHY_MAX, "line %u of %s is in use", f->offset, f->name);
	else
		snprintf(why, GPIO_WHY_MAX, "line %u of %s: %s%s", f->offset, f->name, strerror(-r),
			 GPIO_API == 1 && r == -EINVAL ?
				 "; libgpiod 1.x needs a kernel with CONFIG_GPIO_CDEV_V1" : "");
	return r;
}

static void on_edge(struct ev_watch *w, unsigned what)
{
	struct gpio_line *l = container_of(w, struct gpio_line, watch);
	int r = gpio_lib_drain(l->lib);

	(void)what;
	if (r < 0) {
		log_error("power", "%s: %s", l->spec.line, strerror(-r));
		ev_watch_stop(w);
	}
	gpio_take(l, r < 0 ? r : gpio_lib_get(l->lib));
}

static void on_look(struct ev_alarm *a)
{
	struct gpio_line *l = container_of(a, struct gpio_line, again);

	ev_alarm_start(a, LOOK_MS);
	gpio_take(l, gpio_lib_get(l->lib));
}

static int request(struct gpio_line *l, const struct found *f)
{
	int r;

	if (l->use != GPIO_INPUT)
		return gpio_lib_request(f->chip, f->offset, l, false, &l->lib, &l->fd);
	r = gpio_lib_request(f->chip, f->offset, l, true, &l->lib, &l->fd);
	/* Many expanders have no interrupt. */
	if (r < 0 && r != -EBUSY && r != -EACCES)
		r = gpio_lib_request(f->chip, f->offset, l, false, &l->lib, &l->fd);
	return r;
}

static int chip_open(struct gpio_line *l, char why[GPIO_WHY_MAX])
{
	struct found f = { 0 };
	int r = find_line(&l->spec, &f, why);

	if (r == 0) {
		r = request(l, &f);
		if (r < 0)
			refused(&f, r, why);
	}
	if (r < 0) {
		if (f.chip)
			gpio_lib_chip_close(f.chip);
		return r;
	}
	if (l->use != GPIO_INPUT)
		return 0;
	l->value = gpio_lib_get(l->lib);
	l->watch.ready = on_edge;
	l->again.fired = on_look;
	if (l->fd >= 0)
		ev_watch_start(&l->watch, l->fd, EV_IN);
	else
		ev_alarm_start(&l->again, LOOK_MS);
	return 0;
}

static int chip_set(struct gpio_line *l, bool active)
{
	return gpio_lib_set(l->lib, active);
}

static int chip_get(const struct gpio_line *l)
{
	return gpio_lib_get(l->lib);
}

static void chip_close(struct gpio_line *l)
{
	ev_watch_stop(&l->watch);
	ev_alarm_stop(&l->again);
	gpio_lib_release(l->lib);
	l->lib = NULL;
	l->fd = -1;
}

const struct gpio_driver gpio_chip_driver = { chip_open, chip_set, chip_get, chip_close };

#else

static int no_open(struct gpio_line *l, char why[GPIO_WHY_MAX])
{
	(void)l;
	snprintf(why, GPIO_WHY_MAX, "this cellmuxd was built without libgpiod");
	return -ENOTSUP;
}

const struct gpio_driver gpio_chip_driver = { .open = no_open };

#endif
