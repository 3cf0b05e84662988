#include "sim/eim/session.h"

#include <stdlib.h>
#include <string.h>

static void clear(struct se_session *s)
{
	free(s->signed1);
	free(s->ctx);
	free(s->signed2);
	free(s->metadata);
	*s = (struct se_session){ .tid_n = 0 };
}

struct se_session *se_session_find(struct se_sessions *all, struct octets tid)
{
	if (!tid.n)
		return NULL;
	for (size_t i = 0; i < SE_SESSIONS_MAX; i++) {
		struct se_session *s = &all->list[i];

		if (octets_same(octets_from(s->tid, s->tid_n), tid))
			return s;
	}
	return NULL;
}

struct se_session *se_session_new(struct se_sessions *all, struct octets tid)
{
	struct se_session *s = se_session_find(all, tid);

	if (!tid.n || tid.n > SE_TID_MAX)
		return NULL;
	if (!s) {
		s = &all->list[all->turn];
		all->turn = (all->turn + 1) % SE_SESSIONS_MAX;
	}
	clear(s);
	memcpy(s->tid, tid.p, tid.n);
	s->tid_n = tid.n;
	return s;
}

void se_sessions_done(struct se_sessions *all)
{
	for (size_t i = 0; i < SE_SESSIONS_MAX; i++)
		clear(&all->list[i]);
}

struct se_known se_session_known(const struct se_session *s, const struct se_card *c)
{
	struct se_known k = { .signed1 = octets_from(s->signed1, s->signed1_n),
			      .ctx = octets_from(s->ctx, s->ctx_n),
			      .signed2 = octets_from(s->signed2, s->signed2_n),
			      .metadata = octets_from(s->metadata, s->metadata_n),
			      .oid = octets_from(s->oid, s->oid_n) };

	if (s->has_hash_cc)
		k.hash_cc = octets_from(s->hash_cc, sizeof(s->hash_cc));
	if (c) {
		k.info2 = octets_from(c->info2, c->info2_n);
		k.euicc = octets_from(c->euicc, c->euicc_n);
		k.eum = octets_from(c->eum, c->eum_n);
	}
	return k;
}
