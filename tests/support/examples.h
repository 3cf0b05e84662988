/* The worked examples of tests/vectors/sgp32/examples.tsv and values in the JSON vectors. */
#ifndef SUPPORT_EXAMPLES_H
#define SUPPORT_EXAMPLES_H

#include "codec/tlv.h"

/*
 * The example with this title (of v1.2 unless it says otherwise), or the one so many rows behind
 * it: answers stand below their request. Fails the test if there is none. Valid for ever.
 */
struct octets example(const char *title);
struct octets example_after(const char *title, int rows);
/* Every row, from 0 on; false at the end. */
bool example_row(size_t i, const char **ret_section, const char **ret_title,
		 struct octets *ret_octets);

/* Digits as octets, valid for ever. */
struct octets octets_of_hex(const char *digits);

struct json_object;
/* A JSON file, to be put by the caller; and the octets of a member that must be there. */
struct json_object *vectors_json(const char *path);
struct octets json_octets(struct json_object *o, const char *key);

#endif
