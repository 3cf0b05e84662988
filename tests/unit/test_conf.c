/* Configuration: what a wrong line is told, and that nothing wrong passes. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf.h"
#include "core/util.h"

struct sample {
	char device[16];
	unsigned baud, mode;
	bool hunt;
	char pin[9];
};

static const char *const modes[] = { "on", "keep", NULL };

static const char *too_short(const char *value, char words[CONF_WRONG_MAX])
{
	if (!value[0] || strlen(value) >= 4)
		return NULL;
	snprintf(words, CONF_WRONG_MAX, "expected a longer one");
	return words;
}

static const struct conf_key keys[] = {
	{ "modem", "device", CONF_TEXT, CONF_AT_TEXT(struct sample, device), .preset = "/dev/x",
	  .help = "One.\nTwo." },
	{ "modem", "baud", CONF_NUMBER, CONF_AT(struct sample, baud), .preset = "115200", .min = 1200,
	  .max = 921600, .help = "Speed." },
	{ "modem", "mode", CONF_CHOICE, CONF_AT(struct sample, mode), .preset = "on", .words = modes,
	  .help = "Mode." },
	{ "line", "hunt", CONF_BOOL, CONF_AT(struct sample, hunt), .preset = "yes", .help = "Hunt." },
	{ "line", "pin", CONF_TEXT, CONF_AT_TEXT(struct sample, pin), .preset = "", .secret = true,
	  .wrong = too_short, .help = "PIN." },
};

static struct sample s;
static const struct conf conf = { keys, ARRAY_SIZE(keys), &s };
static char path[] = "/tmp/cellmux-conf-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(const char *text, char why[CONF_WHY_MAX])
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	conf_reset(&conf);
	why[0] = '\0';
	return conf_load(&conf, path, why);
}

static void a_right_file_sets_what_it_says(void **state)
{
	char why[CONF_WHY_MAX];

	(void)state;
	assert_int_equal(load("# comment\n[modem]\ndevice = /dev/ttyUSB2\nbaud=9600 ; comment\n\n"
			      "mode = KEEP\n[line]\nhunt = no\npin = 1234\n", why), 0);
	assert_string_equal(s.device, "/dev/ttyUSB2");
	assert_int_equal(s.baud, 9600);
	assert_int_equal(s.mode, 1);
	assert_false(s.hunt);
	assert_string_equal(s.pin, "1234");
	assert_int_equal(load("", why), 0);
	assert_string_equal(s.device, "/dev/x");
	assert_int_equal(s.baud, 115200);
}

static void a_wrong_line_is_told_with_file_line_key_and_expectation(void **state)
{
	static const struct {
		const char *text, *tail;
	} rows[] = {
		{ "[modem]\nbaud = fast\n", ":2: [modem] baud: expected a number from 1200 to 921600, not 'fast'" },
		{ "[modem]\n\nbaud = 1\n", ":3: [modem] baud: expected a number from 1200 to 921600, not '1'" },
		{ "[modem]\nbaud = 115200x\n", ":2: [modem] baud: expected a number from 1200 to 921600, not '115200x'" },
		{ "[modem]\nmode = off\n", ":2: [modem] mode: expected on or keep, not 'off'" },
		{ "[line]\nhunt = 1\n", ":2: [line] hunt: expected yes or no, not '1'" },
		{ "[modem]\ndevice = /dev/serial/by-id/long\n",
		  ":2: [modem] device: expected at most 15 characters, not '/dev/serial/by-id/long'" },
		{ "[line]\npin = 123456789\n", ":2: [line] pin: expected at most 8 characters, not '…'" },
		{ "[modem]\nbuad = 1\n", ":2: [modem] buad: no such key; see cellmux.conf(5)" },
		{ "[moden]\nbaud = 9600\n", ":1: [moden]: no such section; see cellmux.conf(5)" },
		{ "[moden]\n", ":1: [moden]: no such section; see cellmux.conf(5)" },
		{ "baud = 9600\n", ":1: baud: expected a [section] before it" },
		{ "[line]\npin = 12\n", ":2: [line] pin: expected a longer one" },
		{ "[modem]\nbaud = 9600\n[modem]\nbaud = 9600\n", ":4: [modem] baud: already set in line 2" },
		{ "[modem\n", ":1: expected [section], key = value or a comment" },
		{ "[modem\nbaud = 9600\n", ":1: expected [section], key = value or a comment" },
		{ "[modem]\nnonsense\nbaud = x\n", ":2: expected [section], key = value or a comment" },
		{ "[modem]\nnonsense\n", ":2: expected [section], key = value or a comment" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[CONF_WHY_MAX], want[CONF_WHY_MAX];

		assert_true(load(rows[i].text, why) < 0);
		snprintf(want, sizeof(want), "%s%s", path, rows[i].tail);
		assert_string_equal(why, want);
	}
}

static void indented_lines_and_a_byte_order_mark_are_read_as_others(void **state)
{
	char why[CONF_WHY_MAX];

	(void)state;
	assert_int_equal(load("\xef\xbb\xbf[modem]\r\n  device = /dev/x\r\n\tbaud = 9600\r\n  [line]\r\n"
			      "    hunt = no\r\n", why), 0);
	assert_string_equal(s.device, "/dev/x");
	assert_int_equal(s.baud, 9600);
	assert_false(s.hunt);
}

static void an_over_long_line_is_refused_not_cut(void **state)
{
	char text[1000] = "[modem]\ndevice = ", why[CONF_WHY_MAX];

	(void)state;
	memset(text + strlen(text), 'x', 500);
	assert_int_equal(load(text, why), -EINVAL);
	assert_non_null(strstr(why, ":2: expected at most"));
}

static void a_missing_file_is_told(void **state)
{
	char why[CONF_WHY_MAX];

	(void)state;
	assert_int_equal(conf_load(&conf, "/nonexistent", why), -ENOENT);
	assert_string_equal(why, "/nonexistent: No such file or directory");
}

static void what_is_printed_can_be_read_back(void **state)
{
	char text[4096] = "", why[CONF_WHY_MAX];
	struct sample before;
	FILE *f;

	(void)state;
	assert_int_equal(load("[modem]\nbaud=9600\nmode=keep\n[line]\nhunt=no\n", why), 0);
	before = s;
	f = fmemopen(text, sizeof(text), "w");
	conf_print(&conf, f);
	fclose(f);
	assert_non_null(strstr(text, "# One.\n# Two.\ndevice = /dev/x\n"));
	assert_int_equal(load(text, why), 0);
	assert_memory_equal(&s, &before, sizeof(s));
}

static void secrets_are_not_printed(void **state)
{
	char text[4096] = "", why[CONF_WHY_MAX];
	FILE *f;

	(void)state;
	assert_int_equal(load("[line]\npin=4711\n", why), 0);
	f = fmemopen(text, sizeof(text), "w");
	conf_print(&conf, f);
	fclose(f);
	assert_null(strstr(text, "4711"));
}

/* --- named sections ------------------------------------------------------------------------------ */

