#include "sim/euicc/files.h"

#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"

struct ve_file {
	uint16_t df, id;
	uint8_t sfi;            /* 0: none */
	uint8_t record;         /* length; 0: transparent */
	bool pin;               /* reading needs PIN1 where it is enabled */
	/* Writes the content (at most VE_FILE_MAX); 0: this profile has no such file. */
	size_t (*make)(struct ve *e, const struct ve_profile *p, uint8_t *dst);
};

#define DIR_RECORD 38
#define ARR_RECORD 32
#define ARR_RECORDS 6
#define SMS_RECORD 176

/* What a card without an enabled profile shows, seen on cards of two makers. */
static const uint8_t no_profile_iccid[VE_ICCID_LEN] = {
	0x98, 0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x85,
};

static const uint8_t default_usim[] = {
	0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0xff,
	0xff, 0xff, 0xff, 0x89, 0x07, 0x09, 0x00, 0x00,
};

static size_t put(uint8_t *dst, const void *src, size_t n)
{
	if (n > VE_FILE_MAX)
		return 0;
	if (n)
		memcpy(dst, src, n);
	return n;
}

static size_t put_field(uint8_t *dst, const struct ve_profile *p, enum ve_field f)
{
	return p ? put(dst, p->field[f].p, p->field[f].n) : 0;
}

struct octets ve_usim_aid(struct ve *e)
{
	const struct ve_profile *p = ve_profile_enabled(&e->state);

	if (!p)
		return octets_from(NULL, 0);
	if (p->field[VE_USIM_AID].n)
		return blob_octets(&p->field[VE_USIM_AID]);
	return octets_from(default_usim, sizeof(default_usim));
}

static size_t make_iccid(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	(void)e;
	return p ? put_field(dst, p, VE_ICCID)
		 : put(dst, no_profile_iccid, sizeof(no_profile_iccid));
}

static size_t make_dir(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	struct tlv_out w = { dst, DIR_RECORD };
	struct octets aid = ve_usim_aid(e);
	struct tlv_mark m;

	(void)p;
	memset(dst, 0xff, DIR_RECORD);
	if (!aid.n)
		return DIR_RECORD;
	m = tlv_begin(&w, 0x61);
	tlv_put_octets(&w, 0x4f, aid);
	tlv_put_text(&w, 0x50, "USIM");
	tlv_close(&w, m);
	return DIR_RECORD;
}

/* Access rules: reading for everybody, with PIN1 in record 2. Directories name the last one. */
static size_t make_arr(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	static const uint8_t always[] = { 0x80, 0x01, 0x01, 0x90, 0x00 };
	static const uint8_t pin[] = {
		0x80, 0x01, 0x01, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
	};

	(void)e;
	(void)p;
	memset(dst, 0xff, ARR_RECORDS * ARR_RECORD);
	for (unsigned i = 0; i < ARR_RECORDS; i++)
		memcpy(dst + i * ARR_RECORD, always, sizeof(always));
	memcpy(dst + ARR_RECORD, pin, sizeof(pin));
	return ARR_RECORDS * ARR_RECORD;
}

static size_t make_languages(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	(void)e;
	(void)p;
	return put(dst, "en\xff\xff", 4);
}

static size_t make_imsi(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	(void)e;
	return put_field(dst, p, VE_IMSI);
}

/* Normal operation; the last octet is the number of digits of the MNC. */
static size_t make_ad(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	static const uint8_t two_digits[] = { 0x00, 0x00, 0x00, 0x02 };
	size_t n = put_field(dst, p, VE_AD);

	(void)e;
	return n ? n : put(dst, two_digits, sizeof(two_digits));
}

/* TS 31.102 4.2.12: what is displayed, and the name; unused octets are FF. */
static size_t make_spn(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	size_t n = put_field(dst, p, VE_SPN);

	(void)e;
	if (n || !p)
		return n;
	memset(dst, 0xff, 17);
	dst[0] = 0x00;
	memcpy(dst + 1, p->field[VE_PROVIDER].p, MIN(p->field[VE_PROVIDER].n, 16u));
	return 17;
}

static size_t make_ust(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	static const uint8_t table[] = {
		0x0a, 0x0e, 0x14, 0x8c, 0x23, 0x00, 0x00, 0x08, 0x00, 0x00, 0x40, 0x00, 0x00,
	};

	(void)e;
	(void)p;
	return put(dst, table, sizeof(table));
}

/* Ten free records, TS 31.102 4.2.25. */
static size_t make_sms(struct ve *e, const struct ve_profile *p, uint8_t *dst)
{
	(void)p;
	if (e->who->no_sms_storage)
		return 0;
	memset(dst, 0xff, 10 * SMS_RECORD);
	for (size_t i = 0; i < 10; i++)
		dst[i * SMS_RECORD] = 0x00;
	return 10 * SMS_RECORD;
}

