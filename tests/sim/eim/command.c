#include "sim/eim/command.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/order.h"
#include "sim/eim/package.h"
#include "sim/eim/report.h"
#include "sim/eim/result.h"
#include "sim/eim/store.h"

struct command {
	const char *name;
	int (*run)(struct se_server *s, const struct se_command *c);
	const char *help;
};

static int usage(const struct se_command *c, const char *fmt, ...) __printf(2, 3);

static int usage(const struct se_command *c, const char *fmt, ...)
{
	va_list args;

	fprintf(c->out, "sim-eim %s: ", c->argv[0]);
	va_start(args, fmt);
	vfprintf(c->out, fmt, args);
	va_end(args);
	fputc('\n', c->out);
	return SE_EXIT_USAGE;
}

static int save(struct se_server *s, struct se_card *card, const struct se_command *c)
{
	int r = se_store_save_card(s->eim, card);

	return r < 0 ? usage(c, "cannot write the state: %s", strerror(-r)) : SE_EXIT_OK;
}

/* The card named by the first argument; with create it is made if it is not there. */
static struct se_card *the_card(struct se_server *s, const struct se_command *c, bool create)
{
	struct se_card *card = c->argc > 1 ? se_card_find(s->eim, c->argv[1]) : NULL;

	if (card)
		return card;
	if (c->argc < 2)
		usage(c, "expected an EID");
	else if (!create)
		usage(c, "%s: no such card", c->argv[1]);
	else if (se_card_new(s->eim, c->argv[1], &card) < 0)
		usage(c, "%s: expected an EID of 32 digits", c->argv[1]);
	return card;
}

/* --- queue ------------------------------------------------------------------------------------ */

static int run_queue(struct se_server *s, const struct se_command *c)
{
	static struct se_order order;
	struct se_card *card;
	struct se_package *p;
	char why[SE_WHY_MAX];
	int r;

	if (c->argc < 3)
		return usage(c, "expected EID OPERATION…");
	/* Nothing is created for an order that cannot be understood. */
	card = se_card_find(s->eim, c->argv[1]);
	if (se_order_parse(c->argc - 2, c->argv + 2, c->dir, card ? card->version : SE_V1_2, &order,
			   why) < 0)
		return usage(c, "%s", why);
	card = the_card(s, c, true);
	if (!card)
		return SE_EXIT_USAGE;
	p = se_package_order(card, &order);
	if (!p)
		return usage(c, "the queue is full");
	r = save(s, card, c);
	if (r == SE_EXIT_OK) {
		fprintf(c->out, "%u\n", p->id);
		se_log(s->eim, card, "queued package %u: %s", p->id, p->what);
	}
	return r;
}

/* --- cards ------------------------------------------------------------------------------------ */

static int load_file(const struct se_command *c, const char *name, uint8_t *dst, size_t cap,
		     size_t *ret_n)
{
	char path[PATH_MAX];
	X509 *cert = NULL;
	int r;

	snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : c->dir,
		 name[0] == '/' ? "" : "/", name);
	r = se_cert_load(path, &cert);
	if (r == 0)
		r = se_cert_der(cert, dst, cap, ret_n);
	X509_free(cert);
	return r;
}

static int set_certificates(struct se_server *s, const struct se_command *c, struct se_card *card,
			    const char *eum, const char *euicc)
{
	uint8_t eum_der[SE_CERT_MAX], euicc_der[SE_CERT_MAX];
	size_t eum_n, euicc_n;
	const char *why;

	if (!eum || !euicc)
		return usage(c, "--eum-cert and --euicc-cert go together");
	if (load_file(c, eum, eum_der, sizeof(eum_der), &eum_n) < 0)
		return usage(c, "%s: no certificate", eum);
	if (load_file(c, euicc, euicc_der, sizeof(euicc_der), &euicc_n) < 0)
		return usage(c, "%s: no certificate", euicc);
	if (se_card_certificates(s->eim, card, octets_from(eum_der, eum_n),
				 octets_from(euicc_der, euicc_n), &why) < 0)
		return usage(c, "%s", why);
	return SE_EXIT_OK;
}

static int set_number(const char *value, uint32_t *ret)
{
	return text_to_u32(text_of(value), 10, ret);
}

/* "direct,indirect,minimize": IpaCapabilities as if the IPA had told them. */
static int set_features(struct se_card *card, const char *value)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} names[] = {
		{ "direct", SE_IPA_DIRECT },	      { "indirect", SE_IPA_INDIRECT },
		{ "download-data", SE_IPA_DOWNLOAD_DATA }, { "ctx-params", SE_IPA_CTX_PARAMS },
		{ "metadata", SE_IPA_METADATA },      { "minimize", SE_IPA_MINIMIZE },
	};
	struct text rest = text_of(value);
	uint8_t features = 0;

	while (rest.n && !text_eq(rest, "none")) {
		struct text one = text_cut(&rest, ',');
		size_t i = 0;

		while (i < ARRAY_SIZE(names) && !text_eq(one, names[i].name))
			i++;
		if (i == ARRAY_SIZE(names))
			return -EINVAL;
		features |= names[i].bit;
	}
	card->features = features;
	card->has_features = true;
	return 0;
}

