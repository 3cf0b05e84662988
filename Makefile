# cellmux: everything is built from here; objects and programs land in build/<flavour>/.
#
#   make                         release build of the programs and the test bed
#   make FLAVOUR=asan check      build with address and undefined-behaviour sanitizers, run the tests
#   make bench                   figures, as ratios measured in one run
#   make install DESTDIR= PREFIX=/usr
#
# Flavours: release asan cov fuzz (fuzz needs CC=clang). V=1 shows the commands, WERROR=1 makes
# warnings errors. WITH_GPIO=no builds without libgpiod, WITH_COAP=no without libcoap; COAP_PKG= names
# one of its builds.

VERSION  := 0.1.0

FLAVOUR  ?= release
PREFIX   ?= /usr
SYSCONFDIR ?= /etc
DESTDIR  ?=
PKG_CONFIG ?= pkg-config
INSTALL  ?= install
O        := build/$(FLAVOUR)

ifneq ($(filter-out release asan cov fuzz,$(FLAVOUR)),)
$(error FLAVOUR=$(FLAVOUR): expected release, asan, cov or fuzz)
endif

# --- compiler ---------------------------------------------------------------------------------

CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_cov     := -O0 -g --coverage
CFLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
LDFLAGS_release := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed
LDFLAGS_asan    := -fsanitize=address,undefined
LDFLAGS_cov     := --coverage
LDFLAGS_fuzz    := -fsanitize=address,undefined

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wvla -Wswitch-enum -Wno-missing-field-initializers \
	$(if $(WERROR),-Werror)

# CoAP is optional: the first of libcoap's builds that is there. GnuTLS comes first, since it is the
# one that offers TLS_PSK_WITH_AES_128_CCM_8 as distributions build it; the build without DTLS is of
# no use. WITH_COAP=no leaves CoAP out, COAP_PKG= names another build.
COAP_PKG    ?= $(firstword $(foreach p,libcoap-3-gnutls libcoap-3-mbedtls libcoap-3-openssl libcoap-3,\
	$(shell $(PKG_CONFIG) --exists '$(p) >= 4.3.1' 2>/dev/null && echo $(p))))
WITH_COAP   ?= $(if $(COAP_PKG),yes,no)
ifneq ($(findstring notls,$(COAP_PKG)),)
$(error COAP_PKG=$(COAP_PKG): this build of libcoap has no DTLS)
endif
ifeq ($(WITH_COAP),yes)
ifeq ($(COAP_PKG),)
$(error WITH_COAP=yes: no libcoap 4.3.1 or later with DTLS was found by pkg-config)
endif
# The daemon loads it when it needs it (net/coap_lib.h); the simulators and tests are linked with it.
LIBS_coap   := $(shell $(PKG_CONFIG) --libs $(COAP_PKG))
# Its headers are not ours to be warned of, wherever they are.
CFLAGS_coap := -DWITH_COAP=1 -DCOAP_SONAME='"$(COAP_PKG).so.3"' \
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(COAP_PKG))) \
	$(shell grep -qs 'use_cid;' $$($(PKG_CONFIG) --variable=includedir $(COAP_PKG))/coap3/coap_dtls.h && \
		echo -DCOAP_HAS_CID=1)
endif
# Sources that need libcoap have its name in theirs.
with_coap   = $(if $(filter yes,$(WITH_COAP)),$(1),$(foreach f,$(1),$(if $(findstring coap,$(f)),,$(f))))

