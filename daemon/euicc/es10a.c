#include "euicc/es10a.h"

#include <errno.h>

/* ES10a.GetEuiccConfiguredAddresses, GSMA SGP.22 5.7.3 */
void es10a_get_addresses_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf3c, NULL, 0);
}

int es10a_addresses_decode(struct octets der, struct es10a_addresses *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf3c);
	struct es10a_addresses v = { 0 };

	while (tlv_more(&body)) {
		switch (tlv_peek(&body)) {
		case 0x80:
			v.default_dp = tlv_take(&body, 0x80);
			break;
		case 0x81:
			v.root_ds = tlv_take(&body, 0x81);
			break;
		default:
			tlv_skip(&body);
		}
	}
	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* ES10a.SetDefaultDpAddress, GSMA SGP.22 5.7.4; ES10b, SGP.32 5.9.25 */
void es10a_set_default_dp_encode(struct tlv_out *w, enum es10_function f, struct text address)
{
	struct tlv_mark m = tlv_begin(w, es10_function_tag(f));

	tlv_put(w, 0x80, address.s, address.n);
	tlv_close(w, m);
}
