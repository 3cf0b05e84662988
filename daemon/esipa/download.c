/* The indirect download: the eIM speaks to the SM-DP+ in the IPA's place (GSMA SGP.32 3.2.3.2). */
#include "esipa/esipa.h"

#include <errno.h>

#include "core/util.h"
#include "net/crypto.h"

static int verdict(const struct tlv_doc *doc)
{
	return doc->fault == TLV_OK ? 0 : -EBADMSG;
}

/* The next element, which must have this tag, whole. */
static struct octets take_whole(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	uint32_t found;
	struct octets whole = tlv_take_whole(w, &found);

	if (found == tag)
		return whole;
	tlv_blame(&before, TLV_UNEXPECTED, tag);
	w->n = 0;
	return (struct octets){ 0 };
}

static struct octets maybe_whole(struct tlv *w, uint32_t tag)
{
	return tlv_peek(w) == tag ? take_whole(w, tag) : (struct octets){ 0 };
}

/* An error alternative: its code, never 0. */
static int take_error(struct tlv *w, uint32_t tag)
{
	uint32_t code = tlv_take_u32(w, tag);

	return code > 0 && code < 256 ? (int)code : ESIPA_UNDEFINED_ERROR;
}

struct octets esipa_signed_transaction_id(struct octets whole)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct tlv body = tlv_enter(&top, 0x30);

	return tlv_maybe(&body, 0x80);
}

/* InitiateAuthenticationRequestEsipa, GSMA SGP.32 6.3.2.1 */
void esipa_initiate_encode(struct tlv_out *w, enum esipa_version v, const struct esipa_initiate *q)
{
	struct tlv_mark m = tlv_begin(w, 0xbf39);

	tlv_put_octets(w, 0x81, q->euicc_challenge);
	if (q->smdp_address.n)
		tlv_put_octets(w, 0x83, q->smdp_address);
	tlv_put_raw(w, q->info1.p, q->info1.n);
	if (q->transaction_id.n && v != ESIPA_V1_0)
		tlv_put_octets(w, 0x82, q->transaction_id);
	tlv_close(w, m);
}

int esipa_initiate_decode(struct octets der, struct esipa_initiated *ret)
{
	struct esipa_initiated a = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf39), ok, ctx, key;
	bool there;

	if (tlv_peek(&body) == 0x81) {
		a.error = take_error(&body, 0x81);
	} else {
		ok = tlv_enter(&body, 0xa0);
		a.transaction_id = tlv_maybe(&ok, 0x80);
		a.server_signed1 = take_whole(&ok, 0x30);
		a.server_signature1 = take_whole(&ok, 0x5f37);
		key = ok;
		a.ci_pkid_whole = take_whole(&ok, 0x04);
		a.ci_pkid = tlv_take(&key, 0x04);
		a.certificate = take_whole(&ok, 0x30);
		a.matching_id = tlv_maybe(&ok, 0x0c);
		ctx = tlv_enter_maybe(&ok, 0xa2, &there);
		if (there)
			a.ctx_params = take_whole(&ctx, 0xa0);
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	if (!a.error && !a.transaction_id.p)
		a.transaction_id = esipa_signed_transaction_id(a.server_signed1);
	*ret = a;
	return 0;
}

/* AuthenticateClientRequestEsipa, GSMA SGP.32 6.3.2.3 */
void esipa_authenticate_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf38)
{
	struct tlv_mark m = tlv_begin(w, 0xbf3b);

	tlv_put_octets(w, 0x80, transaction_id);
	tlv_put_raw(w, bf38.p, bf38.n);
	tlv_close(w, m);
}

static void take_smdp(struct esipa_authenticated *a, struct tlv *ok)
{
	a->transaction_id = tlv_maybe(ok, 0x80);
	a->metadata = maybe_whole(ok, 0xbf25);
	a->smdp_signed2 = take_whole(ok, 0x30);
	a->smdp_signature2 = take_whole(ok, 0x5f37);
	a->certificate = take_whole(ok, 0x30);
	a->hash_cc = tlv_maybe(ok, 0x04);
}

int esipa_authenticate_decode(struct octets der, struct esipa_authenticated *ret)
{
	struct esipa_authenticated a = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf3b), ok;

	switch (tlv_peek(&body)) {
	case 0x82:
		a.error = take_error(&body, 0x82);
		break;
	case 0xa1:
		ok = tlv_enter(&body, 0xa1);
		a.smds = true;
		a.transaction_id = tlv_maybe(&ok, 0x80);
		a.trigger = maybe_whole(&ok, 0xbf54);
		break;
	default:
		ok = tlv_enter(&body, 0xa0);
		take_smdp(&a, &ok);
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	if (!a.error && !a.smds && !a.transaction_id.p)
		a.transaction_id = esipa_signed_transaction_id(a.smdp_signed2);
	*ret = a;
	return 0;
}

/* GetBoundProfilePackageRequestEsipa, GSMA SGP.32 6.3.2.2 */
void esipa_get_bpp_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf21)
{
	struct tlv_mark m = tlv_begin(w, 0xbf3a);

	tlv_put_octets(w, 0x80, transaction_id);
	tlv_put_raw(w, bf21.p, bf21.n);
	tlv_close(w, m);
}

int esipa_get_bpp_decode(struct octets der, struct octets *ret_bpp, int *ret_error)
{
	struct octets bpp = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf3a), ok;
	int error = 0;

	if (tlv_peek(&body) == 0x81) {
		error = take_error(&body, 0x81);
	} else {
		ok = tlv_enter(&body, 0xa0);
		(void)tlv_maybe(&ok, 0x80);
		bpp = take_whole(&ok, 0xbf36);
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret_bpp = bpp;
	*ret_error = error;
	return 0;
}

