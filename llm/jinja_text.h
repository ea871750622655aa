/* Text operations that are filters and methods alike: jinja_text.c. */
#ifndef INGOT_LLM_JINJA_TEXT_H
#define INGOT_LLM_JINJA_TEXT_H
#include "llm/jinja_internal.h"

typedef enum { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE_WORDS, CASE_TITLE_LETTERS } jinja_case;

jinja_value jinja_change_case(jinja_state *j, const jinja_string *s, jinja_case how);
jinja_value jinja_replace(jinja_state *j, const jinja_string *s, const jinja_string *old, const jinja_string *fresh,
                          int64_t count);
size_t jinja_find_text(str s, str part, size_t from);                    /* byte offset; s.n + 1 when absent */
size_t jinja_find_text_last(jinja_state *j, str s, str part, size_t end);   /* of the last one that ends by `end` */
jinja_value jinja_split_lines(jinja_state *j, const jinja_string *s, bool keep_ends);
jinja_value jinja_join(jinja_state *j, const jinja_string *between, const jinja_list *items);     /* each as str() */
#endif
