/* How each kind of command begins and ends on the device. Waiting is runtime.c's.
 *
 * A stream begins at once, unless an older one of the same color and direction is open on some of its PEs. A launch
 * waits until every PE has unblocked its command stream and data on their way in have arrived (or nothing moves). A
 * copy waits likewise for its region, and then until the machine is quiet or the host's latency has passed, so that
 * streamed data reach their tasks.
 */
#include "host/runtime.h"
#include "base/mem.h"

enum { LANES = 16 }; /* words per cycle of a copy, whatever the number of channels: simple on purpose */

static uint32_t pe_at(const host *h, uint32_t x, uint32_t y) { return y * h->image->width + x; }

static const isa_program *program_of(const host *h, uint32_t pe) {
    return &h->image->programs[h->image->tiles[pe].program];
}

bool host_all_ready(host *h) {
    uint32_t pes = h->image->width * h->image->height;
    if (h->unready < pes && !h->device.ready(h->device.machine, h->unready)) return false;
    for (uint32_t pe = 0; pe < pes; pe++)
        if (!h->device.ready(h->device.machine, pe)) return h->unready = pe, false;
    return true;
}

bool host_region_ready(host *h, const host_transfer *t) {
    for (uint32_t y = t->y; y < t->y + t->height; y++)
        for (uint32_t x = t->x; x < t->x + t->width; x++)
            if (!h->device.ready(h->device.machine, pe_at(h, x, y))) return false;
    return true;
}

bool host_streams_open(const host *h, bool in_only) {
    for (uint32_t i = h->oldest; i < h->next; i++) {
        const host_command *c = &h->commands[i];
        if (c->state == HOST_RUNNING && (c->kind == HOST_STREAM_IN || (!in_only && c->kind == HOST_STREAM_OUT)))
            return true;
    }
    return false;
}

void host_command_name(const host *h, const host_command *c, strbuf *out) {
    switch (c->kind) {
    case HOST_COPY_IN: strbuf_addf(out, "copy to '%s'", h->image->exports[c->symbol].name); break;
    case HOST_COPY_OUT: strbuf_addf(out, "copy from '%s'", h->image->exports[c->symbol].name); break;
    case HOST_STREAM_IN: strbuf_addf(out, "stream in on color %u", c->color); break;
    case HOST_STREAM_OUT: strbuf_addf(out, "stream out on color %u", c->color); break;
    default: strbuf_addf(out, "launch of '%s'", c->function->name);
    }
    if (c->kind != HOST_LAUNCH)
        strbuf_addf(out, " (%u x %u PEs from (%u,%u), %u elements each)", c->t.width, c->t.height, c->t.x, c->t.y,
                    c->t.per_pe);
}

/* ---- copies ---- */

/* Where the elements of one PE are; NULL: told. */
static uint16_t *copy_place(host *h, const host_command *c, uint32_t x, uint32_t y, diag *d) {
    uint32_t pe = pe_at(h, x, y);
    const isa_program *p = program_of(h, pe);
    const char *name = h->image->exports[c->symbol].name;
    uint16_t *memory = h->device.memory(h->device.machine, pe);
    const isa_symbol *s = host_find_symbol(p, name, ISA_SYM_DATA);
    if (!s || !s->exported) {
        diag_error(d,
                   "PE(%u,%u) runs %s, which does not export '%s'; add @export_symbol(..., \"%s\") there or leave the "
                   "PE out of "
                   "the region",
                   x, y, p->name ? p->name : "nothing", name, name);
        return NULL;
    }
    uint32_t at = host_symbol_word(s, memory), known = host_symbol_words(s, p, memory);
    uint64_t words = (uint64_t)c->t.per_pe * (c->t.bits / 16);
    /* Reading past the variable is what the hardware would do (25-pt-stencil does it); writing past it would destroy
     * others. */
    if (known && words > known && c->kind != HOST_COPY_OUT) {
        diag_error(d,
                   "'%s' of PE(%u,%u) has %u elements of %u bits; %u elements of %u bits do not fit. Correct "
                   "elem_per_pe or data_type",
                   name, x, y, s->elements, s->bits, c->t.per_pe, c->t.bits);
        return NULL;
    }
    if (at + words > ISA_SRAM_WORDS) {
        diag_error(
            d, "'%s' of PE(%u,%u) points to word %u; %u elements of %u bits from there leave the memory of %u words",
            name, x, y, at, c->t.per_pe, c->t.bits, ISA_SRAM_WORDS);
        return NULL;
    }
    return memory + at;
}

static void copy_element(const host_command *c, uint16_t *place, uint32_t l, uint64_t index) {
    bool wide = c->t.bits == 32;
    place += (size_t)l * (wide ? 2 : 1);
    if (c->kind == HOST_COPY_OUT) {
        c->out[index] = place[0] | (wide ? (uint32_t)place[1] << 16 : 0);
        return;
    }
    place[0] = (uint16_t)c->words[index];
    if (wide) place[1] = (uint16_t)(c->words[index] >> 16);
}

