/* CMUX frames against the vectors, whole streams in pieces of any size, damage and loss. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "atcmd/cmux_frame.h"
#include "core/hex.h"
#include "core/util.h"
#include "support/vectors.h"

#define FRAMES_MAX 64

static struct cmux_reader reader;
static struct {
	struct cmux_frame f;
	uint8_t info[CMUX_INFO_MAX];
} got[FRAMES_MAX];
static size_t got_n;
static char noise[4096];
static size_t noise_n;

static void on_frame(struct cmux_reader *r, const struct cmux_frame *f)
{
	(void)r;
	assert_true(got_n < FRAMES_MAX);
	got[got_n].f = *f;
	memcpy(got[got_n].info, f->info.s, f->info.n);
	got[got_n].f.info.s = (const char *)got[got_n].info;
	got_n++;
}

static void on_noise(struct cmux_reader *r, struct text octets)
{
	(void)r;
	assert_true(octets.n && octets.n < sizeof(noise) - noise_n);
	memcpy(noise + noise_n, octets.s, octets.n);
	noise_n += octets.n;
}

static void begin(void)
{
	memset(&reader, 0, sizeof(reader));
	reader.frame = on_frame;
	reader.noise = on_noise;
	got_n = noise_n = 0;
}

/* "F9 03" as octets. */
static size_t unhex(const char *s, uint8_t *dst)
{
	size_t n = 0;

	for (; *s; s += strspn(s, " ")) {
		char pair[3] = { s[0], s[1], 0 };

		assert_true(s[0] && s[1]);
		dst[n++] = (uint8_t)strtoul(pair, NULL, 16);
		s += 2;
	}
	return n;
}

static struct json_object *load(const char *path, const char *member)
{
	_cleanup_(freep) char *text = vectors_load(path, &(size_t){ 0 });
	struct json_object *o = json_tokener_parse(text), *list;

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, member, &list));
	json_object_get(list);
	json_object_put(o);
	return list;
}

static const char *str(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_string(v) : NULL;
}

static int num(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_int(v) : -1;
}

static void every_vector_is_read_and_written_to_the_octet(void **state)
{
	struct json_object *list = load("tests/vectors/at/cmux_frames.json", "frames");
	unsigned checked = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		uint8_t raw[CMUX_FRAME_MAX], info[CMUX_FRAME_MAX], out[CMUX_FRAME_MAX];
		size_t n = unhex(str(v, "hex"), raw), info_n, out_n;

		if (strcmp(str(v, "option"), "basic") != 0)
			continue;
		begin();
		cmux_feed(&reader, text_from(raw, n));
		if (got_n != 1)
			print_error("%s\n", str(v, "name"));
		assert_int_equal(got_n, 1);
		if (str(v, "type")) {
			assert_int_equal(got[0].f.dlci, num(v, "dlci"));
			assert_int_equal(got[0].f.cr, num(v, "cr"));
			assert_int_equal(got[0].f.pf, num(v, "pf"));
			assert_string_equal(cmux_type_name(got[0].f.type), str(v, "type"));
		}
		if (str(v, "payload")) {
			info_n = unhex(str(v, "payload"), info);
			assert_int_equal(got[0].f.info.n, info_n);
			assert_memory_equal(got[0].info, info, info_n);
		}
		assert_int_equal(cmux_encode(&got[0].f, out, sizeof(out), &out_n), 0);
		assert_int_equal(out_n, n);
		assert_memory_equal(out, raw, n);
		checked++;
	}
	json_object_put(list);
	assert_true(checked > 140);
}

static void the_check_sequence_is_that_of_the_table(void **state)
{
	struct json_object *table = load("tests/vectors/at/cmux_fcs.json", "table");

	(void)state;
	assert_int_equal(json_object_array_length(table), 256);
	for (unsigned i = 0; i < 256; i++) {
		uint8_t octet = (uint8_t)i;
		const char *want = json_object_get_string(json_object_array_get_idx(table, i ^ 0xff));

		assert_int_equal(cmux_fcs(&octet, 1), 0xff ^ strtoul(want, NULL, 16));
	}
	json_object_put(table);
}

static void compare(struct json_object *want, const char *name)
{
	if (got_n != json_object_array_length(want))
		print_error("%s\n", name);
	assert_int_equal(got_n, json_object_array_length(want));
	for (size_t i = 0; i < got_n; i++) {
		struct json_object *w = json_object_array_get_idx(want, i);
		uint8_t info[CMUX_FRAME_MAX];

		assert_int_equal(got[i].f.dlci, num(w, "dlci"));
		if (str(w, "type"))
			assert_string_equal(cmux_type_name(got[i].f.type), str(w, "type"));
		if (str(w, "payload")) {
			size_t n = unhex(str(w, "payload"), info);

			assert_int_equal(got[i].f.info.n, n);
			assert_memory_equal(got[i].info, info, n);
		}
	}
}

