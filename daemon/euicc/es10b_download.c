/* ES10b: AuthenticateServer, PrepareDownload, CancelSession and the installation's result. */
#include <errno.h>

#include "core/util.h"
#include "euicc/es10b.h"

static bool is_version(struct es10_version v)
{
	return v.major || v.minor || v.revision;
}

/* DeviceInfo, GSMA SGP.22 4.2: only the technologies that the module has. */
void es10b_device_put(struct tlv_out *w, uint32_t tag, const struct es10b_device *d)
{
	const struct {
		uint32_t tag;
		struct es10_version v;
	} releases[] = {
		{ 0x80, d->gsm }, { 0x81, d->utran }, { 0x85, d->eutran }, { 0x88, d->nr },
		{ 0x89, d->nr_5gc }, { 0x8a, d->eutran_5gc },
	};
	struct tlv_mark m = tlv_begin(w, tag), can;

	tlv_put_octets(w, 0x80, d->tac);
	can = tlv_begin(w, 0xa1);
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		struct es10_version v = releases[i].v;

		if (is_version(v))
			tlv_put(w, releases[i].tag, (uint8_t[]){ v.major, v.minor, v.revision }, 3);
	}
	tlv_close(w, can);
	if (d->imei.n)
		tlv_put_octets(w, 0x82, d->imei);
	tlv_close(w, m);
}

/*
 * SGP.22 4.2 as it is quoted: digits 1 to 14 with swapped nibbles, then the check digit in the
 * high nibble with F behind it (single source); plain TBCD would put the F in front.
 */
int es10b_imei_from_text(struct text digits, uint8_t ret_tac[4], uint8_t ret_imei[8])
{
	uint8_t v[8];

	if (digits.n != 15)
		return -EINVAL;
	for (size_t i = 0; i < 15; i++)
		if (digits.s[i] < '0' || digits.s[i] > '9')
			return -EINVAL;
	for (size_t i = 0; i < 7; i++)
		v[i] = (uint8_t)((digits.s[2 * i + 1] - '0') << 4 | (digits.s[2 * i] - '0'));
	v[7] = (uint8_t)((digits.s[14] - '0') << 4 | 0xf);
	memcpy(ret_tac, v, 4);
	memcpy(ret_imei, v, 8);
	return 0;
}

void es10b_ctx_params_put(struct tlv_out *w, struct octets matching_id,
			  const struct es10b_device *d)
{
	struct tlv_mark m = tlv_begin(w, 0xa0);

	if (matching_id.p)
		tlv_put_octets(w, 0x80, matching_id);
	es10b_device_put(w, 0xa1, d);
	tlv_close(w, m);
}

static void put_whole(struct tlv_out *w, struct octets v)
{
	tlv_put_raw(w, v.p, v.n);
}

/* ES10b.AuthenticateServer, GSMA SGP.22 5.7.13 */
void es10b_authenticate_encode(struct tlv_out *w, const struct es10b_authenticate *q)
{
	struct tlv_mark m = tlv_begin(w, 0xbf38);

	put_whole(w, q->server_signed1);
	put_whole(w, q->server_signature1);
	put_whole(w, q->ci_pkid);
	put_whole(w, q->certificate);
	put_whole(w, q->ctx_params);
	tlv_close(w, m);
}

int es10b_server_signed1_decode(struct octets whole, struct es10b_server_signed1 *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct tlv body = tlv_enter(&top, 0x30);
	struct es10b_server_signed1 v = {
		.transaction_id = tlv_take(&body, 0x80),
		.euicc_challenge = tlv_take(&body, 0x81),
		.address = tlv_take(&body, 0x83),
		.server_challenge = tlv_take(&body, 0x84),
	};

	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static struct octets take_whole(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	uint32_t found;
	struct octets v = tlv_take_whole(w, &found);

	if (found != tag) {
		tlv_blame(&before, TLV_UNEXPECTED, tag);
		w->n = 0;
		return (struct octets){ 0 };
	}
	return v;
}

static struct octets transaction_of(struct octets data)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, data);
	struct tlv body = tlv_enter(&top, 0x30);

	return tlv_maybe(&body, 0x80);
}

/*
 * A0 { 30 data, 5F37 signature, … }, A1 { 80 transactionId, 02 code }, or the code alone under 81
 * (CancelSession, and cards before the structure was made).
 */
