/* How a line is written in the configuration. */
#include <errno.h>
#include <stdio.h>

#include "modem/gpio_driver.h"

/* Takes the last word off, if it is one of the words behind a line's name. */
static bool take_word(struct text *t, struct gpio_spec *s)
{
	struct text word;
	size_t n = t->n;

	while (n && t->s[n - 1] != ' ' && t->s[n - 1] != '\t')
		n--;
	if (n == 0)
		return false;
	word = text_skip(*t, n);
	if (text_eq(word, "active-low"))
		s->active_low = true;
	else if (text_eq(word, "open-drain"))
		s->open_drain = true;
	else if (text_eq(word, "pull-up"))
		s->bias = GPIO_BIAS_UP;
	else if (text_eq(word, "pull-down"))
		s->bias = GPIO_BIAS_DOWN;
	else
		return false;
	*t = text_trim(text_from(t->s, n));
	return true;
}

/*
 * A word that is none of those, where a name with blanks in it is out of the question: behind a
 * number, or nearly one of them. Empty: none.
 */
static struct text strange_word(struct text line)
{
	static const char *const begins[] = { "active", "open-", "pull-", "bias" };
	struct text first = line, last = line;
	size_t blank = text_find(line, ' ');
	uint32_t number;

	if (blank == line.n)
		return (struct text){ 0 };
	first.n = blank;
	if (text_to_u32(first, 10, &number) == 0)
		return text_trim(text_skip(line, blank));
	while (text_find(last, ' ') < last.n)
		last = text_skip(last, text_find(last, ' ') + 1);
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (text_starts(last, begins[i]))
			return last;
	return (struct text){ 0 };
}

int gpio_spec_parse(struct text text, struct gpio_spec *ret, char why[GPIO_WHY_MAX])
{
	struct text t = text_trim(text), chip = { 0 }, strange;
	struct gpio_spec s = { 0 };
	size_t colon = t.n;
	uint32_t number;

	while (t.n && take_word(&t, &s))
		;
	/* Paths and labels have colons, too ("INT34C5:00"): the last one counts. */
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] == ':')
			colon = i;
	if (colon < t.n) {
		chip = text_trim(text_from(t.s, colon));
		t = text_trim(text_skip(t, colon + 1));
		if (!chip.n || !t.n) {
			snprintf(why, GPIO_WHY_MAX, "expected CHIP:LINE, for example gpiochip0:17");
			return -EINVAL;
		}
	}
	strange = strange_word(t);
	if (strange.n) {
		snprintf(why, GPIO_WHY_MAX, "expected active-low, open-drain, pull-up or pull-down, not '"
			 TEXT_FMT "'", TEXT_ARG(strange));
		return -EINVAL;
	}
	if (text_eq(chip, "unix")) {
		snprintf(why, GPIO_WHY_MAX, "expected unix:PATH:NAME, for example unix:/run/board.sock:pwrkey");
		return -EINVAL;
	}
	if (!chip.n && text_to_u32(t, 10, &number) == 0) {
		snprintf(why, GPIO_WHY_MAX, "a number needs its chip, for example gpiochip0:" TEXT_FMT,
			 TEXT_ARG(t));
		return -EINVAL;
	}
	if (text_copy(chip, s.chip, sizeof(s.chip)) < 0 || text_copy(t, s.line, sizeof(s.line)) < 0) {
		snprintf(why, GPIO_WHY_MAX, "expected a chip of at most %d and a line of at most %d characters",
			 GPIO_CHIP_MAX - 1, GPIO_NAME_MAX - 1);
		return -EINVAL;
	}
	*ret = s;
	return 0;
}

bool gpio_spec_served(const struct gpio_spec *s)
{
	return GPIO_API || text_starts(text_of(s->chip), GPIO_SOCKET_PREFIX);
}

const char *gpio_spec_text(const struct gpio_spec *s, char out[GPIO_SPEC_TEXT_MAX])
{
	snprintf(out, GPIO_SPEC_TEXT_MAX, "%s%s%s", s->chip, s->chip[0] ? ":" : "", s->line);
	return out;
}
