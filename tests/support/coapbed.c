#include "support/coapbed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/util.h"
#include "sim/eim/crypto.h"
#include "support/examples.h"
#include "support/test.h"

/* --- the eIM ---------------------------------------------------------------------------------- */

int coapbed_sim(struct coapbed *b, const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"--dir", (char *)rig_path(&b->rig,
			"eim"),
				 (char *)word };
	struct rig_program *p;
	int n = 4, code;
	va_list ap;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	p = rig_startv(&b->rig, "sim-eim", argv);
	code = rig_wait_end(p, 30000);
	b->said = p->said;
	return code;
}

void coapbed_good(struct coapbed *b, int code)
{
	if (code) {
		print_error("exit code %d: %s\n", code, b->said);
		assert_int_equal(code, 0);
	}
}

static uint16_t number_after(struct coapbed *b, const char *text)
{
	const char *at = strstr(b->server->said, text);

	assert_non_null(at);
	return (uint16_t)strtoul(at + strlen(text), NULL, 10);
}

void coapbed_serve(struct coapbed *b, const char *habits, const char *option, const char *value)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", b->port);
	b->server = rig_start(&b->rig, "sim-eim", "serve", rig_path(&b->rig, "eim"), "--quiet",
			      "--coaps", port, "--coaps-psk", "device=" COAPBED_KEY, "--coaps-habits",
			      habits, option, value, NULL);
	if (!rig_wait_for(b->server, "ready: port ", 0, 10000) ||
	    !rig_wait_for(b->server, "control.sock\n", 0, 1000))
		fail_msg("sim-eim: %s", b->server->said);
	b->port = number_after(b, "coaps: port ");
	b->https.port = number_after(b, "ready: port ");
}

void coapbed_dial(struct coapbed *b, const char *identity, const char *key)
{
	const struct coap_client_wish wish = { .port = b->port, .identity = identity, .key = key,
					       .ca = COAPBED_CA, .ack_s = 1 };

	coap_client_close(&b->client);
	coap_client_open(&b->client, &wish);
}

void coapbed_dial_own_blocks(struct coapbed *b)
{
	const struct coap_client_wish wish = { .port = b->port, .identity = "device",
					       .key = COAPBED_KEY, .ack_s = 1, .own_blocks = true };

	coap_client_close(&b->client);
	coap_client_open(&b->client, &wish);
}

/* The eIM's key out of the configuration it hands out. */
static void associate(struct coapbed *b)
{
	char path[PATH_MAX];
	X509 *cert;

	snprintf(path, sizeof(path), "%s/sign.der", rig_path(&b->rig, "eim"));
	assert_int_equal(se_cert_load(path, &cert), 0);
	b->card.eim_key = X509_get_pubkey(cert);
	X509_free(cert);
	assert_non_null(b->card.eim_key);
}

static void save(struct coapbed *b, const char *name, struct octets v)
{
	assert_int_equal(file_save(rig_path(&b->rig, name), v.p, v.n, 0644), 0);
}

static void make_card(struct coapbed *b)
{
	EVP_PKEY *ci;
	uint8_t der[256];
	size_t n;

	b->card = (struct mini_card){ .eum = example("CERT_EUM"), .euicc = example("CERT_EUICC"),
				   .eim_id = "eim1", .seq = 10, .enabled = 0 };
	memcpy(b->card.eid, example("EID").p, 16);
	memcpy(b->card.iccid[0], example("ICCID of profile A").p, 10);
	memcpy(b->card.iccid[1], example("ICCID of profile B").p, 10);
	assert_int_equal(se_key_from_scalar("nist", example("EUICC"), &b->card.key), 0);
	assert_int_equal(se_key_from_scalar("nist", example("CI (root)"), &ci), 0);
	assert_int_equal(se_key_spki(ci, der, sizeof(der), &n), 0);
	EVP_PKEY_free(ci);
	save(b, "eim/ci/examples", octets_from(der, n));
	save(b, "eum.der", b->card.eum);
	save(b, "euicc.der", b->card.euicc);
}

static int carry(struct mini_ipa *i, struct octets request)
{
	struct coapbed *b = container_of(i, struct coapbed, coap);
	int r = coap_client_post(&b->client, request);

	if (r < 0)
		return r;
	i->status = b->client.code == 205 ? 200 : b->client.code == 204 ? 204 : 400;
	i->n = b->client.n;
	memcpy(i->body, b->client.body, b->client.n);
	return 0;
}

