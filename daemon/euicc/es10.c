#include "euicc/es10.h"

#include <errno.h>
#include <stdio.h>

#include "core/hex.h"
#include "core/util.h"

/* Seconds of the field: reads 10, cryptography 60, what writes or switches 240. */
enum { QUICK = 10000, CRYPTO = 60000, WRITE = 240000 };

static const struct {
	const char *name;
	uint32_t tag;
	unsigned patience_ms;
} functions[_ES10_FUNCTION_MAX] = {
	[ES10A_GET_ADDRESSES] = { "GetEuiccConfiguredAddresses", 0xbf3c, QUICK },
	[ES10A_SET_DEFAULT_DP] = { "SetDefaultDpAddress", 0xbf3f, QUICK },
	[ES10B_SET_DEFAULT_DP] = { "SetDefaultDpAddress", 0xbf65, QUICK },
	[ES10B_GET_CHALLENGE] = { "GetEUICCChallenge", 0xbf2e, QUICK },
	[ES10B_GET_INFO1] = { "GetEUICCInfo1", 0xbf20, QUICK },
	[ES10B_GET_INFO2] = { "GetEUICCInfo2", 0xbf22, QUICK },
	[ES10B_AUTHENTICATE_SERVER] = { "AuthenticateServer", 0xbf38, CRYPTO },
	[ES10B_PREPARE_DOWNLOAD] = { "PrepareDownload", 0xbf21, CRYPTO },
	[ES10B_LOAD_BPP] = { "LoadBoundProfilePackage", 0xbf36, WRITE },
	[ES10B_CANCEL_SESSION] = { "CancelSession", 0xbf41, CRYPTO },
	[ES10B_LIST_NOTIFICATION] = { "ListNotification", 0xbf28, QUICK },
	[ES10B_RETRIEVE_NOTIFICATIONS] = { "RetrieveNotificationsList", 0xbf2b, CRYPTO },
	[ES10B_REMOVE_NOTIFICATION] = { "RemoveNotificationFromList", 0xbf30, QUICK },
	[ES10B_LOAD_CRL] = { "LoadCRL", 0xbf35, CRYPTO },
	[ES10B_GET_RAT] = { "GetRAT", 0xbf43, QUICK },
	[ES10B_IPAE_ACTIVATION] = { "IpaeActivation", 0xbf42, QUICK },
	[ES10B_LOAD_PACKAGE] = { "LoadEuiccPackage", 0xbf51, WRITE },
	[ES10B_GET_EIMS] = { "GetEimConfigurationData", 0xbf55, QUICK },
	[ES10B_GET_CERTS] = { "GetCerts", 0xbf56, QUICK },
	[ES10B_ADD_INITIAL_EIM] = { "AddInitialEim", 0xbf57, CRYPTO },
	[ES10B_PROFILE_ROLLBACK] = { "ProfileRollback", 0xbf58, WRITE },
	[ES10B_CONFIGURE_IMMEDIATE] = { "ConfigureImmediateProfileEnabling", 0xbf59, QUICK },
	[ES10B_IMMEDIATE_ENABLE] = { "ImmediateEnable", 0xbf5a, WRITE },
	[ES10B_ENABLE_EMERGENCY] = { "EnableEmergencyProfile", 0xbf5b, WRITE },
	[ES10B_DISABLE_EMERGENCY] = { "DisableEmergencyProfile", 0xbf5c, WRITE },
	[ES10B_EXECUTE_FALLBACK] = { "ExecuteFallbackMechanism", 0xbf5d, WRITE },
	[ES10B_RETURN_FROM_FALLBACK] = { "ReturnFromFallback", 0xbf5e, WRITE },
	[ES10B_GET_CONNECTIVITY] = { "GetConnectivityParameters", 0xbf5f, QUICK },
	[ES10B_MEMORY_RESET] = { "eUICCMemoryReset", 0xbf64, WRITE },
	[ES10C_GET_EID] = { "GetEID", 0xbf3e, QUICK },
	[ES10C_GET_PROFILES] = { "GetProfilesInfo", 0xbf2d, QUICK },
	[ES10C_ENABLE] = { "EnableProfile", 0xbf31, WRITE },
	[ES10C_DISABLE] = { "DisableProfile", 0xbf32, WRITE },
	[ES10C_DELETE] = { "DeleteProfile", 0xbf33, WRITE },
	[ES10C_SET_NICKNAME] = { "SetNickname", 0xbf29, QUICK },
	[ES10C_MEMORY_RESET] = { "eUICCMemoryReset", 0xbf34, WRITE },
};

