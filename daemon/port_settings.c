/* The keys of sections [port.NAME], one per virtual port. */
#include <errno.h>

#include "core/util.h"
#include "settings.h"

static const char *const kind_words[] = { "pty", "socket", NULL };
static const char *const urc_words[] = { "asked", "all", "none", NULL };
static const char *const data_words[] = { "no", "yes", "cmux", NULL };

#define AT(member)      CONF_AT(struct vport_options, member)
#define AT_TEXT(member) CONF_AT_TEXT(struct vport_options, member)

static const char *wrong_mode(const char *value, char words[CONF_WRONG_MAX])
{
	uint32_t mode;

	(void)words;
	return text_to_u32(text_of(value), 8, &mode) == 0 && mode <= 0777 ? NULL :
	       "expected an octal number up to 777";
}

static const struct conf_key keys[] = {
	{ NULL, "kind", CONF_CHOICE, AT(kind), .preset = "pty", .words = kind_words,
	  .help = "pty: a pseudo terminal, for programs that want a serial port. socket: a UNIX stream\n"
		  "socket." },
	{ NULL, "path", CONF_TEXT, AT_TEXT(path), .preset = "",
	  .help = "A symlink to the pseudo terminal, or the socket; @name is a socket without a file.\n"
		  "Empty: the section's name in the run directory." },
	{ NULL, "group", CONF_TEXT, AT_TEXT(group), .preset = "", .wrong = settings_wrong_group,
	  .help = "Whose members may open it, often dialout. Empty: the daemon's own." },
	{ NULL, "mode", CONF_TEXT, AT_TEXT(mode), .preset = "0660", .wrong = wrong_mode,
	  .help = "Its permissions, octal." },
	{ NULL, "urcs", CONF_CHOICE, AT(urcs), .preset = "asked", .words = urc_words,
	  .help = "Unsolicited lines that its clients get: asked for (+CREG=1, +CNMI, and what needs no\n"
		  "asking), all, or none." },
	{ NULL, "data", CONF_CHOICE, AT(data), .preset = "no", .words = data_words,
	  .help = "Data calls (ATD*99#). no: NO CARRIER. cmux: on a channel of its own, where the module\n"
		  "has one. yes: also without; then everything else waits until the call is over, APDUs to\n"
		  "the card too." },
	{ NULL, "control", CONF_BOOL, AT(control), .preset = "no",
	  .help = "Its clients may restart the module (AT+CFUN=1,1) and switch its radio off." },
};

const struct conf_group port_group = {
	.prefix = "port", .example = "at0", .keys = keys, .n = ARRAY_SIZE(keys),
	.offset = offsetof(struct settings, ports), .size = sizeof(struct vport_options),
	.max = VPORTS_MAX, .count_offset = offsetof(struct settings, n_ports),
	.name_offset = offsetof(struct vport_options, name),
	.name_size = sizeof(((struct vport_options *)0)->name),
	.help = "Virtual AT ports for other programs: one section each, at most 8, named as you like.\n"
		"See VIRTUAL PORTS in cellmux.conf(5).",
};

int port_settings_check(const struct settings *s, char why[CONF_WHY_MAX])
{
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct vport_options *o = &s->ports[i];

		if (o->path[0] == '@' && o->kind != VPORT_SOCKET) {
			snprintf(why, CONF_WHY_MAX, "[port.%s] path: @name is for kind = socket", o->name);
			return -EINVAL;
		}
		for (size_t k = 0; k < i; k++) {
			if (o->path[0] && !strcmp(o->path, s->ports[k].path)) {
				snprintf(why, CONF_WHY_MAX, "[port.%s] path: [port.%s] has it already",
					 o->name, s->ports[k].name);
				return -EINVAL;
			}
		}
	}
	return 0;
}