static int signed_decode(struct octets der, uint32_t tag, bool with_certs, struct es10b_signed *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, tag), inner;
	struct es10b_signed v = { 0 };
	bool ok;

	v.error = es10_code_maybe(&body);
	if (v.error < 0) {
		inner = tlv_enter_maybe(&body, 0xa0, &ok);
		if (ok) {
			v.error = 0;
			v.data = take_whole(&inner, 0x30);
			v.signature = take_whole(&inner, 0x5f37);
			v.transaction_id = transaction_of(v.data);
			if (with_certs) {
				v.euicc_cert = take_whole(&inner, 0x30);
				v.eum_cert = take_whole(&inner, 0x30);
			}
		} else {
			inner = tlv_enter(&body, 0xa1);
			v.transaction_id = tlv_maybe(&inner, 0x80);
			v.error = es10_code_maybe(&inner);
			if (v.error <= 0)
				tlv_blame(&inner, TLV_BAD_VALUE, 0x02);
		}
	} else if (v.error == 0) {
		tlv_blame(&body, TLV_BAD_VALUE, 0x81);
	}
	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

int es10b_authenticate_decode(struct octets der, struct es10b_signed *ret)
{
	return signed_decode(der, 0xbf38, true, ret);
}

/* ES10b.PrepareDownload, GSMA SGP.22 5.7.5 */
void es10b_prepare_encode(struct tlv_out *w, const struct es10b_prepare *q)
{
	struct tlv_mark m = tlv_begin(w, 0xbf21);

	put_whole(w, q->signed2);
	put_whole(w, q->signature2);
	if (q->hash_cc.n)
		tlv_put_octets(w, 0x04, q->hash_cc);
	put_whole(w, q->certificate);
	tlv_close(w, m);
}

int es10b_prepare_decode(struct octets der, struct es10b_signed *ret)
{
	return signed_decode(der, 0xbf21, false, ret);
}

int es10b_smdp_signed2_decode(struct octets whole, struct es10b_smdp_signed2 *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct tlv body = tlv_enter(&top, 0x30);
	struct es10b_smdp_signed2 v = { .transaction_id = tlv_take(&body, 0x80) };
	struct octets required = tlv_take(&body, 0x01);

	v.cc_required = required.n && required.p[0];
	v.euicc_otpk = tlv_maybe(&body, 0x5f49);
	tlv_end(&top);
	if (doc.fault || required.n != 1)
		return -EBADMSG;
	*ret = v;
	return 0;
}

const char *es10b_cancel_reason_name(int reason)
{
	static const char *const names[] = {
		"endUserRejection", "postponed", "timeout", "pprNotAllowed", "metadataMismatch",
		"loadBppExecutionError",
	};

	if (reason == ES10B_CANCEL_UNDEFINED)
		return "undefinedReason";
	return reason >= 0 && (size_t)reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}

/* ES10b.CancelSession, GSMA SGP.22 5.7.14 */
void es10b_cancel_session_encode(struct tlv_out *w, struct octets transaction_id, int reason)
{
	struct tlv_mark m = tlv_begin(w, 0xbf41);

	tlv_put_octets(w, 0x80, transaction_id);
	tlv_put_i32(w, 0x81, reason);
	tlv_close(w, m);
}

int es10b_cancel_session_decode(struct octets der, struct es10b_signed *ret)
{
	return signed_decode(der, 0xbf41, false, ret);
}

const char *es10b_bpp_command_name(int command)
{
	static const char *const names[] = {
		"initialiseSecureChannel", "configureISDP", "storeMetadata", "storeMetadata2",
		"replaceSessionKeys", "loadProfileElements",
	};

	return command >= 0 && (size_t)command < ARRAY_SIZE(names) ? names[command] : "unknown";
}

const char *es10b_bpp_reason_name(int reason)
{
	static const char *const names[] = {
		[1] = "incorrectInputValues", [2] = "invalidSignature",
		[3] = "invalidTransactionId",
		[4] = "unsupportedCrtValues", [5] = "unsupportedRemoteOperationType",
		[6] = "unsupportedProfileClass", [7] = "scp03tStructureError",
		[8] = "scp03tSecurityError", [9] = "installFailedDueToIccidAlreadyExistsOnEuicc",
		[10] = "installFailedDueToInsufficientMemoryForProfile",
		[11] = "installFailedDueToInterruption",
		[12] = "installFailedDueToPEProcessingError",
		[13] = "installFailedDueToDataMismatch",
		[14] = "testProfileInstallFailedDueToInvalidNaaKey", [15] = "pprNotAllowed",
	};

	if (reason == ES10_UNDEFINED_ERROR)
		return "installFailedDueToUnknownError";
	return reason > 0 && (size_t)reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}

/* ES10b.LoadCRL, GSMA SGP.22 5.7.12 */
void es10b_load_crl_encode(struct tlv_out *w, struct octets crl)
{
	struct tlv_mark m = tlv_begin(w, 0xbf35);

	tlv_put_octets(w, 0xa0, crl);
	tlv_close(w, m);
}

int es10b_load_crl_decode(struct octets der, int *ret_code)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf35);
	int code = es10_code_maybe(&body);

	if (code < 0)
		tlv_enter(&body, 0xa0);
	tlv_end(&top);
	if (doc.fault || code == 0)
		return -EBADMSG;
	*ret_code = code < 0 ? 0 : code;
	return 0;
}