const char *es10_function_name(enum es10_function f)
{
	return functions[f].name;
}

uint32_t es10_function_tag(enum es10_function f)
{
	return functions[f].tag;
}

unsigned es10_patience_ms(enum es10_function f)
{
	return functions[f].patience_ms;
}

static int code_of(struct octets value, int *ret)
{
	int32_t code;

	if (octets_to_i32(value, &code) < 0)
		return -EBADMSG;
	*ret = code;
	return 0;
}

int es10_code_maybe(struct tlv *w)
{
	uint32_t tag = tlv_peek(w);
	struct tlv before = *w;
	int code;

	if (tag != 0x80 && tag != 0x81 && tag != 0x02)
		return -1;
	if (code_of(tlv_take(w, tag), &code) < 0 || code < 0) {
		tlv_blame(&before, TLV_BAD_VALUE, tag);
		w->n = 0;
		return -1;
	}
	return code;
}

int es10_result_decode(enum es10_function f, struct octets der, int *ret_code)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, functions[f].tag);
	int code = es10_code_maybe(&body);

	tlv_end(&top);
	if (doc.fault || code < 0)
		return -EBADMSG;
	*ret_code = code;
	return 0;
}

int es10_version_from(struct octets value, struct es10_version *ret)
{
	if (value.n != 3)
		return -EINVAL;
	*ret = (struct es10_version){ value.p[0], value.p[1], value.p[2] };
	return 0;
}

const char *es10_version_text(struct es10_version v, char out[ES10_VERSION_TEXT_MAX])
{
	snprintf(out, ES10_VERSION_TEXT_MAX, "%u.%u.%u", v.major, v.minor, v.revision);
	return out;
}

int es10_version_compare(struct es10_version a, struct es10_version b)
{
	if (a.major != b.major)
		return a.major - b.major;
	return a.minor != b.minor ? a.minor - b.minor : a.revision - b.revision;
}

int es10_iccid_text(struct octets iccid, char out[ES10_ICCID_TEXT_MAX])
{
	char digits[ES10_ICCID_TEXT_MAX];
	size_t n = 0;

	if (iccid.n != ES10_ICCID_OCTETS)
		return -EINVAL;
	for (size_t i = 0; i < 2 * iccid.n; i++) {
		unsigned nibble = i % 2 ? iccid.p[i / 2] >> 4 : iccid.p[i / 2] & 0xf;

		if (nibble == 0xf)
			continue;
		/* Only filler may stand behind filler. */
		if (nibble > 9 || n != i)
			return -EINVAL;
		digits[n++] = (char)('0' + nibble);
	}
	if (n == 0)
		return -EINVAL;
	digits[n++] = '\0';
	memcpy(out, digits, n);
	return 0;
}

int es10_iccid_from_text(struct text digits, uint8_t ret[ES10_ICCID_OCTETS])
{
	uint8_t octets[ES10_ICCID_OCTETS];

	if (digits.n < 18 || digits.n > 2 * ES10_ICCID_OCTETS)
		return -EINVAL;
	memset(octets, 0xff, sizeof(octets));
	for (size_t i = 0; i < digits.n; i++) {
		unsigned d = (unsigned)(digits.s[i] - '0');

		if (d > 9)
			return -EINVAL;
		octets[i / 2] = i % 2 ? (uint8_t)((octets[i / 2] & 0x0f) | d << 4)
				      : (uint8_t)((octets[i / 2] & 0xf0) | d);
	}
	memcpy(ret, octets, sizeof(octets));
	return 0;
}

