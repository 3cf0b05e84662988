/*
 * Fields of an answer line: "+CSQ: 20,99" with or without a blank behind the colon, quoted or not,
 * empty fields included. The first fault is remembered; a parser runs straight through and looks
 * once, at at_args_end(). Nothing is copied: fields point into the line.
 */
#ifndef ATCMD_ARGS_H
#define ATCMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

struct at_args {
	struct text rest;
	bool more;      /* another field follows, be it empty */
	bool bad;
};

/* prefix: "+CSQ:", letter case does not matter; NULL: the line is fields only. */
struct at_args at_args(struct text line, const char *prefix);

bool at_args_more(const struct at_args *a);

/* The next field without blanks around it, as it stands. Commas in quotes or parentheses stay. */
struct text at_arg(struct at_args *a);
/* Without its quotes. */
struct text at_arg_str(struct at_args *a);
/* A decimal number, quoted or not, leading zeros allowed. */
uint32_t at_arg_num(struct at_args *a);
int32_t at_arg_int(struct at_args *a);
/* False and nothing wrong where the field is empty or not there. */
bool at_arg_maybe_num(struct at_args *a, uint32_t *ret);

/* 0, or -EBADMSG if a field was missing or malformed. Fields left over are fine: vendors add. */
int at_args_end(const struct at_args *a);

#endif
