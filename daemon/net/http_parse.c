/*
 * A line automaton: status and headers, chunk sizes and trailers come in lines that are collected
 * until their end; bodies are counted through. Lines may end with a bare LF. What frames the
 * message (lengths, codings) is read strictly, all else is passed over: a length that two parties
 * understand in two ways is how answers get mixed up on a kept connection.
 */
#include "net/http_parse.h"

#include <errno.h>
#include <string.h>

static enum http_got fault(struct http_parse *p, const char *why)
{
	p->fault = why;
	return HTTP_GOT_FAULT;
}

void http_parse_init(struct http_parse *p)
{
	*p = (struct http_parse){ .expect = HTTP_EXPECT_STATUS };
}

/* Forgets what an interim answer said. */
static void begin_again(struct http_parse *p)
{
	size_t head_n = p->head_n;

	http_parse_init(p);
	p->head_n = head_n;
}

/* HTTP/1.1 200 OK; the reason may be missing, and with it the blank before it. */
static enum http_got take_status(struct http_parse *p, struct text line)
{
	uint32_t status;

	if (line.n == 0 && p->head_n <= 2)
		return HTTP_GOT_NOTHING;        /* one left over from the answer before */
	if (!text_starts(line, "HTTP/1.") || line.n < 12 || line.s[8] != ' ' ||
	    line.s[7] < '0' || line.s[7] > '9' || (line.n > 12 && line.s[12] != ' ') ||
	    text_to_u32(text_from(line.s + 9, 3), 10, &status) < 0 || status < 100)
		return fault(p, "no HTTP status line");
	p->old = line.s[7] == '0';
	p->status = (int)status;
	p->expect = HTTP_EXPECT_HEADER;
	return HTTP_GOT_NOTHING;
}

static enum http_got take_length(struct http_parse *p, struct text value)
{
	/* "42, 42" is what proxies make of two equal lines. */
	while (value.n > 0) {
		struct text one = text_trim(text_cut(&value, ','));
		uint64_t length;

		if (text_to_u64(one, 10, &length) < 0)
			return fault(p, "Content-Length is no number");
		if (p->has_length && length != p->length)
			return fault(p, "two different lengths");
		p->has_length = true;
		p->length = length;
	}
	return p->has_length ? HTTP_GOT_NOTHING : fault(p, "Content-Length is empty");
}

static void take_connection(struct http_parse *p, struct text value)
{
	while (value.n > 0) {
		struct text one = text_trim(text_cut(&value, ','));

		p->close_said |= text_case_eq(one, "close");
		p->keep_said |= text_case_eq(one, "keep-alive");
	}
}

static enum http_got take_header(struct http_parse *p, struct text line)
{
	size_t colon = text_find(line, ':');
	struct text name = text_from(line.s, colon), value;

	if (line.s[0] == ' ' || line.s[0] == '\t')
		return p->framing_line ? fault(p, "a folded header line") : HTTP_GOT_NOTHING;
	if (colon == line.n || colon == 0)
		return fault(p, "a header line without a name");
	value = text_trim(text_skip(line, colon + 1));
	p->framing_line = true;
	if (text_case_eq(name, "Content-Length"))
		return take_length(p, value);
	if (text_case_eq(name, "Transfer-Encoding")) {
		if (!text_case_eq(value, "chunked") || p->chunked)
			return fault(p, "a transfer coding other than chunked");
		p->chunked = true;
		return HTTP_GOT_NOTHING;
	}
	if (text_case_eq(name, "Content-Encoding")) {
		if (value.n > 0 && !text_case_eq(value, "identity"))
			return fault(p, "a content coding that was not asked for");
		return HTTP_GOT_NOTHING;
	}
	p->framing_line = false;
	if (text_case_eq(name, "Connection"))
		take_connection(p, value);
	if (text_case_eq(name, "Content-Type") && !p->has_type) {
		p->has_type = true;
		/* Too long to be one that we know: then it is none. */
		(void)text_copy(value, p->type, sizeof(p->type));
	}
	return HTTP_GOT_NOTHING;
}

static enum http_got end_head(struct http_parse *p)
{
	if (p->status == 101)
		return fault(p, "a change of protocol that was not asked for");
	if (p->status < 200) {
		begin_again(p);
		return HTTP_GOT_NOTHING;
	}
	p->keep = !p->close_said && (!p->old || p->keep_said);
	if (p->status == 204 || p->status == 304) {
		/* By definition without a body, whatever the headers say. */
		p->has_length = true;
		p->length = 0;
		p->expect = HTTP_EXPECT_NOTHING;
	} else if (p->chunked) {
		/* With both, the coding counts (RFC 9112 6.3) and the connection is not trusted. */
		p->keep = p->keep && !p->has_length;
		p->has_length = false;
		p->expect = HTTP_EXPECT_CHUNK;
	} else if (p->has_length) {
		p->left = p->length;
		p->expect = p->left ? HTTP_EXPECT_BODY : HTTP_EXPECT_NOTHING;
	} else {
		p->keep = false;
		p->expect = HTTP_EXPECT_CLOSE;
	}
	return HTTP_GOT_HEAD;
}

