/* Worst-case stack below a root: frames along the deepest chain of calls, one word of return index each. A call through
 * a register may reach every function whose address is taken. Recursion has no bound; it counts CG_RECURSION_WORDS. */
#include "csl/codegen.h"

typedef struct {
    uint32_t fn, edge, taken, depth; /* next edge; next address-taken function while that edge is indirect */
} level;

/* Next function this level may call, UINT32_MAX when there is none. */
static uint32_t next_callee(const cg *g, level *at) {
    const cg_info *info = &g->info[at->fn];
    while (at->edge < info->callee_count) {
        uint32_t callee = info->callees[at->edge];
        if (callee != UINT32_MAX) return at->edge++, callee;
        while (at->taken < g->p->fn_count)
            if (g->info[at->taken++].address_taken) return at->taken - 1;
        at->taken = 0;
        at->edge++;
    }
    return UINT32_MAX;
}

uint32_t cg_stack(cg *g, uint32_t root, bool *recursive) {
    level *stack = arena_alloc_n(g->scratch, (size_t)g->p->fn_count + 1, sizeof *stack);
    if (!stack) return UINT32_MAX;
    uint32_t n = 0;
    if (g->info[root].counted) return g->info[root].depth_words;
    stack[n++] = (level){.fn = root};
    g->info[root].counting = true;
    while (n) {
        level *at = &stack[n - 1];
        uint32_t callee = next_callee(g, at);
        if (callee != UINT32_MAX) {
            cg_info *info = &g->info[callee];
            if (info->counting) *recursive = true;
            else if (!info->counted) {
                info->counting = true;
                stack[n++] = (level){.fn = callee};
            } else if (info->depth_words + 1 > at->depth) at->depth = info->depth_words + 1;
            continue;
        }
        cg_info *info = &g->info[at->fn];
        info->depth_words = info->frame_words + at->depth;
        info->counted = true;
        info->counting = false;
        n--;
        if (n && info->depth_words + 1 > stack[n - 1].depth) stack[n - 1].depth = info->depth_words + 1;
    }
    return g->info[root].depth_words;
}
