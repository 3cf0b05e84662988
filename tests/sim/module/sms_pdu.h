/* Messages as PDU mode has them: 3GPP TS 23.040 9.2, text in the GSM alphabet as far as it is ASCII. */
#ifndef SIM_MODULE_SMS_PDU_H
#define SIM_MODULE_SMS_PDU_H

#include "sim/module/sms.h"

#define SMS_SMSC_NUMBER "+31624000000"
#define SMS_STAMP "26/01/02,03:04:05+04"

/* Fills in x->pdu from its number and text: SMS-DELIVER. */
void sms_make_deliver(struct message *x);
/* Fills in number and text from x->pdu, an SMS-SUBMIT; false: it is something else. */
bool sms_read_submit(struct message *x);
/* Octets of the TPDU: those behind the SMSC. */
size_t sms_tpdu_octets(const char *pdu);

#endif
