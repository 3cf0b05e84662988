#include "sim/smdp/add.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/smdp/command.h"

const char *const sdp_add_files[] = { "--upp", "--icon", NULL };

const char sdp_add_help[] =
	"add [OPTION]...\n"
	"      --upp FILE           the package: DER, or JSON with \"profileElements\"\n"
	"      --size N             without --upp one is made, of at least N octets\n"
	"      --iccid DIGITS       of the package that is made (drawn)\n"
	"      --imsi DIGITS        likewise (001010000000001)\n"
	"      --name TEXT          (Test Profile)\n"
	"      --provider TEXT      (Test Operator)\n"
	"      --class CLASS        test, provisioning or operational (operational)\n"
	"      --icon FILE          PNG or JPEG, at most 1024 octets\n"
	"      --ppr RULE           no-disable or no-delete; may be repeated\n"
	"      --owner MCCMNC[:GID1[:GID2]]   GIDs in hexadecimal\n"
	"      --notify EVENTS@HOST install+enable+disable+delete, or all (all at this server);\n"
	"                           may be repeated\n"
	"      --no-notify\n"
	"      --fallback           may be a fallback profile\n"
	"      --matching-id ID     (drawn); empty: whoever asks without one, or the EID's\n"
	"      --eid EID            only for this eUICC\n"
	"      --cc CODE            asks for this confirmation code\n"
	"      --max-tries N        wrong codes; 0 no limit (3)\n"
	"      --max-downloads N    0 no limit (10)\n"
	"      --expires S          from now\n"
	"      --memory N           octets the eUICC must say are free\n"
	"      --no-rebind          another one-time key of the eUICC is refused\n"
	"      --reusable           may be had again after it was installed\n"
	"      --no-ppk             protected with the session's keys (no ReplaceSessionKeys)\n"
	"      --segment N          octets of a segment, 40 to 1100 (1020)\n"
	"      --unreleased         not to be had yet\n"
	"Prints the ICCID and the activation code.\n";

enum {
	OPT_UPP = 1, OPT_SIZE, OPT_ICCID, OPT_IMSI, OPT_NAME, OPT_PROVIDER, OPT_CLASS, OPT_ICON, OPT_PPR,
	OPT_OWNER, OPT_NOTIFY, OPT_NO_NOTIFY, OPT_FALLBACK, OPT_MATCHING_ID, OPT_EID, OPT_CC,
	OPT_MAX_TRIES, OPT_MAX_DOWNLOADS, OPT_EXPIRES, OPT_MEMORY, OPT_NO_REBIND, OPT_REUSABLE,
	OPT_NO_PPK, OPT_SEGMENT, OPT_UNRELEASED, OPT_HELP,
};

static const struct option options[] = {
	{ "upp", required_argument, NULL, OPT_UPP },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "iccid", required_argument, NULL, OPT_ICCID },
	{ "imsi", required_argument, NULL, OPT_IMSI },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "provider", required_argument, NULL, OPT_PROVIDER },
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "icon", required_argument, NULL, OPT_ICON },
	{ "ppr", required_argument, NULL, OPT_PPR },
	{ "owner", required_argument, NULL, OPT_OWNER },
	{ "notify", required_argument, NULL, OPT_NOTIFY },
	{ "no-notify", no_argument, NULL, OPT_NO_NOTIFY },
	{ "fallback", no_argument, NULL, OPT_FALLBACK },
	{ "matching-id", required_argument, NULL, OPT_MATCHING_ID },
	{ "eid", required_argument, NULL, OPT_EID },
	{ "cc", required_argument, NULL, OPT_CC },
	{ "max-tries", required_argument, NULL, OPT_MAX_TRIES },
	{ "max-downloads", required_argument, NULL, OPT_MAX_DOWNLOADS },
	{ "expires", required_argument, NULL, OPT_EXPIRES },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "no-rebind", no_argument, NULL, OPT_NO_REBIND },
	{ "reusable", no_argument, NULL, OPT_REUSABLE },
	{ "no-ppk", no_argument, NULL, OPT_NO_PPK },
	{ "segment", required_argument, NULL, OPT_SEGMENT },
	{ "unreleased", no_argument, NULL, OPT_UNRELEASED },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 }
};

/* An order in the making: where values that are not the profile's own are kept. */
struct adding {
	struct sdp *s;
	struct sdp_profile *p;
	struct sdp_metadata m;
	const char *upp, *icon;
	uint32_t size;
	struct text iccid, imsi;
	bool no_notify;
	uint8_t icon_octets[1024], gid[2][16];
	char drawn[SDP_ICCID_DIGITS + 1], here[SDP_HOST_MAX + 8];
};

static int take_ppr(struct adding *a, struct text v)
{
	if (text_eq(v, "no-disable"))
		a->m.pprs |= 0x40;
	else if (text_eq(v, "no-delete"))
		a->m.pprs |= 0x20;
	else
		return -EINVAL;
	return 0;
}

