/*
 * What a stranger's AT command may do to a line that is shared. One table: most commands pass;
 * those that change the line itself, or settings that everybody relies on, do not.
 */
#ifndef MODEM_POLICY_H
#define MODEM_POLICY_H

#include "core/text.h"

enum policy_verdict {
	POLICY_FORWARD,
	POLICY_FORWARD_LOOK,    /* forwarded; what the daemon knows is read again afterwards */
	POLICY_REFUSE,
};

/*
 * The strictest verdict over all commands of the line ("ATE0;+CSQ"). ret_reason: static text for
 * people where it is POLICY_REFUSE, else untouched.
 */
enum policy_verdict policy_for(struct text command, const char **ret_reason);

/*
 * Takes the next command off a command line without its AT (V.250 5.2): an extended one ends at a
 * semicolon outside quotes, a basic one after its digits; D takes all the rest, S has a value.
 */
struct text policy_next(struct text *rest);

#endif
