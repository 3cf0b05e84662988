/*
 * The way from the eIM to the SM-DP+, with trouble on it: in place of tests/sim/eim/post.c and its TLS, so
 * that the eIM's relay, with all that it knows of sessions, is the one of sim-eim.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/post.h"
#include "sim/eim/relay.h"
#include "support/ipabed.h"
#include "support/test.h"

#define WAY_MS 20

static const char *function_of(const struct se_post *p)
{
	return (const char *)p->in;
}

/* It tries again by itself until the SM-DP+ has it: that is not what is tested here. */
static bool is_notification(const struct se_post *p)
{
	return !strcmp(function_of(p), "handleNotification");
}

static void on_arrived(struct ev_alarm *a)
{
	struct se_post *p = container_of(a, struct se_post, alarm);
	bool note = is_notification(p);
	enum trouble t = note ? NOTHING : ipabed_note(TO_SMDP_BY_EIM, function_of(p));
	struct octets body = octets_from(p->out, p->out_n);
	struct cause why = { 0 };
	struct sdp_reply reply;

	ipabed_smdp_serve(note ? TO_EIM : TO_SMDP_BY_EIM, function_of(p), body, t, &reply, &why);
	if (cause_is_set(&why) && why.code <= 0)
		p->done(p, -ETIMEDOUT, 0, octets_from(NULL, 0));
	else
		p->done(p, 0, cause_is_set(&why) ? (unsigned)why.code : reply.status,
			sdp_blob_octets(&reply.body));
	sdp_reply_done(&reply);
}

int se_post_start(struct se_post *p, const struct se_post_wish *wish)
{
	p->out = malloc(wish->body.n);
	p->in = (uint8_t *)strdup(strrchr(wish->path, '/') + 1);
	assert_true(p->out && p->in);
	memcpy(p->out, wish->body.p, wish->body.n);
	p->out_n = wish->body.n;
	p->alarm.fired = on_arrived;
	ev_alarm_start(&p->alarm, WAY_MS);
	return 0;
}

void se_post_stop(struct se_post *p)
{
	ev_alarm_stop(&p->alarm);
	free(p->out);
	free(p->in);
	p->out = p->in = NULL;
}

void ipabed_post_open(void)
{
	struct se_relay_wish wish = { .at = { "127.0.0.1:443" }, .at_n = 1,
				      .ca = { "tests/vectors/rsp/pki/nist/ci.pem" }, .ca_n = 1 };
	char why[256] = "";

	if (se_relay_open(&ipabed.eim, &wish, why))
		fail_msg("%s", why);
}
