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
		if ((!c->keys[i].section || !strcmp(c->keys[i].section, section)) &&
		    !strcmp(c->keys[i].name, name))
			return &c->keys[i];
	return NULL;
}

static bool section_known(const struct conf *c, const char *section)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->keys[i].section || !strcmp(c->keys[i].section, section))
			return true;
	return false;
}

static void *place(const struct conf *c, const struct conf_key *k)
{
	return (char *)c->settings + k->offset;
}

/* --- named sections ---------------------------------------------------------------------------- */

static size_t *count_of(const struct conf *c, const struct conf_group *g)
{
	return (size_t *)(void *)((char *)c->settings + g->count_offset);
}

static char *item_of(const struct conf *c, const struct conf_group *g, size_t i)
{
	return (char *)c->settings + g->offset + i * g->size;
}

/* One item of a group as a configuration of its own. */
static struct conf item_conf(const struct conf *c, const struct conf_group *g, size_t i)
{
	return (struct conf){ .keys = g->keys, .n = g->n, .settings = item_of(c, g, i) };
}

static const struct conf_group *find_group(const struct conf *c, const char *section,
					   struct text *ret_name)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		size_t n = strlen(c->groups[i].prefix);

		if (!strncmp(section, c->groups[i].prefix, n) && section[n] == '.') {
			*ret_name = text_of(section + n + 1);
			return &c->groups[i];
		}
	}
	return NULL;
}

/* Letters, digits, '-' and '_': a name is also that of a file. */
static bool is_name(struct text name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", name.s[i]))
			return false;
	return name.n > 0;
}

/* The item of this name, made if it is new. -EINVAL: no name; -ENOSPC: there are enough. */
static int find_item(const struct conf *c, const struct conf_group *g, struct text name, size_t *ret)
{
	size_t *count = count_of(c, g);
	struct conf one;

	if (!is_name(name) || name.n >= g->name_size)
		return -EINVAL;
	for (size_t i = 0; i < *count; i++) {
		if (text_eq(name, item_of(c, g, i) + g->name_offset)) {
			*ret = i;
			return 0;
		}
	}
	if (*count == g->max)
		return -ENOSPC;
	one = item_conf(c, g, *count);
	memset(one.settings, 0, g->size);
	conf_reset(&one);
	text_copy(name, item_of(c, g, *count) + g->name_offset, g->name_size);
	*ret = (*count)++;
	return 0;
}

static int set_in_group(const struct conf *c, const struct conf_group *g, struct text item,
			const char *section, const char *name, const char *value, const char *origin,
			char why[CONF_WHY_MAX]);

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
	for (size_t i = 0; i < c->n_groups; i++)
		*count_of(c, &c->groups[i]) = 0;
}

int conf_set(const struct conf *c, const char *section, const char *name, const char *value,
	     const char *origin, char why[CONF_WHY_MAX])
{
	const struct conf_key *k = find_key(c, section, name);
	struct text item;
	const struct conf_group *g = k ? NULL : find_group(c, section, &item);
	char expected[200], words[CONF_WRONG_MAX];
	const char *wrong;

	if (g)
		return set_in_group(c, g, item, section, name, value, origin, why);
	if (!k && !section[0]) {
		snprintf(why, CONF_WHY_MAX, "%s: %s: expected a [section] before it", origin, name);
		return -ENOENT;
	}
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
	wrong = k->wrong ? k->wrong(place(c, k), words) : NULL;
	if (wrong) {
		snprintf(why, CONF_WHY_MAX, "%s: [%s] %s: %s", origin, section, name, wrong);
		return -EINVAL;
	}
	return 0;
}

static int set_in_group(const struct conf *c, const struct conf_group *g, struct text item,
			const char *section, const char *name, const char *value, const char *origin,
			char why[CONF_WHY_MAX])
{
	size_t i;
	struct conf one;
	int r = find_item(c, g, item, &i);

	if (r == -ENOSPC)
		snprintf(why, CONF_WHY_MAX, "%s: [%s]: expected at most %zu sections [%s.…]", origin,
			 section, g->max, g->prefix);
	else if (r < 0)
		snprintf(why, CONF_WHY_MAX, "%s: [%s]: expected a name of at most %zu letters, digits, '-' "
			 "or '_' behind the dot", origin, section, g->name_size - 1);
	if (r < 0)
		return -EINVAL;
	one = item_conf(c, g, i);
	return conf_set(&one, section, name, value, origin, why);
}

