#include "support/count_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(unsigned short port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* False: it is over. */
static bool carry(int from, int to, unsigned long *sum)
{
	char data[16384];
	ssize_t n = read(from, data, sizeof(data));

	if (n <= 0)
		return false;
	*sum += (unsigned long)n;
	for (ssize_t at = 0; at < n;) {
		ssize_t w = write(to, data + at, (size_t)(n - at));

		if (w <= 0)
			return false;
		at += w;
	}
	return true;
}

/* As the kernel has counted them; the last acknowledgements are missing. */
static void count_packets(struct counts *c, int client)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	if (getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return;
	c->packets_up += info.tcpi_segs_in;
	c->packets_down += info.tcpi_segs_out;
}

static void serve(const struct count_proxy *p, int client)
{
	int server = dial(p->server), last = -1;
	struct pollfd w[] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
	struct counts *c = p->counts;
	bool open = server >= 0;

	c->connections++;
	while (open && poll(w, 2, -1) > 0) {
		for (int i = 0; i < 2 && open; i++) {
			if (!(w[i].revents & (POLLIN | POLLHUP)))
				continue;
			c->turns += last != i;
			last = i;
			open = carry(w[i].fd, w[1 - i].fd, i ? &c->down : &c->up);
		}
	}
	count_packets(c, client);
	close(client);
	if (server >= 0)
		close(server);
}

static void run(const struct count_proxy *p, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0)
			serve(p, client);
	}
}

int count_proxy_start(struct count_proxy *p, unsigned short server)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	p->counts = mmap(NULL, sizeof(*p->counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || p->counts == MAP_FAILED || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	p->port = ntohs(a.sin_port);
	p->server = server;
	p->pid = fork();
	if (p->pid == 0)
		run(p, fd);
	close(fd);
	return p->pid < 0 ? -errno : 0;
}

struct counts count_proxy_since(const struct count_proxy *p, struct counts before)
{
	const struct counts *c = p->counts;

	return (struct counts){ c->connections - before.connections, c->turns - before.turns,
				c->up - before.up, c->down - before.down,
				c->packets_up - before.packets_up, c->packets_down - before.packets_down };
}
