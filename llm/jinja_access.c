/* a.b and a[b]. A name after a dot is a method first and an entry of the dict second, in brackets the other way round.
 * What is not there is undefined, which fails only when used. */
#include "llm/jinja_internal.h"

static jinja_value loop_attribute(jinja_state *j, const jinja_object *loop, str name) {
    size_t at = loop->position, count = loop->items->count;
    if (str_is(name, "index")) return jinja_int((int64_t)at + 1);
    if (str_is(name, "index0")) return jinja_int((int64_t)at);
    if (str_is(name, "revindex")) return jinja_int((int64_t)(count - at));
    if (str_is(name, "revindex0")) return jinja_int((int64_t)(count - at - 1));
    if (str_is(name, "first")) return jinja_bool(at == 0);
    if (str_is(name, "last")) return jinja_bool(at + 1 == count);
    if (str_is(name, "length")) return jinja_int((int64_t)count);
    if (str_is(name, "depth")) return jinja_int(1);   /* of recursion */
    if (str_is(name, "depth0")) return jinja_int(0);
    if (str_is(name, "previtem") && at > 0) return loop->items->items[at - 1];
    if (str_is(name, "nextitem") && at + 1 < count) return loop->items->items[at + 1];
    return jinja_undefined(j, name);
}

static const jinja_row *method_of(jinja_value v, str name) {
    for (const jinja_row *row = jinja_methods; row->name; row++)
        if (row->types >> v.type & 1 && str_is(name, row->name)) return row;
    return NULL;
}

/* A method, or something an object has; undefined when there is none. */
static bool own_attribute(jinja_state *j, jinja_value v, str name, jinja_value *out) {
    const jinja_row *row = method_of(v, name);
    if (row) return *out = row->call ? jinja_new_function(j, row, v) : jinja_undefined(j, name), true;
    if (v.type == JINJA_FUNCTION && v.object->macro && str_is(name, "name"))
        return *out = jinja_slice(j, &(jinja_string){.text = v.object->macro->name}, 0, v.object->macro->name.n), true;
    if (v.type == JINJA_CYCLER && str_is(name, "current"))
        return *out = v.object->items->items[v.object->position % v.object->items->count], true;
    if (v.type == JINJA_LOOP) return *out = loop_attribute(j, v.object, name), true;
    if (v.type != JINJA_NAMESPACE) return false;
    const jinja_value *entry = jinja_find_str(j, v.dict, name);
    return entry ? *out = *entry, true : false;
}

static bool entry(jinja_state *j, jinja_value v, jinja_value key, jinja_value *out) {
    const jinja_value *found;
    int64_t i;
    size_t count;
    if (v.type == JINJA_DICT && key.type != JINJA_LIST && key.type != JINJA_DICT) {
        if ((found = jinja_find(j, v.dict, key))) *out = *found;
        return found;
    }
    bool sequence = v.type == JINJA_STRING ||
                    ((v.type == JINJA_LIST || v.type == JINJA_TUPLE) && (!v.list->view || *v.list->view == 'r'));
    if (!sequence || !jinja_integer(key, &i) || !jinja_size(j, v, &count)) return false;
    if (i < 0) i += (int64_t)count;
    if (i < 0 || (size_t)i >= count) return false;
    if (v.type != JINJA_STRING) return *out = v.list->items[i], true;
    size_t at = jinja_offset(v.string->text, 0, (size_t)i);
    *out = jinja_mark_escaped(j, jinja_slice(j, v.string, at, jinja_offset(v.string->text, at, 1)), v.string->escaped);
    return true;
}

/* ---- slices ---- */
/* Python's slice.indices: begin, end and step within `count`. */
static bool slice_indices(jinja_state *j, const jinja_value bounds[3], int64_t count, int64_t out[3]) {
    for (int i = 2; i >= 0; i--) {
        int64_t v;
        if (bounds[i].type == JINJA_NONE) {
            v = i == 2 ? 1 : (i == 0) == (out[2] > 0) ? 0 : count;
            if (i < 2 && out[2] < 0) v = i == 0 ? count - 1 : -1;
        } else if (!jinja_integer(bounds[i], &v)) {
            if (jinja_no_undefined(j, bounds[i]))
                jinja_fail(j, "a slice needs integers, not %s", jinja_type_name(bounds[i]));
            return false;
        } else if (i < 2) {
            int64_t low = out[2] < 0 ? -1 : 0, high = out[2] < 0 ? count - 1 : count;
            if (v < 0) v = v < -count ? low : v + count;
            v = v < low ? low : v > high ? high : v;
        } else if (v == 0 || v < -INT32_MAX || v > INT32_MAX) {
            jinja_fail(j, "the step of a slice must not be 0 or huge");
            return false;
        }
        out[i] = v;
    }
    return true;
}

