#include "sim/euicc/bpp.h"

#include "sim/euicc/inner.h"

void ve_bpp_abandon(struct ve *e)
{
	e->bpp = (struct ve_bpp){ 0 };
}

void ve_bpp_interrupted(struct ve *e)
{
	if (!e->state.loading)
		return;
	e->state.loading = 0;
	e->state.dirty = true;
}
