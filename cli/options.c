/* Option rows: parsing and help. Left out on purpose: abbreviated names (a script would break when an option is added)
 * and one-letter options with something glued to them (`-model x` would be `-m odel`). */
#include "cli/options.h"
#include "base/units.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* --- nearest name: edit distance, for words of ordinary length --- */

enum { WORD_MAX = 40 };

static size_t edit_distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), drop = row[j] + 1, add = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < drop ? change : drop;
            if (add < row[j]) row[j] = add;
        }
    }
    return row[nb];
}

void nearest_offer(nearest *n, const char *word, const char *candidate) {
    size_t distance = edit_distance(word, candidate), allowed = strlen(candidate) / 3 + 1;
    if (distance > allowed || (n->best && distance >= n->distance)) return;
    *n = (nearest){candidate, distance};
}

/* --- values --- */

static bool in_range(const cli_option *o, const char *spelt, const char *text, double value, diag *d) {
    if (value >= o->min && value <= o->max) return true;
    return diag_error(d, "%s %s: it must be within %.15g and %.15g", spelt, text, o->min, o->max);
}

static bool store_int(const cli_option *o, const char *spelt, const char *text, int64_t *out, diag *d) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno) return diag_error(d, "%s: '%s' is not a whole number", spelt, text);
    *out = value;
    return in_range(o, spelt, text, (double)value, d);
}

static bool store_float(const cli_option *o, const char *spelt, const char *text, double *out, diag *d) {
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out)) return diag_error(d, "%s: '%s' is not a number", spelt, text);
    return in_range(o, spelt, text, *out, d);
}

static bool store_bytes(const cli_option *o, const char *spelt, const char *text, uint64_t *out, diag *d) {
    if (!units_parse_bytes(str_from(text), out))
        return diag_error(d, "%s: '%s' is not a size; write 512M (MiB), 1.5GB (10^9 bytes) or a number of bytes", spelt,
                          text);
    return in_range(o, spelt, text, (double)*out, d);
}

static bool store_choice(const cli_option *o, const char *spelt, const char *text, int *out, diag *d) {
    char all[200] = "";
    for (int i = 0; o->choices[i]; i++) {
        if (!strcmp(o->choices[i], text)) return *out = i, true;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return diag_error(d, "%s: '%s' is not one of %s", spelt, text, all);
}

static bool store_value(const cli_option *o, const char *spelt, const char *text, void *out, diag *d) {
    void *field = (char *)out + o->offset;
    switch (o->kind) {
    case OPTION_FLAG: return *(bool *)field = true;
    case OPTION_STRING: return *(const char **)field = text, true;
    case OPTION_INT: return store_int(o, spelt, text, field, d);
    case OPTION_FLOAT: return store_float(o, spelt, text, field, d);
    case OPTION_BYTES: return store_bytes(o, spelt, text, field, d);
    case OPTION_CHOICE: return store_choice(o, spelt, text, field, d);
    case OPTION_END: break;
    }
    return false;
}

/* --- words --- */

static const cli_option *find_row(const cli_option *rows, str word, bool is_long) {
    for (const cli_option *o = rows; o->kind; o++)
        if (is_long ? str_is(word, o->name) : word.n == 1 && word.p[0] == o->short_name) return o;
    return NULL;
}

static bool unknown_option(const cli_option *rows, const char *help_command, str word, bool is_long, diag *d) {
    char copy[WORD_MAX + 1] = "";
    nearest near = {0};
    snprintf(copy, sizeof copy, "%.*s", word.n < WORD_MAX ? (int)word.n : WORD_MAX, word.p);
    for (const cli_option *o = rows; o->kind && word.n > 1; o++) nearest_offer(&near, copy, o->name);
    diag_error(d, "unknown option '%s%s'%s%s%s; `%s` lists the options", is_long ? "--" : "-", copy,
               near.best ? " (did you mean '--" : "", near.best ? near.best : "", near.best ? "'?)" : "", help_command);
    return false;
}

/* One option at argv[*i]; *i moves on when its value is the next word. */
static bool read_option(const cli_option *rows, const char *help_command, int argc, char **argv, int *i, void *out,
                        diag *d) {
    const char *word = argv[*i], *equals = strchr(word, '=');
    bool is_long = word[1] == '-';
    str name = str_from(word + (is_long ? 2 : 1));
    if (equals) name.n = (size_t)(equals - name.p);
    const cli_option *o = find_row(rows, name, is_long);
    if (!o) return unknown_option(rows, help_command, name, is_long, d);

    char spelt[WORD_MAX];
    snprintf(spelt, sizeof spelt, "%.*s", (int)(name.p + name.n - word), word);
    const char *value = equals ? equals + 1 : NULL;
    if (o->kind == OPTION_FLAG && value) return diag_error(d, "%s takes no value ('%s' was given)", spelt, value);
    if (o->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc) return diag_error(d, "%s needs a value; `%s` tells which", spelt, help_command);
        value = argv[++*i];
    }
    return store_value(o, spelt, value, out, d);
}

static bool store_defaults(const cli_option *rows, void *out, diag *d) {
    for (const cli_option *o = rows; o->kind; o++)
        if (o->fallback && !store_value(o, o->name, o->fallback, out, d)) return false;
    return true;
}

bool options_parse(const cli_option *rows, const char *help_command, int argc, char **argv, void *out, int *arg_count,
                   bool *help, diag *d) {
    *arg_count = 0;
    *help = false;
    if (!store_defaults(rows, out, d)) return false;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (!options || word[0] != '-' || !word[1]) argv[1 + (*arg_count)++] = word;
        else if (!strcmp(word, "--")) options = false;
        else if (!strcmp(word, "--help") || !strcmp(word, "-h")) return *help = true;
        else if (!read_option(rows, help_command, argc, argv, &i, out, d)) return false;
    }
    return true;
}

/* --- help --- */

enum { HELP_COLUMN = 30 };

static void print_row(const cli_option *o, FILE *out) {
    int n = o->short_name ? fprintf(out, "  -%c, --%s", o->short_name, o->name) : fprintf(out, "      --%s", o->name);
    if (o->value) n += fprintf(out, " %s", o->value);
    for (int i = 0; o->choices && o->choices[i]; i++) n += fprintf(out, "%c%s", i ? '|' : ' ', o->choices[i]);
    if (n >= HELP_COLUMN - 1) fputc('\n', out), n = 0;
    fprintf(out, "%*s%s", HELP_COLUMN - n, "", o->help);
    fprintf(out, o->fallback ? " (default %s)\n" : "\n", o->fallback);
}

void options_print_help(const cli_option *rows, FILE *out) {
    for (const cli_option *o = rows; o->kind; o++) print_row(o, out);
}
