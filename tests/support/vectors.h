/* Test data from tests/vectors: files are found from the project's root, where tests run. */
#ifndef SUPPORT_VECTORS_H
#define SUPPORT_VECTORS_H

#include <stddef.h>

#include "core/text.h"

/* The whole file, terminated; freed by the caller. Fails the test if it cannot be read. */
char *vectors_load(const char *path, size_t *ret_n);

/* "\r \n \t \0 \e \z \xHH \\" as octets. Returns how many; dst is as large as the text. */
size_t vectors_unescape(struct text t, char *dst);

#endif
