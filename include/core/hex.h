/* Octets as hexadecimal digits and back. */
#ifndef CORE_HEX_H
#define CORE_HEX_H

#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/* Upper-case digits and a closing NUL. cap must be at least 2 n + 1 (asserted). */
void hex_encode(const void *data, size_t n, char *dst, size_t cap);

/*
 * Digits of either case, no blanks. -EINVAL: odd number of digits or something that is none;
 * -ENOSPC: more than cap octets. dst is undefined after a failure, *ret_n untouched.
 */
int hex_decode(struct text t, uint8_t *dst, size_t cap, size_t *ret_n);

/* The value of one digit, or -1. */
int hex_digit(char c);

#endif