static void streams_give_the_same_frames_in_pieces_of_any_size(void **state)
{
	struct json_object *list = load("tests/vectors/at/cmux_streams.json", "streams");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i), *want;
		uint8_t raw[CMUX_FRAME_MAX];
		size_t n = unhex(str(v, "hex"), raw);

		if (!json_object_object_get_ex(v, "expect", &want))
			assert_true(json_object_object_get_ex(v, "expect_with_rescan", &want));
		for (size_t piece = 1; piece <= n; piece++) {
			begin();
			for (size_t at = 0; at < n; at += piece)
				cmux_feed(&reader, text_from(raw + at, MIN(piece, n - at)));
			cmux_reader_gap(&reader);
			compare(want, str(v, "name"));
		}
	}
	json_object_put(list);
}

static void a_length_beyond_what_was_agreed_takes_no_data(void **state)
{
	uint8_t raw[64];
	size_t n = unhex("F9 05 EF FE 0D 0A 4F 4B 0D 0A 5F F9 F9 05 EF 11 0D 0A 52 49 4E 47 0D 0A 4A F9", raw);

	(void)state;
	begin();
	reader.info_max = 127;
	cmux_feed(&reader, text_from(raw, n));
	assert_int_equal(got_n, 1);
	assert_int_equal(got[0].f.info.n, 8);
	assert_int_equal(reader.torn, 1);
}

static void text_outside_of_frames_is_noise_and_inside_of_torn_ones_is_not(void **state)
{
	uint8_t raw[64];
	size_t n = unhex("F9 05 EF 0D 0D 0A 4F 4B 0D 0A 0A F9", raw);

	(void)state;
	begin();
	cmux_feed(&reader, text_from(raw, n));
	assert_int_equal(noise_n, 0);
	cmux_feed(&reader, TEXT("\r\nRDY\r\n"));
	cmux_reader_gap(&reader);
	noise[noise_n] = '\0';
	assert_non_null(strstr(noise, "RDY\r\n"));
	assert_int_equal(got_n, 0);
}

/* A stream of numbered frames of all sizes. */
static size_t make_stream(uint8_t *dst, unsigned *ret_frames)
{
	size_t n = 0, one;
	unsigned k = 0;

	for (unsigned len = 2; len < 200; len += 37, k++) {
		uint8_t info[200];

		for (unsigned i = 0; i < len; i++)
			info[i] = (uint8_t)(i * 7 + k);
		info[0] = (uint8_t)k;
		/* Every second one opens with its predecessor's flag. */
		struct cmux_frame f = { .dlci = 1 + k % 4, .type = CMUX_UIH, .cr = true,
					.info = text_from(info, len) };
		assert_int_equal(cmux_encode(&f, dst + n, 1000, &one), 0);
		if (k % 2) {
			memmove(dst + n, dst + n + 1, one - 1);
			one--;
		}
		n += one;
	}
	*ret_frames = k;
	return n;
}

/* One octet lost, doubled or changed anywhere: at most two frames are missing, none is invented. */
static void damage_costs_no_more_than_its_frame_and_the_next(void **state)
{
	uint8_t raw[2000], hurt[2000];
	unsigned frames;
	size_t n = make_stream(raw, &frames);

	(void)state;
	for (unsigned way = 0; way < 10; way++) {
		for (size_t at = 0; at < n; at++) {
			size_t m = 0;

			for (size_t i = 0; i < n; i++) {
				if (i == at && way == 0)
					continue;
				if (i == at && way == 1)
					hurt[m++] = raw[i];
				hurt[m++] = i == at && way >= 2 ? raw[i] ^ (uint8_t)(1 << (way - 2)) : raw[i];
			}
			begin();
			cmux_feed(&reader, text_from(hurt, m));
			cmux_reader_gap(&reader);
			assert_in_range(got_n, frames - 2, frames);
			for (size_t i = 1; i < got_n; i++)
				assert_true(got[i].info[0] > got[i - 1].info[0] || way >= 2);
		}
	}
}

static void the_encoder_refuses_what_does_not_fit(void **state)
{
	uint8_t out[CMUX_FRAME_MAX], info[CMUX_INFO_MAX + 1] = { 0 };
	size_t n = 77;
	struct cmux_frame f = { .dlci = 62, .type = CMUX_SABM };

	(void)state;
	assert_int_equal(cmux_encode(&f, out, sizeof(out), &n), -EINVAL);
	f = (struct cmux_frame){ .dlci = 1, .type = CMUX_UIH, .info = text_from(info, sizeof(info)) };
	assert_int_equal(cmux_encode(&f, out, sizeof(out), &n), -EMSGSIZE);
	f.info.n = 20;
	assert_int_equal(cmux_encode(&f, out, 26, &n), -EMSGSIZE);
	assert_int_equal(n, 77);
	assert_int_equal(cmux_encode(&f, out, 27, &n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_read_and_written_to_the_octet),
		cmocka_unit_test(the_check_sequence_is_that_of_the_table),
		cmocka_unit_test(streams_give_the_same_frames_in_pieces_of_any_size),
		cmocka_unit_test(a_length_beyond_what_was_agreed_takes_no_data),
		cmocka_unit_test(text_outside_of_frames_is_noise_and_inside_of_torn_ones_is_not),
		cmocka_unit_test(damage_costs_no_more_than_its_frame_and_the_next),
		cmocka_unit_test(the_encoder_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
