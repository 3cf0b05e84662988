#include "support/hexjson.h"

#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "support/test.h"
#include "support/vectors.h"

/* What was decoded, so that tests need not free it one by one. */
static void **kept;
static size_t n_kept;

static void *keep(void *p)
{
	kept = realloc(kept, (n_kept + 1) * sizeof(*kept));
	assert_true(p && kept);
	return kept[n_kept++] = p;
}

void hexjson_done(void)
{
	while (n_kept)
		free(kept[--n_kept]);
	free(kept);
	kept = NULL;
}

struct json_object *hexjson_load(const char *path)
{
	size_t n;
	char *text = vectors_load(path, &n);
	struct json_object *o = json_tokener_parse(text);

	free(text);
	if (!o)
		fail_msg("%s: no JSON", path);
	return o;
}

struct json_object *hexjson_at(struct json_object *o, const char *path)
{
	struct text rest = text_of(path);

	while (rest.n) {
		struct text name = text_cut(&rest, '.');
		char buf[64];
		struct json_object *next = NULL;

		assert_int_equal(text_copy(name, buf, sizeof(buf)), 0);
		if (json_object_is_type(o, json_type_array))
			next = json_object_array_get_idx(o, strtoul(buf, NULL, 10));
		else
			json_object_object_get_ex(o, buf, &next);
		if (!next)
			fail_msg("no \"%s\" in %s", buf, path);
		o = next;
	}
	return o;
}

const char *hexjson_text(struct json_object *o, const char *path)
{
	return json_object_get_string(hexjson_at(o, path));
}

struct octets hexjson_decode(const char *digits)
{
	size_t n = strlen(digits) / 2;
	uint8_t *p = keep(malloc(n + 1));

	if (hex_decode(text_of(digits), p, n, &n))
		fail_msg("no hexadecimal digits: %.40s", digits);
	return octets_from(p, n);
}

struct octets hexjson_octets(struct json_object *o, const char *path)
{
	return hexjson_decode(hexjson_text(o, path));
}

struct octets hexjson_file(const char *path)
{
	size_t n;
	char *p = keep(vectors_load(path, &n));

	return octets_from(p, n);
}
