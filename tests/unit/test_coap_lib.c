/* libcoap is loaded when it is needed; where it is missing or another version, that is told. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#define COAP_LIB_OWN
#include "net/coap_lib.h"

static void a_library_that_is_missing_is_named(void **state)
{
	char why[COAP_LIB_WHY_MAX] = "";

	(void)state;
	assert_int_equal(coap_lib_load("libcellmux-none.so.3", why), -ENOENT);
	assert_string_equal(why, "CoAP needs libcellmux-none.so.3, which cannot be loaded: is it installed?");
}

static void another_library_is_told_apart(void **state)
{
	char why[COAP_LIB_WHY_MAX] = "";

	(void)state;
	assert_int_equal(coap_lib_load("libm.so.6", why), -ENOTSUP);
	assert_non_null(strstr(why, "libm.so.6 has no coap_"));
}

/* Before anything else has loaded it. */
static void one_that_is_looked_at_is_not_kept(void **state)
{
	char why[COAP_LIB_WHY_MAX] = "";

	(void)state;
	assert_int_equal(coap_lib_look(COAP_SONAME, why), 0);
	assert_null(coap_lib.coap_startup);
	assert_int_equal(coap_lib_look("libcellmux-none.so.3", why), -ENOENT);
	assert_int_equal(coap_lib_look("libm.so.6", why), -ENOTSUP);
	assert_null(coap_lib.coap_startup);
}

static void the_right_one_is_loaded_once(void **state)
{
	char why[COAP_LIB_WHY_MAX] = "";

	(void)state;
	assert_int_equal(coap_lib_open(why), 0);
	assert_int_equal(coap_lib_open(why), 0);
	assert_int_equal(coap_lib_look(COAP_SONAME, why), 0);
	assert_string_equal(why, "");
	assert_non_null(coap_lib.coap_startup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_that_is_missing_is_named),
		cmocka_unit_test(another_library_is_told_apart),
		cmocka_unit_test(one_that_is_looked_at_is_not_kept),
		cmocka_unit_test(the_right_one_is_loaded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
