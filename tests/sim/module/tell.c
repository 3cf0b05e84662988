#include "sim/module/tell.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "sim/module/control.h"

#define PATIENCE_MS 10000

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (text_copy(text_of(path), a.sun_path, sizeof(a.sun_path)) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd < 0 ? -errno : fd;
}

/* The answer without its line end; its length, or -errno. */
static ssize_t hear(int fd, char *answer, size_t cap)
{
	struct pollfd w = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	while (n < cap - 1) {
		ssize_t r = poll(&w, 1, PATIENCE_MS) > 0 ? read(fd, answer + n, cap - 1 - n) : -1;

		if (r <= 0)
			return r < 0 ? -ETIMEDOUT : -EPIPE;
		n += (size_t)r;
		if (answer[n - 1] == '\n') {
			answer[n - 1] = '\0';
			return (ssize_t)n - 1;
		}
	}
	return -EMSGSIZE;
}

int tell(const char *path, char *const *words, int n)
{
	char line[CONTROL_LINE_MAX] = "", answer[CONTROL_LINE_MAX];
	_cleanup_(closep) int fd = dial(path);
	size_t at = 0;
	ssize_t r;

	if (fd < 0) {
		fprintf(stderr, "sim-module: %s: %s\n", path, strerror(-fd));
		return 1;
	}
	for (int i = 0; i < n && at < sizeof(line); i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", i ? " " : "", words[i]);
	if (at + 2 > sizeof(line)) {
		fprintf(stderr, "sim-module: the line is too long\n");
		return 1;
	}
	line[at++] = '\n';
	if (send(fd, line, at, MSG_NOSIGNAL) != (ssize_t)at) {
		fprintf(stderr, "sim-module: %s: %s\n", path, strerror(errno));
		return 1;
	}
	r = hear(fd, answer, sizeof(answer));
	if (r < 0) {
		fprintf(stderr, "sim-module: %s: no answer: %s\n", path, strerror((int)-r));
		return 1;
	}
	if (strncmp(answer, "ok", 2) != 0) {
		fprintf(stderr, "sim-module: %s\n", answer);
		return 1;
	}
	if (answer[2])
		puts(answer + 3);
	return 0;
}