/* Options of sim-eim card that are words. -ENOENT: it is none of these. */
static int set_word(const struct se_command *c, struct se_card *card, const char *key,
		    const char *value)
{
	struct se_forms forms;

	if (!strcmp(key, "--features"))
		return set_features(card, value) < 0 ? usage(c, "--features %s: see --help", value) : 0;
	if (!strcmp(key, "--answers")) {
		if (se_forms_parse(value, 0, &forms) < 0 ||
		    text_copy(text_of(value), card->answers, sizeof(card->answers)) < 0)
			return usage(c, "--answers %s: see --help", value);
		return 0;
	}
	if (!strcmp(key, "--allow-ppr")) {
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return usage(c, "--allow-ppr %s: expected yes or no", value);
		card->allow_ppr = value[0] == 'y';
		return 0;
	}
	return -ENOENT;
}

static int run_card(struct se_server *s, const struct se_command *c)
{
	struct se_card *card = the_card(s, c, true);
	const char *eum = NULL, *euicc = NULL;
	uint32_t v = 0;
	int i, k;

	if (!card)
		return SE_EXIT_USAGE;
	for (i = 2; i < c->argc; i += 2) {
		const char *key = c->argv[i], *value = i + 1 < c->argc ? c->argv[i + 1] : NULL;

		if (!value)
			return usage(c, "%s: expected a value", key);
		if (!strcmp(key, "--version")) {
			k = se_name_find(se_version_names, _SE_VERSION_MAX, value);
			if (k < 0)
				return usage(c, "--version %s: expected 1.0, 1.1, 1.2 or 1.3",
					     value);
			card->version = (enum se_version)k;
		} else if (!strcmp(key, "--eum-cert")) {
			eum = value;
		} else if (!strcmp(key, "--euicc-cert")) {
			euicc = value;
		} else if ((k = set_word(c, card, key, value)) != -ENOENT) {
			if (k)
				return k;
		} else if (set_number(value, &v) < 0) {
			return usage(c, "%s %s: expected a number", key, value);
		} else if (!strcmp(key, "--counter")) {
			card->counter = v;
		} else if (!strcmp(key, "--token")) {
			card->token = (int32_t)v;
		} else if (!strcmp(key, "--last-seq")) {
			card->last_seq = v;
		} else {
			return usage(c, "%s: no such option", key);
		}
	}
	if ((eum || euicc) && set_certificates(s, c, card, eum, euicc) != SE_EXIT_OK)
		return SE_EXIT_USAGE;
	return save(s, card, c);
}

static int run_remove(struct se_server *s, const struct se_command *c)
{
	struct se_card *card = the_card(s, c, false);
	int r;

	if (!card)
		return SE_EXIT_USAGE;
	r = se_store_remove_card(s->eim, card);
	if (r < 0)
		return usage(c, "%s", strerror(-r));
	/* Connections remember whose they are. */
	if (s->coap)
		s->coap->forget(s->coap);
	if (se_server_is_up(s)) {
		se_server_down(s, 0);
		se_server_up(s);
	}
	se_card_free(card);
	return SE_EXIT_OK;
}

static int run_cancel(struct se_server *s, const struct se_command *c)
{
	struct se_card *card = the_card(s, c, false);
	struct se_package *p;
	uint32_t id = 0;
	bool any = false;

	if (!card)
		return SE_EXIT_USAGE;
	if (c->argc > 2 && set_number(c->argv[2], &id) < 0)
		return usage(c, "%s: expected the number of a package", c->argv[2]);
	list_for_each(p, &card->packages, node) {
		if ((id && p->id != id) || (p->state != SE_QUEUED && p->state != SE_SENT))
			continue;
		se_package_conclude(p, SE_CANCELLED);
		any = true;
	}
	return any ? save(s, card, c) : usage(c, "nothing to cancel");
}

/* --- faults ----------------------------------------------------------------------------------- */

