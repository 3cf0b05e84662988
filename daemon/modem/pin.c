#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/file.h"
#include "core/log.h"
#include "modem/modem.h"

#define NOTE_MAX 128

/* FNV-1a: tells one PIN from another; whoever can read the note can read the configuration too. */
static uint64_t mark_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3;
	return h;
}

static void note_path(const struct modem *m, char *dst, size_t cap)
{
	snprintf(dst, cap, "%s/pin-tried", m->o.state_dir);
}

static void note_text(const struct modem *m, char note[NOTE_MAX])
{
	/* Some modules give no ICCID before the PIN; then the module's number stands for the card. */
	snprintf(note, NOTE_MAX, "%s %016" PRIx64 "\n", m->st.iccid[0] ? m->st.iccid : m->st.imei,
		 mark_of(m->o.pin));
}

bool modem_pin_may_try(const struct modem *m)
{
	char path[512], want[NOTE_MAX], found[NOTE_MAX];
	size_t n;
	int r;

	note_path(m, path, sizeof(path));
	note_text(m, want);
	r = file_load(path, found, sizeof(found), &n);
	if (r == -ENOENT)
		return true;
	/* A note that cannot be read may be about this card: a locked card costs a journey. */
	return r == 0 && !text_eq(text_from(found, n), want);
}

int modem_pin_note_try(const struct modem *m)
{
	char path[512], note[NOTE_MAX];

	note_path(m, path, sizeof(path));
	note_text(m, note);
	return file_save(path, note, strlen(note), 0600);
}

void modem_pin_note_accepted(const struct modem *m)
{
	char path[512];
	int r;

	note_path(m, path, sizeof(path));
	r = file_remove(path);
	if (r < 0)
		log_warning("modem", "%s: cannot be removed (%s), ignoring", path, strerror(-r));
}
