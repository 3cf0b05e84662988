/*
 * libgpiod without a kernel that has GPIO: the calls that the daemon makes of it, 1.x or 2.x as it
 * was built, on two chips in memory. A test that uses it gets these calls in place of the library's,
 * so that what runs is the daemon's own code for either interface.
 */
#ifndef SUPPORT_FAKE_GPIOD_H
#define SUPPORT_FAKE_GPIOD_H

#include <stdbool.h>

#define FAKE_GPIOD_CHIPS 2
#define FAKE_GPIOD_LINES 8

struct fake_gpiod_line {
	char name[32], consumer[32];    /* "" none */
	bool busy;                      /* somebody else has it */
	bool no_edges;                  /* its chip has no interrupts */
	/* what the daemon has asked for */
	bool requested, output, active_low, open_drain, edges;
	int bias;                       /* 0 as it is, 1 up, -1 down */
	int value;                      /* logical */
	char who[32];
	int fds[2];                     /* edges */
};

struct fake_gpiod {
	struct fake_gpiod_chip {
		const char *label;
		int open;                       /* how often */
		int error;                      /* opening it fails so */
		struct fake_gpiod_line lines[FAKE_GPIOD_LINES];
	} chips[FAKE_GPIOD_CHIPS];
	char dir[64];                   /* with a file for each chip */
	bool gone;                      /* the chips were pulled */
};

extern struct fake_gpiod fake_gpiod;

/* Two chips, "gpiochip0" and "gpiochip1", labelled "soc" and "expander", lines without names. */
void fake_gpiod_open(void);
/* Nothing of it may be open or requested any more (asserted). */
void fake_gpiod_close(void);
/* The other end moves an input. */
void fake_gpiod_move(int chip, int line, int value);

#endif
