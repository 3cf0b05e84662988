/* The control socket with two invented methods: framing, permissions, bounds, events, jobs. */
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "codec/json.h"
#include "core/ev.h"
#include "core/log.h"
#include "ctl/ctl.h"
#include "unit/fake_ev.h"

static char dir[64], path[96];
static struct ctl *ctl;
static struct ctl_user user;
static struct ctl_call *held[64];
static unsigned n_held, n_gone;

static void run_echo(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	assert_ptr_equal(u, &user);
	ctl_reply(call, json_object_get(params));
}

static void on_gone(struct ctl_call *call)
{
	(void)call;
	n_gone++;
}

static void run_hold(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	(void)u;
	if (json_member(params, "tell"))
		call->gone = on_gone;
	held[n_held++] = call;
}

static const struct ctl_method methods[] = {
	{ "echo", CTL_READER, run_echo },
	{ "hold", CTL_ADMIN, run_hold },
	{ 0 }
};

static const struct ctl_method *const tables[] = { methods, NULL };

static int setup(void **state)
{
	struct ctl_options o = { .path = path, .reader_group = "", .admin_group = "" };
	char why[CTL_WHY_MAX] = "";

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	n_held = n_gone = 0;
	text_copy(TEXT("/tmp/cellmux-ctl-XXXXXX"), dir, sizeof(dir));
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(ctl_open(&ctl, &user, &o, tables, why), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ctl_close(ctl);
	ctl = NULL;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* --- the client's side ---------------------------------------------------------------------------- */

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	text_copy(text_of(path), a.sun_path, sizeof(a.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fake_ev_settle();
	return fd;
}

static void say(int fd, const char *s)
{
	size_t n = strlen(s);

	while (n) {
		ssize_t k = send(fd, s, n, MSG_NOSIGNAL);

		assert_true(k > 0);
		s += k;
		n -= (size_t)k;
		fake_ev_settle();
	}
}

/* The next line, static storage; NULL: there is none, "" the connection has been closed. */
static const char *hear(int fd)
{
	static char line[400000];
	size_t n = 0;

	fake_ev_settle();
	for (;;) {
		ssize_t k = recv(fd, line + n, 1, 0);

		if (k == 0)
			return "";
		if (k < 0 && n) {       /* the rest of a long line is still on its way */
			fake_ev_settle();
			continue;
		}
		if (k < 0)
			return NULL;
		if (line[n] == '\n')
			break;
		assert_true(++n < sizeof(line));
	}
	line[n] = '\0';
	return line;
}

static void expect(int fd, const char *request, const char *answer)
{
	const char *got;

	say(fd, request);
	say(fd, "\n");
	got = hear(fd);
	assert_non_null(got);
	assert_string_equal(got, answer);
}

/* The request is refused by this name. */
static void expect_error(int fd, const char *request, const char *name)
{
	struct json_object *o = NULL;
	const char *why = "", *got;

	if (request) {
		say(fd, request);
		say(fd, "\n");
	}
	got = hear(fd);
	assert_non_null(got);
	assert_int_equal(json_read(text_of(got), 8, &o, &why), 0);
	assert_string_equal(
		json_object_get_string(json_member(json_member(json_member(o, "error"), "data"), "name")),
		name);
	json_object_put(o);
}

/* --- framing and requests ------------------------------------------------------------------------- */

static void requests_in_pieces_and_in_one_go_are_the_same(void **state)
{
	const char *r = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":{\"a\":[1,\"\\u00e4\"]}}\r\n";
	char twice[400];
	int fd = dial();

	(void)state;
	for (const char *p = r; *p; p++) {
		assert_int_equal(send(fd, p, 1, 0), 1);
		fake_ev_settle();
	}
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":[1,\"ä\"]}}");
	snprintf(twice, sizeof(twice), "%s\n\n%s", r, r);
	say(fd, twice);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":[1,\"ä\"]}}");
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":[1,\"ä\"]}}");
	assert_null(hear(fd));
	close(fd);
	fake_ev_settle();
}

