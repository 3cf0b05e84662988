#include "settings.h"

#include <errno.h>
#include <stdio.h>

#include "core/text.h"
#include "core/util.h"
#include "ctl/peer.h"

static const char *const cmux_words[] = { "no", "auto", "yes", NULL };
static const char *const radio_words[] = { "on", "keep", NULL };
static const char *const network_words[] = { "cellular", "any", NULL };
static const char *const route_words[] = { "auto", "direct", "indirect", NULL };
static const char *const level_words[] = { "error", "warning", "info", "debug", "trace", NULL };

#define AT(member)      CONF_AT(struct settings, member)
#define AT_TEXT(member) CONF_AT_TEXT(struct settings, member)

const char *settings_wrong_group(const char *value, char words[CONF_WRONG_MAX])
{
	if (ctl_group_check(value) == 0)
		return NULL;
	snprintf(words, CONF_WRONG_MAX, "there is no group %s; make it with groupadd --system %s, or leave "
		 "the key empty", value, value);
	return words;
}

static const char *wrong_pin(const char *value, char words[CONF_WRONG_MAX])
{
	struct text pin = text_of(value);

	(void)words;
	return !pin.n || (text_all_digits(pin) && pin.n >= 4) ? NULL : "expected 4 to 8 digits";
}

static const struct conf_key keys[] = {
	{ "modem", "device", CONF_TEXT, AT_TEXT(device), .preset = "",
	  .help = "The module's AT port: /dev/ttyUSB2, /dev/ttyS1, or better a name that stays, from\n"
		  "/dev/serial/by-id. Must be set here or with -d." },
	{ "modem", "baud", CONF_NUMBER, AT(baud), .preset = "115200", .min = 1200, .max = 4000000,
	  .help = "Line speed. USB ports do not care." },
	{ "modem", "rtscts", CONF_BOOL, AT(rtscts), .preset = "no",
	  .help = "Hardware flow control. Set it where RTS and CTS are wired, and in the module too\n"
		  "(often AT+IFC=2,2 and AT&W)." },
	{ "modem", "hunt", CONF_BOOL, AT(hunt), .preset = "yes",
	  .help = "Try the other usual speeds where this one brings no answer." },
	{ "modem", "wait", CONF_BOOL, AT(wait), .preset = "no",
	  .help = "Wait for a port that is missing or held by another program at start, instead of\n"
		  "ending with an error. The systemd unit sets it (--wait)." },
	{ "modem", "pin", CONF_TEXT, AT_TEXT(pin), .preset = "", .secret = true,
	  .wrong = wrong_pin,
	  .help = "The card's PIN, four to eight digits. A PIN that a card has refused is never tried\n"
		  "again on it, not even after a restart." },
	{ "modem", "radio", CONF_CHOICE, AT(radio), .preset = "on", .words = radio_words,
	  .help = "What to do with a module that starts with its radio off (+CFUN 0 or 4): on switches\n"
		  "it on, keep leaves it." },
	{ "modem", "alive", CONF_NUMBER, AT(alive_s), .preset = "60", .min = 0, .max = 86400,
	  .help = "Seconds of quiet after which the module is asked whether it is still there; its\n"
		  "signal comes with the answer. 0 never asks: a module that dies without a word is\n"
		  "then noticed only when somebody needs it." },
	{ "modem", "cmux", CONF_CHOICE, AT(cmux), .preset = "no", .words = cmux_words,
	  .help = "27.010 CMUX: several channels on the one line, so that a data call, APDUs and virtual\n"
		  "ports do not wait for each other. auto: where the module's family is known to do it; a\n"
		  "module that refuses is used without." },
	{ "modem", "max_baud", CONF_NUMBER, AT(max_baud), .preset = "0", .min = 0, .max = 4000000,
	  .help = "Raise the line's speed to this once the module is known (AT+IPR), if it takes it. 0:\n"
		  "leave it." },
	{ "modem", "gap", CONF_NUMBER, AT(gap_ms), .preset = "0", .min = 0, .max = 1000,
	  .help = "Milliseconds between an answer and the next command. 0: what the module's family\n"
		  "asks for, which is mostly nothing." },

	{ "power", "pwrkey", CONF_TEXT, AT_TEXT(power_lines[POWER_PWRKEY]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "The line that presses the module's PWRKEY (ON/OFF, IGT), where there is one:\n"
		  "CHIP:NUMBER or CHIP:NAME, or just NAME, and behind it active-low, open-drain,\n"
		  "pull-up or pull-down where that is so. CHIP is gpiochip0, its path or its label.\n"
		  "Active means pressed. Not to be set where the board presses it by itself." },
	{ "power", "reset", CONF_TEXT, AT_TEXT(power_lines[POWER_RESET]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "The line to its RESET; active: held in reset." },
	{ "power", "supply", CONF_TEXT, AT_TEXT(power_lines[POWER_SUPPLY]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "A line that gives it its power, by a switch or FULL_CARD_POWER_OFF#; active: on." },
	{ "power", "status", CONF_TEXT, AT_TEXT(power_lines[POWER_STATUS]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "The line that tells whether it is on (STATUS, VDD_EXT, PWRMON); active: on. Without\n"
		  "it PWRKEY, which switches on as well as off, is pressed by guess." },
	{ "power", "dtr", CONF_TEXT, AT_TEXT(power_lines[POWER_DTR]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "A line to its DTR; active: stay awake, which is often active-low." },
	{ "power", "ri", CONF_TEXT, AT_TEXT(power_lines[POWER_RI]), .preset = "",
	  .wrong = power_wrong_line,
	  .help = "The line from its RI: it has something to say when that becomes active." },
	{ "power", "on_ms", CONF_NUMBER, AT(power.times.on_ms), .preset = "0", .min = 0, .max = 60000,
	  .help = "Milliseconds for which PWRKEY is pressed to switch it on. 0: what its family wants,\n"
		  "1000 as long as that is not known." },
	{ "power", "off_ms", CONF_NUMBER, AT(power.times.off_ms), .preset = "0", .min = 0, .max = 60000,
	  .help = "The same to switch it off. 0: what its family wants." },
	{ "power", "reset_ms", CONF_NUMBER, AT(power.times.reset_ms), .preset = "0", .min = 0, .max = 60000,
	  .help = "Milliseconds for which RESET is active. 0: what its family wants." },
	{ "power", "up_ms", CONF_NUMBER, AT(power.times.up_ms), .preset = "0", .min = 0, .max = 120000,
	  .help = "Milliseconds from pressing until STATUS says that it is on. 0: as its family." },
	{ "power", "down_ms", CONF_NUMBER, AT(power.times.down_ms), .preset = "0", .min = 0, .max = 120000,
	  .help = "Milliseconds that it may take to switch itself off. 0: as its family." },
	{ "power", "cut_ms", CONF_NUMBER, AT(power.cut_ms), .preset = "2000", .min = 100, .max = 60000,
	  .help = "Milliseconds for which the supply is taken away." },
	{ "power", "per_hour", CONF_NUMBER, AT(power.per_hour), .preset = "6", .min = 0,
	  .max = POWER_USES_MAX,
	  .help = "How often within an hour the lines are used without being told to, when nothing milder\n"
		  "helps or STATUS says that the module is off. 0: never." },

	{ "card", "segment", CONF_NUMBER, AT(card_segment), .preset = "120", .min = 32, .max = 255,
	  .help = "Octets of data in one APDU. 120 is known to go through every module; more makes a\n"
		  "download over a slow line a little faster, where module and card take it." },

	{ "ipa", "interval", CONF_NUMBER, AT(ipa_interval_s), .preset = "86400", .min = 0, .max = 31536000,
	  .help = "Seconds between two visits at an eIM. 0: only when something has happened, or on\n"
		  "demand (cellmuxctl ipa poll)." },
	{ "ipa", "spread", CONF_NUMBER, AT(ipa_spread_s), .preset = "60", .min = 1, .max = 86400,
	  .help = "After the network has come back, the first visit is delayed by a random time of up\n"
		  "to so many seconds: a fleet does not come back all at once." },
	{ "ipa", "rollback_after", CONF_NUMBER, AT(ipa_rollback_s), .preset = "300", .min = 10, .max = 86400,
	  .help = "Seconds in which a profile that an eIM has enabled must reach it. After that the\n"
		  "profile before is enabled again, if the eIM has allowed it." },
	{ "ipa", "network", CONF_CHOICE, AT(ipa_network), .preset = "cellular", .words = network_words,
	  .help = "What leads to the eIMs: cellular, the module's network, so that nothing is tried\n"
		  "while it is not registered; or any, there is another way, too." },
	{ "ipa", "interface", CONF_TEXT, AT_TEXT(ipa_interface), .preset = "",
	  .help = "Network interface that traffic to eIMs is bound to, wwan0 for example. Empty: as the\n"
		  "routes say." },
	{ "ipa", "ca", CONF_TEXT, AT_TEXT(ipa_ca), .preset = "",
	  .help = "Certificates of authorities that eIMs and SM-DP+ are believed by, a file or a directory,\n"
		  "PEM or DER: the GSMA CI's, for public SM-DP+. Not needed for eIMs whose key or\n"
		  "certificate is pinned on the card. Without it there are no direct downloads." },
	{ "ipa", "download", CONF_CHOICE, AT(ipa_route), .preset = "auto", .words = route_words,
	  .help = "Where a profile comes from that an eIM wants to be downloaded: direct, from the SM-DP+;\n"
		  "indirect, through the eIM; auto, direct where ca is set and the eIM says from where." },
	{ "ipa", "immediate_enable", CONF_BOOL, AT(ipa_immediate), .preset = "yes",
	  .help = "After a download for an eIM ask the card to enable the profile at once. It does so only\n"
		  "where the eIM has configured it." },
	{ "ipa", "psk_file", CONF_TEXT, AT_TEXT(ipa_psk_file), .preset = "",
	  .help = "File with pre-shared keys of eIMs for CoAP over DTLS: lines of eIM, identity and key, see\n"
		  "cellmux.conf(5). Nobody but cellmuxd may read it. Empty: certificates only." },
	{ "ipa", "first_eim", CONF_TEXT, AT_TEXT(ipa_first_eim), .preset = "",
	  .help = "File with the configuration of the first eIM (AddInitialEimRequest, or one or more\n"
		  "EimConfigurationData, DER): given to a card that has none." },

	{ "socket", "path", CONF_TEXT, AT_TEXT(socket), .preset = "",
	  .help = "The control socket; empty: cellmux.sock in the run directory." },
	{ "socket", "reader_group", CONF_TEXT, AT_TEXT(reader_group), .preset = "",
	  .wrong = settings_wrong_group,
	  .help = "Members may look at the status. Empty: every local user may." },
	{ "socket", "admin_group", CONF_TEXT, AT_TEXT(admin_group), .preset = "",
	  .wrong = settings_wrong_group,
	  .help = "Members may also change things. Empty: only root and the user the daemon runs as." },

	{ "daemon", "run_dir", CONF_TEXT, AT_TEXT(run_dir), .preset = "/run/cellmux",
	  .help = "Where sockets and ports live while the daemon runs." },
	{ "daemon", "state_dir", CONF_TEXT, AT_TEXT(state_dir), .preset = "/var/lib/cellmux",
	  .help = "What must survive a power cut." },
	{ "daemon", "log_level", CONF_CHOICE, AT(log_level), .preset = "info", .words = level_words,
	  .help = "error, warning, info, debug, or trace, which shows every octet on the line." },
};

struct conf settings_conf(struct settings *s)
{
	static struct conf_group groups[2];

	groups[0] = port_group;
	groups[1] = eim_group;
	return (struct conf){ .keys = keys, .n = ARRAY_SIZE(keys), .settings = s,
			      .groups = groups, .n_groups = ARRAY_SIZE(groups) };
}

int settings_check(struct settings *s, char why[CONF_WHY_MAX])
{
	if (!s->device[0]) {
		snprintf(why, CONF_WHY_MAX, "no device: give one with -d, for example -d /dev/ttyUSB2, or "
			 "set device in section [modem]");
		return -EINVAL;
	}
	if (!s->socket[0] && snprintf(s->socket, sizeof(s->socket), "%s/cellmux.sock", s->run_dir) >=
				     (int)sizeof(s->socket)) {
		snprintf(why, CONF_WHY_MAX, "[daemon] run_dir: a socket's name there is longer than %zu "
			 "characters", sizeof(s->socket) - 1);
		return -EINVAL;
	}
	if (s->max_baud && s->max_baud < s->baud) {
		snprintf(why, CONF_WHY_MAX, "[modem] max_baud: expected 0, or at least baud, which is %u", s->baud);
		return -EINVAL;
	}
	if (power_settings_check(s, why) < 0)
		return -EINVAL;
	if (eim_settings_check(s, why) < 0)
		return -EINVAL;
	return port_settings_check(s, why);
}
