/* One description of the file form, walked by writer and reader alike: each io_ function takes the place of a value,
 * appends it when writing and fills it when reading. So both sides cannot disagree, and a round trip is exact.
 *
 * When reading, counts are held against the bytes that are left, so that a file never asks for much more memory than it
 * has bytes. What the values mean is proved later, by isa_image_check. */
#include "isa/image_io.h"

typedef struct {
    strbuf *out;            /* writing */
    const unsigned char *p; /* reading: next byte, of `left` */
    size_t left;
    arena *memory;
    const char *name;
    diag *d;
    bool ok;
} image_io;

static void fail(image_io *io, const char *why) {
    if (io->ok) diag_error(io->d, "%s: the image %s; compile the program again", io->name, why);
    io->ok = false;
}

/* ---- values ---- */

static uint64_t io_int(image_io *io, uint64_t v, uint32_t bytes) {
    if (io->out) {
        for (uint32_t i = 0; i < bytes; i++) strbuf_addc(io->out, (char)(v >> 8 * i));
        return v;
    }
    if (io->left < bytes) fail(io, "is cut short");
    if (!io->ok) return 0;
    for (uint32_t i = v = 0; i < bytes; i++) v |= (uint64_t)io->p[i] << 8 * i;
    io->p += bytes;
    io->left -= bytes;
    return v;
}

/* Writing leaves the image alone: it may be one that others read at the same time. */
#define IO(io, place, bytes)                                                                                           \
    do {                                                                                                               \
        uint64_t io_value = io_int(io, (uint64_t)(place), bytes);                                                      \
        if (!(io)->out) (place) = (__typeof__(place))io_value;                                                         \
    } while (0)

static void io_flag(image_io *io, bool *v) {
    uint64_t x = io_int(io, *v, 1);
    if (x > 1) fail(io, "holds a truth value that is neither 0 nor 1");
    if (!io->out) *v = x == 1;
}

static void io_u8s(image_io *io, uint8_t *v, size_t n) {
    for (size_t i = 0; i < n; i++) IO(io, v[i], 1);
}
static void io_i8s(image_io *io, int8_t *v, size_t n) {
    for (size_t i = 0; i < n; i++) IO(io, v[i], 1);
}
static void io_u32s(image_io *io, uint32_t *v, size_t n) {
    for (size_t i = 0; i < n; i++) IO(io, v[i], 4);
}

static void io_text(image_io *io, const char **s) {
    uint64_t n = io_int(io, io->out && *s ? strlen(*s) : 0, 4);
    if (io->out) {
        if (n) strbuf_add(io->out, *s, n);
        return;
    }
    if (n > io->left) fail(io, "is cut short");
    else if (memchr(io->p, 0, n)) fail(io, "has a zero byte in a text");
    *s = io->ok ? arena_strndup(io->memory, (const char *)io->p, n) : "";
    if (!*s) {
        io->ok = diag_oom(io->d, io->name);
        *s = "";
    }
    if (!io->ok) return;
    io->p += n;
    io->left -= n;
}

/* The items of an array that have at least `least` bytes each in the file. Reading makes them, zeroed. */
static void *io_items(image_io *io, void *items, uint32_t *count, size_t size, size_t least) {
    uint64_t n = io_int(io, *count, 4);
    if (io->out) return items;
    if (n > io->left / least) fail(io, "says that it has more than fits into it");
    *count = io->ok ? (uint32_t)n : 0;
    if (!*count) return NULL;
    void *made = arena_alloc_n(io->memory, *count, size);
    if (!made) {
        io->ok = diag_oom(io->d, io->name);
        *count = 0;
    }
    return made;
}
#define IO_ITEMS(io, place, count, least)                                                                              \
    do {                                                                                                               \
        void *io_made = io_items(io, place, &(count), sizeof *(place), least);                                         \
        if (!(io)->out) (place) = io_made;                                                                             \
    } while (0)

/* ---- parts ---- */

static void io_instr(image_io *io, isa_instr *in) {
    IO(io, in->op, 1);
    IO(io, in->d, 1);
    IO(io, in->a, 1);
    IO(io, in->b, 1);
    IO(io, in->imm, 4);
}

static void io_shape(image_io *io, isa_shape *s) {
    IO(io, s->kind, 1);
    IO(io, s->simd, 1);
    IO(io, s->priority, 1);
    io_flag(io, &s->index_offset);
    io_flag(io, &s->control);
    io_flag(io, &s->advance_switch);
    io_flag(io, &s->control_transform);
    IO(io, s->zero_source, 1);
    IO(io, s->dims, 1);
    for (int i = 0; i < 4; i++) IO(io, s->extent[i], 2);
    for (int i = 0; i < 4; i++) IO(io, s->stride[i], 2);
    IO(io, s->wrap, 2);
}