struct door {
	char name[8];
	unsigned width;
	bool open;
};

static struct house {
	unsigned height;
	struct door doors[3];
	size_t n_doors;
} house;

static const struct conf_key house_keys[] = {
	{ "house", "height", CONF_NUMBER, CONF_AT(struct house, height), .preset = "3", .max = 9,
	  .help = "Metres." },
};

static const struct conf_key door_keys[] = {
	{ NULL, "width", CONF_NUMBER, CONF_AT(struct door, width), .preset = "90", .min = 50, .max = 200,
	  .help = "Centimetres." },
	{ NULL, "open", CONF_BOOL, CONF_AT(struct door, open), .preset = "no", .help = "Open." },
};

static const struct conf_group door_group = {
	.prefix = "door", .example = "front", .keys = door_keys, .n = ARRAY_SIZE(door_keys),
	.offset = offsetof(struct house, doors), .size = sizeof(struct door), .max = 3,
	.count_offset = offsetof(struct house, n_doors), .name_offset = offsetof(struct door, name),
	.name_size = sizeof(((struct door *)0)->name), .help = "Doors.",
};

static const struct conf house_conf = {
	house_keys, ARRAY_SIZE(house_keys), &house, &door_group, 1
};

static int load_house(const char *text, char why[CONF_WHY_MAX])
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	conf_reset(&house_conf);
	return conf_load(&house_conf, path, why);
}

