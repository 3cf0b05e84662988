/* One HTTP/1.1 request out of a buffer: GSMA SGP.32 6.1.1 needs no more than POST with a body. */
#ifndef SIM_EIM_HTTP_H
#define SIM_EIM_HTTP_H

#include "codec/tlv.h"
#include "core/text.h"

#define SE_HTTP_HEAD_MAX 16384

struct se_http {
	struct text method, path, content_type, user_agent, admin_protocol, host;
	struct octets body;
	bool keep_alive;
	bool expects;           /* waits for 100 Continue before it sends the body */
	size_t used;            /* octets of the buffer that belong to it */
};

/*
 * 0: complete, views into the buffer (a chunked body is put together in place); -EAGAIN: more is
 * needed, expects is set already; -EBADMSG: not HTTP; -E2BIG: more than body_max octets of body
 * or SE_HTTP_HEAD_MAX of head.
 */
int se_http_parse(uint8_t *buf, size_t n, size_t body_max, struct se_http *ret);

const char *se_http_reason(unsigned status);

#endif
