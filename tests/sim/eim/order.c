#include "sim/eim/order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/config.h"
#include "sim/eim/order_words.h"

const char se_order_help[] =
	"Profile operations (PSMO), several with + between them:\n"
	"  enable ICCID [--rollback]        disable ICCID          delete ICCID\n"
	"  list-profiles [--iccid ICCID | --aid HEX | --class N] [--tags HEX]\n"
	"  get-rat                          set-fallback ICCID     unset-fallback\n"
	"  immediate-enable [--on] [--oid 1.2.3] [--address HOST]\n"
	"  set-default-dp [HOST]\n"
	"eIM operations (eCO), several with + between them:\n"
	"  add-eim --id ID [--fqdn HOST] [--id-type 1|2|3] [--counter N] [--token]\n"
	"          [--key FILE] [--tls FILE] [--protocols BITS] [--ci HEX] [--indirect]\n"
	"  add-eim --config FILE            (as sim-eim config --as fields --output FILE writes "
	"it)\n"
	"  update-eim --id ID [the same]    delete-eim ID          list-eim\n"
	"Others, one to a package:\n"
	"  data-request [all | TAG…] [--ci HEX] [--seq N | --events HEX] [--result-seq N]\n"
	"          TAG: notifications default-smdp results info1 info2 root-smds token\n"
	"               eum-cert euicc-cert capabilities device, or hexadecimal\n"
	"  download LPA:1$ADDRESS$MATCHING-ID[$OID[$1]] | --default-smdp | --smds [HOST] | --none\n"
	"          [--hold] [--confirmation-code CODE] [--direct | --indirect]\n"
	"          --hold: the trigger is empty and the eIM keeps the rest, for IPAs that declare\n"
	"          eimDownloadDataHandling; --confirmation-code: kept here, the IPA gets its hash;\n"
	"          --direct, --indirect: it is remarked if the IPA goes the other way\n"
	"Anything else inside an eUICC package:\n"
	"  raw HEX                          (one TLV, as a profile operation)\n"
	"  raw-eco HEX\n"
	"Files are certificates or public keys, PEM or DER.\n";

static int put_iccid(struct se_order_words *o)
{
	const char *digits = se_order_next(o, "an ICCID");
	uint8_t bcd[SE_ICCID_LEN];

	if (!digits)
		return -EINVAL;
	if (se_iccid_from(digits, bcd) < 0)
		return se_order_fail(o, "%s: expected an ICCID of 18 to 20 digits", digits);
	tlv_put(o->w, 0x5A, bcd, sizeof(bcd));
	return 0;
}

static int put_hex(struct se_order_words *o, uint32_t tag)
{
	const char *digits = se_order_next(o, "hexadecimal digits");
	uint8_t v[4096];
	size_t n;

	if (!digits)
		return -EINVAL;
	if (hex_decode(text_of(digits), v, sizeof(v), &n) < 0)
		return se_order_fail(o, "%.40s: expected hexadecimal digits", digits);
	if (tag)
		tlv_put(o->w, tag, v, n);
	else
		tlv_put_raw(o->w, v, n);
	return 0;
}

/* --- profile operations ----------------------------------------------------------------------- */

static int put_by_iccid(struct se_order_words *o, uint32_t tag)
{
	struct tlv_mark m = tlv_begin(o->w, tag);
	int r = put_iccid(o);

	tlv_close(o->w, m);
	return r;
}

static int op_enable(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xA3);
	int r = put_iccid(o);

	if (r == 0 && se_order_next_is(o, "--rollback"))
		tlv_put(o->w, 0x05, NULL, 0);
	tlv_close(o->w, m);
	return r;
}

static int op_disable(struct se_order_words *o)
{
	return put_by_iccid(o, 0xA4);
}

static int op_delete(struct se_order_words *o)
{
	return put_by_iccid(o, 0xA5);
}

static int op_set_fallback(struct se_order_words *o)
{
	return put_by_iccid(o, 0xA8);
}

