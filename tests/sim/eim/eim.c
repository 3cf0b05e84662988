#include "sim/eim/eim.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/log.h"

const char *const se_kind_names[_SE_KIND_MAX] = {
	[SE_KIND_PSMO] = "psmo",
	[SE_KIND_ECO] = "eco",
	[SE_KIND_DATA] = "data",
	[SE_KIND_DOWNLOAD] = "download",
};

const char *const se_state_names[_SE_STATE_MAX] = {
	[SE_QUEUED] = "queued",
	[SE_SENT] = "sent",
	[SE_DONE] = "done",
	[SE_FAILED] = "failed",
	[SE_CANCELLED] = "cancelled",
};

const char *const se_verdict_names[_SE_VERDICT_MAX] = {
	[SE_UNCHECKED] = "-",
	[SE_VERIFIED] = "verified",
	[SE_UNVERIFIED] = "unverified",
	[SE_WRONG] = "WRONG",
};

const char *const se_version_names[_SE_VERSION_MAX] = {
	[SE_V1_0] = "1.0",
	[SE_V1_1] = "1.1",
	[SE_V1_2] = "1.2",
	[SE_V1_3] = "1.3",
};

const char *const se_way_names[_SE_WAY_MAX] = {
	[SE_WAY_OPEN] = "-",
	[SE_WAY_DIRECT] = "direct",
	[SE_WAY_INDIRECT] = "indirect",
};

const char *const se_told_names[_SE_TOLD_MAX] = {
	[SE_TOLD_NOTHING] = "-",
	[SE_TOLD_PENDING] = "pending",
	[SE_TOLD] = "told",
	[SE_TOLD_IN_VAIN] = "in vain",
};

int se_name_find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], name))
			return (int)i;
	}
	return -EINVAL;
}

uint64_t se_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void se_eim_init(struct se_eim *e, const char *dir)
{
	*e = (struct se_eim){ .id_type = 3, .protocols = 0x80, .learn = true, .max_sends = 10,
			      .resend_download_s = 120 };
	snprintf(e->dir, sizeof(e->dir), "%s", dir);
	snprintf(e->id, sizeof(e->id), "eim1");
	snprintf(e->fqdn, sizeof(e->fqdn), "localhost");
	snprintf(e->curve, sizeof(e->curve), "nist");
	list_init(&e->cards);
	se_faults_init(&e->faults, 1);
}

void se_eim_done(struct se_eim *e)
{
	struct se_card *c, *tmp;

	list_for_each_safe(c, tmp, &e->cards, node)
		se_card_free(c);
	se_anchors_done(&e->anchors);
	EVP_PKEY_free(e->key);
	e->key = NULL;
}

/* --- cards ------------------------------------------------------------------------------------ */

struct se_card *se_card_find(struct se_eim *e, const char *eid)
{
	struct se_card *c;

	list_for_each(c, &e->cards, node) {
		if (!strcmp(c->eid, eid))
			return c;
	}
	return NULL;
}

struct se_card *se_card_find_bcd(struct se_eim *e, const uint8_t bcd[SE_EID_LEN])
{
	struct se_card *c;

	list_for_each(c, &e->cards, node) {
		if (!memcmp(c->eid_bcd, bcd, SE_EID_LEN))
			return c;
	}
	return NULL;
}

int se_card_new(struct se_eim *e, const char *eid, struct se_card **ret)
{
	struct se_card *c;
	uint8_t bcd[SE_EID_LEN];

	if (se_eid_from(eid, bcd) < 0)
		return -EINVAL;
	if (se_card_find(e, eid))
		return -EEXIST;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	memcpy(c->eid_bcd, bcd, sizeof(bcd));
	snprintf(c->eid, sizeof(c->eid), "%s", eid);
	c->version = SE_V1_2;
	c->next_id = 1;
	list_init(&c->packages);
	list_add(&e->cards, &c->node);
	*ret = c;
	return 0;
}

void se_card_free(struct se_card *c)
{
	struct se_package *p, *tmp;

	if (!c)
		return;
	list_for_each_safe(p, tmp, &c->packages, node)
		se_package_free(p);
	list_del(&c->node);
	free(c);
}

/* --- packages --------------------------------------------------------------------------------- */

