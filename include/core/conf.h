/*
 * Configuration from one table of keys: the parser, --check-config, --print-config and the test
 * against the sample file all come from it. The file is INI (inih); what inih would let pass,
 * over-long lines, unknown and repeated keys, is refused here with file and line.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_TEXT,              /* char array in the settings */
	CONF_NUMBER,            /* unsigned */
	CONF_BOOL,              /* bool: yes, no */
	CONF_CHOICE,            /* unsigned: the index of the word */
};

#define CONF_WRONG_MAX 360

struct conf_key {
	const char *section, *name;
	enum conf_type type;
	size_t offset;                  /* of the member in the settings */
	size_t size;                    /* CONF_TEXT: of the array */
	const char *preset;             /* what it is when nobody says otherwise */
	unsigned min, max;              /* CONF_NUMBER */
	const char *const *words;       /* CONF_CHOICE, ended by NULL */
	bool secret;                    /* not printed unless it is the preset */
	/* CONF_TEXT: what else is wrong with it, for people, into words (not cut); NULL: nothing. */
	const char *(*wrong)(const char *value, char words[CONF_WRONG_MAX]);
	const char *help;               /* lines for the sample file, split by \n */
};

/* A place in a table's settings: CONF_AT(struct settings, baud) */
#define CONF_AT(type, member)      .offset = offsetof(type, member)
#define CONF_AT_TEXT(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/*
 * Sections that may come several times under names of their own, "[port.at0]", all with the same
 * keys (whose section is NULL and whose offsets are those in one item). The settings hold an array
 * of items and how many there are; items are made in the order of the file.
 */
struct conf_group {
	const char *prefix;             /* "port" */
	const char *example;            /* the name in the sample file */
	const struct conf_key *keys;
	size_t n;
	size_t offset, size, max;       /* of the array, of an item, of how many there is room for */
	size_t count_offset;            /* of a size_t */
	size_t name_offset, name_size;  /* in an item */
	const char *help;
};

struct conf {
	const struct conf_key *keys;
	size_t n;
	void *settings;
	const struct conf_group *groups;
	size_t n_groups;
};

#define CONF_WHY_MAX 512

/* Presets into the settings. */
void conf_reset(const struct conf *c);

/*
 * 0, or a negative errno and one line in why: "file:line: [section] key: what was expected".
 * The settings may then be half set.
 */
int conf_load(const struct conf *c, const char *path, char why[CONF_WHY_MAX]);

/* One value from elsewhere, for example the command line; origin starts the line in why. */
int conf_set(const struct conf *c, const char *section, const char *name, const char *value,
	     const char *origin, char why[CONF_WHY_MAX]);

/* The whole configuration as a file, explained. */
void conf_print(const struct conf *c, FILE *out);

#endif
