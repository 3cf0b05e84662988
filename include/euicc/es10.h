/*
 * What the functions of ES10a, ES10b and ES10c (GSMA SGP.22 5.7, SGP.32 5.9) have in common: their
 * list, their result codes, and the types that occur in all of them.
 *
 * Encoders put a whole command TLV into a writer; tlv_done() tells whether it fitted. Decoders take
 * the whole answer TLV, give 0, or -EBADMSG for what is no such answer, or -E2BIG for more elements
 * than an array has room for. Their outputs are untouched on failure, except elements of arrays.
 * Octets in what is decoded are windows into the input: what is signed stays as it came.
 *
 * Neither allocates, logs or does I/O. Elements in another order, unknown ones and those of later
 * versions are no fault: every SEQUENCE may grow.
 */
#ifndef EUICC_ES10_H
#define EUICC_ES10_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

enum es10_function {
	ES10A_GET_ADDRESSES,            /* BF3C */
	ES10A_SET_DEFAULT_DP,           /* BF3F, consumer cards */
	ES10B_SET_DEFAULT_DP,           /* BF65, IoT cards */
	ES10B_GET_CHALLENGE,            /* BF2E */
	ES10B_GET_INFO1,                /* BF20 */
	ES10B_GET_INFO2,                /* BF22 */
	ES10B_AUTHENTICATE_SERVER,      /* BF38 */
	ES10B_PREPARE_DOWNLOAD,         /* BF21 */
	ES10B_LOAD_BPP,                 /* BF36, in segments; its answer is BF37 or nothing */
	ES10B_CANCEL_SESSION,           /* BF41 */
	ES10B_LIST_NOTIFICATION,        /* BF28 */
	ES10B_RETRIEVE_NOTIFICATIONS,   /* BF2B */
	ES10B_REMOVE_NOTIFICATION,      /* BF30 */
	ES10B_LOAD_CRL,                 /* BF35 */
	ES10B_GET_RAT,                  /* BF43 */
	ES10B_IPAE_ACTIVATION,          /* BF42 */
	ES10B_LOAD_PACKAGE,             /* BF51 */
	ES10B_GET_EIMS,                 /* BF55 */
	ES10B_GET_CERTS,                /* BF56 */
	ES10B_ADD_INITIAL_EIM,          /* BF57 */
	ES10B_PROFILE_ROLLBACK,         /* BF58 */
	ES10B_CONFIGURE_IMMEDIATE,      /* BF59 */
	ES10B_IMMEDIATE_ENABLE,         /* BF5A */
	ES10B_ENABLE_EMERGENCY,         /* BF5B */
	ES10B_DISABLE_EMERGENCY,        /* BF5C */
	ES10B_EXECUTE_FALLBACK,         /* BF5D */
	ES10B_RETURN_FROM_FALLBACK,     /* BF5E */
	ES10B_GET_CONNECTIVITY,         /* BF5F */
	ES10B_MEMORY_RESET,             /* BF64, SGP.32 from v1.1 */
	ES10C_GET_EID,                  /* BF3E */
	ES10C_GET_PROFILES,             /* BF2D */
	ES10C_ENABLE,                   /* BF31 */
	ES10C_DISABLE,                  /* BF32 */
	ES10C_DELETE,                   /* BF33 */
	ES10C_SET_NICKNAME,             /* BF29 */
	ES10C_MEMORY_RESET,             /* BF34 */
	_ES10_FUNCTION_MAX
};

/* "GetEID". */
const char *es10_function_name(enum es10_function f);
/* Of the request, and of the answer but for ES10B_LOAD_BPP. */
uint32_t es10_function_tag(enum es10_function f);
/* How long the card may think about one APDU of it. */
unsigned es10_patience_ms(enum es10_function f);

/*
 * Result codes. Numbers mean different things in different functions; decoders give them as they
 * came, since a card may say what no specification lists. es10_result_name() has the
 * specification's word, "unknown" for other numbers.
 */
enum {
	ES10_OK = 0,
	ES10_CAT_BUSY = 5,              /* try again later: enable, disable, reset, rollback … */
	ES10_ECALL_ACTIVE = 104,
	ES10_UNDEFINED_ERROR = 127,
};

/* Enable, Disable, Delete (ES10c, and the same PSMOs); SetNickname. */
enum es10c_result {
	ES10C_NOT_FOUND = 1,
	ES10C_WRONG_STATE = 2,          /* not disabled (enable, delete), not enabled (disable) */
	ES10C_DISALLOWED_BY_POLICY = 3,
	ES10C_WRONG_REENABLING = 4,
	ES10C_ROLLBACK_NOT_AVAILABLE = 20,      /* PSMOs only */
	ES10C_RETURN_FALLBACK_PROFILE = 21,     /* PSMOs only */
};

enum { ES10C_PROFILES_INCORRECT_INPUT = 1, ES10C_PROFILES_CHANGE_ONGOING = 11 };
enum { ES10_NOTHING_TO_DELETE = 1 };    /* RemoveNotification, memory resets */

enum es10b_add_eim_result {
	ES10B_EIM_NO_MEMORY = 1,
	ES10B_EIM_EXISTS = 2,           /* also: of an unsigned configuration, there is an eIM */
	ES10B_EIM_CI_UNKNOWN = 3,
	ES10B_EIM_BAD_TOKEN = 5,
	ES10B_EIM_COUNTER_RANGE = 6,
	ES10B_EIM_COMMAND_ERROR = 7,
};