int esipa_get_bpp_find(struct octets so_far, size_t *ret_at)
{
	static const uint32_t way[] = { 0xbf3a, 0xa0 };
	size_t at = 0, head, value;
	uint32_t tag;
	int r;

	for (size_t k = 0; k < ARRAY_SIZE(way); k++) {
		r = tlv_head(so_far.p + at, so_far.n - at, &tag, &head, &value);
		if (r < 0 || tag != way[k])
			return r < 0 ? r : -EBADMSG;
		at += head;
	}
	r = tlv_head(so_far.p + at, so_far.n - at, &tag, &head, &value);
	if (r == 0 && tag == 0x80) {
		if (value > so_far.n - at - head)
			return -EAGAIN;
		at += head + value;
		r = tlv_head(so_far.p + at, so_far.n - at, &tag, &head, &value);
	}
	if (r < 0 || tag != 0xbf36)
		return r < 0 ? r : -EBADMSG;
	*ret_at = at;
	return 0;
}

/*
 * CancelSessionRequestEsipa, GSMA SGP.32 6.3.2.4: the card's answer is a CHOICE with a tag of its
 * own, which the tag here replaces.
 */
int esipa_cancel_session_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf41)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf41);
	struct octets answer = tlv_take(&top, 0xbf41);
	struct tlv_mark m;

	if (verdict(&doc) < 0)
		return -EBADMSG;
	m = tlv_begin(w, 0xbf41);
	tlv_put_octets(w, 0x80, transaction_id);
	tlv_put_octets(w, 0xa1, answer);
	tlv_close(w, m);
	return 0;
}

int esipa_cancel_session_decode(struct octets der, int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf41);
	int error = 0;

	if (tlv_peek(&body) == 0x81)
		error = take_error(&body, 0x81);
	else
		(void)tlv_take(&body, 0xa0);
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret_error = error;
	return 0;
}

int esipa_hash_cc(struct text code, struct octets transaction_id, uint8_t ret[32])
{
	uint8_t once[CRYPTO_SHA256];
	int r = crypto_sha256(code.s, code.n, NULL, 0, once);

	if (r == 0)
		r = crypto_sha256(once, sizeof(once), transaction_id.p, transaction_id.n, ret);
	crypto_wipe(once, sizeof(once));
	return r;
}

/* --- names ---------------------------------------------------------------------------------------- */

struct code_name {
	int code;
	const char *name;
};

static const struct code_name get_package_codes[] = {
	{ 1, "noEimPackageAvailable" }, { 2, "eidNotFound" }, { 3, "invalidEid" }, { 4, "missingEid" },
	{ 127, "undefinedError" }, { 0 }
};

static const struct code_name result_codes[] = {
	{ 1, "invalidPackageFormat" }, { 2, "unknownPackage" }, { 127, "undefinedError" }, { 0 }
};

static const struct code_name initiate_codes[] = {
	{ 1, "invalidDpAddress" }, { 2, "euiccVersionNotSupportedByDp" }, { 3, "ciPKIdNotSupported" },
	{ 50, "smdpAddressMismatch" }, { 51, "smdpOidMismatch" }, { 52, "invalidEimTransactionId" },
	{ 127, "undefinedError" }, { 0 }
};

static const struct code_name authenticate_codes[] = {
	{ 1, "eumCertificateInvalid" }, { 2, "eumCertificateExpired" }, { 3, "euiccCertificateInvalid" },
	{ 4, "euiccCertificateExpired" }, { 5, "euiccSignatureInvalid" }, { 6, "matchingIdRefused" },
	{ 7, "eidMismatch" }, { 8, "noEligibleProfile" }, { 9, "ciPKUnknown" },
	{ 10, "invalidTransactionId" }, { 11, "insufficientMemory" }, { 18, "downloadOrderExpired" },
	{ 50, "pprNotAllowed" }, { 56, "eventIdUnknown" }, { 127, "undefinedError" }, { 0 }
};

static const struct code_name get_bpp_codes[] = {
	{ 1, "euiccSignatureInvalid" }, { 2, "confirmationCodeMissing" },
	{ 3, "confirmationCodeRefused" }, { 4, "confirmationCodeRetriesExceeded" },
	{ 5, "bppRebindingRefused" }, { 6, "downloadOrderExpired" }, { 50, "metadataMismatch" },
	{ 95, "invalidTransactionId" }, { 127, "undefinedError" }, { 0 }
};

static const struct code_name cancel_codes[] = {
	{ 1, "invalidTransactionId" }, { 2, "euiccSignatureInvalid" }, { 127, "undefinedError" }, { 0 }
};

static const struct code_name *const codes[_ESIPA_CODES_MAX] = {
	[ESIPA_CODES_GET_PACKAGE] = get_package_codes, [ESIPA_CODES_RESULT] = result_codes,
	[ESIPA_CODES_INITIATE] = initiate_codes, [ESIPA_CODES_AUTHENTICATE] = authenticate_codes,
	[ESIPA_CODES_GET_BPP] = get_bpp_codes, [ESIPA_CODES_CANCEL] = cancel_codes,
};

const char *esipa_error_name(enum esipa_codes whose, int code)
{
	for (const struct code_name *c = codes[whose]; c->name; c++)
		if (c->code == code)
			return c->name;
	return "unknown";
}
