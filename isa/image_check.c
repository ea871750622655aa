/* Proves an image, so that machine and host may index with what it says. One rule per line below; the first that does
 * not hold is told with the program and the place. Instructions: check_code.c. */
#include "isa/image_check.h"
#include "isa/config.h"
#include <stdarg.h>

enum {
    SIDE_MAX = 4096,
    CHANNELS_MAX = 16,
    NAME_MAX_BYTES = 4096,
    PARAMS_MAX = 16,
    ARGS_WORDS = 32,
    ROUTE_DIRS = (1u << ISA_DIRS) - 1,
};

bool check_fails(const image_check *c, const char *fmt, ...) {
    char why[400], place[160] = "image";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (c->p) snprintf(place, sizeof place, "image: program %u '%.120s'", c->program, c->p->name ? c->p->name : "");
    return diag_error(c->d, "%s: %s; compile it again, or report a bug of the compiler", place, why);
}

#define RULE(c, holds, ...)                                                                                            \
    do {                                                                                                               \
        if (!(holds)) return check_fails(c, __VA_ARGS__);                                                              \
    } while (0)

static bool in_range(int v, int min, int max) { return v >= min && v <= max; }
static bool is_id(int v) { return in_range(v, -1, ISA_TASKS - 1); }
static bool is_entry(const isa_program *p, uint32_t v) { return v == UINT32_MAX || v < p->code_count; }

static bool name_ok(const image_check *c, const char *what, const char *s) {
    RULE(c, s, "%s has no name", what);
    str text = str_from(s);
    RULE(c, text.n <= NAME_MAX_BYTES, "the name of %s has %zu bytes, at most %d are allowed", what, text.n,
         NAME_MAX_BYTES);
    for (size_t i = 0, n; i < text.n; i += n) {
        uint32_t cp;
        n = utf8_decode(text, i, &cp);
        RULE(c, n, "the name of %s is not UTF-8", what);
    }
    return true;
}

/* ---- parts of a program ---- */

static bool shape_ok(const image_check *c, uint32_t i) {
    const isa_shape *s = &c->p->shapes[i];
    bool plain = i <= ISA_FIFO;
    RULE(c, s->kind <= ISA_FIFO && (!plain || s->kind == i), "shape %u has kind %u", i, s->kind);
    RULE(c, s->simd <= ISA_SIMD_32_OR_64, "shape %u has SIMD mode %u", i, s->simd);
    RULE(c, s->priority <= ISA_PRIORITY_HIGH, "shape %u has priority %u", i, s->priority);
    RULE(c, s->zero_source <= 2, "shape %u clears source %u", i, s->zero_source);
    RULE(c, s->dims <= 4, "shape %u has %u dimensions", i, s->dims);
    RULE(c, plain || s->kind != ISA_MEM4D || s->dims, "shape %u has no dimension", i);
    RULE(c, plain || s->kind != ISA_CIRCBUF || s->wrap, "shape %u wraps after no element", i);
    return true;
}

static bool settings_ok(const image_check *c, uint32_t i) {
    const isa_settings *s = &c->p->settings[i];
    RULE(c, is_id(s->activate) && is_id(s->unblock) && is_id(s->control_activate) && is_id(s->control_unblock),
         "settings %u name a task id above 63", i);
    RULE(c, in_range(s->unblock_queue, -1, ISA_QUEUES - 1), "settings %u name queue %d", i, s->unblock_queue);
    RULE(c, in_range(s->ut, -1, ISA_QUEUES - 1), "settings %u name microthread %d", i, s->ut);
    RULE(c, in_range(s->priority, -1, ISA_PRIORITY_HIGH), "settings %u have priority %d", i, s->priority);
    bool nothing = !s->async && s->activate < 0 && s->unblock < 0 && !s->control_terminate && s->control_activate < 0 &&
                   s->control_unblock < 0 && s->ut < 0 && s->priority < 0 && !s->save_address && !s->single_step;
    RULE(c, i || nothing, "settings 0 must be the synchronous ones");
    return true;
}

