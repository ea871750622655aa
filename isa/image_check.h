/* Inside the check of an image: what image_check.c and check_code.c share. Every function stops at the first error and
 * has told the diag. */
#ifndef INGOT_ISA_IMAGE_CHECK_H
#define INGOT_ISA_IMAGE_CHECK_H

#include "isa/isa.h"

typedef struct {
    const isa_image *m;
    const isa_program *p; /* the one being checked */
    uint32_t program;     /* its index */
    diag *d;
} image_check;

/* "image: program 2 'pe.csl': ..."; returns false. */
bool check_fails(const image_check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool check_code(const image_check *c); /* check_code.c: every instruction */

#endif
