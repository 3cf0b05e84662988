/* The head of an HTTP/1.1 request, and bodies that come in chunks. */
#ifndef SIM_SMDP_HEAD_H
#define SIM_SMDP_HEAD_H

#include "sim/smdp/http.h"

#define SDP_HEAD_MAX 16384

struct sdp_head {
	struct sdp_request q;           /* without the body; points into the input */
	size_t n;                       /* octets of the head */
	size_t body;                    /* Content-Length */
	bool chunked, close, expects;
};

/* 0; -EAGAIN: more is needed; -EBADMSG. */
int sdp_head_read(const uint8_t *in, size_t in_n, struct sdp_head *h);

/*
 * Joins the chunks in place: *ret_body octets at the body's start, *ret_used taken from the input.
 * 0; -EAGAIN: nothing was changed; -EBADMSG.
 */
int sdp_join_chunks(uint8_t *p, size_t n, size_t *ret_body, size_t *ret_used);

#endif
