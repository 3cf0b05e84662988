#include "support/udp_proxy.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S  180
#define CLIENTS 32
#define HOLD_MS 40      /* one that is overtaken waits no longer for others */

struct held {
	uint8_t d[2048];
	size_t n;
	uint64_t since_ms;
};

struct path {
	struct sockaddr_in client;
	int back;               /* towards the server; 0: not used */
	unsigned rebound;
	struct held up, down;
};

static int front;
static uint16_t server_port;
static unsigned random_state;
static struct udp_proxy_state *state;
static struct path paths[CLIENTS];
static unsigned next_path;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool happens(unsigned thousandths)
{
	random_state = random_state * 1103515245 + 12345;
	return random_state / 65536 % 1000 < thousandths;
}

static int open_back(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd;
}

static struct path *path_of(const struct sockaddr_in *client)
{
	struct path *p;

	for (int i = 0; i < CLIENTS; i++)
		if (paths[i].back && paths[i].client.sin_port == client->sin_port)
			return &paths[i];
	p = &paths[next_path++ % CLIENTS];
	if (p->back)
		close(p->back);
	*p = (struct path){ .client = *client, .back = open_back(), .rebound = state->rebind };
	return p;
}

static void put_out(struct path *p, bool up, const uint8_t *d, size_t n)
{
	if (up)
		send(p->back, d, n, MSG_NOSIGNAL);
	else
		sendto(front, d, n, MSG_NOSIGNAL, (struct sockaddr *)&p->client, sizeof(p->client));
}

static void release(struct path *p, bool up)
{
	struct held *h = up ? &p->up : &p->down;

	if (h->n)
		put_out(p, up, h->d, h->n);
	h->n = 0;
}

static void pass(struct path *p, bool up, const uint8_t *d, size_t n)
{
	struct held *h = up ? &p->up : &p->down;

	if (up && p->rebound != state->rebind) {
		close(p->back);
		p->back = open_back();
		p->rebound = state->rebind;
	}
	if (happens(state->lose) || (up ? state->swallow_up : state->swallow_down))
		return;
	if (!h->n && happens(state->reorder)) {
		memcpy(h->d, d, n);
		h->n = n;
		h->since_ms = now_ms();
		return;
	}
	put_out(p, up, d, n);
	if (happens(state->duplicate))
		put_out(p, up, d, n);
	release(p, up);
}

static void from_client(void)
{
	uint8_t d[2048];
	struct sockaddr_in at;
	socklen_t at_n = sizeof(at);
	ssize_t n = recvfrom(front, d, sizeof(d), 0, (struct sockaddr *)&at, &at_n);

	if (n <= 0)
		return;
	state->up++;
	state->octets_up += (uint64_t)n;
	pass(path_of(&at), true, d, (size_t)n);
}

static void from_server(struct path *p)
{
	uint8_t d[2048];
	ssize_t n = recv(p->back, d, sizeof(d), MSG_DONTWAIT);

	if (n <= 0)
		return;
	state->down++;
	state->octets_down += (uint64_t)n;
	pass(p, false, d, (size_t)n);
}

static void serve(void)
{
	uint64_t end = now_ms() + LIFE_S * 1000;

	while (now_ms() < end) {
		struct pollfd fds[CLIENTS + 1] = { { .fd = front, .events = POLLIN } };

		for (int i = 0; i < CLIENTS; i++)
			fds[i + 1] = (struct pollfd){ .fd = paths[i].back ? paths[i].back : -1, .events = POLLIN };
		if (poll(fds, CLIENTS + 1, 10) > 0) {
			for (int i = 0; i < CLIENTS; i++)
				if (fds[i + 1].revents && paths[i].back)
					from_server(&paths[i]);
			if (fds[0].revents)
				from_client();
		}
		for (int i = 0; i < CLIENTS; i++) {
			if (paths[i].up.n && now_ms() - paths[i].up.since_ms > HOLD_MS)
				release(&paths[i], true);
			if (paths[i].down.n && now_ms() - paths[i].down.since_ms > HOLD_MS)
				release(&paths[i], false);
		}
	}
}

void udp_proxy_start(struct udp_proxy *p, uint16_t server, unsigned seed)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(any);

	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(state != MAP_FAILED);
	memset(paths, 0, sizeof(paths));
	server_port = server;
	random_state = seed;
	front = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(front >= 0);
	assert_int_equal(bind(front, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(getsockname(front, (struct sockaddr *)&any, &n), 0);
	p->port = ntohs(any.sin_port);
	p->state = state;
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		serve();
		_exit(0);
	}
	close(front);
}

void udp_proxy_stop(struct udp_proxy *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	munmap(p->state, sizeof(*p->state));
	p->pid = 0;
}