static const struct ve_file files[] = {
	{ VE_MF, 0x2f00, 0x1e, DIR_RECORD, false, make_dir },
	{ VE_MF, 0x2f05, 0x05, 0, false, make_languages },
	{ VE_MF, 0x2f06, 0x06, ARR_RECORD, false, make_arr },
	{ VE_MF, 0x2fe2, 0x02, 0, false, make_iccid },
	{ VE_ADF, 0x6f05, 0x02, 0, false, make_languages },
	{ VE_ADF, 0x6f06, 0x17, ARR_RECORD, false, make_arr },
	{ VE_ADF, 0x6f07, 0x07, 0, true, make_imsi },
	{ VE_ADF, 0x6f38, 0x04, 0, true, make_ust },
	{ VE_ADF, 0x6f3c, 0, SMS_RECORD, true, make_sms },
	{ VE_ADF, 0x6f46, 0, 0, false, make_spn },
	{ VE_ADF, 0x6fad, 0x03, 0, false, make_ad },
};

size_t ve_file_read(struct ve *e, const struct ve_file *f, uint8_t dst[VE_FILE_MAX])
{
	return f->make(e, ve_profile_enabled(&e->state), dst);
}

static bool exists(struct ve *e, const struct ve_file *f)
{
	uint8_t content[VE_FILE_MAX];

	return ve_file_read(e, f, content) > 0;
}

const struct ve_file *ve_file_find(struct ve *e, uint16_t df, uint16_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i].df == df && files[i].id == id && exists(e, &files[i]))
			return &files[i];
	return NULL;
}

const struct ve_file *ve_file_by_sfi(struct ve *e, uint16_t df, uint8_t sfi)
{
	for (size_t i = 0; sfi && i < ARRAY_SIZE(files); i++)
		if (files[i].df == df && files[i].sfi == sfi && exists(e, &files[i]))
			return &files[i];
	return NULL;
}

size_t ve_file_record(const struct ve_file *f)
{
	return f->record;
}

bool ve_file_needs_pin(const struct ve_file *f)
{
	return f->pin;
}

static void put_u16(struct tlv_out *w, uint32_t tag, size_t v)
{
	uint8_t raw[2] = { v >> 8, v };

	tlv_put(w, tag, raw, 2);
}

static void put_u8(struct tlv_out *w, uint32_t tag, uint8_t v)
{
	tlv_put(w, tag, &v, 1);
}

/* Life cycle: operational, activated; and the rule in EF.ARR that holds. */
static void put_security(struct tlv_out *w, uint16_t df, uint8_t record)
{
	const uint8_t rule[] = { df == VE_MF ? 0x2f : 0x6f, 0x06, record };

	put_u8(w, 0x8a, 0x05);
	tlv_put(w, 0x8b, rule, sizeof(rule));
}

void ve_file_fcp(struct ve *e, const struct ve_file *f, struct tlv_out *w)
{
	uint8_t content[VE_FILE_MAX];
	size_t n = ve_file_read(e, f, content);
	const uint8_t transparent[] = { 0x41, 0x21 };
	struct tlv_mark m = tlv_begin(w, 0x62);

	if (f->record) {
		const uint8_t linear[] = { 0x42, 0x21, 0x00, f->record, n / f->record };

		tlv_put(w, 0x82, linear, sizeof(linear));
	} else {
		tlv_put(w, 0x82, transparent, sizeof(transparent));
	}
	put_u16(w, 0x83, f->id);
	put_security(w, f->df, f->pin ? 2 : 1);
	put_u16(w, 0x80, n);
	if (f->sfi)
		put_u8(w, 0x88, f->sfi << 3);
	tlv_close(w, m);
}

/* UICC characteristics (clock may not stop), free memory, commands: TS 102 221 11.1.1.4.6. */
static void put_proprietary(struct ve *e, struct tlv_out *w)
{
	uint32_t free = ve_memory_free(&e->state);
	const uint8_t raw[] = { free >> 24, free >> 16, free >> 8, free };
	struct tlv_mark m = tlv_begin(w, 0xa5);

	put_u8(w, 0x80, 0x71);
	tlv_put(w, 0x83, raw, sizeof(raw));
	put_u8(w, 0x87, 0x01);
	tlv_close(w, m);
}

/* PIN1 and, always enabled, an administrative key: TS 102 221 9.5.1. */
static void put_pins(struct ve *e, struct tlv_out *w)
{
	const struct ve_profile *p = ve_profile_enabled(&e->state);
	struct tlv_mark m = tlv_begin(w, 0xc6);

	put_u8(w, 0x90, p && p->pin_enabled ? 0xc0 : 0x40);
	put_u8(w, 0x83, 0x01);
	put_u8(w, 0x83, 0x0a);
	tlv_close(w, m);
}

void ve_directory_fcp(struct ve *e, uint16_t df, struct tlv_out *w)
{
	static const uint8_t directory[] = { 0x78, 0x21 };
	struct tlv_mark m = tlv_begin(w, 0x62);

	tlv_put(w, 0x82, directory, sizeof(directory));
	if (df == VE_ADF)
		tlv_put_octets(w, 0x84, ve_usim_aid(e));
	else
		put_u16(w, 0x83, df);
	put_proprietary(e, w);
	put_security(w, df, ARR_RECORDS);
	put_pins(e, w);
	tlv_close(w, m);
}
