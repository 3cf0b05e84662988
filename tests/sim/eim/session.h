/* Transactions at SM-DP+s and SM-DSs that go through this eIM, while it runs. */
#ifndef SIM_EIM_SESSION_H
#define SIM_EIM_SESSION_H

#include "sim/eim/expand.h"
#include "sim/eim/rsp.h"

#define SE_SESSIONS_MAX 32
#define SE_OID_MAX 32

struct se_session {
	uint8_t tid[SE_TID_MAX];
	size_t tid_n;                   /* 0: a free place */
	char address[128];              /* of the server */
	char eid[SE_EID_DIGITS + 1];    /* "" not known */
	unsigned package;               /* of that card; 0 none */
	struct se_forms forms;
	uint8_t oid[SE_OID_MAX];        /* of the server's certificate */
	size_t oid_n;
	uint8_t hash_cc[32];
	bool has_hash_cc;
	uint8_t *signed1, *ctx, *signed2, *metadata;
	size_t signed1_n, ctx_n, signed2_n, metadata_n;
};

struct se_sessions {
	struct se_session list[SE_SESSIONS_MAX];
	size_t turn;
};

struct se_session *se_session_find(struct se_sessions *all, struct octets tid);
/* An empty one with this transaction; the oldest makes room. NULL: no transaction at all. */
struct se_session *se_session_new(struct se_sessions *all, struct octets tid);
void se_sessions_done(struct se_sessions *all);

/* What is known of the session and, if it is not NULL, the card. */
struct se_known se_session_known(const struct se_session *s, const struct se_card *c);

#endif
