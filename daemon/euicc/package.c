#include "euicc/package.h"

#include <errno.h>

#include "core/util.h"

static const char *const op_names[_PACKAGE_OP_MAX] = {
	[PACKAGE_ENABLE] = "enable", [PACKAGE_DISABLE] = "disable", [PACKAGE_DELETE] = "delete",
	[PACKAGE_LIST_PROFILES] = "listProfileInfo", [PACKAGE_GET_RAT] = "getRAT",
	[PACKAGE_CONFIGURE_IMMEDIATE] = "configureImmediateEnable",
	[PACKAGE_SET_FALLBACK] = "setFallbackAttribute",
	[PACKAGE_UNSET_FALLBACK] = "unsetFallbackAttribute",
	[PACKAGE_SET_DEFAULT_DP] = "setDefaultDpAddress", [PACKAGE_ADD_EIM] = "addEim",
	[PACKAGE_DELETE_EIM] = "deleteEim", [PACKAGE_UPDATE_EIM] = "updateEim",
	[PACKAGE_LIST_EIM] = "listEim", [PACKAGE_ROLLBACK] = "rollback",
	[PACKAGE_TERMINATED] = "processingTerminated", [PACKAGE_UNKNOWN] = "unknown",
};

const char *package_op_name(enum package_op op)
{
	return op_names[op];
}

/* A8 and A9 mean one thing among operations on profiles and another among those on eIMs. */
static enum package_op op_of_command(uint32_t tag, bool eco)
{
	switch (tag) {
	case 0xa3:
		return PACKAGE_ENABLE;
	case 0xa4:
		return PACKAGE_DISABLE;
	case 0xa5:
		return PACKAGE_DELETE;
	case 0xbf2d:
		return PACKAGE_LIST_PROFILES;
	case 0xa6:
		return PACKAGE_GET_RAT;
	case 0xa7:
		return PACKAGE_CONFIGURE_IMMEDIATE;
	case 0xa8:
		return eco ? PACKAGE_ADD_EIM : PACKAGE_SET_FALLBACK;
	case 0xa9:
		return eco ? PACKAGE_DELETE_EIM : PACKAGE_UNSET_FALLBACK;
	case 0xaa:
		return PACKAGE_UPDATE_EIM;
	case 0xab:
		return PACKAGE_LIST_EIM;
	case 0xbf65:
		return PACKAGE_SET_DEFAULT_DP;
	default:
		return PACKAGE_UNKNOWN;
	}
}

static enum package_op op_of_result(uint32_t tag)
{
	switch (tag) {
	case 0x83:
		return PACKAGE_ENABLE;
	case 0x84:
		return PACKAGE_DISABLE;
	case 0x85:
		return PACKAGE_DELETE;
	case 0xbf2d:
		return PACKAGE_LIST_PROFILES;
	case 0xa6:
		return PACKAGE_GET_RAT;
	case 0x87:
		return PACKAGE_CONFIGURE_IMMEDIATE;
	case 0xa8:
		return PACKAGE_ADD_EIM;
	case 0x89:
		return PACKAGE_DELETE_EIM;
	case 0x8a:
		return PACKAGE_UPDATE_EIM;
	case 0xab:
		return PACKAGE_LIST_EIM;
	case 0x8c:
		return PACKAGE_ROLLBACK;
	case 0x8d:
		return PACKAGE_SET_FALLBACK;
	case 0x8e:
		return PACKAGE_UNSET_FALLBACK;
	case 0xbf65:
		return PACKAGE_SET_DEFAULT_DP;
	case 0x02:
		return PACKAGE_TERMINATED;
	default:
		return PACKAGE_UNKNOWN;
	}
}

/* The next element whole, off the front; false at the end or where it is broken. */
static bool next(struct octets *list, uint32_t *ret_tag, struct octets *ret_whole,
		 struct octets *ret_value)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, *list), copy;

	if (!tlv_more(&w))
		return false;
	copy = w;
	*ret_whole = tlv_take_whole(&w, ret_tag);
	if (doc.fault)
		return false;
	*ret_value = tlv_take(&copy, *ret_tag);
	*list = tlv_rest(&w);
	return true;
}

bool package_request_next(const struct package_request *q, struct octets *ops,
			  struct package_command *ret)
{
	struct octets value, whole, inner, field;
	struct package_command v = { 0 };
	uint32_t tag;