/* --- a file ------------------------------------------------------------------------------------ */

struct loading {
	const struct conf *conf;
	const char *path;
	FILE *file;
	unsigned line;
	unsigned *set_at;       /* per key, then per key of each named section: the line, 0 not yet */
	char *why;
	int error;
};

static int syntax_error(struct loading *l, unsigned line)
{
	snprintf(l->why, CONF_WHY_MAX, "%s:%u: expected [section], key = value or a comment", l->path, line);
	return -EINVAL;
}

/* "[port]" is not a port, though nothing would be missed without a key in it. */
static int unknown_section(struct loading *l, const char *section)
{
	for (size_t i = 0; i < l->conf->n_groups; i++) {
		const struct conf_group *g = &l->conf->groups[i];

		if (strcmp(section, g->prefix) != 0)
			continue;
		snprintf(l->why, CONF_WHY_MAX, "%s:%u: [%s]: expected a name behind it, for example [%s.%s]",
			 l->path, l->line, section, g->prefix, g->example);
		return -EINVAL;
	}
	snprintf(l->why, CONF_WHY_MAX, "%s:%u: [%s]: no such section; see cellmux.conf(5)", l->path, l->line,
		 section);
	return -ENOENT;
}

/*
 * Of a section without keys inih says nothing, and goes on behind a header that it cannot read. A
 * named one counts by its header alone.
 */
static int look_for_section(struct loading *l, const char *line)
{
	struct text t = text_trim(text_of(line)), name;
	const struct conf_group *g;
	char section[80], origin[300];
	size_t i;

	if (!text_starts(t, "["))
		return 0;
	if (text_find(t, ']') == t.n ||
	    text_copy(text_from(t.s + 1, text_find(t, ']') - 1), section, sizeof(section)) < 0)
		return syntax_error(l, l->line);
	g = find_group(l->conf, section, &name);
	if (!g)
		return section_known(l->conf, section) ? 0 : unknown_section(l, section);
	if (find_item(l->conf, g, name, &i) == 0)
		return 0;
	snprintf(origin, sizeof(origin), "%s:%u", l->path, l->line);
	/* Says why it cannot be made. */
	return conf_set(l->conf, section, "", "", origin, l->why);
}

/*
 * inih takes an indented line for more of the value above, which no key here has, and an editor's
 * byte order mark for text.
 */
static void strip_front(char *line, bool first)
{
	size_t n = first && !strncmp(line, "\xef\xbb\xbf", 3) ? 3 : 0;

	n += strspn(line + n, " \t");
	memmove(line, line + n, strlen(line + n) + 1);
}

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
	strip_front(dst, l->line == 1);
	l->error = look_for_section(l, dst);
	return l->error ? NULL : dst;
}

/* Where set_at counts this key; -1: it is no key. A named section is made by this. */
static long slot_of(const struct conf *c, const char *section, const char *name)
{
	const struct conf_key *k = find_key(c, section, name);
	struct text item;
	const struct conf_group *g;
	size_t base = c->n, i;

	if (k)
		return k - c->keys;
	g = find_group(c, section, &item);
	if (!g || find_item(c, g, item, &i) < 0)
		return -1;
	for (const struct conf_group *before = c->groups; before < g; before++)
		base += before->n * before->max;
	k = find_key(&(struct conf){ .keys = g->keys, .n = g->n }, section, name);
	return k ? (long)(base + i * g->n) + (k - g->keys) : -1;
}

