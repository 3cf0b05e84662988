#include "net/coap_message.h"

#include <errno.h>
#include <string.h>

enum { OPTION_ETAG = 4, OPTION_FORMAT = 12, OPTION_MAX_AGE = 14, OPTION_BLOCK2 = 23,
       OPTION_BLOCK1 = 27, OPTION_SIZE2 = 28, OPTION_SIZE1 = 60, OPTION_REQUEST_TAG = 292 };

/* --- answers ---------------------------------------------------------------------------------- */

static uint32_t value_of(const coap_opt_t *o, bool *ret_bad)
{
	uint32_t v = 0, n = coap_opt_length(o);

	*ret_bad |= n > 4;
	for (uint32_t i = 0; i < n && n <= 4; i++)
		v = v << 8 | coap_opt_value(o)[i];
	return v;
}

/* False: it cannot be used. */
static bool take_option(struct coap_answer *ret, unsigned number, const coap_opt_t *o)
{
	struct blockwise_answer *x = &ret->a;
	struct octets v = octets_from(coap_opt_value(o), coap_opt_length(o));
	bool bad = false;

	switch (number) {
	case OPTION_ETAG:
		bad = v.n > COAP_ETAG_MAX;
		if (!bad && v.n)
			memcpy(ret->etag, v.p, v.n);
		x->etag = octets_from(ret->etag, bad ? 0 : v.n);
		break;
	case OPTION_FORMAT:
		x->format = (int)value_of(o, &bad);
		break;
	case OPTION_MAX_AGE:
		x->max_age = value_of(o, &bad);
		break;
	case OPTION_BLOCK2:
		bad = x->has_block2 || coap_block_decode(v, &x->block2) < 0;
		x->has_block2 = true;
		break;
	case OPTION_BLOCK1:
		bad = x->has_block1 || coap_block_decode(v, &x->block1) < 0;
		x->has_block1 = true;
		break;
	case OPTION_SIZE2:
		x->size2 = value_of(o, &bad);
		x->has_size2 = true;
		break;
	default:
		bad = number & 1;       /* critical, and unknown to us */
	}
	return !bad;
}

int coap_message_take(const coap_pdu_t *got, struct coap_answer *ret)
{
	coap_opt_iterator_t it;
	const coap_opt_t *o;
	const uint8_t *data;
	size_t n;

	ret->a = (struct blockwise_answer){ .code = (uint8_t)coap_pdu_get_code(got), .format = -1,
					    .max_age = 60 };
	coap_option_iterator_init(got, &it, COAP_OPT_ALL);
	while ((o = coap_option_next(&it))) {
		if (!take_option(ret, it.number, o)) {
			ret->bad_option = it.number;
			return -EBADMSG;
		}
	}
	if (coap_get_data(got, &n, &data) && n <= sizeof(ret->payload)) {
		memcpy(ret->payload, data, n);
		ret->a.payload = octets_from(ret->payload, n);
	}
	return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool put(coap_pdu_t *pdu, unsigned number, const void *v, size_t n)
{
	return coap_add_option(pdu, (coap_option_num_t)number, n, v) > 0;
}

static bool put_number(coap_pdu_t *pdu, unsigned number, uint32_t v)
{
	uint8_t buf[4];
	unsigned n = coap_encode_var_safe(buf, sizeof(buf), v);

	return put(pdu, number, buf, n);
}

static bool put_block(coap_pdu_t *pdu, unsigned number, const struct coap_block *b)
{
	uint8_t buf[3];

	return put(pdu, number, buf, coap_block_encode(b, buf));
}

/* In the order of their numbers. */
static bool put_options(coap_pdu_t *pdu, const struct coap_post *post)
{
	const struct blockwise_message *m = &post->m;
	bool ok = !post->uri_host || put(pdu, 3, post->uri_host, strlen(post->uri_host));

	for (size_t i = 0; i < post->path_n; i++)
		ok = ok && put(pdu, 11, post->path[i].s, post->path[i].n);
	if (post->format >= 0 && !m->has_block2)
		ok = ok && put_number(pdu, OPTION_FORMAT, (uint32_t)post->format);
	if (m->has_block2)
		ok = ok && put_block(pdu, OPTION_BLOCK2, &m->block2);
	if (m->has_block1)
		ok = ok && put_block(pdu, OPTION_BLOCK1, &m->block1);
	if (m->has_size1)
		ok = ok && put_number(pdu, OPTION_SIZE1, m->size1);
	if (m->has_tag)
		ok = ok && put(pdu, OPTION_REQUEST_TAG, m->tag, sizeof(m->tag));
	return ok;
}

coap_pdu_t *coap_message_put(coap_session_t *session, const uint8_t token[COAP_TOKEN_LEN],
			     const struct coap_post *post, size_t room)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST,
					coap_new_message_id(session), room);

	if (pdu && coap_add_token(pdu, COAP_TOKEN_LEN, token) && put_options(pdu, post) &&
	    (!post->m.payload.n || coap_add_data(pdu, post->m.payload.n, post->m.payload.p)))
		return pdu;
	coap_delete_pdu(pdu);
	return NULL;
}
