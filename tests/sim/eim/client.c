#include "sim/eim/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/util.h"
#include "sim/eim/command.h"

static int dial(const char *dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/control.sock", dir) >=
	    (int)sizeof(at.sun_path))
		errno = ENAMETOOLONG;
	else if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	fprintf(stderr, "sim-eim: %s: no server is running there: %s\n", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int send_words(int fd, int argc, char *const *argv)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char cwd[PATH_MAX];
	const char *s;
	size_t n;
	int r = 0;

	for (int i = 0; i < argc; i++)
		json_object_array_add(list, json_object_new_string(argv[i]));
	json_object_object_add(o, "dir",
			       json_object_new_string(getcwd(cwd, sizeof(cwd)) ? cwd : "."));
	json_object_object_add(o, "argv", list);
	s = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &n);
	if (send(fd, s, n, MSG_NOSIGNAL) != (ssize_t)n || send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
		r = -errno;
	json_object_put(o);
	return r;
}

/* One line of answer: its code, SE_EXIT_WAIT if there is more to come. */
static int print_answer(const char *line)
{
	struct json_object *o = json_tokener_parse(line), *code = NULL, *out = NULL;
	int r = SE_EXIT_USAGE;

	if (!o)
		return r;
	json_object_object_get_ex(o, "out", &out);
	r = json_object_object_get_ex(o, "code", &code) ? json_object_get_int(code) : SE_EXIT_WAIT;
	if (out)
		fputs(json_object_get_string(out), r == SE_EXIT_USAGE ? stderr : stdout);
	fflush(stdout);
	json_object_put(o);
	return r;
}

int se_client_run(const char *dir, int argc, char *const *argv)
{
	_cleanup_(closep) int fd = dial(dir);
	_cleanup_(fclosep) FILE *in = NULL;
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;
	int code = SE_EXIT_WAIT;

	if (fd < 0)
		return SE_EXIT_NO_SERVER;
	if (send_words(fd, argc, argv) < 0 || !(in = fdopen(dup(fd), "r"))) {
		fprintf(stderr, "sim-eim: the server does not listen\n");
		return SE_EXIT_NO_SERVER;
	}
	while (code == SE_EXIT_WAIT && getline(&line, &cap, in) > 0)
		code = print_answer(line);
	if (code != SE_EXIT_WAIT)
		return code;
	fprintf(stderr, "sim-eim: the server has gone\n");
	return SE_EXIT_NO_SERVER;
}

int se_client_log(const char *dir, unsigned lines, int follow)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char *const words[] = { (char *)"log" };
	char path[PATH_MAX], line[2200];
	unsigned total = 0, at = 0;

	snprintf(path, sizeof(path), "%s/log.txt", dir);
	f = fopen(path, "re");
	if (!f && !follow) {
		fprintf(stderr, "sim-eim: %s: %s\n", path, strerror(errno));
		return SE_EXIT_USAGE;
	}
	while (f && fgets(line, sizeof(line), f))
		total++;
	if (f)
		rewind(f);
	while (f && fgets(line, sizeof(line), f)) {
		if (at++ + lines >= total)
			fputs(line, stdout);
	}
	fflush(stdout);
	return follow ? se_client_run(dir, 1, words) : SE_EXIT_OK;
}
