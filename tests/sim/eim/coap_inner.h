/* What coap.c and coap_peer.c share; only they see libcoap. */
#ifndef SIM_EIM_COAP_INNER_H
#define SIM_EIM_COAP_INNER_H

#include <limits.h>     /* which its headers use and do not name */
#include <coap3/coap.h>

#include "sim/eim/block.h"
#include "sim/eim/coap.h"
#include "sim/eim/esipa.h"
#include "sim/eim/lossy.h"

#define SE_COAP_RECENT 16               /* requests remembered per client, against duplicates */
#define SE_COAP_TOKEN_MAX 8

struct se_coap_habits {
	bool no_block1;                 /* each block is taken for a message, as where nobody joins them */
	bool token_blocks;              /* blocks belong together by their token */
	bool big_first_block;           /* the first block has 1024 octets, whatever was asked for */
	bool no_etag;
	bool late_ack;                  /* nothing is acknowledged before the answer is there */
	bool con_for_non;               /* answers a NON request by a CON */
	bool one_handshake;             /* no ClientHello from where there is a session */
	bool needs_ccm8;                /* alert 71 to who does not offer TLS_PSK_WITH_AES_128_CCM_8 */
	uint32_t idle_s;                /* close_notify after so much silence; 0: libcoap's 300 */
	uint32_t datagram;              /* CoAP messages above this end the session; 0: none do */
	uint32_t block;                 /* largest block; 0: 1024 */
	uint32_t keep_s;                /* an answer is forgotten so long after it was made; 0: EXCHANGE_LIFETIME
					   after somebody has asked for some of it */
	int32_t format;                 /* Content-Format of answers; -1 none */
};

struct se_coap {
	struct se_transport face;
	struct se_server *server;
	struct se_eim *eim;
	struct se_coap_habits habits;
	struct se_lossy net;
	coap_context_t *ctx;
	struct ev_watch watch;
	struct ev_alarm tick;           /* where libcoap has no descriptor to wait for */
	struct ev_task turn;            /* it has to look at what was sent */
	struct list_node peers;
	unsigned n;
	uint32_t next_etag;
	/* what it was started with, for a restart */
	char path[128], hint[64], where[384];
	uint8_t keys[SE_COAP_KEYS_MAX][64];
	char identities[SE_COAP_KEYS_MAX][64];
	coap_bin_const_t key[SE_COAP_KEYS_MAX];
	size_t keys_n;
};

/* One CoAP request on its way through the eIM. */
struct se_coap_job {
	struct list_node node;
	struct se_coap_peer *peer;
	struct se_exchange x;
	struct ev_alarm slow;
	coap_mid_t mid;
	bool con;
	uint8_t token[SE_COAP_TOKEN_MAX];
	size_t token_n;
	bool asked_block2;
	struct se_block block2;         /* as asked for, or ours */
	bool has_block1;
	struct se_block block1;
	coap_pdu_t *response;           /* while the handler runs: what it fills in */
	uint8_t *request;
};

enum se_coap_recent_state { SE_COAP_WORKING, SE_COAP_ANSWERED };

struct se_coap_recent {
	coap_mid_t mid;
	bool used;
	enum se_coap_recent_state state;
	struct se_coap_reply reply;
};

/* One DTLS session. */
struct se_coap_peer {
	struct list_node node;
	struct se_coap *coap;
	coap_session_t *session;
	char name[32];
	struct se_card *card;           /* seen on this session */
	struct se_coap_recent recent[SE_COAP_RECENT];
	size_t turn;
	struct se_upload upload;
	struct se_body answer;
	struct list_node jobs;
	struct ev_task close;
	bool greeted;
	bool stalled, closes;           /* by a fault: what happens when the next block is wanted */
	uint32_t rebinds_at;            /* the same when this one is; 0: nothing does */
};

/* The peer of a session, made when it is first asked for; NULL: no memory. */
struct se_coap_peer *se_coap_peer_of(struct se_coap *c, coap_session_t *session);
/* Its session is gone. */
void se_coap_peer_free(struct se_coap_peer *p);
/* close_notify, as soon as the loop comes round. */
void se_coap_peer_close(struct se_coap_peer *p);
/* The handler of the resource. */
void se_coap_post(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		  const coap_string_t *query, coap_pdu_t *response);
struct se_coap *se_coap_of(coap_session_t *session);
/* libcoap's timers are looked at as soon as the loop comes round. */
void se_coap_poke(struct se_coap *c);

#endif
