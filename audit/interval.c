/* See interval.h. */
#include "audit/interval.h"
#include "base/mem.h"

void intervals_free(intervals *s) {
    mem_free(s->v);
    *s = (intervals){0};
}

bool intervals_add(intervals *s, int64_t a, int64_t b) {
    if (s->count && a <= s->v[s->count - 1].b) {
        if (b > s->v[s->count - 1].b) s->v[s->count - 1].b = b;
        return true;
    }
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        interval *v = mem_resize(s->v, cap * sizeof *v);
        if (!v) return false;
        s->v = v;
        s->cap = cap;
    }
    s->v[s->count++] = (interval){a, b};
    return true;
}

int64_t intervals_length(const intervals *s) {
    int64_t sum = 0;
    for (size_t i = 0; i < s->count; i++) sum += s->v[i].b - s->v[i].a;
    return sum;
}

int64_t intervals_common(const intervals *x, const intervals *y) {
    int64_t sum = 0;
    for (size_t i = 0, j = 0; i < x->count && j < y->count;) {
        int64_t lo = x->v[i].a > y->v[j].a ? x->v[i].a : y->v[j].a, hi = x->v[i].b < y->v[j].b ? x->v[i].b : y->v[j].b;
        if (hi > lo) sum += hi - lo;
        if (x->v[i].b < y->v[j].b) i++;
        else j++;
    }
    return sum;
}

void intervals_clip(intervals *s, int64_t from, int64_t to) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        interval v = s->v[i];
        if (v.a < from) v.a = from;
        if (v.b > to) v.b = to;
        if (v.a < v.b) s->v[n++] = v;
    }
    s->count = n;
}