static void named_sections_make_items_in_the_order_of_the_file(void **state)
{
	char why[CONF_WHY_MAX];

	(void)state;
	assert_int_equal(load_house("[door.back]\n\n[house]\nheight=4\n[door.a-1]\nwidth = 80\nopen=yes\n",
				    why), 0);
	assert_int_equal(house.n_doors, 2);
	assert_string_equal(house.doors[0].name, "back");
	assert_int_equal(house.doors[0].width, 90);
	assert_string_equal(house.doors[1].name, "a-1");
	assert_int_equal(house.doors[1].width, 80);
	assert_true(house.doors[1].open);
	assert_int_equal(house.height, 4);
	/* A section may come in pieces. */
	assert_int_equal(load_house("[door.x]\nwidth=60\n[house]\n[door.x]\nopen=yes\n", why), 0);
	assert_int_equal(house.n_doors, 1);
	assert_int_equal(house.doors[0].width, 60);
	assert_true(house.doors[0].open);
}

static void wrong_named_sections_are_told(void **state)
{
	static const struct {
		const char *text, *tail;
	} rows[] = {
		{ "[door.x]\nwidth=10\n", ":2: [door.x] width: expected a number from 50 to 200, not '10'" },
		{ "[door.x]\nheight=1\n", ":2: [door.x] height: no such key; see cellmux.conf(5)" },
		{ "[door.x]\nopen=yes\n[door.x]\nopen=no\n",
		  ":4: [door.x] open: already set in line 2" },
		{ "[door.]\nopen=yes\n", ":1: [door.]: expected a name of at most 7 letters, digits, '-' or "
					"'_' behind the dot" },
		{ "[door.a/b]\n", ":1: [door.a/b]: expected a name of at most 7 letters, digits, '-' or '_' "
				  "behind the dot" },
		{ "[door.12345678]\n", ":1: [door.12345678]: expected a name of at most 7 letters, digits, "
				       "'-' or '_' behind the dot" },
		{ "[door.a]\n[door.b]\n[door.c]\n[door.d]\n",
		  ":4: [door.d]: expected at most 3 sections [door.…]" },
		{ "[door]\nopen=yes\n", ":1: [door]: expected a name behind it, for example [door.front]" },
		{ "[door]\n", ":1: [door]: expected a name behind it, for example [door.front]" },
		{ "[dor.a]\n", ":1: [dor.a]: no such section; see cellmux.conf(5)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[CONF_WHY_MAX] = "";

		assert_true(load_house(rows[i].text, why) < 0);
		assert_non_null(strstr(why, rows[i].tail));
	}
}

static void named_sections_are_printed_as_set_or_as_an_example(void **state)
{
	char text[4096] = "", why[CONF_WHY_MAX];
	struct house before;
	FILE *f;

	(void)state;
	assert_int_equal(load_house("[door.a]\nwidth=60\n[door.b]\nopen=yes\n", why), 0);
	before = house;
	f = fmemopen(text, sizeof(text), "w");
	conf_print(&house_conf, f);
	fclose(f);
	assert_int_equal(load_house(text, why), 0);
	assert_memory_equal(&house, &before, sizeof(house));
	conf_reset(&house_conf);
	memset(text, 0, sizeof(text));
	f = fmemopen(text, sizeof(text), "w");
	conf_print(&house_conf, f);
	fclose(f);
	assert_non_null(strstr(text, "#[door.front]\n"));
	assert_non_null(strstr(text, "#width = 90\n"));
	assert_int_equal(load_house(text, why), 0);
	assert_int_equal(house.n_doors, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_file_sets_what_it_says),
		cmocka_unit_test(a_wrong_line_is_told_with_file_line_key_and_expectation),
		cmocka_unit_test(indented_lines_and_a_byte_order_mark_are_read_as_others),
		cmocka_unit_test(an_over_long_line_is_refused_not_cut),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(what_is_printed_can_be_read_back),
		cmocka_unit_test(secrets_are_not_printed),
		cmocka_unit_test(named_sections_make_items_in_the_order_of_the_file),
		cmocka_unit_test(wrong_named_sections_are_told),
		cmocka_unit_test(named_sections_are_printed_as_set_or_as_an_example),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