static void ids_come_back_as_they_were(void **state)
{
	int fd = dial();

	(void)state;
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"x\\\"y\",\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":\"x\\\"y\",\"result\":{}}");
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":-9007199254740993,\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":-9007199254740993,\"result\":{}}");
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":1.50,\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1.50,\"result\":{}}");
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}");
	close(fd);
	fake_ev_settle();
}

static void notifications_are_carried_out_and_not_answered(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"hold\"}\n");
	assert_null(hear(fd));
	assert_int_equal(n_held, 1);
	ctl_reply(held[0], json_object_new_object());
	assert_null(hear(fd));
	close(fd);
	fake_ev_settle();
}

static void every_wrong_request_is_named_and_the_next_one_works(void **state)
{
	static const struct {
		const char *request, *name;
	} rows[] = {
		{ "hello", "PARSE_ERROR" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"", "PARSE_ERROR" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"} x", "PARSE_ERROR" },
		{ "{'jsonrpc':'2.0','id':1,'method':'echo'}", "PARSE_ERROR" },
		{ "{\"a\":\"\xff\xfe\"}", "PARSE_ERROR" },
		{ "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "PARSE_ERROR" },
		{ "1", "INVALID_REQUEST" },
		{ "null", "INVALID_REQUEST" },
		{ "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}]", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", "INVALID_REQUEST" },
		{ "{\"id\":1,\"method\":\"echo\"}", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1}", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}", "INVALID_REQUEST" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ech\"}", "METHOD_NOT_FOUND" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\\u0000\"}", "METHOD_NOT_FOUND" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\"}", "INVALID_PARAMS" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":4294967297}}",
		  "NOT_FOUND" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\",\"params\":{\"topics\":\"modem\"}}",
		  "INVALID_PARAMS" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\",\"params\":{\"topics\":[\"x\"]}}",
		  "INVALID_PARAMS" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"log.level\",\"params\":{\"level\":\"loud\"}}",
		  "INVALID_PARAMS" },
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		expect_error(fd, rows[i].request, rows[i].name);
		expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	}
	close(fd);
	fake_ev_settle();
}

static void a_nul_octet_does_not_hide_what_follows(void **state)
{
	static const char r[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\0x\n";
	int fd = dial();

	(void)state;
	assert_int_equal(send(fd, r, sizeof(r) - 1, 0), sizeof(r) - 1);
	expect_error(fd, NULL, "PARSE_ERROR");
	close(fd);
	fake_ev_settle();
}

static void a_line_that_is_too_long_costs_that_line_only(void **state)
{
	static char fill[5000];
	int fd = dial();

	(void)state;
	memset(fill, 'x', sizeof(fill) - 1);
	for (int i = 0; i < 40; i++)
		say(fd, fill);
	expect_error(fd, NULL, "PARSE_ERROR");
	assert_null(hear(fd));
	expect(fd, "\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	close(fd);
	fake_ev_settle();
}

/* Exactly the longest line is still taken. */
static void the_longest_line_is_taken(void **state)
{
	static char r[CTL_REQUEST_MAX + 2];
	const char *start = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\",\"params\":{\"a\":\"";
	int fd = dial();

	(void)state;
	memset(r, 'x', CTL_REQUEST_MAX);
	memcpy(r, start, strlen(start));
	memcpy(r + CTL_REQUEST_MAX - 3, "\"}}\n", 5);
	say(fd, r);
	assert_int_equal(n_held, 1);
	ctl_reply(held[0], NULL);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	close(fd);
	fake_ev_settle();
}

/* --- clients that come and go --------------------------------------------------------------------- */

static void who_leaves_is_not_answered_and_its_owner_told(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\",\"params\":{\"tell\":1}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hold\"}\n");
	assert_int_equal(n_held, 2);
	close(fd);
	fake_ev_settle();
	assert_int_equal(n_gone, 1);
	ctl_reply(held[1], json_object_new_object());   /* into the void */
	fake_ev_settle();
}

static void who_only_shuts_down_writing_gets_the_answers_and_then_the_end(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\",\"params\":{\"tell\":1}}\n");
	shutdown(fd, SHUT_WR);
	assert_null(hear(fd));
	ctl_fail(held[0], CTL_TIMEOUT, "late", NULL);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32010,"
			    "\"message\":\"late\",\"data\":{\"name\":\"TIMEOUT\"}}}");
	assert_string_equal(hear(fd), "");
	assert_int_equal(n_gone, 0);
	close(fd);
}

