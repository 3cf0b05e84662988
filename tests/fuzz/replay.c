/*
 * The main() of a fuzz target where no fuzzer drives it: every file of its corpus
 * (tests/fuzz/corpus/<target>/), and of each one some hundred mutations by a fixed seed, so that
 * every build flavour and compiler gets its share.
 *
 *   fuzz_json [FILE…]
 */
#include <dirent.h>
#include <stdint.h>
#include <string.h>

#include "core/text.h"
#include "core/util.h"

#define INPUT_MAX 65536
#define MUTATIONS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint32_t seed = 1;

static uint32_t roll(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* An exactly sized copy, so that address sanitizers see a read behind the end. */
static void try(const uint8_t *data, size_t n)
{
	_cleanup_(freep) uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
}

static void mutate(uint8_t *data, size_t *n)
{
	size_t at = *n ? roll((uint32_t)*n) : 0, len;

	switch (roll(5)) {
	case 0: /* a bit */
		if (*n)
			data[at] ^= (uint8_t)(1u << roll(8));
		break;
	case 1: /* an octet */
		if (*n)
			data[at] = (uint8_t)roll(256);
		break;
	case 2: /* the end is missing */
		*n = at;
		break;
	case 3: /* a part is missing */
		len = *n - at ? roll((uint32_t)(*n - at)) : 0;
		memmove(data + at, data + at + len, *n - at - len);
		*n -= len;
		break;
	case 4: /* a part twice */
		len = *n - at ? roll((uint32_t)(*n - at)) : 0;
		if (*n + len > INPUT_MAX)
			break;
		memmove(data + at + len, data + at, *n - at);
		*n += len;
		break;
	}
}

static int replay(const char *path)
{
	static uint8_t input[INPUT_MAX], mutant[INPUT_MAX];
	_cleanup_(fclosep) FILE *f = fopen(path, "rb");
	size_t n, m;

	if (!f) {
		fprintf(stderr, "%s: cannot be read\n", path);
		return 1;
	}
	n = fread(input, 1, sizeof(input), f);
	try(input, n);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(mutant, input, n);
		m = n;
		for (uint32_t k = 1 + roll(4); k; k--)
			mutate(mutant, &m);
		try(mutant, m);
	}
	return 0;
}

static int replay_all(const char *dir, unsigned *count)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort), bad = 0;
	char path[512];

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			bad |= replay(path);
			++*count;
		}
		free(names[i]);
	}
	free(names);
	return bad;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	unsigned count = 0;
	char dir[256];
	int bad = 0;

	name = name ? name + 1 : argv[0];
	if (!strncmp(name, "fuzz_", 5))
		name += 5;
	for (int i = 1; i < argc; i++, count++)
		bad |= replay(argv[i]);
	if (argc == 1) {
		snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name);
		bad = replay_all(dir, &count);
	}
	if (!count) {
		fprintf(stderr, "%s: no corpus; run it from the project's root\n", dir);
		return 1;
	}
	if (!bad)
		printf("[  PASSED  ] %u test(s).\n", count);
	return bad;
}
