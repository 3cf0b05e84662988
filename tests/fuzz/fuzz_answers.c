/* A line from the module in every parser that could get it. */
#include <stdint.h>

#include "atcmd/answers.h"
#include "atcmd/args.h"
#include "atcmd/result.h"
#include "atcmd/urc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Where a parser says yes, its strings are terminated and within bounds. */
static void check(const char *s, size_t cap)
{
	if (strnlen(s, cap) == cap)
		__builtin_trap();
}

static void card_and_module(struct text t)
{
	char iccid[AT_ICCID_MAX], imsi[AT_IMSI_MAX], imei[AT_IMEI_MAX];
	struct at_crsm crsm;
	struct at_clock clock;
	struct text data, sw;
	enum at_pin pin;
	int fun;

	if (at_iccid_parse(t, iccid) == 0)
		check(iccid, sizeof(iccid));
	if (at_imsi_parse(t, imsi) == 0)
		check(imsi, sizeof(imsi));
	if (at_imei_parse(t, imei) == 0)
		check(imei, sizeof(imei));
	if (at_ef_iccid_parse(t, iccid) == 0)
		check(iccid, sizeof(iccid));
	(void)at_crsm_parse(t, &crsm);
	(void)at_cclk_parse(t, &clock);
	(void)at_apdu_parse(t, &data, &sw);
	(void)at_ccho_parse(t, &data);
	(void)at_cpin_parse(t, &pin);
	(void)at_cfun_parse(t, &fun);
	(void)at_bare_text(t);
}

static void network(struct text t)
{
	struct at_reg reg;
	struct at_cops cops;
	struct at_cops_found found[4];
	struct at_csq csq;
	struct at_cesq cesq;
	struct at_qcsq qcsq;
	struct at_context context;
	struct at_address address;
	bool active;
	size_t n_found;
	int cid;

	if (at_reg_parse(t, &reg) == 0) {
		check(reg.area, sizeof(reg.area));
		check(reg.cell, sizeof(reg.cell));
		(void)at_reg_stat_name(reg.stat);
		(void)at_act_name(reg.act);
	}
	if (at_cops_parse(t, &cops) == 0)
		check(cops.oper, sizeof(cops.oper));
	(void)at_cops_list_parse(t, found, 4, &n_found);
	(void)at_csq_parse(t, &csq);
	(void)at_cesq_parse(t, &cesq);
	(void)at_qcsq_parse(t, &qcsq);
	if (at_cgdcont_parse(t, &context) == 0)
		check(context.apn, sizeof(context.apn));
	(void)at_cgact_parse(t, &cid, &active);
	(void)at_cgatt_parse(t, &active);
	(void)at_cgpaddr_parse(t, &address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text t = text_from(data, n);

	card_and_module(t);
	network(t);
	return 0;
}
