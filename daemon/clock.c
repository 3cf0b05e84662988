/* The module's clock (3GPP TS 27.007 8.15), asked for once it has a network and we have no time. */
#include <string.h>

#include "app.h"
#include "atcmd/patience.h"
#include "core/log.h"
#include "net/clock.h"

static time_t utc_of(const struct at_clock *c)
{
	struct tm tm = { .tm_year = c->year - 1900, .tm_mon = c->month - 1, .tm_mday = c->day,
			 .tm_hour = c->hour, .tm_min = c->minute, .tm_sec = c->second };
	time_t t = timegm(&tm);

	/* Local time with its zone; without one nobody can tell, and a day's error matters little. */
	return c->quarters == AT_NONE ? t : t - (time_t)c->quarters * 900;
}

static void on_line(struct at_cmd *cmd, struct text line)
{
	struct at_clock c;

	(void)cmd;
	if (at_cclk_parse(line, &c) < 0 || !c.valid)
		return;
	net_clock_learn(utc_of(&c));
	log_info("daemon", "the system's clock is not set; going by the module's");
}

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	(void)cmd;
	(void)end;
	(void)code;
	(void)final;
}

void app_clock_look(struct app *app)
{
	if (net_clock_system_is_set() || net_clock_now() >= NET_CLOCK_FLOOR ||
	    !app->modem.st.registered || at_cmd_active(&app->clock))
		return;
	app->clock = (struct at_cmd){ .text = "AT+CCLK?", .every = true,
				      .patience_ms = at_patience_ms(TEXT("AT+CCLK?")),
				      .line = on_line, .done = on_done };
	modem_send(&app->modem, &app->clock);
}
