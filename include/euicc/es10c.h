/* ES10c: identity and profiles of the eUICC (GSMA SGP.22 5.7.15 to 5.7.21; SGP.32 5.9.14). */
#ifndef EUICC_ES10C_H
#define EUICC_ES10C_H

#include "euicc/es10.h"

void es10c_get_eid_encode(struct tlv_out *w);
/* Sixteen octets. */
int es10c_eid_decode(struct octets der, struct octets *ret_eid);

enum es10c_state { ES10C_DISABLED, ES10C_ENABLED };
enum es10c_class { ES10C_TEST, ES10C_PROVISIONING, ES10C_OPERATIONAL };

/* Numbers are the card's; -1: it gave none. Texts are UTF-8 as the operator wrote them. */
struct es10c_profile {
	struct octets iccid;
	struct octets aid;
	int state;                      /* enum es10c_state */
	int class;                      /* enum es10c_class */
	struct octets nickname;
	struct octets provider;         /* serviceProviderName */
	struct octets name;             /* profileName */
	int icon_type;                  /* 0 JPEG, 1 PNG */
	struct octets icon;
	struct octets notification_config;      /* of "30 { 80 events, 81 address }" */
	struct octets owner_plmn, owner_gid1, owner_gid2;
	struct octets dp_proprietary;
	uint32_t pprs;
	struct octets service_data;
	bool ecall;                     /* it is the Emergency Profile */
	bool fallback;                  /* it is the Fallback Profile */
	bool fallback_allowed;
};

const char *es10c_state_name(int state);
const char *es10c_class_name(int class);

/* Which profile: 10 octets of ICCID, or an ISD-P AID; the other one empty. Both empty: all. */
struct es10c_id {
	struct octets iccid;
	struct octets aid;
};

/* What a tag list asks for: tags as they are, concatenated. */
extern const struct octets es10c_tags_state;    /* ICCID, AID and state: for looking often */
extern const struct octets es10c_tags_sgp22;    /* all but icon and other people's data */
extern const struct octets es10c_tags_sgp32;    /* the same and fallback, ecall */

/* tags empty: the card's default list, which has icons of kilobytes in it. */
void es10c_get_profiles_encode(struct tlv_out *w, struct es10c_id id, struct octets tags);
/* *ret_error: the card's code, with *ret_n 0; else 0. */
int es10c_profiles_decode(struct octets der, struct es10c_profile *ret, size_t cap, size_t *ret_n,
			  int *ret_error);
/* One element E3, as it also stands in the result of the PSMO listProfileInfo. */
int es10c_profile_decode(struct octets e3, struct es10c_profile *ret);
/* StoreMetadata BF25, SGP.22 5.5.3: what an SM-DP+ says about a profile before the download. */
int es10c_metadata_decode(struct octets bf25, struct es10c_profile *ret);

/* Their answers are codes: es10_result_decode(). */
void es10c_enable_encode(struct tlv_out *w, struct es10c_id id, bool refresh);
void es10c_disable_encode(struct tlv_out *w, struct es10c_id id, bool refresh);
void es10c_delete_encode(struct tlv_out *w, struct es10c_id id);
/* At most 64 octets (the card refuses more); empty removes it. */
void es10c_set_nickname_encode(struct tlv_out *w, struct octets iccid, struct text name);

/* SGP.22 5.7.19; the SGP.32 form is es10b_memory_reset_encode(). */
enum {
	ES10C_RESET_OPERATIONAL = 1 << 0,
	ES10C_RESET_FIELD_TEST = 1 << 1,
	ES10C_RESET_DEFAULT_DP = 1 << 2,
	ES10C_RESET_V10_EIMS = 1 << 3,          /* SGP.32 v1.0 cards only */
	ES10C_RESET_V10_AUTO_ENABLE = 1 << 4,   /* the same */
};

void es10c_memory_reset_encode(struct tlv_out *w, uint32_t what);

#endif
