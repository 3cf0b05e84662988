/*
 * The control socket: lines in, one line out for each ("ok", "ok <text>", "error: <text>"), so
 * that a test, a script or `nc -U` can drive the module while it runs. A client that has asked for
 * one of the module's wires by "line" also gets "line <name> <level>" when it moves, and lets go of
 * those that it drives when it leaves.
 */
#ifndef SIM_MODULE_CONTROL_H
#define SIM_MODULE_CONTROL_H

#include "sim/module/bench.h"

#define CONTROL_CLIENTS 16
#define CONTROL_LINE_MAX 2048

struct control_client {
	struct control *control;
	int fd;                         /* -1: free */
	struct ev_watch watch;
	char in[CONTROL_LINE_MAX];
	size_t n;
	unsigned watches, drives;       /* 1 << enum line_pin */
};

struct control {
	struct bench *bench;
	char path[108];
	int fd;
	struct ev_watch watch;
	struct lines_watcher lines;
	struct control_client clients[CONTROL_CLIENTS];
};

/* 0 or -errno. */
int control_open(struct control *c, struct bench *b, const char *path);
void control_close(struct control *c);
/* What the line does; the answer without its line end. */
void control_do(struct bench *b, struct text line, char *answer, size_t cap);
/* One line per command, for --help. */
extern const char control_help[];

#endif