static void copy_told(host *h, const host_command *c, const uint16_t *place, uint32_t x, uint32_t y) {
    uint32_t pe = pe_at(h, x, y), word = (uint32_t)(place - h->device.memory(h->device.machine, pe));
    h->device.wrote(h->device.machine, pe, word, c->t.per_pe * (c->t.bits / 16));
}

static bool copy_now(host *h, host_command *c, diag *d) {
    uint32_t rows = host_transfer_rows(&c->t), columns = host_transfer_columns(&c->t),
             right = c->t.row_stride ? c->t.row_stride : 1, down = c->t.col_stride ? c->t.col_stride : 1;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t column = 0; column < columns; column++) {
            uint16_t *place = copy_place(h, c, c->t.x + column * right, c->t.y + row * down, d);
            if (!place) return false;
            if (c->kind == HOST_COPY_IN && h->device.wrote)
                copy_told(h, c, place, c->t.x + column * right, c->t.y + row * down);
            for (uint32_t l = 0; l < c->t.per_pe; l++)
                copy_element(c, place, l, host_transfer_index(&c->t, row, column, l));
        }
    h->owed_cycles += ((uint64_t)rows * columns * c->t.per_pe + LANES - 1) / LANES;
    return true;
}

static host_begin begin_copy(host *h, host_command *c, diag *d) {
    if (!host_region_ready(h, &c->t)) return HOST_NOT_YET;
    if (!h->quiet) {
        if (host_streams_open(h, false)) return HOST_NOT_YET;
        uint64_t now = h->device.cycle(h->device.machine);
        if (!c->waits_for_fabric) c->from_cycle = now, c->waits_for_fabric = true;
        if (now - c->from_cycle < h->latency_cycles) return HOST_NOT_YET;
    }
    if (!copy_now(h, c, d)) return HOST_FAILED;
    c->state = HOST_DONE;
    return HOST_BEGUN;
}

/* ---- streams ---- */

static bool overlap(const host_transfer *a, const host_transfer *b) {
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height && b->y < a->y + a->height;
}

/* An older stream of the same color still moves on some of these PEs. */
static bool color_taken(const host *h, const host_command *c) {
    for (uint32_t i = h->oldest; i < h->next; i++) {
        const host_command *o = &h->commands[i];
        if (o->state == HOST_RUNNING && o->kind == c->kind && o->color == c->color && overlap(&o->t, &c->t))
            return true;
    }
    return false;
}

static host_begin begin_stream(host *h, host_command *c, diag *d) {
    if (color_taken(h, c)) return HOST_NOT_YET;
    wse_rect_stream s = {.x = c->t.x,
                         .y = c->t.y,
                         .width = c->t.width,
                         .height = c->t.height,
                         .per_pe = c->t.per_pe,
                         .color = (uint8_t)c->color};
    c->stream = c->kind == HOST_STREAM_IN ? h->device.stream_in(h->device.machine, s, c->words, d)
                                          : h->device.stream_out(h->device.machine, s, c->words, d);
    if (c->stream == UINT32_MAX) return HOST_FAILED;
    c->state = HOST_RUNNING;
    h->quiet = false;
    return HOST_BEGUN;
}

void host_command_finish(host *h, host_command *c) {
    uint64_t k = 0;
    if (c->kind == HOST_STREAM_OUT)
        for (uint32_t row = 0; row < c->t.height; row++)
            for (uint32_t column = 0; column < c->t.width; column++)
                for (uint32_t l = 0; l < c->t.per_pe; l++)
                    c->out[host_transfer_index(&c->t, row, column, l)] = c->words[k++];
    mem_free(c->words);
    c->words = NULL;
    c->state = HOST_DONE;
    c->end_cycle = host_cycle(h);
}

/* ---- launches ---- */

static host_begin begin_launch(host *h, host_command *c, diag *d) {
    if (!host_all_ready(h)) return HOST_NOT_YET;
    if (!h->quiet && host_streams_open(h, true)) return HOST_NOT_YET;
    uint32_t begun = 0;
    for (uint32_t y = 0; y < h->image->height; y++)
        for (uint32_t x = 0; x < h->image->width; x++) {
            const isa_symbol *s = host_find_symbol(program_of(h, pe_at(h, x, y)), c->function->name, ISA_SYM_FUNCTION);
            if (!s || !s->exported) continue;
            uint64_t delay = h->owed_cycles + x + y;
            h->device.launch(h->device.machine, pe_at(h, x, y), s->entry, c->args, c->arg_words,
                             delay > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)delay);
            begun++;
        }
    if (!begun) {
        diag_error(d, "no PE of the program exports the function '%s'; add @export_symbol(%s) to a PE's comptime block",
                   c->function->name, c->function->name);
        return HOST_FAILED;
    }
    h->owed_cycles = 0;
    c->state = HOST_RUNNING;
    h->quiet = false;
    return HOST_BEGUN;
}

host_begin host_command_begin(host *h, host_command *c, diag *d) {
    switch (c->kind) {
    case HOST_COPY_IN:
    case HOST_COPY_OUT: return begin_copy(h, c, d);
    case HOST_LAUNCH: return begin_launch(h, c, d);
    default: return begin_stream(h, c, d);
    }
}