static bool fifo_ok(const image_check *c, uint32_t i) {
    const isa_fifo *f = &c->p->fifos[i];
    RULE(c, f->element_words == 1 || f->element_words == 2, "fifo %u has elements of %u words", i, f->element_words);
    RULE(c, f->words && f->words % f->element_words == 0, "fifo %u has %u words", i, f->words);
    RULE(c, (uint32_t)f->base_word + f->words <= c->p->used_words, "fifo %u lies outside the program's data", i);
    RULE(c, f->when_empty <= ISA_FIFO_FAULT && f->when_full <= ISA_FIFO_FAULT, "fifo %u has an unknown action", i);
    RULE(c, is_id(f->activate_pop) && is_id(f->activate_push), "fifo %u names a task id above 63", i);
    RULE(c, f->priority <= ISA_PRIORITY_HIGH, "fifo %u has priority %u", i, f->priority);
    return true;
}

static bool descriptor_ok(const image_check *c, uint32_t i) {
    const isa_program *p = c->p;
    isa_dsd d = p->descriptors[i];
    uint32_t low = d & 0xffff, shape = (uint32_t)(d >> 48);
    RULE(c, shape < p->shape_count, "descriptor %u has shape %u of %u", i, shape, p->shape_count);
    switch (p->shapes[shape].kind) {
    case ISA_FIFO: RULE(c, low < p->fifo_count, "descriptor %u has fifo %u of %u", i, low, p->fifo_count); break;
    case ISA_FABOUT:
        RULE(c, c->m->arch == ISA_WSE3 || low >> 8 < ISA_COLORS, "descriptor %u sends on color %u", i, low >> 8);
        /* fall through */
    case ISA_FABIN: RULE(c, (low & 0xff) < ISA_QUEUES, "descriptor %u has queue %u", i, low & 0xff); break;
    default: RULE(c, low < ISA_SRAM_WORDS, "descriptor %u starts at word %u, outside memory", i, low);
    }
    return true;
}

static bool starts_ok(const image_check *c) {
    const isa_program *p = c->p;
    for (uint32_t i = 0; i < p->dsr_start_count; i++) {
        const isa_dsr_start *s = &p->dsr_starts[i];
        RULE(c, ISA_IS_DSR(s->dsr) && ISA_DSR_INDEX(s->dsr) < 3 * ISA_DSRS && !(s->dsr & 0x40), "start %u is of DSR %u", i, s->dsr);
        RULE(c, s->descriptor < p->descriptor_count && s->settings < p->settings_count,
             "start %u loads descriptor %u of %u with settings %u of %u", i, s->descriptor, p->descriptor_count, s->settings,
             p->settings_count);
    }
    for (uint32_t i = 0; i < p->config_start_count; i++)
        RULE(c, p->config_starts[i].address >= ISA_CFG_FIRST && p->config_starts[i].address <= ISA_CFG_LAST,
             "start of the configuration word %u, which does not exist", p->config_starts[i].address);
    return true;
}

/* Which ids a kind of task may have. */
static bool task_ok(const image_check *c, uint32_t id) {
    const isa_task *t = &c->p->tasks[id];
    bool wse3 = c->m->arch == ISA_WSE3;
    RULE(c, t->kinds <= (ISA_TASK_LOCAL | ISA_TASK_DATA | ISA_TASK_CONTROL), "task %u has kinds %u", id, t->kinds);
    RULE(c, t->kinds || !(c->p->active_at_start >> id & 1), "task %u is active at the start and not bound", id);
    if (!t->kinds) return true;
    RULE(c, t->entry < c->p->code_count, "task %u starts at instruction %u of %u", id, t->entry, c->p->code_count);
    RULE(c, t->args <= ISA_ARGS_TWO && t->arg_signed <= 3, "task %u has unknown arguments", id);
    RULE(c, !(t->kinds & ISA_TASK_DATA) || id < (wse3 ? ISA_QUEUES : ISA_COLORS), "%u cannot be a data task", id);
    RULE(c, !(t->kinds & ISA_TASK_LOCAL) || (id < ISA_TASK_NONE && (!wse3 || id >= 8)), "%u cannot be a local task",
         id);
    return true;
}