static jinja_value slice_string(jinja_state *j, const jinja_string *s, const int64_t at[3]) {
    if (at[2] == 1) {
        size_t begin = jinja_offset(s->text, 0, (size_t)at[0]);
        size_t end = at[1] > at[0] ? jinja_offset(s->text, begin, (size_t)(at[1] - at[0])) : begin;
        return jinja_slice(j, s, begin, end);
    }
    const jinja_list *letters = jinja_items(j, (jinja_value){.type = JINJA_STRING, .string = s});
    jinja_builder b = {.j = j};
    for (int64_t i = at[0]; letters && !j->failed && (at[2] > 0 ? i < at[1] : i > at[1]); i += at[2])
        jinja_add_string(&b, letters->items[i].string);
    return jinja_built(&b);
}

static jinja_value slice(jinja_state *j, jinja_value v, const jinja_object *how) {
    size_t count;
    int64_t at[3];
    bool view = (v.type == JINJA_LIST || v.type == JINJA_TUPLE) && v.list->view && *v.list->view != 'r';
    if (view || (v.type != JINJA_STRING && v.type != JINJA_LIST && v.type != JINJA_TUPLE)) {
        jinja_fail(j, "%s cannot be sliced", view ? v.list->view : jinja_type_name(v));
        return jinja_nothing();
    }
    if (!jinja_size(j, v, &count) || !slice_indices(j, how->bounds, (int64_t)count, at)) return jinja_nothing();
    if (v.type == JINJA_STRING) return jinja_mark_escaped(j, slice_string(j, v.string, at), v.string->escaped);
    jinja_value out = jinja_new_list(j, v.type);
    for (int64_t i = at[0]; !j->failed && (at[2] > 0 ? i < at[1] : i > at[1]); i += at[2])
        jinja_push(j, out, v.list->items[i]);
    return out;
}

/* ---- */
jinja_value jinja_attribute(jinja_state *j, jinja_value v, str name) {
    jinja_value out = {0};
    if (!jinja_no_undefined(j, v) || own_attribute(j, v, name, &out)) return out;
    const jinja_value *found = v.type == JINJA_DICT ? jinja_find_str(j, v.dict, name) : NULL;
    return found ? *found : jinja_undefined(j, name);
}

jinja_value jinja_item(jinja_state *j, jinja_value v, jinja_value key) {
    jinja_value out = {0};
    if (!jinja_no_undefined(j, v)) return out;
    if (key.type == JINJA_SLICE) return slice(j, v, key.object);
    if (entry(j, v, key, &out) || j->failed) return out;
    if (key.type == JINJA_STRING && own_attribute(j, v, key.string->text, &out)) return out;
    return jinja_undefined(j, key.type == JINJA_STRING ? key.string->text : str_from(jinja_type_name(key)));
}

/* One step of a path: digits are an index. */
static jinja_value step(jinja_state *j, jinja_value v, const jinja_string *path, size_t begin, size_t end) {
    int64_t index = 0;
    bool digits = end > begin && end - begin < 10;
    for (size_t i = begin; digits && i < end; i++) {
        digits = path->text.p[i] >= '0' && path->text.p[i] <= '9';
        index = index * 10 + (path->text.p[i] - '0');
    }
    return jinja_item(j, v, digits ? jinja_int(index) : jinja_slice(j, path, begin, end));
}

jinja_value jinja_path(jinja_state *j, jinja_value v, jinja_value path) {
    if (path.type != JINJA_STRING) return jinja_item(j, v, path);
    str text = path.string->text;
    for (size_t begin = 0, end; begin <= text.n && !j->failed; begin = end + 1) {
        for (end = begin; end < text.n && text.p[end] != '.';) end++;
        v = step(j, v, path.string, begin, end);
    }
    return v;
}