static void io_settings(image_io *io, isa_settings *s) {
    io_flag(io, &s->async);
    IO(io, s->activate, 1);
    IO(io, s->unblock, 1);
    IO(io, s->unblock_queue, 1);
    io_flag(io, &s->control_terminate);
    IO(io, s->control_activate, 1);
    IO(io, s->control_unblock, 1);
    IO(io, s->ut, 1);
    IO(io, s->priority, 1);
    io_flag(io, &s->save_address);
    io_flag(io, &s->single_step);
}

static void io_fifo(image_io *io, isa_fifo *f) {
    IO(io, f->base_word, 2);
    IO(io, f->words, 2);
    IO(io, f->element_words, 1);
    IO(io, f->when_empty, 1);
    IO(io, f->when_full, 1);
    IO(io, f->activate_pop, 1);
    IO(io, f->activate_push, 1);
    IO(io, f->priority, 1);
}

static void io_dsr_start(image_io *io, isa_dsr_start *s) {
    IO(io, s->dsr, 1);
    IO(io, s->descriptor, 2);
    IO(io, s->settings, 2);
}

static void io_config_start(image_io *io, isa_config_start *s) {
    IO(io, s->address, 2);
    IO(io, s->value, 2);
}

static void io_task(image_io *io, isa_task *t) {
    IO(io, t->kinds, 1);
    IO(io, t->args, 1);
    IO(io, t->arg_signed, 1);
    io_flag(io, &t->high_priority);
    IO(io, t->entry, 4);
}

static void io_queues(image_io *io, isa_queues *q) {
    io_i8s(io, q->in_color, ISA_QUEUES);
    io_i8s(io, q->out_color, ISA_QUEUES);
    io_i8s(io, q->color_queue, ISA_COLORS);
    io_i8s(io, q->control_table, ISA_QUEUES);
    io_u8s(io, q->in_priority, ISA_QUEUES);
}

static void io_symbol(image_io *io, isa_symbol *s) {
    io_text(io, &s->name);
    IO(io, s->kind, 1);
    io_flag(io, &s->exported);
    io_flag(io, &s->is_pointer);
    IO(io, s->scalar, 1);
    IO(io, s->bits, 1);
    IO(io, s->word, 2);
    IO(io, s->elements, 4);
    IO(io, s->entry, 4);
    IO(io, s->params, 1);
    io_u8s(io, s->param_scalar, 16);
    io_u8s(io, s->param_bits, 16);
    IO(io, s->source, 4);
    IO(io, s->line, 4);
    io_flag(io, &s->undefined);
    io_text(io, &s->type);
}

static void io_function(image_io *io, isa_function *f) {
    io_text(io, &f->name);
    IO(io, f->first, 4);
    IO(io, f->frame_words, 4);
    io_flag(io, &f->is_task);
}

static void io_line(image_io *io, isa_line *l) {
    IO(io, l->first, 4);
    IO(io, l->source, 4);
    IO(io, l->line, 4);
}

static void io_route(image_io *io, isa_route *r) {
    IO(io, r->color, 1);
    io_u8s(io, r->rx, 4);
    io_u8s(io, r->tx, 4);
    IO(io, r->position, 1);
    io_flag(io, &r->ring);
    io_flag(io, &r->teardown);
    io_flag(io, &r->swap_x);
    io_flag(io, &r->swap_y);
    IO(io, r->pop, 1);
    IO(io, r->filter.kind, 1);
    io_flag(io, &r->filter.count_data);
    io_flag(io, &r->filter.count_control);
    io_flag(io, &r->filter.filter_control);
    IO(io, r->filter.init, 2);
    IO(io, r->filter.limit1, 2);
    IO(io, r->filter.limit2, 2);
    IO(io, r->filter.max_counter, 2);
    IO(io, r->filter.min_index, 2);
    IO(io, r->filter.max_index, 2);
}

static void io_export(image_io *io, isa_export *e) {
    io_text(io, &e->name);
    io_flag(io, &e->is_function);
    io_flag(io, &e->is_mutable);
    IO(io, e->scalar, 1);
    IO(io, e->bits, 1);
    IO(io, e->params, 1);
    io_u8s(io, e->param_scalar, 16);
    io_u8s(io, e->param_bits, 16);
}

static void io_named(image_io *io, isa_named *n) {
    io_text(io, &n->name);
    IO(io, n->value, 8);
}

/* ---- the whole ---- */

/* Bytes of a part in the file, at least (texts empty). */
enum {
    INSTR = 8,
    SHAPE = 27,
    SETTINGS = 11,
    FIFO = 10,
    DSR_START = 5,
    CONFIG_START = 4,
    SYMBOL = 65,
    FUNCTION = 13,
    LINE = 12,
    ROUTE = 31,
    EXPORT = 41,
    NAMED = 12,
    TEXT = 4,
    SET = 4,
    TILE = 8,
    PROGRAM = 772,
};

