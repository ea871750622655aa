/* What can be said of a program's routes before it runs: wavelets that would be lost, that go around for ever, that
 * nobody takes, that cannot leave their core. Each is a warning with the place; what switches, teardown or the program
 * itself may change at run time is not judged.
 *
 *     isa_check_routes(image, d);   // warnings in d
 */
#ifndef INGOT_ISA_ROUTES_H
#define INGOT_ISA_ROUTES_H

#include "isa/isa.h"

void isa_check_routes(const isa_image *m, diag *d); /* of an image that isa_image_check has accepted */

/* reached[pc] of code_count zeros: runs when the program does. false: out of memory */
bool isa_runs_surely(const isa_program *p, bool *reached);

#endif
