#include "sim/smdp/head.h"

#include <errno.h>
#include <string.h>

int sdp_head_read(const uint8_t *in, size_t in_n, struct sdp_head *h)
{
	const char *end;
	struct text rest, line;
	uint32_t n;

	memset(h, 0, sizeof(*h));
	end = memmem(in, in_n, "\r\n\r\n", 4);
	if (!end)
		return in_n >= SDP_HEAD_MAX ? -EBADMSG : -EAGAIN;
	h->n = (size_t)(end - (const char *)in) + 4;
	rest = text_from(in, h->n - 2);
	line = text_cut(&rest, '\n');
	h->q.method = text_cut(&line, ' ');
	h->q.path = text_cut(&line, ' ');
	if (!text_starts(line, "HTTP/1."))
		return -EBADMSG;
	h->close = text_starts(line, "HTTP/1.0");
	while (rest.n) {
		struct text value = text_trim(text_cut(&rest, '\n')), name = text_cut(&value, ':');

		value = text_trim(value);
		if (text_case_eq(name, "content-length")) {
			if (text_to_u32(value, 10, &n) < 0)
				return -EBADMSG;
			h->body = n;
		} else if (text_case_eq(name, "transfer-encoding")) {
			h->chunked = text_case_eq(value, "chunked");
		} else if (text_case_eq(name, "connection")) {
			h->close = text_case_eq(value, "close");
		} else if (text_case_eq(name, "expect")) {
			h->expects = text_case_eq(value, "100-continue");
		} else if (text_case_eq(name, "content-type")) {
			h->q.content_type = value;
		} else if (text_case_eq(name, "x-admin-protocol")) {
			h->q.admin_protocol = value;
		}
	}
	return 0;
}

int sdp_join_chunks(uint8_t *p, size_t n, size_t *ret_body, size_t *ret_used)
{
	size_t at = 0, body = 0;
	uint32_t len;

	/* First only look whether all is there: joining twice would spoil it. */
	for (int joining = 0; joining < 2; joining++) {
		at = body = 0;
		do {
			uint8_t *end = memmem(p + at, n - at, "\r\n", 2);
			struct text size;

			if (!end)
				return n - at > 64 ? -EBADMSG : -EAGAIN;
			size = text_from(p + at, (size_t)(end - (p + at)));
			if (text_to_u32(text_trim(text_cut(&size, ';')), 16, &len) < 0 ||
			    len > SDP_BODY_MAX)
				return -EBADMSG;
			at = (size_t)(end - p) + 2;
			if (n - at < (size_t)len + 2)
				return -EAGAIN;
			if (joining)
				memmove(p + body, p + at, len);
			body += len;
			at += len + 2;
		} while (len);
	}
	*ret_body = body;
	*ret_used = at;
	return 0;
}
