#include "sim/euicc/rsp.h"

#include <string.h>

void ve_session_clear(struct ve_session *s)
{
	blob_clear(&s->tid);
	blob_clear(&s->address);
	blob_clear(&s->oid);
	blob_clear(&s->ci);
	blob_clear(&s->dp_ci);
	blob_clear(&s->signature1);
	blob_clear(&s->dp_pb);
	explicit_bzero(s, sizeof(*s));
}