static size_t slots(const struct conf *c)
{
	size_t n = c->n;

	for (size_t i = 0; i < c->n_groups; i++)
		n += c->groups[i].n * c->groups[i].max;
	return n;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct loading *l = user;
	char origin[300];
	long i;

	if (l->error)
		return 0;
	snprintf(origin, sizeof(origin), "%s:%u", l->path, l->line);
	i = slot_of(l->conf, section, name);
	if (i >= 0) {
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
	_cleanup_(freep) unsigned *set_at = calloc(slots(c), sizeof(*set_at));
	struct loading l = { .conf = c, .path = path, .file = file, .set_at = set_at, .why = why };
	int line;

	if (!set_at)
		return -ENOMEM;
	if (!file) {
		int r = -errno;

		snprintf(why, CONF_WHY_MAX, "%s: %s%s", path, strerror(-r), r == -EACCES ?
			 "; the user that the daemon runs as must be able to read it" : "");
		return r;
	}
	line = ini_parse_stream(read_line, &l, on_value, &l);
	/* The first fault counts; the one that was found may have followed from it. */
	if (line > 0 && (!l.error || (unsigned)line < l.line))
		return syntax_error(&l, (unsigned)line);
	if (l.error)
		return l.error;
	if (ferror(file) || line < 0) {
		snprintf(why, CONF_WHY_MAX, "%s: cannot be read", path);
		return -EIO;
	}
	return 0;
}

/* --- printing ------------------------------------------------------------------------------------ */

/* off: "#", a line that only shows what could be set. */
static void print_value(const struct conf *c, const struct conf_key *k, const char *off, FILE *out)
{
	const void *at = place(c, k);

	switch (k->type) {
	case CONF_TEXT:
		if (k->secret && strcmp(at, k->preset) != 0)
			fprintf(out, "# %s is set and not shown\n#%s =\n", k->name, k->name);
		else
			fprintf(out, "%s%s =%s%s\n", off, k->name, *(const char *)at ? " " : "",
				(const char *)at);
		break;
	case CONF_NUMBER:
		fprintf(out, "%s%s = %u\n", off, k->name, *(const unsigned *)at);
		break;
	case CONF_BOOL:
		fprintf(out, "%s%s = %s\n", off, k->name, *(const bool *)at ? "yes" : "no");
		break;
	case CONF_CHOICE:
		fprintf(out, "%s%s = %s\n", off, k->name, k->words[*(const unsigned *)at]);
		break;
	}
}

static void print_help(const char *text, FILE *out)
{
	struct text help = text_of(text);

	fputc('\n', out);
	while (help.n) {
		struct text line = text_cut(&help, '\n');

		fprintf(out, "# " TEXT_FMT "\n", TEXT_ARG(line));
	}
}

static void print_keys(const struct conf *c, const char *off, FILE *out)
{
	for (size_t i = 0; i < c->n; i++) {
		print_help(c->keys[i].help, out);
		print_value(c, &c->keys[i], off, out);
	}
}

/* What is configured, or one section that says how. */
static void print_group(const struct conf *c, const struct conf_group *g, FILE *out)
{
	size_t n = *count_of(c, g);
	_cleanup_(freep) void *sample = calloc(1, g->size);
	struct conf one = { .keys = g->keys, .n = g->n, .settings = sample };

	print_help(g->help, out);
	for (size_t i = 0; i < n; i++) {
		one = item_conf(c, g, i);
		fprintf(out, "%s[%s.%s]\n", i ? "\n" : "", g->prefix,
			(const char *)one.settings + g->name_offset);
		print_keys(&one, "", out);
	}
	if (n == 0 && sample) {
		conf_reset(&one);
		fprintf(out, "#[%s.%s]\n", g->prefix, g->example);
		print_keys(&one, "#", out);
	}
}

void conf_print(const struct conf *c, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < c->n; i++) {
		const struct conf_key *k = &c->keys[i];

		if (strcmp(section, k->section) != 0)
			fprintf(out, "%s[%s]\n", i ? "\n" : "", k->section);
		section = k->section;
		print_help(k->help, out);
		print_value(c, k, "", out);
	}
	for (size_t i = 0; i < c->n_groups; i++)
		print_group(c, &c->groups[i], out);
}
