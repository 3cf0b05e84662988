/* Octets to lines: every form of at_line.h, whole and cut at every octet. */
#include "support/test.h"

#include <stdio.h>

#include "atcmd/line.h"
#include "core/util.h"
#include "support/vectors.h"

struct heard {
	struct at_line line;
	char out[2 * AT_LINE_MAX];      /* lines split by '|', prompts as [>] */
	size_t n;
	unsigned overlong;
};

static void add(struct heard *h, const char *s, size_t n)
{
	assert_true(h->n + n + 1 < sizeof(h->out));
	memcpy(h->out + h->n, s, n);
	h->n += n;
	h->out[h->n] = '\0';
}

static void on_line(struct at_line *l, struct text t)
{
	struct heard *h = container_of(l, struct heard, line);

	if (h->n)
		add(h, "|", 1);
	add(h, t.s, t.n);
}

static void on_prompt(struct at_line *l, char which)
{
	char text[4] = { '[', which, ']', 0 };

	on_line(l, text_of(text));
}

static void on_overlong(struct at_line *l)
{
	container_of(l, struct heard, line)->overlong++;
}

static void start(struct heard *h, bool prompts)
{
	memset(h, 0, sizeof(*h));
	h->line.line = on_line;
	h->line.prompt = on_prompt;
	h->line.overlong = on_overlong;
	h->line.prompts = prompts;
}

static const struct {
	const char *what, *octets, *lines;
	bool prompts;
	bool flush;             /* the line falls silent at the end */
} rows[] = {
	{ "the norm", "\\r\\n+CSQ: 20,99\\r\\n\\r\\nOK\\r\\n", "+CSQ: 20,99|OK" },
	{ "no lead", "CONNECT\\r\\n", "CONNECT" },
	{ "several CRs", "\\r\\r\\nOK\\r\\r\\n", "OK" },
	{ "glued", "\\r\\nOK\\r\\n+CMTI: \"SM\",3\\r\\n", "OK|+CMTI: \"SM\",3" },
	{ "NULs after power-up", "\\0\\0\\0\\r\\nRDY\\r\\n", "RDY" },
	{ "echo and answer", "AT\\r\\r\\nOK\\r\\n", "AT|OK" },
	{ "V0: a number and CR", "0\\r", "0" },
	{ "Ctrl-Z ends an echoed body", "0011\\z\\r\\n+CMGS: 7\\r\\n", "0011|+CMGS: 7" },
	{ "LF alone", "RDY\\nAPP RDY\\n", "RDY|APP RDY" },
	{ "prompt", "\\r\\n> ", "[>]", .prompts = true },
	{ "prompt without blank", "\\r\\n>", "[>]", .prompts = true },
	{ "prompt on a line", "\\r\\n>\\r\\n", "[>]", .prompts = true },
	{ "u-blox prompt", "\\r\\n@", "[@]", .prompts = true },
	{ "no prompt expected", "\\r\\n> \\r\\n", ">", },
	{ "quoted line end", "\\r\\n+CUSD: 0,\"one\\r\\nOK\\r\\ntwo\",15\\r\\n\\r\\nOK\\r\\n",
	  "+CUSD: 0,\"one\nOK\ntwo\",15|OK" },
	{ "lost quote, then silence", "\\r\\n+QCCID: \"8986\\r\\n\\r\\nOK\\r\\n", "+QCCID: \"8986|OK",
	  .flush = true },
	{ "lost quote, stream goes on",
	  "+COPS: 0,0,\"a\\r\\nl1\\r\\nl2\\r\\nl3\\r\\nl4\\r\\nl5\\r\\nl6\\r\\nl7\\r\\nl8\\r\\n",
	  "+COPS: 0,0,\"a|l1|l2|l3|l4|l5|l6|l7|l8", .flush = true },
	{ "a quote in free text means nothing", "it's 5\" long\\r\\nOK\\r\\n", "it's 5\" long|OK" },
	{ "high octets pass", "\\xFE\\xFF\\r\\nOK\\r\\n", "\xfe\xff|OK" },
};

static void every_form_of_line_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char octets[512];
		size_t n = vectors_unescape(text_of(rows[i].octets), octets);

		/* piece 0: whole; else in pieces of so many octets */
		for (size_t piece = 0; piece <= n; piece++) {
			struct heard h;

			start(&h, rows[i].prompts);
			for (size_t at = 0; at < n; at += piece ? piece : n)
				at_line_feed(&h.line, text_from(octets + at,
								MIN(piece ? piece : n, n - at)));
			if (rows[i].flush)
				at_line_flush(&h.line);
			print_message("%s, pieces of %zu\n", rows[i].what, piece);
			assert_string_equal(h.out, rows[i].lines);
			assert_false(at_line_held(&h.line));
			assert_int_equal(h.overlong, 0);
		}
	}
}

static void too_long_a_line_is_dropped_and_the_next_one_read(void **state)
{
	struct heard h;
	char x[100];

	(void)state;
	start(&h, false);
	memset(x, 'x', sizeof(x));
	for (size_t i = 0; i < AT_LINE_MAX / sizeof(x) + 2; i++)
		at_line_feed(&h.line, text_from(x, sizeof(x)));
	at_line_feed(&h.line, TEXT("\r\nOK\r\n"));
	assert_int_equal(h.overlong, 1);
	assert_string_equal(h.out, "OK");
}

static void the_longest_line_is_read(void **state)
{
	struct heard h;
	char x[AT_LINE_MAX];

	(void)state;
	start(&h, false);
	memset(x, 'x', sizeof(x));
	at_line_feed(&h.line, text_from(x, sizeof(x)));
	at_line_feed(&h.line, TEXT("\r\n"));
	assert_int_equal(h.overlong, 0);
	assert_int_equal(h.n, AT_LINE_MAX);
}

static void stop_at_connect(struct at_line *l, struct text t)
{
	on_line(l, t);
	if (text_starts(t, "CONNECT"))
		l->stop = true;
}

static void feeding_stops_where_the_owner_says(void **state)
{
	struct heard h;
	struct text data = TEXT("\r\nCONNECT 150\r\n~\xff}#");
	size_t used;

	(void)state;
	start(&h, false);
	h.line.line = stop_at_connect;
	used = at_line_feed(&h.line, data);
	assert_string_equal(h.out, "CONNECT 150");
	/* The CR is taken; the LF that belongs to it is what stands next. */
	assert_memory_equal(data.s + used, "\n~", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_line_is_read),
		cmocka_unit_test(too_long_a_line_is_dropped_and_the_next_one_read),
		cmocka_unit_test(the_longest_line_is_read),
		cmocka_unit_test(feeding_stops_where_the_owner_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
