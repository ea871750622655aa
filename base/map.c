#include "base/map.h"
#include "base/mem.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t str_hash(str s) { return XXH3_64bits(s.p, s.n); }

void map_free(map *m) {
    mem_free(m->entries);
    mem_free(m->slots);
    *m = (map){0};
}

/* The slot that holds the key, or the free slot where it belongs. Tables are at most half full, so this ends. */
static size_t find_slot(const map *m, str key, uint64_t hash) {
    size_t mask = m->slot_count - 1, i = hash & mask;
    for (;; i = (i + 1) & mask) {
        uint32_t at = m->slots[i];
        if (!at) return i;
        const map_entry *e = &m->entries[at - 1];
        if (e->hash == hash && str_eq(e->key, key)) return i;
    }
}

bool map_reserve(map *m, size_t count) {
    if (count > UINT32_MAX / 4) return false;
    if (count > m->entry_cap) {
        size_t cap = m->entry_cap ? m->entry_cap * 2 : 8;
        if (cap < count) cap = count;
        map_entry *e = mem_resize(m->entries, cap * sizeof *e);
        if (!e) return false;
        m->entries = e;
        m->entry_cap = cap;
    }
    if (m->slot_count >= 2 * m->entry_cap) return true;
    size_t slots = 16;
    while (slots < 2 * m->entry_cap) slots *= 2;
    uint32_t *fresh = mem_alloc_n(slots, sizeof *fresh);
    if (!fresh) return false;
    mem_free(m->slots);
    m->slots = fresh;
    m->slot_count = slots;
    for (size_t i = 0; i < m->count; i++) m->slots[find_slot(m, m->entries[i].key, m->entries[i].hash)] = (uint32_t)i + 1;
    return true;
}

bool map_put(map *m, str key, uint64_t value) {
    if (!map_reserve(m, m->count + 1)) return false;
    uint64_t hash = str_hash(key);
    size_t at = find_slot(m, key, hash);
    if (m->slots[at]) {
        m->entries[m->slots[at] - 1].value = value;
        return true;
    }
    m->entries[m->count] = (map_entry){key, value, hash};
    m->slots[at] = (uint32_t)++m->count;
    return true;
}

bool map_get(const map *m, str key, uint64_t *value) {
    if (!m->slot_count) return false;
    size_t at = find_slot(m, key, str_hash(key));
    if (!m->slots[at]) return false;
    if (value) *value = m->entries[m->slots[at] - 1].value;
    return true;
}
