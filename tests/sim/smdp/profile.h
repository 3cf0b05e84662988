/*
 * The profiles an SM-DP+ has to give, each in two files that are replaced whole:
 *
 *     DIR/profiles/<ICCID>.json   the order, its state, the last binding, the downloads
 *     DIR/profiles/<ICCID>.upp    the package
 */
#ifndef SIM_SMDP_PROFILE_H
#define SIM_SMDP_PROFILE_H

#include <limits.h>

#include "core/list.h"
#include "sim/smdp/bind.h"
#include "sim/smdp/upp.h"

#define SDP_PROFILES_MAX 1024
#define SDP_DOWNLOADS_MAX 8
#define SDP_MATCHING_ID_MAX 255
#define SDP_CODE_TEXT_MAX 64
#define SDP_ICCID_DIGITS 20

enum sdp_state {
	SDP_STATE_AVAILABLE,            /* known, but not to be given yet */
	SDP_STATE_RELEASED,
	SDP_STATE_DOWNLOADED,           /* bound and handed out; no result yet, or one that allows more */
	SDP_STATE_INSTALLED,
	SDP_STATE_ERROR,
	_SDP_STATE_MAX
};
extern const char *const sdp_state_names[_SDP_STATE_MAX];

/* What a ProfileInstallationResult is checked with: kept, because it may come days later. */
struct sdp_download {
	uint8_t tid[SDP_TID_MAX];
	size_t tid_n;
	char eid[SDP_EID_DIGITS + 1];
	struct sdp_blob certificate;    /* CERT.EUICC */
	struct sdp_blob oid;            /* of CERT.DPpb */
};

/* One-time keys of the last binding and what was protected with them. */
struct sdp_bound {
	bool there;
	uint8_t euicc_point[SDP_POINT_LEN];
	struct sdp_key one_time;
	struct sdp_blob host_id;
	struct sdp_blob body;           /* A0 to A3 */
};

struct sdp_profile {
	struct list_node node;
	char iccid[SDP_ICCID_DIGITS + 1];
	char name[65], provider[33];
	char matching_id[SDP_MATCHING_ID_MAX + 1];      /* empty: by EID, or the default profile */
	char eid[SDP_EID_DIGITS + 1];                   /* empty: for anybody */
	char confirmation[SDP_CODE_TEXT_MAX];           /* empty: none asked for */
	enum sdp_state state;
	char why[96];                                   /* what led to the state, for people */

	bool rebind;                    /* another otPK.EUICC is bound anew instead of refused */
	bool reusable;                  /* may be had again after it was installed */
	bool ppk;                       /* protected with keys of its own (ReplaceSessionKeys) */
	unsigned segment;               /* 0: the usual 1020 octets */
	unsigned max_tries, tries;      /* confirmation codes */
	unsigned max_downloads, downloads;
	uint32_t memory;                /* octets an eUICC must say are free; 0: not looked at */
	uint64_t expires;               /* seconds since 1970; 0: never */

	int command, reason;            /* of the last failed installation; -1: none */
	unsigned results;               /* ProfileInstallationResults that counted */
	uint8_t result_key[SDP_HASH_LEN];       /* the last of them */

	struct sdp_blob metadata;       /* BF25 */
	struct sdp_blob upp;
	struct sdp_ppk keys;
	bool keys_there;
	struct sdp_bound bound;
	struct sdp_download list[SDP_DOWNLOADS_MAX];    /* oldest first */
	size_t list_n;
};

struct sdp_profile *sdp_profile_new(void);
void sdp_profile_free(struct sdp_profile *p);

/* Both files, or only the first. -errno. */
int sdp_profile_save(const char *dir, const struct sdp_profile *p, bool with_upp);
int sdp_profile_remove(const char *dir, const struct sdp_profile *p);
/* All there are, into the list. A file that cannot be read is -EBADMSG, named in ret_why. */
int sdp_profiles_load(const char *dir, struct list_node *list, char ret_why[PATH_MAX]);

/* The state as it was before anybody asked: counters, binding and result are forgotten. */
void sdp_profile_release(struct sdp_profile *p);
void sdp_bound_done(struct sdp_bound *b);
/* Drops the oldest where the list is full. */
struct sdp_download *sdp_profile_add_download(struct sdp_profile *p);
struct sdp_download *sdp_profile_find_download(struct sdp_profile *p, struct octets tid);

#endif
