/*
 * Unprotected Profile Packages (TCA interoperable format) of any size, and the metadata that goes
 * with them. The packages are right in form; the subscription in them is a test one.
 */
#ifndef SIM_SMDP_UPP_H
#define SIM_SMDP_UPP_H

#include "core/text.h"
#include "sim/smdp/crypto.h"

#define SDP_ICCID_LEN 10
#define SDP_UPP_MAX (2u << 20)
#define SDP_METADATA_MAX 4096
#define SDP_NOTIFY_MAX 8

/* 18 to 20 digits; octets as in EF.ICCID: nibbles swapped, filled with F. -EINVAL. */
int sdp_iccid_from(struct text digits, uint8_t ret[SDP_ICCID_LEN]);
void sdp_iccid_text(const uint8_t bcd[SDP_ICCID_LEN], char ret[2 * SDP_ICCID_LEN + 1]);

struct sdp_upp_recipe {
	struct text iccid;
	struct text imsi;               /* 6 to 15 digits */
	size_t size;                    /* at least; 0: as small as it gets */
};

/* -EINVAL: digits, or a size beyond SDP_UPP_MAX. */
int sdp_upp_make(const struct sdp_upp_recipe *r, struct sdp_blob *ret);

/*
 * A file with a package: DER as it is, or JSON with "profileElements", a list of hexadecimal
 * strings. -EBADMSG: neither; -EFBIG.
 */
int sdp_upp_load(const char *path, struct sdp_blob *ret);
/* The ICCID in its header, as digits. -EBADMSG: not one element after the other, or no header. */
int sdp_upp_iccid(struct octets upp, char ret[2 * SDP_ICCID_LEN + 1]);

enum sdp_class { SDP_CLASS_TEST, SDP_CLASS_PROVISIONING, SDP_CLASS_OPERATIONAL, _SDP_CLASS_MAX };
extern const char *const sdp_class_names[_SDP_CLASS_MAX];

struct sdp_notify {
	uint8_t events;                 /* bit 7 install, 6 enable, 5 disable, 4 delete */
	struct text address;
};

/* StoreMetadataRequest, SGP.22 5.5.3 */
struct sdp_metadata {
	uint8_t iccid[SDP_ICCID_LEN];
	struct text provider, name;
	enum sdp_class profile_class;
	struct octets icon;             /* PNG or JPEG, told by its first octets */
	struct sdp_notify notify[SDP_NOTIFY_MAX];
	size_t notify_n;
	struct text owner;              /* "26201", "262010"; empty: none */
	struct octets gid1, gid2;
	uint8_t pprs;                   /* bit 6 must not be disabled, 5 must not be deleted */
	bool fallback;                  /* fallbackAllowed, SGP.32 1.1 */
};

/* -EINVAL: a field is out of range. */
int sdp_metadata_make(const struct sdp_metadata *m, struct sdp_blob *ret);

/* A BIT STRING of named bits, trailing zeros dropped. */
void sdp_put_bits(struct tlv_out *w, uint32_t tag, uint8_t bits);

#endif