static int op_unset_fallback(struct se_order_words *o)
{
	tlv_put(o->w, 0xA9, NULL, 0);
	return 0;
}

static int op_get_rat(struct se_order_words *o)
{
	tlv_put(o->w, 0xA6, NULL, 0);
	return 0;
}

static bool next_is_search(const struct se_order_words *o)
{
	return o->argc && (!strcmp(o->argv[0], "--iccid") || !strcmp(o->argv[0], "--aid") ||
			   !strcmp(o->argv[0], "--class"));
}

static int put_search(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xA0);
	uint32_t class;
	int r;

	if (se_order_next_is(o, "--iccid")) {
		r = put_iccid(o);
	} else if (se_order_next_is(o, "--aid")) {
		r = put_hex(o, 0x4F);
	} else {
		se_order_next(o, "--class");
		r = se_order_take_number(o, &class);
		if (r == 0)
			tlv_put_u32(o->w, 0x95, class);
	}
	tlv_close(o->w, m);
	return r;
}

static int op_list_profiles(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xBF2D);
	int r = next_is_search(o) ? put_search(o) : 0;

	if (r == 0 && se_order_next_is(o, "--tags"))
		r = put_hex(o, 0x5C);
	tlv_close(o->w, m);
	return r;
}

static int op_immediate_enable(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xA7);
	const char *oid = NULL, *address = NULL;
	bool on = false;
	uint8_t v[64];
	size_t n;
	int r = 0;

	for (;;) {
		if (se_order_next_is(o, "--on"))
			on = true;
		else if (se_order_next_is(o, "--oid"))
			oid = se_order_next(o, "an OID");
		else if (se_order_next_is(o, "--address"))
			address = se_order_next(o, "a host name");
		else
			break;
	}
	if (on)
		tlv_put(o->w, 0x80, NULL, 0);
	if (oid) {
		r = se_oid_from(oid, v, sizeof(v), &n);
		if (r < 0)
			return se_order_fail(o, "%s: expected an OID", oid);
		tlv_put(o->w, 0x81, v, n);
	}
	if (address)
		tlv_put_text(o->w, 0x82, address);
	tlv_close(o->w, m);
	return 0;
}

static int op_set_default_dp(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xBF65);

	tlv_put_text(o->w, 0x80, o->argc ? se_order_next(o, "a host name") : "");
	tlv_close(o->w, m);
	return 0;
}

static int op_raw(struct se_order_words *o)
{
	return put_hex(o, 0);
}

/* --- eIM operations --------------------------------------------------------------------------- */

static int load_file(struct se_order_words *o, const char *name, uint8_t *dst, size_t cap, size_t *ret_n)
{
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : o->dir,
		     name[0] == '/' ? "" : "/", name) >= (int)sizeof(path))
		return se_order_fail(o, "%.64s: the name is too long", name);
	r = file_load(path, dst, cap, ret_n);
	return r < 0 ? se_order_fail(o, "%.160s: %s", path, strerror(-r)) : 0;
}

/* A certificate, or what an anchor may be: only a key. */
static int load_key(struct se_order_words *o, const char *name, uint8_t *dst, size_t cap,
		    struct octets *ret_key, struct octets *ret_cert)
{
	struct se_anchors anchors = { .n = 0 };
	char path[PATH_MAX];
	X509 *cert = NULL;
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : o->dir,
		 name[0] == '/' ? "" : "/", name);
	if (se_cert_load(path, &cert) == 0) {
		r = se_cert_der(cert, dst, cap, &n);
		if (r == 0)
			*ret_cert = octets_from(dst, n);
		X509_free(cert);
		return r;
	}
	r = se_anchor_load(&anchors, path);
	if (r == 0)
		r = se_key_spki(anchors.list[0].key, dst, cap, &n);
	if (r == 0)
		*ret_key = octets_from(dst, n);
	se_anchors_done(&anchors);
	return r < 0 ? se_order_fail(o, "%.160s: neither a certificate nor a public key", path) : 0;
}

