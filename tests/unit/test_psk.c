/* The file of pre-shared keys: what is found in it, and when it is not believed. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util.h"
#include "net/psk.h"

#define EID "89049032000000000000000000000163"

static char path[64], why[PSK_WHY_MAX];
static struct psk got;

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/cellmux-psk-XXXXXX");
	fd = mkstemp(path);
	memset(&got, 0, sizeof(got));
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *content)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static int load(const char *id, const char *address)
{
	return psk_load(path, id, address, EID, &got, why);
}

static void assert_psk(const char *identity, const char *key)
{
	assert_int_equal(got.identity_n, strlen(identity));
	assert_memory_equal(got.identity, identity, got.identity_n);
	assert_int_equal(got.key_n, strlen(key));
	assert_memory_equal(got.key, key, got.key_n);
}

static void a_line_is_found_by_id_or_address(void **state)
{
	(void)state;
	write_file("# keys\n\n2.999.1  gateway-7  6f70656e\r\n"
		   "eim.example\teid\ttext:secret words?\n");
	assert_int_equal(load("2.999.1", "other.example"), -EINVAL);
	assert_non_null(strstr(why, ":4: expected an eIM, an identity and a key"));

	write_file("# keys\n\n2.999.1  gateway-7  6f70656e\r\neim.example\teid\ttext:secret\n"
		   "*  any  text:last");
	assert_int_equal(load("2.999.1", "other.example"), 0);
	assert_psk("gateway-7", "open");
	assert_int_equal(load("2.999.2", "EIM.example"), 0);
	assert_psk(EID, "secret");
	assert_int_equal(load("2.999.3", ""), 0);
	assert_psk("any", "last");
}

static void who_is_not_in_it_has_no_key(void **state)
{
	(void)state;
	write_file("2.999.1 x 00\n");
	assert_int_equal(load("2.999.2", ""), -ENOENT);
	write_file("");
	assert_int_equal(load("2.999.2", ""), -ENOENT);
}

static void lines_that_cannot_be_read_are_told(void **state)
{
	static const struct {
		const char *content, *words;
	} table[] = {
		{ "a b\n", ":1: expected an eIM, an identity and a key" },
		{ "a b 00\nx y 0\n", ":2: expected a key of 1 to 64 octets" },
		{ "a b xyz\n", ":1: expected a key" },
		{ "a b text:\n", ":1: expected a key" },
		{ "a 01234567890123456789012345678901234567890123456789012345678901234 00\n",
		  ":1: expected an identity of 1 to 64 octets" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		write_file(table[i].content);
		assert_int_equal(load("z", ""), -EINVAL);
		if (!strstr(why, table[i].words))
			fail_msg("%s", why);
	}
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0660, 0610 };

	(void)state;
	write_file("a b 00\n");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(load("a", ""), -EPERM);
		assert_non_null(strstr(why, "can be read by others (mode 06"));
		assert_non_null(strstr(why, "chmod 600"));
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(load("a", ""), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(load("a", ""), -EPERM);
		assert_non_null(strstr(why, "belongs to user 12345"));
	}
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(psk_load("/tmp", "a", "", EID, &got, why), -EINVAL);
	assert_int_equal(psk_load("/dev/null", "a", "", EID, &got, why), -EINVAL);
	assert_int_equal(psk_load("/tmp/there-is-none/psk", "a", "", EID, &got, why), -ENODATA);
	assert_non_null(strstr(why, "No such file"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_line_is_found_by_id_or_address),
		T(who_is_not_in_it_has_no_key),
		T(lines_that_cannot_be_read_are_told),
		T(a_file_that_others_can_read_is_refused),
		T(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
