/* Base64 (RFC 4648, section 4), as ES9+ bodies carry octets. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/* Digits for n octets, padding included, without the NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* With a closing NUL. -ENOSPC: cap is below BASE64_LEN(n) + 1. */
int base64_encode(const void *data, size_t n, char *dst, size_t cap);

/*
 * Line ends are passed over and padding may be missing; anything else that is no digit, and bits
 * that would get lost, are -EINVAL. -ENOSPC: more than cap octets. *ret_n is set on success only.
 * dst may be where the text is: it is never ahead of what is read.
 */
int base64_decode(struct text t, uint8_t *dst, size_t cap, size_t *ret_n);

/* The value of one digit; -1: it is none. */
int base64_digit(char c);

#endif
