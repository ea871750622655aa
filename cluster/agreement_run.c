/* One row of agreement.h on the machine: the kernel's layout compiled, seeded numbers in all its arrays, one launch,
 * and the cycles that its programs counted. */
#include "cluster/agreement.h"
#include "base/half.h"
#include "base/rng.h"
#include "csl/csl.h"
#include "host/host.h"

enum { PARAMS_MAX = 14, PHASES = 16, WAIT_CYCLES = 20000000 };

/* Params of the layout; the function launched, or the one when the result goes back to all PEs; its arguments: sizes.
 */
typedef struct {
    const char *name, *params[PARAMS_MAX], *function, *everywhere, *args[2];
} kernel_row;
static const kernel_row kernels[] = {
    {"gemv", {"width", "height", "row_group", "m_tile", "k_tile", "root_x", "root_y"}, "compute", NULL, {0}},
    {"gemm", {"width", "height", "m_tile", "n_tile", "k_panel", "panels"}, "compute", NULL, {0}},
    {"reduce",
     {"width", "height", "row_group", "column_group", "n", "root_x", "root_y"},
     "reduce_sum",
     "allreduce_sum",
     {0}},
    {"norm", {"width", "height", "row_group", "d", "d_tile", "kind", "root_x"}, "compute", NULL, {0}},
    {"rope", {"width", "height", "heads", "head", "dims", "style"}, "rotate", NULL, {0}},
    {"mlp",
     {"width", "height", "row_group", "column_group", "d_tile", "mlp_tile", "gated", "activation", "root_x", "root_y"},
     "compute",
     NULL,
     {0}},
    {"embedding",
     {"width", "height", "row_group", "column_group", "d_tile", "rows_tile", "tokens", "root_x", "root_y"},
     "look_up",
     NULL,
     {"tokens"}},
    {"lm_head",
     {"width", "height", "row_group", "column_group", "d_tile", "vocab_tile", "vocab", "best", "root_x", "root_y"},
     "compute",
     NULL,
     {"best"}},
    {"attention",
     {"width", "units", "unit_rows", "row_group", "group", "head", "slots", "queries", "qk_norm", "scale_bits",
      "root_x", "root_y"},
     "attend",
     NULL,
     {"positions", "window"}},
};

static const kernel_row *find(const char *name) {
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!strcmp(kernels[i].name, name)) return &kernels[i];
    return NULL;
}

static isa_image *compile(const kernel_row *k, perf_kernel_sizes *s, const char *root, const isa_wafer *w, diag *d) {
    csl_param params[PARAMS_MAX];
    char path[1024], library[1024];
    uint32_t n = 0;
    for (; n < PARAMS_MAX && k->params[n]; n++)
        params[n] = (csl_param){k->params[n], (int64_t)*perf_kernel_size(s, k->params[n])};
    snprintf(path, sizeof path, "%s/kernels/%s/layout.csl", root, k->name);
    snprintf(library, sizeof library, "%s/lib", root);
    csl_options o = {.arch = w->arch,
                     .wafer = w,
                     .library = library,
                     .memcpy = true,
                     .channels = 1,
                     .params = params,
                     .param_count = n};
    return csl_compile(path, &o, d);
}

typedef struct {
    host *h;
    const isa_image *image;
    diag *d;
} machine;

static const isa_symbol *symbol(const machine *m, uint32_t pe, const char *name, const uint16_t **memory) {
    const isa_program *p = &m->image->programs[m->image->tiles[pe].program];
    const isa_symbol *s = host_find_symbol(p, name, ISA_SYM_DATA);
    *memory = host_memory(m->h, pe);
    return s;
}

