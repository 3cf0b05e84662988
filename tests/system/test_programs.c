/*
 * The daemon's virtual ports used by programs that nobody here wrote, as they come from the
 * distribution: gammu, picocom, minicom, socat, ppp's chat and pppd, ModemManager. Each runs on a
 * line that is shared and on one that is muxed. A program that is not installed is named and its
 * test skipped; scripts/setup --tests installs them all on Debian.
 */
#include "support/test.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

#define IMEI "860000000000003"
#define OWN_NUMBER "+15550100"
#define OK PORT_CLIENT_OK

static const char *argv0;
static struct rig rig;
static struct rig_program *daemon_program;

static const char plain_conf[] = "[port.at0]\ndata = yes\n[port.at1]\n[port.at2]\nkind = socket\n";
static const char mux_conf[] = "[modem]\ncmux = yes\nmax_baud = 921600\n"
			       "[port.at0]\ndata = cmux\n[port.at1]\n[port.at2]\nkind = socket\n";

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(rig_path(&rig, name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* The daemon says by its state that it is there; the port's own channel follows. */
static void start_with(const char *conf)
{
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", "--number", OWN_NUMBER, NULL);
	daemon_program = port_daemon_start(&rig, conf);
	if (conf == mux_conf)
		port_wait_channel(&rig, 0);
}

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

#define ON_EACH_LINE(test)                              \
	static void test##_on_a_shared_line(void **state) \
	{                                               \
		(void)state;                            \
		test(plain_conf);                       \
	}                                               \
	static void test##_on_a_mux(void **state)         \
	{                                               \
		(void)state;                            \
		test(mux_conf);                         \
	}

/* --- running them --------------------------------------------------------------------------------- */

static bool installed(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

static void need(const char *program)
{
	if (installed(program))
		return;
	print_message("skipped: %s is not installed\n", program);
	skip();
}

/* In the rig's directory, by a shell. What it said; its exit code must be this. */
static const char *shell(int want, const char *fmt, ...) __printf(2, 3);
static const char *shell(int want, const char *fmt, ...)
{
	char command[2048];
	struct rig_program *p;
	va_list ap;
	int n, code;

	n = snprintf(command, sizeof(command), "cd %s; export PATH=$PATH:/usr/sbin:/sbin; ", rig.dir);
	va_start(ap, fmt);
	n += vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	assert_true((size_t)n < sizeof(command));
	code = rig_run(&rig, &p, "/bin/sh", "-c", command, NULL);
	if (code != want)
		fail_msg("%s: exit code %d, not %d\n%s\n%s", command, code, want, p->said, daemon_program->said);
	return p->said;
}

static void says(const char *said, const char *text)
{
	if (!strstr(said, text))
		fail_msg("'%s' is not in:\n%s\n%s", text, said, daemon_program->said);
}

/* Runs until it says so; nothing tells when that will be. */
static const char *shell_until(const char *text, unsigned ms, const char *command)
{
	unsigned long long end = rig_now_ms() + ms;

	for (;;) {
		struct rig_program *p;
		char line[1024];

		snprintf(line, sizeof(line), "cd %s; export PATH=$PATH:/usr/sbin:/sbin; %s", rig.dir, command);
		rig_run(&rig, &p, "/bin/sh", "-c", line, NULL);
		if (strstr(p->said, text))
			return p->said;
		if (rig_now_ms() > end)
			fail_msg("%s never says '%s':\n%s\n%s", command, text, p->said, daemon_program->said);
		poll(NULL, 0, 50);
	}
}

/* --- gammu ---------------------------------------------------------------------------------------- */

static void gammu_sends_a_message_and_reads_it(const char *conf)
{
	char config[256];
	const char *said;

	need("gammu");
	start_with(conf);
	snprintf(config, sizeof(config), "[gammu]\nport = %s\nconnection = at\nuse_locking = no\n",
		 rig_path(&rig, "at1"));
	write_file("gammurc", config);
	write_file("batch", "identify\nnetworkinfo\nsendsms TEXT " OWN_NUMBER " -text \"there and back\"\n");
	said = shell(0, "gammu -c gammurc batch batch");
	says(said, IMEI);
	says(said, "Home Net");
	says(said, "message reference=1");
	/* One that comes while nobody has the port open is there as well. */
	assert_true(rig_tell_module(&rig, "sms +491709999 read by another program"));
	write_file("batch", "getallsms\ndeleteallsms 1\ngetallsms\n");
	said = shell(0, "gammu -c gammurc batch batch");
	says(said, "there and back");
	says(said, "read by another program");
	says(said, "0 SMS parts in 0 SMS sequences");
}

ON_EACH_LINE(gammu_sends_a_message_and_reads_it)

/* --- terminals ------------------------------------------------------------------------------------ */

static void picocom_asks_and_shows(const char *conf)
{
	need("picocom");
	start_with(conf);
	/* Its first string, and what is typed; -x: it ends after so long without an octet. */
	says(shell(0, "picocom -q -b 115200 -x 700 -t \"$(printf 'ATE0\\rAT+CGSN\\r')\" at1 </dev/null"), IMEI);
	says(shell(0, "(printf 'AT+CGMM\\r'; sleep 0.2; printf 'AT+CSQ\\r'; sleep 0.2) | picocom -q -x 700 at1"),
	     "+CSQ: 20,99");
}

ON_EACH_LINE(picocom_asks_and_shows)

static const char minicom_script[] =
	"timeout 20\nsend \"ATE1\"\nexpect {\n\"OK\"\ntimeout 5 goto bad\n}\n"
	"send \"AT+CGSN\"\nexpect {\n\"" IMEI "\"\ntimeout 5 goto bad\n}\n"
	"! touch found\n"
	"bad:\nexit\n";

/* minicom wants a terminal of its own: socat gives it one. */
static void minicom_runs_a_script(const char *conf)
{
	struct rig_program *p;
	char command[512];

	need("minicom");
	need("socat");
	start_with(conf);
	write_file("script", minicom_script);
	snprintf(command, sizeof(command),
		 "cd %s; HOME=%s TERM=vt100 exec socat -u EXEC:\"minicom -o -b 115200 -D %s -S script\",pty,setsid,"
		 "ctty,stderr STDOUT", rig.dir, rig.dir, rig_path(&rig, "at1"));
	p = rig_start(&rig, "/bin/sh", "-c", command, NULL);
	shell_until("yes", 20000, "test -e found && echo yes");
	rig_stop(p);
}

ON_EACH_LINE(minicom_runs_a_script)

static void socat_joins_a_socket_port_to_other_things(const char *conf)
{
	struct rig_program *bridge;

	need("socat");
	start_with(conf);
	/* It shuts down its writing half when the input has ended, and waits for the answer. */
	says(shell(0, "printf 'ATE0+CGSN\\r' | socat -t 10 - UNIX-CONNECT:at2"), "\r\n" IMEI "\r\n" OK);
	says(shell(0, "printf 'AT+CGMM\\r' | socat -t 1 - ./at1,raw,echo=0"), "EG25");
	if (!installed("gammu"))
		return;
	bridge = rig_start(&rig, "/bin/sh", "-c", "exec socat -d -d PTY,link=$0/bridge,raw,echo=0 UNIX-CONNECT:$0/at2",
			   rig.dir, NULL);
	assert_true(rig_wait_for(bridge, "starting data transfer loop", 0, 10000));
	write_file("gammurc", "[gammu]\nport = bridge\nconnection = at\nuse_locking = no\n");
	says(shell(0, "gammu -c gammurc --identify"), IMEI);
	rig_stop(bridge);
}

ON_EACH_LINE(socat_joins_a_socket_port_to_other_things)

/* What a shell writes ends with LF, and its port is closed before anybody has looked. */
static void a_shell_writes_and_leaves(const char *conf)
{
	struct port_client c;

	start_with(conf);
	for (unsigned i = 0; i < 20; i++) {
		unsigned long long deadline = rig_now_ms() + 5000;
		char want[64];

		shell(0, "echo 'AT+CGDCONT=2,\"IP\",\"visit%u\"' >at1", i);
		port_client_open(&c, rig_path(&rig, "at0"));
		port_client_ask(&c, "ATE0\r", OK, daemon_program->said);
		snprintf(want, sizeof(want), "+CGDCONT: 2,\"IP\",\"visit%u\"", i);
		/* It is on its way: whose command is first nobody has said. */
		while (!strstr(port_client_ask(&c, "AT+CGDCONT?\r", OK, daemon_program->said), want))
			assert_true(rig_now_ms() < deadline);
		port_client_close(&c);
	}
}

ON_EACH_LINE(a_shell_writes_and_leaves)

/* --- ppp ------------------------------------------------------------------------------------------- */

static const char dial_script[] =
	"exec chat -t 10 ABORT 'NO CARRIER' ABORT ERROR '' ATZ OK ATE1 OK 'AT+CGDCONT=1,\"IP\",\"internet\"' OK "
	"'ATD*99***1#' CONNECT '\\c'\n";

static void chat_dials_and_octets_pass_both_ways(const char *conf)
{
	struct port_client other, again;
	const char *said;

	need("chat");
	start_with(conf);
	write_file("dial", dial_script);
	port_client_open(&other, rig_path(&rig, "at1"));
	/*
	 * The port stays open behind chat, as it does with pppd. A frame with all that is special to
	 * somebody goes out; the other end gives it back.
	 */
	said = shell(0, "exec 3<>at0; sh dial <&3 >&3 && printf '~\\377}#\\300!}!\\r\\n\\021\\023\\371AT\\r~' >&3 && "
			"timeout 10 head -c 29 <&3 | od -An -v -w64 -tx1");
	says(said, " 7e ff 7d 23 c0 21 7d 21 0d 0a 11 13 f9 41 54 0d");
	/* It has left in data mode: the call is hung up, the next client finds a port in command mode. */
	port_client_ask(&other, "ATE0\r", OK, daemon_program->said);
	assert_string_equal(port_client_ask(&other, "AT+CGSN\r", OK, daemon_program->said),
			    "\r\n" IMEI "\r\n" OK);
	port_client_open(&again, rig_path(&rig, "at0"));
	port_client_ask(&again, "AT+CSQ\r", OK, daemon_program->said);
	port_client_close(&again);
	port_client_close(&other);
}

ON_EACH_LINE(chat_dials_and_octets_pass_both_ways)

/* What it sends comes back: it must recognise itself, which it does by the octets alone. */
static void pppd_dials_and_hears_itself(const char *conf)
{
	need("pppd");
	if (access("/dev/ppp", R_OK | W_OK) < 0) {
		print_message("skipped: the kernel has no PPP here, or not for this user (/dev/ppp)\n");
		skip();
	}
	start_with(conf);
	write_file("dial", dial_script);
	says(shell(17, "pppd $PWD/at0 115200 local nocrtscts nodetach noauth nolock nodefaultroute noipdefault "
		       "connect \"sh $PWD/dial\""), "looped back");
}

ON_EACH_LINE(pppd_dials_and_hears_itself)

/* --- ModemManager ---------------------------------------------------------------------------------- */

static const char bus_conf[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>\n"
	"<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
	"<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n";

/* A bus of its own, on which it believes to be alone in the world: no devices but the one it is given. */
static void start_modem_manager(void)
{
	const char *bus = rig_path(&rig, "bus");
	struct rig_program *p;
	char text[1024], address[128];

	snprintf(text, sizeof(text), bus_conf, bus);
	write_file("bus.conf", text);
	snprintf(address, sizeof(address), "unix:path=%s", bus);
	setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	p = rig_start(&rig, "/bin/sh", "-c", "exec dbus-daemon --config-file=$0/bus.conf --nofork --print-address",
		      rig.dir, NULL);
	assert_true(rig_wait_for(p, "unix:path=", 0, 10000));
	p = rig_start(&rig, "/bin/sh", "-c", "PATH=$PATH:/usr/sbin exec ModemManager --test-session --test-enable "
		      "--test-no-udev --test-no-suspend-resume --test-no-qrtr --no-auto-scan", NULL);
	(void)p;
	shell_until("boolean true", 20000,
		    "dbus-send --session --print-reply --dest=org.freedesktop.DBus / "
		    "org.freedesktop.DBus.NameHasOwner string:org.freedesktop.ModemManager1");
	/* Its own test interface gives it a modem whose port is a socket. */
	shell(0, "dbus-send --session --print-reply --dest=org.freedesktop.ModemManager1 "
		 "/org/freedesktop/ModemManager1 org.freedesktop.ModemManager1.Test.SetProfile "
		 "string:cellmux string:generic array:string:$PWD/at2");
}

static void modem_manager_uses_a_port_with_all_it_has(const char *conf)
{
	struct port_client other;
	const char *said;

	need("ModemManager");
	need("mmcli");
	need("dbus-daemon");
	need("dbus-send");
	start_with(conf);
	start_modem_manager();
	said = shell_until(": disabled", 30000, "mmcli -m any -K");
	says(said, IMEI);
	says(said, "Quectel");
	shell(0, "mmcli -m any --enable");
	said = shell_until("state : registered", 30000, "mmcli -m any -K | sed 's/  *:/ :/'");
	/* Name and number of the network are asked for in two forms, one right after the other. */
	said = shell_until("operator-name : Home Net", 10000, "mmcli -m any -K | sed 's/  *:/ :/'");
	says(said, "operator-code : 00101");

	shell(0, "mmcli -m any --messaging-create-sms=\"text='to itself',number='" OWN_NUMBER "'\"");
	shell(0, "mmcli -s 0 --send");
	shell_until("(received)", 10000, "mmcli -m any --messaging-list-sms");
	says(shell(0, "mmcli -s 1"), "to itself");

	/* What it has asked to be told reaches it, and nobody who has not asked. */
	port_client_open(&other, rig_path(&rig, "at1"));
	port_client_ask(&other, "ATE0\r", OK, daemon_program->said);
	assert_true(rig_tell_module(&rig, "register 5"));
	shell_until("registration-state : roaming", 10000, "mmcli -m any -K | sed 's/  *:/ :/'");
	assert_string_equal(port_client_ask(&other, "AT+CREG?\r", OK, daemon_program->said),
			    "\r\n+CREG: 0,5\r\n" OK);
	port_client_close(&other);
	shell(0, "mmcli -m any --disable");
	shell_until("state : disabled", 10000, "mmcli -m any -K | sed 's/  *:/ :/'");
}

ON_EACH_LINE(modem_manager_uses_a_port_with_all_it_has)

#define ONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define BOTH(f) ONE(f##_on_a_shared_line), ONE(f##_on_a_mux)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(gammu_sends_a_message_and_reads_it),
		BOTH(picocom_asks_and_shows),
		BOTH(minicom_runs_a_script),
		BOTH(socat_joins_a_socket_port_to_other_things),
		BOTH(a_shell_writes_and_leaves),
		BOTH(chat_dials_and_octets_pass_both_ways),
		BOTH(pppd_dials_and_hears_itself),
		BOTH(modem_manager_uses_a_port_with_all_it_has),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
