#include "sim/eim/http.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"

/* Where the blank line ends; 0: it has not come yet. */
static size_t head_end(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++) {
		if (!memcmp(p + i, "\r\n\r\n", 4))
			return i + 4;
	}
	return 0;
}

static int request_line(struct text line, struct se_http *h)
{
	struct text version;

	h->method = text_cut(&line, ' ');
	h->path = text_cut(&line, ' ');
	version = line;
	if (!h->method.n || !h->path.n || !text_starts(version, "HTTP/1."))
		return -EBADMSG;
	h->keep_alive = !text_eq(version, "HTTP/1.0");
	return 0;
}

struct framing {
	bool chunked, has_length;
	uint32_t length;
};

static int field(struct text line, struct se_http *h, struct framing *f)
{
	size_t colon = text_find(line, ':');
	struct text name = { line.s, colon }, value;

	if (colon == line.n || !colon || text_find(name, ' ') != name.n)
		return -EBADMSG;
	value = text_trim(text_skip(line, colon + 1));
	if (text_case_eq(name, "Content-Length")) {
		if (f->has_length || text_to_u32(value, 10, &f->length) < 0)
			return -EBADMSG;
		f->has_length = true;
	} else if (text_case_eq(name, "Transfer-Encoding")) {
		if (!text_case_eq(value, "chunked"))
			return -EBADMSG;
		f->chunked = true;
	} else if (text_case_eq(name, "Connection")) {
		if (text_case_eq(value, "close"))
			h->keep_alive = false;
		else if (text_case_eq(value, "keep-alive"))
			h->keep_alive = true;
	} else if (text_case_eq(name, "Expect")) {
		h->expects = text_case_eq(value, "100-continue");
	} else if (text_case_eq(name, "Content-Type")) {
		h->content_type = value;
	} else if (text_case_eq(name, "User-Agent")) {
		h->user_agent = value;
	} else if (text_case_eq(name, "X-Admin-Protocol")) {
		h->admin_protocol = value;
	} else if (text_case_eq(name, "Host")) {
		h->host = value;
	}
	return 0;
}

static struct text take_line(struct text *rest)
{
	struct text line = text_cut(rest, '\n');

	if (line.n && line.s[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* The size in front of a chunk: 0 and where its data starts; -EAGAIN; -EBADMSG. */
static int chunk_head(const uint8_t *p, size_t n, uint32_t *ret_size, size_t *ret_head)
{
	const uint8_t *lf = memchr(p, '\n', n);
	struct text line, size;

	if (!lf)
		return n > 64 ? -EBADMSG : -EAGAIN;
	line = text_from(p, (size_t)(lf - p));
	size = text_trim(text_cut(&line, ';'));
	if (size.n > 6 || text_to_u32(size, 16, ret_size) < 0)
		return -EBADMSG;
	*ret_head = (size_t)(lf - p) + 1;
	return 0;
}

/*
 * Two passes, so that nothing moves before all of it is there: the second puts the chunks one
 * behind the other.
 */
static int dechunk(uint8_t *buf, size_t n, size_t at, size_t body_max, struct se_http *h)
{
	size_t body = at, total = 0, from = at;
	uint32_t size = 1;
	size_t head;
	int r;

	while (size) {
		r = chunk_head(buf + at, n - at, &size, &head);
		if (r < 0)
			return r;
		if (size > body_max - total)
			return -E2BIG;
		/* The last chunk ends with one empty line: trailers are not understood. */
		if (n - at - head < (size_t)size + 2)
			return -EAGAIN;
		if (memcmp(buf + at + head + size, "\r\n", 2) != 0)
			return -EBADMSG;
		total += size;
		at += head + size + 2;
	}
	h->used = at;
	for (size = 1, at = from; size; at += head + size + 2) {
		(void)chunk_head(buf + at, n - at, &size, &head);
		memmove(buf + body, buf + at + head, size);
		body += size;
	}
	h->body = octets_from(buf + from, total);
	return 0;
}

int se_http_parse(uint8_t *buf, size_t n, size_t body_max, struct se_http *ret)
{
	size_t head = head_end(buf, MIN(n, (size_t)SE_HTTP_HEAD_MAX));
	struct text rest = text_from(buf, head);
	struct framing f = { .chunked = false };
	int r;

	*ret = (struct se_http){ .used = 0 };
	if (!head)
		return n >= SE_HTTP_HEAD_MAX ? -E2BIG : -EAGAIN;
	r = request_line(take_line(&rest), ret);
	while (r == 0 && rest.n) {
		struct text line = take_line(&rest);

		if (!line.n)
			break;
		r = field(line, ret, &f);
	}
	if (r < 0)
		return r;
	/* Both at once is how requests are smuggled: refused. */
	if (f.chunked && f.has_length)
		return -EBADMSG;
	if (f.chunked)
		return dechunk(buf, n, head, body_max, ret);
	if (f.length > body_max)
		return -E2BIG;
	if (n - head < f.length)
		return -EAGAIN;
	ret->body = octets_from(buf + head, f.length);
	ret->used = head + f.length;
	return 0;
}

const char *se_http_reason(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Status";
	}
}