	if (!next(ops, &tag, &whole, &value))
		return false;
	v.op = op_of_command(tag, q->eco);
	v.whole = whole;
	if (v.op != PACKAGE_LIST_PROFILES && v.op != PACKAGE_CONFIGURE_IMMEDIATE) {
		while (next(&value, &tag, &inner, &field)) {
			if (tag == 0x5a)
				v.iccid = field;
			else if (tag == 0x05 && v.op == PACKAGE_ENABLE)
				v.rollback = true;
			else if (tag == 0x80 && q->eco)
				v.eim_id = field;
		}
	}
	*ret = v;
	return true;
}

static bool sum_up_request(struct package_request *q)
{
	struct octets ops = q->ops;
	struct package_command c;

	while (package_request_next(q, &ops, &c)) {
		q->switches |= c.op == PACKAGE_ENABLE || c.op == PACKAGE_DISABLE;
		q->rollback |= c.rollback;
	}
	return ops.n == 0;
}

/* EuiccPackageRequest, GSMA SGP.32 2.11.1.1 */
int package_request_decode(struct octets whole, struct package_request *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct tlv body = tlv_enter(&top, 0xbf51), copy = body, data;
	struct package_request v = { 0 };
	uint32_t tag;
	bool psmo;

	v.signed_part = tlv_take_whole(&copy, &tag);
	data = tlv_enter(&body, 0x30);
	v.eim_id = tlv_take(&data, 0x80);
	v.eid = tlv_take(&data, 0x5a);
	v.counter = es10_number(tlv_take(&data, 0x81));
	v.transaction_id = tlv_maybe(&data, 0x82);
	psmo = tlv_peek(&data) == 0xa0;
	v.eco = !psmo;
	v.ops = tlv_take(&data, psmo ? 0xa0 : 0xa1);
	tlv_take(&body, 0x5f37);
	tlv_end(&top);
	if (doc.fault || !sum_up_request(&v))
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* The code of a result that is one: 83 … 8E directly, 02 or 81 or 80 inside the others. */
static int code_of(uint32_t tag, struct octets value)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, value);
	uint32_t inner;

	if (tag == 0xa6 || op_of_result(tag) == PACKAGE_UNKNOWN)
		return -1;
	if (tag != 0xa8 && tag != 0xab && tag != 0xbf2d && tag != 0xbf65)
		return (int)(es10_number(value) & INT16_MAX);
	inner = tlv_peek(&w);
	/* addEim: 84 is the token, a success; lists: A0 is the list. */
	if (inner == 0x02 || inner == 0x80 || inner == 0x81)
		return (int)(es10_number(tlv_take(&w, inner)) & INT16_MAX);
	return tag == 0xa8 && inner == 0x84 ? 0 : -1;
}

bool package_result_next(struct octets *results, struct package_outcome *ret)
{
	struct octets value, whole;
	uint32_t tag;

	if (!next(results, &tag, &whole, &value))
		return false;
	*ret = (struct package_outcome){
		.op = op_of_result(tag), .code = code_of(tag, value), .whole = whole,
	};
	return true;
}

static bool sum_up_result(struct package_result *v)
{
	struct octets results = v->results;
	struct package_outcome o;

	v->complete = true;
	while (package_result_next(&results, &o)) {
		/* 2 of deleteEim is lastEimDeleted, a success. */
		bool ok = o.code <= 0 || (o.op == PACKAGE_DELETE_EIM && o.code == 2);

		if (o.op == PACKAGE_TERMINATED || !ok)
			v->complete = false;
		else if (o.op == PACKAGE_ENABLE || o.op == PACKAGE_DISABLE ||
			 o.op == PACKAGE_ROLLBACK)
			v->switched = true;
	}
	return results.n == 0;
}

static void take_executed(struct tlv *w, struct package_result *v)
{
	struct tlv data = tlv_enter(w, 0x30);

	v->end = PACKAGE_EXECUTED;
	v->eim_id = tlv_take(&data, 0x80);
	v->counter = es10_number(tlv_take(&data, 0x81));
	v->transaction_id = tlv_maybe(&data, 0x82);
	v->seq = tlv_take_u32(&data, 0x83);
	v->results = tlv_take(&data, 0x30);
	tlv_take(w, 0x5f37);
}