static enum http_got take_chunk(struct http_parse *p, struct text line)
{
	struct text size = text_trim(text_cut(&line, ';'));
	uint32_t n;

	if (text_to_u32(size, 16, &n) < 0)
		return fault(p, "a chunk without a size");
	p->left = n;
	p->expect = n ? HTTP_EXPECT_CHUNK_DATA : HTTP_EXPECT_TRAILER;
	return HTTP_GOT_NOTHING;
}

static enum http_got take_line(struct http_parse *p, struct text line)
{
	switch (p->expect) {
	case HTTP_EXPECT_STATUS:
		return take_status(p, line);
	case HTTP_EXPECT_HEADER:
		return line.n ? take_header(p, line) : end_head(p);
	case HTTP_EXPECT_CHUNK:
		return take_chunk(p, line);
	case HTTP_EXPECT_CHUNK_END:
		p->expect = HTTP_EXPECT_CHUNK;
		return line.n ? fault(p, "a chunk longer than its size") : HTTP_GOT_NOTHING;
	case HTTP_EXPECT_TRAILER:
		if (line.n == 0)
			p->expect = HTTP_EXPECT_NOTHING;
		return HTTP_GOT_NOTHING;
	case HTTP_EXPECT_BODY:
	case HTTP_EXPECT_CHUNK_DATA:
	case HTTP_EXPECT_CLOSE:
	case HTTP_EXPECT_NOTHING:
	case _HTTP_EXPECT_MAX:
		break;
	}
	return HTTP_GOT_NOTHING;
}

/* Collects a line; when it is complete, it is taken. */
static enum http_got feed_line(struct http_parse *p, struct text *data)
{
	size_t n = text_find(*data, '\n'), end = n < data->n ? n + 1 : n;
	bool complete = n < data->n;
	struct text line;

	if (n > sizeof(p->line) - p->line_n)
		return fault(p, "a line that is too long");
	/* Lines of chunks are bounded by the body's size, which the client watches. */
	if (p->expect != HTTP_EXPECT_CHUNK && p->expect != HTTP_EXPECT_CHUNK_END) {
		if (end > HTTP_HEAD_MAX - p->head_n)
			return fault(p, "too many headers");
		p->head_n += end;
	}
	memcpy(p->line + p->line_n, data->s, n);
	p->line_n += n;
	*data = text_skip(*data, end);
	if (!complete)
		return HTTP_GOT_NOTHING;
	line = text_from(p->line, p->line_n);
	if (line.n > 0 && line.s[line.n - 1] == '\r')
		line.n--;
	p->line_n = 0;
	return take_line(p, line);
}

static enum http_got feed_body(struct http_parse *p, struct text *data, struct text *ret_body)
{
	size_t n = p->left < data->n ? (size_t)p->left : data->n;

	*ret_body = text_from(data->s, n);
	*data = text_skip(*data, n);
	p->left -= n;
	if (p->left == 0)
		p->expect = p->chunked ? HTTP_EXPECT_CHUNK_END : HTTP_EXPECT_NOTHING;
	return HTTP_GOT_BODY;
}

enum http_got http_parse(struct http_parse *p, struct text *data, struct text *ret_body)
{
	enum http_got got = HTTP_GOT_NOTHING;

	while (got == HTTP_GOT_NOTHING) {
		if (p->fault)
			return HTTP_GOT_FAULT;
		if (p->expect == HTTP_EXPECT_NOTHING)
			return HTTP_GOT_END;
		if (data->n == 0)
			return HTTP_GOT_NOTHING;
		switch (p->expect) {
		case HTTP_EXPECT_STATUS:
		case HTTP_EXPECT_HEADER:
		case HTTP_EXPECT_CHUNK:
		case HTTP_EXPECT_CHUNK_END:
		case HTTP_EXPECT_TRAILER:
			got = feed_line(p, data);
			break;
		case HTTP_EXPECT_BODY:
		case HTTP_EXPECT_CHUNK_DATA:
			got = feed_body(p, data, ret_body);
			break;
		case HTTP_EXPECT_CLOSE:
			*ret_body = *data;
			*data = text_skip(*data, data->n);
			got = HTTP_GOT_BODY;
			break;
		case HTTP_EXPECT_NOTHING:
		case _HTTP_EXPECT_MAX:
			break;
		}
	}
	return got;
}

bool http_parse_ends(const struct http_parse *p)
{
	return !p->fault && (p->expect == HTTP_EXPECT_CLOSE || p->expect == HTTP_EXPECT_NOTHING);
}

bool http_type_is(const char *content_type, const char *type)
{
	struct text t = text_of(content_type);

	return text_case_eq(text_trim(text_cut(&t, ';')), type);
}
