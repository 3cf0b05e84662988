#include "core/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/util.h"

#define LINE_MAX_OCTETS 199     /* inih's own buffer is 200 where it was built with defaults */

/* --- one value ------------------------------------------------------------------------------- */

static const struct conf_key *find_key(const struct conf *c, const char *section, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->keys[i].section, section) && !strcmp(c->keys[i].name, name))
			return &c->keys[i];
	return NULL;
}

static bool section_known(const struct conf *c, const char *section)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->keys[i].section, section))
			return true;
	return false;
}

static void *place(const struct conf *c, const struct conf_key *k)
{
	return (char *)c->settings + k->offset;
}

/* "no, yes or auto" */
static void list_words(const char *const *words, char *dst, size_t cap)
{
	size_t at = 0;

	dst[0] = '\0';
	for (size_t i = 0; words[i] && at < cap; i++)
		at += (size_t)snprintf(dst + at, cap - at, "%s%s",
				       i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static int store_number(const struct conf *c, const struct conf_key *k, struct text v, char *expected,
			size_t cap)
{
	uint32_t n;

	if (text_to_u32(v, 10, &n) < 0 || n < k->min || n > k->max) {
		snprintf(expected, cap, "a number from %u to %u", k->min, k->max);
		return -EINVAL;
	}
	*(unsigned *)place(c, k) = n;
	return 0;
}

static int store_choice(const struct conf *c, const struct conf_key *k, struct text v, char *expected,
			size_t cap)
{
	for (unsigned i = 0; k->words[i]; i++) {
		if (text_case_eq(v, k->words[i])) {
			*(unsigned *)place(c, k) = i;
			return 0;
		}
	}
	list_words(k->words, expected, cap);
	return -EINVAL;
}

static int store_bool(const struct conf *c, const struct conf_key *k, struct text v, char *expected,
		      size_t cap)
{
	bool yes = text_case_eq(v, "yes"), no = text_case_eq(v, "no");

	if (!yes && !no) {
		snprintf(expected, cap, "yes or no");
		return -EINVAL;
	}
	*(bool *)place(c, k) = yes;
	return 0;
}

static int store(const struct conf *c, const struct conf_key *k, struct text v, char *expected,
		 size_t cap)
{
	switch (k->type) {
	case CONF_TEXT:
		if (text_copy(v, place(c, k), k->size) == 0)
			return 0;
		snprintf(expected, cap, "at most %zu characters", k->size - 1);
		return -EINVAL;
	case CONF_NUMBER:
		return store_number(c, k, v, expected, cap);
	case CONF_BOOL:
		return store_bool(c, k, v, expected, cap);
	case CONF_CHOICE:
		return store_choice(c, k, v, expected, cap);
	}
	return -EINVAL;
}

void conf_reset(const struct conf *c)
{
	char expected[200];

	for (size_t i = 0; i < c->n; i++)
		if (store(c, &c->keys[i], text_of(c->keys[i].preset), expected, sizeof(expected)) < 0)
			abort();        /* a preset that its own key refuses: the table is wrong */
}

int conf_set(const struct conf *c, const char *section, const char *name, const char *value,
	     const char *origin, char why[CONF_WHY_MAX])
{
	const struct conf_key *k = find_key(c, section, name);
	char expected[200];

	if (!k) {
		snprintf(why, CONF_WHY_MAX, "%s: [%s] %s: %s; see cellmux.conf(5)", origin, section, name,
			 section_known(c, section) ? "no such key" : "no such section");
		return -ENOENT;
	}
	if (store(c, k, text_of(value), expected, sizeof(expected)) < 0) {
		snprintf(why, CONF_WHY_MAX, "%s: [%s] %s: expected %s, not '%s'", origin, section, name,
			 expected, k->secret ? "…" : value);
		return -EINVAL;
	}
	return 0;
}

/* --- a file ------------------------------------------------------------------------------------ */

struct loading {
	const struct conf *conf;
	const char *path;
	FILE *file;
	unsigned line;
	unsigned *set_at;       /* per key: the line that set it, 0 not yet */
	char *why;
	int error;
};

/* inih reads through here, so that lines are counted and none is cut without a word. */
static char *read_line(char *dst, int cap, void *stream)
{
	struct loading *l = stream;
	size_t n;

	if (l->error || !fgets(dst, cap, l->file))
		return NULL;
	l->line++;
	n = strlen(dst);
	if (n && dst[n - 1] != '\n' && !feof(l->file)) {
		snprintf(l->why, CONF_WHY_MAX, "%s:%u: expected at most %d characters in a line",
			 l->path, l->line, MIN(cap - 2, LINE_MAX_OCTETS));
		l->error = -EINVAL;
		return NULL;
	}
	return dst;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct loading *l = user;
	const struct conf_key *k = find_key(l->conf, section, name);
	char origin[300];
	size_t i;

	if (l->error)
		return 0;
	snprintf(origin, sizeof(origin), "%s:%u", l->path, l->line);
	if (k) {
		i = (size_t)(k - l->conf->keys);
		if (l->set_at[i]) {
			snprintf(l->why, CONF_WHY_MAX, "%s: [%s] %s: already set in line %u", origin,
				 section, name, l->set_at[i]);
			l->error = -EINVAL;
			return 0;
		}
		l->set_at[i] = l->line;
	}
	l->error = conf_set(l->conf, section, name, value ? value : "", origin, l->why);
	return l->error == 0;
}

int conf_load(const struct conf *c, const char *path, char why[CONF_WHY_MAX])
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	_cleanup_(freep) unsigned *set_at = calloc(c->n, sizeof(*set_at));
	struct loading l = { .conf = c, .path = path, .file = file, .set_at = set_at, .why = why };
	int line;

	if (!set_at)
		return -ENOMEM;
	if (!file) {
		int r = -errno;

		snprintf(why, CONF_WHY_MAX, "%s: %s", path, strerror(-r));
		return r;
	}
	line = ini_parse_stream(read_line, &l, on_value, &l);
	if (l.error)
		return l.error;
	if (ferror(file) || line < 0) {
		snprintf(why, CONF_WHY_MAX, "%s: cannot be read", path);
		return -EIO;
	}
	if (line > 0) {
		snprintf(why, CONF_WHY_MAX, "%s:%d: expected [section], key = value or a comment", path,
			 line);
		return -EINVAL;
	}
	return 0;
}

/* --- printing ------------------------------------------------------------------------------------ */

static void print_value(const struct conf *c, const struct conf_key *k, FILE *out)
{
	const void *at = place(c, k);

	switch (k->type) {
	case CONF_TEXT:
		if (k->secret && strcmp(at, k->preset) != 0)
			fprintf(out, "# %s is set and not shown\n#%s =\n", k->name, k->name);
		else
			fprintf(out, "%s =%s%s\n", k->name, *(const char *)at ? " " : "",
				(const char *)at);
		break;
	case CONF_NUMBER:
		fprintf(out, "%s = %u\n", k->name, *(const unsigned *)at);
		break;
	case CONF_BOOL:
		fprintf(out, "%s = %s\n", k->name, *(const bool *)at ? "yes" : "no");
		break;
	case CONF_CHOICE:
		fprintf(out, "%s = %s\n", k->name, k->words[*(const unsigned *)at]);
		break;
	}
}

void conf_print(const struct conf *c, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < c->n; i++) {
		const struct conf_key *k = &c->keys[i];
		struct text help = text_of(k->help);

		if (strcmp(section, k->section) != 0)
			fprintf(out, "%s[%s]\n", i ? "\n" : "", k->section);
		section = k->section;
		fputc('\n', out);
		while (help.n) {
			struct text line = text_cut(&help, '\n');

			fprintf(out, "# " TEXT_FMT "\n", TEXT_ARG(line));
		}
		print_value(c, k, out);
	}
}
