/*
 * An SM-DP+ and, under another name, an SM-DS: everything but the wire. Requests and answers are
 * structures in memory, so that an eIM simulator in the same process can speak to it (ES9+'), a
 * fuzzer can, and an HTTPS server does (http.h has the two bindings, https.h the server).
 *
 *     DIR/smdp.json               names and presets
 *     DIR/pki/<n>/                one CI each: ci, dpauth, dppb, dptls, dsauth, dstls, bad-*
 *     DIR/profiles/               see profile.h
 *     DIR/events.json             SM-DS
 *     DIR/notifications.json
 *
 * What a client must be able to rely on is in the directory before it gets its answer. Sessions
 * are not: a server that was restarted knows no transactionId.
 */
#ifndef SIM_SMDP_SMDP_H
#define SIM_SMDP_SMDP_H

#include <limits.h>

#include "sim/smdp/cert.h"
#include "sim/smdp/fault.h"
#include "sim/smdp/profile.h"

#define SDP_PKIS_MAX 4
#define SDP_HOSTS_MAX 4
#define SDP_HOST_MAX 256
#define SDP_SESSIONS_MAX 64
#define SDP_EVENTS_MAX 256
#define SDP_NOTES_MAX 4096
#define SDP_CHALLENGE_LEN 16

/* A certificate with its key; cert.x509 is NULL where there is none. */
struct sdp_credential {
	struct sdp_cert cert;
	struct sdp_key key;
};

struct sdp_pki {
	struct sdp_cert ci;
	struct sdp_credential dp_auth, dp_pb, ds_auth;
	/* to be refused by whoever looks: faults of kind "wrong-certificate" */
	struct sdp_credential auth_expired, auth_role, pb_oid;
};

enum sdp_session_state {
	SDP_SESSION_EXPECT_CLIENT,      /* initiateAuthentication was answered */
	SDP_SESSION_EXPECT_PREPARED,    /* authenticateClient was */
	SDP_SESSION_BOUND,              /* the package was handed out */
	_SDP_SESSION_STATE_MAX
};

struct sdp_session {
	struct list_node node;
	enum sdp_session_state state;
	bool ds;
	uint8_t tid[SDP_TID_MAX];
	uint8_t challenge[SDP_CHALLENGE_LEN];   /* ours */
	char address[SDP_HOST_MAX];             /* serverAddress as we signed it */
	const struct sdp_pki *pki;              /* of our certificate */
	const struct sdp_pki *ci;               /* that the eUICC is to sign under */
	const struct sdp_credential *auth;
	struct sdp_cert euicc;
	char eid[SDP_EID_DIGITS + 1];
	uint8_t eid_octets[SDP_EID_LEN];
	char iccid[SDP_ICCID_DIGITS + 1];       /* of the profile */
	const struct sdp_credential *pb;
	uint8_t signature2[3 + SDP_SIGNATURE_LEN];      /* smdpSignature2, the TLV */
};

/* A record of the SM-DS: "for this EID something waits there". */
struct sdp_event {
	struct list_node node;
	char eid[SDP_EID_DIGITS + 1];
	char id[SDP_MATCHING_ID_MAX + 1];
	char address[SDP_HOST_MAX];
};

enum sdp_verdict {
	SDP_VERIFIED,
	SDP_UNKNOWN_DOWNLOAD,           /* a result for a transaction that was never ours */
	SDP_BAD_CHAIN,
	SDP_BAD_SIGNATURE,
	SDP_BAD_OID,                    /* a result that names another SM-DP+ */
	SDP_UNREADABLE,
	_SDP_VERDICT_MAX
};
extern const char *const sdp_verdict_names[_SDP_VERDICT_MAX];

/* A notification. It counts once; how often it was delivered is told apart. */
struct sdp_note {
	struct list_node node;
	uint8_t key[SDP_HASH_LEN];      /* of what is signed and by whom */
	enum sdp_verdict verdict;
	bool result;                    /* ProfileInstallationResult */
	uint32_t seq;
	uint8_t event;                  /* bits as in metadata */
	char iccid[SDP_ICCID_DIGITS + 1];
	char address[SDP_HOST_MAX];
	char eid[SDP_EID_DIGITS + 1];
	int command, reason;            /* of a result; -1: it succeeded */
	struct sdp_blob sima;           /* simaResponse */
	struct sdp_blob aid;            /* of the new ISD-P */
	uint8_t tid[SDP_TID_MAX];
	size_t tid_n;
	unsigned deliveries;
	uint64_t first_ms, last_ms;     /* since 1970 */
};

struct sdp {
	char dir[PATH_MAX - 128];       /* empty: nothing is written */
	char hosts[SDP_HOSTS_MAX][SDP_HOST_MAX];        /* the first one is announced */
	size_t hosts_n;
	char ds_host[SDP_HOST_MAX];     /* empty: no SM-DS */
	uint16_t port;                  /* as announced; 0: 443 */
	char protocol[16];              /* X-Admin-Protocol, "v2.5.0" */
	struct sdp_blob host_id;        /* empty: the first octets of the host name */
	struct sdp_pki pki[SDP_PKIS_MAX];
	size_t pki_n;

