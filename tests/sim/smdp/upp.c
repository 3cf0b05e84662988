#include "sim/smdp/upp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"

const char *const sdp_class_names[_SDP_CLASS_MAX] = {
	[SDP_CLASS_TEST] = "test",
	[SDP_CLASS_PROVISIONING] = "provisioning",
	[SDP_CLASS_OPERATIONAL] = "operational",
};

/* --- digits ----------------------------------------------------------------------------------- */

/* Filled with F; swapped as files have it, or in reading order as the header does. */
static void digits_to_bcd(struct text t, bool swapped, uint8_t *dst, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t a = 2 * i < t.n ? (uint8_t)(t.s[2 * i] - '0') : 0xf;
		uint8_t b = 2 * i + 1 < t.n ? (uint8_t)(t.s[2 * i + 1] - '0') : 0xf;

		dst[i] = (uint8_t)(swapped ? b << 4 | a : a << 4 | b);
	}
}

int sdp_iccid_from(struct text digits, uint8_t ret[SDP_ICCID_LEN])
{
	if (digits.n < 18 || digits.n > 20 || !text_all_digits(digits))
		return -EINVAL;
	digits_to_bcd(digits, true, ret, SDP_ICCID_LEN);
	return 0;
}

void sdp_iccid_text(const uint8_t bcd[SDP_ICCID_LEN], char ret[2 * SDP_ICCID_LEN + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < 2 * SDP_ICCID_LEN; i++) {
		uint8_t d = i & 1 ? bcd[i / 2] >> 4 : bcd[i / 2] & 0xf;

		if (d > 9)
			break;
		ret[n++] = (char)('0' + d);
	}
	ret[n] = '\0';
}

/* --- the package ------------------------------------------------------------------------------ */

/* A profile element under construction. Each begins with its header: mandated, number. */
struct pe {
	struct tlv_out *w;
	struct tlv_mark mark;
};

static struct pe pe_begin(struct tlv_out *w, uint32_t tag, unsigned *id)
{
	struct pe pe = { w, tlv_begin(w, tag) };
	struct tlv_mark m = tlv_begin(w, 0xa0);

	tlv_put(w, 0x80, NULL, 0);
	tlv_put_u32(w, 0x81, (*id)++);
	tlv_close(w, m);
	return pe;
}

static void pe_close(struct pe pe)
{
	tlv_close(pe.w, pe.mark);
}

static void put_hex(struct tlv_out *w, const char *digits)
{
	uint8_t octets[256];
	size_t n = 0;

	if (hex_decode(text_of(digits), octets, sizeof(octets), &n) < 0)
		abort();        /* our own table is wrong */
	tlv_put_raw(w, octets, n);
}

static void put_file(struct tlv_out *w, uint32_t tag, const void *content, size_t n)
{
	struct tlv_mark m = tlv_begin(w, tag);

	tlv_put(w, 0x83, content, n);
	tlv_close(w, m);
}

static void put_header(struct tlv_out *w, struct text iccid)
{
	struct tlv_mark m = tlv_begin(w, 0xa0);
	uint8_t bcd[SDP_ICCID_LEN];

	digits_to_bcd(iccid, false, bcd, sizeof(bcd));
	tlv_put_u32(w, 0x80, 2);
	tlv_put_u32(w, 0x81, 3);
	tlv_put_text(w, 0x82, "Test profile");
	tlv_put(w, 0x83, bcd, sizeof(bcd));
	put_hex(w, "A50481008400");                             /* needs USIM and Milenage */
	put_hex(w, "A610060667810F010201060667810F010204");    /* templates MF, USIM */
	tlv_close(w, m);
}