int es10_eid_text(struct octets eid, char out[ES10_EID_TEXT_MAX])
{
	if (eid.n != ES10_EID_OCTETS)
		return -EINVAL;
	for (size_t i = 0; i < eid.n; i++)
		if (eid.p[i] >> 4 > 9 || (eid.p[i] & 0xf) > 9)
			return -EINVAL;
	hex_encode(eid.p, eid.n, out, ES10_EID_TEXT_MAX);
	return 0;
}

bool es10_eid_valid(struct octets eid)
{
	unsigned rest = 0;

	if (eid.n != ES10_EID_OCTETS)
		return false;
	for (size_t i = 0; i < eid.n; i++) {
		if (eid.p[i] >> 4 > 9 || (eid.p[i] & 0xf) > 9)
			return false;
		rest = (rest * 100 + (eid.p[i] >> 4) * 10u + (eid.p[i] & 0xfu)) % 97;
	}
	return rest == 1;
}

int es10_eid_from_text(struct text digits, uint8_t ret[ES10_EID_OCTETS])
{
	uint8_t octets[ES10_EID_OCTETS];
	size_t n;

	if (hex_decode(digits, octets, sizeof(octets), &n) < 0 ||
	    !es10_eid_valid(octets_from(octets, n)))
		return -EINVAL;
	memcpy(ret, octets, sizeof(octets));
	return 0;
}

int es10_plmn_text(struct octets plmn, char out[ES10_PLMN_TEXT_MAX])
{
	static const char digit[16] = "0123456789???" "?*";
	unsigned mnc3;

	if (plmn.n != 3)
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		for (unsigned shift = 0; shift < 8; shift += 4) {
			unsigned nibble = plmn.p[i] >> shift & 0xf;

			if ((nibble > 9 && nibble < 0xe) || (nibble == 0xf && (i != 1 || !shift)))
				return -EINVAL;
		}
	mnc3 = plmn.p[1] >> 4;
	snprintf(out, ES10_PLMN_TEXT_MAX, "%c%c%c-%c%c", digit[plmn.p[0] & 0xf],
		 digit[plmn.p[0] >> 4], digit[plmn.p[1] & 0xf], digit[plmn.p[2] & 0xf],
		 digit[plmn.p[2] >> 4]);
	if (mnc3 != 0xf) {
		out[6] = digit[mnc3];
		out[7] = '\0';
	}
	return 0;
}

int es10_bits_from(struct octets value, uint32_t *ret)
{
	uint32_t bits = 0;

	if (value.n == 0)
		return -EINVAL;
	for (size_t n = 0; n < 32 && n / 8 + 1 < value.n; n++)
		if (value.p[1 + n / 8] & 0x80 >> n % 8)
			bits |= 1u << n;
	*ret = bits;
	return 0;
}

void es10_bits_put(struct tlv_out *w, uint32_t tag, uint32_t bits)
{
	uint8_t value[5] = { 0 };
	size_t n = 1;

	for (unsigned i = 0; i < 32; i++) {
		if (!(bits & 1u << i))
			continue;
		value[1 + i / 8] |= (uint8_t)(0x80 >> i % 8);
		value[0] = (uint8_t)(7 - i % 8);
		n = 2 + i / 8;
	}
	tlv_put(w, tag, value, n);
}

const char *es10_event_name(uint32_t events)
{
	static const char *const names[] = { "install", "enable", "disable", "delete" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (events & 1u << i)
			return names[i];
	return "unknown";
}

bool es10_list_next(struct octets *list, uint32_t tag, struct octets *ret_value)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, *list);
	struct octets value;

	if (!tlv_more(&w))
		return false;
	value = tlv_take(&w, tag);
	if (doc.fault)
		return false;
	*ret_value = value;
	*list = tlv_rest(&w);
	return true;
}

uint32_t es10_number(struct octets value)
{
	uint32_t n;

	return octets_to_u32(value, &n) == 0 ? n : UINT32_MAX;
}
