#include "cluster/wafer_internal.h"
#include "base/file.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/units.h"
#include <math.h>

enum { OFFSET_X = 4, OFFSET_Y = 1 };

/* ---- the program ---- */

static bool one_wafer(const wafer *w, diag *d) {
    const plan *p = &w->plan;
    return p->wafer_count == 1 ||
           diag_error(
               d,
               "%s needs %u wafers of %s for a context of %u; this engine runs one. `ingot plan` shows them; the "
               "first layers alone (--layers N) or less context may fit",
               w->model->name, p->wafer_count, w->machine.name, p->context);
}

/* What both layouts know, then what only one of them does. */
enum { PARAMS_MAX = 40 };
static uint32_t common_params(const plan *p, csl_param *out) {
    const csl_param all[] = {
        {"width", p->width},
        {"units", p->units},
        {"unit_rows", p->unit_rows},
        {"layers", p->layers},
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

static uint32_t resident_params(const plan *p, csl_param *out) {
    const csl_param all[] = {
        {"head_rows", p->head_rows},
        {"row_group", p->row_group},
        {"embed_scale_bits", f32_bits(p->embed_scale)},
        {"vocab", p->vocab},
        {"table_rows", p->table_rows},
        {"positions_first", p->positions_first == PLAN_NO_POSITIONS ? UINT32_MAX : p->positions_first},
        {"tied", p->tied},
        {"steps_max", p->steps_max},
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static uint32_t streamed_params(const plan *p, csl_param *out) {
    const csl_param all[] = {{"tokens", p->tokens}, {"sparse", p->sparse}, {"rope_tables", p->rope_tables}};
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static bool compile(wafer *w, diag *d) {
    csl_param params[PARAMS_MAX];
    uint32_t count = common_params(&w->plan, params);
    count += (w->plan.streamed ? streamed_params : resident_params)(&w->plan, params + count);
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

wafer *wafer_new(llm_store *s, const wafer_options *o, diag *d) {
    double since = clock_seconds();
    wafer *w = mem_alloc(sizeof *w);
    if (!w || !(w->memory = arena_new(0))) return mem_free(w), diag_oom(d, "wafer"), NULL;
    w->store = s;
    w->model = s->model;
    w->prompt = o->prompt;
    w->sparsity = o->sparsity;
    if (api_machine(&w->machine, o->machine ? o->machine : "wse3", o->profile ? o->profile : "vendor-sim", d) &&
        plan_make(&w->plan, w->memory, w->model, &w->machine, &o->plan, d) && one_wafer(w, d) && compile(w, d) &&
        start(w, o, d) && wafer_find_symbols(w, d) && (!(w->sparsity > 0) || wafer_find_least(w, d)) &&
        wafer_place_weights(w, &o->loading, d)) {
        wafer_measure_programs(w);
        w->stats.load_seconds = clock_seconds() - since;
        return w;
    }
    wafer_free(w);
    return NULL;
}

void wafer_free(wafer *w) {
    if (!w) return;
    host_free(w->host);
    isa_image_free(w->image);
    arena_free(w->memory);
    mem_free(w);
}

uint32_t wafer_position(const wafer *w) { return w->position; }
uint32_t wafer_context(const wafer *w) { return w->plan.context; }
const plan *wafer_plan(const wafer *w) { return &w->plan; }
const isa_wafer *wafer_machine(const wafer *w) { return &w->machine; }
const wafer_stats *wafer_get_stats(const wafer *w) { return &w->stats; }

void wafer_rewind(wafer *w, uint32_t position) {
    if (position < w->position) wafer_set_position(w, position);
}

/* ---- running ---- */

static uint16_t *first_head_pe(wafer *w, wafer_symbol s) { return wafer_at(w, 0, wafer_first_head_row(w), s); }

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

static bool step(wafer *w, call *c, diag *d) {
    const host_arg args[] = {u16_arg(c->rounds), u16_arg(c->batch), u16_arg(c->given)};
    uint16_t *found = first_head_pe(w, WAFER_GENERATED);
    uint32_t task, tokens = c->rounds * c->batch;
    uint64_t since = host_cycle(w->host);
    double clock = clock_seconds();
    bool done = false;
    wse_counters before;
    wse_counters_total(w->simulator, &before);
    for (uint32_t i = 0; i < tokens; i++) write_i32(found, i, NOT_YET);
    if (!host_launch(w->host, "step", args, 3, &task, d)) return false;
    while (!done) {
        if (!host_done(w->host, task, &done, d)) return false;
        watch(w, c, since);
    }
    w->position += tokens;
    wafer_account(w, c->work, tokens, since, &before, clock_seconds() - clock);
    return true;
}

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
    float cap = w->model->config.logit_softcap;
    for (uint32_t k = 0; k < p->vocab; k++) {
        uint32_t row = wafer_first_head_row(w) + k / p->vocab_tile;
        memcpy(&logits[k], wafer_at(w, 0, row, WAFER_LOGITS) + 2 * (size_t)(k % p->vocab_tile), sizeof *logits);
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
    if (!(w->plan.streamed ? wafer_stream_forward(w, ids, count, logits != NULL, work, d)
                           : forward_resident(w, ids, count, work, d)))
        return false;
    if (count > 1 && w->prompt.fn) w->prompt.fn(w->prompt.arg, 1);
    if (logits) read_logits(w, logits);
    return true;
}

bool wafer_greedy(wafer *w, int32_t token, uint32_t count, void (*take)(void *arg, int32_t token), void *arg, diag *d) {
    if (count > w->plan.steps_max) count = w->plan.steps_max;
    call c = {.rounds = count, .work = &w->stats.decode, .batch = 1, .given = 1, .take = take, .arg = arg};
    if (!check_tokens(w, &token, 1, count, d)) return false;
    write_i32(first_head_pe(w, WAFER_FORCED), 0, token);
    return step(w, &c, d);
}