	struct list_node profiles, sessions, events, notes;
	size_t sessions_n, notes_n, events_n;
	struct sdp_faults faults;
	unsigned requests[_SDP_FUNCTION_MAX];

	time_t now;                     /* 0: the clock's */
	struct octets fed;              /* used up before random octets are drawn; the caller's */
	/* After each request; may be NULL. Not to be freed in it. */
	void (*changed)(struct sdp *s);
};

/* An empty one; nothing is read or written. */
void sdp_init(struct sdp *s);
void sdp_done(struct sdp *s);
/* Reads the directory. -errno and one line in why. */
#define SDP_WHY_MAX 512
int sdp_open(struct sdp *s, const char *dir, char why[SDP_WHY_MAX]);
int sdp_pki_load(struct sdp_pki *p, const char *dir, char why[SDP_WHY_MAX]);
void sdp_pki_done(struct sdp_pki *p);
int sdp_save_config(const struct sdp *s);
int sdp_save_events(const struct sdp *s);
int sdp_save_notes(const struct sdp *s);
int sdp_notes_load(struct sdp *s);
/* As it is in the file and as people see it. */
struct json_object;
struct json_object *sdp_note_json(const struct sdp_note *n);

time_t sdp_now(const struct sdp *s);
uint64_t sdp_clock_ms(void);
void sdp_draw(struct sdp *s, uint8_t *dst, size_t n);

struct sdp_profile *sdp_find_profile(struct sdp *s, const char *iccid);
/* -EEXIST; -ENOSPC. The event is saved. */
int sdp_event_add(struct sdp *s, const char *eid, const char *id, const char *address);
int sdp_event_remove(struct sdp *s, const char *eid, const char *id);

/* --- the functions of ES9+ and ES11 ----------------------------------------------------------- */

/* A request. What a function does not need is left empty; everything is the caller's. */
struct sdp_call {
	enum sdp_function function;
	struct octets challenge;        /* euiccChallenge, the 16 octets */
	struct octets info1;            /* BF20 */
	struct text address;            /* smdpAddress, smdsAddress */
	struct octets tid;
	struct octets response;         /* BF38, BF21 or BF41, as the function wants it */
	struct octets notification;     /* BF37 or 30 */
};

/* The members of the answers, in the order of the ASN.1 binding. */
enum sdp_member {
	SDP_TRANSACTION_ID,
	SDP_SERVER_SIGNED1,
	SDP_SERVER_SIGNATURE1,
	SDP_CI_TO_BE_USED,
	SDP_SERVER_CERTIFICATE,
	SDP_PROFILE_METADATA,
	SDP_SMDP_SIGNED2,
	SDP_SMDP_SIGNATURE2,
	SDP_SMDP_CERTIFICATE,
	SDP_BOUND_PROFILE_PACKAGE,
	_SDP_MEMBER_MAX
};
extern const char *const sdp_member_names[_SDP_MEMBER_MAX];

struct sdp_answer {
	enum sdp_code code;
	bool ds;
	struct sdp_blob members[_SDP_MEMBER_MAX];       /* n = 0: not in this answer */
	const struct sdp_event *events[SDP_EVENTS_MAX]; /* good until the next call */
	size_t events_n;
};

void sdp_run(struct sdp *s, const struct sdp_call *c, struct sdp_answer *ret);
void sdp_answer_done(struct sdp_answer *a);

/* --- for the files of this library ------------------------------------------------------------ */

enum sdp_code sdp_initiate_authentication(struct sdp *s, const struct sdp_call *c,
					  struct sdp_answer *ret);
enum sdp_code sdp_authenticate_client(struct sdp *s, const struct sdp_call *c,
				      struct sdp_answer *ret);
enum sdp_code sdp_get_bound_profile_package(struct sdp *s, const struct sdp_call *c,
					    struct sdp_answer *ret);
enum sdp_code sdp_cancel_session(struct sdp *s, const struct sdp_call *c, struct sdp_answer *ret);
void sdp_handle_notification(struct sdp *s, struct octets notification);

struct sdp_session *sdp_find_session(struct sdp *s, struct octets tid);
void sdp_session_free(struct sdp *s, struct sdp_session *session);
/* Writes a profile; a directory that cannot be written is told once per attempt in the log. */
void sdp_keep(struct sdp *s, const struct sdp_profile *p);
/* The element whole, which must have this tag. */
struct octets sdp_whole(struct tlv *w, uint32_t tag);
/* The 64 octets in a 5F37 TLV; NULL: it is none. */
struct octets sdp_signature_of(struct octets tlv);
/* Signs, or does so wrongly where a fault wants it; the 5F37 TLV. */
void sdp_sign_tlv(struct sdp *s, const struct sdp_key *k, enum sdp_function f,
		  const struct octets *parts, size_t n, uint8_t ret[3 + SDP_SIGNATURE_LEN]);

#endif
