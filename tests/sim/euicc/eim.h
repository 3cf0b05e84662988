/* Associated eIMs, SGP.32 2.11.1, 3.5.1, 5.9.4, 5.9.18: for ES10b functions and eCOs alike. */
#ifndef SIM_EUICC_EIM_H
#define SIM_EUICC_EIM_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/es10.h"
#include "sim/euicc/state.h"

struct ve;

/* Every card takes counters up to this; this one takes no more. */
#define VE_EIM_COUNTER_MAX 0x7fffff

enum ve_eim_code {
	VE_EIM_OK = 0,
	VE_EIM_NO_MEMORY = 1,
	VE_EIM_NOT_FOUND = 1,
	VE_EIM_EXISTS = 2,
	VE_EIM_LAST_DELETED = 2,
	VE_EIM_CI_UNKNOWN = 3,
	VE_EIM_BAD_TOKEN = 5,
	VE_EIM_COUNTER_RANGE = 6,
	VE_EIM_COMMAND = 7,
	VE_EIM_UNDEFINED = 127,
};

struct ve_eim *ve_eim_find(struct ve_state *s, struct octets id);
/* The association token, as an INTEGER value; n = 0: none. */
static inline struct octets ve_eim_token(const struct ve_eim *m)
{
	return blob_octets(&m->field[VE_EIM_TOKEN]);
}

/*
 * EimConfigurationData without the tag and length around it. On success *ret is the new entry,
 * its token made if one was asked for. A failure changes nothing.
 */
enum ve_eim_code ve_eim_add(struct ve *e, struct octets value, struct ve_eim **ret);
enum ve_eim_code ve_eim_update(struct ve *e, struct octets value);
enum ve_eim_code ve_eim_delete(struct ve *e, struct octets id);
/* AB whole: ids and types. */
void ve_eim_list(struct ve *e, struct tlv_out *w);
/* The public key: the contents of A5, A0 { spki } or A1 { certificate }. */
static inline struct octets ve_eim_key(const struct ve_eim *m)
{
	return blob_octets(&m->field[VE_EIM_KEY]);
}

extern const struct es10_row ve_eim_rows[];        /* ends with tag 0 */

#endif
