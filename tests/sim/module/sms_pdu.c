#include "sim/module/sms_pdu.h"

#include <stdio.h>
#include <string.h>

#include "core/hex.h"

#define SMSC "07911326040000F0"
#define STAMP_PDU "62102030405040"

static size_t put_hex(char *dst, size_t at, unsigned octet)
{
	snprintf(dst + at, 3, "%02X", octet & 255);
	return at + 2;
}

/* 23.038 6.1.2.1: septets packed into octets, as far as ASCII and the GSM alphabet agree. */
static size_t put_septets(char *dst, size_t at, struct text body)
{
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < body.n; i++) {
		bits |= (unsigned)(body.s[i] & 0x7f) << have;
		have += 7;
		if (have >= 8) {
			at = put_hex(dst, at, bits);
			bits >>= 8;
			have -= 8;
		}
	}
	return have ? put_hex(dst, at, bits) : at;
}

static size_t put_number(char *dst, size_t at, struct text number)
{
	bool plus = text_starts(number, "+");

	if (plus)
		number = text_skip(number, 1);
	at = put_hex(dst, at, (unsigned)number.n);
	at = put_hex(dst, at, plus ? 0x91 : 0x81);
	for (size_t i = 0; i < number.n; i += 2) {
		dst[at++] = i + 1 < number.n ? number.s[i + 1] : 'F';
		dst[at++] = number.s[i];
	}
	dst[at] = '\0';
	return at;
}

/* SMS-DELIVER, 23.040 9.2.2.1. */
void sms_make_deliver(struct message *x)
{
	struct text body = text_of(x->text);
	size_t n = strlen(SMSC);

	memcpy(x->pdu, SMSC, n);
	n = put_hex(x->pdu, n, 0x04);
	n = put_number(x->pdu, n, text_of(x->number));
	n = put_hex(x->pdu, n, 0);
	n = put_hex(x->pdu, n, 0);
	memcpy(x->pdu + n, STAMP_PDU, strlen(STAMP_PDU));
	n += strlen(STAMP_PDU);
	n = put_hex(x->pdu, n, (unsigned)body.n);
	n = put_septets(x->pdu, n, body);
	x->pdu[n] = '\0';
}

size_t sms_tpdu_octets(const char *pdu)
{
	unsigned smsc = 0;

	sscanf(pdu, "%2x", &smsc);
	return strlen(pdu) / 2 > smsc ? strlen(pdu) / 2 - smsc - 1 : 0;
}


/* --- reading -------------------------------------------------------------------------------------- */

struct octet_reader {
	uint8_t raw[SMS_PDU_MAX / 2];
	size_t n, at;
};

/* Zeroes behind the end: what is cut off is noticed by what it then says. */
static unsigned next(struct octet_reader *r)
{
	return r->at < r->n ? r->raw[r->at++] : 0;
}

static bool read_number(struct octet_reader *r, char *dst, size_t cap)
{
	unsigned digits = next(r), type = next(r);
	size_t at = 0;

	if (digits == 0 || digits + 2 > cap || r->at + (digits + 1) / 2 > r->n)
		return false;
	if (type == 0x91)
		dst[at++] = '+';
	for (unsigned i = 0; i < digits; i += 2) {
		unsigned pair = next(r);

		dst[at++] = (char)('0' + (pair & 15));
		if (i + 1 < digits)
			dst[at++] = (char)('0' + (pair >> 4));
	}
	dst[at] = '\0';
	return true;
}

static bool read_septets(struct octet_reader *r, unsigned count, char *dst, size_t cap)
{
	if (count >= cap || r->at + (count * 7 + 7) / 8 > r->n)
		return false;
	for (unsigned i = 0; i < count; i++) {
		size_t bit = (size_t)i * 7, at = r->at + bit / 8;
		unsigned two = r->raw[at] | (at + 1 < r->n ? r->raw[at + 1] << 8 : 0);

		dst[i] = (char)(two >> bit % 8 & 0x7f);
	}
	dst[count] = '\0';
	return true;
}

/* SMS-SUBMIT, 23.040 9.2.2.2: plain text without a header. */
bool sms_read_submit(struct message *x)
{
	static const unsigned validity[] = { 0, 7, 1, 7 };
	struct octet_reader r = { 0 };
	unsigned first;

	if (hex_decode(text_of(x->pdu), r.raw, sizeof(r.raw), &r.n) < 0)
		return false;
	r.at = next(&r) + 1u;
	first = next(&r);
	if ((first & 0x43) != 0x01)
		return false;
	next(&r);                       /* reference */
	if (!read_number(&r, x->number, sizeof(x->number)))
		return false;
	next(&r);                       /* protocol */
	if (next(&r) != 0)              /* data coding: the GSM alphabet */
		return false;
	r.at += validity[first >> 3 & 3];
	return read_septets(&r, next(&r), x->text, sizeof(x->text));
}