static void list_faults(struct se_server *s, FILE *out)
{
	const struct se_faults *f = &s->eim->faults;

	for (size_t i = 0; i < f->n; i++) {
		const struct se_fault *one = &f->list[i];

		fprintf(out, "%-18s %-12s on %-7s after %-4u ", se_fault_names[one->kind],
			one->value[0] ? one->value : "-", se_on_names[one->on], one->after);
		if (one->count == SE_FAULT_FOREVER)
			fprintf(out, "forever ");
		else
			fprintf(out, "%u times ", one->count);
		fprintf(out, "chance %u%%  struck %u\n", one->chance, one->struck);
	}
	for (size_t k = 0; k < _SE_FAULT_MAX; k++) {
		if (f->struck[k])
			fprintf(out, "%-18s has struck %u times\n", se_fault_names[k],
				f->struck[k]);
	}
}

static int run_fault(struct se_server *s, const struct se_command *c)
{
	const char *why;

	if (c->argc < 2 || !strcmp(c->argv[1], "list")) {
		list_faults(s, c->out);
		return SE_EXIT_OK;
	}
	if (!strcmp(c->argv[1], "clear")) {
		se_fault_clear(&s->eim->faults);
		se_server_up(s);
		return SE_EXIT_OK;
	}
	for (int i = !strcmp(c->argv[1], "add") ? 2 : 1; i < c->argc; i++) {
		if (se_fault_add(&s->eim->faults, text_of(c->argv[i]), &why) < 0)
			return usage(c, "%s: %s", c->argv[i], why);
	}
	se_server_look_at_faults(s);
	return SE_EXIT_OK;
}

static int run_reachable(struct se_server *s, const struct se_command *c)
{
	(void)c;
	se_server_up(s);
	return SE_EXIT_OK;
}

static int run_unreachable(struct se_server *s, const struct se_command *c)
{
	uint32_t seconds = 0;

	if (c->argc > 1 && set_number(c->argv[1], &seconds) < 0)
		return usage(c, "%s: expected seconds", c->argv[1]);
	se_server_down(s, seconds);
	return SE_EXIT_OK;
}

static int run_indirect(struct se_server *s, const struct se_command *c)
{
	const char *word = c->argc > 1 ? c->argv[1] : "";

	if (c->argc > 1 && strcmp(word, "yes") != 0 && strcmp(word, "no") != 0)
		return usage(c, "%s: expected yes or no", word);
	if (c->argc > 1)
		s->eim->indirect = word[0] == 'y';
	fprintf(c->out, "%s%s\n", s->eim->indirect ? "yes" : "no",
		s->eim->indirect && !s->eim->relay ? ", but there is no --smdp" : "");
	return c->argc > 1 && se_store_save_eim(s->eim) < 0 ? usage(c, "cannot write the state") :
							      SE_EXIT_OK;
}

static int run_coaps(struct se_server *s, const struct se_command *c)
{
	if (!s->coap)
		return usage(c, "this eIM was started without --coaps");
	return s->coap->command(s->coap, c->argc - 1, c->argv + 1, c->out);
}

/* --- reports ---------------------------------------------------------------------------------- */

static int run_list(struct se_server *s, const struct se_command *c)
{
	struct se_card *card = NULL;

	if (c->argc > 1) {
		card = the_card(s, c, false);
		if (!card)
			return SE_EXIT_USAGE;
	}
	se_report_list(s, card, c->out);
	return SE_EXIT_OK;
}

static int run_results(struct se_server *s, const struct se_command *c)
{
	struct se_report_wish wish = { .json = false };
	bool wait = false;
	uint32_t v;
	int r;

	for (int i = 1; i < c->argc; i++) {
		const char *value = i + 1 < c->argc ? c->argv[i + 1] : "";

		if (!strcmp(c->argv[i], "--json")) {
			wish.json = true;
		} else if (!strcmp(c->argv[i], "--wait")) {
			if (set_number(value, &v) < 0)
				return usage(c, "--wait: expected seconds");
			wait = true;
			i++;
		} else if (!strcmp(c->argv[i], "--id")) {
			if (set_number(value, &wish.id) < 0)
				return usage(c, "--id: expected the number of a package");
			i++;
		} else if (!wish.card && c->argv[i][0] != '-') {
			wish.card = se_card_find(s->eim, c->argv[i]);
			if (!wish.card)
				return usage(c, "%s: no such card", c->argv[i]);
		} else {
			return usage(c, "%s: not expected here", c->argv[i]);
		}
	}
	r = se_report_judge(s->eim, &wish);
	if (r == SE_EXIT_PENDING && wait && !c->last)
		return SE_EXIT_WAIT;
	se_report_results(s->eim, &wish, c->out);
	return r;
}

