/*
 * What an eIM knows: itself, the cards it manages, and for each card the packages in order with
 * what became of them. Everything here is in the state directory as well; nothing is answered
 * before it has been written there, so an eIM that is killed goes on where it was.
 *
 *     DIR/eim.json          identity and presets
 *     DIR/sign.key.pem, sign.der, tls.key.pem, tls.pem, ci/<name>
 *     DIR/cards/<EID>.json  one card: counter, token, certificates, packages, notifications
 *     DIR/log.txt           one line per message
 */
#ifndef SIM_EIM_EIM_H
#define SIM_EIM_EIM_H

#include <limits.h>

#include "core/list.h"
#include "core/text.h"
#include "sim/eim/crypto.h"
#include "sim/eim/fault.h"

#define SE_EID_DIGITS 32
#define SE_EID_LEN 16
#define SE_ICCID_LEN 10
#define SE_TX_MAX 16
#define SE_MESSAGE_MAX 65536            /* one ESipa message, either way */
#define SE_CERT_MAX 4096
#define SE_PACKAGES_MAX 4096            /* per card */
#define SE_NOTES_MAX 1024               /* notifications remembered per card */
#define SE_WHAT_MAX 512
#define SE_OUTCOME_MAX 1024
#define SE_INFO_MAX 1024                /* EUICCInfo1, EUICCInfo2, whole */
#define SE_DEVICE_MAX 256               /* DeviceInfo, content */

/* --- one package ------------------------------------------------------------------------------ */

enum se_kind {
	SE_KIND_PSMO,           /* eUICC package that changes profiles */
	SE_KIND_ECO,            /* eUICC package that changes eIM configurations */
	SE_KIND_DATA,           /* IpaEuiccDataRequest */
	SE_KIND_DOWNLOAD,       /* ProfileDownloadTriggerRequest */
	_SE_KIND_MAX
};

enum se_state {
	SE_QUEUED,
	SE_SENT,                /* in flight: sent at least once, no result yet */
	SE_DONE,                /* a result came; outcome and error tell which */
	SE_FAILED,              /* none will: refused by the IPA, or sent too often */
	SE_CANCELLED,
	_SE_STATE_MAX
};

enum se_verdict {
	SE_UNCHECKED,           /* no result, or one that carries no signature */
	SE_VERIFIED,            /* the signature is right up to a trusted CI */
	SE_UNVERIFIED,          /* taken although there was nothing to check it with */
	SE_WRONG,               /* a signature that is not right: nothing was taken */
	_SE_VERDICT_MAX
};

/* Which way a profile went to the card. */
enum se_way { SE_WAY_OPEN, SE_WAY_DIRECT, SE_WAY_INDIRECT, _SE_WAY_MAX };

/* Whether the SM-DP+ has the result of an indirect download. */
enum se_told {
	SE_TOLD_NOTHING,        /* there is none, or the IPA tells it */
	SE_TOLD_PENDING,
	SE_TOLD,
	SE_TOLD_IN_VAIN,        /* tried too often */
	_SE_TOLD_MAX
};

#define SE_CODE_MAX 256
#define SE_TID_MAX 16

/* What a ProfileDownloadTriggerRequest is about, and what came of it. */
struct se_download {
	char code[SE_CODE_MAX];         /* activation code without "LPA:"; "" default SM-DP+, SM-DS */
	char smds[128];                 /* SM-DS of a code that is held; "" none */
	char confirmation[64];          /* confirmation code that the eIM holds; "" none */
	enum se_way wanted, way;
	/* of the last session through this eIM */
	uint8_t tid[SE_TID_MAX];
	size_t tid_n;
	char event[SE_CODE_MAX];        /* activation code an SM-DS has led to; "" none */
	char ended[96];                 /* how it ended before there was a package; "" it did not */
	/* of what was delivered; "" not known */
	char address[128];
	char iccid[24];
	char name[65], provider[33];
	char aid[33];
	enum se_told told;
	unsigned tries;                 /* deliveries to the SM-DP+ */
	uint8_t *note;                  /* the result for the SM-DP+, whole */
	size_t note_n;
};

struct se_package {
	struct list_node node;
	unsigned id;                    /* counts per card, from 1 */
	enum se_kind kind;
	enum se_state state;
	char what[SE_WHAT_MAX];         /* as ordered */
	char fault[24];                 /* made wrong on purpose: how; "" in order */
	bool automatic;                 /* ordered by the eIM itself */
	bool switches;                  /* enables or disables a profile */

