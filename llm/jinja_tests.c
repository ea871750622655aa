/* Tests: what stands after "is". */
#include "llm/jinja_text.h"
#include <math.h>

typedef jinja_value value;
typedef const jinja_arguments args;
#define TEST(name) static value name(jinja_state *j, value v, args *g)
#define YES(expression) return (void)j, (void)v, (void)g, jinja_bool(expression)

static bool is_sequence(value v) {
    bool list = v.type == JINJA_LIST || v.type == JINJA_TUPLE;
    return v.type == JINJA_STRING || v.type == JINJA_DICT || v.type == JINJA_UNDEFINED ||
           (list && (!v.list->view || *v.list->view == 'r'));
}

static bool is_iterable(value v) {
    return is_sequence(v) || v.type == JINJA_LIST || v.type == JINJA_ITERATOR || v.type == JINJA_LOOP;
}

TEST(defined) { YES(v.type != JINJA_UNDEFINED); }
TEST(is_undefined) { YES(v.type == JINJA_UNDEFINED); }
TEST(none) { YES(v.type == JINJA_NONE); }
TEST(string) { YES(v.type == JINJA_STRING); }
TEST(number) { YES(v.type == JINJA_BOOL || v.type == JINJA_INT || v.type == JINJA_FLOAT); }
TEST(integer) { YES(v.type == JINJA_INT); }
TEST(real) { YES(v.type == JINJA_FLOAT); }
TEST(boolean) { YES(v.type == JINJA_BOOL); }
TEST(is_true) { YES(v.type == JINJA_BOOL && v.truth); }
TEST(is_false) { YES(v.type == JINJA_BOOL && !v.truth); }
TEST(mapping) { YES(v.type == JINJA_DICT); }
TEST(iterable) { YES(is_iterable(v)); }
TEST(sequence) { YES(is_sequence(v)); }
TEST(callable) { YES(v.type == JINJA_FUNCTION || v.type == JINJA_JOINER || v.type == JINJA_UNDEFINED); }
TEST(escaped) { YES(v.type == JINJA_STRING && v.string->escaped); }
TEST(filter) { YES(v.type == JINJA_STRING && jinja_filter_find(v.string->text)); }
TEST(test) { YES(v.type == JINJA_STRING && jinja_row_find(jinja_tests, v.string->text)); }
TEST(equal) { YES(jinja_compare(j, OP_EQ, v, g->values[0])); }
TEST(not_equal) { YES(jinja_compare(j, OP_NE, v, g->values[0])); }
TEST(less) { YES(jinja_compare(j, OP_LT, v, g->values[0])); }
TEST(less_equal) { YES(jinja_compare(j, OP_LE, v, g->values[0])); }
TEST(greater) { YES(jinja_compare(j, OP_GT, v, g->values[0])); }
TEST(greater_equal) { YES(jinja_compare(j, OP_GE, v, g->values[0])); }
TEST(in) { YES(jinja_compare(j, OP_IN, v, g->values[0])); }

static bool remainder_is(jinja_state *j, value v, value by, int64_t rest) {
    return !j->failed && jinja_equal(j, jinja_binary(j, OP_MOD, v, by), jinja_int(rest));
}

TEST(divisible) { YES(remainder_is(j, v, g->values[0], 0)); }
TEST(even) { YES(remainder_is(j, v, jinja_int(2), 0)); }
TEST(odd) { YES(remainder_is(j, v, jinja_int(2), 1)); }

/* Has letters, and all of them are of this case. */
static bool all_case(jinja_state *j, value v, jinja_case how) {
    const jinja_string *s = jinja_str(j, v);
    value same = jinja_change_case(j, s, how),
          other = jinja_change_case(j, s, how == CASE_UPPER ? CASE_LOWER : CASE_UPPER);
    return !j->failed && str_eq(s->text, same.string->text) && !str_eq(s->text, other.string->text);
}

TEST(lower) { YES(all_case(j, v, CASE_LOWER)); }
TEST(upper) { YES(all_case(j, v, CASE_UPPER)); }

TEST(same) {
    value w = g->values[0];
    bool pointer = v.type >= JINJA_STRING;
    YES(v.type == w.type && (pointer ? v.object == w.object : jinja_equal(j, v, w)));
}

const jinja_row jinja_tests[] = {
    {"!=", not_equal, "other", 1, 0},        {"<", less, "other", 1, 0},           {"<=", less_equal, "other", 1, 0},
    {"==", equal, "other", 1, 0},            {">", greater, "other", 1, 0},        {">=", greater_equal, "other", 1, 0},
    {"boolean", boolean, "", 0, 0},          {"callable", callable, "", 0, 0},     {"defined", defined, "", 0, 0},
    {"divisibleby", divisible, "num", 1, 0}, {"eq", equal, "other", 1, 0},         {"equalto", equal, "other", 1, 0},
    {"escaped", escaped, "", 0, 0},          {"even", even, "", 0, 0},             {"false", is_false, "", 0, 0},
    {"filter", filter, "", 0, 0},            {"float", real, "", 0, 0},            {"ge", greater_equal, "other", 1, 0},
    {"greaterthan", greater, "other", 1, 0}, {"gt", greater, "other", 1, 0},       {"in", in, "seq", 1, 0},
    {"integer", integer, "", 0, 0},          {"iterable", iterable, "", 0, 0},     {"le", less_equal, "other", 1, 0},
    {"lessthan", less, "other", 1, 0},       {"lower", lower, "", 0, 0},           {"lt", less, "other", 1, 0},
    {"mapping", mapping, "", 0, 0},          {"ne", not_equal, "other", 1, 0},     {"none", none, "", 0, 0},
    {"number", number, "", 0, 0},            {"odd", odd, "", 0, 0},               {"sameas", same, "other", 1, 0},
    {"sequence", sequence, "", 0, 0},        {"string", string, "", 0, 0},         {"test", test, "", 0, 0},
    {"true", is_true, "", 0, 0},             {"undefined", is_undefined, "", 0, 0}, {"upper", upper, "", 0, 0},
    {0},
};
