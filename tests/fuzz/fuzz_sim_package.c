/*
 * The virtual eUICC's packages: any list of operations behind the signature, and any command.
 *
 * The input is a list of steps: kind, length (two octets), octets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/operation.h"
#include "sim/euicc/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum step {
	STEP_COMMAND,           /* as it stands */
	STEP_PSMOS,
	STEP_ECOS,
	STEP_SWITCHED,          /* the reset that a REFRESH asks for */
	_STEP_MAX
};

static void add_profile(struct ve_state *s, uint8_t digit, bool enabled)
{
	struct ve_profile *p = ve_profile_add(s);
	const uint8_t iccid[VE_ICCID_LEN] = { 0x98, [9] = digit };
	uint8_t aid[VE_AID_LEN];

	ve_isdp_next(s, aid);
	blob_set(&p->field[VE_ICCID], iccid, sizeof(iccid));
	blob_set(&p->field[VE_AID], aid, sizeof(aid));
	blob_set(&p->field[VE_NAME], "P", 1);
	p->enabled = enabled;
}

static struct ve *make_card(void)
{
	struct ve *e = calloc(1, sizeof(*e));

	if (!e || ve_state_init(&e->state, "/nowhere", TEXT("89049032123451234512345678901235"),
				VE_SGP32_12))
		abort();
	e->who = ve_personality_find(TEXT("iot"));
	add_profile(&e->state, 1, true);
	add_profile(&e->state, 2, false);
	blob_set(&e->state.eims[0].field[VE_EIM_ID], "eim1", 4);
	e->state.n_eims = 1;
	return e;
}

static void free_card(struct ve *e)
{
	ve_bpp_abandon(e);
	ve_session_clear(&e->session);
	ve_state_free(&e->state);
	blob_clear(&e->marked_aid);
	free(e);
}

/* At most one profile is enabled, and it is there. */
static void judge(const struct ve *e)
{
	unsigned enabled = 0;

	for (size_t i = 0; i < e->state.n_profiles; i++)
		enabled += e->state.profiles[i].enabled != 0;
	if (enabled > 1 || e->state.n_profiles > VE_PROFILES_MAX || e->state.n_eims > VE_EIMS_MAX)
		abort();
}

static void run(struct ve *e, enum step kind, struct octets o)
{
	static uint8_t answer[VE_RESPONSE_MAX];
	struct tlv_out w = { answer, sizeof(answer) };
	struct ve_run r = { .eim = { (const uint8_t *)"eim1", 4 } };
	struct tlv_doc doc;

	switch (kind) {
	case STEP_COMMAND:
		ve_es10_execute(e, o, &w);
		return;
	case STEP_PSMOS:
		ve_switch_drop(e);
		ve_run_psmos(e, &r, tlv_open(&doc, o), &w);
		break;
	case STEP_ECOS:
		ve_run_ecos(e, &r, tlv_open(&doc, o), &w);
		break;
	case STEP_SWITCHED:
		e->state.switch_pending = 0;
		e->proactive = VE_PROACTIVE_NONE;
		break;
	case _STEP_MAX:
		break;
	}
	blob_clear(&r.before);
	ve_switch_commit(e, kind != STEP_PSMOS || (o.n & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ve *e = make_card();

	log_set_level(LOG_LEVEL_ERROR);
	for (unsigned steps = 0; n >= 3 && steps < 64; steps++) {
		size_t len = MIN((size_t)(data[1] << 8 | data[2]), n - 3);

		run(e, data[0] % _STEP_MAX, octets_from(data + 3, len));
		judge(e);
		data += 3 + len;
		n -= 3 + len;
	}
	free_card(e);
	return 0;
}
