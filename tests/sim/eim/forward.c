#include "sim/eim/forward.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/post.h"
#include "sim/eim/rsp.h"
#include "sim/eim/store.h"

#define ANSWER_MS 30000u

struct forward {
	struct list_node node;
	struct se_forwards *all;
	struct se_post post;
	struct ev_alarm again;
	char address[128];
	char eid[SE_EID_DIGITS + 1];
	unsigned package;               /* 0: none */
	unsigned tries;
	char *body;
};

static void forward_free(struct forward *f)
{
	se_post_stop(&f->post);
	ev_alarm_stop(&f->again);
	list_del(&f->node);
	f->all->n--;
	free(f->body);
	free(f);
}

static struct se_card *card_of(const struct forward *f)
{
	return f->eid[0] ? se_card_find(f->all->eim, f->eid) : NULL;
}

/* The package may have gone meanwhile. */
static struct se_package *package_of(const struct forward *f)
{
	struct se_card *c = card_of(f);
	struct se_package *p;

	if (!c || !f->package)
		return NULL;
	list_for_each(p, &c->packages, node) {
		if (p->id == f->package)
			return p;
	}
	return NULL;
}

static void tell(struct forward *f, enum se_told told)
{
	struct se_package *p = package_of(f);

	if (!p)
		return;
	p->download->told = told;
	p->download->tries = f->tries;
	if (se_store_save_card(f->all->eim, card_of(f)) < 0)
		se_remark(f->all->eim, card_of(f), "cannot write the state");
}

static void start(struct forward *f);

static void on_again(struct ev_alarm *a)
{
	start(container_of(a, struct forward, again));
}

static void failed(struct forward *f, const char *why)
{
	struct se_eim *e = f->all->eim;

	if (f->tries >= SE_FORWARD_TRIES) {
		se_remark(e, card_of(f), "a notification for %s given up: %s", f->address, why);
		tell(f, SE_TOLD_IN_VAIN);
		forward_free(f);
		return;
	}
	se_log(e, card_of(f), "  notification to %s: %s, once more in %u s", f->address, why,
	       1u << (f->tries - 1));
	tell(f, SE_TOLD_PENDING);
	ev_alarm_start(&f->again, 1000u << (f->tries - 1));
}

static void on_done(struct se_post *p, int r, unsigned status, struct octets body)
{
	struct forward *f = container_of(p, struct forward, post);
	char why[32];

	(void)body;
	if (r == 0 && (status == 204 || status == 200)) {
		se_log(f->all->eim, card_of(f), "  notification to %s: delivered", f->address);
		tell(f, SE_TOLD);
		forward_free(f);
		return;
	}
	snprintf(why, sizeof(why), "status %u", status);
	failed(f, r < 0 ? strerror(-r) : why);
}

static void start(struct forward *f)
{
	const struct sockaddr_in *at = se_route_find(f->all->routes, f->address);
	struct se_post_wish wish = { .ctx = f->all->routes->ctx,
				     .headers = "User-Agent: gsma-rsp-eim\r\n"
						"X-Admin-Protocol: gsma/rsp/v2.2.2\r\n"
						"Content-Type: application/json\r\n",
				     .host = f->address,
				     .path = "/gsma/rsp2/es9plus/handleNotification",
				     .body = octets_from(f->body, strlen(f->body)),
				     .patience_ms = ANSWER_MS };
	int r;

	f->tries++;
	if (!at) {
		f->tries = SE_FORWARD_TRIES;
		failed(f, "no --smdp leads there");
		return;
	}
	wish.at = *at;
	r = se_post_start(&f->post, &wish);
	if (r < 0)
		failed(f, strerror(-r));
}

void se_forward(struct se_forwards *all, struct se_card *c, struct se_package *p, const char *address,
		struct octets note)
{
	struct forward *f = all->n < SE_FORWARDS_MAX ? calloc(1, sizeof(*f)) : NULL;
	const char *function;

	if (!f) {
		se_remark(all->eim, c, "a notification for %s cannot be sent: too many", address);
		return;
	}
	f->all = all;
	f->post.done = on_done;
	f->post.fd = -1;
	f->again.fired = on_again;
	f->package = p ? p->id : 0;
	if (c)
		snprintf(f->eid, sizeof(f->eid), "%s", c->eid);
	snprintf(f->address, sizeof(f->address), "%s", address);
	list_add(&all->list, &f->node);
	all->n++;
	f->body = se_rsp_request(0, note, "", octets_from(NULL, 0), &function);
	if (!f->body) {
		forward_free(f);
		return;
	}
	if (p) {
		(void)se_package_set(&p->download->note, &p->download->note_n, note);
		tell(f, SE_TOLD_PENDING);
	}
	start(f);
}

void se_forward_pending(struct se_forwards *f)
{
	struct se_package *p;
	struct se_card *c;

	list_for_each(c, &f->eim->cards, node) {
		list_for_each(p, &c->packages, node) {
			struct se_download *d = p->download;
			struct octets note;
			uint8_t *copy;

			if (!d || d->told != SE_TOLD_PENDING || !d->note_n)
				continue;
			/* It is set anew from itself. */
			copy = malloc(d->note_n);
			if (!copy)
				continue;
			memcpy(copy, d->note, d->note_n);
			note = octets_from(copy, d->note_n);
			se_forward(f, c, p, d->address, note);
			free(copy);
		}
	}
}

void se_forwards_init(struct se_forwards *f, struct se_eim *e, const struct se_routes *routes)
{
	*f = (struct se_forwards){ .eim = e, .routes = routes };
	list_init(&f->list);
}

void se_forwards_done(struct se_forwards *f)
{
	struct forward *one;

	while ((one = list_first(&f->list, struct forward, node)))
		forward_free(one);
}