	uint8_t *body;                  /* PSMO, ECO: the list, A0 or A1; else the content */
	size_t body_n;
	uint8_t *message;               /* as sent, BF51, BF52 or BF54; NULL until then */
	size_t message_n;
	uint8_t tx[SE_TX_MAX];
	size_t tx_n;
	uint32_t counter;               /* PSMO, ECO */
	int32_t token;                  /* the association token it was signed with, 0 none */

	unsigned sent;                  /* how often it was offered */
	unsigned results;               /* results taken: 1, or 2 when a rollback followed */
	unsigned duplicates;            /* results that had been taken before */
	unsigned refused;               /* results that were not taken: signature, number */
	unsigned replays;               /* replayError after it had been sent again */
	enum se_verdict verdict;
	bool error;                     /* the outcome is no success */
	bool rolled_back;
	uint32_t seq;                   /* of the last result taken, 0 none */
	char outcome[SE_OUTCOME_MAX];
	uint8_t *result;                /* the last one, as it came */
	size_t result_n;
	struct se_download *download;   /* of that kind only */
	uint64_t queued_ms, sent_ms, done_ms;   /* since 1970 */
};

/* A notification that was taken over. */
struct se_note {
	uint32_t seq;
	char event[12];
	char iccid[24];
	char address[128];
	enum se_verdict verdict;
	unsigned duplicates;
};

/* --- one card --------------------------------------------------------------------------------- */

enum se_version { SE_V1_0, SE_V1_1, SE_V1_2, SE_V1_3, _SE_VERSION_MAX };

/* IpaCapabilities, bits of the first octet of ipaFeatures. */
enum {
	SE_IPA_DIRECT = 0x80,
	SE_IPA_INDIRECT = 0x40,
	SE_IPA_DOWNLOAD_DATA = 0x20,    /* the eIM keeps the order's data */
	SE_IPA_CTX_PARAMS = 0x10,       /* the eIM makes ctxParams1 */
	SE_IPA_METADATA = 0x08,         /* the eIM looks at metadata and policy rules */
	SE_IPA_MINIMIZE = 0x04,         /* compact forms */
};

enum se_ctx { SE_CTX_MATCHING_ID, SE_CTX_PARAMS, SE_CTX_NOTHING };

/* How the answers of an indirect download are written for a card's IPA. */
struct se_forms {
	bool tid;                       /* transactionId in them */
	unsigned ci_n;                  /* octets of the CI's key identifier, 20: whole */
	enum se_ctx ctx;
	bool metadata;                  /* profileMetadata; without it the eIM has looked at it */
};

struct se_card {
	struct list_node node;
	char eid[SE_EID_DIGITS + 1];
	uint8_t eid_bcd[SE_EID_LEN];
	enum se_version version;
	uint32_t counter;               /* of the last package signed */
	int32_t token;                  /* association token; 0 none */
	uint32_t last_seq;              /* of the last result taken */
	uint8_t eum[SE_CERT_MAX], euicc[SE_CERT_MAX];   /* DER; length 0: not known */
	size_t eum_n, euicc_n;
	bool learned;                   /* the certificates have been asked for already */
	struct list_node packages;
	unsigned next_id;
	size_t packages_n;
	struct se_note notes[SE_NOTES_MAX];
	size_t notes_n;
	unsigned polls;
	unsigned unmatched;             /* results that belong to no package */
	unsigned remarks;               /* deviations from the references, all told in the log */
	uint64_t last_poll_ms;
	char profiles[SE_OUTCOME_MAX];  /* as last listed */
	/* as data responses told it; length 0 not known */
	bool has_features;
	uint8_t features;
	uint8_t info1[SE_INFO_MAX], info2[SE_INFO_MAX], device[SE_DEVICE_MAX];
	size_t info1_n, info2_n, device_n;
	char answers[64];               /* forms as ordered; "" or "auto": as the features say */
	bool allow_ppr;                 /* profiles with policy rules are let through */
};

/* --- the eIM ---------------------------------------------------------------------------------- */

struct se_relay;

struct se_eim {
	char dir[PATH_MAX - 512];
	char id[129];
	char fqdn[256];
	unsigned id_type;               /* 1 OID, 2 FQDN, 3 proprietary */
	char curve[8];                  /* "nist", "brp" */
	uint8_t protocols;              /* eimSupportedProtocol, first bit highest */
	bool indirect;                  /* offers indirect download */
	bool random_signatures;
	uint16_t port, coap_port;       /* the last ones it listened on; 0: never */