# libev and, before 3.x, mbedTLS come without a pkg-config file on Debian.
LIBS_core   := $(shell $(PKG_CONFIG) --libs inih json-c) -lev
LIBS_daemon := $(shell $(PKG_CONFIG) --libs libserialport) \
	$(if $(wildcard daemon/net/*.c),-lmbedtls -lmbedx509 -lmbedcrypto $(shell $(PKG_CONFIG) --libs libcares)) -ldl
# Power lines: libgpiod 1.x or 2.x, whichever is there, or none. WITH_GPIO=no leaves it out.
GPIOD       := $(shell $(PKG_CONFIG) --modversion libgpiod 2>/dev/null)
WITH_GPIO   ?= $(if $(GPIOD),yes,no)
ifeq ($(WITH_GPIO),yes)
ifeq ($(GPIOD),)
$(error WITH_GPIO=yes: pkg-config knows no libgpiod)
endif
LIBS_daemon += $(shell $(PKG_CONFIG) --libs libgpiod)
CFLAGS_gpio := $(shell $(PKG_CONFIG) --cflags libgpiod)
endif
GPIO_API    := $(if $(filter yes,$(WITH_GPIO)),$(firstword $(subst ., ,$(GPIOD))),0)
LIBS_sim    := $(shell $(PKG_CONFIG) --libs libssl libcrypto 2>/dev/null)
LIBS_test   := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null)
CFLAGS_pkg  := $(shell $(PKG_CONFIG) --cflags inih json-c libserialport) $(CFLAGS_coap) \
	-DGPIO_API=$(GPIO_API) $(CFLAGS_gpio)

ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Iinclude -Itests $(WARNINGS) $(CFLAGS_$(FLAVOUR)) \
	-ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)/= $(CFLAGS_pkg) \
	$(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_$(FLAVOUR)) $(LDFLAGS)

ifdef V
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n' $(1) $(patsubst $(O)/%,%,$(2))
endif

# --- what is built from what --------------------------------------------------------------------

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))
src = $(call with_coap,$(sort $(wildcard $(1))))

CORE_SRC    := $(call src,daemon/core/*.c daemon/codec/*.c)
CTL_SRC     := $(call src,daemon/cellmuxctl*.c)
MAIN_SRC    := $(filter-out $(CTL_SRC),$(call src,daemon/*.c))
LAYER_SRC   := $(call src,atcmd/*.c atcmd/families/*.c daemon/modem/*.c daemon/ctl/*.c \
	daemon/euicc/*.c daemon/net/*.c daemon/esipa/*.c daemon/ipa/*.c)
MODULE_SRC  := $(call src,tests/sim/module/*.c)
EUICC_SRC   := $(call src,tests/sim/euicc/*.c)
EIM_SRC     := $(filter-out $(if $(filter yes,$(WITH_COAP)),%/https_only.c),$(call src,tests/sim/eim/*.c))
SMDP_SRC    := $(call src,tests/sim/smdp/*.c)
SUPPORT_SRC := $(call src,tests/support/*.c)

# A simulator's main() is in main.c; the rest is a library that tests may link.
MODULE_LIB_SRC := $(filter-out %/main.c,$(MODULE_SRC))
EUICC_LIB_SRC  := $(filter-out %/main.c,$(EUICC_SRC))
EIM_LIB_SRC    := $(filter-out %/main.c,$(EIM_SRC))
SMDP_LIB_SRC   := $(filter-out %/main.c,$(SMDP_SRC))

PROGRAMS := $(if $(MAIN_SRC),cellmuxd) $(if $(CTL_SRC),cellmuxctl) \
	$(if $(filter %/main.c,$(MODULE_SRC)),sim-module) $(if $(filter %/main.c,$(EUICC_SRC)),sim-euicc) \
	$(if $(filter %/main.c,$(EIM_SRC)),sim-eim) $(if $(filter %/main.c,$(SMDP_SRC)),sim-smdp)
BINS     := $(addprefix $(O)/,$(PROGRAMS))

UNIT   := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(call src,tests/unit/test_*.c))
SWEEP  := $(patsubst tests/sweep/%.c,$(O)/tests/sweep/%,$(call src,tests/sweep/sweep_*.c))
SYSTEM := $(patsubst tests/system/%.c,$(O)/tests/system/%,$(call src,tests/system/test_*.c))
FUZZ   := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(call src,tests/fuzz/fuzz_*.c))
BENCH  := $(patsubst tests/bench/%.c,$(O)/tests/bench/%,$(call src,tests/bench/bench_*.c))

.PHONY: all tests check bench fuzz install clean help
.DELETE_ON_ERROR:
.SECONDARY:
all: $(BINS)

help:
	@sed -n 's/^# \{0,1\}//; 1,10p' Makefile

$(O)/libcore.a: $(call obj,$(CORE_SRC))
$(O)/libcellmux.a: $(call obj,$(LAYER_SRC))
$(O)/libsim-module.a: $(call obj,$(MODULE_LIB_SRC))
$(O)/libsim-euicc.a: $(call obj,$(EUICC_LIB_SRC))
$(O)/libsim-eim.a: $(call obj,$(EIM_LIB_SRC))
$(O)/libsim-smdp.a: $(call obj,$(SMDP_LIB_SRC))
$(O)/libsupport.a: $(call obj,$(SUPPORT_SRC))

$(O)/%.a:
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^


$(O)/cellmuxd: $(call obj,$(MAIN_SRC)) $(O)/libcellmux.a $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_daemon) $(LIBS_core)

$(O)/cellmuxctl: $(call obj,$(CTL_SRC)) $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_core)

SIM_LIBS := $(if $(MODULE_SRC),$(O)/libsim-module.a) $(if $(EUICC_SRC),$(O)/libsim-euicc.a) \
	$(if $(EIM_SRC),$(O)/libsim-eim.a) $(if $(SMDP_SRC),$(O)/libsim-smdp.a)

$(O)/sim-module: $(O)/obj/tests/sim/module/main.o $(SIM_LIBS) $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_sim) $(LIBS_core)

$(O)/sim-euicc: $(O)/obj/tests/sim/euicc/main.o $(O)/libsim-euicc.a $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_sim) $(LIBS_core)

$(O)/sim-eim: $(O)/obj/tests/sim/eim/main.o $(O)/libsim-eim.a $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_coap) $(LIBS_sim) $(LIBS_core)

$(O)/sim-smdp: $(O)/obj/tests/sim/smdp/main.o $(O)/libsim-smdp.a $(O)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_sim) $(LIBS_core)

# --- tests ----------------------------------------------------------------------------------------

# Unit tests and sweeps run on the virtual clock: fake_ev.o stands in front of libcore.a's ev.o.
# Doubles come first: a test that uses one gets it in place of the real thing.
TEST_LIBS := $(O)/libsupport.a $(O)/libcellmux.a $(SIM_LIBS) $(O)/libcore.a

$(UNIT) $(SWEEP): $(O)/tests/%: $(O)/obj/tests/%.o $(O)/obj/tests/unit/fake_ev.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_test) $(LIBS_daemon) $(LIBS_coap) $(LIBS_sim) $(LIBS_core)

# Libraries with clocks of their own go by the virtual one, too.
$(O)/tests/sweep/sweep_coap: $(O)/obj/tests/unit/fake_clock.o

$(SYSTEM) $(BENCH): $(O)/tests/%: $(O)/obj/tests/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_test) $(LIBS_daemon) $(LIBS_coap) $(LIBS_sim) $(LIBS_core)

ifeq ($(FLAVOUR),fuzz)
FUZZ_MAIN :=
FUZZ_LD   := -fsanitize=fuzzer
else
FUZZ_MAIN := $(O)/obj/tests/fuzz/replay.o
FUZZ_LD   :=
endif
$(FUZZ): $(O)/tests/%: $(O)/obj/tests/%.o $(FUZZ_MAIN) $(O)/obj/tests/unit/fake_ev.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(FUZZ_LD) -o $@ $^ $(LIBS_daemon) $(LIBS_coap) $(LIBS_sim) $(LIBS_core)

tests: $(BINS) $(UNIT) $(SWEEP) $(SYSTEM) $(FUZZ)

check: tests
	$(Q)scripts/check-layers
	$(Q)scripts/run-tests $(O) $(ONLY)

bench: $(BINS) $(BENCH)
	$(Q)for b in $(BENCH); do $$b $(O) || exit 1; done

fuzz: $(FUZZ)

# --- compiling ------------------------------------------------------------------------------------

# Objects depend on the flags and on the version; the stamps change only when those do.
$(O)/flags.stamp: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

$(O)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define CELLMUX_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define CELLMUX_VERSION "$(VERSION)"' > $@

# Phony, since for newer makes a file that .SECONDARY covers and that is not there forces nothing.
.PHONY: FORCE
FORCE:

$(O)/obj/%.o: %.c $(O)/flags.stamp $(O)/gen/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -I$(O)/gen -MMD -MP -c -o $@ $<

-include $(shell [ -d $(O)/obj ] && find $(O)/obj -name '*.d')

# --- installing -----------------------------------------------------------------------------------

UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
MANDIR      ?= $(PREFIX)/share/man
UDEVDIR     ?= $(PREFIX)/lib/udev/rules.d
DOCDIR      ?= $(PREFIX)/share/doc/cellmux

install: $(O)/cellmuxd $(O)/cellmuxctl
	$(INSTALL) -D -m 755 $(O)/cellmuxd $(DESTDIR)$(PREFIX)/sbin/cellmuxd
	$(INSTALL) -D -m 755 $(O)/cellmuxctl $(DESTDIR)$(PREFIX)/bin/cellmuxctl
	[ -e $(DESTDIR)$(SYSCONFDIR)/cellmux/cellmux.conf ] || \
		$(INSTALL) -D -m 640 config/cellmux.conf $(DESTDIR)$(SYSCONFDIR)/cellmux/cellmux.conf
	$(INSTALL) -D -m 644 config/cellmux.conf $(DESTDIR)$(DOCDIR)/cellmux.conf
	$(INSTALL) -D -m 644 config/socket.md $(DESTDIR)$(DOCDIR)/socket.md
	for u in systemd/*.service; do \
		$(INSTALL) -d $(DESTDIR)$(UNITDIR) && \
		sed 's,@sbindir@,$(PREFIX)/sbin,g; s,@sysconfdir@,$(SYSCONFDIR),g' $$u \
			> $(DESTDIR)$(UNITDIR)/$${u##*/} || exit 1; done
	$(INSTALL) -D -m 644 systemd/cellmux.sysusers $(DESTDIR)$(SYSUSERSDIR)/cellmux.conf
	$(INSTALL) -d $(DESTDIR)$(TMPFILESDIR)
	sed 's,@sysconfdir@,$(SYSCONFDIR),g' systemd/cellmux.tmpfiles > $(DESTDIR)$(TMPFILESDIR)/cellmux.conf
	$(INSTALL) -D -m 644 config/77-cellmux.rules $(DESTDIR)$(UDEVDIR)/77-cellmux.rules
	for m in config/man/*.[1-8]; do \
		$(INSTALL) -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/} || exit 1; done

clean:
	rm -rf build
