#include "sim/module/cards.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "core/util.h"
#include "sim/euicc/euicc.h"
#include "sim/module/vpcd.h"

static int open_plain(const struct plain_sim_options *o, struct cards_given *ret,
		      char why[CARDS_WHY_MAX])
{
	int r = plain_sim_open(o, &ret->card);

	if (r == -EINVAL)
		snprintf(why, CARDS_WHY_MAX,
			 "the plain card: ICCID 18 to 20 digits, IMSI 6 to 15, PIN 4 to 8");
	else if (r < 0)
		snprintf(why, CARDS_WHY_MAX, "the plain card: %s", strerror(-r));
	ret->inserted = r == 0;
	return r;
}

static int open_vpcd(struct text port, struct cards_given *ret, char why[CARDS_WHY_MAX])
{
	uint32_t v;
	int r;

	if (text_to_u32(port, 10, &v) < 0 || v < 1 || v > 65535) {
		snprintf(why, CARDS_WHY_MAX, "vpcd: expected a port number, not '" TEXT_FMT "'",
			 TEXT_ARG(port));
		return -EINVAL;
	}
	r = vpcd_open(v, &ret->card);
	if (r < 0)
		snprintf(why, CARDS_WHY_MAX, "vpcd port %u: %s", (unsigned)v, strerror(-r));
	return r;
}

static int open_euicc(struct text rest, int ms, struct cards_given *ret, char why[CARDS_WHY_MAX])
{
	char dir[512], personality[64];
	struct text name = text_cut(&rest, ',');
	struct ve_times times = { .apdu_ms = (unsigned)MAX(ms, 0) };
	struct euicc_options o = { .dir = dir, .times = ms >= 0 ? &times : NULL };
	int r;

	if (name.n == 0 || text_copy(name, dir, sizeof(dir)) < 0 ||
	    text_copy(rest, personality, sizeof(personality)) < 0) {
		snprintf(why, CARDS_WHY_MAX, "euicc: expected a directory");
		return -EINVAL;
	}
	o.personality = rest.n ? personality : NULL;
	r = euicc_card_open(&o, &ret->card, why);
	ret->inserted = r == 0;
	return r;
}

int cards_open(const char *word, const struct plain_sim_options *plain, int euicc_ms,
	       struct cards_given *ret, char why[CARDS_WHY_MAX])
{
	struct text t = text_of(word);

	*ret = (struct cards_given){ 0 };
	if (text_eq(t, "none"))
		return 0;
	if (text_eq(t, "plain"))
		return open_plain(plain, ret, why);
	if (text_starts(t, "vpcd:"))
		return open_vpcd(text_skip(t, 5), ret, why);
	if (text_starts(t, "euicc:"))
		return open_euicc(text_skip(t, 6), euicc_ms, ret, why);
	snprintf(why, CARDS_WHY_MAX,
		 "'%.40s': expected plain, none, vpcd:PORT or euicc:DIR[,personality]", word);
	return -EINVAL;
}