#define EACH(io, items, count, least, each)                                                                            \
    do {                                                                                                               \
        IO_ITEMS(io, items, count, least);                                                                             \
        for (uint32_t each_i = 0; each_i < (count) && (io)->ok; each_i++) each(io, &(items)[each_i]);                  \
    } while (0)

static void io_u16(image_io *io, uint16_t *v) { IO(io, *v, 2); }
static void io_u64(image_io *io, uint64_t *v) { IO(io, *v, 8); }

static void io_program(image_io *io, isa_program *p) {
    io_text(io, &p->name);
    IO(io, p->fp16, 1);
    EACH(io, p->code, p->code_count, INSTR, io_instr);
    EACH(io, p->data, p->data_words, 2, io_u16);
    IO(io, p->used_words, 4);
    IO(io, p->stack_top_word, 2);
    IO(io, p->stack_words, 2);
    IO(io, p->code_bytes, 4);
    IO(io, p->args_word, 2);
    EACH(io, p->descriptors, p->descriptor_count, 8, io_u64);
    EACH(io, p->shapes, p->shape_count, SHAPE, io_shape);
    EACH(io, p->settings, p->settings_count, SETTINGS, io_settings);
    EACH(io, p->fifos, p->fifo_count, FIFO, io_fifo);
    EACH(io, p->dsr_starts, p->dsr_start_count, DSR_START, io_dsr_start);
    EACH(io, p->config_starts, p->config_start_count, CONFIG_START, io_config_start);
    for (int i = 0; i < ISA_TASKS; i++) io_task(io, &p->tasks[i]);
    IO(io, p->active_at_start, 8);
    IO(io, p->blocked_at_start, 8);
    IO(io, p->blocked_ut_at_start, 1);
    io_queues(io, &p->queues);
    io_u32s(io, p->teardown_entry, ISA_COLORS);
    io_u32s(io, p->flush_entry, ISA_QUEUES);
    io_flag(io, &p->reroutes);
    EACH(io, p->symbols, p->symbol_count, SYMBOL, io_symbol);
    EACH(io, p->lines, p->line_count, LINE, io_line);
    EACH(io, p->functions, p->function_count, FUNCTION, io_function);
    EACH(io, p->strings, p->string_count, TEXT, io_text);
}

static void io_route_set(image_io *io, isa_route_set *s) { EACH(io, s->routes, s->count, ROUTE, io_route); }

static void io_tile(image_io *io, isa_tile *t) {
    IO(io, t->program, 4);
    IO(io, t->route_set, 4);
}

static void io_tiles(image_io *io, isa_image *m) {
    uint64_t count = (uint64_t)m->width * m->height;
    uint32_t given = (uint32_t)count;
    if (count > UINT32_MAX) fail(io, "has a rectangle that no fabric holds");
    else EACH(io, m->tiles, given, TILE, io_tile);
    if (io->ok && given != count) fail(io, "has another number of PEs than its rectangle");
}

static void io_image(image_io *io, isa_image *m) {
    IO(io, m->arch, 1);
    IO(io, m->width, 4);
    IO(io, m->height, 4);
    IO(io, m->fabric_width, 4);
    IO(io, m->fabric_height, 4);
    IO(io, m->offset_x, 4);
    IO(io, m->offset_y, 4);
    io_flag(io, &m->memcpy);
    IO(io, m->channels, 4);
    IO(io, m->h2d_colors, 4);
    IO(io, m->d2h_colors, 4);
    EACH(io, m->programs, m->program_count, PROGRAM, io_program);
    EACH(io, m->route_sets, m->route_set_count, SET, io_route_set);
    io_tiles(io, m);
    EACH(io, m->exports, m->export_count, EXPORT, io_export);
    EACH(io, m->params, m->param_count, NAMED, io_named);
    EACH(io, m->colors, m->color_count, NAMED, io_named);
    EACH(io, m->sources, m->source_count, TEXT, io_text);
}

void image_save(const isa_image *m, strbuf *out) {
    static const char header[ISA_IMAGE_HEADER_BYTES];
    image_io io = {.out = out, .ok = true};
    strbuf_add(out, header, sizeof header);
    io_image(&io, (isa_image *)m); /* writing changes nothing */
}

bool image_load(isa_image *m, str body, const char *name, diag *d) {
    image_io io = {
        .p = (const unsigned char *)body.p, .left = body.n, .memory = m->memory, .name = name, .d = d, .ok = true};
    io_image(&io, m);
    if (io.ok && io.left) fail(&io, "has bytes behind its end");
    return io.ok;
}