static int take_protocols(struct se_order_words *o, struct se_config *c)
{
	uint32_t bits;
	int r = se_order_take_number(o, &bits);

	if (r < 0)
		return r;
	if (bits > 31)
		return se_order_fail(o,
			    "--protocols: expected the sum of 16 retrieve HTTPS, 8 retrieve CoAPS, "
			    "4 inject HTTPS, 2 inject CoAPS, 1 proprietary");
	c->has_protocols = true;
	c->protocols = (uint8_t)(bits << 3);
	return 0;
}

static int put_config(struct se_order_words *o, uint32_t tag)
{
	struct se_config c = { 0 };
	struct tlv_mark m = tlv_begin(o->w, tag);
	uint8_t key[SE_CERT_MAX], tls[SE_CERT_MAX], ci[SE_KEY_ID_LEN];
	const char *s;
	uint32_t v;
	size_t n;
	int r = 0;

	while (r == 0 && o->argc) {
		if (se_order_next_is(o, "--id")) {
			c.id = se_order_next(o, "an eimId");
		} else if (se_order_next_is(o, "--fqdn")) {
			c.fqdn = se_order_next(o, "a host name");
		} else if (se_order_next_is(o, "--id-type")) {
			r = se_order_take_number(o, &v);
			c.id_type = r == 0 ? v : 0;
		} else if (se_order_next_is(o, "--counter")) {
			r = se_order_take_number(o, &c.counter);
			c.has_counter = true;
		} else if (se_order_next_is(o, "--token")) {
			c.token = true;
		} else if (se_order_next_is(o, "--key")) {
			s = se_order_next(o, "a file");
			r = s ? load_key(o, s, key, sizeof(key), &c.key, &c.cert) : -EINVAL;
		} else if (se_order_next_is(o, "--tls")) {
			s = se_order_next(o, "a file");
			r = s ? load_key(o, s, tls, sizeof(tls), &c.tls_key, &c.tls_cert) : -EINVAL;
		} else if (se_order_next_is(o, "--protocols")) {
			r = take_protocols(o, &c);
		} else if (se_order_next_is(o, "--ci")) {
			s = se_order_next(o, "a key identifier");
			if (!s || hex_decode(text_of(s), ci, sizeof(ci), &n) < 0)
				return se_order_fail(o, "--ci: expected up to 20 octets in hexadecimal");
			c.ci = octets_from(ci, n);
		} else if (se_order_next_is(o, "--indirect")) {
			c.indirect = true;
		} else if (se_order_next_is(o, "--config")) {
			s = se_order_next(o, "a file");
			r = s ? load_file(o, s, key, sizeof(key), &n) : -EINVAL;
			if (r == 0)
				tlv_put_raw(o->w, key, n);
			tlv_close(o->w, m);
			return r;
		} else {
			return se_order_end(o);
		}
	}
	if (r == 0 && !c.id)
		return se_order_fail(o, "an eIM operation: expected --id ID");
	if (r == 0)
		se_config_put(o->w, &c);
	tlv_close(o->w, m);
	return r;
}

static int op_add_eim(struct se_order_words *o)
{
	return put_config(o, 0xA8);
}

static int op_update_eim(struct se_order_words *o)
{
	return put_config(o, 0xAA);
}

static int op_delete_eim(struct se_order_words *o)
{
	struct tlv_mark m = tlv_begin(o->w, 0xA9);
	const char *id = se_order_next(o, "an eimId");

	if (!id)
		return -EINVAL;
	tlv_put_text(o->w, 0x80, id);
	tlv_close(o->w, m);
	return 0;
}