static void put_mf(struct tlv_out *w, struct text iccid, unsigned *id)
{
	struct pe pe = pe_begin(w, 0xb0, id);
	uint8_t bcd[SDP_ICCID_LEN];

	digits_to_bcd(iccid, true, bcd, sizeof(bcd));
	put_hex(w, "810667810F010201");                         /* template MF */
	put_hex(w, "A20BA1098B032F0601C602010A");               /* MF */
	put_file(w, 0xa4, bcd, sizeof(bcd));                    /* EF.ICCID */
	put_hex(w, "A523A109820442210026800198"                 /* EF.DIR: the USIM */
		   "831661144F0CA0000000871002FF49FF058950045553494D");
	put_hex(w, "A61DA1098204422100208001608310800101900080015AA40683010A950108");
	pe_close(pe);
}

static void put_codes(struct tlv_out *w, unsigned *id)
{
	struct pe pe = pe_begin(w, 0xa3, id);

	put_hex(w, "A10F300D80010181083132333435363738");       /* PUK1 12345678 */
	pe_close(pe);
	pe = pe_begin(w, 0xa2, id);
	put_hex(w, "A12DA02B3013800101810831323334FFFFFFFF820101830106"        /* PIN1, off */
		   "301480010A81083535353535353535830103840200AA");
	pe_close(pe);
}

static void put_usim(struct tlv_out *w, struct text imsi, unsigned *id)
{
	struct pe pe = pe_begin(w, 0xb3, id);
	uint8_t ef[9] = { 8 };
	char digits[17];
	size_t n = imsi.n;

	/* The first nibble tells whether the number of digits is odd. */
	digits[0] = n & 1 ? '9' : '1';
	memcpy(digits + 1, imsi.s, n);
	ef[0] = (uint8_t)(n / 2 + 1);
	digits_to_bcd(text_from(digits, n + 1), true, ef + 1, 8);
	put_hex(w, "810667810F010204");                         /* template USIM */
	put_hex(w, "A21EA11C83027FD0840CA0000000871002FF49FF05898B032F0601C60381010A");
	put_file(w, 0xa3, ef, sizeof(ef));                      /* EF.IMSI */
	put_hex(w, "A41DA1098204422100208001408310800101900080015AA40683010A950108");
	put_hex(w, "A811830F9EFFBF1DFF3E008341031001040000");    /* EF.UST */
	put_hex(w, "AD00AE03830100B20483020001B506830400000002");
	put_hex(w, "B61BA10982044221000E80010E830E11F2FF456D657267656E6379FF00");
	pe_close(pe);
}

static void put_aka(struct tlv_out *w, unsigned *id)
{
	struct pe pe = pe_begin(w, 0xa4, id);

	/* Milenage with the key set of 3GPP TS 35.208, test set 1. */
	put_hex(w, "A12CA12A8001018101218210465B5CE8B199B49FAA5F0A2EE238A6BC"
		   "8310CD63CB71954A9F4E48A5994E37A02BAF");
	pe_close(pe);
}

#define FILLER_MAX 4000

/* An element of generic file management: one transparent file of so many octets under MF. */
static void put_filler(struct tlv_out *w, size_t n, unsigned *id)
{
	struct pe pe = pe_begin(w, 0xa1, id);
	struct tlv_mark list = tlv_begin(w, 0xa1), one = tlv_begin(w, 0x30), fcp;
	uint8_t content[FILLER_MAX], number[2];

	/* No two alike, and not to be compressed, but the same for each run. */
	for (size_t i = 0; i < n; i += SDP_HASH_LEN) {
		uint8_t seed[4] = { (uint8_t)*id, (uint8_t)(*id >> 8), (uint8_t)i, (uint8_t)(i >> 8) };
		struct octets part = { seed, sizeof(seed) };
		uint8_t hash[SDP_HASH_LEN];

		sdp_sha256(&part, 1, hash);
		memcpy(content + i, hash, MIN(sizeof(hash), n - i));
	}
	tlv_put(w, 0x80, NULL, 0);
	fcp = tlv_begin(w, 0x62);
	put_hex(w, "82024121");
	number[0] = 0x2f;
	number[1] = (uint8_t)(0xf0 + *id % 8);
	tlv_put(w, 0x83, number, sizeof(number));
	put_hex(w, "8B032F0602");
	number[0] = (uint8_t)(n >> 8);
	number[1] = (uint8_t)n;
	tlv_put(w, 0x80, number, sizeof(number));
	put_hex(w, "8800");
	tlv_close(w, fcp);
	tlv_put(w, 0x81, content, n);
	tlv_close(w, one);
	tlv_close(w, list);
	pe_close(pe);
}

