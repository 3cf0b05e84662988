/*
 * A data call of a client at a virtual port, whose other end gives back what it gets: a stream by a seed
 * goes out as fast as it is taken, and what comes back is compared octet by octet. Whatever else comes
 * ends the call, and must be its end. Served from the test's loop, and waits for nothing.
 */
#ifndef SUPPORT_DATA_CALL_H
#define SUPPORT_DATA_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "support/port_client.h"

/*
 * Octets by a seed. Never '+': three of them behind a pause would be an escape; nor '/': where a call has
 * ended, A/ would be the last command again.
 */
struct data_stream {
	uint64_t seed;
	size_t at;
};

uint8_t data_stream_next(struct data_stream *s);
/* Writes on as much as is taken without waiting, up to the octet of that number. */
void data_stream_write(struct data_stream *s, int fd, size_t total);

enum data_call_state {
	DATA_CALL_NONE, DATA_CALL_DIALLED, DATA_CALL_ON, _DATA_CALL_STATE_MAX
};

struct data_call {
	struct port_client c;
	size_t window;                  /* octets that may be under way; 0: nothing new goes out */
	bool rests;                     /* is not dialled again */
	enum data_call_state state;
	struct data_stream out, in;
	char last[3];                   /* octets that have come back */
	unsigned long long since_ms;    /* dialled, or nothing has come for what is under way */
	unsigned long long next_ms;     /* to be dialled again */
	unsigned calls, refused, ended;
	unsigned long long octets;      /* that came back, of all calls */
	char why[384];
	size_t at_risk;                 /* of the last call that has ended: went out and did not come back */
};

/* Its port is there and answers. The client's settings: no echo. */
void data_call_open(struct data_call *d, const char *path, uint64_t seed);
void data_call_close(struct data_call *d);
/*
 * Dials where there is no call, gives and takes. False: an octet was wrong, or there was silence for more
 * than ms though something was under way; why is set then.
 */
bool data_call_serve(struct data_call *d, unsigned ms);
/* What poll() shall wait for. */
short data_call_events(const struct data_call *d);
/* What is under way of it: 0 when all has come home. */
size_t data_call_under_way(const struct data_call *d);

#endif
