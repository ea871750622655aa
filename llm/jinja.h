/* Jinja: the subset of the template language that chat templates are written in.
 *
 *     jinja_value g = jinja_dict_new(a);
 *     jinja_dict_put(a, g, STR("name"), jinja_text(a, user_text, true));
 *     jinja_string out;
 *     jinja_render(a, STR("Hello {{ name }}"), g, NULL, &out, d);
 *
 * The language is that of jinja2 as the transformers library sets it up: trim_blocks and lstrip_blocks on, no escaping
 * of output, break and continue, values that templates cannot change (namespaces apart), tojson that keeps <>&' and
 * Unicode. A template is untrusted code: it sees the globals below and nothing else, and every resource it can use is
 * bounded.
 *
 * Every string knows which of its bytes came from outside text (`from_message`), through slices, joins and filters, so
 * that the caller can tell a control token of the template from one that somebody typed.
 *
 * Left out: template inheritance, include and import, autoescape, recursive loops, async, integers beyond 64 bits.
 */
#ifndef INGOT_LLM_JINJA_H
#define INGOT_LLM_JINJA_H
#include "base/arena.h"
#include "base/diag.h"

typedef enum {
    JINJA_UNDEFINED, JINJA_NONE, JINJA_BOOL, JINJA_INT, JINJA_FLOAT, JINJA_STRING, JINJA_LIST, JINJA_TUPLE, JINJA_DICT,
    /* the rest is made by templates only */
    JINJA_ITERATOR,          /* what map, select and their like give: can be walked once, has no length */
    JINJA_NAMESPACE, JINJA_FUNCTION, JINJA_LOOP, JINJA_CYCLER, JINJA_JOINER, JINJA_SLICE,
    JINJA_MISSING,           /* an argument that was not given */
} jinja_type;

/* Bytes up to `end` (from the end of the mark before) have this origin. */
typedef struct {
    size_t end;
    bool from_message;
} jinja_mark;

/* UTF-8. Never changed once made, so slices share bytes. When mark_count is 0, from_message holds for all of it. */
typedef struct {
    str text;
    const jinja_mark *marks;
    size_t mark_count;
    bool from_message;
    bool escaped;            /* `|safe` and `|escape` gave it: "+" then escapes the other side */
} jinja_string;

typedef struct jinja_list jinja_list;
typedef struct jinja_dict jinja_dict;
typedef struct jinja_object jinja_object;

typedef struct {
    jinja_type type;
    union {
        bool truth;
        int64_t integer;
        double real;
        const jinja_string *string;
        jinja_list *list;    /* also JINJA_TUPLE and JINJA_ITERATOR */
        jinja_dict *dict;    /* also JINJA_NAMESPACE */
        jinja_object *object;
        const str *name;     /* of JINJA_UNDEFINED, for messages; may be NULL */
    };
} jinja_value;

struct jinja_list {
    jinja_value *items;
    size_t count, cap;
    const char *view;        /* printed around it: "dict_keys", ...; NULL for a plain list */
};

typedef struct {
    jinja_value key, value;
} jinja_pair;

/* In the order of insertion; searched from the front, as the dicts of templates are small. */
struct jinja_dict {
    jinja_pair *pairs;
    size_t count, cap;
};

/* 0 = the default in brackets. Beyond a limit the rendering ends with an error that names it. */
typedef struct {
    size_t source_bytes;     /* [1 MiB] */
    size_t output_bytes;     /* [64 MiB] */
    size_t memory_bytes;     /* [256 MiB], everything the template computes */
    uint64_t steps;          /* [10 million]: an operation, an item walked, 16 bytes of text looked at or made */
    unsigned depth;          /* [250]: nesting of expressions, statements, macro calls and values */
} jinja_limits;

typedef struct {
    jinja_limits limits;
    const char *date;        /* for strftime_now: "2026-11-22" or "2026-11-22T09:30:00"; NULL: it is an error */
} jinja_options;

/* Building values. All live in `a`; text is not copied. When memory ends the result is JINJA_UNDEFINED, or false. */
#define JINJA_NONE_VALUE ((jinja_value){.type = JINJA_NONE})
static inline jinja_value jinja_bool(bool v) { return (jinja_value){.type = JINJA_BOOL, .truth = v}; }
static inline jinja_value jinja_int(int64_t v) { return (jinja_value){.type = JINJA_INT, .integer = v}; }
static inline jinja_value jinja_float(double v) { return (jinja_value){.type = JINJA_FLOAT, .real = v}; }
jinja_value jinja_text(arena *a, str text, bool from_message);
jinja_value jinja_list_new(arena *a);
jinja_value jinja_dict_new(arena *a);
bool jinja_list_add(arena *a, jinja_value list, jinja_value item);
bool jinja_dict_put(arena *a, jinja_value dict, str key,
                    jinja_value value); /* the key is the program's, not a message's */
bool jinja_dict_put_value(arena *a, jinja_value dict, jinja_value key, jinja_value value);   /* key: a string */

/* Renders `source` with the names of the dict `globals`. The text of `out` lives in `a`; `options` may be NULL. */
bool jinja_render(arena *a, str source, jinja_value globals, const jinja_options *options, jinja_string *out, diag *d);
#endif
