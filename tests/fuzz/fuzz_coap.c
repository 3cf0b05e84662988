/*
 * A CoAP message of anything, as it comes out of DTLS: libcoap reads it, we take its options apart, and
 * the exchange it may belong to judges it. The first octet says in which state that is.
 */
#include <stdlib.h>
#include <string.h>

#include "net/coap_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define ROOM 2048

static uint8_t body[3000];

/* The answer twice: to the request, and to what follows from it. */
static void judge(const struct coap_answer *got, uint8_t how)
{
	static const uint8_t tag[COAP_TAG_LEN];
	struct blockwise_options o = { .whole_max = how & 1 ? 1000 : 0, .szx = how >> 1 & 7,
				       .upload = how & 16, .anyway_max = 1400, .answer_max = 5000 };
	struct blockwise b;
	enum blockwise_verdict v = BLOCKWISE_SEND;

	blockwise_start(&b, &o, octets_from(body, how & 32 ? sizeof(body) : 21), tag);
	for (int i = 0; i < 2 && v == BLOCKWISE_SEND; i++) {
		struct blockwise_message m;
		struct net_error why = { 0 };

		blockwise_next(&b, &m);
		v = blockwise_judge(&b, &got->a, &why);
		if (net_error_is_set(&why) != (v == BLOCKWISE_FAILED) || b.answer_n > o.answer_max)
			abort();
	}
	blockwise_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct coap_answer got;
	char why[COAP_LIB_WHY_MAX];
	coap_pdu_t *pdu;

	if (n < 1 || n > UDP_DATAGRAM_MAX || coap_lib_open(why) < 0)
		return 0;
	coap_set_log_level((coap_log_t)0);
	pdu = coap_pdu_init(COAP_MESSAGE_CON, 0, 0, ROOM);
	if (pdu && coap_pdu_parse(COAP_PROTO_UDP, data + 1, n - 1, pdu) &&
	    coap_message_take(pdu, &got) == 0) {
		if (got.a.payload.n > sizeof(got.payload) || got.a.etag.n > COAP_ETAG_MAX)
			abort();
		judge(&got, data[0]);
	}
	coap_delete_pdu(pdu);
	return 0;
}