static int take_owner(struct adding *a, struct text v)
{
	struct octets *gids[] = { &a->m.gid1, &a->m.gid2 };

	a->m.owner = text_cut(&v, ':');
	for (size_t i = 0; i < 2 && v.n; i++) {
		struct text gid = text_cut(&v, ':');
		size_t n;

		if (hex_decode(gid, a->gid[i], sizeof(a->gid[i]), &n) < 0)
			return -EINVAL;
		*gids[i] = octets_from(a->gid[i], n);
	}
	return 0;
}

static int take_notify(struct adding *a, struct text v)
{
	static const char *const names[] = { "install", "enable", "disable", "delete" };
	struct text events = text_cut(&v, '@');
	struct sdp_notify *n = &a->m.notify[a->m.notify_n];

	if (a->m.notify_n == SDP_NOTIFY_MAX || !v.n)
		return -EINVAL;
	n->address = v;
	n->events = 0;
	while (events.n) {
		struct text e = text_cut(&events, '+');
		size_t i = 0;

		if (text_eq(e, "all")) {
			n->events = 0xf0;
			continue;
		}
		while (i < ARRAY_SIZE(names) && !text_eq(e, names[i]))
			i++;
		if (i == ARRAY_SIZE(names))
			return -EINVAL;
		n->events |= (uint8_t)(0x80 >> i);
	}
	a->m.notify_n++;
	return 0;
}