static int run_quit(struct se_server *s, const struct se_command *c)
{
	(void)s;
	(void)c;
	ev_quit();
	return SE_EXIT_OK;
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct command commands[] = {
	{ "queue", run_queue,
	  "sim-eim queue EID OPERATION…: puts a package into the card's queue, prints its number.\n"
	  "A card that is not known yet is created (see sim-eim card --help).\n\n" },
	{ "card", run_card,
	  "sim-eim card EID [--version 1.0|1.1|1.2|1.3] [--token N] [--counter N] [--last-seq N]\n"
	  "             [--eum-cert FILE --euicc-cert FILE] [--features LIST] [--answers LIST]\n"
	  "             [--allow-ppr yes|no]\n"
	  "Creates or changes a card: the layout of its messages, its association token, the counter of\n"
	  "the last package, the number of the last result, the certificates its results are verified\n"
	  "with (without them they are asked for before the first package).\n"
	  "For indirect downloads:\n"
	  "  --features: IpaCapabilities, none or some of direct indirect download-data ctx-params\n"
	  "             metadata minimize, with commas; else those of the last data-request capabilities\n"
	  "  --answers: auto (as the features say), full, compact, or words with commas: tid no-tid\n"
	  "             ci=OCTETS (of the CI's key identifier) matching-id ctx-params bare (which of them\n"
	  "             InitiateAuthentication is answered with) metadata no-metadata (AuthenticateClient)\n"
	  "  --allow-ppr: lets profiles with policy rules through where it looks at metadata (no)\n" },
	{ "remove", run_remove, "sim-eim remove EID: forgets a card and everything about it.\n" },
	{ "cancel", run_cancel,
	  "sim-eim cancel EID [NUMBER]: takes one package, or all that have no result, out of the queue.\n" },
	{ "fault", run_fault,
	  "sim-eim fault [add] FAULT… | list | clear\n"
	  "  FAULT = KIND[=VALUE][,on=get|result|notify|rsp|any|block][,count=N|forever][,after=N][,chance=PERCENT]\n"
	  "On the connection:  tls-reset reset no-answer slow=MS close stall rebind=BLOCK unreachable=SECONDS\n"
	  "                    lost-after-switch=SECONDS (0: until sim-eim reachable)\n"
	  "In HTTP:            http=STATUS content-type=TYPE garbage truncated empty\n"
	  "In the message:     wrong-tag trailing ack-wrong=NUMBER\n"
	  "In the package:     replay bad-signature wrong-eid low-counter unknown-psmo\n"
	  "Each strikes once unless told otherwise. clear also makes the eIM reachable again.\n" },
	{ "reachable", run_reachable,
	  "sim-eim reachable: ends unreachable and lost-after-switch.\n" },
	{ "unreachable", run_unreachable,
	  "sim-eim unreachable [SECONDS]: closes the listener and resets every connection.\n" },
	{ "indirect", run_indirect,
	  "sim-eim indirect [yes|no]: whether configurations made from now on (sim-eim config, add-eim)\n"
	  "offer indirect downloads. A card that has one already: queue update-eim --id ID --indirect.\n" },
	{ "coaps", run_coaps,
	  "sim-eim coaps [show]: the network's rules and what happened in it.\n"
	  "sim-eim coaps net RULES | none: loss=PERCENT loss-up= loss-down= duplicate= reorder= delay=MS\n"
	  "  jitter=MS seed=N, with commas between them. up is towards the eIM.\n"
	  "sim-eim coaps rebind: every client has another address, as behind a NAT that forgot it.\n"
	  "sim-eim coaps restart [politely]: forgets every session without a word, as a program that crashed; or\n"
	  "  closes it, as one that ends in good order.\n"
	  "sim-eim coaps habits LIST | none: see serve --help.\n" },
	{ "list", run_list, "sim-eim list [EID]: the cards, or the packages of one.\n" },
	{ "results", run_results,
	  "sim-eim results [EID] [--id NUMBER] [--wait SECONDS] [--json]\n"
	  "What became of the packages. With --wait it answers as soon as none is pending.\n"
	  "Exit code: 0 each has exactly one verified result and succeeded, 3 some have none yet,\n"
	  "4 some did not succeed, 5 the accounts are not right: a result more than once, not verified,\n"
	  "or refused. Packages that were cancelled or spoilt by a fault do not count.\n" },
	{ "quit", run_quit, "sim-eim quit: ends the server.\n" },
};

int se_command_run(struct se_server *s, const struct se_command *c)
{
	for (size_t i = 0; c->argc && i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, c->argv[0]))
			return commands[i].run(s, c);
	}
	fprintf(c->out, "sim-eim: %.64s: no such command, see --help\n", c->argc ? c->argv[0] : "");
	return SE_EXIT_USAGE;
}

unsigned se_command_patience_s(int argc, char *const *argv)
{
	uint32_t v;

	if (!argc || strcmp(argv[0], "results") != 0)
		return 0;
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "--wait") && set_number(argv[i + 1], &v) == 0)
			return MIN(v, 86400u);
	}
	return 0;
}

const char *se_command_help(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return commands[i].help;
	}
	return NULL;
}
