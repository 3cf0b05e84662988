/* Datagrams of anything, split by their length in two octets in front. */
#include <stdint.h>
#include <stdlib.h>

#include "core/util.h"
#include "net/dtls_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct octets chain[DTLS_CERTIFICATES_MAX];
	struct dtls_look look;
	uint8_t sum = 0;

	dtls_look_init(&look);
	while (n > 2) {
		size_t len = MIN(n - 2, (size_t)data[0] << 8 | data[1]);

		dtls_look(&look, octets_from(data + 2, len));
		data += 2 + len;
		n -= 2 + len;
		for (size_t i = dtls_look_chain(&look, chain); i-- > 0;) {
			if (!chain[i].n)
				abort();
			sum = (uint8_t)(sum + chain[i].p[0] + chain[i].p[chain[i].n - 1]);
		}
		if (look.stage >= _DTLS_STAGE_MAX || look.alert < -1 || look.alert > 255)
			abort();
	}
	dtls_look_done(&look);
	(void)*(volatile uint8_t *)&sum;
	return 0;
}