static void take_refused(struct tlv *w, struct package_result *v)
{
	struct tlv data = tlv_enter(w, 0x30);

	v->end = PACKAGE_REFUSED;
	v->eim_id = tlv_take(&data, 0x80);
	v->counter = es10_number(tlv_take(&data, 0x81));
	v->transaction_id = tlv_maybe(&data, 0x82);
	v->code = es10_code_maybe(&data);
	if (v->code < 0)
		tlv_blame(&data, TLV_UNEXPECTED, 0x02);
	tlv_take(w, 0x5f37);
}

static void take_unsigned(struct tlv *w, struct package_result *v)
{
	struct octets code;

	v->end = PACKAGE_NOT_FOR_US;
	v->eim_id = tlv_take(w, 0x80);
	v->transaction_id = tlv_maybe(w, 0x82);
	v->token = tlv_maybe(w, 0x84);
	code = tlv_maybe(w, 0x8f);
	v->code = code.n ? (int)(es10_number(code) & INT16_MAX) : -1;
}

/* EuiccPackageResult, GSMA SGP.32 2.11.2.1 */
int package_result_decode(struct octets whole, struct package_result *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole), body, inner;
	struct package_result v = { 0 };
	bool bare = tlv_peek(&top) != 0xbf51;
	uint32_t tag;

	body = bare ? top : tlv_enter(&top, 0xbf51);
	tag = tlv_peek(&body);
	inner = tlv_enter(&body, tag == 0xa1 || tag == 0xa2 ? tag : 0xa0);
	if (tag == 0xa1)
		take_refused(&inner, &v);
	else if (tag == 0xa2)
		take_unsigned(&inner, &v);
	else
		take_executed(&inner, &v);
	tlv_end(bare ? &body : &top);
	if (doc.fault || !sum_up_result(&v))
		return -EBADMSG;
	v.complete &= v.end == PACKAGE_EXECUTED;
	*ret = v;
	return 0;
}

/* What differs from the same function called at the card, SGP.32 2.11.2.1. */
static const struct {
	enum package_op op;
	int code;
	const char *name;
} names[] = {
	{ PACKAGE_CONFIGURE_IMMEDIATE, 1, "insufficientMemory" },
	{ PACKAGE_CONFIGURE_IMMEDIATE, 7, "commandError" },
	{ PACKAGE_SET_FALLBACK, 1, "iccidOrAidNotFound" },
	{ PACKAGE_SET_FALLBACK, 2, "fallbackNotAllowed" },
	{ PACKAGE_SET_FALLBACK, 3, "fallbackProfileEnabled" },
	{ PACKAGE_UNSET_FALLBACK, 2, "noFallbackAttribute" },
	{ PACKAGE_UNSET_FALLBACK, 3, "fallbackProfileEnabled" },
	{ PACKAGE_UNSET_FALLBACK, 7, "commandError" },
	{ PACKAGE_DELETE_EIM, 1, "eimNotFound" },
	{ PACKAGE_DELETE_EIM, 2, "lastEimDeleted" },
	{ PACKAGE_DELETE_EIM, 7, "commandError" },
	{ PACKAGE_UPDATE_EIM, 1, "eimNotFound" },
	{ PACKAGE_UPDATE_EIM, 3, "ciPKUnknown" },
	{ PACKAGE_UPDATE_EIM, 6, "counterValueOutOfRange" },
	{ PACKAGE_UPDATE_EIM, 7, "commandError" },
	{ PACKAGE_LIST_EIM, 7, "commandError" },
	{ PACKAGE_TERMINATED, 1, "resultSizeOverflow" },
	{ PACKAGE_TERMINATED, 2, "unknownOrDamagedCommand" },
	{ PACKAGE_TERMINATED, 3, "interruption" },
};

/* As at the card; where nothing is written, the first function: ok and undefinedError. */
static const enum es10_function same_as[_PACKAGE_OP_MAX] = {
	[PACKAGE_ENABLE] = ES10C_ENABLE, [PACKAGE_DISABLE] = ES10C_DISABLE,
	[PACKAGE_DELETE] = ES10C_DELETE, [PACKAGE_LIST_PROFILES] = ES10C_GET_PROFILES,
	[PACKAGE_ADD_EIM] = ES10B_ADD_INITIAL_EIM, [PACKAGE_UNKNOWN] = ES10B_LOAD_PACKAGE,
};

const char *package_code_name(enum package_op op, int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].op == op && names[i].code == code)
			return names[i].name;
	return es10_result_name(same_as[op], code);
}
