/* Facts: JSON files of values that say where they come from.
 *
 *     facts f = {.src = {.name = "cs3.json", .text = json}, .d = d, .a = arena};
 *     json_t *root = facts_parse(&f, "machine");             // NULL: told to d
 *     facts_only(&f, root, "", "name,title,values,");        // a misspelt member would silently do nothing
 *     fact v;
 *     if (facts_entry(&f, "clock_hz", entry, FACT_KINDS, true, &v)) x = facts_number(&f, "clock_hz", v.value, 1e6, 1e11, false);
 *     json_decref(root);
 *     return f.ok;
 *
 * An entry is {"value", "unit", "kind", "source"} and, where they apply, "low", "high" (same unit; the range that the
 * sources give), "note" (what to be careful about) and "confidence" (A to D, as in data/validation). Nothing else is accepted.
 * jansson checks the JSON itself: syntax, UTF-8, duplicate keys, no NaN. What is wrong is told with its line; all errors of a
 * file are told, up to FACTS_COMPLAINTS_MAX.
 *
 * Readers: perf/machine.c (systems), isa/wafer.c (simulated wafers), perf/software.c. What a value means is theirs.
 */
#ifndef INGOT_BASE_FACTS_H
#define INGOT_BASE_FACTS_H
#include "base/arena.h"
#include "base/diag.h"
#include <jansson.h>

enum { FACTS_BYTES_MAX = 1 << 20, FACTS_COMPLAINTS_MAX = 50 };

typedef enum { FACT_SPEC, FACT_MEASURED, FACT_DERIVED, FACT_ESTIMATE, FACT_CLAIM, FACT_KINDS } fact_kind;
const char *fact_kind_name(fact_kind k); /* "unknown" outside */

typedef struct {
    diag_source src;
    diag *d;
    arena *a;            /* texts are copied into it; NULL: texts are checked and "" is given */
    const char *section; /* complaints look for their key behind this word; NULL = from the start */
    bool ok;             /* set by facts_parse */
    uint32_t complaints;
} facts;

/* The values stay jansson's: valid while the root is. */
typedef struct {
    const json_t *value, *low, *high; /* low, high: NULL when not given */
    const char *unit;                 /* as written; "" when missing, which is for the reader to refuse */
    fact_kind kind;
    const char *source, *note;        /* note: "" when none */
    char confidence;                  /* 'A' .. 'D', 0 = not said */
} fact;

/* `what`: "machine" in "a machine file must be an object". The caller gives the root back. */
json_t *facts_parse(facts *f, const char *what);
void facts_complain(facts *f, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Only the members named in `known` (a comma after each). `key` "" = the members' own names are the place. */
void facts_only(facts *f, json_t *object, const char *key, const char *known);
/* A non-empty string member of `from`; "" when absent, with a complaint when it is needed. */
const char *facts_text(facts *f, const json_t *from, const char *key, const char *member, bool needed);
/* Index of a string member among `names`; complains and gives 0 when it is none of them. */
size_t facts_choice(facts *f, const json_t *from, const char *key, const char *member, const char *const *names,
                    size_t count);
/* What stands beside a value. `kinds`: how many of fact_kind's rows are allowed; `ranges`: low and high may be given. */
bool facts_entry(facts *f, const char *key, json_t *entry, size_t kinds, bool ranges, fact *out);
/* A number in its range; complains and gives `min` otherwise. */
double facts_number(facts *f, const char *key, const json_t *v, double min, double max, bool whole);
#endif
