/* Loading a Bound Profile Package, SGP.22 5.7.6: what is kept between its segments. */
#ifndef SIM_EUICC_BPP_H
#define SIM_EUICC_BPP_H

#include <stdbool.h>

struct ve;

struct ve_bpp {
	bool open;
};

/* The power or the session went; nothing is written to the state. */
void ve_bpp_abandon(struct ve *e);
/* After power came back: the load that the state tells of has ended without success. */
void ve_bpp_interrupted(struct ve *e);

#endif
