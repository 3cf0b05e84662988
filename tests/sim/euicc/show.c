#include "sim/euicc/show.h"

#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/note.h"
#include "sim/euicc/profile.h"
#include "sim/euicc/sign.h"

#define SHOWN_MAX 64

/* Octets as digits; what is longer ends with how much there is. */
static void put_hex(FILE *out, const char *name, const struct blob *b)
{
	char digits[2 * SHOWN_MAX + 1];
	size_t n = MIN(b->n, (size_t)SHOWN_MAX);

	if (!b->n)
		return;
	hex_encode(b->p, n, digits, sizeof(digits));
	fprintf(out, "  %-16s %s", name, digits);
	if (n < b->n)
		fprintf(out, "... (%zu octets)", b->n);
	fputc('\n', out);
}

static void put_text(FILE *out, const char *name, const struct blob *b)
{
	char text[4 * SHOWN_MAX + 8];

	if (!b->n)
		return;
	text_escape(b->p, b->n, text, sizeof(text));
	fprintf(out, "  %-16s %s\n", name, text);
}

/* Swapped digits as people write them, without the filler. */
static void put_digits(FILE *out, const char *name, const struct blob *b)
{
	fprintf(out, "%-18s ", name);
	for (size_t i = 0; i < 2 * b->n; i++) {
		unsigned d = i % 2 ? b->p[i / 2] >> 4 : b->p[i / 2] & 15;

		if (d <= 9)
			fputc('0' + d, out);
	}
	fputc('\n', out);
}

static void show_profile(const struct ve_profile *p, FILE *out)
{
	static const char *const classes[] = { "test", "provisioning", "operational" };
	unsigned class = ve_profile_class(p);

	put_digits(out, "profile", &p->field[VE_ICCID]);
	fprintf(out, "  %-16s %s\n", "state", p->enabled ? "enabled" : "disabled");
	fprintf(out, "  %-16s %s\n", "class",
		class < ARRAY_SIZE(classes) ? classes[class] : "unknown");
	put_hex(out, "aid", &p->field[VE_AID]);
	put_text(out, "name", &p->field[VE_NAME]);
	put_text(out, "provider", &p->field[VE_PROVIDER]);
	put_text(out, "nickname", &p->field[VE_NICKNAME]);
	put_hex(out, "imsi file", &p->field[VE_IMSI]);
	put_hex(out, "rules", &p->field[VE_PPR]);
	put_text(out, "SM-DP+", &p->field[VE_SMDP_ADDRESS]);
	if (ve_profile_flag(p, VE_FALLBACK))
		fprintf(out, "  %-16s yes\n", "fallback");
	if (ve_profile_flag(p, VE_FALLBACK_ALLOWED))
		fprintf(out, "  %-16s yes\n", "fallback allowed");
	if (ve_profile_flag(p, VE_ECALL))
		fprintf(out, "  %-16s yes\n", "emergency");
	if (p->preloaded)
		fprintf(out, "  %-16s yes\n", "preloaded");
}

static void show_eim(const struct ve_eim *m, FILE *out)
{
	char id[4 * SHOWN_MAX + 8];

	text_escape(m->field[VE_EIM_ID].p, m->field[VE_EIM_ID].n, id, sizeof(id));
	fprintf(out, "%-18s %s\n", "eIM", id);
	put_text(out, "fqdn", &m->field[VE_EIM_FQDN]);
	fprintf(out, "  %-16s %u\n", "counter", m->counter);
	put_hex(out, "token", &m->field[VE_EIM_TOKEN]);
	put_hex(out, "protocols", &m->field[VE_EIM_PROTOCOLS]);
	put_hex(out, "CI", &m->field[VE_EIM_CI]);
	if (m->indirect)
		fprintf(out, "  %-16s yes\n", "indirect");
}

static const char *event_name(uint32_t event)
{
	switch (event) {
	case VE_EVENT_INSTALL:
		return "install";
	case VE_EVENT_ENABLE:
		return "enable";
	case VE_EVENT_DISABLE:
		return "disable";
	case VE_EVENT_DELETE:
		return "delete";
	}
	return "";
}

static void show_note(const struct ve_note *n, FILE *out)
{
	static const char *const kinds[_VE_NOTE_KIND_MAX] = {
		[VE_NOTE_INSTALLED] = "installation result",
		[VE_NOTE_OTHER] = "notification",
		[VE_NOTE_PACKAGE] = "package result",
	};
	const char *kind = n->kind < _VE_NOTE_KIND_MAX ? kinds[n->kind] : "unknown";

	fprintf(out, "%-18s %u%s%s, %zu octets\n", kind, n->seq, n->event ? " " : "",
		event_name(n->event), n->whole.n);
}

static void show_credential(const struct ve_credential *c, FILE *out)
{
	uint8_t id[VE_KEY_ID_LEN];
	char digits[2 * VE_KEY_ID_LEN + 1] = "unreadable";

	if (!ve_key_id(blob_octets(&c->ci), id))
		hex_encode(id, sizeof(id), digits, sizeof(digits));
	fprintf(out, "%-18s %s%s\n", "CI", digits, c->key.n ? "" : ", verification only");
}

static void show_address(const char *name, const struct blob *b, FILE *out)
{
	char text[4 * SHOWN_MAX + 8];

	if (!b->n)
		return;
	text_escape(b->p, b->n, text, sizeof(text));
	fprintf(out, "%-18s %s\n", name, text);
}

static void show_waiting(const struct ve_state *s, FILE *out)
{
	if (s->switch_pending) {
		fprintf(out, "%-18s after the reset\n", "switch");
		put_hex(out, "to", &s->switch_to);
	}
	if (s->rollback_granted) {
		fprintf(out, "%-18s granted\n", "rollback");
		put_hex(out, "to", &s->rollback_to);
	}
	if (s->fallback_active) {
		fprintf(out, "%-18s active\n", "fallback");
		put_hex(out, "return to", &s->fallback_return);
	}
	if (s->emergency_active)
		fprintf(out, "%-18s active\n", "emergency");
	if (s->immediate)
		fprintf(out, "%-18s on\n", "immediate enabling");
	if (s->loading)
		fprintf(out, "%-18s was cut\n", "download");
}

void ve_show(const struct ve_state *s, FILE *out)
{
	char eid[2 * VE_EID_LEN + 1];

	hex_encode(s->eid.p, s->eid.n, eid, sizeof(eid));
	fprintf(out, "%-18s %s\n", "EID", eid);
	fprintf(out, "%-18s %.*s, edition %s\n", "personality", (int)s->personality.n,
		(const char *)s->personality.p, ve_version_name(s->version));
	fprintf(out, "%-18s %u of %u octets free\n", "memory", ve_memory_free(s), s->memory);
	fprintf(out, "%-18s %u\n", "next number", s->next_seq);
	for (size_t i = 0; i < s->n_credentials; i++)
		show_credential(&s->credentials[i], out);
	show_address("default SM-DP+", &s->default_dp, out);
	show_address("root SM-DS", &s->root_ds, out);
	for (size_t i = 0; i < s->n_profiles; i++)
		show_profile(&s->profiles[i], out);
	for (size_t i = 0; i < s->n_eims; i++)
		show_eim(&s->eims[i], out);
	for (size_t i = 0; i < s->n_notes; i++)
		show_note(&s->notes[i], out);
	show_waiting(s, out);
}
