#include "sim/euicc/personality.h"

#include "core/util.h"

#define USUAL .times = { .apdu_ms = 25, .crypto_ms = 200, .segment_ms = 300, .switch_ms = 50 }

#define CONSUMER .version = VE_SGP22, USUAL
#define IOT      .version = VE_SGP32_12, USUAL

/* The FCI of a card that lists its GlobalPlatform options, as it was seen. */
#define LONG_A5                                                                                \
	"734806072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03650D060B2A8648" \
	"86FC6B05040200006616060A2B060104012A026E0103060847544F30344D010B9F6E06007760B0010B"   \
	"9F6501FF"

static const struct ve_personality personalities[] = {
	{ .name = "classic-consumer", CONSUMER },
	{ .name = "iot", IOT, .after_switch = VE_SWITCH_REFRESH },
	{ .name = "consumer-refresh", CONSUMER, .after_switch = VE_SWITCH_REFRESH },
	{ .name = "iot-silent-6985", IOT, .fci_without_e0 = true, .ipae = true,
	  .after_switch = VE_SWITCH_LOCK },
	{ .name = "iot-refresh-910b", IOT, .after_switch = VE_SWITCH_REFRESH_LOCK },
	{ .name = "iot-gd-25", IOT, .ipae = true, .channels = 8,
	  .ecasd_gives_eid = true },
	{ .name = "iot-thales-long-fci", IOT, .fci_a5 = LONG_A5, .fci_without_e0 = true,
	  .ipae = true },
	{ .name = "iot-termcap-gate", IOT, .capability_tag = 0x84 },
	/* Which of the two real cards do is not known; the worked examples show the other. */
	{ .name = "iot-list-after", IOT, .after_switch = VE_SWITCH_REFRESH, .lists_after = true },
	{ .name = "iot-boot-revert", IOT, .boot_reverts = true, .es10c = true },
	{ .name = "fci-not-readable", CONSUMER, .fci_fetch_sw = 0x6e00 },
	{ .name = "ecp-enable-aid-only", CONSUMER, .enable_not_by = VE_BY_ICCID },
	{ .name = "ecp-enable-refresh0-only", CONSUMER, .enable_only_quiet = true },
	{ .name = "custom-aid-only", CONSUMER,
	  .isdr_aid = "A0000005591010FFFFFFFF8900050500" },
	{ .name = "pe-error-profile", CONSUMER, .bpp_breaks = true },
	{ .name = "bpp-channel-bound", CONSUMER, .bpp_channel_bound = true },
	{ .name = "cat-busy-once", CONSUMER, .busy_first = 1 },
	{ .name = "basic-channel-only", CONSUMER, .isdr_logical_sw = 0x6881 },
	/* Bits 5 and 6 are resetEimConfigData and resetImmediateEnableConfig. */
	{ .name = "mem-reset-partial", IOT, .reset_ignores = 0x06 },
	{ .name = "sms-storage-zero", CONSUMER, .no_sms_storage = true },
	{ .name = "mute-card", CONSUMER, .mute_after = 3 },
	{ .name = "tags-strict", CONSUMER, .tags_strict = true },
	/* The same rule book at a reader that fetches by itself, and with all channels. */
	{ .name = "data-at-once", CONSUMER, .data_at_once = true },
	{ .name = "many-channels", CONSUMER, .channels = 20 },
};

const struct ve_personality *ve_personality_find(struct text name)
{
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		if (text_eq(name, personalities[i].name))
			return &personalities[i];
	return NULL;
}

const struct ve_personality *ve_personality_at(unsigned i)
{
	return i < ARRAY_SIZE(personalities) ? &personalities[i] : NULL;
}
