#include "support/examples.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/vectors.h"

#define ROWS_MAX 400

static struct row {
	char *section, *title;
	struct octets octets;
} rows[ROWS_MAX];
static size_t n_rows;

/* Each in a block of its own, so that sanitizers see a read behind the end; all are kept. */
static struct kept {
	struct kept *next;
	uint8_t octets[];
} *kept;

struct octets octets_of_hex(const char *digits)
{
	size_t n = strlen(digits) / 2;
	struct kept *k = malloc(sizeof(*k) + n);

	if (!k || (n && hex_decode(text_of(digits), k->octets, n, &n) < 0)) {
		fprintf(stderr, "%s: not hexadecimal\n", digits);
		exit(1);
	}
	k->next = kept;
	kept = k;
	return octets_from(k->octets, n);
}

static void load(void)
{
	char *data = vectors_load("tests/vectors/sgp32/examples.tsv", NULL), *line;

	while ((line = strsep(&data, "\n"))) {
		char *section = strsep(&line, "\t");

		if (!line || section[0] == '#')
			continue;
		strsep(&line, "\t");
		if (n_rows == ROWS_MAX)
			exit(1);
		rows[n_rows].section = section;
		rows[n_rows].title = strsep(&line, "\t");
		rows[n_rows++].octets = octets_of_hex(line);
	}
}

bool example_row(size_t i, const char **ret_section, const char **ret_title,
		 struct octets *ret_octets)
{
	if (!n_rows)
		load();
	if (i >= n_rows)
		return false;
	*ret_section = rows[i].section;
	*ret_title = rows[i].title;
	*ret_octets = rows[i].octets;
	return true;
}

struct octets example_after(const char *title, int behind)
{
	if (!n_rows)
		load();
	for (size_t i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].title, title))
			return rows[(size_t)((long)i + behind)].octets;
	fprintf(stderr, "%s: no such example\n", title);
	exit(1);
}

struct octets example(const char *title)
{
	return example_after(title, 0);
}

struct json_object *vectors_json(const char *path)
{
	struct json_object *o = json_object_from_file(path);

	if (!o) {
		fprintf(stderr, "%s: cannot be read; tests run from the project's root\n", path);
		exit(1);
	}
	return o;
}

struct octets json_octets(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v)) {
		fprintf(stderr, "%s: no such member\n", key);
		exit(1);
	}
	return octets_of_hex(json_object_get_string(v));
}
