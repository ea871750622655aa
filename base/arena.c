#include "base/arena.h"
#include "base/mem.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct chunk {
    struct chunk *next;
    size_t used, cap;
    _Alignas(16) char data[];
} chunk;

struct arena {
    chunk *head; /* newest chunk; only this one has room */
    size_t chunk_bytes, handed_out;
};

arena *arena_new(size_t chunk_bytes) {
    arena *a = mem_alloc(sizeof *a);
#ifdef INGOT_HOSTILE
    chunk_bytes = 64; /* tiny chunks: every path that grows is walked */
#endif
    if (a) a->chunk_bytes = chunk_bytes ? chunk_bytes : 64 << 10;
    return a;
}

void arena_reset(arena *a) {
    for (chunk *c = a->head; c;) {
        chunk *next = c->next;
        mem_free(c);
        c = next;
    }
    a->head = NULL;
    a->handed_out = 0;
}

void arena_free(arena *a) {
    if (!a) return;
    arena_reset(a);
    mem_free(a);
}

void *arena_alloc(arena *a, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t need = (bytes + 15) & ~(size_t)15;
    if (!need) need = 16;
    if (!a->head || a->head->cap - a->head->used < need) {
        size_t cap = need > a->chunk_bytes ? need : a->chunk_bytes;
        chunk *c = mem_alloc(sizeof *c + cap);
        if (!c) return NULL;
        c->cap = cap;
        c->next = a->head;
        a->head = c;
    }
    void *p = a->head->data + a->head->used;
    a->head->used += need;
    a->handed_out += need;
    return p;
}

void *arena_alloc_n(arena *a, size_t count, size_t bytes) {
    size_t total;
    return mem_mul(count, bytes, &total) ? arena_alloc(a, total) : NULL;
}

char *arena_strndup(arena *a, const char *p, size_t n) {
    char *s = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;
    if (s && n) memcpy(s, p, n);
    return s;
}

char *arena_strdup(arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_printf(arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!s) return NULL;
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

size_t arena_bytes(const arena *a) { return a->handed_out; }
