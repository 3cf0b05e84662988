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

static const struct conf_key keys[] = {
	{ "modem", "device", CONF_TEXT, CONF_AT_TEXT(struct sample, device), .preset = "/dev/x",
	  .help = "One.\nTwo." },
	{ "modem", "baud", CONF_NUMBER, CONF_AT(struct sample, baud), .preset = "115200", .min = 1200,
	  .max = 921600, .help = "Speed." },
	{ "modem", "mode", CONF_CHOICE, CONF_AT(struct sample, mode), .preset = "on", .words = modes,
	  .help = "Mode." },
	{ "line", "hunt", CONF_BOOL, CONF_AT(struct sample, hunt), .preset = "yes", .help = "Hunt." },
	{ "line", "pin", CONF_TEXT, CONF_AT_TEXT(struct sample, pin), .preset = "", .secret = true,
	  .help = "PIN." },
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
		{ "[moden]\nbaud = 9600\n", ":2: [moden] baud: no such section; see cellmux.conf(5)" },
		{ "baud = 9600\n", ":1: [] baud: no such section; see cellmux.conf(5)" },
		{ "[modem]\nbaud = 9600\n[modem]\nbaud = 9600\n", ":4: [modem] baud: already set in line 2" },
		{ "[modem\n", ":1: expected [section], key = value or a comment" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_file_sets_what_it_says),
		cmocka_unit_test(a_wrong_line_is_told_with_file_line_key_and_expectation),
		cmocka_unit_test(an_over_long_line_is_refused_not_cut),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(what_is_printed_can_be_read_back),
		cmocka_unit_test(secrets_are_not_printed),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
