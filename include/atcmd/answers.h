/*
 * What answer lines mean: one decoder per command, pure, tolerant of the forms seen in the field
 * (3GPP TS 27.007 and what vendors made of it). Each returns 0, or -EBADMSG and leaves its output
 * untouched. Numbers that the line does not give are -1, texts empty.
 */
#ifndef ATCMD_ANSWERS_H
#define ATCMD_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/* No value: the network or the module does not know, or the field is not there. */
#define AT_NONE INT32_MIN

/* --- registration: +CREG +CGREG +CEREG +C5GREG, 27.007 7.2, 10.1.20, 10.1.22, 10.1.47 --- */

enum at_reg_kind {
	AT_REG_CS,      /* +CREG */
	AT_REG_PS,      /* +CGREG */
	AT_REG_EPS,     /* +CEREG */
	AT_REG_5GS,     /* +C5GREG */
	_AT_REG_MAX
};

struct at_reg {
	enum at_reg_kind kind;
	int n;                  /* the reporting mode; -1 where the line is an unsolicited one */
	int stat;               /* 27.007 <stat>: 1 home, 5 roaming, ... */
	char area[9];           /* LAC or TAC, upper-case hex; "" unknown */
	char cell[17];
	int act;                /* access technology */
	int rac;
	int cause_type, reject_cause;
	char active_time[9], periodic_tau[9];   /* 8 binary digits */
	int nssai_len;
	char nssai[33];
};

int at_reg_parse(struct text line, struct at_reg *ret);
const char *at_reg_command(enum at_reg_kind kind);      /* "CEREG" */
/* Registered for data (1, 5) or with limits that still carry it (9, 10). */
bool at_reg_attached(int stat);
bool at_reg_roaming(int stat);
/* "home", "searching" ...; "unknown" for numbers nobody has defined. */
const char *at_reg_stat_name(int stat);
/* "GSM", "LTE", "NB-IoT" ...; "" for -1. */
const char *at_act_name(int act);

/* --- operator, 27.007 7.3 --- */

struct at_cops {
	int mode, format, act;
	char oper[65];
};

int at_cops_parse(struct text line, struct at_cops *ret);

struct at_cops_found {
	int stat, act;
	char full[65], brief[33], numeric[8];
};

/* The groups of a scan result (+COPS=?). *ret_n counts them; at most cap are filled in. */
int at_cops_list_parse(struct text line, struct at_cops_found *ret, size_t cap, size_t *ret_n);

/* --- signal: values in dBm, or tenths of dB where halves occur; AT_NONE unknown --- */

struct at_csq {
	int rssi_raw, ber;
	int32_t dbm;
};

struct at_cesq {
	int rxlev_raw, ber, rscp_raw, ecno_raw, rsrq_raw, rsrp_raw;
	int32_t rxlev_dbm, rscp_dbm, rsrp_dbm, ss_rsrp_dbm;
	int32_t ecno_tenths, rsrq_tenths, ss_rsrq_tenths, ss_sinr_tenths;
};

/* Quectel +QCSQ. */
struct at_qcsq {
	char mode[17];
	int32_t rssi, rsrp, rsrq, sinr_raw, sinr_tenths;
};

int at_csq_parse(struct text line, struct at_csq *ret);
int at_cesq_parse(struct text line, struct at_cesq *ret);
int at_qcsq_parse(struct text line, struct at_qcsq *ret);

/* --- contexts --- */

struct at_context {
	int cid;
	char type[9], apn[101];
};

struct at_address {
	int cid;
	char v4[16], v6[40];
};

int at_cgdcont_parse(struct text line, struct at_context *ret);
/* "+CGACT: 1,1" */
int at_cgact_parse(struct text line, int *ret_cid, bool *ret_active);
int at_cgatt_parse(struct text line, bool *ret_attached);
int at_cgpaddr_parse(struct text line, struct at_address *ret);

/* --- module and card --- */

int at_cfun_parse(struct text line, int *ret_fun);

enum at_pin {
	AT_PIN_READY,
	AT_PIN_SIM_PIN,
	AT_PIN_SIM_PUK,
	AT_PIN_OTHER,           /* PH-NET PIN and its kind, PIN2: nothing a daemon can answer */
	AT_PIN_NOT_READY,
	AT_PIN_NOT_INSERTED,
	_AT_PIN_MAX
};

int at_cpin_parse(struct text line, enum at_pin *ret);

struct at_clock {
	int year, month, day, hour, minute, second;
	int quarters;           /* time zone in quarter hours; AT_NONE not given */
	bool valid;             /* false: the module never got the time from a network */
};

int at_cclk_parse(struct text line, struct at_clock *ret);

#define AT_ICCID_MAX 21
#define AT_IMSI_MAX  17
#define AT_IMEI_MAX  18

/* Any brand's prefix or none; padding stripped, swapped nibbles put right. */
int at_iccid_parse(struct text line, char ret[AT_ICCID_MAX]);
int at_imsi_parse(struct text line, char ret[AT_IMSI_MAX]);
int at_imei_parse(struct text line, char ret[AT_IMEI_MAX]);

struct at_crsm {
	int sw1, sw2;
	struct text data;       /* hex digits, in the line; empty: none */
};

int at_crsm_parse(struct text line, struct at_crsm *ret);
/* EF.ICCID as READ BINARY gives it: nibbles swapped. */
int at_ef_iccid_parse(struct text hex, char ret[AT_ICCID_MAX]);

/*
 * "+CSIM: 6,"019000"" or "+CGLA: ...": the hex digits of data and status word, in the line. The
 * announced length is not trusted: modules count octets or digits.
 */
int at_apdu_parse(struct text line, struct text *ret_data, struct text *ret_sw);
/* The session of +CCHO, with or without prefix: opaque, to be sent back as it is. */
int at_ccho_parse(struct text line, struct text *ret_session);

/* Text of CGMI, CGMM, CGMR: without a prefix of its own name, quotes and blanks. */
struct text at_bare_text(struct text line);

#endif