static bool queue_ok(const image_check *c, uint32_t q) {
    const isa_queues *s = &c->p->queues;
    RULE(c, in_range(s->in_color[q], -1, ISA_COLORS - 1), "input queue %u has color %d", q, s->in_color[q]);
    RULE(c, in_range(s->out_color[q], -1, ISA_COLORS - 1), "output queue %u has color %d", q, s->out_color[q]);
    RULE(c, in_range(s->control_table[q], 0, ISA_QUEUES - 1), "queue %u has control table %d", q, s->control_table[q]);
    RULE(c, s->in_priority[q] <= ISA_PRIORITY_HIGH, "input queue %u has priority %u", q, s->in_priority[q]);
    RULE(c, is_entry(c->p, c->p->flush_entry[q]), "the flush handler of queue %u is no instruction", q);
    return true;
}

static bool color_ok(const image_check *c, uint32_t color) {
    int8_t q = c->p->queues.color_queue[color];
    RULE(c, in_range(q, -1, ISA_QUEUES - 1), "color %u is served by queue %d", color, q);
    RULE(c, is_entry(c->p, c->p->teardown_entry[color]), "the teardown handler of color %u is no instruction", color);
    return true;
}

static bool scalar_ok(uint8_t scalar, uint8_t bits) { return scalar <= ISA_T_OTHER && bits <= 64; }

static bool params_ok(uint8_t count, const uint8_t scalar[PARAMS_MAX], const uint8_t bits[PARAMS_MAX]) {
    for (uint32_t i = 0; i < PARAMS_MAX; i++)
        if (!scalar_ok(scalar[i], bits[i])) return false;
    return count <= PARAMS_MAX;
}

static bool symbol_ok(const image_check *c, uint32_t i) {
    const isa_program *p = c->p;
    const isa_symbol *s = &p->symbols[i];
    if (!name_ok(c, "a symbol", s->name)) return false;
    RULE(c, s->kind <= ISA_SYM_FUNCTION && scalar_ok(s->scalar, s->bits), "symbol '%.100s' has an unknown type",
         s->name);
    if (s->type && !name_ok(c, "the type of a symbol", s->type)) return false;
    RULE(c, params_ok(s->params, s->param_scalar, s->param_bits), "symbol '%.100s' has unknown parameters", s->name);
    RULE(c, !s->line || s->source < c->m->source_count, "symbol '%.100s' is from file %u of %u", s->name, s->source,
         c->m->source_count);
    if (s->kind == ISA_SYM_FUNCTION) {
        RULE(c, s->entry < p->code_count, "function '%.100s' starts at instruction %u of %u", s->name, s->entry,
             p->code_count);
        RULE(c, !s->params || (uint32_t)p->args_word + ARGS_WORDS <= p->used_words,
             "function '%.100s' takes arguments, and no words are reserved for them", s->name);
        return true;
    }
    uint64_t words = s->is_pointer ? 1 : (uint64_t)s->elements * ((s->bits + 15u) / 16);
    RULE(c, s->word + words <= p->used_words, "variable '%.100s' lies outside the program's data", s->name);
    return true;
}

static bool lines_ok(const image_check *c) {
    const isa_program *p = c->p;
    for (uint32_t i = 0; i < p->line_count; i++) {
        const isa_line *l = &p->lines[i];
        RULE(c, l->first < p->code_count, "line row %u starts at instruction %u of %u", i, l->first, p->code_count);
        RULE(c, !i || l[-1].first < l->first, "line row %u is not sorted", i);
        RULE(c, l->source < c->m->source_count, "line row %u is from file %u of %u", i, l->source, c->m->source_count);
    }
    return true;
}

static bool functions_ok(const image_check *c) {
    const isa_program *p = c->p;
    for (uint32_t i = 0; i < p->function_count; i++) {
        const isa_function *f = &p->functions[i];
        if (!name_ok(c, "a function", f->name)) return false;
        RULE(c, f->first < p->code_count && f->frame_words <= ISA_SRAM_WORDS, "function '%.100s' is no part of the code",
             f->name);
        RULE(c, !i || f[-1].first < f->first, "function '%.100s' is not sorted", f->name);
    }
    return true;
}

