/* What a card said, in the short forms of an IPA that declares minimizeEsipaBytes. */
#ifndef SUPPORT_MINI_RSP_COMPACT_H
#define SUPPORT_MINI_RSP_COMPACT_H

#include <stdbool.h>

#include "codec/tlv.h"

/*
 * BF38 { A0 } to BF38 { A2 }: EUICCInfo2 but for its extCardResource, the certificates and what
 * the server signed are known to the eIM; ctxParams1 too, if it made them.
 */
void mini_compact_authentication(struct tlv_out *w, struct octets response, bool without_ctx);
/* BF21 { A0 } to BF21 { A2 }. */
void mini_compact_preparation(struct tlv_out *w, struct octets response, bool without_hash_cc);
/* BF41 { A0 } to A1 { A2 }, as in the eIM's CancelSession. */
void mini_compact_cancel(struct tlv_out *w, struct octets answer);
/* BF37 to A0. */
void mini_compact_installation(struct tlv_out *w, struct octets result);
/* 30 { BF2F, 5F37, … } to A1, with the EID. */
void mini_compact_notification(struct tlv_out *w, struct octets note, const uint8_t eid[16]);

#endif
