/*
 * Lines: how they are written, on the kernel's chips (the library's calls on chips in memory) and
 * behind a socket (a program played by the test).
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"
#include "modem/gpio.h"
#include "support/fake_gpiod.h"
#include "unit/fake_ev.h"

static struct gpio_line line;
static unsigned changes;

static void on_changed(struct gpio_line *l)
{
	assert_ptr_equal(l, &line);
	changes++;
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	memset(&line, 0, sizeof(line));
	line.changed = on_changed;
	changes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gpio_close(&line);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static int open_line(const char *text, enum gpio_use use, char why[GPIO_WHY_MAX])
{
	struct gpio_spec spec;

	assert_int_equal(gpio_spec_parse(text_of(text), &spec, why), 0);
	return gpio_open(&line, &spec, use, why);
}

/* --- as it is written --------------------------------------------------------------------------- */

static void lines_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *text, *chip, *name;
		bool low, drain;
		enum gpio_bias bias;
	} rows[] = {
		{ "", "", "", false, false, GPIO_BIAS_AS_IS },
		{ "gpiochip0:17", "gpiochip0", "17", false, false, GPIO_BIAS_AS_IS },
		{ " /dev/gpiochip2:3 active-low ", "/dev/gpiochip2", "3", true, false, GPIO_BIAS_AS_IS },
		{ "MODEM_PWRKEY", "", "MODEM_PWRKEY", false, false, GPIO_BIAS_AS_IS },
		{ "INT34C5:00:9", "INT34C5:00", "9", false, false, GPIO_BIAS_AS_IS },
		{ "pinctrl-bcm2711:ID_SDA\topen-drain pull-up", "pinctrl-bcm2711", "ID_SDA", false, true,
		  GPIO_BIAS_UP },
		{ "0:5 pull-down active-low open-drain", "0", "5", true, true, GPIO_BIAS_DOWN },
		{ "soc:PWR KEY active-low", "soc", "PWR KEY", true, false, GPIO_BIAS_AS_IS },
		{ "unix:/run/board.sock:pwrkey", "unix:/run/board.sock", "pwrkey", false, false,
		  GPIO_BIAS_AS_IS },
	};
	static const char *const wrong[] = {
		"17", ":17", "gpiochip0:", "active-low:", "gpiochip0:5 active-hi", "gpiochip0:5 active-low x",
		"soc:PWR active-hi", "soc:PWR pull-up-down", "unix:/run/board.sock",
		"x:0123456789012345678901234567890123456789012345678901234567890123",
	};
	char why[GPIO_WHY_MAX];
	struct gpio_spec s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(gpio_spec_parse(text_of(rows[i].text), &s, why), 0);
		assert_string_equal(s.chip, rows[i].chip);
		assert_string_equal(s.line, rows[i].name);
		assert_int_equal(s.active_low, rows[i].low);
		assert_int_equal(s.open_drain, rows[i].drain);
		assert_int_equal(s.bias, rows[i].bias);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		memset(&s, 0x5a, sizeof(s));
		assert_int_equal(gpio_spec_parse(text_of(wrong[i]), &s, why), -EINVAL);
		assert_int_equal(s.chip[0], 0x5a);
		assert_non_null(strstr(why, " "));
	}
}

/* --- the kernel's chips ------------------------------------------------------------------------- */

#if GPIO_API

static struct fake_gpiod_line *at(int chip, int offset)
{
	return &fake_gpiod.chips[chip].lines[offset];
}

static int setup_chips(void **state)
{
	setup(state);
	fake_gpiod_open();
	snprintf(at(0, 3)->name, 32, "PWRKEY");
	snprintf(at(1, 3)->name, 32, "STATUS");
	snprintf(at(0, 6)->name, 32, "LED");
	snprintf(at(1, 6)->name, 32, "LED");
	return 0;
}

static int teardown_chips(void **state)
{
	teardown(state);
	fake_gpiod_close();
	return 0;
}

