/* Numbers with units, as people read them. GB is 10^9 bytes, GiB is 2^30. */
#ifndef INGOT_BASE_UNITS_H
#define INGOT_BASE_UNITS_H
#include "base/str.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

typedef struct {
    char text[32];
} unit_text;

unit_text units_bytes(double bytes);                /* "270.1 MB" */
unit_text units_si(double value, const char *unit); /* units_si(1.2e12, "FLOP") = "1.20 TFLOP" */
unit_text units_seconds(double seconds);            /* "3.2 ms" */
bool units_parse_bytes(str text, uint64_t *bytes);  /* "64M" = 64 MiB, "1.5GB" = 1.5e9, "4096"; false if not a size */
double clock_seconds(void);                         /* monotonic */
#endif
