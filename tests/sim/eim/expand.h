/*
 * The compact forms of minimizeEsipaBytes (GSMA SGP.32, 8.10 of our reference) made whole again:
 * what an IPA left out is put back, so that the signatures, which are over the full forms, hold.
 * Whatever is not compact comes through as it is.
 */
#ifndef SIM_EIM_EXPAND_H
#define SIM_EIM_EXPAND_H

#include "codec/tlv.h"

#define SE_AID_LEN 16

/* What an eIM has of a card and a session. Empty parts are not known. */
struct se_known {
	struct octets info2;            /* EUICCInfo2, BF22 whole */
	struct octets euicc, eum;       /* certificates, whole */
	struct octets signed1;          /* serverSigned1, whole */
	struct octets ctx;              /* ctxParams1 that the eIM made, A0 whole */
	struct octets signed2;          /* smdpSigned2, whole */
	struct octets hash_cc;          /* that the eIM gave, 32 octets */
	struct octets oid;              /* of the SM-DP+, content */
	struct octets metadata;         /* BF25 whole */
};

/*
 * 0, or -EBADMSG and in *ret_why, static, what is missing or wrong. BF38, BF21 and BF41 are the
 * card's responses, whole; BF41 comes as the content of the eIM's A1.
 */
int se_expand_authentication(const struct se_known *k, struct octets bf38, struct tlv_out *w,
			     const char **ret_why);
int se_expand_preparation(const struct se_known *k, struct octets bf21, struct tlv_out *w,
			  const char **ret_why);
int se_expand_cancel(const struct se_known *k, struct octets content, struct tlv_out *w,
		     const char **ret_why);
/* A0 to BF37: for a notification. */
int se_expand_installation(const struct se_known *k, struct octets a0, struct tlv_out *w,
			   const char **ret_why);
/* A1 to 30 with the certificates. */
int se_expand_notification(const struct se_known *k, struct octets a1, struct tlv_out *w,
			   const char **ret_why);

/* The transaction in an installation result of either form; empty: there is none. */
struct octets se_installation_tid(struct octets note);
/* The first element of this tag at this level: its value, or whole. */
struct octets se_tlv_find(struct tlv w, uint32_t tag);
struct octets se_tlv_find_whole(struct tlv w, uint32_t tag);
/* The value inside these octets, which are one element of the tag. */
struct tlv se_tlv_inside(struct tlv_doc *doc, struct octets whole, uint32_t tag);

#endif
