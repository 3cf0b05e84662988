#include "cellmuxctl_print.h"

#include <stdarg.h>

#define LABEL_COLUMNS 12

static bool with_colour;

void print_set_colour(bool colour)
{
	with_colour = colour;
}

/* --- safe text ---------------------------------------------------------------------------------- */

/* One UTF-8 sequence: its length and character; 0: it is none. */
static size_t decode(struct text t, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)t.s[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 :
		   c >= 0xf0 && c < 0xf5 ? 4 : 0;
	uint32_t v = n > 1 ? c & (0x7fU >> n) : c;

	if (n == 0 || n > t.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)t.s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | ((unsigned char)t.s[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 0;
	*ret = v;
	return n;
}

/* What a terminal would obey instead of showing it. */
static bool is_harmful(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

void print_safe(FILE *f, struct text t)
{
	while (t.n) {
		uint32_t c = 0;
		size_t n = decode(t, &c);

		if (n == 0)
			fprintf(f, "\\x%02X", (unsigned char)t.s[0]);
		else if (c == '\n' || c == '\r')
			fputs(c == '\n' ? "\\n" : "\\r", f);
		else if (is_harmful(c))
			fprintf(f, "\\u%04x", (unsigned)c);
		else
			fwrite(t.s, 1, n, f);
		t = text_skip(t, n ? n : 1);
	}
}

void print_tinted(FILE *f, enum tint tint, struct text t)
{
	static const char *const codes[_TINT_MAX] = {
		[TINT_GOOD] = "\033[32m", [TINT_WARN] = "\033[33m", [TINT_BAD] = "\033[31m",
	};
	const char *code = with_colour ? codes[tint] : NULL;

	if (code)
		fputs(code, f);
	print_safe(f, t);
	if (code)
		fputs("\033[0m", f);
}

/* --- times -------------------------------------------------------------------------------------- */

void print_span(FILE *f, uint64_t seconds)
{
	unsigned long long s = seconds, min = s / 60, h = min / 60, d = h / 24;

	if (s < 60)
		fprintf(f, "%llu s", s);
	else if (min < 60)
		fprintf(f, "%llu min", min);
	else if (h < 24)
		fprintf(f, min % 60 ? "%llu h %llu min" : "%llu h", h, min % 60);
	else
		fprintf(f, h % 24 ? "%llu d %llu h" : "%llu d", d, h % 24);
}

static void print_time(FILE *f, time_t t, const char *format)
{
	char text[64];
	struct tm tm;

	if (localtime_r(&t, &tm) && strftime(text, sizeof(text), format, &tm))
		fputs(text, f);
	else
		fputs("?", f);
}

void print_clock(FILE *f, time_t t)
{
	time_t now = time(NULL);
	struct tm a, b;

	if (localtime_r(&t, &a) && localtime_r(&now, &b) && a.tm_year == b.tm_year &&
	    a.tm_yday == b.tm_yday)
		print_time(f, t, "%H:%M:%S");
	else
		print_date_clock(f, t);
}

void print_date_clock(FILE *f, time_t t)
{
	print_time(f, t, "%Y-%m-%d %H:%M:%S");
}

/* --- lines -------------------------------------------------------------------------------------- */

void print_label(FILE *f, const char *label)
{
	fprintf(f, "%-*s", LABEL_COLUMNS, label);
}

void print_json(FILE *f, struct json_object *o)
{
	size_t n = 0;
	const char *s = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	/* json-c escapes C0 only; the rest can be in strings only, where \uXXXX is JSON as well. */
	print_safe(f, text_from(s, s ? n : 0));
	putc('\n', f);
}

void complain(const char *where, const char *fmt, ...)
{
	struct note n;
	va_list ap;

	/* Standard output may be the same terminal: what was said before comes first. */
	fflush(stdout);
	note_begin(&n);
	if (n.f) {
		va_start(ap, fmt);
		vfprintf(n.f, fmt, ap);
		va_end(ap);
	}
	fputs("cellmuxctl: ", stderr);
	if (where) {
		print_safe(stderr, text_of(where));
		fputs(": ", stderr);
	}
	print_safe(stderr, text_of(note_end(&n)));
	putc('\n', stderr);
	note_free(&n);
}

/* --- notes -------------------------------------------------------------------------------------- */

void note_begin(struct note *n)
{
	n->s = NULL;
	n->n = 0;
	n->f = open_memstream(&n->s, &n->n);
}

const char *note_end(struct note *n)
{
	if (n->f)
		fclose(n->f);
	n->f = NULL;
	return n->s ? n->s : "";
}

void note_free(struct note *n)
{
	note_end(n);
	free(n->s);
	n->s = NULL;
}
