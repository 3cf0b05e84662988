/*
 * Whom we believe: certificates of authorities from files (the GSMA CI roots among them), or what
 * an eIM's configuration on the eUICC pins (GSMA SGP.32 5.9.18, trustedPublicKeyDataTls). What is
 * pinned replaces the authorities: nobody else is believed then.
 */
#ifndef NET_TRUST_H
#define NET_TRUST_H

#include "codec/tlv.h"
#include "core/text.h"

struct trust;

int trust_new(struct trust **ret);
/* No connection may use it any more. NULL is fine. */
void trust_free(struct trust *t);

/*
 * Certificates of authorities. A file holds one in DER or any number in PEM, other PEM objects
 * are passed over; a directory holds such files. *ret_n: how many are new. What is wrong with a
 * file in a directory does not keep the others out; why is the first such fault, or empty.
 * -errno of the file, -EBADMSG: no certificate in it that can be used.
 */
#define TRUST_WHY_MAX 160
int trust_add_path(struct trust *t, const char *path, unsigned *ret_n, char why[TRUST_WHY_MAX]);
int trust_add(struct trust *t, struct octets pem_or_der, unsigned *ret_n, char why[TRUST_WHY_MAX]);

/*
 * The value of trustedPublicKeyDataTls: A0 { SubjectPublicKeyInfo } or A1 { Certificate }, with or
 * without the 30 header inside. A key must stand in the server's certificate, or in one that its
 * chain leads to; a certificate is the server's own or an authority's. Once only per trust.
 * -EBADMSG: it is neither, or of a kind that the library does not know.
 */
int trust_pin(struct trust *t, struct octets a6, char why[TRUST_WHY_MAX]);
bool trust_is_pinned(const struct trust *t);
/* How many certificates of authorities it has. */
unsigned trust_count(const struct trust *t);

/* Changes with every change of what is trusted: a session is resumed under the same trust only. */
#define TRUST_ID_MAX 32
const uint8_t *trust_id(const struct trust *t);

#endif
