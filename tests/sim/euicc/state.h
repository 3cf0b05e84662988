/*
 * What the virtual eUICC keeps when it has no power: one file in its directory, written whole, so
 * that whoever is killed leaves the state before or after a command, never one in between.
 *
 * Nothing here judges: rules live with the functions of the card.
 */
#ifndef SIM_EUICC_STATE_H
#define SIM_EUICC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"
#include "sim/euicc/blob.h"

#define VE_CREDENTIALS_MAX 4
#define VE_PROFILES_MAX 16
#define VE_NOTES_MAX 64
#define VE_EIMS_MAX 8
#define VE_STATE_MAX (1024 * 1024)      /* octets of the file */

#define VE_ICCID_LEN 10
#define VE_EID_LEN 16

/* Which edition the card follows; later ones contain the earlier. */
enum ve_version {
	VE_SGP22,       /* a consumer card, SGP.22 2.5 */
	VE_SGP32_10,
	VE_SGP32_11,
	VE_SGP32_12,
	VE_SGP32_13,
	_VE_VERSION_MAX
};

/* One CI the card trusts; without a key it is good for verification only. */
struct ve_credential {
	struct blob ci;         /* certificates, DER */
	struct blob eum;
	struct blob euicc;
	struct blob key;        /* SK.EUICC, 32 octets */
};

/*
 * EUICCInfo2, SGP.22 5.7.8 and SGP.32 5.9.2: the values, in the order in which they are sent. The
 * lists of CIs and the card resources are made when they are asked for.
 */
enum ve_info {
	VE_INFO_PROFILE_VERSION,
	VE_INFO_SVN,
	VE_INFO_FIRMWARE,
	VE_INFO_RESOURCES,
	VE_INFO_UICC_CAPABILITY,
	VE_INFO_TS102241,
	VE_INFO_GLOBALPLATFORM,
	VE_INFO_RSP_CAPABILITY,
	VE_INFO_CI_VERIFICATION,
	VE_INFO_CI_SIGNING,
	VE_INFO_CATEGORY,
	VE_INFO_FORBIDDEN_PPR,
	VE_INFO_PP_VERSION,
	VE_INFO_SAS,
	VE_INFO_CERTIFICATION,
	VE_INFO_TRE_PROPERTIES,
	VE_INFO_TRE_REFERENCE,
	VE_INFO_MORE_VERSIONS,
	VE_INFO_IPA_MODE,
	VE_INFO_IOT,
	VE_INFO_SECURITY_LEVEL,
	_VE_INFO_MAX
};

/* ProfileInfo, SGP.22 5.7.15 and SGP.32 5.9.14, in the order sent; then what only the card sees. */
enum ve_field {
	VE_ICCID,
	VE_AID,
	VE_PROFILE_STATE,       /* never stored: made from ve_profile.enabled */
	VE_NICKNAME,
	VE_PROVIDER,
	VE_NAME,
	VE_ICON_TYPE,
	VE_ICON,
	VE_CLASS,
	VE_NOTIFICATIONS,
	VE_OWNER,
	VE_DP_DATA,
	VE_PPR,
	VE_SERVICE_DATA,
	VE_ECALL,
	VE_FALLBACK,
	VE_FALLBACK_ALLOWED,
	_VE_FIELD_PUBLIC,
	VE_IMSI = _VE_FIELD_PUBLIC,     /* EF.IMSI */
	VE_AD,                          /* EF.AD */
	VE_SPN,                         /* EF.SPN */
	VE_USIM_AID,
	VE_PIN,                         /* PIN1, 8 octets; empty: the profile has none */
	VE_CONNECTIVITY,                /* httpParams, SGP.32 5.9.24 */
	VE_SMDP_OID,
	VE_SMDP_ADDRESS,
	_VE_FIELD_MAX
};

enum {
	VE_CLASS_TEST,
	VE_CLASS_PROVISIONING,
	VE_CLASS_OPERATIONAL,
};

struct ve_profile {
	struct blob field[_VE_FIELD_MAX];
	uint32_t enabled;
	uint32_t preloaded;     /* was on the card when it was made */
	uint32_t size;          /* octets of non-volatile memory */
	uint32_t pin_enabled;
	uint32_t pin_tries;
};

/* Notifications and eUICC Package Results share numbers and RemoveNotificationFromList. */
enum ve_note_kind {
	VE_NOTE_INSTALLED,      /* ProfileInstallationResult, BF37 */
	VE_NOTE_OTHER,          /* OtherSignedNotification, 30 */
	VE_NOTE_PACKAGE,        /* EuiccPackageResult, BF51 */
	_VE_NOTE_KIND_MAX
};

