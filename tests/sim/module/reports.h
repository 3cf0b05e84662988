/* Unsolicited lines whose wording depends on what each port has asked for. */
#ifndef SIM_MODULE_REPORTS_H
#define SIM_MODULE_REPORTS_H

struct module;
struct net;

void reports_registration(struct module *m);
/* +CGEV, to ports with +CGEREP on. */
void reports_packet(struct module *m, const char *what);

/* net_commands.c */
void net_commands_init(struct net *n);

#endif
