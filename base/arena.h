/* Arena: memory that dies together (one per model, compilation or request).
 *
 *     arena *a = arena_new(0);
 *     node *n = arena_push(a, node);        // zeroed, never freed alone
 *     arena_free(a);                        // everything is gone
 *
 * Not thread-safe. Every call may return NULL when memory ends (arena_new included).
 */
#ifndef INGOT_BASE_ARENA_H
#define INGOT_BASE_ARENA_H
#include <stdarg.h>
#include <stddef.h>

typedef struct arena arena;

arena *arena_new(size_t chunk_bytes);                    /* 0 = default (64 KiB) */
void arena_free(arena *a);                               /* NULL is fine */
void arena_reset(arena *a);                              /* frees all but keeps the arena */
void *arena_alloc(arena *a, size_t bytes);               /* zeroed, aligned to 16 */
void *arena_alloc_n(arena *a, size_t count, size_t bytes);
char *arena_strndup(arena *a, const char *p, size_t n);  /* adds a terminator */
char *arena_strdup(arena *a, const char *s);
char *arena_printf(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const arena *a);                      /* handed out so far */

#define arena_push(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define arena_push_n(a, T, n) ((T *)arena_alloc_n((a), (n), sizeof(T)))
#endif
