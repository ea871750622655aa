/* Host streams: words between the host and PEs, row by row, at the rate a row of the wafer has at its edge.
 *
 * Each row refills tokens (thousandths of a wavelet) as time passes and spends one per wavelet; the PEs of a row take
 * turns: the next one after the last served that is able. `able` keeps the columns worth asking: a column that turns
 * out to be full (or empty) is struck off and comes back when its core makes room (or its router offers a wavelet).
 * Rows with nothing able sleep. In: a PE in column x is served from x hops after the stream began; the words stand for
 * a full pipe along the row, so only the start of the stream pays for the distance, and PEs with a full queue hold up
 * nobody else. Words then enter the PE's input queue as if from the ramp. Out: a word counts as arrived when it leaves
 * its router.
 *
 * Left out: columns of the wafer outside the rectangle, and the time words spend on the way out. */
#include "wse/fabric_internal.h"

enum { TOKEN = 1000, IN = 0, OUT = 1 };

bool streams_new(wse *m, diag *d) {
    streams *s = &m->fabric->streams;
    s->tokens_at = mem_alloc_n(2 * (size_t)m->height, sizeof *s->tokens_at);
    s->tokens = mem_alloc_n(2 * (size_t)m->height, sizeof *s->tokens);
    s->awake = mem_alloc(m->height);
    m->fabric->bytes += m->height * (2 * (sizeof *s->tokens + sizeof *s->tokens_at) + 1);
    return (s->tokens_at && s->tokens && s->awake) || diag_oom(d, "streams");
}

static void stream_drop(stream *s) { /* what only an open stream needs */
    mem_free(s->position);
    mem_free(s->able);
    mem_free(s->cursor);
    s->position = s->cursor = NULL;
    s->able = NULL;
}

void streams_free(fabric *f) {
    streams *all = &f->streams;
    for (uint32_t i = 0; i < all->count; i++) {
        stream_drop(all->all[i]);
        mem_free(all->all[i]);
    }
    mem_free(all->all);
    mem_free(all->open);
    mem_free(all->tokens_at);
    mem_free(all->tokens);
    mem_free(all->awake);
}

static bool covers(const stream *s, uint32_t x, uint32_t y) {
    return x - s->s.x < s->s.width && y - s->s.y < s->s.height;
}
static uint64_t *able_row(const stream *s, uint32_t y) { return &s->able[(size_t)(y - s->s.y) * s->row_words]; }
static uint32_t *position_of(const stream *s, uint32_t x, uint32_t y) {
    return &s->position[(size_t)(y - s->s.y) * s->s.width + (x - s->s.x)];
}

static void row_wake(wse *m, band *b, uint32_t y) {
    streams *all = &m->fabric->streams;
    if (all->awake[y]) return;
    all->awake[y] = 1;
    b->rows_awake++;
}

/* ---- opening ---- */

static bool overlaps(const wse_rect_stream *a, const wse_rect_stream *b) {
    return a->color == b->color && a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

static bool stream_check(const wse *m, const wse_rect_stream *s, bool out, diag *d) {
    const streams *all = &m->fabric->streams;
    if (!s->width || !s->height || s->x >= m->width || s->y >= m->height || s->width > m->width - s->x ||
        s->height > m->height - s->y)
        return diag_error(d, "stream: rectangle (%u,%u) %u x %u does not lie in the program's %u x %u", s->x, s->y,
                          s->width, s->height, m->width, m->height);
    uint32_t colors = out ? m->image->d2h_colors : m->image->h2d_colors;
    if (s->color >= ISA_COLORS || !(colors >> s->color & 1))
        return diag_error(d, "stream: color %u is not one the program streams %s the host", s->color,
                          out ? "to" : "from");
    for (uint32_t i = 0; i < all->open_count; i++) {
        const stream *other = all->all[all->open[i]];
        if (!other->done && other->out == out && overlaps(&other->s, s))
            return diag_error(d, "stream: color %u has an open stream on some of these PEs; wait for it", s->color);
    }
    for (uint32_t y = s->y; y < s->y + s->height && !out; y++)
        for (uint32_t x = s->x; x < s->x + s->width; x++)
            if (port_of_color(m, y * m->width + x, s->color) == NO_PORT)
                return diag_error(
                    d, "stream: PE(%u,%u) has no input queue bound to color %u; bind one with @initialize_queue", x, y,
                    s->color);
    return true;
}

/* Done streams make place in the list of open ones here, between runs. */
static bool streams_room_for_one(streams *all) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all->open_count; i++)
        if (!all->all[all->open[i]]->done) all->open[kept++] = all->open[i];
        else stream_drop(all->all[all->open[i]]);
    all->open_count = kept;
    if (all->count < all->capacity) return true;
    uint32_t more = all->capacity ? 2 * all->capacity : 16;
    stream **list = mem_resize(all->all, more * sizeof *list);
    if (list) all->all = list;
    uint32_t *open = mem_resize(all->open, more * sizeof *open);
    if (open) all->open = open;
    if (list && open) all->capacity = more;
    return list && open;
}