	bool open;                      /* takes cards it was not told of */
	bool learn;                     /* asks an unknown card for its certificates first */
	bool accept_unverified;         /* takes results it cannot check */
	unsigned max_sends;
	unsigned resend_download_s;

	EVP_PKEY *key;                  /* signs packages */
	uint8_t cert[SE_CERT_MAX];      /* its certificate */
	size_t cert_n;
	struct se_anchors anchors;
	struct list_node cards;
	struct se_faults faults;
	struct se_relay *relay;         /* NULL: no indirect download */
};

extern const char *const se_kind_names[_SE_KIND_MAX];
extern const char *const se_state_names[_SE_STATE_MAX];
extern const char *const se_verdict_names[_SE_VERDICT_MAX];
extern const char *const se_version_names[_SE_VERSION_MAX];
extern const char *const se_way_names[_SE_WAY_MAX];
extern const char *const se_told_names[_SE_TOLD_MAX];

/* A name in a table: its index, or -EINVAL. */
int se_name_find(const char *const *names, size_t n, const char *name);

void se_eim_init(struct se_eim *e, const char *dir);
void se_eim_done(struct se_eim *e);

struct se_card *se_card_find(struct se_eim *e, const char *eid);
struct se_card *se_card_find_bcd(struct se_eim *e, const uint8_t bcd[SE_EID_LEN]);
/* -EEXIST; -EINVAL: no EID. Not saved yet. */
int se_card_new(struct se_eim *e, const char *eid, struct se_card **ret);
void se_card_free(struct se_card *c);

/* Takes the body over on success. -ENOSPC: SE_PACKAGES_MAX. */
struct se_package *se_package_new(struct se_card *c, enum se_kind kind, const char *what);
void se_package_free(struct se_package *p);
int se_package_set(uint8_t **dst, size_t *dst_n, struct octets v);
/* The one with this transaction id, and the first in flight that fits; NULL: there is none. */
struct se_package *se_package_by_tx(struct se_card *c, struct octets tx);
struct se_package *se_package_in_flight(struct se_card *c,
					bool (*fits)(const struct se_package *p));
/* The download whose last session has this transaction; NULL: none. */
struct se_package *se_package_by_tid(struct se_card *c, struct octets tid);
void se_package_conclude(struct se_package *p, enum se_state state);

/*
 * "auto", or words with commas between: full compact tid no-tid ci=OCTETS matching-id ctx-params bare
 * metadata no-metadata. -EINVAL.
 */
int se_forms_parse(const char *text, uint8_t features, struct se_forms *ret);
/* Those of a card, as ordered and as its IPA declares. */
struct se_forms se_card_forms(const struct se_card *c);

uint64_t se_clock_ms(void);             /* since 1970 */

/* --- digits ----------------------------------------------------------------------------------- */

/* 32 digits; the check digits are not looked at: faults need wrong ones. -EINVAL. */
int se_eid_from(const char *digits, uint8_t ret_bcd[SE_EID_LEN]);
void se_eid_text(const uint8_t bcd[SE_EID_LEN], char ret_digits[SE_EID_DIGITS + 1]);
/* 18 to 20 digits, as printed; octets as in EF.ICCID. */
int se_iccid_from(const char *digits, uint8_t ret_bcd[SE_ICCID_LEN]);
void se_iccid_text(struct octets bcd, char ret_digits[24]);
/* "1.2.840" to its content octets. */
int se_oid_from(const char *text, uint8_t *dst, size_t cap, size_t *ret_n);

/* --- the log ---------------------------------------------------------------------------------- */

/*
 * One line: time, the card's EID shortened, what. With a card of NULL it is about the eIM itself.
 * Goes to standard output, DIR/log.txt and whoever follows.
 */
void se_log(struct se_eim *e, struct se_card *c, const char *fmt, ...) __printf(3, 4);
/* The same, marked and counted: something is not as the references or the accounts want it. */
void se_remark(struct se_eim *e, struct se_card *c, const char *fmt, ...) __printf(3, 4);
void se_log_open(struct se_eim *e, bool quiet);
void se_log_close(void);
extern void (*se_log_follower)(const char *line);

#endif