enum { ES10B_ROLLBACK_NOT_ALLOWED = 1, ES10B_ROLLBACK_COMMAND_ERROR = 7 };
enum { ES10B_IMMEDIATE_NOT_AVAILABLE = 1, ES10B_IMMEDIATE_NO_SESSION = 4 };
enum { ES10B_EMERGENCY_WRONG_STATE = 2, ES10B_EMERGENCY_NOT_AVAILABLE = 8 };
enum { ES10B_FALLBACK_WRONG_STATE = 2, ES10B_FALLBACK_NOT_AVAILABLE = 6,
       ES10B_FALLBACK_COMMAND_ERROR = 7 };

enum es10b_download_error {             /* AuthenticateServer, PrepareDownload, CancelSession */
	ES10B_INVALID_CERTIFICATE = 1,
	ES10B_INVALID_SIGNATURE = 2,
	ES10B_UNSUPPORTED_CURVE = 3,
	ES10B_NO_SESSION_CONTEXT = 4,
	ES10B_INVALID_OID = 5,          /* PrepareDownload, CancelSession: invalidTransactionId */
	ES10B_CHALLENGE_MISMATCH = 6,
	ES10B_CI_PK_UNKNOWN = 7,
};

const char *es10_result_name(enum es10_function f, int code);

/* The many answers that are only a code: BFxx { 80 code }. */
int es10_result_decode(enum es10_function f, struct octets der, int *ret_code);

/* Major, minor, revision; all zero where the card gave none. */
struct es10_version {
	uint8_t major, minor, revision;
};

#define ES10_VERSION_TEXT_MAX 12

const char *es10_version_text(struct es10_version v, char out[ES10_VERSION_TEXT_MAX]);
/* -EINVAL: not three octets. */
int es10_version_from(struct octets value, struct es10_version *ret);
/* <0, 0, >0. */
int es10_version_compare(struct es10_version a, struct es10_version b);

#define ES10_ICCID_OCTETS 10
#define ES10_ICCID_TEXT_MAX (2 * ES10_ICCID_OCTETS + 1)
#define ES10_EID_OCTETS 16
#define ES10_EID_TEXT_MAX (2 * ES10_EID_OCTETS + 1)
#define ES10_AID_MAX 16
#define ES10_TRANSACTION_ID_MAX 16

/*
 * ICCID as in EF.ICCID, nibbles swapped, with F behind the last digit. -EINVAL for anything else;
 * digits: 18 to 20 of them. out is terminated; it is untouched on failure.
 */
int es10_iccid_text(struct octets iccid, char out[ES10_ICCID_TEXT_MAX]);
int es10_iccid_from_text(struct text digits, uint8_t ret[ES10_ICCID_OCTETS]);

/* EID: 32 digits in reading order. from_text() and valid() check the last two (mod 97 = 1). */
int es10_eid_text(struct octets eid, char out[ES10_EID_TEXT_MAX]);
int es10_eid_from_text(struct text digits, uint8_t ret[ES10_EID_OCTETS]);
bool es10_eid_valid(struct octets eid);

/* MCC and MNC as in TS 24.008, three octets: "262-01"; E, the wildcard, as "*". -EINVAL. */
#define ES10_PLMN_TEXT_MAX 8
int es10_plmn_text(struct octets plmn, char out[ES10_PLMN_TEXT_MAX]);

/*
 * BIT STRING as a mask: named bit n (the most significant bit of the first octet is number 0) is
 * 1 << n. Bits beyond 31 are left out, the count of unused bits is not believed: some cards always
 * send the same. -EINVAL: empty.
 */
int es10_bits_from(struct octets value, uint32_t *ret);
/* In DER form: trailing zeros cut. */
void es10_bits_put(struct tlv_out *w, uint32_t tag, uint32_t bits);

/* NotificationEvent, SGP.22 2.4a.1.1 */
enum {
	ES10_EVENT_INSTALL = 1 << 0,
	ES10_EVENT_ENABLE = 1 << 1,
	ES10_EVENT_DISABLE = 1 << 2,
	ES10_EVENT_DELETE = 1 << 3,
	ES10_EVENT_ALL = 0xf,
};

/* "install", the lowest bit that is set; "unknown". */
const char *es10_event_name(uint32_t events);

/* PprIds, SGP.22 2.8.1.1 */
enum {
	ES10_PPR_UPDATE_CONTROL = 1 << 0,
	ES10_PPR1 = 1 << 1,     /* disabling is not allowed */
	ES10_PPR2 = 1 << 2,     /* deletion is not allowed */
};

/*
 * The next element of a list whose elements all have one tag (CI key identifiers 04, versions 04).
 * False at the end, or where the list is broken.
 */
bool es10_list_next(struct octets *list, uint32_t tag, struct octets *ret_value);

/* Inside decoders: INTEGERs that are only shown, or judged by the card: too large is UINT32_MAX. */
uint32_t es10_number(struct octets value);
/* The alternatives "80 code", "81 code" or "02 code" of an answer; -1: the next is none of them. */
int es10_code_maybe(struct tlv *w);

#endif
