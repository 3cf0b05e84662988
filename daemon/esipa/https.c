/*
 * Requests are exact, answers are read liberally: of the headers of an answer only the content type
 * is looked at, and only to tell an eIM from what else may answer on the way, such as the login
 * page of a network.
 */
#include "esipa/https.h"

#include <errno.h>
#include <stdlib.h>

#include "esipa/exchange.h"
#include "net/http.h"

#define PATH_LENGTH_MAX 128

struct https_link {
	struct eim_link link;
	struct esipa_https options;
	struct http *http;
	struct http_request request;
	struct http_header headers[3];
	char path[PATH_LENGTH_MAX];
	struct eim_exchange *exchange;
};

static const char *otherwise(const char *s, const char *standard)
{
	return s && *s ? s : standard;
}

/* What the HTTP status means: 204 is the answer to messages that have none (SGP.32 6.3). */
static void judge(const struct https_link *l, const struct http_request *q, struct net_error *ret)
{
	const char *host = l->options.place.host;

	if (q->status >= 300 && q->status < 400)
		net_error_set(ret, CAUSE_REFUSED, NET_HTTP, q->status,
			      "%.80s answers with a redirect (%d), which is not followed", host, q->status);
	else if (q->status == 404)
		net_error_set(ret, CAUSE_REFUSED, NET_HTTP, q->status,
			      "%.80s knows no such path (%.80s), status 404", host, q->path);
	else if (q->status < 200 || q->status > 299)
		net_error_set(ret, CAUSE_REFUSED, NET_HTTP, q->status, "%.80s answers with status %d",
			      host, q->status);
	/* Without a type, or as plain octets: some eIMs. */
	else if (q->answer_n > 0 && q->type[0] && !http_type_is(q->type, l->options.content_type) &&
		 !http_type_is(q->type, "application/octet-stream"))
		net_error_set(ret, CAUSE_MALFORMED, NET_CONTENT, q->status,
			      "%.80s answers with %.40s instead of %.40s: is it the right server?", host,
			      q->type, l->options.content_type);
}

static void on_done(struct http_request *q, const struct net_error *why)
{
	struct https_link *l = container_of(q, struct https_link, request);
	struct eim_exchange *x = l->exchange;
	struct net_error error = { 0 };

	l->exchange = NULL;
	if (why)
		error = *why;
	else
		judge(l, q, &error);
	x->unsent = net_error_is_set(&error) && q->unsent;
	esipa_exchange_end(x, q->answer, q->answer_n, &error);
}

/* As long as it looks like an answer. */
static void on_grown(struct http_request *q)
{
	struct https_link *l = container_of(q, struct https_link, request);
	struct net_error error = { 0 };

	judge(l, q, &error);
	if (!net_error_is_set(&error))
		esipa_exchange_grow(l->exchange, q->answer, q->answer_n);
}

static void exchange(struct eim_link *link, struct eim_exchange *x)
{
	struct https_link *l = container_of(link, struct https_link, link);

	esipa_exchange_begin(x);
	l->exchange = x;
	snprintf(l->path, sizeof(l->path), "%s%s%s", l->options.path, x->function ? "/" : "",
		 x->function ? x->function : "");
	l->request = (struct http_request){
		.path = l->path,
		.headers = l->headers,
		.headers_n = ARRAY_SIZE(l->headers),
		.body = x->request,
		.body_n = x->request_n,
		.patience_ms = x->patience_ms,
		.answer_max = esipa_exchange_room(x, l->options.reply_max),
		.done = on_done,
		.grown = x->grown ? on_grown : NULL,
	};
	http_submit(l->http, &l->request);
}

static void cancel(struct eim_link *link, struct eim_exchange *x)
{
	struct https_link *l = container_of(link, struct https_link, link);

	if (l->exchange != x)
		return;
	l->exchange = NULL;
	http_cancel(l->http, &l->request);
}

static void close_link(struct eim_link *link)
{
	http_close(container_of(link, struct https_link, link)->http);
}

static void free_link(struct eim_link *link)
{
	struct https_link *l = container_of(link, struct https_link, link);

	http_free(l->http);
	free(l);
}

static void tell(const struct eim_link *link, struct eim_way *ret)
{
	const struct https_link *l = container_of(link, const struct https_link, link);

	*ret = (struct eim_way){ "https", http_is_connected(l->http), -1, -1 };
}

static const struct eim_link_ops ops = { exchange, cancel, close_link, free_link, tell };

int esipa_https_new(const struct esipa_https *options, struct eim_link **ret)
{
	struct https_link *l = calloc(1, sizeof(*l));
	struct http_server server = {
		.place = options->place,
		.trust = options->trust,
		.interface = options->interface,
		.name_servers = options->name_servers,
		.connect_ms = options->connect_ms,
	};
	int r;

	if (!l)
		return -ENOMEM;
	l->link.ops = &ops;
	l->options = *options;
	l->options.path = otherwise(options->path, "/gsma/rsp2/asn1");
	l->options.content_type = otherwise(options->content_type, "application/x-gsma-rsp-asn1");
	l->headers[0] = (struct http_header){ "User-Agent",
		otherwise(options->user_agent, "gsma-rsp-ipad") };
	l->headers[1] = (struct http_header){ "X-Admin-Protocol",
		otherwise(options->admin_protocol, "gsma/rsp/v2.1.0") };
	l->headers[2] = (struct http_header){ "Content-Type", l->options.content_type };
	r = http_new(&server, &l->http);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = &l->link;
	return 0;
}