static int op_list_eim(struct se_order_words *o)
{
	tlv_put(o->w, 0xAB, NULL, 0);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

struct operation {
	const char *name;
	int (*put)(struct se_order_words *o);
	enum se_kind kind;
	bool switches;
};

static const struct operation operations[] = {
	{ "enable", op_enable, SE_KIND_PSMO, true },
	{ "disable", op_disable, SE_KIND_PSMO, true },
	{ "delete", op_delete, SE_KIND_PSMO },
	{ "list-profiles", op_list_profiles, SE_KIND_PSMO },
	{ "get-rat", op_get_rat, SE_KIND_PSMO },
	{ "immediate-enable", op_immediate_enable, SE_KIND_PSMO },
	{ "set-fallback", op_set_fallback, SE_KIND_PSMO },
	{ "unset-fallback", op_unset_fallback, SE_KIND_PSMO },
	{ "set-default-dp", op_set_default_dp, SE_KIND_PSMO },
	{ "raw", op_raw, SE_KIND_PSMO },
	{ "add-eim", op_add_eim, SE_KIND_ECO },
	{ "update-eim", op_update_eim, SE_KIND_ECO },
	{ "delete-eim", op_delete_eim, SE_KIND_ECO },
	{ "list-eim", op_list_eim, SE_KIND_ECO },
	{ "raw-eco", op_raw, SE_KIND_ECO },
};

static const struct operation *find_operation(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	}
	return NULL;
}

/* How many words belong to the operation at the front. */
static int words_of(int argc, char *const *argv)
{
	int n = 0;

	while (n < argc && strcmp(argv[n], "+") != 0)
		n++;
	return n;
}

static int parse_list(struct se_order_words *o, int argc, char *const *argv, struct se_order *ret)
{
	const struct operation *op = find_operation(argv[0]);
	struct tlv_mark m;
	int r = 0;

	if (!op)
		return se_order_fail(o, "%.64s: no such operation", argv[0]);
	ret->kind = op->kind;
	m = tlv_begin(o->w, op->kind == SE_KIND_PSMO ? 0xA0 : 0xA1);
	while (r == 0 && argc) {
		int n = words_of(argc, argv);

		op = n ? find_operation(argv[0]) : NULL;
		if (!op)
			return se_order_fail(o, "%.64s: no such operation", n ? argv[0] : "+");
		if (op->kind != ret->kind)
			return se_order_fail(o, "%s: profile and eIM operations do not go into one package",
				    op->name);
		o->argv = argv + 1;
		o->argc = n - 1;
		r = op->put(o);
		if (r == 0)
			r = se_order_end(o);
		ret->switches |= op->switches;
		if (n < argc && ++n == argc)
			return se_order_fail(o, "+: expected an operation behind it");
		argv += n;
		argc -= n;
	}
	tlv_close(o->w, m);
	return r;
}

int se_order_parse(int argc, char *const *argv, const char *dir, enum se_version version,
		   struct se_order *ret, char why[SE_WHY_MAX])
{
	struct tlv_out w = { .buf = ret->body, .cap = sizeof(ret->body) };
	struct se_order_words o = { .argc = argc - 1, .argv = argv + 1, .dir = dir, .why = why, .w = &w };
	size_t n = 0;
	int r;

	why[0] = '\0';
	ret->switches = false;
	ret->wanted = SE_WAY_OPEN;
	ret->code[0] = ret->smds[0] = ret->confirmation[0] = '\0';
	if (argc < 1)
		return se_order_fail(&o, "expected an operation");
	for (int i = 0; i < argc && n < sizeof(ret->what); i++)
		n += (size_t)snprintf(ret->what + n, sizeof(ret->what) - n, "%s%s", i ? " " : "",
				      i && !strcmp(argv[i - 1], "--confirmation-code") ? "*" : argv[i]);
	if (!strcmp(argv[0], "data-request")) {
		ret->kind = SE_KIND_DATA;
		r = se_order_data_request(&o, version);
	} else if (!strcmp(argv[0], "download")) {
		ret->kind = SE_KIND_DOWNLOAD;
		r = se_order_download(&o, ret);
	} else {
		r = parse_list(&o, argc, argv, ret);
	}
	if (r == 0 && tlv_done(&w, &ret->n) < 0)
		r = se_order_fail(&o, "the package is too long");
	return r;
}