int sdp_upp_make(const struct sdp_upp_recipe *r, struct sdp_blob *ret)
{
	struct tlv_out w = { .cap = r->size + 2 * FILLER_MAX };
	uint8_t bcd[SDP_ICCID_LEN];
	unsigned id = 1;

	if (sdp_iccid_from(r->iccid, bcd) < 0 || r->imsi.n < 6 || r->imsi.n > 15 ||
	    !text_all_digits(r->imsi) || r->size > SDP_UPP_MAX)
		return -EINVAL;
	w.buf = sdp_alloc(w.cap);
	put_header(&w, r->iccid);
	put_mf(&w, r->iccid, &id);
	put_codes(&w, &id);
	put_usim(&w, r->imsi, &id);
	put_aka(&w, &id);
	while (w.len < r->size)
		put_filler(&w, MIN(r->size - w.len, (size_t)FILLER_MAX), &id);
	pe_close(pe_begin(&w, 0xaa, &id));
	if (w.full)
		abort();
	*ret = (struct sdp_blob){ w.buf, w.len };
	return 0;
}

/* --- from files ------------------------------------------------------------------------------- */

static int from_list(struct json_object *list, struct sdp_blob *ret)
{
	size_t cap = 0, n = 0;
	uint8_t *p;

	if (!json_object_is_type(list, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		cap += (size_t)json_object_get_string_len(json_object_array_get_idx(list, i)) / 2;
	if (cap == 0 || cap > SDP_UPP_MAX)
		return -EBADMSG;
	p = sdp_alloc(cap);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *e = json_object_array_get_idx(list, i);
		size_t len;

		if (!json_object_is_type(e, json_type_string) ||
		    hex_decode(text_from(json_object_get_string(e),
					 (size_t)json_object_get_string_len(e)),
			       p + n, cap - n, &len) < 0) {
			free(p);
			return -EBADMSG;
		}
		n += len;
	}
	*ret = (struct sdp_blob){ p, n };
	return 0;
}

int sdp_upp_load(const char *path, struct sdp_blob *ret)
{
	_cleanup_(freep) char *data = NULL;
	struct json_object *o;
	struct stat st;
	size_t n;
	int r;

	if (stat(path, &st) < 0)
		return -errno;
	if (st.st_size > (off_t)SDP_UPP_MAX * 2 + 65536)
		return -EFBIG;
	data = sdp_alloc((size_t)st.st_size + 1);
	r = file_load(path, data, (size_t)st.st_size, &n);
	if (r < 0)
		return r;
	data[n] = '\0';
	if (!text_starts(text_trim(text_from(data, n)), "{")) {
		char iccid[2 * SDP_ICCID_LEN + 1];

		if (sdp_upp_iccid(octets_from(data, n), iccid) < 0)
			return -EBADMSG;
		sdp_blob_set(ret, octets_from(data, n));
		return 0;
	}
	o = json_tokener_parse(data);
	r = o ? from_list(json_object_object_get(o, "profileElements"), ret) : -EBADMSG;
	json_object_put(o);
	return r;
}

int sdp_upp_iccid(struct octets upp, char ret[2 * SDP_ICCID_LEN + 1])
{
	struct tlv_doc doc;
	struct tlv all = tlv_open(&doc, upp), header = tlv_enter(&all, 0xa0);
	struct octets iccid = { 0 };
	uint8_t swapped[SDP_ICCID_LEN];

	while (tlv_more(&header)) {
		if (tlv_peek(&header) == 0x83)
			iccid = tlv_take(&header, 0x83);
		else
			tlv_skip(&header);
	}
	while (tlv_more(&all))
		tlv_skip(&all);
	if (doc.fault || iccid.n != SDP_ICCID_LEN)
		return -EBADMSG;
	for (size_t i = 0; i < SDP_ICCID_LEN; i++)
		swapped[i] = (uint8_t)(iccid.p[i] << 4 | iccid.p[i] >> 4);
	sdp_iccid_text(swapped, ret);
	return 0;
}

/* --- metadata --------------------------------------------------------------------------------- */

void sdp_put_bits(struct tlv_out *w, uint32_t tag, uint8_t bits)
{
	uint8_t value[2] = { 0, bits };
	static const uint8_t none;

	while (value[0] < 7 && !(bits >> value[0] & 1))
		value[0]++;
	tlv_put(w, tag, bits ? value : &none, bits ? 2 : 1);
}

/* 3GPP TS 24.008, 10.5.1.13: MCC 2 1, MNC 3 MCC 3, MNC 2 1. */
static int put_owner(struct tlv_out *w, const struct sdp_metadata *m)
{
	struct tlv_mark mark;
	uint8_t d[6], plmn[3];

	if ((m->owner.n != 5 && m->owner.n != 6) || !text_all_digits(m->owner))
		return -EINVAL;
	for (size_t i = 0; i < 6; i++)
		d[i] = i < m->owner.n ? (uint8_t)(m->owner.s[i] - '0') : 0xf;
	plmn[0] = (uint8_t)(d[1] << 4 | d[0]);
	plmn[1] = (uint8_t)(d[5] << 4 | d[2]);
	plmn[2] = (uint8_t)(d[4] << 4 | d[3]);
	mark = tlv_begin(w, 0xb7);
	tlv_put(w, 0x80, plmn, sizeof(plmn));
	if (m->gid1.n)
		tlv_put_octets(w, 0x81, m->gid1);
	if (m->gid2.n)
		tlv_put_octets(w, 0x82, m->gid2);
	tlv_close(w, mark);
	return 0;
}

static void put_icon(struct tlv_out *w, struct octets icon)
{
	tlv_put_u32(w, 0x93, icon.p[0] == 0x89);        /* PNG; else JPEG */
	tlv_put_octets(w, 0x94, icon);
}

static void put_notify(struct tlv_out *w, const struct sdp_metadata *m)
{
	struct tlv_mark list = tlv_begin(w, 0xb6);

	for (size_t i = 0; i < m->notify_n; i++) {
		struct tlv_mark one = tlv_begin(w, 0x30);

		sdp_put_bits(w, 0x80, m->notify[i].events);
		tlv_put(w, 0x81, m->notify[i].address.s, m->notify[i].address.n);
		tlv_close(w, one);
	}
	tlv_close(w, list);
}

int sdp_metadata_make(const struct sdp_metadata *m, struct sdp_blob *ret)
{
	uint8_t der[SDP_METADATA_MAX];
	struct tlv_out w = { .buf = der, .cap = sizeof(der) };
	struct tlv_mark mark = tlv_begin(&w, 0xbf25);
	size_t n;

	if (m->provider.n > 32 || m->name.n > 64 || m->icon.n > 1024 || m->notify_n > SDP_NOTIFY_MAX)
		return -EINVAL;
	tlv_put(&w, 0x5a, m->iccid, SDP_ICCID_LEN);
	tlv_put(&w, 0x91, m->provider.s, m->provider.n);
	tlv_put(&w, 0x92, m->name.s, m->name.n);
	if (m->icon.n)
		put_icon(&w, m->icon);
	/* Operational is the default, which DER leaves out. */
	if (m->profile_class != SDP_CLASS_OPERATIONAL)
		tlv_put_u32(&w, 0x95, (uint32_t)m->profile_class);
	if (m->notify_n)
		put_notify(&w, m);
	if (m->owner.n && put_owner(&w, m) < 0)
		return -EINVAL;
	if (m->pprs)
		sdp_put_bits(&w, 0x99, m->pprs);
	if (m->fallback)
		tlv_put_bool(&w, 0x9f67, true);
	tlv_close(&w, mark);
	if (tlv_done(&w, &n) < 0)
		return -EINVAL;
	sdp_blob_set(ret, octets_from(der, n));
	return 0;
}