struct se_package *se_package_new(struct se_card *c, enum se_kind kind, const char *what)
{
	struct se_package *p = c->packages_n < SE_PACKAGES_MAX ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	p->id = c->next_id++;
	p->kind = kind;
	snprintf(p->what, sizeof(p->what), "%s", what);
	p->queued_ms = se_clock_ms();
	if (kind == SE_KIND_DOWNLOAD) {
		p->download = calloc(1, sizeof(*p->download));
		if (!p->download) {
			free(p);
			return NULL;
		}
	}
	list_add(&c->packages, &p->node);
	c->packages_n++;
	return p;
}

void se_package_free(struct se_package *p)
{
	if (!p)
		return;
	list_del(&p->node);
	free(p->body);
	free(p->message);
	free(p->result);
	if (p->download)
		free(p->download->note);
	free(p->download);
	free(p);
}

int se_package_set(uint8_t **dst, size_t *dst_n, struct octets v)
{
	uint8_t *copy = malloc(v.n ? v.n : 1);

	if (!copy)
		return -ENOMEM;
	if (v.n)
		memcpy(copy, v.p, v.n);
	free(*dst);
	*dst = copy;
	*dst_n = v.n;
	return 0;
}

struct se_package *se_package_by_tx(struct se_card *c, struct octets tx)
{
	struct se_package *p;

	if (!tx.n)
		return NULL;
	list_for_each(p, &c->packages, node) {
		if (octets_same(octets_from(p->tx, p->tx_n), tx))
			return p;
	}
	return NULL;
}

struct se_package *se_package_by_tid(struct se_card *c, struct octets tid)
{
	struct se_package *p;

	if (!tid.n)
		return NULL;
	list_for_each(p, &c->packages, node) {
		if (p->download &&
		    octets_same(octets_from(p->download->tid, p->download->tid_n), tid))
			return p;
	}
	return NULL;
}

struct se_package *se_package_in_flight(struct se_card *c,
					bool (*fits)(const struct se_package *p))
{
	struct se_package *p;

	list_for_each(p, &c->packages, node) {
		if (p->state == SE_SENT && fits(p))
			return p;
	}
	return NULL;
}

void se_package_conclude(struct se_package *p, enum se_state state)
{
	p->state = state;
	p->done_ms = se_clock_ms();
}

/* --- forms ------------------------------------------------------------------------------------ */

#define CI_LEN 20u
#define CI_SHORT 4u                     /* enough to tell a handful of CIs apart */

static void forms_of(uint8_t features, struct se_forms *f)
{
	bool small = features & SE_IPA_MINIMIZE;

	*f = (struct se_forms){ .tid = !small, .ci_n = small ? CI_SHORT : CI_LEN,
				.ctx = features & SE_IPA_CTX_PARAMS ? SE_CTX_PARAMS :
								      SE_CTX_MATCHING_ID,
				.metadata = !(features & SE_IPA_METADATA) };
}

int se_forms_parse(const char *text, uint8_t features, struct se_forms *ret)
{
	struct text rest = text_of(text);
	struct se_forms f;
	uint32_t n;

	forms_of(features, &f);
	while (rest.n) {
		struct text one = text_cut(&rest, ','), name = text_cut(&one, '=');

		if (text_eq(name, "auto"))
			forms_of(features, &f);
		else if (text_eq(name, "full"))
			forms_of(0, &f);
		else if (text_eq(name, "compact"))
			forms_of(SE_IPA_MINIMIZE | SE_IPA_CTX_PARAMS | SE_IPA_METADATA, &f);
		else if (text_eq(name, "tid"))
			f.tid = true;
		else if (text_eq(name, "no-tid"))
			f.tid = false;
		else if (text_eq(name, "matching-id"))
			f.ctx = SE_CTX_MATCHING_ID;
		else if (text_eq(name, "ctx-params"))
			f.ctx = SE_CTX_PARAMS;
		else if (text_eq(name, "bare"))
			f.ctx = SE_CTX_NOTHING;
		else if (text_eq(name, "metadata"))
			f.metadata = true;
		else if (text_eq(name, "no-metadata"))
			f.metadata = false;
		else if (text_eq(name, "ci") && text_to_u32(one, 10, &n) == 0 && n && n <= CI_LEN)
			f.ci_n = n;
		else
			return -EINVAL;
	}
	*ret = f;
	return 0;
}

struct se_forms se_card_forms(const struct se_card *c)
{
	struct se_forms f;

