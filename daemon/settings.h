/* What can be configured: one table of keys, see config/cellmux.conf for what each one means. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

#include "core/conf.h"
#include "modem/power.h"
#include "modem/vport.h"

enum radio_policy { RADIO_ON, RADIO_KEEP };
enum ipa_network { IPA_NETWORK_CELLULAR, IPA_NETWORK_ANY };

#define EIM_OPTIONS_MAX 8

enum eim_transport { EIM_AUTO, EIM_HTTPS, EIM_COAP, EIM_HTTPS_COAP, EIM_COAP_HTTPS };

struct eim_options {
	char name[33], id[129], address[256];
	unsigned transport;             /* enum eim_transport */
	unsigned return_s;
	unsigned https_port, coap_port; /* 0: that of the address, or the usual one */
	char https_path[128], coap_path[128];
	char content_format[8];
	bool uri_host, blocks;
	unsigned block, datagram;
	unsigned keep_s, silence_s, idle_limit_s, ack_timeout_ms, retransmits;
};

struct settings {
	char device[256];
	unsigned baud;
	bool rtscts, hunt;
	char pin[9];
	unsigned radio;                 /* enum radio_policy */
	unsigned alive_s, gap_ms;
	bool wait;
	unsigned card_segment;
	unsigned ipa_interval_s, ipa_spread_s, ipa_rollback_s;
	unsigned ipa_network;           /* enum ipa_network */
	unsigned ipa_route;             /* enum ipa_route */
	bool ipa_immediate;
	char ipa_ca[256], ipa_interface[16], ipa_first_eim[256], ipa_psk_file[256];
	struct eim_options eims[EIM_OPTIONS_MAX];
	size_t n_eims;
	char run_dir[200], state_dir[200];
	char socket[108];               /* "" cellmux.sock in run_dir */
	char reader_group[33], admin_group[33];
	unsigned log_level;             /* enum log_level */
	unsigned cmux;                  /* enum modem_cmux */
	unsigned max_baud;
	char power_lines[_POWER_LINE_MAX][GPIO_TEXT_MAX];
	struct power_options power;     /* its lines by settings_check() */
	struct vport_options ports[VPORTS_MAX];
	size_t n_ports;
};

/* For keys that name a group of users. */
const char *settings_wrong_group(const char *value, char words[CONF_WRONG_MAX]);

/* For keys that name a line. */
const char *power_wrong_line(const char *value, char words[CONF_WRONG_MAX]);
/* power_settings.c: what is written of the power lines, into power.lines; as settings_check() */
int power_settings_check(struct settings *s, char why[CONF_WHY_MAX]);

/* port_settings.c: the keys of sections [port.…] */
extern const struct conf_group port_group;
/* What no single key can tell, as settings_check(). */
int port_settings_check(const struct settings *s, char why[CONF_WHY_MAX]);

/* eim_settings.c: the keys of sections [eim.…] */
extern const struct conf_group eim_group;
int eim_settings_check(const struct settings *s, char why[CONF_WHY_MAX]);
/* -1: none is said. */
int eim_content_format(const struct eim_options *o);
/* It names this eIM, by its id or its address. */
bool eim_options_are_for(const struct eim_options *o, const char *id, const char *fqdn);
/* What is set for this eIM: by its id, by its address, for all; or the presets. */
void eim_options_find(const struct settings *s, const char *id, const char *fqdn,
		      struct eim_options *ret);

/* The table over these settings. */
struct conf settings_conf(struct settings *s);

/* What no single key can tell; 0, or -EINVAL and one line in why. */
int settings_check(struct settings *s, char why[CONF_WHY_MAX]);

#endif
