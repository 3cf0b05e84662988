/* JSON-RPC 2.0 (jsonrpc.org/specification) on one client's lines; batches are refused. */
#ifndef CTL_RPC_H
#define CTL_RPC_H

#include "core/text.h"
#include "ctl/client.h"

/* A request. It may be answered, and the client dropped, before this returns. */
void rpc_line(struct ctl_client *cl, struct text line);
/* A line that does not fit; the rest of it is passed over. */
void rpc_too_long(struct ctl_client *cl);
/* The client is gone: gone() for everything it still waits for. */
void rpc_end_calls(struct ctl_client *cl);

/* { "code", "message", "data": { "name", … } }; data is taken over, may be NULL. */
struct json_object *rpc_error(enum ctl_error error, const char *message, struct json_object *data);
/* A whole answer that is an error and belongs to no request. */
struct json_object *rpc_refusal(enum ctl_error error, const char *message);
/* As it goes over the socket; valid as long as o. */
struct text rpc_text(struct json_object *o);

#endif
