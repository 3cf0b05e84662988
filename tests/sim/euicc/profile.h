/*
 * What can be done with profiles, for ES10c functions and PSMOs alike: each function judges and,
 * if it may, does, and returns the result code.
 *
 * Another profile is enabled in two steps: these functions only mark it, ve_switch_commit() does
 * it when the answer is made and signed. With a card that uses REFRESH the change itself waits for
 * the reset. ve_profile_current() is what will be enabled after all that.
 */
#ifndef SIM_EUICC_PROFILE_H
#define SIM_EUICC_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/es10.h"
#include "sim/euicc/state.h"

struct ve;

/* Result codes, SGP.22 5.7.16 to 5.7.19, SGP.32 6.2; each function has a few of them. */
enum ve_code {
	VE_OK = 0,
	VE_NOT_FOUND = 1,               /* also: nothing to delete, not available */
	VE_WRONG_STATE = 2,             /* also: fallback not allowed, no fallback attribute */
	VE_DISALLOWED = 3,              /* also: the Fallback Profile is enabled */
	VE_WRONG_REENABLING = 4,        /* also: no session context */
	VE_CAT_BUSY = 5,
	VE_FALLBACK_NOT_AVAILABLE = 6,
	VE_COMMAND_ERROR = 7,
	VE_ECALL_NOT_AVAILABLE = 8,
	VE_CHANGE_ONGOING = 11,
	VE_ROLLBACK_NOT_AVAILABLE = 20,
	VE_RETURN_FALLBACK_PROFILE = 21,
	VE_ECALL_ACTIVE = 104,
	VE_UNDEFINED = 127,
};

/* PprIds, the first octet of the BIT STRING. */
enum {
	VE_PPR_UPDATE = 0x80,
	VE_PPR1_NO_DISABLE = 0x40,
	VE_PPR2_NO_DELETE = 0x20,
};

#define VE_AID_LEN 16
/* The AID of the next ISD-P, used up by asking. */
void ve_isdp_next(struct ve_state *s, uint8_t ret[VE_AID_LEN]);

/* The profile that is enabled, or will be: marked, or waiting for the reset. NULL: none. */
struct ve_profile *ve_profile_current(struct ve *e);
bool ve_profile_ppr(const struct ve_profile *p, uint8_t ppr);
/* BOOLEAN fields; absent is false. */
bool ve_profile_flag(const struct ve_profile *p, enum ve_field f);

/* NULL: none is to be enabled. */
void ve_switch_mark(struct ve *e, const struct ve_profile *to);
void ve_switch_drop(struct ve *e);
/* Does what is marked; nothing is: nothing. Callers of PSMOs want a REFRESH. */
void ve_switch_commit(struct ve *e, bool refresh);

/*
 * Enabling disables the enabled one. None of these asks ve_cat_busy(): a caller does, once per
 * command, before the first. p may be NULL: VE_NOT_FOUND.
 */
enum ve_code ve_profile_enable(struct ve *e, struct ve_profile *p);
enum ve_code ve_profile_disable(struct ve *e, struct ve_profile *p);
/* p is gone afterwards. VE_ROLLBACK_NOT_AVAILABLE and VE_RETURN_FALLBACK_PROFILE on IoT cards. */
enum ve_code ve_profile_delete(struct ve *e, struct ve_profile *p);

/* PSMOs set- and unsetFallbackAttribute, SGP.32 3.4.6 and 3.4.7. */
enum ve_code ve_fallback_set(struct ve *e, struct ve_profile *p);
enum ve_code ve_fallback_unset(struct ve *e);
struct ve_profile *ve_fallback_profile(struct ve *e);

/* The grant of one ProfileRollback: target NULL means "no profile enabled". */
void ve_rollback_grant(struct ve *e, const struct ve_profile *target);
void ve_rollback_revoke(struct ve *e);

/*
 * The answer to GetProfilesInfo, BF2D whole; request: BF2D whole. In a package the list shows what
 * its operations did, else a change that is not finished is answered with an error on IoT cards.
 */
void ve_profiles_list(struct ve *e, struct octets request, bool in_package, struct tlv_out *w);

/* ConfigureImmediate(Profile)Enabl(ing): the value of BF59 or A7. Without the flag: off. */
enum ve_code ve_immediate_configure(struct ve *e, struct octets value);
/* A profile was installed: what ImmediateEnable would be about. */
void ve_immediate_downloaded(struct ve *e, const struct ve_profile *p);
/* A new session context, a package or the call itself: there is nothing more to enable. */
void ve_immediate_forget(struct ve *e);

/* SetDefaultDpAddress: the value of BF3F or BF65. VE_OK or VE_UNDEFINED. */
enum ve_code ve_default_dp_set(struct ve *e, struct octets value);
/* The rules of the RulesAuthorisationTable, without anything around them. */
void ve_rat_put(struct ve *e, struct tlv_out *w);

/* Does the card's iotSpecificInfo say so? */
bool ve_ecall_supported(const struct ve_state *s);
bool ve_fallback_supported(const struct ve_state *s);

/* ES10c and the local functions of SGP.32; they end with tag 0. */
extern const struct es10_row ve_profile_rows[];
extern const struct es10_row ve_local_rows[];

#endif
