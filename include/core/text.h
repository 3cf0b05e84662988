/*
 * A view of characters that somebody else owns: not terminated, may hold any octet. Every function
 * is bounded by the length; none allocates. What a view points to must outlive it.
 */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	const char *s;
	size_t n;
};

/* A literal as a view, and a view for "%.*s". */
#define TEXT(lit)    ((struct text){ (lit), sizeof(lit) - 1 })
#define TEXT_FMT     "%.*s"
#define TEXT_ARG(t)  ((int)(t).n), ((t).s ? (t).s : "")

static inline struct text text_of(const char *s)
{
	return (struct text){ s, s ? strlen(s) : 0 };
}

static inline struct text text_from(const void *s, size_t n)
{
	return (struct text){ s, n };
}

bool text_eq(struct text t, const char *s);
bool text_case_eq(struct text t, const char *s);
bool text_same(struct text a, struct text b);
bool text_starts(struct text t, const char *prefix);
bool text_case_starts(struct text t, const char *prefix);
bool text_has(struct text t, const char *needle);

/* The position of a character, or t.n where it is missing. */
size_t text_find(struct text t, char c);

/* Without its first n characters (n beyond the end: empty). */
struct text text_skip(struct text t, size_t n);
/* Without blanks (space, tab, CR, LF) at both ends. */
struct text text_trim(struct text t);
/* Without one pair of double quotes around it, if there is one. */
struct text text_unquote(struct text t);
/* The part before the separator, which is taken off *rest together with it. */
struct text text_cut(struct text *rest, char sep);

/*
 * The whole view as a number. -EINVAL: not a number (or empty); -ERANGE: it does not fit. No sign
 * but an optional '-' for text_to_i32(), no blanks, no "0x".
 */
int text_to_u32(struct text t, unsigned base, uint32_t *ret);
int text_to_u64(struct text t, unsigned base, uint64_t *ret);
int text_to_i32(struct text t, int32_t *ret);

/* True if it is not empty and has digits (hexadecimal digits) only. */
bool text_all_digits(struct text t);
bool text_all_hex(struct text t);

/* Copies with a closing NUL; -ENOSPC and an empty string where it does not fit: never cut. */
int text_copy(struct text t, char *dst, size_t cap);

/*
 * Writes octets in a form fit for a log line: printable ASCII as it is, CR LF TAB NUL and
 * backslash as \r \n \t \0 \\, everything else as \xHH. Ends with "..." where the room ends.
 */
void text_escape(const void *data, size_t n, char *dst, size_t cap);

#endif
