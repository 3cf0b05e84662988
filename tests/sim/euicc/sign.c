#include "sim/euicc/sign.h"

#include <errno.h>
#include <string.h>

#include "sim/euicc/pki.h"

int ve_key_id(struct octets certificate, uint8_t ret[VE_KEY_ID_LEN])
{
	struct ve_cert c;

	if (ve_cert_read(certificate, &c))
		return -EBADMSG;
	memcpy(ret, c.ski, VE_KEY_ID_LEN);
	return 0;
}

const struct ve_credential *ve_credential_for(const struct ve_state *s, struct octets ci)
{
	for (size_t i = 0; i < s->n_credentials; i++) {
		const struct ve_credential *c = &s->credentials[i];
		uint8_t id[VE_KEY_ID_LEN];

		if (c->key.n && ci.n && ci.n <= sizeof(id) &&
		    !ve_key_id(blob_octets(&c->ci), id) && !memcmp(id, ci.p, ci.n))
			return c;
	}
	return NULL;
}

const struct ve_credential *ve_credential_first(const struct ve_state *s)
{
	for (size_t i = 0; i < s->n_credentials; i++)
		if (s->credentials[i].key.n)
			return &s->credentials[i];
	return NULL;
}

/* The curve is that of the certificate. */
int ve_sign(const struct ve_credential *c, struct octets data, uint8_t ret[VE_SIGNATURE_LEN])
{
	struct ve_cert own;

	if (c->key.n != VE_SECRET_LEN || ve_cert_read(blob_octets(&c->euicc), &own) ||
	    !own.curve_known)
		return -EINVAL;
	return ve_ec_sign(own.curve, c->key.p, data, ret);
}

void ve_sign_put(const struct ve_credential *c, struct octets data, struct tlv_out *w)
{
	uint8_t raw[VE_SIGNATURE_LEN] = { 0 };

	if (c && ve_sign(c, data, raw))
		memset(raw, 0, sizeof(raw));
	tlv_put(w, 0x5f37, raw, sizeof(raw));
}