static bool memory_ok(const image_check *c) {
    const isa_program *p = c->p;
    RULE(c, p->data_words <= p->used_words && p->used_words <= ISA_SRAM_WORDS, "%u words of data, %u words in use",
         p->data_words, p->used_words);
    RULE(c, p->stack_top_word <= ISA_SRAM_WORDS, "the stack starts at word %u", p->stack_top_word);
    RULE(c, p->used_words + (uint32_t)p->stack_words <= p->stack_top_word,
         "a stack of %u words below word %u meets %u words of data", p->stack_words, p->stack_top_word, p->used_words);
    uint64_t bytes = 2 * ((uint64_t)p->used_words + p->stack_words) + p->code_bytes;
    RULE(c, bytes <= 2 * ISA_SRAM_WORDS, "data, stack and code take %llu bytes of %u", (unsigned long long)bytes,
         2 * ISA_SRAM_WORDS);
    RULE(c, (uint32_t)p->args_word + ARGS_WORDS <= ISA_SRAM_WORDS, "arguments at word %u", p->args_word);
    return true;
}

static bool all(const image_check *c, bool (*one)(const image_check *, uint32_t), uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!one(c, i)) return false;
    return true;
}

static bool program_ok(const image_check *c) {
    const isa_program *p = c->p;
    if (!name_ok(c, "a program", p->name)) return false;
    RULE(c, p->fp16 == ISA_F16 || p->fp16 == ISA_BF16, "unknown 16-bit float format");
    RULE(c, p->shape_count > ISA_FIFO && p->shape_count <= 65536, "%u shapes; six plain ones are needed",
         p->shape_count);
    RULE(c, p->settings_count && p->settings_count <= 65536, "%u settings; at least one is needed", p->settings_count);
    for (uint32_t i = 0; i < p->string_count; i++) RULE(c, p->strings[i], "string %u is missing", i);
    return memory_ok(c) && all(c, shape_ok, p->shape_count) && all(c, settings_ok, p->settings_count) &&
           all(c, fifo_ok, p->fifo_count) && all(c, descriptor_ok, p->descriptor_count) && starts_ok(c) && check_code(c) &&
           all(c, task_ok, ISA_TASKS) && all(c, queue_ok, ISA_QUEUES) && all(c, color_ok, ISA_COLORS) &&
           all(c, symbol_ok, p->symbol_count) && lines_ok(c) && functions_ok(c);
}

/* ---- the fabric ---- */

static bool positions_ok(const image_check *c, uint32_t set, const isa_route *r) {
    bool switches = false;
    for (uint32_t k = 0; k < 4; k++) {
        RULE(c, r->rx[k] <= ROUTE_DIRS && r->tx[k] <= ROUTE_DIRS, "route set %u, color %u: unknown direction", set,
             r->color);
        RULE(c, !r->rx[k] == !r->tx[k], "route set %u, color %u, position %u: needs both a way in and a way out", set,
             r->color, k);
        switches |= k && r->rx[k];
    }
    RULE(c, r->position < 4, "route set %u, color %u: there is no position %u", set, r->color, r->position);
    RULE(c, r->teardown || (r->rx[0] && r->rx[r->position]), "route set %u, color %u: starts at an invalid position",
         set, r->color);
    RULE(c, c->m->arch != ISA_WSE3 || switches || !(r->rx[0] & (r->rx[0] - 1)),
         "route set %u, color %u: one way in at most on WSE-3", set, r->color);
    return true;
}

