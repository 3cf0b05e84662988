/*
 * CoAP messages between their form here and libcoap's, for coap_assoc.c only: requests are put
 * together, answers taken apart. What stands in an answer is judged by whoever asked.
 */
#ifndef NET_COAP_MESSAGE_H
#define NET_COAP_MESSAGE_H

#include "net/coap_assoc.h"
#include "net/coap_lib.h"

#define COAP_TOKEN_LEN 4

/* An answer, with the octets that its views point to. */
struct coap_answer {
	struct blockwise_answer a;
	uint8_t payload[UDP_DATAGRAM_MAX], etag[COAP_ETAG_MAX];
	unsigned bad_option;            /* that made it unusable */
};

/* NULL: it does not fit, or there is no memory. */
coap_pdu_t *coap_message_put(coap_session_t *session, const uint8_t token[COAP_TOKEN_LEN],
			     const struct coap_post *post, size_t room);
/* -EBADMSG: an option cannot be used, or is critical and unknown. */
int coap_message_take(const coap_pdu_t *got, struct coap_answer *ret);

#endif
