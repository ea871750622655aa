/* Map from byte strings to 64-bit values: open addressing, insertion order kept for iteration.
 *
 * Keys are not copied: they must live as long as the map (put them into the arena that owns the map's data).
 * All-zero is a valid empty map; map_free gives the tables back.
 */
#ifndef INGOT_BASE_MAP_H
#define INGOT_BASE_MAP_H
#include "base/str.h"

typedef struct {
    str key;
    uint64_t value, hash;
} map_entry;

typedef struct {
    map_entry *entries; /* [count], in the order of insertion */
    uint32_t *slots;    /* [slot_count], entry index + 1, 0 = free */
    size_t count, entry_cap, slot_count;
} map;

void map_free(map *m);
bool map_reserve(map *m, size_t count);                 /* room for so many in all; false when memory ends */
bool map_put(map *m, str key, uint64_t value);          /* adds or replaces; false when memory ends */
bool map_get(const map *m, str key, uint64_t *value);   /* value may be NULL */
uint64_t str_hash(str s);
#endif
