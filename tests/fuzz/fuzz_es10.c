/* Every decoder of ES10 messages on anything: the first octet picks it, the rest is the message. */
#include "core/util.h"
#include "support/es10_decoders.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	es10_decoders[data[0] % n_es10_decoders].run(octets_from(data + 1, n - 1));
	return 0;
}
