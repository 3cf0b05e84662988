/*
 * Every ESipa decoder, and the compact forms, on anything. The first octet chooses; what was read
 * must lie within the message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "esipa/esipa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct octets message;

static void inside(struct octets v)
{
	if (v.p && (v.p < message.p || v.n > message.n ||
		    (size_t)(v.p - message.p) > message.n - v.n))
		abort();
}

static void package(struct octets der)
{
	struct esipa_data_request q;
	struct esipa_package p;
	struct esipa_trigger t;
	struct octets seqs;
	uint32_t seq;

	if (esipa_get_package_decode(der, &p) < 0 && esipa_transfer_decode(der, &p) < 0)
		p.whole = der;
	inside(p.whole);
	if (esipa_data_request_decode(p.whole, &q) == 0)
		inside(q.transaction_id), inside(q.ci_pkid);
	if (esipa_trigger_decode(p.whole, &t) == 0)
		inside(t.activation_code), inside(t.smds_address), inside(t.transaction_id);
	if (esipa_acknowledgements_decode(p.whole, &seqs) == 0) {
		inside(seqs);
		while (esipa_seq_next(&seqs, &seq))
			inside(seqs);
		if (seqs.n)
			abort();        /* what decodes can be walked to its end */
	}
}

static void answers(struct octets der)
{
	struct esipa_authenticated b;
	struct esipa_provided p;
	struct esipa_initiated a;
	struct octets bpp = { 0 };
	uint32_t seq;
	int error;

	if (esipa_provide_decode(der, &p) == 0)
		while (esipa_seq_next(&p.seqs, &seq))
			inside(p.seqs);
	if (esipa_initiate_decode(der, &a) == 0) {
		inside(a.transaction_id), inside(a.server_signed1), inside(a.server_signature1);
		inside(a.certificate), inside(a.ci_pkid), inside(a.matching_id), inside(a.ctx_params);
		(void)esipa_error_name(ESIPA_CODES_INITIATE, a.error);
	}
	if (esipa_authenticate_decode(der, &b) == 0) {
		inside(b.transaction_id), inside(b.trigger), inside(b.metadata), inside(b.hash_cc);
		inside(b.smdp_signed2), inside(b.smdp_signature2), inside(b.certificate);
	}
	if (esipa_get_bpp_decode(der, &bpp, &error) == 0)
		inside(bpp);
	(void)esipa_cancel_session_decode(der, &error);
}

/* What is left out makes it shorter, or it is an error and stays; wrapping costs a few octets. */
static void compact(struct octets der, bool a, bool b)
{
	static uint8_t out[70000];
	struct tlv_out w = { .buf = out, .cap = der.n + 64 };

	if (w.cap > sizeof(out))
		return;
	for (unsigned i = 0; i < 6; i++) {
		int r = 0;

		w.len = 0;
		w.full = false;
		switch (i) {
		case 0: r = esipa_compact_authenticate(&w, der, a, b); break;
		case 1: r = esipa_compact_prepare(&w, der, a, b); break;
		case 2: r = esipa_compact_cancel(&w, der); break;
		case 3: r = esipa_compact_install(&w, der); break;
		case 4: r = esipa_compact_notification(&w, ESIPA_V1_3, der, octets_from("1234", 4),
						       octets_from("56", 2)); break;
		case 5: r = esipa_cancel_session_encode(&w, octets_from("12", 2), der); break;
		}
		if (r == 0 && !w.full && w.len == 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	message = octets_from(data + 1, n - 1);
	switch (data[0] % 3) {
	case 0: package(message); break;
	case 1: answers(message); break;
	case 2: compact(message, data[0] & 0x40, data[0] & 0x80); break;
	}
	return 0;
}
