/*
 * Pre-shared keys for DTLS, in a file that nobody but the daemon may read. A line each:
 *
 *     EIM  IDENTITY  KEY
 *
 * EIM is an eIM's id or its address, "*" any; IDENTITY is "eid" for the card's EID, else what it
 * says; KEY is in hexadecimal digits, or text:… for its octets as they stand, without blanks. "#"
 * begins a comment.
 */
#ifndef NET_PSK_H
#define NET_PSK_H

#include <stddef.h>
#include <stdint.h>

#define PSK_MAX 64              /* octets of a key, and of an identity: what libcoap takes at least */
#define PSK_WHY_MAX 160

struct psk {
	uint8_t identity[PSK_MAX], key[PSK_MAX];
	size_t identity_n, key_n;
};

/*
 * The first line that is for this eIM: by either of its names, which may be "". -ENOENT: there is
 * none. Else -errno and why: the file is missing, open to others, or has a line that cannot be read,
 * wherever that is. The key is wiped from everywhere but *ret.
 */
int psk_load(const char *path, const char *id, const char *address, const char *eid, struct psk *ret,
	     char why[PSK_WHY_MAX]);

#endif
