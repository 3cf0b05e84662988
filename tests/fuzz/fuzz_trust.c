/* What an eIM's configuration pins, and certificate files, on anything: read or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/names.h"
#include "net/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[TRUST_WHY_MAX];
	struct net_place place;
	struct trust *t;
	unsigned got = 0;

	if (trust_new(&t) < 0)
		return 0;
	if (trust_pin(t, octets_from(data, n), why) == 0) {
		if (!trust_is_pinned(t))
			abort();
	} else if (trust_is_pinned(t) || trust_count(t) || !*why) {
		abort();
	}
	trust_free(t);

	if (trust_new(&t) < 0)
		return 0;
	if (trust_add(t, octets_from(data, n), &got, why) == 0 ? got != trust_count(t) || !got : !*why)
		abort();
	trust_free(t);

	if (net_place_parse(text_from(data, n), 443, &place) == 0 &&
	    (place.port == 0 || strlen(place.host) == 0))
		abort();
	return 0;
}
