/* The keys of sections [eim.NAME]: what the card does not say of an eIM, or says wrongly. */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "core/util.h"
#include "net/names.h"
#include "settings.h"

static const char *const transport_words[] = { "auto", "https", "coap", "https-coap", "coap-https", NULL };

#define AT(member)      CONF_AT(struct eim_options, member)
#define AT_TEXT(member) CONF_AT_TEXT(struct eim_options, member)

/* A number, or none: -1. */
static int read_format(const char *value, int *ret)
{
	uint32_t n;

	if (text_case_eq(text_of(value), "none")) {
		*ret = -1;
		return 0;
	}
	if (text_to_u32(text_of(value), 10, &n) < 0 || n > 65535)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static const char *wrong_format(const char *value, char words[CONF_WRONG_MAX])
{
	int format;

	(void)words;
	return read_format(value, &format) < 0 ? "expected none, or a number up to 65535" : NULL;
}

static const char *wrong_address(const char *value, char words[CONF_WRONG_MAX])
{
	struct net_place place;

	(void)words;
	return value[0] && net_place_parse(text_of(value), 443, &place) < 0 ?
	       "expected a name or an address, with or without :port" : NULL;
}

static const char *wrong_https_path(const char *value, char words[CONF_WRONG_MAX])
{
	(void)words;
	return value[0] == '/' ? NULL : "expected a path that begins with /";
}

/* Segments of a Uri-Path: at most eight, and none is empty. */
static const char *wrong_coap_path(const char *value, char words[CONF_WRONG_MAX])
{
	static const char expected[] = "expected one to eight segments, split by /";
	struct text rest = text_of(value);
	unsigned n = 0;

	(void)words;
	while (text_starts(rest, "/"))
		rest = text_skip(rest, 1);
	while (rest.n) {
		if (text_cut(&rest, '/').n == 0 || ++n > 8)
			return expected;
	}
	return n > 0 ? NULL : expected;
}

static const struct conf_key keys[] = {
	{ NULL, "id", CONF_TEXT, AT_TEXT(id), .preset = "",
	  .help = "The eIM that is meant, by its id or its address (cellmuxctl eims). Empty: all that have no\n"
		  "section of their own." },
	{ NULL, "address", CONF_TEXT, AT_TEXT(address), .preset = "", .wrong = wrong_address,
	  .help = "Name or address, instead of the one on the card." },
	{ NULL, "transport", CONF_CHOICE, AT(transport), .preset = "auto", .words = transport_words,
	  .help = "https, coap, or one after the other where the first does not work. auto: what the eIM's\n"
		  "configuration on the card offers, HTTPS first." },
	{ NULL, "return_after", CONF_NUMBER, AT(return_s), .preset = "3600", .min = 0, .max = 31536000,
	  .help = "Seconds after which the first of two transports is tried again. 0: at every visit." },
	{ NULL, "https_port", CONF_NUMBER, AT(https_port), .preset = "0", .min = 0, .max = 65535,
	  .help = "0: that of the address, or 443." },
	{ NULL, "https_path", CONF_TEXT, AT_TEXT(https_path), .preset = "/gsma/rsp2/asn1",
	  .wrong = wrong_https_path,
	  .help = "Path of its ASN.1 binding." },
	{ NULL, "coap_port", CONF_NUMBER, AT(coap_port), .preset = "0", .min = 0, .max = 65535,
	  .help = "0: that of the address, or 5684." },
	{ NULL, "coap_path", CONF_TEXT, AT_TEXT(coap_path), .preset = "gsma/rsp2/asn1",
	  .wrong = wrong_coap_path,
	  .help = "Uri-Path, its segments split by slashes." },
	{ NULL, "content_format", CONF_TEXT, AT_TEXT(content_format), .preset = "none",
	  .wrong = wrong_format,
	  .help = "Content-Format of requests over CoAP, a number. none: it is not said, since it follows from\n"
		  "the path. 42 (octets) is what some want." },
	{ NULL, "uri_host", CONF_BOOL, AT(uri_host), .preset = "no",
	  .help = "Say Uri-Host, too, for servers with several names." },
	{ NULL, "blocks", CONF_BOOL, AT(blocks), .preset = "yes",
	  .help = "Send large messages in blocks (Block1). no: the eIM does not know them; whatever does not\n"
		  "fit into a datagram then cannot be sent. One that refuses them is found out by itself." },
	{ NULL, "block", CONF_NUMBER, AT(block), .preset = "1024", .min = 16, .max = 1024,
	  .help = "Octets in such a block: 16, 32 and so on up to 1024; others are rounded down." },
	{ NULL, "datagram", CONF_NUMBER, AT(datagram), .preset = "1152", .min = 64, .max = 1472,
	  .help = "Octets of the largest CoAP message that is sent whole. What is longer than the way takes\n"
		  "is cut on it, or lost." },
	{ NULL, "keep", CONF_NUMBER, AT(keep_s), .preset = "600", .min = 0, .max = 604800,
	  .help = "Seconds for which an association without use is kept: the next visit is cheaper by a\n"
		  "handshake. 0: it is closed after each visit." },
	{ NULL, "silence", CONF_NUMBER, AT(silence_s), .preset = "20", .min = 2, .max = 600,
	  .help = "Seconds after which a kept association over which nothing comes any more is replaced by a\n"
		  "new one, and the request sent again." },
	{ NULL, "idle_limit", CONF_NUMBER, AT(idle_limit_s), .preset = "16", .min = 0, .max = 86400,
	  .help = "Seconds after which the eIM gives up an association over which it hears nothing: while it\n"
		  "works on something, it is pinged a little earlier. 0: it does not." },
	{ NULL, "ack_timeout", CONF_NUMBER, AT(ack_timeout_ms), .preset = "2000", .min = 1000, .max = 60000,
	  .help = "Milliseconds after which a message that nobody acknowledges is sent again; doubled each\n"
		  "time (ACK_TIMEOUT of RFC 7252). A slow bearer, NB-IoT for example, may want more." },
	{ NULL, "retransmits", CONF_NUMBER, AT(retransmits), .preset = "4", .min = 1, .max = 10,
	  .help = "How often that is (MAX_RETRANSMIT)." },
};

const struct conf_group eim_group = {
	.prefix = "eim", .example = "example", .keys = keys, .n = ARRAY_SIZE(keys),
	.offset = offsetof(struct settings, eims), .size = sizeof(struct eim_options),
	.max = EIM_OPTIONS_MAX, .count_offset = offsetof(struct settings, n_eims),
	.name_offset = offsetof(struct eim_options, name),
	.name_size = sizeof(((struct eim_options *)0)->name),
	.help = "How to reach eIMs, where what is on the card is not enough: one section each, at most 8,\n"
		"named as you like. See REACHING AN eIM in cellmux.conf(5).",
};

int eim_content_format(const struct eim_options *o)
{
	int format = -1;

	read_format(o->content_format, &format);
	return format;
}

int eim_settings_check(const struct settings *s, char why[CONF_WHY_MAX])
{
	for (size_t i = 0; i < s->n_eims; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(s->eims[i].id, s->eims[k].id)) {
				snprintf(why, CONF_WHY_MAX, "[eim.%s] id: [eim.%s] is for the same",
					 s->eims[i].name, s->eims[k].name);
				return -EINVAL;
			}
		}
	}
	return 0;
}

bool eim_options_are_for(const struct eim_options *o, const char *id, const char *fqdn)
{
	return !strcmp(o->id, id) || (*fqdn && text_case_eq(text_of(o->id), fqdn));
}

void eim_options_find(const struct settings *s, const char *id, const char *fqdn, struct eim_options *ret)
{
	const struct eim_options *any = NULL;
	struct conf presets = { .keys = keys, .n = ARRAY_SIZE(keys), .settings = ret };

	for (size_t i = 0; i < s->n_eims; i++) {
		const struct eim_options *o = &s->eims[i];

		if (!o->id[0]) {
			any = o;
		} else if (eim_options_are_for(o, id, fqdn)) {
			*ret = *o;
			return;
		}
	}
	if (any) {
		*ret = *any;
		return;
	}
	memset(ret, 0, sizeof(*ret));
	conf_reset(&presets);
}
