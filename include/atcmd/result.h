/*
 * Final results: what ends a command (V.250 5.7, 27.007 9.2, 27.005 3.2.5, and vendors' own). One
 * table; a line is final or not depending on the command it would end.
 */
#ifndef ATCMD_RESULT_H
#define ATCMD_RESULT_H

#include <stdbool.h>

#include "core/text.h"

enum at_end {
	AT_OK,
	AT_CONNECT,             /* the line carries data from here on */
	AT_ERROR,               /* a refusal without number */
	AT_CME_ERROR,           /* 27.007 9.2; code: the number, -1 for a text nobody knows */
	AT_CMS_ERROR,           /* 27.005 3.2.5 */
	AT_NO_CARRIER,          /* also NO DIALTONE, BUSY, NO ANSWER */
	AT_TIMEOUT,             /* no final result within the command's patience */
	AT_LINK_LOST,           /* hung up, or the module restarted */
	_AT_END_MAX
};

const char *at_end_name(enum at_end end);

/* True if the line ends this command ("AT+CSQ"; NULL: any). code: -1 where there is none. */
bool at_result(struct text line, const char *command, enum at_end *ret_end, int *ret_code);

/* V0: a line that is a result number and nothing else ("0"). */
bool at_result_numeric(struct text line, enum at_end *ret_end);

/* The words for a number; NULL: nobody knows it. */
const char *at_cme_text(int code);
const char *at_cms_text(int code);

#endif
