/* The message store and the messages that come and go. */
#ifndef SIM_MODULE_SMS_H
#define SIM_MODULE_SMS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/ev.h"
#include "core/text.h"

#define SMS_MAX 20
#define SMS_PDU_MAX 360         /* hex digits: 12 octets of SMSC, 164 of TPDU, some room */
#define SMS_TEXT_MAX 480
#define SMS_UNDER_WAY 4

struct module;
struct port;

enum sms_state { SMS_UNREAD, SMS_READ, SMS_UNSENT, SMS_SENT, _SMS_STATE_MAX };

struct message {
	bool used;
	enum sms_state state;
	char pdu[SMS_PDU_MAX + 1];      /* as PDU mode shows it, SMSC included */
	char number[24], text[SMS_TEXT_MAX + 1];
};

struct sms {
	struct module *m;
	struct message store[SMS_MAX];
	unsigned reference;             /* of the last one sent */
	/* What the command that asked for text is about. */
	struct message draft;
	unsigned length;                /* of the TPDU that +CMGS announced */
	bool write;                     /* +CMGW */
	/* Sent to its own number. */
	struct message under_way[SMS_UNDER_WAY];
	size_t under_way_n;
	struct ev_alarm back;
};

void sms_init(struct sms *s, struct module *m);
/* Nothing of it runs afterwards; what is under way is lost. */
void sms_stop(struct sms *s);
/* A message comes in. -ENOSPC: no place; -EMSGSIZE. */
int sms_receive(struct sms *s, struct text number, struct text body);

#endif
