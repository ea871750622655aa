/* What the two halves of the parser share. */
#ifndef INGOT_LLM_JINJA_PARSE_H
#define INGOT_LLM_JINJA_PARSE_H
#include "llm/jinja_internal.h"

typedef struct {
    jinja_state *j;
    const jinja_token *t;        /* the next token */
    jinja_node *macro;           /* the macro whose body is being read, or NULL */
    unsigned loops;              /* around this place, within the macro */
} jinja_parser;

/* jinja_parse.c: expressions */
jinja_node *jinja_node_new(jinja_parser *p, jinja_node_kind kind, span at);
jinja_node *jinja_parse_fail(jinja_parser *p, const char *expected);            /* "expected ..., not ..."; NULL */
bool jinja_at_operator(const jinja_parser *p, const char *op);
bool jinja_at_name(const jinja_parser *p, const char *name);
bool jinja_skip_operator(jinja_parser *p, const char *op);
bool jinja_skip_name(jinja_parser *p, const char *name);
bool jinja_expect_operator(jinja_parser *p, const char *op);
bool jinja_expect_name(jinja_parser *p, const char *name);
jinja_node *jinja_parse_expression(jinja_parser *p);
/* One expression, or several with commas: a tuple. `conditions`: may hold "x if y"; `targets`: only names and the like.
 */
jinja_node *jinja_parse_tuple(jinja_parser *p, bool conditions, bool targets);
jinja_node *jinja_parse_primary(jinja_parser *p);
jinja_node *jinja_parse_postfix(jinja_parser *p, jinja_node *n);
jinja_node *jinja_parse_filters(jinja_parser *p, jinja_node *n, bool first_without_bar);
#endif