static void too_many_calls_of_one_client_are_refused(void **state)
{
	int fd = dial();

	(void)state;
	for (int i = 0; i < CTL_CALLS_MAX; i++)
		say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}\n");
	expect_error(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}", "LIMIT");
	assert_int_equal(n_held, CTL_CALLS_MAX);
	for (unsigned i = 0; i < n_held; i++)
		ctl_reply(held[i], NULL);
	close(fd);
	fake_ev_settle();
}

static void too_many_clients_are_turned_away_with_a_reason(void **state)
{
	int fds[CTL_CLIENTS_MAX], one_more;

	(void)state;
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		fds[i] = dial();
	one_more = dial();
	expect_error(one_more, NULL, "LIMIT");
	assert_string_equal(hear(one_more), "");
	close(one_more);
	close(fds[3]);
	fake_ev_settle();
	fds[3] = dial();
	expect(fds[3], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	fake_ev_settle();
}

/* --- events --------------------------------------------------------------------------------------- */

static struct json_object *number(int i)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "i", json_object_new_int(i));
	return o;
}

static void events_reach_who_asked_for_them(void **state)
{
	int a = dial(), b = dial();

	(void)state;
	assert_false(ctl_wanted(ctl, "modem"));
	expect(a, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\",\"params\":{\"topics\":[\"modem\"]}}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"seq\":0}}");
	assert_true(ctl_wanted(ctl, "modem"));
	assert_false(ctl_wanted(ctl, "job"));
	ctl_publish(ctl, "modem", number(5));
	ctl_publish(ctl, "job", number(6));
	assert_int_equal(ctl_seq(ctl), 2);
	assert_string_equal(hear(a), "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":"
			    "{\"i\":5,\"seq\":1,\"topic\":\"modem\"}}");
	assert_null(hear(a));
	expect(b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"seq\":2}}");
	ctl_publish(ctl, "job", number(7));
	assert_non_null(hear(b));
	assert_null(hear(a));
	expect(b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\",\"params\":{\"topics\":[]}}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"seq\":3}}");
	ctl_publish(ctl, "job", number(8));
	assert_null(hear(b));
	close(a);
	close(b);
	fake_ev_settle();
}

static void who_does_not_read_is_dropped_and_nobody_else_notices(void **state)
{
	int slow = dial(), quick = dial();
	unsigned heard = 0;

	(void)state;
	say(slow, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
	say(quick, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
	assert_non_null(hear(quick));
	for (int i = 0; i < 20000; i++) {
		ctl_publish(ctl, "modem", number(i));
		if (hear(quick))
			heard++;
	}
	assert_int_equal(heard, 20000);
	/* What was sent before it was dropped is there, then the end. */
	for (const char *line = hear(slow); line && *line; line = hear(slow))
		;
	assert_string_equal(hear(slow), "");
	close(slow);
	close(quick);
	fake_ev_settle();
}

/* A backlog below the bound arrives whole and in order. */
static void a_backlog_arrives_whole(void **state)
{
	char want[120];
	int fd = dial();

	(void)state;
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
	assert_non_null(hear(fd));
	for (int i = 0; i < 3000; i++)
		ctl_publish(ctl, "job", number(i));
	for (int i = 0; i < 3000; i++) {
		snprintf(want, sizeof(want), "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":"
			 "{\"i\":%d,\"seq\":%d,\"topic\":\"job\"}}", i, i + 1);
		assert_string_equal(hear(fd), want);
	}
	close(fd);
	fake_ev_settle();
}

/* --- jobs ----------------------------------------------------------------------------------------- */

static void on_cancel(struct ctl_job *job)
{
	ctl_job_fail(job, CTL_CANCELLED, "stopped");
}

static void a_job_is_told_of_kept_and_can_be_cancelled(void **state)
{
	struct ctl_job *job = ctl_job_start(ctl, "a.b");
	int fd = dial();

	(void)state;
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
	assert_non_null(hear(fd));
	ctl_job_progress(job, 40, "half way");
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"job\":"
			    "{\"id\":1,\"name\":\"a.b\",\"state\":\"running\",\"percent\":40,"
			    "\"text\":\"half way\",\"duration_ms\":0,\"result\":null,\"error\":null},"
			    "\"seq\":1,\"topic\":\"job\"}}");
	expect_error(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.cancel\",\"params\":{\"job\":1}}",
		     "BUSY");
	job->cancel = on_cancel;
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.cancel\",\"params\":{\"job\":1}}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	assert_non_null(strstr(hear(fd), "\"cancelled\""));
	expect_error(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.cancel\",\"params\":{\"job\":1}}",
		     "NOT_FOUND");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":1}}\n");
	assert_non_null(strstr(hear(fd), "\"error\":{\"code\":-32014,\"message\":\"stopped\","));
	close(fd);
	fake_ev_settle();
}

