/*
 * The file system of the enabled profile, ETSI TS 102 221 and 3GPP TS 31.102, as far as modems
 * read it. Contents are made from the profile when they are read.
 */
#ifndef SIM_EUICC_FILES_H
#define SIM_EUICC_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

struct ve;
struct ve_file;

#define VE_MF 0x3f00
#define VE_ADF 0x7fff
#define VE_FILE_MAX 2048

/* NULL: no such file there, or the profile has none. */
const struct ve_file *ve_file_find(struct ve *e, uint16_t df, uint16_t id);
const struct ve_file *ve_file_by_sfi(struct ve *e, uint16_t df, uint8_t sfi);

/* The octets of the whole file; 0: it is not there. */
size_t ve_file_read(struct ve *e, const struct ve_file *f, uint8_t dst[VE_FILE_MAX]);
/* The length of its records; 0: a transparent file. */
size_t ve_file_record(const struct ve_file *f);
bool ve_file_needs_pin(const struct ve_file *f);

/* FCP templates, TS 102 221 11.1.1.3. */
void ve_file_fcp(struct ve *e, const struct ve_file *f, struct tlv_out *w);
void ve_directory_fcp(struct ve *e, uint16_t df, struct tlv_out *w);

/* The AID of the USIM of the enabled profile; n = 0: there is none. */
struct octets ve_usim_aid(struct ve *e);

#endif
