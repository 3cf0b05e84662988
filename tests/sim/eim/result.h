/*
 * What comes back: results, notifications, data. Each is verified as it came, octet for octet,
 * counted once, and put into words. Nothing here answers; what may be acknowledged is collected.
 */
#ifndef SIM_EIM_RESULT_H
#define SIM_EIM_RESULT_H

#include "sim/eim/eim.h"

#define SE_ACKS_MAX 256

struct se_acks {
	uint32_t seq[SE_ACKS_MAX];
	size_t n;
};

/* EuiccPackageResult: BF51 whole, or its bare alternative as v1.0 cards list it. */
void se_result_take(struct se_eim *e, struct se_card *c, struct octets result,
		    struct se_acks *acks);
/* One notification whole: BF37, 30, or a compact form. False: it was not taken. */
bool se_note_take(struct se_eim *e, struct se_card *c, struct octets note, struct se_acks *acks);
/* IpaEuiccDataResponse, BF52 whole. */
void se_data_take(struct se_eim *e, struct se_card *c, struct octets response,
		  struct se_acks *acks);
/* ProfileDownloadTriggerResult, BF54 whole. False: it was not taken. */
bool se_download_take(struct se_eim *e, struct se_card *c, struct octets result);
/* An installation result, BF37, that came as a notification: it ends its download as well. */
void se_download_note(struct se_eim *e, struct se_card *c, struct octets pir);
/* The IPA could not do anything with a package. */
void se_refusal_take(struct se_eim *e, struct se_card *c, struct octets tx, uint32_t code);

/* The card whose package has this transaction id; NULL: none. */
struct se_card *se_card_of_tx(struct se_eim *e, struct octets tx);
/* The transaction id inside an alternative of ProvideEimPackageResult; empty: it has none. */
struct octets se_result_tx(struct octets alternative);

/* Certificates of a card, DER whole: -EBADMSG and in *ret_why why they are not taken. */
int se_card_certificates(struct se_eim *e, struct se_card *c, struct octets eum,
			 struct octets euicc, const char **ret_why);
/*
 * Signature of this card over the parts. SE_UNVERIFIED: there is no certificate to check with.
 * *ret_why (static) says what is wrong.
 */
enum se_verdict se_card_signed(struct se_eim *e, struct se_card *c, const struct octets *parts,
			       size_t n, struct octets signature, const char **ret_why);

#endif
