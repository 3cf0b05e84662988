#include "net/error.h"

#include <stdarg.h>

static const char *const names[_NET_LAYER_MAX] = {
	[NET_NAME] = "name", [NET_CONNECT] = "connect", [NET_TLS] = "tls",
	[NET_CERTIFICATE] = "certificate", [NET_HTTP] = "http", [NET_COAP] = "coap",
	[NET_CONTENT] = "content",
};

void net_error_set(struct net_error *e, enum cause_kind kind, enum net_layer layer, int code,
		   const char *fmt, ...)
{
	va_list args;

	if (net_error_is_set(e))
		return;
	e->kind = kind;
	e->layer = layer;
	e->code = code;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
}

const char *net_layer_name(enum net_layer layer)
{
	return names[layer];
}

void net_error_cause(const struct net_error *e, struct cause *c)
{
	if (net_error_is_set(e))
		cause_set(c, e->kind, names[e->layer], e->code);
}
