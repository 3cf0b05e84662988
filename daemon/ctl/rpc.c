#include "ctl/rpc.h"

#include <stdlib.h>

#include "codec/json.h"
#include "ctl/server.h"

/* Numbers of JSON-RPC 2.0 section 5.1; ours are in the range that it leaves to servers. */
static const struct {
	int code;
	const char *name;
} errors[_CTL_ERROR_MAX] = {
	[CTL_PARSE_ERROR]      = { -32700, "PARSE_ERROR" },
	[CTL_INVALID_REQUEST]  = { -32600, "INVALID_REQUEST" },
	[CTL_METHOD_NOT_FOUND] = { -32601, "METHOD_NOT_FOUND" },
	[CTL_INVALID_PARAMS]   = { -32602, "INVALID_PARAMS" },
	[CTL_INTERNAL_ERROR]   = { -32603, "INTERNAL_ERROR" },
	[CTL_ACCESS_DENIED]    = { -32001, "ACCESS_DENIED" },
	[CTL_LIMIT]            = { -32002, "LIMIT" },
	[CTL_NOT_READY]        = { -32003, "NOT_READY" },
	[CTL_NOT_FOUND]        = { -32004, "NOT_FOUND" },
	[CTL_BUSY]             = { -32005, "BUSY" },
	[CTL_COMMAND_REFUSED]  = { -32006, "COMMAND_REFUSED" },
	[CTL_NOT_CONFIGURED]   = { -32007, "NOT_CONFIGURED" },
	[CTL_TIMEOUT]          = { -32010, "TIMEOUT" },
	[CTL_REFUSED]          = { -32011, "REFUSED" },
	[CTL_MALFORMED]        = { -32012, "MALFORMED" },
	[CTL_LINK_LOST]        = { -32013, "LINK_LOST" },
	[CTL_CANCELLED]        = { -32014, "CANCELLED" },
};

const char *ctl_error_name(enum ctl_error error)
{
	return errors[error].name;
}

/* --- answers ------------------------------------------------------------------------------------ */

struct json_object *rpc_error(enum ctl_error error, const char *message, struct json_object *data)
{
	struct json_object *o = json_object_new_object();

	if (!data)
		data = json_object_new_object();
	json_object_object_add(data, "name", json_object_new_string(ctl_error_name(error)));
	json_object_object_add(o, "code", json_object_new_int(errors[error].code));
	json_object_object_add(o, "message", json_object_new_string(message));
	json_object_object_add(o, "data", data);
	return o;
}

struct text rpc_text(struct json_object *o)
{
	size_t n;
	const char *s = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	return text_from(s, n);
}

static struct json_object *answer(struct json_object *id, const char *member,
				  struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "id", id);
	json_object_object_add(o, member, value);
	return o;
}

struct json_object *rpc_refusal(enum ctl_error error, const char *message)
{
	return answer(NULL, "error", rpc_error(error, message, NULL));
}

static void send_refusal(struct ctl_client *cl, enum ctl_error error, const char *message)
{
	struct json_object *o = rpc_refusal(error, message);

	ctl_client_send(cl, rpc_text(o));
	json_object_put(o);
}

/* Sends the answer, unless nobody waits for it, and forgets the call. */
static void end_call(struct ctl_call *call, const char *member, struct json_object *value)
{
	struct ctl_client *cl = call->client;
	struct json_object *o = answer(call->id, member, value);

	list_del(&call->node);
	if (cl) {
		cl->n_calls--;
		if (!call->quiet)
			ctl_client_send(cl, rpc_text(o));
		ctl_client_settle(cl);
	}
	json_object_put(o);     /* and the id, which is in it */
	free(call);
}

void ctl_reply(struct ctl_call *call, struct json_object *result)
{
	end_call(call, "result", result);
}

void ctl_fail(struct ctl_call *call, enum ctl_error error, const char *message,
	      struct json_object *data)
{
	end_call(call, "error", rpc_error(error, message, data));
}

void rpc_end_calls(struct ctl_client *cl)
{
	struct ctl_call *call;

	while ((call = list_first(&cl->calls, struct ctl_call, node))) {
		list_del(&call->node);
		cl->n_calls--;
		call->client = NULL;
		if (!call->gone)
			continue;       /* its owner answers into the void, which frees it */
		call->gone(call);
		json_object_put(call->id);
		free(call);
	}
}

/* --- requests ----------------------------------------------------------------------------------- */

