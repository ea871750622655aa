#include "cluster/wafer_internal.h"
#include "base/file.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/units.h"
#include <math.h>

enum { OFFSET_X = 4, OFFSET_Y = 1 };

/* ---- the program ---- */

/* What both layouts know, then what only one of them does. */
enum { PARAMS_MAX = 40 };
static uint32_t common_params(const wafer *w, csl_param *out) {
    const plan *p = &w->plan;
    const csl_param all[] = {
        {"width", p->width},
        {"units", p->units},
        {"unit_rows", p->unit_rows},
        {"row_root", p->row_root},
        {"layers", p->streamed ? p->layers : w->part.layers},
        {"d_model", p->d_model},
        {"d_tile", p->d_tile},
        {"group", p->group},
        {"head_size", p->head_size},
        {"qkv_tile", p->qkv_tile},
        {"o_tile", p->o_tile},
        {"mlp_tile", p->mlp_tile},
        {"gated", p->gated},
        {"activation", p->activation},
        {"rope", p->rope_style != ROPE_NONE},
        {"norm", p->norm},
        {"norm_late", p->norm_late},
        {"eps_bits", f32_bits(p->eps)},
        {"qk_norm", p->qk_norm},
        {"post_norm", p->post_norm},
        {"bias", p->bias},
        {"attn_scale_bits", f32_bits(p->attn_scale)},
        {"slots", p->slots},
        {"vocab_tile", p->vocab_tile},
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static uint32_t resident_params(const wafer *w, csl_param *out) {
    const plan *p = &w->plan;
    const csl_param all[] = {
        {"head_rows", w->part.head ? p->head_rows : 0},
        {"row_group", p->row_group},
        {"embed_scale_bits", f32_bits(p->embed_scale)},
        {"vocab", p->vocab},
        {"table_rows", p->table_rows},
        {"positions_first", p->positions_first == PLAN_NO_POSITIONS ? UINT32_MAX : p->positions_first},
        {"tied", p->tied},
        {"steps_max", p->steps_max},
        {"whole", p->wafer_count == 1},
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static uint32_t streamed_params(const wafer *w, csl_param *out) {
    const plan *p = &w->plan;
    const csl_param all[] = {{"tokens", p->tokens}, {"sparse", p->sparse}, {"rope_tables", p->rope_tables}};
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static bool compile(wafer *w, diag *d) {
    csl_param params[PARAMS_MAX];
    uint32_t count = common_params(w, params);
    count += (w->plan.streamed ? streamed_params : resident_params)(w, params + count);
    char *root = api_root(w->memory, d);
    if (!root) return false;
    char *layout =
             arena_printf(w->memory, "%s/kernels/transformer/%s.csl", root, w->plan.streamed ? "streamed" : "layout"),
         *library = arena_printf(w->memory, "%s/lib", root);
    if (!layout || !library) return diag_oom(d, "wafer");
    csl_options o = {.arch = w->machine.arch,
                     .wafer = &w->machine,
                     .fabric_width = w->machine.fabric_width,
                     .fabric_height = w->machine.fabric_height,
                     .offset_x = OFFSET_X,
                     .offset_y = OFFSET_Y,
                     .memcpy = true,
                     .channels = 1,
                     .params = params,
                     .param_count = count,
                     .library = library};
    double since = clock_seconds();
    w->image = csl_compile(layout, &o, d);
    w->stats.compile_seconds = clock_seconds() - since;
    return w->image != NULL;
}

static bool start(wafer *w, const wafer_options *o, diag *d) {
    host_device device;
    uint16_t *longer;
    wse_options options = {.threads = o->threads};
    if (!api_holes_links(&o->holes, &w->machine, w->image, &longer, d)) return false;
    options.extra_hop_cycles = longer;
    bool made = host_device_wse(&device, &w->machine, w->image, &options, d);
    mem_free(longer);
    if (!made) return false;
    w->simulator = device.machine;
    w->host = host_new(w->image, &device, 0, d);
    if (!w->host) device.free(device.machine);
    return w->host != NULL;
}

/* An engine without machine and plan. */
static wafer *bare(llm_store *s, const wafer_options *o, diag *d) {
    wafer *w = mem_alloc(sizeof *w);
    if (!w || !(w->memory = arena_new(0))) return mem_free(w), diag_oom(d, "wafer"), NULL;
    w->store = s;
    w->model = s->model;
    w->prompt = o->prompt;
    w->sparsity = o->sparsity;
    return w;
}

/* The plan's wafer `i`, to which `w` has been set up but for the machine itself. */
static bool make_part(wafer *w, const wafer_options *o, uint32_t i, diag *d) {
    w->part = w->plan.wafers[i];
    if (i + 1 < w->plan.wafer_count) {
        if (!(w->next = bare(w->store, o, d))) return false;
        w->next->machine = w->machine;
        w->next->plan = w->plan;
    }
    bool made = compile(w, d) && start(w, o, d) && wafer_find_symbols(w, d) &&
                (!(w->sparsity > 0) || wafer_find_least(w, d)) && wafer_place_weights(w, &o->loading, d);
    if (made) wafer_measure_programs(w);
    return made;
}

wafer *wafer_new(llm_store *s, const wafer_options *o, diag *d) {
    double since = clock_seconds();
    wafer *first = bare(s, o, d);
    bool ok =
        first &&
        api_machine(&first->machine, o->machine ? o->machine : "wse3", o->profile ? o->profile : "vendor-sim", d) &&
        plan_make(&first->plan, first->memory, first->model, &first->machine, &o->plan, d);
    uint32_t i = 0;
    for (wafer *w = first; ok && w; w = w->next) {
        ok = make_part(w, o, i++, d);
        if (ok && w != first) wafer_join_stats(&first->stats, &w->stats);
    }
    if (ok) {
        first->stats.load_seconds = clock_seconds() - since;
        return first;
    }
    wafer_free(first);
    return NULL;
}

void wafer_free(wafer *w) {
    while (w) {
        wafer *next = w->next;
        host_free(w->host);
        isa_image_free(w->image);
        arena_free(w->memory);
        mem_free(w);
        w = next;
    }
}

uint32_t wafer_position(const wafer *w) { return w->position; }
uint32_t wafer_context(const wafer *w) { return w->plan.context; }
const plan *wafer_plan(const wafer *w) { return &w->plan; }
const isa_wafer *wafer_machine(const wafer *w) { return &w->machine; }
const wafer_stats *wafer_get_stats(const wafer *w) { return &w->stats; }

void wafer_rewind(wafer *w, uint32_t position) {
    for (bool back = position < w->position; back && w; w = w->next) wafer_set_position(w, position);
}

/* ---- running ---- */

static uint16_t *first_head_pe(wafer *w, wafer_symbol s) {
    while (w->next) w = w->next;
    return wafer_at(w, w->plan.row_root, wafer_first_head_row(w), s);
}

static int32_t read_i32(const uint16_t *at, uint32_t i) {
    int32_t v;
    memcpy(&v, at + 2 * (size_t)i, sizeof v);
    return v;
}
static void write_i32(uint16_t *at, uint32_t i, int32_t v) { memcpy(at + 2 * (size_t)i, &v, sizeof v); }

/* One launch of `step`, watched while it runs. */
typedef struct {
    uint32_t rounds, batch, given;
    wafer_work *work;
    void (*take)(void *arg, int32_t token); /* NULL: nobody asks */
    void *arg;
    uint32_t taken;
    double predicted_cycles, done, share; /* progress: from `done` to `done + share` */
} call;

enum { NOT_YET = -2 }; /* what no PE writes */

static void watch(wafer *w, call *c, uint64_t since) {
    const uint16_t *found = first_head_pe(w, WAFER_GENERATED);
    while (c->take && c->taken < c->rounds && read_i32(found, c->taken) != NOT_YET)
        c->take(c->arg, read_i32(found, c->taken++));
    if (c->work != &w->stats.prompt || !w->prompt.fn) return;
    double part = (double)(host_cycle(w->host) - since) / c->predicted_cycles;
    w->prompt.fn(w->prompt.arg, c->done + c->share * (part < 0.99 ? part : 0.99));
}

static host_arg u16_arg(uint32_t v) { return (host_arg){.kind = HOST_ARG_UINT, .bits = 16, .whole = v}; }

/* A launch on one wafer, to its end; `tokens` is what is counted for it. */
static bool launch(wafer *w, const char *function, call *c, uint32_t tokens, diag *d) {
    const host_arg args[] = {u16_arg(c->rounds), u16_arg(c->batch), u16_arg(c->given)};
    uint32_t task, arg_count = strcmp(function, "step") ? 0 : 3;
    uint64_t since = host_cycle(w->host);
    double clock = clock_seconds();
    bool done = false;
    wse_counters before;
    wse_counters_total(w->simulator, &before);
    if (!host_launch(w->host, function, args, arg_count, &task, d)) return false;
    while (!done) {
        if (!host_done(w->host, task, &done, d)) return false;
        if (w->plan.wafer_count == 1) watch(w, c, since);
    }
    wafer_account(w, c->work, tokens, since, &before, clock_seconds() - clock);
    return true;
}

static bool step(wafer *w, call *c, diag *d) {
    uint16_t *found = first_head_pe(w, WAFER_GENERATED);
    uint32_t tokens = c->rounds * c->batch;
    for (uint32_t i = 0; i < tokens; i++) write_i32(found, i, NOT_YET);
    if (!launch(w, "step", c, tokens, d)) return false;
    w->position += tokens;
    return true;
}

/* ---- several wafers: the host carries x, one token at a time ---- */

/* x between a wafer's edge and the host: blocks of d_tile on the PEs of row y. */
static void take_x(wafer *w, uint32_t y, float *x) {
    for (uint32_t i = 0; i < w->plan.width; i++)
        memcpy(x + (size_t)i * w->plan.d_tile, wafer_at(w, i, y, WAFER_RESIDUAL), w->plan.d_tile * sizeof *x);
}
static void put_x(wafer *w, uint32_t y, const float *x) {
    for (uint32_t i = 0; i < w->plan.width; i++)
        memcpy(wafer_at(w, i, y, WAFER_RESIDUAL), x + (size_t)i * w->plan.d_tile, w->plan.d_tile * sizeof *x);
}

/* The embedding is looked up where the head is, on the last wafer; x then passes all of them in order. */
static bool pass_chain(wafer *first, int32_t id, wafer_work *work, float *x, diag *d) {
    call c = {.rounds = 1, .batch = 1, .work = work};
    wafer *last = first;
    while (last->next) last = last->next;
    write_i32(first_head_pe(first, WAFER_FORCED), 0, id);
    if (!launch(last, "look_up_first", &c, 0, d)) return false;
    take_x(last, wafer_first_head_row(last), x);
    for (wafer *w = first; w; w = w->next) {
        put_x(w, 0, x);
        if (!launch(w, "step", &c, w->next ? 0 : 1, d)) return false;
        if (w->next) take_x(w, (w->part.layers - 1) * w->plan.rows, x);
        w->position++;
    }
    return true;
}

static bool forward_chain(wafer *w, const int32_t *ids, size_t count, wafer_work *work, diag *d) {
    float *x = mem_alloc_n((size_t)w->plan.width * w->plan.d_tile, sizeof *x);
    bool ok = x || diag_oom(d, "wafer");
    for (size_t i = 0; ok && i < count; i++) {
        ok = pass_chain(w, ids[i], work, x, d);
        if (work == &w->stats.prompt && w->prompt.fn) w->prompt.fn(w->prompt.arg, (i + 1.0) / (double)count);
    }
    mem_free(x);
    return ok;
}

static bool greedy_chain(wafer *w, int32_t token, uint32_t count, void (*take)(void *, int32_t), void *arg, diag *d) {
    for (uint32_t i = 0; i < count; i++) {
        if (!forward_chain(w, &token, 1, &w->stats.decode, d)) return false;
        token = read_i32(first_head_pe(w, WAFER_GENERATED), 0);
        if (take) take(arg, token);
    }
    return true;
}

/* ---- the engine ---- */

static bool check_tokens(const wafer *w, const int32_t *ids, size_t count, size_t room, diag *d) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= w->plan.vocab)
            return diag_error(d, "token %d is outside the vocabulary of %u", ids[i], w->plan.vocab);
    if (room > w->plan.context - w->position)
        return diag_error(d, "%zu tokens do not fit: the context holds %u and %u are used; ask for more with --context",
                          room, w->plan.context, w->position);
    return true;
}

static void read_logits(wafer *w, float *logits) {
    const plan *p = &w->plan;
    while (w->next) w = w->next;
    float cap = w->model->config.logit_softcap;
    for (uint32_t k = 0; k < p->vocab; k++) {
        uint32_t row = wafer_first_head_row(w) + k / p->vocab_tile;
        memcpy(&logits[k], wafer_at(w, p->row_root, row, WAFER_LOGITS) + 2 * (size_t)(k % p->vocab_tile),
               sizeof *logits);
        if (cap > 0) logits[k] = cap * tanhf(logits[k] / cap);
    }
}

static bool forward_resident(wafer *w, const int32_t *ids, size_t count, wafer_work *work, diag *d) {
    uint32_t chunk = w->plan.layers < w->plan.steps_max ? w->plan.layers : w->plan.steps_max;
    for (size_t at = 0; at < count;) {
        uint32_t n = count - at < chunk ? (uint32_t)(count - at) : chunk;
        call c = {.rounds = 1,
                  .work = work,
                  .batch = n,
                  .given = n,
                  .done = (double)at / (double)count,
                  .share = (double)n / (double)count};
        c.predicted_cycles = w->plan.cycles.token + (n - 1) * w->plan.cycles.prompt;
        for (uint32_t i = 0; i < n; i++) write_i32(first_head_pe(w, WAFER_FORCED), i, ids[at + i]);
        if (!step(w, &c, d)) return false;
        at += n;
    }
    return true;
}

bool wafer_forward(wafer *w, const int32_t *ids, size_t count, float *logits, diag *d) {
    wafer_work *work = count > 1 ? &w->stats.prompt : &w->stats.decode;
    if (!check_tokens(w, ids, count, count, d)) return false;
    bool ok = w->plan.streamed          ? wafer_stream_forward(w, ids, count, logits != NULL, work, d)
              : w->plan.wafer_count > 1 ? forward_chain(w, ids, count, work, d)
                                        : forward_resident(w, ids, count, work, d);
    if (!ok) return false;
    if (count > 1 && w->prompt.fn) w->prompt.fn(w->prompt.arg, 1);
    if (logits) read_logits(w, logits);
    return true;
}

bool wafer_greedy(wafer *w, int32_t token, uint32_t count, void (*take)(void *arg, int32_t token), void *arg, diag *d) {
    if (count > w->plan.steps_max) count = w->plan.steps_max;
    call c = {.rounds = count, .work = &w->stats.decode, .batch = 1, .given = 1, .take = take, .arg = arg};
    if (!check_tokens(w, &token, 1, count, d)) return false;
    if (w->plan.wafer_count > 1) return greedy_chain(w, token, count, take, arg, d);
    write_i32(first_head_pe(w, WAFER_FORCED), 0, token);
    return step(w, &c, d);
}
