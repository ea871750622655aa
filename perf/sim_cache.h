/* A prefix cache: which parts of texts have their keys and values at hand. Parts have a key and a size in tokens; the
 * least recently used go first when there are more tokens than room. Memory is bounded by CACHE_PARTS_MAX parts.
 *
 *     sim_cache c = {.room = tokens};
 *     double have = sim_cache_find(&c, key);             // tokens, 0 = none; it is now the most recent
 *     sim_cache_put(&c, key, tokens);                    // adds or grows; false when memory ends
 *     sim_cache_free(&c);
 */
#ifndef INGOT_PERF_SIM_CACHE_H
#define INGOT_PERF_SIM_CACHE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_PARTS_MAX = 1 << 20 };

typedef struct {
    uint64_t key;
    double tokens;
    uint32_t newer, older, next; /* in order of use; in its bucket, or among the free ones. 0 = none */
} sim_cache_part;

typedef struct {
    double room, used;     /* tokens; change room with sim_cache_limit */
    sim_cache_part *parts; /* [capacity], the first is never used */
    uint32_t *buckets;     /* [2 * capacity] */
    uint32_t capacity, count, free, newest, oldest;
} sim_cache;

double sim_cache_find(sim_cache *c, uint64_t key);
bool sim_cache_put(sim_cache *c, uint64_t key, double tokens);
void sim_cache_limit(sim_cache *c, double room);
void sim_cache_free(sim_cache *c); /* all-zero is fine */
#endif
