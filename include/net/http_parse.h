/*
 * One HTTP/1.x answer (RFC 9112) out of octets that come in any pieces. Nothing is stored but one
 * line and what the client asks about; the body is handed on as it comes. Interim answers (1xx)
 * are passed over. No I/O, no allocation, no logging.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include "core/text.h"

#define HTTP_LINE_MAX 4096      /* one header line */
#define HTTP_HEAD_MAX 32768     /* all of them, interim answers and trailers included */
#define HTTP_TYPE_MAX 96

enum http_expect {
	HTTP_EXPECT_STATUS,
	HTTP_EXPECT_HEADER,
	HTTP_EXPECT_BODY,       /* of a length that was given */
	HTTP_EXPECT_CHUNK,      /* the line with its size */
	HTTP_EXPECT_CHUNK_DATA,
	HTTP_EXPECT_CHUNK_END,  /* the empty line behind it */
	HTTP_EXPECT_TRAILER,
	HTTP_EXPECT_CLOSE,      /* a body that ends with the connection */
	HTTP_EXPECT_NOTHING,    /* it is complete */
	_HTTP_EXPECT_MAX
};

enum http_got {
	HTTP_GOT_NOTHING,       /* all is taken and more is needed */
	HTTP_GOT_HEAD,          /* status and headers are complete */
	HTTP_GOT_BODY,          /* a piece of the body */
	HTTP_GOT_END,           /* the answer is complete; what is left belongs to something else */
	HTTP_GOT_FAULT,         /* it is no HTTP; fault says why */
	_HTTP_GOT_MAX
};

struct http_parse {
	int status;
	char type[HTTP_TYPE_MAX];       /* Content-Type, empty: there was none */
	bool keep;                      /* the connection may be used again */
	bool has_length;
	uint64_t length;                /* of the body, where has_length */
	const char *fault;              /* static */
	/* http_parse.c only */
	enum http_expect expect;
	uint64_t left;
	size_t head_n;
	bool chunked, framing_line, has_type, close_said, keep_said, old;
	size_t line_n;
	char line[HTTP_LINE_MAX];
};

void http_parse_init(struct http_parse *p);
/* Takes what it can off *data. With HTTP_GOT_BODY, *ret_body is a view into it. */
enum http_got http_parse(struct http_parse *p, struct text *data, struct text *ret_body);
/* The connection has ended in order: true if that completes the answer. */
bool http_parse_ends(const struct http_parse *p);

/* "application/json;charset=UTF-8" is of the type "application/json". */
bool http_type_is(const char *content_type, const char *type);

#endif
