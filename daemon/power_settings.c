/* Section [power]: what no single key can tell. */
#include <errno.h>

#include "settings.h"

static int complain(const char *key, const char *what, char why[CONF_WHY_MAX])
{
	snprintf(why, CONF_WHY_MAX, "[power] %s: %s", key, what);
	return -EINVAL;
}

const char *power_wrong_line(const char *value, char words[CONF_WRONG_MAX])
{
	struct gpio_spec spec;

	if (gpio_spec_parse(text_of(value), &spec, words) < 0)
		return words;
	return !spec.line[0] || gpio_spec_served(&spec) ? NULL :
	       "this cellmuxd was built without libgpiod: it knows lines of programs only (unix:PATH:NAME)";
}

int power_settings_check(struct settings *s, char why[CONF_WHY_MAX])
{
	struct power_options *o = &s->power;
	char text[GPIO_WHY_MAX];

	for (int i = 0; i < _POWER_LINE_MAX; i++) {
		const struct gpio_spec *one = &o->lines[i];
		const char *name = power_line_name((enum power_line)i);

		if (gpio_spec_parse(text_of(s->power_lines[i]), &o->lines[i], text) < 0)
			return complain(name, text, why);
		for (int k = 0; one->line[0] && k < i; k++) {
			if (strcmp(one->line, o->lines[k].line) || strcmp(one->chip, o->lines[k].chip))
				continue;
			snprintf(text, sizeof(text), "%s has that line already",
				 power_line_name((enum power_line)k));
			return complain(name, text, why);
		}
	}
	return 0;
}