void coapbed_open(struct coapbed *b, const char *argv0, const char *habits)
{
	struct rig_program *p;

	memset(b, 0, sizeof(*b));
	rig_open(&b->rig, argv0);
	if (rig_run(&b->rig, &p, "sim-eim", "init", rig_path(&b->rig, "eim"), "--pki",
		    "tests/vectors/rsp/pki", NULL))
		fail_msg("%s", p->said);
	make_card(b);
	mini_ipa_open(&b->https, COAPBED_CA, 0);
	mini_ipa_open(&b->coap, COAPBED_CA, 0);
	b->coap.carry = carry;
	coapbed_serve(b, habits, NULL, NULL);
	associate(b);
	coapbed_good(b, COAPBED_SIM(b, "card", COAPBED_EID, "--eum-cert",
				    rig_path(&b->rig, "eum.der"), "--euicc-cert",
				    rig_path(&b->rig, "euicc.der")));
	coapbed_dial(b, "device", COAPBED_KEY);
}

void coapbed_close(struct coapbed *b)
{
	coap_client_close(&b->client);
	mini_ipa_close(&b->https);
	mini_ipa_close(&b->coap);
	EVP_PKEY_free(b->card.key);
	EVP_PKEY_free(b->card.eim_key);
	rig_close(&b->rig);
}

/* --- ESipa ------------------------------------------------------------------------------------ */

/* GetEimPackage: 0, with the content of the answer; or what coap_client_post() says. */
int coapbed_poll(struct coapbed *b, struct octets *ret)
{
	uint8_t request[32];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xbf4f);
	struct tlv_doc doc;
	struct tlv top;
	int r;

	tlv_put(&w, 0x5a, b->card.eid, 16);
	tlv_close(&w, m);
	r = coap_client_post(&b->client, octets_from(request, w.len));
	if (r < 0)
		return r;
	top = tlv_open(&doc, octets_from(b->client.body, b->client.n));
	*ret = tlv_take(&top, 0xbf4f);
	return doc.fault ? -EBADMSG : 0;
}

void coapbed_expect_nothing(struct coapbed *b)
{
	struct octets content;

	assert_int_equal(coapbed_poll(b, &content), 0);
	assert_int_equal(b->client.code, 205);
	assert_int_equal(content.n, 3);
	assert_memory_equal(content.p, "\x02\x01\x01", 3);
}

/* ProvideEimPackageResult; what is acknowledged leaves the card. */
int coapbed_provide(struct coapbed *b, struct octets alternative)
{
	static uint8_t request[65536];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xbf50);
	struct tlv_doc doc;
	struct tlv top, body, list;
	bool there;
	int r;

	tlv_put(&w, 0x5a, b->card.eid, 16);
	tlv_put_raw(&w, alternative.p, alternative.n);
	tlv_close(&w, m);
	r = coap_client_post(&b->client, octets_from(request, w.len));
	if (r < 0)
		return r;
	top = tlv_open(&doc, octets_from(b->client.body, b->client.n));
	body = tlv_enter(&top, 0xbf50);
	list = tlv_enter_maybe(&body, 0xbf53, &there);
	while (tlv_more(&list))
		mini_card_remove(&b->card, tlv_take_u32(&list, 0x80));
	return doc.fault ? -EBADMSG : 0;
}

typedef int ask_fn(struct coapbed *b, struct octets *v);

static void insist(struct coapbed *b, ask_fn *ask, struct octets *v)
{
	for (int tries = 0; tries < 20; tries++) {
		int r = ask(b, v);

		if (r == 0)
			return;
		if (r == -ECONNRESET)
			coapbed_dial(b, "device", COAPBED_KEY);
	}
	fail_msg("no answer in 20 tries");
}

static int bring(struct coapbed *b, struct octets *v)
{
	return coapbed_provide(b, *v);
}

void coapbed_exchange(struct coapbed *b)
{
	static uint8_t copy[65536];
	struct octets content, result;

	insist(b, coapbed_poll, &content);
	assert_true(content.n > 3);
	memcpy(copy, content.p, content.n);
	result = mini_card_load(&b->card, octets_from(copy, content.n));
	memcpy(copy, result.p, result.n);
	result.p = copy;
	insist(b, bring, &result);
	assert_int_equal(b->card.results_n, 0);
}

unsigned coapbed_counted(struct coapbed *b, const char *word)
{
	const char *at;

	coapbed_good(b, COAPBED_SIM(b, "coaps", "show"));
	at = strstr(b->said, word);
	assert_non_null(at);
	while (at > b->said && at[-1] != ',' && at[-1] != '\n')
		at--;
	return (unsigned)strtoul(at, NULL, 10);
}
