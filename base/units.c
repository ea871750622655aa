#include "base/units.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

unit_text units_si(double value, const char *unit) {
    static const struct {
        double scale;
        const char *prefix;
    } rows[] = {
        {1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"},  {1e6, "M"},   {1e3, "k"},
        {1, ""},     {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}, {1e-12, "p"},
    };
    unit_text out;
    size_t last = sizeof rows / sizeof *rows - 1, i = 0;
    double size = fabs(value);
    if (size == 0 || !isfinite(size)) i = 6;
    else
        while (i < last && size < rows[i].scale * 0.99995) i++;
    double shown = value / rows[i].scale;
    int digits = fabs(shown) < 9.995 ? 2 : fabs(shown) < 99.95 ? 1 : 0;
    if (i == 6 && shown == floor(shown) && fabs(shown) < 1000) digits = 0;
    snprintf(out.text, sizeof out.text, "%.*f %s%s", digits, shown, rows[i].prefix, unit);
    return out;
}

unit_text units_bytes(double bytes) { return units_si(bytes, "B"); }

unit_text units_seconds(double seconds) {
    if (fabs(seconds) < 120) return units_si(seconds, "s");
    unit_text out;
    if (fabs(seconds) < 7200) snprintf(out.text, sizeof out.text, "%.1f min", seconds / 60);
    else snprintf(out.text, sizeof out.text, "%.1f h", seconds / 3600);
    return out;
}

bool units_parse_bytes(str text, uint64_t *bytes) {
    static const struct {
        const char *suffix;
        double scale;
    } rows[] = {
        {"", 1},       {"B", 1},        {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},
        {"T", 0x1p40}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
        {"kB", 1e3},   {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},
    };
    char copy[64], *end;
    if (!text.n || text.n >= sizeof copy || text.p[0] < '0' || text.p[0] > '9') return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    if (copy[0] == '0' && (copy[1] == 'x' || copy[1] == 'X')) return false;
    double value = strtod(copy, &end);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(end, rows[i].suffix)) continue;
        double total = value * rows[i].scale;
        if (!(total >= 0 && total < 0x1p63)) return false;
        *bytes = (uint64_t)total;
        return true;
    }
    return false;
}

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