static stream *stream_alloc(const wse *m, wse_rect_stream r, bool out, uint32_t *words) {
    stream *s = mem_alloc(sizeof *s);
    if (!s) return NULL;
    s->s = r;
    s->out = out;
    s->words = words;
    s->row_words = (r.width + 63) / 64;
    s->position = mem_alloc_n((size_t)r.width * r.height, sizeof *s->position);
    s->able = mem_alloc_n((size_t)s->row_words * r.height, sizeof *s->able);
    s->cursor = mem_alloc_n(r.height, sizeof *s->cursor);
    s->opened = m->cycle;
    atomic_store(&s->left, (uint64_t)r.width * r.height * r.per_pe);
    for (uint32_t y = 0; s->cursor && y < r.height; y++) s->cursor[y] = r.width - 1;
    if (s->position && s->able && s->cursor) return s;
    stream_drop(s);
    mem_free(s);
    return NULL;
}

static void stream_start(wse *m, stream *s) {
    for (uint32_t y = s->s.y; y < s->s.y + s->s.height; y++) {
        band *b = band_of(m, y * m->width);
        for (uint32_t x = s->s.x; x < s->s.x + s->s.width; x++) {
            uint32_t pe = y * m->width + x, lane_no = lane_index(m->fabric, &m->fabric->routers[pe], s->s.color);
            if (!s->out) able_row(s, y)[(x - s->s.x) >> 6] |= 1ull << ((x - s->s.x) & 63);
            else if (lane_no != NO_LANE) fabric_look_again(m, pe, lane_no);
        }
        if (!s->out) row_wake(m, b, y);
    }
}

static uint32_t stream_open(wse *m, wse_rect_stream r, bool out, uint32_t *words, diag *d) {
    streams *all = &m->fabric->streams;
    if (!stream_check(m, &r, out, d)) return UINT32_MAX;
    stream *s = streams_room_for_one(all) ? stream_alloc(m, r, out, words) : NULL;
    if (!s) {
        diag_oom(d, "stream");
        return UINT32_MAX;
    }
    all->all[all->count] = s;
    all->open[all->open_count++] = all->count;
    if (!r.per_pe) s->done = true;
    else stream_start(m, s);
    return all->count++;
}

uint32_t wse_stream_in(wse *m, wse_rect_stream s, const uint32_t *words, diag *d) {
    return stream_open(m, s, false, (uint32_t *)(uintptr_t)words, d);
}
uint32_t wse_stream_out(wse *m, wse_rect_stream s, uint32_t *words, diag *d) {
    return stream_open(m, s, true, words, d);
}

bool wse_stream_complete(const wse *m, uint32_t id) {
    const streams *all = &m->fabric->streams;
    return id < all->count && all->all[id]->done;
}

uint32_t wse_streams_open(const wse *m) {
    const streams *all = &m->fabric->streams;
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->open_count; i++) n += !all->all[all->open[i]]->done;
    return n;
}

/* ---- a cycle ---- */

static stream *open_stream(const wse *m, uint32_t pe, uint32_t color, bool out) {
    const streams *all = &m->fabric->streams;
    for (uint32_t i = 0; i < all->open_count; i++) {
        stream *s = all->all[all->open[i]];
        if (s->out == out && s->s.color == color && covers(s, wse_x(m, pe), wse_y(m, pe)) &&
            *position_of(s, wse_x(m, pe), wse_y(m, pe)) < s->s.per_pe)
            return s;
    }
    return NULL;
}

static void make_able(wse *m, band *b, stream *s, uint32_t pe) {
    uint32_t i = wse_x(m, pe) - s->s.x;
    able_row(s, wse_y(m, pe))[i >> 6] |= 1ull << (i & 63);
    row_wake(m, b, wse_y(m, pe));
}

void streams_offer(wse *m, band *b, uint32_t pe, uint32_t color) {
    stream *s = open_stream(m, pe, color, true);
    if (s) make_able(m, b, s, pe);
}

void streams_room(wse *m, band *b, uint32_t pe, uint32_t port) {
    if (!m->fabric->streams.open_count) return;
    stream *s = open_stream(m, pe, port_color(m, pe, port), false);
    if (s) make_able(m, b, s, pe);
}

static bool serve_in(wse *m, band *b, stream *s, uint32_t x, uint32_t y, uint64_t now) {
    fabric *f = m->fabric;
    uint32_t pe = y * m->width + x, port = port_of_color(m, pe, s->s.color), *position = position_of(s, x, y);
    const router *r = &f->routers[pe];
    if (port == NO_PORT || in_queue(f, r, port)->count >= f->shapes[r->shape].in_slots[port]) return false;
    size_t at = ((size_t)(y - s->s.y) * s->s.width + (x - s->s.x)) * s->s.per_pe + *position;
    wse_wavelet w = {s->words[at], (uint32_t)(now + f->ramp), s->s.color, 0, ISA_HOST, 0};
    port_deliver(b, pe, port, w, now);
    return true;
}