static bool routes_ok(const image_check *c, uint32_t set) {
    const isa_route_set *s = &c->m->route_sets[set];
    uint32_t seen = 0;
    RULE(c, set || !s->count, "route set 0 must be empty");
    for (uint32_t i = 0; i < s->count; i++) {
        const isa_route *r = &s->routes[i];
        RULE(c, r->color < ISA_COLORS, "route set %u has color %u", set, r->color);
        RULE(c, !(seen >> r->color & 1), "route set %u has color %u twice", set, r->color);
        seen |= 1u << r->color;
        RULE(c, r->pop <= ISA_POP_ON_ADVANCE_NOP, "route set %u, color %u: unknown pop mode", set, r->color);
        RULE(c, r->filter.kind <= ISA_FILTER_RANGE, "route set %u, color %u: unknown filter", set, r->color);
        RULE(c, c->m->arch != ISA_WSE3 || (!r->swap_x && !r->swap_y), "route set %u, color %u: no swap on WSE-3", set,
             r->color);
        if (!positions_ok(c, set, r)) return false;
    }
    return true;
}

static bool tiles_ok(const image_check *c) {
    const isa_image *m = c->m;
    RULE(c, m->tiles && m->program_count, "no program, or no PE that runs one");
    for (uint32_t y = 0; y < m->height; y++)
        for (uint32_t x = 0; x < m->width; x++) {
            isa_tile t = m->tiles[(size_t)y * m->width + x];
            RULE(c, t.program < m->program_count, "PE %u,%u runs program %u of %u", x, y, t.program, m->program_count);
            RULE(c, t.route_set < m->route_set_count, "PE %u,%u has route set %u of %u", x, y, t.route_set,
                 m->route_set_count);
        }
    return true;
}

static bool rectangle_ok(const image_check *c) {
    const isa_image *m = c->m;
    RULE(c, m->width && m->width <= SIDE_MAX && m->height && m->height <= SIDE_MAX, "a rectangle of %u x %u PEs",
         m->width, m->height);
    RULE(c, m->fabric_width <= SIDE_MAX && m->fabric_height <= SIDE_MAX, "a fabric of %u x %u PEs", m->fabric_width,
         m->fabric_height);
    RULE(c,
         (uint64_t)m->offset_x + m->width <= m->fabric_width && (uint64_t)m->offset_y + m->height <= m->fabric_height,
         "a rectangle of %u x %u PEs at %u,%u does not fit a fabric of %u x %u", m->width, m->height, m->offset_x,
         m->offset_y, m->fabric_width, m->fabric_height);
    RULE(c, m->channels <= CHANNELS_MAX, "%u channels, at most %d", m->channels, CHANNELS_MAX);
    RULE(c, (m->h2d_colors | m->d2h_colors) < 1u << ISA_COLORS, "the host streams on an unknown color");
    return true;
}

static bool export_ok(const image_check *c, uint32_t i) {
    const isa_export *e = &c->m->exports[i];
    if (!name_ok(c, "an export", e->name)) return false;
    RULE(c, scalar_ok(e->scalar, e->bits) && params_ok(e->params, e->param_scalar, e->param_bits),
         "export '%.100s' has an unknown type", e->name);
    return true;
}

static bool names_ok(const image_check *c) {
    const isa_image *m = c->m;
    for (uint32_t i = 0; i < m->source_count; i++)
        if (!name_ok(c, "a source file", m->sources[i])) return false;
    for (uint32_t i = 0; i < m->param_count; i++)
        if (!name_ok(c, "a parameter", m->params[i].name)) return false;
    for (uint32_t i = 0; i < m->color_count; i++)
        if (!name_ok(c, "a color", m->colors[i].name)) return false;
    return true;
}

bool isa_image_check(const isa_image *m, diag *d) {
    image_check c = {.m = m, .d = d};
    RULE(&c, m->arch >= ISA_WSE1 && m->arch <= ISA_WSE3, "unknown architecture %d", (int)m->arch);
    RULE(&c, m->route_set_count, "no route set; set 0 is the empty one");
    bool ok = rectangle_ok(&c) && all(&c, routes_ok, m->route_set_count) && tiles_ok(&c) && names_ok(&c) &&
              all(&c, export_ok, m->export_count);
    for (uint32_t i = 0; ok && i < m->program_count; i++) {
        c.p = &m->programs[c.program = i];
        ok = program_ok(&c);
    }
    return ok;
}
