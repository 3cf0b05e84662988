/*
 * What strangers may send to sim-smdp. The first octet chooses: 'i' 'a' 'g' 'c' 'n' the body of a
 * JSON function, in the state in which the recorded download calls it; 'A' a body of the ASN.1
 * binding; 'H' the head of an HTTP request and its chunks; 'F' a fault; anything else a profile
 * package.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/command.h"
#include "sim/smdp/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sdp server;
static struct json_object *doc;
static uint8_t fed[32];
static enum sdp_function reached;

static const char *recorded(size_t i)
{
	struct json_object *e = json_object_object_get(doc, "exchanges");

	e = json_object_array_get_idx(e, i);
	return json_object_get_string(json_object_object_get(e, "request"));
}

static void once(void)
{
	static const uint8_t drawn[32] = {
		0xb9, 0x03, 0xd7, 0xae, 0x0d, 0x48, 0xb8, 0x77, 0x06, 0xca, 0x2a, 0xc2, 0x2f, 0x24,
		0x3c, 0x55, 0xb1, 0x3b, 0x13, 0xae, 0x48, 0x96, 0x8e, 0x45, 0x04, 0xb5, 0xa6, 0xf8,
		0xef, 0x16, 0x2c, 0xd4,
	};
	const char *const words[] = { "add", "--upp", "tests/vectors/rsp/upp/usim-2029.json",
				      "--matching-id", "TEST-0001", "--cc", "1234-5678" };
	char why[SDP_WHY_MAX], *argv[8];
	FILE *null = fopen("/dev/null", "w");

	memcpy(fed, drawn, sizeof(fed));
	log_set_level(LOG_LEVEL_ERROR);
	sdp_init(&server);
	strcpy(server.hosts[0], "smdpp.rsp.test");
	server.hosts_n = 1;
	if (sdp_pki_load(&server.pki[0], "tests/vectors/rsp/pki/nist", why) < 0)
		abort();
	server.pki_n = 1;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		argv[i] = (char *)words[i];
	argv[ARRAY_SIZE(words)] = NULL;
	if (!null || sdp_command(&server, ARRAY_SIZE(words), argv, null) != SDP_EXIT_OK)
		abort();
	fclose(null);
	doc = json_object_from_file("tests/vectors/rsp/es9p.json");
	if (!doc)
		abort();
}

static unsigned post(const char *path, const char *type, struct octets body)
{
	struct sdp_request q = { TEXT("POST"), text_of(path), text_of(type),
				 TEXT("gsma/rsp/v2.2.2"), body };
	struct sdp_reply r;
	unsigned status;

	sdp_serve(&server, &q, &r);
	status = r.status;
	/* Either it was understood, or it was no good; nothing else. */
	if (status != 200 && status != 204 && status != 400)
		abort();
	if ((status == 200) != (r.body.n != 0))
		abort();
	sdp_reply_done(&r);
	return status;
}

static void call(enum sdp_function f, struct octets body)
{
	char path[96];

	snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", sdp_function_names[f]);
	post(path, "application/json", body);
}

static void forget(void)
{
	struct sdp_profile *p = list_first(&server.profiles, struct sdp_profile, node);
	char *argv[] = { (char *)"notifications", (char *)"--clear", NULL };
	FILE *null = fopen("/dev/null", "w");

	while (!list_empty(&server.sessions))
		sdp_session_free(&server, list_first(&server.sessions, struct sdp_session, node));
	if (!null || sdp_command(&server, 2, argv, null) != SDP_EXIT_OK || server.sessions_n)
		abort();
	fclose(null);
	sdp_profile_release(p);
}

/* The recorded requests that come before this one. */
static void lead_up_to(enum sdp_function f)
{
	unsigned steps = f == SDP_INITIATE_AUTHENTICATION ? 0 : f == SDP_AUTHENTICATE_CLIENT ? 1 :
			 f == SDP_HANDLE_NOTIFICATION ? 3 : 2;

	/* It may still be there from the last input, which came to nothing. */
	if (server.sessions_n && f == reached)
		return;
	forget();
	reached = f;
	server.fed = octets_from(fed, sizeof(fed));
	for (unsigned i = 0; i < steps; i++)
		call((enum sdp_function)i, octets_from(recorded(i), strlen(recorded(i))));
}

static void head(const uint8_t *data, size_t n)
{
	uint8_t *copy = sdp_alloc(n);
	struct sdp_head h;
	size_t body, used;

	memcpy(copy, data, n);
	if (sdp_head_read(copy, n, &h) == 0) {
		if (h.n > n)
			abort();
		if (sdp_join_chunks(copy + h.n, n - h.n, &body, &used) == 0 &&
		    (body > used || used > n - h.n))
			abort();
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char letters[_SDP_FUNCTION_MAX + 1] = "iagcn";
	struct sdp_faults faults = { 0 };
	char iccid[2 * SDP_ICCID_LEN + 1];
	const char *letter, *why;

	if (!doc)
		once();
	if (n == 0 || n > 65536)
		return 0;
	letter = data[0] ? strchr(letters, data[0]) : NULL;
	if (letter) {
		lead_up_to((enum sdp_function)(letter - letters));
		call((enum sdp_function)(letter - letters), octets_from(data + 1, n - 1));
	} else if (data[0] == 'A') {
		lead_up_to(SDP_GET_BOUND_PROFILE_PACKAGE);
		post("/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", octets_from(data + 1, n - 1));
	} else if (data[0] == 'H') {
		head(data + 1, n - 1);
	} else if (data[0] == 'F') {
		sdp_fault_add(&faults, text_from(data + 1, n - 1), &why);
	} else {
		sdp_upp_iccid(octets_from(data, n), iccid);
	}
	return 0;
}