static bool serve_out(wse *m, band *b, stream *s, uint32_t x, uint32_t y, uint64_t now) {
    fabric *f = m->fabric;
    uint32_t pe = y * m->width + x, lane_no = lane_index(f, &f->routers[pe], s->s.color), data;
    if (lane_no == NO_LANE || !router_take_for_host(f, b, pe, lane_no, now, &data)) return false;
    s->words[((size_t)(y - s->s.y) * s->s.width + (x - s->s.x)) * s->s.per_pe + *position_of(s, x, y)] = data;
    return true;
}

/* The next able column after `last`, below `end`, going round; UINT32_MAX when there is none. */
static uint32_t next_able(const uint64_t *able, uint32_t last, uint32_t end) {
    for (uint32_t pass = 0; pass < 2; pass++) {
        uint32_t from = pass ? 0 : last + 1, to = pass ? (last + 1 < end ? last + 1 : end) : end;
        for (uint32_t i = from; i < to;) {
            uint64_t rest = able[i >> 6] >> (i & 63);
            if (rest) {
                i += (uint32_t)__builtin_ctzll(rest);
                if (i < to) return i;
                break;
            }
            i = (i | 63) + 1;
        }
    }
    return UINT32_MAX;
}

/* Columns the first word can have reached. */
static uint32_t reached(const wse *m, const stream *s, uint64_t now) {
    uint64_t hops = (now - s->opened) / m->fabric->hop;
    if (s->out || hops >= s->s.x + s->s.width) return s->s.width;
    return hops < s->s.x ? 0 : (uint32_t)hops - s->s.x + 1 > s->s.width ? s->s.width : (uint32_t)hops - s->s.x + 1;
}

/* One wavelet of this stream in this row. Columns that cannot are struck off. */
static bool serve_one(wse *m, band *b, stream *s, uint32_t y, uint64_t now) {
    uint64_t *able = able_row(s, y);
    uint32_t *cursor = &s->cursor[y - s->s.y], end = reached(m, s, now), i;
    while ((i = next_able(able, *cursor, end)) != UINT32_MAX) {
        uint32_t x = s->s.x + i;
        *cursor = i;
        bool served = s->out ? serve_out(m, b, s, x, y, now) : serve_in(m, b, s, x, y, now);
        uint32_t *position = position_of(s, x, y);
        *position += served;
        if (!served || *position == s->s.per_pe || s->out) able[i >> 6] &= ~(1ull << (i & 63));
        if (!served) continue;
        m->fabric->routers[y * m->width + x].io++;
        if (atomic_fetch_sub_explicit(&s->left, 1, memory_order_acq_rel) == 1) {
            s->done = true;
            b->stream_done = true;
        }
        return true;
    }
    return false;
}

static bool has_able(const stream *s, uint32_t y) {
    const uint64_t *able = able_row(s, y);
    for (uint32_t i = 0; i < s->row_words; i++)
        if (able[i]) return true;
    return false;
}

static uint32_t refill(wse *m, uint32_t way, uint32_t y, uint64_t now) {
    streams *all = &m->fabric->streams;
    size_t at = (size_t)way * m->height + y;
    uint64_t rate = m->wafer->io_wavelets_per_cycle_row, most = rate + TOKEN - 1, passed = now + 1 - all->tokens_at[at];
    uint64_t sum = passed > most ? most : all->tokens[at] + passed * rate;
    all->tokens_at[at] = now + 1;
    return all->tokens[at] = (uint32_t)(sum > most ? most : sum);
}

/* The streams of a row take turns too. */
static bool row_way(wse *m, band *b, uint32_t way, uint32_t y, uint64_t now) {
    streams *all = &m->fabric->streams;
    uint32_t n = all->open_count, tokens = refill(m, way, y, now);
    bool busy = false, served = true;
    while (tokens >= TOKEN && served) {
        served = false;
        for (uint32_t k = 0; k < n && tokens >= TOKEN; k++) {
            stream *s = all->all[all->open[(k + now) % n]];
            if (s->out != (way == OUT) || y - s->s.y >= s->s.height || !serve_one(m, b, s, y, now)) continue;
            tokens -= TOKEN;
            served = true;
        }
    }
    all->tokens[(size_t)way * m->height + y] = tokens;
    for (uint32_t k = 0; k < n && !busy; k++) {
        const stream *s = all->all[all->open[k]];
        busy = s->out == (way == OUT) && y - s->s.y < s->s.height && has_able(s, y);
    }
    return busy;
}

void streams_tick(wse *m, band *b, uint64_t now) {
    streams *all = &m->fabric->streams;
    for (uint32_t y = b->y0; y < b->y1 && b->rows_awake; y++) {
        if (!all->awake[y]) continue;
        bool in = row_way(m, b, IN, y, now), out = row_way(m, b, OUT, y, now);
        if (in || out) continue;
        all->awake[y] = 0;
        b->rows_awake--;
    }
}