static void a_chip_has_four_names(void **state)
{
	char path[96];
	const char *names[] = { "gpiochip1:3", "1:3", "expander:3", path, "expander:STATUS", "STATUS" };
	char why[GPIO_WHY_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/gpiochip1:3", fake_gpiod.dir);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (open_line(names[i], GPIO_INPUT, why) < 0)
			fail_msg("%s: %s", names[i], why);
		assert_true(at(1, 3)->requested);
		assert_string_equal(at(1, 3)->who, "cellmuxd");
		gpio_close(&line);
		assert_false(at(1, 3)->requested);
	}
}

static void an_output_has_its_value_from_the_request_on(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	at(0, 3)->value = 1;
	assert_int_equal(open_line("PWRKEY active-low open-drain", GPIO_OUTPUT_OFF, why), 0);
	assert_true(at(0, 3)->output && at(0, 3)->active_low && at(0, 3)->open_drain);
	assert_int_equal(at(0, 3)->value, 0);
	assert_int_equal(gpio_set(&line, true), 0);
	assert_int_equal(at(0, 3)->value, 1);
	assert_int_equal(gpio_get(&line), 1);
	gpio_close(&line);
	assert_int_equal(open_line("gpiochip0:3", GPIO_OUTPUT_ON, why), 0);
	assert_false(at(0, 3)->active_low || at(0, 3)->open_drain);
	assert_int_equal(at(0, 3)->value, 1);
	assert_int_equal(changes, 0);
}

static void an_input_tells_of_its_edges(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line("STATUS pull-down", GPIO_INPUT, why), 0);
	assert_int_equal(at(1, 3)->bias, -1);
	assert_int_equal(gpio_get(&line), 0);
	fake_gpiod_move(1, 3, 1);
	fake_ev_settle();
	assert_int_equal(changes, 1);
	assert_int_equal(gpio_get(&line), 1);
	/* down and up again between two looks is no news */
	fake_gpiod_move(1, 3, 0);
	fake_gpiod_move(1, 3, 1);
	fake_ev_settle();
	assert_int_equal(changes, 1);
}

static void a_line_without_edges_is_looked_at(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	at(1, 3)->no_edges = true;
	assert_int_equal(open_line("STATUS pull-up", GPIO_INPUT, why), 0);
	assert_false(at(1, 3)->edges);
	assert_int_equal(at(1, 3)->bias, 1);
	fake_gpiod_move(1, 3, 1);
	fake_ev_run(249);
	assert_int_equal(changes, 0);
	fake_ev_run(1);
	assert_int_equal(changes, 1);
	assert_int_equal(gpio_get(&line), 1);
}

static void what_is_wrong_is_said_in_one_line(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *words;
	} rows[] = {
		{ "gpiochip7:1", -ENOENT, "/gpiochip7" },
		{ "nonsense:1", -ENOENT, "no GPIO chip has the label nonsense; there are gpiochip0 (soc), "
					 "gpiochip1 (expander)" },
		{ "/dev/null:1", -ENOENT, "/dev/null is no GPIO chip" },
		{ "soc:8", -ENOENT, "gpiochip0 (soc) has 8 lines, and no line 8" },
		{ "soc:STATUS", -ENOENT, "no line is named STATUS on gpiochip0" },
		{ "NOSUCH", -ENOENT, "no line is named NOSUCH" },
		{ "LED", -ENOTUNIQ, "2 lines are named LED: gpiochip0 (line 6), gpiochip1 (line 6); give "
				    "chip and number" },
		{ "soc:1", -EBUSY, "line 1 of gpiochip0 is held by spi0 CS0" },
		{ "soc:2", -EBUSY, "line 2 of gpiochip0 is in use" },
	};
	char why[GPIO_WHY_MAX];

	(void)state;
	at(0, 1)->busy = at(0, 2)->busy = true;
	snprintf(at(0, 1)->consumer, 32, "spi0 CS0");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int use = GPIO_INPUT; use <= GPIO_OUTPUT_ON; use++) {
			assert_int_equal(open_line(rows[i].text, (enum gpio_use)use, why), rows[i].r);
			if (!strstr(why, rows[i].words))
				fail_msg("%s: %s", rows[i].text, why);
		}
	}
	fake_gpiod.chips[0].error = fake_gpiod.chips[1].error = EACCES;
	assert_int_equal(open_line("soc:4", GPIO_INPUT, why), -EACCES);
	assert_non_null(strstr(why, "permission denied; members of group"));
	assert_int_equal(open_line("gpiochip0:4", GPIO_INPUT, why), -EACCES);
	/* one that may not be looked at hides nothing on the other */
	fake_gpiod.chips[1].error = 0;
	assert_int_equal(open_line("STATUS", GPIO_INPUT, why), 0);
}

