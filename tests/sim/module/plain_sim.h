/* An ordinary USIM card: enough files for a module to register, a PIN, logical channels. */
#ifndef SIM_MODULE_PLAIN_SIM_H
#define SIM_MODULE_PLAIN_SIM_H

#include "sim/card.h"

struct plain_sim_options {
	const char *iccid;      /* 18 to 20 digits */
	const char *imsi;       /* up to 15 digits */
	unsigned mnc_digits;    /* 2 or 3 */
	const char *pin;        /* NULL: no PIN is asked for */
	const char *puk;
	unsigned answer_ms;     /* its own time for an answer */
};

/* -ENOMEM, or -EINVAL: a number is none. */
int plain_sim_open(const struct plain_sim_options *o, struct card **ret);

#endif
