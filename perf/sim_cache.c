/* See sim_cache.h. */
#include "perf/sim_cache.h"
#include "base/mem.h"

static uint32_t *bucket(const sim_cache *c, uint64_t key) {
    key ^= key >> 32;
    key *= 0x9E3779B97F4A7C15u;
    return &c->buckets[(key >> 32) & (2 * c->capacity - 1)];
}

static uint32_t find(const sim_cache *c, uint64_t key) {
    if (!c->capacity) return 0;
    uint32_t i = *bucket(c, key);
    while (i && c->parts[i].key != key) i = c->parts[i].next;
    return i;
}

static void unlink_part(sim_cache *c, uint32_t i) {
    sim_cache_part *p = &c->parts[i];
    if (p->newer) c->parts[p->newer].older = p->older;
    else c->newest = p->older;
    if (p->older) c->parts[p->older].newer = p->newer;
    else c->oldest = p->newer;
}

static void link_newest(sim_cache *c, uint32_t i) {
    sim_cache_part *p = &c->parts[i];
    p->newer = 0, p->older = c->newest;
    if (c->newest) c->parts[c->newest].newer = i;
    c->newest = i;
    if (!c->oldest) c->oldest = i;
}

static void drop_oldest(sim_cache *c) {
    uint32_t i = c->oldest, *at = bucket(c, c->parts[i].key);
    while (*at != i) at = &c->parts[*at].next;
    *at = c->parts[i].next;
    unlink_part(c, i);
    c->used -= c->parts[i].tokens;
    c->parts[i].next = c->free;
    c->free = i;
    c->count--;
}

/* Twice the parts; buckets are filled anew. */
static bool grow(sim_cache *c) {
    uint32_t capacity = c->capacity ? 2 * c->capacity : 1024;
    sim_cache_part *parts = mem_alloc_n(capacity, sizeof *parts);
    uint32_t *buckets = mem_alloc_n(2 * (size_t)capacity, sizeof *buckets);
    if (!parts || !buckets) return mem_free(parts), mem_free(buckets), false;
    sim_cache old = *c;
    *c = (sim_cache){.room = old.room, .parts = parts, .buckets = buckets, .capacity = capacity};
    for (uint32_t i = capacity - 1; i; i--) parts[i].next = c->free, c->free = i;
    for (uint32_t i = old.oldest; i; i = old.parts[i].newer) sim_cache_put(c, old.parts[i].key, old.parts[i].tokens);
    mem_free(old.parts), mem_free(old.buckets);
    return true;
}

double sim_cache_find(sim_cache *c, uint64_t key) {
    uint32_t i = find(c, key);
    if (!i) return 0;
    unlink_part(c, i);
    link_newest(c, i);
    return c->parts[i].tokens;
}

bool sim_cache_put(sim_cache *c, uint64_t key, double tokens) {
    uint32_t i = find(c, key);
    if (tokens > c->room) return true; /* what has no room is not kept */
    if (!i) {
        if (!c->free && c->capacity == CACHE_PARTS_MAX) drop_oldest(c);
        if (!c->free && !grow(c)) return false;
        i = c->free;
        c->free = c->parts[i].next;
        uint32_t *at = bucket(c, key);
        c->parts[i] = (sim_cache_part){.key = key, .next = *at};
        *at = i;
        c->count++;
    } else unlink_part(c, i);
    link_newest(c, i);
    if (tokens > c->parts[i].tokens) c->used += tokens - c->parts[i].tokens, c->parts[i].tokens = tokens;
    sim_cache_limit(c, c->room);
    return true;
}

void sim_cache_limit(sim_cache *c, double room) {
    c->room = room > 0 ? room : 0;
    while (c->used > c->room && c->oldest) drop_oldest(c);
}

void sim_cache_free(sim_cache *c) {
    mem_free(c->parts), mem_free(c->buckets);
    *c = (sim_cache){0};
}
