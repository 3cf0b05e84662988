/*
 * Octets from the module against a chat with commands under way: whatever comes, every command
 * ends exactly once and nothing is left over. The first octet chooses the commands, the second
 * the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>

#include "atcmd/chat.h"
#include "core/log.h"
#include "core/util.h"
#include "support/wire.h"
#include "unit/fake_ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned ended[4];

struct asked {
	struct at_cmd cmd;
	unsigned i;
};

static void on_line(struct at_cmd *cmd, struct text line)
{
	(void)cmd;
	if (line.n > AT_LINE_MAX)
		abort();
}

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	(void)end, (void)code, (void)final;
	if (ended[container_of(cmd, struct asked, cmd)->i]++)
		abort();
}

static void on_lost(struct at_chat *c, int error)
{
	(void)c, (void)error;
}

static void on_silent(struct at_chat *c)
{
	(void)c;
}

static void ask(struct at_chat *c, struct asked *a, unsigned i, const char *text, const char *body)
{
	a->i = i;
	a->cmd.text = text;
	a->cmd.every = i & 1;
	a->cmd.body = body;
	a->cmd.body_n = body ? 4 : 0;
	a->cmd.patience_ms = 5000;
	a->cmd.line = on_line;
	a->cmd.done = on_done;
	at_submit(c, &a->cmd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct wire wire;
	static struct at_chat chat;
	struct asked asked[4];
	unsigned which = n ? data[0] : 0;

	if (n < 2)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	memset(&wire, 0, sizeof(wire));
	memset(&chat, 0, sizeof(chat));
	memset(asked, 0, sizeof(asked));
	memset(ended, 0, sizeof(ended));
	chat.name = "at";
	chat.lost = on_lost;
	chat.silent = on_silent;
	wire_open(&wire);
	wire.chunk = data[1] % 17;
	wire.seed = which;
	at_chat_open(&chat, &wire.pipe);
	if (which & 1)
		at_chat_sync(&chat);
	ask(&chat, &asked[0], 0, "AT+CSQ", NULL);
	ask(&chat, &asked[1], 1, "AT+CMGS=1", "body");
	ask(&chat, &asked[2], 2, "AT+COPS?", NULL);
	ask(&chat, &asked[3], 3, "ATI", NULL);
	wire_feed(&wire, data + 2, MIN(n - 2, sizeof(wire.store)));
	fake_ev_run(100);
	if (which & 2) {
		at_cancel(&chat, &asked[0].cmd);
		ended[0]++;
	}
	if (which & 4)
		wire_hang_up(&wire, 0);
	fake_ev_run(200000);
	at_chat_close(&chat);
	fake_ev_settle();
	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		/* An answered and then cancelled one counts twice and is fine. */
		if (!ended[i] || at_cmd_active(&asked[i].cmd))
			abort();
	}
	wire_close(&wire);
	fake_ev_settle();
	if (fake_ev_active())
		abort();
	return 0;
}