	if (se_forms_parse(c->answers, c->has_features ? c->features : 0, &f) < 0)
		forms_of(0, &f);
	return f;
}

/* --- digits ----------------------------------------------------------------------------------- */

int se_eid_from(const char *digits, uint8_t ret_bcd[SE_EID_LEN])
{
	if (strlen(digits) != SE_EID_DIGITS || !text_all_digits(text_of(digits)))
		return -EINVAL;
	for (size_t i = 0; i < SE_EID_LEN; i++)
		ret_bcd[i] = (uint8_t)((digits[2 * i] - '0') << 4 | (digits[2 * i + 1] - '0'));
	return 0;
}

void se_eid_text(const uint8_t bcd[SE_EID_LEN], char ret_digits[SE_EID_DIGITS + 1])
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < SE_EID_LEN; i++) {
		ret_digits[2 * i] = hex[bcd[i] >> 4];
		ret_digits[2 * i + 1] = hex[bcd[i] & 15];
	}
	ret_digits[SE_EID_DIGITS] = '\0';
}

int se_iccid_from(const char *digits, uint8_t ret_bcd[SE_ICCID_LEN])
{
	size_t n = strlen(digits);

	if (n < 18 || n > 2 * SE_ICCID_LEN || !text_all_digits(text_of(digits)))
		return -EINVAL;
	memset(ret_bcd, 0xff, SE_ICCID_LEN);
	for (size_t i = 0; i < n; i++) {
		uint8_t d = (uint8_t)(digits[i] - '0'), *o = &ret_bcd[i / 2];

		*o = (uint8_t)(i & 1 ? (*o & 0x0f) | d << 4 : (*o & 0xf0) | d);
	}
	return 0;
}

void se_iccid_text(struct octets bcd, char ret_digits[24])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < bcd.n && i < SE_ICCID_LEN; i++) {
		ret_digits[n++] = hex[bcd.p[i] & 15];
		ret_digits[n++] = hex[bcd.p[i] >> 4];
	}
	while (n && ret_digits[n - 1] == 'F')
		n--;
	ret_digits[n] = '\0';
}

int se_oid_from(const char *digits, uint8_t *dst, size_t cap, size_t *ret_n)
{
	ASN1_OBJECT *o = OBJ_txt2obj(digits, 1);
	size_t n = o ? OBJ_length(o) : 0;
	int r = !o ? -EINVAL : n > cap ? -ENOSPC : 0;

	if (r == 0) {
		memcpy(dst, OBJ_get0_data(o), n);
		*ret_n = n;
	}
	ASN1_OBJECT_free(o);
	return r;
}

/* --- the log ---------------------------------------------------------------------------------- */

void (*se_log_follower)(const char *line);

static FILE *log_file;
static bool log_quiet = true;

void se_log_open(struct se_eim *e, bool quiet)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/log.txt", e->dir);
	log_file = fopen(path, "ae");
	log_quiet = quiet;
}

void se_log_close(void)
{
	if (log_file)
		fclose(log_file);
	log_file = NULL;
	log_quiet = true;
}

static void write_line(struct se_card *c, const char *mark, const char *fmt, va_list args)
{
	uint64_t now = se_clock_ms();
	time_t s = (time_t)(now / 1000);
	char line[2048], when[16], eid[LOG_ID_MAX] = "-";
	struct tm tm;
	int n;

	if (!log_file && log_quiet && !se_log_follower)
		return;
	localtime_r(&s, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	if (c)
		log_id(text_of(c->eid), eid);
	n = snprintf(line, sizeof(line), "%s.%03u  %-*s  %s", when, (unsigned)(now % 1000),
		     c ? 13 : 11, eid, mark);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, args);
	if (!log_quiet) {
		puts(line);
		fflush(stdout);
	}
	if (log_file) {
		fprintf(log_file, "%s\n", line);
		fflush(log_file);
	}
	if (se_log_follower)
		se_log_follower(line);
}

void se_log(struct se_eim *e, struct se_card *c, const char *fmt, ...)
{
	va_list args;

	(void)e;
	va_start(args, fmt);
	write_line(c, "", fmt, args);
	va_end(args);
}

void se_remark(struct se_eim *e, struct se_card *c, const char *fmt, ...)
{
	va_list args;

	(void)e;
	if (c)
		c->remarks++;
	va_start(args, fmt);
	write_line(c, "! ", fmt, args);
	va_end(args);
}