static void a_chip_that_is_pulled_is_told(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(open_line("STATUS", GPIO_INPUT, why), 0);
	fake_gpiod.gone = true;
	fake_gpiod_move(1, 3, 1);
	fake_ev_settle();
	assert_int_equal(changes, 1);
	assert_int_equal(gpio_get(&line), -ENODEV);
	gpio_close(&line);
	fake_gpiod.gone = false;
	assert_int_equal(open_line("PWRKEY", GPIO_OUTPUT_OFF, why), 0);
	fake_gpiod.gone = true;
	assert_int_equal(gpio_set(&line, true), -ENODEV);
}

#else

static void without_the_library_a_chip_is_refused_in_one_line(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line("gpiochip0:3", GPIO_INPUT, why), -ENOTSUP);
	assert_non_null(strstr(why, "built without libgpiod"));
}

#endif

/* --- a program behind a socket ------------------------------------------------------------------ */

static struct {
	char dir[64], path[80], spec[128];
	int listener, fd;
} program;

static void listen_again(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", program.path);
	program.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(program.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(program.listener, 4), 0);
}

static int setup_program(void **state)
{
	setup(state);
	memset(&program, 0, sizeof(program));
	snprintf(program.dir, sizeof(program.dir), "/tmp/cellmux-lines-XXXXXX");
	assert_non_null(mkdtemp(program.dir));
	snprintf(program.path, sizeof(program.path), "%s/sock", program.dir);
	program.fd = -1;
	listen_again();
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static void stop_program(void)
{
	if (program.fd >= 0)
		close(program.fd);
	close(program.listener);
	unlink(program.path);
	program.fd = -1;
}

static int teardown_program(void **state)
{
	teardown(state);
	stop_program();
	rmdir(program.dir);
	return 0;
}

static const char *spec_of(const char *rest)
{
	snprintf(program.spec, sizeof(program.spec), "unix:%s:%s", program.path, rest);
	return program.spec;
}

/* Everything the daemon has said by now. */
static const char *heard(void)
{
	static char words[512];
	ssize_t n;

	fake_ev_settle();
	if (program.fd < 0)
		program.fd = accept4(program.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	n = program.fd < 0 ? 0 : recv(program.fd, words, sizeof(words) - 1, MSG_DONTWAIT);
	words[n > 0 ? n : 0] = '\0';
	return words;
}

static void say(const char *words)
{
	assert_int_equal(send(program.fd, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
	fake_ev_settle();
}

static void levels_go_out_and_polarity_stays_here(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line(spec_of("pwrkey"), GPIO_OUTPUT_OFF, why), 0);
	assert_string_equal(heard(), "line pwrkey out 0\n");
	say("ok\n");
	assert_int_equal(gpio_set(&line, true), 0);
	assert_int_equal(gpio_set(&line, false), 0);
	assert_string_equal(heard(), "line pwrkey out 1\nline pwrkey out 0\n");
	gpio_close(&line);
	close(program.fd);
	program.fd = -1;
	assert_int_equal(open_line(spec_of("supply active-low"), GPIO_OUTPUT_ON, why), 0);
	gpio_set(&line, false);
	assert_string_equal(heard(), "line supply out 0\nline supply out 1\n");
}

static void an_input_is_known_when_it_was_said(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line(spec_of("status active-low"), GPIO_INPUT, why), 0);
	assert_string_equal(heard(), "line status in\n");
	assert_int_equal(gpio_get(&line), -EAGAIN);
	say("ok");
	assert_int_equal(changes, 0);
	say(" 0\nline status 0\nline sta");
	assert_int_equal(changes, 1);
	assert_int_equal(gpio_get(&line), 1);
	say("tus 1\nnonsense\nline status maybe\n");
	assert_int_equal(changes, 2);
	assert_int_equal(gpio_get(&line), 0);
}

static void a_program_that_restarts_gets_everything_again(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line(spec_of("supply"), GPIO_OUTPUT_ON, why), 0);
	assert_string_equal(heard(), "line supply out 1\n");
	stop_program();
	fake_ev_run(500);
	assert_int_equal(gpio_set(&line, false), -ENOTCONN);
	fake_ev_run(3000);
	listen_again();
	fake_ev_run(1000);
	assert_string_equal(heard(), "line supply out 0\n");
	assert_int_equal(gpio_set(&line, true), 0);
	assert_string_equal(heard(), "line supply out 1\n");
}

static void an_input_whose_program_is_gone_is_not_known(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	assert_int_equal(open_line(spec_of("status"), GPIO_INPUT, why), 0);
	heard();
	say("ok 1\n");
	stop_program();
	fake_ev_settle();
	assert_int_equal(gpio_get(&line), -ENOTCONN);
	assert_int_equal(changes, 2);
	listen_again();
	fake_ev_run(1000);
	assert_string_equal(heard(), "line status in\n");
	say("ok 1\n");
	assert_int_equal(gpio_get(&line), 1);
}

static void a_refusal_is_asked_again_and_nonsense_hung_up(void **state)
{
	char why[GPIO_WHY_MAX], nonsense[300];

	(void)state;
	assert_int_equal(open_line(spec_of("status"), GPIO_INPUT, why), 0);
	heard();
	say("error: held by somebody\n");
	assert_int_equal(gpio_get(&line), -EBUSY);
	close(program.fd);
	program.fd = -1;
	fake_ev_run(1000);
	assert_string_equal(heard(), "line status in\n");
	memset(nonsense, 'x', sizeof(nonsense) - 1);
	nonsense[sizeof(nonsense) - 1] = '\0';
	say(nonsense);
	assert_int_equal(gpio_get(&line), -EBADMSG);
}

static void nobody_there_is_told_at_the_start(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	stop_program();
	assert_int_equal(open_line(spec_of("status"), GPIO_INPUT, why), -ENOENT);
	assert_non_null(strstr(why, "/sock: no program offers lines there"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C(f) cmocka_unit_test_setup_teardown(f, setup_chips, teardown_chips)
#define P(f) cmocka_unit_test_setup_teardown(f, setup_program, teardown_program)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_are_read_as_they_are_written),
#if GPIO_API
		C(a_chip_has_four_names),
		C(an_output_has_its_value_from_the_request_on),
		C(an_input_tells_of_its_edges),
		C(a_line_without_edges_is_looked_at),
		C(what_is_wrong_is_said_in_one_line),
		C(a_chip_that_is_pulled_is_told),
#else
		T(without_the_library_a_chip_is_refused_in_one_line),
#endif
		P(levels_go_out_and_polarity_stays_here),
		P(an_input_is_known_when_it_was_said),
		P(a_program_that_restarts_gets_everything_again),
		P(an_input_whose_program_is_gone_is_not_known),
		P(a_refusal_is_asked_again_and_nonsense_hung_up),
		P(nobody_there_is_told_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
