/* Options of a command line: one row per option, used to parse and to print the help.
 *
 *     typedef struct { const char *model; int64_t tokens; double temperature; bool greedy; } run_args;
 *     static const char *const engines[] = {"native", "wafer", NULL};
 *     const cli_option cmd_run_options[] = {
 *         OPTION_STRING_ROW('m', "model", run_args, model, "FILE|NAME", "smollm2", "the model"),
 *         OPTION_INT_ROW('n', "tokens", run_args, tokens, 1, 1e6, "N", "128", "tokens to write"),
 *         OPTION_FLOAT_ROW('t', "temperature", run_args, temperature, 0, 100, "T", "0", "0 takes the likeliest token"),
 *         OPTION_FLAG_ROW(0, "greedy", run_args, greedy, "same as --temperature 0"),
 *         OPTIONS_END};
 *
 * A row names a field of the command's own struct; the macros refuse, at compile time, a field of another type:
 *
 *     FLAG bool   STRING const char *   INT int64_t   FLOAT double   BYTES uint64_t   CHOICE int (index of the name)
 *
 * The default is text, parsed like an argument and shown in the help; NULL leaves the field zero. All of these are
 * understood: `--name value`, `--name=value`, `-n value`, `-n=value`; `--` ends the options; a lone `-` is an argument.
 * The last of several wins. Nothing is allocated: strings point into argv.
 */
#ifndef INGOT_CLI_OPTIONS_H
#define INGOT_CLI_OPTIONS_H
#include "base/diag.h"
#include <stdio.h>

typedef enum {
    OPTION_END, OPTION_FLAG, OPTION_STRING, OPTION_INT, OPTION_FLOAT, OPTION_BYTES, OPTION_CHOICE,
} option_kind;

typedef struct {
    option_kind kind;
    char short_name;                /* 0 = none */
    const char *name;               /* without the dashes */
    size_t offset;                  /* of the field */
    double min, max;                /* INT, FLOAT, BYTES: both allowed; INT is exact up to 2^53 */
    const char *const *choices;     /* CHOICE: NULL-terminated */
    const char *value, *fallback;   /* how the help calls the value; the default */
    const char *help;
} cli_option;

#define OPTION_AT(T, field, type)                                                                                      \
    (offsetof(T, field) + 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->field), type) ? 1 : -1]))
#define OPTION_FLAG_ROW(s, n, T, f, help) {OPTION_FLAG, s, n, OPTION_AT(T, f, bool), 0, 0, NULL, NULL, NULL, help}
#define OPTION_STRING_ROW(s, n, T, f, value, fallback, help)                                                           \
    {OPTION_STRING, s, n, OPTION_AT(T, f, const char *), 0, 0, NULL, value, fallback, help}
#define OPTION_INT_ROW(s, n, T, f, min, max, value, fallback, help)                                                    \
    {OPTION_INT, s, n, OPTION_AT(T, f, int64_t), min, max, NULL, value, fallback, help}
#define OPTION_FLOAT_ROW(s, n, T, f, min, max, value, fallback, help)                                                  \
    {OPTION_FLOAT, s, n, OPTION_AT(T, f, double), min, max, NULL, value, fallback, help}
#define OPTION_BYTES_ROW(s, n, T, f, min, max, fallback, help)                                                         \
    {OPTION_BYTES, s, n, OPTION_AT(T, f, uint64_t), min, max, NULL, "SIZE", fallback, help}
#define OPTION_CHOICE_ROW(s, n, T, f, choices, fallback, help)                                                         \
    {OPTION_CHOICE, s, n, OPTION_AT(T, f, int), 0, 0, choices, NULL, fallback, help}
#define OPTIONS_END {.kind = OPTION_END}

/* argv[1..argc) into *out: defaults first, then the options. Arguments that are no options move to the front of argv,
 * after argv[0], and *arg_count says how many. *help is set when --help or -h stands among the options; the rest is
 * then not read. On failure d has been told; `help_command` is what messages send the user to ("ingot help run"). */
bool options_parse(const cli_option *rows, const char *help_command, int argc, char **argv, void *out, int *arg_count,
                   bool *help, diag *d);
void options_print_help(const cli_option *rows, FILE *out);

/* The candidate nearest to a misspelt word: offer them all, then read `best` (NULL when none is near). */
typedef struct {
    const char *best;
    size_t distance;
} nearest;
void nearest_offer(nearest *n, const char *word, const char *candidate);
#endif
