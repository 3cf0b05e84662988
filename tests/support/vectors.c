#include "support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/hex.h"
#include "core/util.h"

char *vectors_load(const char *path, size_t *ret_n)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	char *data;
	long n;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0) {
		fprintf(stderr, "%s: cannot be read; tests run from the project's root\n", path);
		exit(1);
	}
	data = malloc((size_t)n + 1);
	if (!data || fread(data, 1, (size_t)n, f) != (size_t)n)
		exit(1);
	data[n] = '\0';
	if (ret_n)
		*ret_n = (size_t)n;
	return data;
}

size_t vectors_unescape(struct text t, char *dst)
{
	static const char *const names = "rnt0ez\\", *const octets = "\r\n\t\0\x1b\x1a\\";
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++) {
		const char *name;

		if (t.s[i] != '\\' || i + 1 == t.n) {
			dst[n++] = t.s[i];
			continue;
		}
		i++;
		name = strchr(names, t.s[i]);
		if (name) {
			dst[n++] = octets[name - names];
		} else if (t.s[i] == 'x' && i + 2 < t.n) {
			dst[n++] = (char)(hex_digit(t.s[i + 1]) << 4 | hex_digit(t.s[i + 2]));
			i += 2;
		} else {
			dst[n++] = '\\';
			dst[n++] = t.s[i];
		}
	}
	return n;
}
