/* What a call took: the machine's counters before and after, and the programs' own counters by phase. */
#include "cluster/wafer_internal.h"

static uint32_t bytes_of(const isa_program *p) {
    return 2 * (p->used_words + (uint32_t)p->stack_words) + p->code_bytes;
}

void wafer_measure_programs(wafer *w) {
    uint32_t head = wafer_first_head_row(w);
    for (uint32_t pe = 0; pe < w->image->width * w->image->height; pe++) {
        const isa_program *p = &w->image->programs[w->image->tiles[pe].program];
        bool is_head = !w->plan.streamed && pe / w->image->width >= head;
        uint32_t bytes = bytes_of(p), *most = is_head ? &w->stats.head_bytes : &w->stats.layer_bytes;
        if (bytes > *most) *most = bytes;
        if (p->code_bytes > w->stats.code_bytes[is_head]) w->stats.code_bytes[is_head] = p->code_bytes;
    }
    w->stats.programs = w->image->program_count;
}

/* What loading a further wafer took and what its programs need, to the first one's. */
void wafer_join_stats(wafer_stats *to, const wafer_stats *more) {
    if (more->layer_bytes > to->layer_bytes) to->layer_bytes = more->layer_bytes;
    if (more->head_bytes > to->head_bytes) to->head_bytes = more->head_bytes;
    for (int i = 0; i < 2; i++)
        if (more->code_bytes[i] > to->code_bytes[i]) to->code_bytes[i] = more->code_bytes[i];
    to->programs += more->programs;
    to->compile_seconds += more->compile_seconds;
}

enum { SPENT = 16 };

void wafer_clear_spent(wafer *w) {
    for (uint32_t y = 0; y < w->image->height; y++)
        for (uint32_t x = 0; x < w->image->width; x++) {
            uint16_t *at = wafer_at(w, x, y, WAFER_SPENT);
            if (at) memset(at, 0, SPENT * sizeof(uint32_t));
        }
}

/* Mean over `columns` PEs of row y from `first` on, added to out. The first row of a region is on the way of every sum:
 * what it took is what the region took. */
static void add_spent(wafer *w, uint32_t y, uint32_t first, uint32_t columns, double *out, int phases) {
    for (uint32_t x = first; x < first + columns; x++) {
        uint32_t spent[SPENT];
        const uint16_t *at = wafer_at(w, x, y, WAFER_SPENT);
        if (!at) continue;
        memcpy(spent, at, sizeof spent);
        for (int i = 0; i < phases; i++) out[i] += (double)spent[i] / columns;
    }
}

/* With streamed weights one program does all: its phases are sums over layers already, and the head's are its last. */
static void add_streamed(wafer *w, wafer_work *to) {
    double all[SPENT] = {0};
    add_spent(w, 0, 0, w->plan.width, all, SPENT);
    for (int i = 0; i < PLAN_PHASES; i++) to->layer[i] += all[i];
    to->head[PLAN_HEAD_MULTIPLY] += all[PLAN_PHASES];
    to->head[PLAN_HEAD_SUM] += all[PLAN_PHASES + 1];
}

static void add_resident(wafer *w, wafer_work *to) {
    for (uint32_t i = 0; i < w->part.layers; i++)
        add_spent(w, i * w->plan.rows, 0, w->plan.width, to->layer, PLAN_PHASES);
    if (!w->part.head) return;
    add_spent(w, wafer_first_head_row(w), w->plan.row_root, 1, to->head,
              PLAN_HEAD_PHASES_COUNT); /* the roots alone choose */
}

static void add_counters(wse_counters *to, const wse_counters *now, const wse_counters *before) {
#define COUNTER(name, meaning) to->name += now->name - before->name;
#include "wse/counters.def"
#undef COUNTER
}

void wafer_account(wafer *w, wafer_work *to, uint64_t tokens, uint64_t since_cycle, const wse_counters *before,
                   double seconds) {
    wse_counters now;
    wse_counters_total(w->simulator, &now);
    add_counters(&to->counters, &now, before);
    (w->plan.streamed ? add_streamed : add_resident)(w, to);
    wafer_clear_spent(w);
    to->tokens += tokens;
    to->calls += tokens > 0; /* wafers of a chain share a call */
    to->cycles += host_cycle(w->host) - since_cycle;
    to->host_seconds += seconds;
    w->stats.simulator_bytes = wse_bytes(w->simulator) + 2ull * ISA_SRAM_WORDS * w->image->width * w->image->height;
}