static int take_class(struct adding *a, struct text v)
{
	for (size_t i = 0; i < _SDP_CLASS_MAX; i++) {
		if (text_eq(v, sdp_class_names[i])) {
			a->m.profile_class = (enum sdp_class)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_expires(struct adding *a, struct text v)
{
	uint32_t s;

	if (text_to_u32(v, 10, &s) < 0)
		return -EINVAL;
	a->p->expires = (uint64_t)sdp_now(a->s) + s;
	return 0;
}

static int take_option(struct adding *a, int option, struct text v)
{
	struct sdp_profile *p = a->p;

	switch (option) {
	case OPT_UPP: a->upp = v.s; return 0;
	case OPT_SIZE: return text_to_u32(v, 10, &a->size);
	case OPT_ICCID: a->iccid = v; return 0;
	case OPT_IMSI: a->imsi = v; return 0;
	case OPT_NAME: a->m.name = v; return 0;
	case OPT_PROVIDER: a->m.provider = v; return 0;
	case OPT_CLASS: return take_class(a, v);
	case OPT_ICON: a->icon = v.s; return 0;
	case OPT_PPR: return take_ppr(a, v);
	case OPT_OWNER: return take_owner(a, v);
	case OPT_NOTIFY: return take_notify(a, v);
	case OPT_NO_NOTIFY: a->no_notify = true; return 0;
	case OPT_FALLBACK: a->m.fallback = true; return 0;
	case OPT_MATCHING_ID: return text_copy(v, p->matching_id, sizeof(p->matching_id));
	case OPT_EID: return v.n == SDP_EID_DIGITS && text_all_digits(v) ?
			     text_copy(v, p->eid, sizeof(p->eid)) : -EINVAL;
	case OPT_CC: return text_copy(v, p->confirmation, sizeof(p->confirmation));
	case OPT_MAX_TRIES: return text_to_u32(v, 10, &p->max_tries);
	case OPT_MAX_DOWNLOADS: return text_to_u32(v, 10, &p->max_downloads);
	case OPT_EXPIRES: return take_expires(a, v);
	case OPT_MEMORY: return text_to_u32(v, 10, &p->memory);
	case OPT_NO_REBIND: p->rebind = false; return 0;
	case OPT_REUSABLE: p->reusable = true; return 0;
	case OPT_NO_PPK: p->ppk = false; return 0;
	case OPT_SEGMENT: return text_to_u32(v, 10, &p->segment);
	case OPT_UNRELEASED: p->state = SDP_STATE_AVAILABLE; return 0;
	}
	return -EINVAL;
}

static int read_options(struct adding *a, int argc, char **argv, FILE *out)
{
	int c, index;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (c == OPT_HELP) {
			fputs(sdp_add_help, out);
			return -ECANCELED;
		}
		if (c == '?') {
			fprintf(out, "%s: no such option, or without its value\n", argv[optind - 1]);
			return -EINVAL;
		}
		if (take_option(a, c, text_of(optarg)) < 0) {
			fprintf(out, "--%s: this is no value for it: %s\n", options[index].name, optarg);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(out, "%s: what is this?\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

/* 19 digits, the last one checks the others (ITU-T E.118, Luhn). */
static void draw_iccid(char ret[SDP_ICCID_DIGITS + 1])
{
	uint8_t noise[18];
	unsigned sum = 0;

	sdp_random(noise, sizeof(noise));
	for (size_t i = 0; i < 18; i++) {
		unsigned d = i < 4 ? (unsigned)("8988"[i] - '0') : noise[i] % 10u;
		unsigned twice = i & 1 ? 2 * d : d;

		/* The check digit is the 19th: every second one before it counts twice. */
		ret[i] = (char)('0' + d);
		sum += twice > 9 ? twice - 9 : twice;
	}
	ret[18] = (char)('0' + (10 - sum % 10) % 10);
	ret[19] = '\0';
}

static void draw_matching_id(struct sdp_profile *p)
{
	uint8_t noise[8];

	sdp_random(noise, sizeof(noise));
	hex_encode(noise, sizeof(noise), p->matching_id, sizeof(p->matching_id));
}

static int make_package(struct adding *a, FILE *out)
{
	struct sdp_profile *p = a->p;
	struct sdp_upp_recipe recipe = { .iccid = a->iccid, .imsi = a->imsi, .size = a->size };
	int r;

	if (!a->upp) {
		draw_iccid(a->drawn);
		if (!recipe.iccid.n)
			recipe.iccid = text_of(a->drawn);
		r = sdp_upp_make(&recipe, &p->upp);
		if (r < 0)
			fprintf(out, "the package cannot be made: ICCID of 18 to 20 digits, IMSI of 6 to 15, "
				"at most %u octets\n", SDP_UPP_MAX);
	} else {
		r = sdp_upp_load(a->upp, &p->upp);
		if (r < 0)
			fprintf(out, "%s: %s\n", a->upp,
				r == -EBADMSG ? "no profile package" : strerror(-r));
	}
	if (r == 0 && sdp_upp_iccid(sdp_blob_octets(&p->upp), p->iccid) < 0) {
		fprintf(out, "the package has no header with an ICCID\n");
		r = -EINVAL;
	}
	if (r == 0 && sdp_find_profile(a->s, p->iccid)) {
		fprintf(out, "there is a profile %s already\n", p->iccid);
		r = -EEXIST;
	}
	return r;
}

static int make_metadata(struct adding *a, FILE *out)
{
	struct sdp_profile *p = a->p;
	size_t n;
	int r;

	if (a->icon) {
		r = file_load(a->icon, a->icon_octets, sizeof(a->icon_octets), &n);
		if (r < 0 || n < 4) {
			fprintf(out, "%s: %s\n", a->icon, r < 0 ? strerror(-r) : "no icon");
			return -EINVAL;
		}
		a->m.icon = octets_from(a->icon_octets, n);
	}
	if (!a->m.notify_n && !a->no_notify) {
		snprintf(a->here, sizeof(a->here), a->s->port && a->s->port != 443 ? "%s:%u" : "%s",
			 a->s->hosts[0], a->s->port);
		a->m.notify[a->m.notify_n++] = (struct sdp_notify){ 0xf0, text_of(a->here) };
	}
	sdp_iccid_from(text_of(p->iccid), a->m.iccid);
	r = sdp_metadata_make(&a->m, &p->metadata);
	if (r < 0 || text_copy(a->m.name, p->name, sizeof(p->name)) < 0 ||
	    text_copy(a->m.provider, p->provider, sizeof(p->provider)) < 0) {
		fprintf(out, "the metadata cannot be made: provider of at most 32 octets, name 64, icon "
			"1024, owner of 5 or 6 digits\n");
		return -EINVAL;
	}
	return 0;
}

int sdp_add(struct sdp *s, int argc, char **argv, FILE *out)
{
	struct adding a = { .s = s, .p = sdp_profile_new(), .imsi = TEXT("001010000000001"),
			    .m = { .name = TEXT("Test Profile"), .provider = TEXT("Test Operator"),
				   .profile_class = SDP_CLASS_OPERATIONAL } };
	char *ac[] = { (char *)"ac", a.p->iccid, NULL };
	int r;

	draw_matching_id(a.p);
	r = read_options(&a, argc, argv, out);
	if (r == 0 && a.p->segment && (a.p->segment < SDP_SEGMENT_MIN ||
				       a.p->segment > SDP_SEGMENT_LIMIT)) {
		fprintf(out, "--segment: %u to %u\n", SDP_SEGMENT_MIN, SDP_SEGMENT_LIMIT);
		r = -EINVAL;
	}
	if (r < 0) {
		sdp_profile_free(a.p);
		return r == -ECANCELED ? SDP_EXIT_OK : SDP_EXIT_USAGE;
	}
	r = make_package(&a, out);
	if (r == 0)
		r = make_metadata(&a, out);
	if (r == 0 && s->dir[0]) {
		r = sdp_profile_save(s->dir, a.p, true);
		if (r < 0)
			fprintf(out, "%s\n", strerror(-r));
	}
	if (r < 0) {
		sdp_profile_free(a.p);
		return SDP_EXIT_FAILED;
	}
	list_add(&s->profiles, &a.p->node);
	fprintf(out, "%s\n", a.p->iccid);
	return sdp_command(s, 2, ac, out);
}
