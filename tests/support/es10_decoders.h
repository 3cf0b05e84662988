/* Every decoder of the euicc layer behind one face: for tests and fuzzers that try them all. */
#ifndef SUPPORT_ES10_DECODERS_H
#define SUPPORT_ES10_DECODERS_H

#include "codec/tlv.h"

/*
 * Decodes, walks what is walked, names what has names. On failure it aborts if an output was
 * touched; on success if a window lies outside of the input.
 */
struct es10_decoder {
	const char *name;
	int (*run)(struct octets der);
};

extern const struct es10_decoder es10_decoders[];
extern const size_t n_es10_decoders;

#endif
