#include "ipa/schedule.h"

#include <sys/random.h>

#include "core/util.h"

#define SOON_MIN_MS 1000
#define SOON_MAX_MS 3000
#define RETRY_MIN_S 30
#define RETRY_MAX_S 3600
#define JITTER_PERCENT 10

static uint32_t system_random(uint32_t n)
{
	uint32_t v = 0;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v))
		v = (uint32_t)(ev_now_ms() * 2654435761u);
	return v % n;
}

static uint32_t pick(struct ipa_schedule *s, uint32_t n)
{
	return n ? (s->random ? s->random : system_random)(n) : 0;
}

static void plan(struct ipa_schedule *s, uint64_t ms)
{
	/* An alarm that is set already and comes earlier stays. */
	if (s->next_ms && s->next_ms <= ev_now_ms() + ms)
		return;
	s->next_ms = ev_now_ms() + ms;
	ev_alarm_start(&s->alarm, (unsigned)ms);
}

static void forget(struct ipa_schedule *s)
{
	ev_alarm_stop(&s->alarm);
	s->next_ms = 0;
}

static void on_alarm(struct ev_alarm *a)
{
	struct ipa_schedule *s = container_of(a, struct ipa_schedule, alarm);

	s->next_ms = 0;
	s->wanted = false;
	s->due(s);
}

void ipa_schedule_start(struct ipa_schedule *s)
{
	s->alarm.fired = on_alarm;
	s->wanted = s->interval_s > 0;
}

void ipa_schedule_stop(struct ipa_schedule *s)
{
	forget(s);
	s->online = s->wanted = false;
}

void ipa_schedule_online(struct ipa_schedule *s, bool online)
{
	if (s->online == online)
		return;
	s->online = online;
	if (!online) {
		/* What was planned is still wanted, but not before the network is back. */
		s->wanted |= s->next_ms != 0;
		forget(s);
	} else if (s->wanted) {
		plan(s, SOON_MIN_MS + pick(s, MAX(s->spread_s, 1u) * 1000));
	}
}

void ipa_schedule_trigger(struct ipa_schedule *s)
{
	s->wanted = true;
	if (s->online)
		plan(s, SOON_MIN_MS + pick(s, SOON_MAX_MS - SOON_MIN_MS));
}

void ipa_schedule_done(struct ipa_schedule *s, bool ok)
{
	uint64_t ms;

	s->failures = ok ? 0 : s->failures + 1;
	if (ok && !s->interval_s)
		return;
	if (ok) {
		ms = s->interval_s * 1000ull;
	} else {
		ms = (uint64_t)RETRY_MIN_S * 1000 << MIN(s->failures - 1, 10u);
		ms = MIN(ms, MAX(s->interval_s, (unsigned)RETRY_MAX_S) * 1000ull);
	}
	ms += pick(s, (uint32_t)MIN(ms * JITTER_PERCENT / 100, UINT32_MAX - 1));
	if (s->online)
		plan(s, MIN(ms, (uint64_t)INT32_MAX));
	else
		s->wanted = true;
}