struct ve_note {
	uint32_t seq;
	uint32_t kind;
	uint32_t event;         /* the first octet of the BIT STRING: one bit is set */
	struct blob metadata;   /* BF2F whole; packages have none */
	struct blob whole;      /* as it is retrieved */
};

/* EimConfigurationData, SGP.32 5.9.18, in the order sent. */
enum ve_eim_field {
	VE_EIM_ID,
	VE_EIM_FQDN,
	VE_EIM_ID_TYPE,
	VE_EIM_COUNTER,
	VE_EIM_TOKEN,
	VE_EIM_KEY,
	VE_EIM_TLS,
	VE_EIM_PROTOCOLS,
	VE_EIM_CI,
	VE_EIM_INDIRECT,        /* a NULL: see ve_eim.indirect */
	_VE_EIM_FIELD_MAX
};

struct ve_eim {
	struct blob field[_VE_EIM_FIELD_MAX];
	uint32_t indirect;
	uint32_t counter;       /* the highest accepted so far */
};

struct ve_state {
	struct blob eid;
	uint32_t version;               /* enum ve_version */
	struct blob personality;        /* its name */
	uint32_t memory;                /* non-volatile octets for profiles */
	struct blob info[_VE_INFO_MAX];
	struct blob default_dp;
	struct blob root_ds;
	struct blob rat;                /* the rules, SGP.22 5.7.22 */

	uint32_t next_seq;
	uint32_t next_token;
	uint32_t next_isdp;

	uint32_t n_credentials, n_profiles, n_notes, n_eims;
	struct ve_credential credentials[VE_CREDENTIALS_MAX];
	struct ve_profile profiles[VE_PROFILES_MAX];
	struct ve_note notes[VE_NOTES_MAX];
	struct ve_eim eims[VE_EIMS_MAX];

	/* A change of profile that waits for the reset: the AID to enable, empty: none. */
	uint32_t switch_pending;
	struct blob switch_to;

	/* SGP.32: rollback, fallback, emergency; the profiles to return to. */
	uint32_t rollback_granted;
	struct blob rollback_to;
	/* Of the package that granted it: who sent it, what its result is to be found by. */
	struct blob rollback_eim, rollback_token, rollback_ci, rollback_counter, rollback_tid;
	uint32_t rollback_seq;
	uint32_t fallback_active;
	struct blob fallback_return;
	uint32_t emergency_active;
	struct blob emergency_return;

	/* SGP.32 5.9.15, 5.9.17: immediate enabling and the download it would be about. */
	uint32_t immediate;
	struct blob immediate_oid, immediate_address;
	uint32_t downloaded;
	struct blob downloaded_aid, downloaded_oid, downloaded_address;

	/* The one-time key pair outlives an interrupted download (SGP.22 2.6.4). */
	struct blob otk_oid, otk_ci, otk_key;

	/* A BPP is being loaded: what its result needs should the power go now. */
	uint32_t loading;
	struct blob loading_tid, loading_oid, loading_address, loading_iccid, loading_ci;
	uint32_t loading_command;

	/* A test profile was enabled over this one, which alone may be enabled after it. */
	struct blob test_return;

	/* Not in the file. */
	char *path;             /* of the file; NULL: a card that keeps nothing, for fuzzing */
	bool dirty;
};

/* A new card without profiles, with its defaults; nothing is written. eid: 32 digits. */
int ve_state_init(struct ve_state *s, const char *dir, struct text eid, enum ve_version version);
/* -ENOENT: no card was made there; -EBADMSG: the file is not ours. */
int ve_state_load(struct ve_state *s, const char *dir);
int ve_state_save(struct ve_state *s);
/* Also of one that was never loaded. */
void ve_state_free(struct ve_state *s);

struct ve_profile *ve_profile_find(struct ve_state *s, enum ve_field by, struct octets value);
struct ve_profile *ve_profile_enabled(struct ve_state *s);
/* Room for one more, zeroed; NULL: the card is full. */
struct ve_profile *ve_profile_add(struct ve_state *s);
void ve_profile_remove(struct ve_state *s, struct ve_profile *p);
void ve_profile_clear(struct ve_profile *p);
unsigned ve_profile_class(const struct ve_profile *p);
uint32_t ve_memory_free(const struct ve_state *s);

void ve_eim_clear(struct ve_eim *e);
void ve_note_remove(struct ve_state *s, struct ve_note *n);

const char *ve_version_name(enum ve_version v);
/* "22", "1.0" ... "1.3"; -EINVAL. */
int ve_version_from(struct text name, enum ve_version *ret);

/* The EID's check digits: the 32 digits modulo 97 are 1. */
bool ve_eid_good(struct octets eid);

#endif