static struct ctl_call *new_call(struct ctl_client *cl, struct json_object *request)
{
	struct ctl_call *call = calloc(1, sizeof(*call));
	struct json_object *id = NULL;

	if (!call)
		return NULL;
	/* Without an id it is a notification: it is carried out and never answered. */
	call->quiet = !json_object_object_get_ex(request, "id", &id);
	call->id = json_object_get(id);
	call->client = cl;
	list_add(&cl->calls, &call->node);
	cl->n_calls++;
	return call;
}

static bool may(struct ctl_client *cl, struct ctl_call *call, enum ctl_access needed)
{
	if (cl->access >= needed)
		return true;
	ctl_fail(call, CTL_ACCESS_DENIED,
		 cl->ctl->o.admin_group[0] ? "only members of the admin group may do this" :
					     "only root and the daemon's user may do this", NULL);
	return false;
}

static const struct ctl_method *find_method(const struct ctl *c, struct text name)
{
	for (size_t t = 0; c->methods[t]; t++)
		for (const struct ctl_method *m = c->methods[t]; m->name; m++)
			if (text_eq(name, m->name))
				return m;
	return NULL;
}

static void run(struct ctl_client *cl, struct ctl_call *call, struct text name,
		struct json_object *params)
{
	const struct ctl_method *m;

	for (const struct ctl_builtin *b = ctl_builtins; b->name; b++) {
		if (!text_eq(name, b->name))
			continue;
		if (may(cl, call, b->access))
			b->run(cl, call, params);
		return;
	}
	m = find_method(cl->ctl, name);
	if (!m)
		ctl_fail(call, CTL_METHOD_NOT_FOUND, "no such method; hello lists them", NULL);
	else if (may(cl, call, m->access))
		m->run(cl->ctl->user, call, params);
}

/* What is wrong with the request as such; NULL: nothing. */
static const char *check(struct json_object *request)
{
	struct json_object *v;

	if (json_object_is_type(request, json_type_array))
		return "batches are not supported, send one request per line";
	if (!json_object_is_type(request, json_type_object))
		return "expected an object";
	if (!text_eq(json_member_text(request, "jsonrpc"), "2.0"))
		return "jsonrpc: expected \"2.0\"";
	v = json_member(request, "id");
	if (v && !json_object_is_type(v, json_type_string) &&
	    !json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
		return "id: expected a string or a number";
	if (!json_member_text(request, "method").n)
		return "method: expected a string";
	v = json_member(request, "params");
	if (v && !json_object_is_type(v, json_type_object))
		return "params: expected an object";
	return NULL;
}

static void refuse_request(struct ctl_client *cl, struct json_object *request, const char *why)
{
	struct json_object *id = json_member(request, "id"), *o;

	if (json_object_is_type(id, json_type_object) || json_object_is_type(id, json_type_array) ||
	    json_object_is_type(id, json_type_boolean))
		id = NULL;
	o = answer(json_object_get(id), "error", rpc_error(CTL_INVALID_REQUEST, why, NULL));
	ctl_client_send(cl, rpc_text(o));
	json_object_put(o);
}

static void run_request(struct ctl_client *cl, struct json_object *request)
{
	struct json_object *params = json_member(request, "params"), *none = NULL;
	struct ctl_call *call = new_call(cl, request);

	if (!call) {
		send_refusal(cl, CTL_INTERNAL_ERROR, "out of memory");
		return;
	}
	if (cl->n_calls > CTL_CALLS_MAX) {
		ctl_fail(call, CTL_LIMIT, "too many unanswered requests, at most 16 are kept", NULL);
		return;
	}
	if (!params)
		params = none = json_object_new_object();
	run(cl, call, json_member_text(request, "method"), params);
	json_object_put(none);
}

void rpc_line(struct ctl_client *cl, struct text line)
{
	struct json_object *request = NULL;
	const char *why;
	char message[160];

	if (!text_trim(line).n)
		return;         /* an empty line between two requests is nobody's request */
	if (json_read(line, CTL_DEPTH_MAX, &request, &why) < 0) {
		snprintf(message, sizeof(message), "no JSON: %s", why);
		send_refusal(cl, CTL_PARSE_ERROR, message);
		return;
	}
	why = check(request);
	if (why)
		refuse_request(cl, request, why);
	else
		run_request(cl, request);
	json_object_put(request);
}

void rpc_too_long(struct ctl_client *cl)
{
	send_refusal(cl, CTL_PARSE_ERROR, "the line is longer than 16384 octets");
}