static void ended_jobs_are_forgotten_oldest_first(void **state)
{
	int fd = dial();

	(void)state;
	for (int i = 0; i < CTL_JOBS_KEPT + 4; i++)
		ctl_job_done(ctl_job_start(ctl, "x"), number(i));
	expect_error(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":4}}",
		     "NOT_FOUND");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":5}}\n");
	assert_non_null(strstr(hear(fd), "\"result\":{\"i\":4}"));
	close(fd);
	fake_ev_settle();
}

/* --- the socket's file ---------------------------------------------------------------------------- */

static int open_at(const char *where, const char *reader_group)
{
	struct ctl_options o = { .path = where, .reader_group = reader_group, .admin_group = "" };
	struct ctl_user other;
	struct ctl *second = NULL;
	char why[CTL_WHY_MAX] = "";
	int r = ctl_open(&second, &other, &o, tables, why);

	if (r == 0)
		ctl_close(second);
	else
		assert_true(why[0] && !strchr(why, '\n'));
	return r;
}

static void a_living_socket_is_left_alone_a_dead_one_replaced(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char other[128];
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(open_at(path, ""), -EADDRINUSE);
	fake_ev_settle();

	snprintf(other, sizeof(other), "%s/abandoned", dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	text_copy(text_of(other), a.sun_path, sizeof(a.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(open_at(other, ""), 0);
	assert_int_equal(access(other, F_OK), -1);

	fclose(fopen(other, "w"));
	assert_int_equal(open_at(other, ""), -EEXIST);
	assert_int_equal(unlink(other), 0);
	snprintf(other, sizeof(other), "%s/missing/s", dir);
	assert_int_equal(open_at(other, ""), -ENOENT);
	snprintf(other, sizeof(other), "%s/x", dir);
	assert_int_equal(open_at(other, "no-such-group-here"), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(requests_in_pieces_and_in_one_go_are_the_same),
		T(ids_come_back_as_they_were),
		T(notifications_are_carried_out_and_not_answered),
		T(every_wrong_request_is_named_and_the_next_one_works),
		T(a_nul_octet_does_not_hide_what_follows),
		T(a_line_that_is_too_long_costs_that_line_only),
		T(the_longest_line_is_taken),
		T(who_leaves_is_not_answered_and_its_owner_told),
		T(who_only_shuts_down_writing_gets_the_answers_and_then_the_end),
		T(too_many_calls_of_one_client_are_refused),
		T(too_many_clients_are_turned_away_with_a_reason),
		T(events_reach_who_asked_for_them),
		T(who_does_not_read_is_dropped_and_nobody_else_notices),
		T(a_backlog_arrives_whole),
		T(a_job_is_told_of_kept_and_can_be_cancelled),
		T(ended_jobs_are_forgotten_oldest_first),
		T(a_living_socket_is_left_alone_a_dead_one_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
