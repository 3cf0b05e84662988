/* Where there is no libcoap: the option is there, and says why nothing else is. */
#include <errno.h>
#include <stdio.h>

#include "sim/eim/coap.h"

const char se_coap_habit_help[] = "This sim-eim was built without libcoap: --coaps does not work.\n";

void se_coap_prepare(const char *dir, const struct se_coap_wish *wish, char *const *argv)
{
	(void)dir;
	(void)wish;
	(void)argv;
}

int se_coap_start(struct se_server *s, const struct se_coap_wish *wish, char why[256])
{
	(void)s;
	(void)wish;
	snprintf(why, 256, "--coaps: this sim-eim was built without libcoap (libcoap3-dev)");
	return -ENOTSUP;
}

void se_coap_stop(struct se_server *s)
{
	(void)s;
}
