/*
 * A foreign card: a virtual smart card that connects as to vpcd (vsmartcard): 16-bit big-endian
 * length, then that many octets; messages of one octet are 00 power off, 01 power on, 02 reset,
 * 04 "give your ATR". Listens on loopback only. Without a connection the slot is empty.
 */
#ifndef SIM_MODULE_VPCD_H
#define SIM_MODULE_VPCD_H

#include "sim/card.h"

/* 0 or -errno. The card is missing until somebody connects. */
int vpcd_open(unsigned port, struct card **ret);

#endif
