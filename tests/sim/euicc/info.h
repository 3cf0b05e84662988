/* What the card tells about itself: SGP.22 5.7.3, 5.7.8, 5.7.20, SGP.32 5.9.2, 5.9.10. */
#ifndef SIM_EUICC_INFO_H
#define SIM_EUICC_INFO_H

#include <stddef.h>

#include "sim/euicc/es10.h"

struct ve;

/* BF20 and BF22 whole: euiccInfo1 and the euiccInfo2 that goes into AuthenticateServer. */
void ve_info1_put(struct ve *e, struct tlv_out *w);
void ve_info2_put(struct ve *e, struct tlv_out *w);

extern const struct es10_row ve_info_rows[];        /* ends with tag 0 */

#endif
