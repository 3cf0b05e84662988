#include "ipa/journal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/util.h"

/* All members in one table: what is written is what is read. */
enum kind { A_TEXT, A_BOOL, A_NUMBER };

#define MEMBER(m) offsetof(struct ipa_journal, m), sizeof(((struct ipa_journal *)0)->m)

static const struct {
	const char *name;
	enum kind kind;
	size_t offset, size;
} members[] = {
	{ "step", A_TEXT, MEMBER(step) },
	{ "eim", A_TEXT, MEMBER(eim) },
	{ "transaction", A_TEXT, MEMBER(transaction) },
	{ "iccid_before", A_TEXT, MEMBER(iccid_before) },
	{ "iccid_target", A_TEXT, MEMBER(iccid_target) },
	{ "rollback", A_BOOL, MEMBER(rollback) },
	{ "switched", A_BOOL, MEMBER(switched) },
	{ "result_seq", A_NUMBER, MEMBER(result_seq) },
	{ "session", A_TEXT, MEMBER(session) },
	{ "server", A_TEXT, MEMBER(server) },
	{ "direct", A_BOOL, MEMBER(direct) },
	{ "delivered", A_BOOL, MEMBER(delivered) },
	{ "reported", A_BOOL, MEMBER(reported) },
	{ "installed", A_BOOL, MEMBER(installed) },
	{ "outcome", A_TEXT, MEMBER(outcome) },
};

static void clear(struct ipa_journal *j)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		memset((char *)j + members[i].offset, 0, members[i].size);
}

static int take_value(struct ipa_journal *j, size_t i, struct text value)
{
	void *at = (char *)j + members[i].offset;
	uint32_t n;

	switch (members[i].kind) {
	case A_TEXT:
		return text_copy(value, at, members[i].size);
	case A_BOOL:
	case A_NUMBER:
		if (text_to_u32(value, 10, &n) < 0)
			return -EBADMSG;
		if (members[i].kind == A_NUMBER)
			memcpy(at, &n, sizeof(n));
		else if (n > 1)
			return -EBADMSG;
		else
			*(bool *)at = n;
		return 0;
	}
	return -EBADMSG;
}

/* A member of a later version is passed over. */
static int take_line(struct ipa_journal *j, struct text line)
{
	struct text name = text_cut(&line, '=');

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (text_eq(name, members[i].name))
			return take_value(j, i, line);
	return 0;
}

/* The last line says that nothing is missing. */
static int take_all(struct ipa_journal *j, struct text all)
{
	bool whole = false;

	while (all.n) {
		struct text line = text_cut(&all, '\n');

		whole = text_eq(line, "end");
		if (!whole && take_line(j, line) < 0)
			return -EBADMSG;
	}
	return whole && j->step[0] ? 0 : -EBADMSG;
}

int ipa_journal_open(struct ipa_journal *j, const char *dir, const char *name)
{
	char all[IPA_JOURNAL_MAX], aside[sizeof(j->path) + 8];
	size_t n;
	int r;

	memset(j, 0, sizeof(*j));
	if (snprintf(j->path, sizeof(j->path), "%s/%s", dir, name) >= (int)sizeof(j->path))
		return -ENAMETOOLONG;
	r = file_load(j->path, all, sizeof(all), &n);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = take_all(j, text_from(all, n));
	if (r == 0)
		return 0;
	clear(j);
	snprintf(aside, sizeof(aside), "%s.bad", j->path);
	rename(j->path, aside);
	return r == -EFBIG ? -EBADMSG : r;
}

static void put_value(FILE *f, const struct ipa_journal *j, size_t i)
{
	const void *at = (const char *)j + members[i].offset;
	uint32_t n;

	switch (members[i].kind) {
	case A_TEXT:
		fputs(at, f);
		break;
	case A_BOOL:
		fputc(*(const bool *)at ? '1' : '0', f);
		break;
	case A_NUMBER:
		memcpy(&n, at, sizeof(n));
		fprintf(f, "%u", n);
		break;
	}
}

int ipa_journal_note(struct ipa_journal *j, const char *step)
{
	char all[IPA_JOURNAL_MAX];
	FILE *f = fmemopen(all, sizeof(all), "w");
	long n;
	int r;

	if (!f)
		return -errno;
	snprintf(j->step, sizeof(j->step), "%s", step);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		fprintf(f, "%s=", members[i].name);
		put_value(f, j, i);
		fputc('\n', f);
	}
	fputs("end\n", f);
	n = ftell(f);
	r = fclose(f) ? -errno : 0;
	return r < 0 || n <= 0 ? -EIO : file_save(j->path, all, (size_t)n, 0600);
}

int ipa_journal_close(struct ipa_journal *j)
{
	clear(j);
	return file_remove(j->path);
}

bool ipa_journal_is_open(const struct ipa_journal *j)
{
	return j->step[0] != '\0';
}