static void fill(const machine *m, uint32_t pe, rng *r) {
    const isa_program *p = &m->image->programs[m->image->tiles[pe].program];
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        const isa_symbol *s = &p->symbols[i];
        if (s->kind != ISA_SYM_DATA || !s->exported || s->scalar != ISA_T_FLOAT) continue;
        uint16_t *memory = host_memory(m->h, pe), *to = memory + host_symbol_word(s, memory);
        uint32_t each = host_element_words(s), n = host_symbol_words(s, p, memory) / each;
        for (uint32_t k = 0; k < n; k++) {
            float x = (float)rng_normal(r);
            if (each == 1) to[k] = f16_from_f32(x);
            else memcpy(to + 2 * k, &x, sizeof x);
        }
    }
}

/* Tokens are spread over the rows of the table; attention has `before` positions behind it. */
static bool prepare(const machine *m, const kernel_row *k, const perf_kernel_sizes *s) {
    rng r = rng_seed(7);
    const uint16_t *memory;
    for (uint32_t pe = 0; pe < m->image->width * m->image->height; pe++) {
        fill(m, pe, &r);
        const isa_symbol *list = !strcmp(k->name, "embedding") ? symbol(m, pe, "tokens", &memory) : NULL;
        for (uint32_t i = 0; list && i < (uint32_t)s->tokens; i++) {
            uint32_t token = (uint32_t)rng_below(&r, (uint64_t)(s->height * s->rows_tile));
            memcpy(host_memory(m->h, pe) + host_symbol_word(list, memory) + 2 * i, &token, sizeof token);
        }
        const isa_symbol *position = strcmp(k->name, "attention") ? NULL : symbol(m, pe, "position", &memory);
        if (position) host_memory(m->h, pe)[host_symbol_word(position, memory)] = (uint16_t)s->before;
    }
    return true;
}

/* A launch reaches PE (x, y) after x + y cycles; programs count from there. */
static bool count(const machine *m, double *cycles) {
    *cycles = 0;
    for (uint32_t pe = 0; pe < m->image->width * m->image->height; pe++) {
        const uint16_t *memory;
        const isa_symbol *s = symbol(m, pe, "spent", &memory);
        uint32_t spent[PHASES];
        if (!s) return diag_error(m->d, "a program of the kernel has no counters 'spent'");
        memcpy(spent, memory + host_symbol_word(s, memory), sizeof spent);
        double sum = pe % m->image->width + pe / m->image->width;
        for (int i = 0; i < PHASES; i++) sum += spent[i];
        if (sum > *cycles) *cycles = sum;
    }
    return true;
}

static bool launch(const machine *m, const kernel_row *k, perf_kernel_sizes *s) {
    host_arg args[2] = {0};
    uint32_t n = 0, task;
    for (; n < 2 && k->args[n]; n++)
        args[n] = (host_arg){.kind = HOST_ARG_WHOLE, .whole = (int64_t)*perf_kernel_size(s, k->args[n])};
    host_set_wait_limit(m->h, WAIT_CYCLES);
    const char *function = s->everywhere > 0 && k->everywhere ? k->everywhere : k->function;
    return host_launch(m->h, function, args, n, &task, m->d) && host_wait(m->h, task, m->d);
}

static bool run_kernel(agreement_row *r, const char *root, const isa_wafer *w, diag *d) {
    const kernel_row *k = find(r->kernel);
    if (!k) return diag_error(d, "no kernel '%s'", r->kernel);
    r->predicted = perf_kernel_cycles(r->kernel, &r->sizes);
    isa_image *image = compile(k, &r->sizes, root, w, d);
    host_device device;
    host *h = NULL;
    if (image && host_device_wse(&device, w, image, &(wse_options){.threads = 1}, d))
        h = host_new(image, &device, 0, d);
    machine m = {h, image, d};
    bool ok = h && prepare(&m, k, &r->sizes) && launch(&m, k, &r->sizes) && count(&m, &r->simulated);
    host_free(h);
    isa_image_free(image);
    return ok;
}

bool agreement_run(agreement_row *r, const char *root, const isa_wafer *w, diag *d) {
    bool ok = strcmp(r->kernel, "transformer") ? run_kernel(r, root, w, d) : agreement_run_model(r, d);
    return ok || diag_error(d, "%s %s could not be run", r->kernel, r->label);
}
