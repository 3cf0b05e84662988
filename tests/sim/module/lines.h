/*
 * The wires beside the port, as levels on the board's side of the module:
 *
 *   pwrkey   in   1: pressed. How long decides what it does, see persona.h
 *   reset    in   1: held in reset; it starts anew when it is let go
 *   supply   in   0: no power. 1 where nobody drives it
 *   dtr      in   1: it may sleep, where +QSCLK or +CSCLK has allowed that. 1 where nobody drives it
 *   status   out  1: it is on; follows what the module does after a while
 *   ri       out  0 for a moment with each unsolicited line
 */
#ifndef SIM_MODULE_LINES_H
#define SIM_MODULE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"
#include "core/text.h"

enum line_pin { PIN_PWRKEY, PIN_RESET, PIN_SUPPLY, PIN_DTR, PIN_STATUS, PIN_RI, _PIN_MAX };

/* Who wants to know of an output. */
struct lines_watcher {
	void (*moved)(struct lines_watcher *w, enum line_pin pin);
};

struct lines {
	struct lines_watcher *watcher;  /* NULL: nobody */
	bool high[_PIN_MAX];
	unsigned held_ms[_PIN_MAX];     /* the last pulse */
	unsigned pulses[_PIN_MAX];
	bool autostart;                 /* the board presses PWRKEY whenever power comes */
	/* lines.c only */
	uint64_t since_ms[_PIN_MAX];
	bool used;                      /* this press has switched it on: it does not switch it off, too */
	bool wanted;                    /* what STATUS will say */
	struct ev_alarm key, status, ri;
};

struct module;

const char *pin_name(enum line_pin pin);
/* -EINVAL: no such pin. */
int pin_find(struct text name, enum line_pin *ret);
bool pin_is_output(enum line_pin pin);
/* Where it is when nobody drives it. */
bool pin_idle(enum line_pin pin);

void lines_init(struct module *m);
void lines_stop(struct module *m);
/* The host drives an input. */
void lines_set(struct module *m, enum line_pin pin, bool high);
/* The module is on, or off. */
void lines_power(struct module *m, bool on);
void lines_ring(struct module *m);
/* It has been switched off, and STATUS does not say so yet: PWRKEY does nothing. */
bool lines_going_down(const struct module *m);
/* It sleeps, and loses what comes. */
bool lines_asleep(const struct module *m);

#endif
