/* The file form of an image: a header, then the fields of the structs in their order, little-endian, counts before
 * arrays. Written by this version, read by this version: a change to a struct of isa/isa.h is a new ISA_IMAGE_VERSION.
 */
#ifndef INGOT_ISA_IMAGE_IO_H
#define INGOT_ISA_IMAGE_IO_H

#include "isa/isa.h"

enum { ISA_IMAGE_VERSION = 4, ISA_IMAGE_HEADER_BYTES = 32 };

/* Header: magic (8), version (4), zero (4), bytes that follow (8), their XXH3-64 (8). Fills the first 32 of n >= 32
 * bytes. */
void image_seal(char *bytes, size_t n);

void image_save(const isa_image *m, strbuf *out);                   /* appends header (unsealed) and body */
bool image_load(isa_image *m, str body, const char *name, diag *d); /* into the arena of m; proves only the form */

#endif
