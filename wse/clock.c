/* The clock: which routers and cores have something to do in which cycle, and the threads that do it.
 *
 * The rows are split into bands. Each band has two wheels of bit sets (routers, cores), one slot per cycle for the next
 * 255, and a heap for cores that sleep longer. A bit may be set twice for free, a PE may stand in any number of slots,
 * and walking a slot visits PEs in memory order. Cycles in which no slot is occupied are skipped.
 *
 * Where rows do not see each other, because no route leads over the edge between them, bands are as small as
 * BAND_PES allows: what a band's PEs touch then stays in the host's caches while the band runs APART_CYCLES alone, and
 * threads take the next band that nobody has run. After a fault the bands stand at different cycles.
 *
 * Otherwise there are a few bands per thread. A cycle of a band needs only what its neighbours did in earlier cycles
 * (fabric_internal.h), so one barrier per cycle is enough. Few visits in a cycle do not pay for a barrier: then one
 * thread runs all bands, with the same result. */
#include "base/rng.h"
#include "wse/debug.h"
#include "wse/fabric_internal.h"
#include "wse/pipe.h"

enum {
    VISITS_PER_THREAD = 256, /* below this a barrier costs more than the other threads save */
    APART_CYCLES = 4096,
    ALONE_CYCLES = 128,   /* the same while one thread is enough */
    BAND_PES = 256,       /* some 4 KB each */
    BANDS_PER_THREAD = 4, /* of those that see each other: processors of a shared machine are not equally fast */
};

/* The hostile order also wants threads where they do not pay. */
static uint64_t worth_threads(const wse *m) {
    return m->options.shuffle ? 2 : (uint64_t)VISITS_PER_THREAD * m->clock->thread_count;
}

static bool wheel_new(clockwork *c, wheel *w, uint32_t pes) {
    w->words = (pes + 63) / 64;
    w->sum_words = (w->words + 63) / 64;
    w->bits = mem_alloc_n((size_t)w->words * WHEEL_SLOTS, 8);
    w->sum = mem_alloc_n((size_t)w->sum_words * WHEEL_SLOTS, 8);
    c->bytes += (size_t)(w->words + w->sum_words) * WHEEL_SLOTS * 8;
    return w->bits && w->sum;
}

static bool band_new(clockwork *c, band *b, wse *m, uint32_t y0, uint32_t y1) {
    uint32_t pes = (y1 - y0) * m->width;
    *b = (band){.m = m, .y0 = y0, .y1 = y1, .first = y0 * m->width, .end = y1 * m->width};
    uint32_t above = y0 > 0, below = y1 < m->height;
    b->inner = b->first + above * m->width;
    b->inner_count = y1 - y0 > above + below ? (y1 - y0 - above - below) * m->width : 0;
    for (uint32_t y = y0; y < y1; y++) c->band_of_row[y] = (uint16_t)(b - c->bands);
    bool ok = wheel_new(c, &b->routers, pes) && wheel_new(c, &b->cores, pes);
    for (int side = 0; side < 2; side++)
        for (int parity = 0; parity < 2; parity++)
            if (!(b->mail[side][parity] = mem_alloc_n(m->width, sizeof(uint32_t)))) ok = false;
    b->far_capacity = pes / 4 + 16;
    b->far = mem_alloc_n(b->far_capacity, sizeof *b->far);
    if (m->options.shuffle) ok = (b->order = mem_alloc_n(pes, sizeof *b->order)) && ok;
    c->bytes += b->far_capacity * sizeof *b->far + m->width * 16;
    return ok && b->far;
}

/* Recorders keep sums by band, and everybody goes in step. */
static bool looked_at(const wse *m) { return m->looked_at || m->options.trace || m->options.profile; }

/* Rows after which a band may end: `edges` gets where those bands end that are as small as they may be. */
static uint32_t edges_apart(const wse *m, uint16_t *edges) {
    uint32_t n = 0, begin = 0, widest = 0, threads = m->clock->thread_count;
    const uint32_t least = m->options.shuffle ? 1 : BAND_PES; /* the hostile order wants many */
    for (uint32_t y = 1; y <= m->height; y++) {
        if (y < m->height && ((y - begin) * m->width < least || !fabric_edge_free(m, y))) continue;
        if (y - begin > widest) widest = y - begin;
        edges[n++] = (uint16_t)y;
        begin = y;
    }
    bool shared_out = threads == 1 || (n >= threads && (widest - 1) * threads < m->height); /* at most a fair share */
    return shared_out && !looked_at(m) ? n : 0;
}

static uint32_t edges_even(const wse *m, uint16_t *edges) {
    uint32_t threads = m->clock->thread_count, n = threads == 1 || looked_at(m) ? threads : BANDS_PER_THREAD * threads;
    if (n > m->height) n = m->height;
    for (uint32_t i = 0; i < n; i++) edges[i] = (uint16_t)((uint64_t)m->height * (i + 1) / n);
    return n;
}

bool clock_new(wse *m, diag *d) {
    clockwork *c = m->clock = mem_alloc(sizeof *c);
    if (!c) return diag_oom(d, "clock");
    uint32_t threads = m->options.threads ? m->options.threads : 1;
    c->thread_count = threads < m->height ? threads : m->height;
    c->band_of_row = mem_alloc_n(m->height, sizeof *c->band_of_row);
    uint16_t *edges = mem_alloc_n(m->height, sizeof *edges);
    if (edges && !(c->count = edges_apart(m, edges))) c->count = edges_even(m, edges);
    c->apart = true;
    for (uint32_t i = 0; i + 1 < c->count; i++) c->apart = c->apart && fabric_edge_free(m, edges[i]);
    c->bytes = sizeof *c + c->count * sizeof(band);
    c->bands = mem_alloc_n(c->count, sizeof(band));
    atomic_flag_clear(&c->fault_lock);
    bool ok = edges && c->bands && c->band_of_row;
    for (uint32_t i = 0; ok && i < c->count; i++) ok = band_new(c, &c->bands[i], m, i ? edges[i - 1] : 0, edges[i]);
    mem_free(edges);
    ok = (c->deals = mem_alloc_n(c->thread_count, sizeof *c->deals)) && ok;
    if (!ok) return diag_oom(d, "clock");
    return c->thread_count == 1 || (c->threads = pool_new((int)c->thread_count, d));
}

static void band_free(band *b) {
    wheel *wheels[] = {&b->routers, &b->cores};
    for (int i = 0; i < 2; i++) {
        mem_free(wheels[i]->bits);
        mem_free(wheels[i]->sum);
    }
    for (int i = 0; i < 4; i++) mem_free(b->mail[i / 2][i % 2]);
    mem_free(b->far);
    mem_free(b->order);
}

void clock_free(wse *m) {
    clockwork *c = m->clock;
    if (!c) return;
    if (c->threads) pool_free(c->threads);
    for (uint32_t i = 0; c->bands && i < c->count; i++) band_free(&c->bands[i]);
    mem_free(c->bands);
    mem_free(c->band_of_row);
    mem_free(c->deals);
    mem_free(c);
    m->clock = NULL;
}

/* ---- far wake-ups: a heap by cycle ---- */

static void far_push(band *b, uint64_t cycle, uint32_t pe) {
    if (b->far_count == b->far_capacity) {
        far_wake *more = mem_resize(b->far, 2 * (size_t)b->far_capacity * sizeof *more);
        if (!more) {
            wse_set_fault(b->m, pe, b->now, "the host has no memory left for the clock");
            return;
        }
        b->far = more;
        b->far_capacity *= 2;
    }
    uint32_t i = b->far_count++;
    for (; i && b->far[(i - 1) / 2].cycle > cycle; i = (i - 1) / 2) b->far[i] = b->far[(i - 1) / 2];
    b->far[i] = (far_wake){cycle, pe};
}

static far_wake far_pop(band *b) {
    far_wake top = b->far[0], last = b->far[--b->far_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t k = 2 * i + 1;
        if (k + 1 < b->far_count && b->far[k + 1].cycle < b->far[k].cycle) k++;
        if (k >= b->far_count || b->far[k].cycle >= last.cycle) break;
        b->far[i] = b->far[k];
        i = k;
    }
    b->far[i] = last;
    return top;
}

void clock_wake(wse *m, uint32_t pe, uint64_t cycle) {
    band *b = band_of(m, pe);
    uint64_t soonest = b->now + b->stepping;
    if (cycle < soonest) cycle = soonest;
    if (cycle - b->now < WHEEL_SLOTS) wheel_set(&b->cores, pe - b->first, cycle);
    else far_push(b, cycle, pe);
}

void clock_happened(wse *m, uint32_t pe, uint64_t now) { happened(band_of(m, pe), now); }

uint64_t clock_window(const wse *m, uint64_t now) {
    const clockwork *c = m->clock;
    uint64_t last = c->stop_for_streams || m->debug ? now : now + m->fabric->ramp;
    return last < c->until ? last : c->until - 1;
}

/* ---- one cycle of a band ---- */

typedef void visit_fn(band *b, uint32_t pe, uint64_t now);

/* The routers to the east come next on a busy fabric: have the host fetch them (core_step does the same). */
static inline void fetch_ahead(const fabric *f, uint32_t pe, uint32_t pes) {
    const router *r = &f->routers[pe];
    if (pe + 6 >= pes) return;
    __builtin_prefetch(r + 6, 1);
    __builtin_prefetch((const char *)(r + 7) - 1, 1);
    const char *lanes = (const char *)&f->lanes[r[4].lanes], *store = (const char *)(f->store + r[4].store);
    const char *queues = (const char *)(f->queues + r[4].queues);
    __builtin_prefetch(lanes, 1);
    __builtin_prefetch(lanes + 64, 1);
    __builtin_prefetch(store, 1);
    __builtin_prefetch(store + 64, 1);
    __builtin_prefetch(queues, 1);
    __builtin_prefetch(queues + 64, 1);
}

static void visit_router(band *b, uint32_t pe, uint64_t now) {
    fetch_ahead(b->m->fabric, pe, b->m->pes);
    router_tick(b->m->fabric, b, pe, now);
}
static void visit_core(band *b, uint32_t pe, uint64_t now) { core_step(b->m, pe, now); }

/* Every order must give the same state; this one is different in every cycle. */
static void visit_shuffled(band *b, uint32_t n, visit_fn *visit, uint64_t now) {
    rng random = rng_seed(now * 2 + b->stepping);
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(&random, i), t = b->order[i - 1];
        b->order[i - 1] = b->order[j];
        b->order[j] = t;
    }
    for (uint32_t i = 0; i < n; i++) visit(b, b->order[i], now);
}

/* Empties a slot. Visits set bits in later slots only. */
static inline __attribute__((always_inline)) void wheel_walk(band *b, wheel *w, visit_fn *visit, uint64_t now) {
    uint32_t slot = (uint32_t)now & (WHEEL_SLOTS - 1), n = 0;
    if (!(w->occupied[slot >> 6] >> (slot & 63) & 1)) return;
    w->occupied[slot >> 6] &= ~(1ull << (slot & 63));
    uint64_t *sum = &w->sum[(size_t)slot * w->sum_words], *bits = &w->bits[(size_t)slot * w->words];
    for (uint32_t i = 0; i < w->sum_words; i++) {
        uint64_t words = sum[i];
        sum[i] = 0;
        for (; words; words &= words - 1) {
            uint32_t word = i * 64 + (uint32_t)__builtin_ctzll(words);
            uint64_t set = bits[word];
            bits[word] = 0;
            b->visits += (uint32_t)__builtin_popcountll(set);
            for (; set; set &= set - 1) {
                uint32_t pe = b->first + word * 64 + (uint32_t)__builtin_ctzll(set);
                if (b->order) b->order[n++] = pe;
                else visit(b, pe, now);
            }
        }
    }
    if (n) visit_shuffled(b, n, visit, now);
}

/* What the neighbouring bands did last cycle. */
static void read_mail(band *b, uint64_t now) {
    fabric *f = b->m->fabric;
    uint32_t parity = (now - 1) & 1, width = b->m->width;
    for (uint32_t side = 0; side < 2; side++) {
        if (!b->mail_any[side][parity]) continue;
        b->mail_any[side][parity] = false;
        uint32_t *mail = b->mail[side][parity], first = side ? b->end - width : b->first;
        for (uint32_t x = 0; x < width; x++) {
            if (!mail[x]) continue;
            f->routers[first + x].hot |= mail[x];
            mail[x] = 0;
            wake_router(b, first + x, now);
        }
    }
}

void band_cycle(band *b, uint64_t now) {
    b->now = now;
    b->stepping = false;
    b->visits = 0;
    router_facts(b->m->fabric, b, now);
    read_mail(b, now);
    while (b->far_count && b->far[0].cycle - now < WHEEL_SLOTS) {
        far_wake w = far_pop(b);
        wheel_set(&b->cores, w.pe - b->first, w.cycle);
    }
    if (b->rows_awake) streams_tick(b->m, b, now);
    wheel_walk(b, &b->routers, visit_router, now);
    b->stepping = true;
    wheel_walk(b, &b->cores, visit_core, now);
}

/* ---- running ---- */

/* The first cycle at or after `from` for which the wheel has something. */
static uint64_t wheel_next(const wheel *w, uint64_t from) {
    for (uint32_t k = 0; k < WHEEL_SLOTS;) {
        uint32_t slot = ((uint32_t)from + k) & (WHEEL_SLOTS - 1);
        uint64_t rest = w->occupied[slot >> 6] >> (slot & 63);
        if (rest) return from + k + (uint32_t)__builtin_ctzll(rest);
        k += 64 - (slot & 63);
    }
    return UINT64_MAX;
}

static uint64_t band_next(const band *b, uint64_t from) {
    uint64_t next = wheel_next(&b->routers, from), core = wheel_next(&b->cores, from);
    if (core < next) next = core;
    if (b->far_count && b->far[0].cycle < next) next = b->far[0].cycle;
    uint32_t parity = (from - 1) & 1;
    return b->rows_awake || b->mail_any[0][parity] || b->mail_any[1][parity] ? from : next;
}

static uint64_t clock_next(const clockwork *c, uint64_t from) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < c->count && next > from; i++) {
        uint64_t n = band_next(&c->bands[i], from);
        if (n < next) next = n;
    }
    return next;
}

/* The next band for a thread in a step of this parity: one of its own, or else of another thread's. */
static band *next_band(clockwork *c, int thread, int threads, uint32_t parity) {
    for (int k = 0; k < threads; k++) {
        int t = (thread + k) % threads;
        uint32_t first = (uint32_t)((uint64_t)c->count * (uint32_t)t / (uint32_t)threads),
                 end = (uint32_t)((uint64_t)c->count * (uint32_t)(t + 1) / (uint32_t)threads);
        _Atomic uint32_t *dealt = &c->deals[t].dealt[parity];
        if (atomic_load_explicit(dealt, memory_order_relaxed) >= end - first) continue;
        uint32_t i = first + atomic_fetch_add_explicit(dealt, 1, memory_order_relaxed);
        if (i < end) return &c->bands[i];
    }
    return NULL;
}

/* Behind a barrier: nobody draws with this parity before the next one. */
static void deal_again(clockwork *c, int thread, uint32_t parity) {
    atomic_store_explicit(&c->deals[thread].dealt[parity], 0, memory_order_relaxed);
}

/* Bands side by side, cycle by cycle, while there is enough to do. All threads read the same reports and so leave
 * together. */
static void run_bands(void *arg, int thread, int threads) {
    wse *m = arg;
    clockwork *c = m->clock;
    uint64_t now = m->cycle;
    for (bool go = true; go; now++) {
        for (band *b; (b = next_band(c, thread, threads, now & 1)) != NULL;) {
            band_cycle(b, now);
            b->said[now & 1].visits = b->visits + b->rows_awake;
            b->said[now & 1].stop = b->faulted || (b->stream_done && c->stop_for_streams);
        }
        pool_barrier(c->threads);
        deal_again(c, thread, now & 1);
        uint64_t visits = 0;
        go = now + 1 < c->until;
        for (uint32_t i = 0; i < c->count; i++) {
            visits += c->bands[i].said[now & 1].visits;
            go = go && !c->bands[i].said[now & 1].stop;
        }
        go = go && visits >= worth_threads(m);
        if (thread == 0) m->cycle = visits ? now + 1 : now; /* without visits it may be after the last cycle */
        if (!m->options.log) continue;
        if (thread == 0) core_flush_logs(m);
        pool_barrier(c->threads); /* nobody prints while lines are written */
    }
}

/* A band alone, up to `end`. */
static void run_band(band *b, uint64_t from, uint64_t end, uint32_t parity) {
    uint64_t visits = 0;
    for (uint64_t now = band_next(b, from); now < end && !b->faulted; now = band_next(b, now + 1)) {
        band_cycle(b, now);
        visits += b->visits;
    }
    b->said[parity].visits = visits;
    b->said[parity].stop = b->faulted;
    b->said[parity].after = b->now + 1;
}

/* Bands that do not see each other: one after the other, by whoever has time. */
static void run_bands_apart(void *arg, int thread, int threads) {
    wse *m = arg;
    clockwork *c = m->clock;
    const uint64_t window = threads < (int)c->thread_count ? ALONE_CYCLES : APART_CYCLES;
    uint64_t from = m->cycle, end;
    uint32_t parity = 0;
    for (bool go = true; go; from = end, parity ^= 1) {
        end = c->until - from > window ? from + window : c->until;
        for (band *b; (b = next_band(c, thread, threads, parity)) != NULL;) run_band(b, from, end, parity);
        if (threads > 1) pool_barrier(c->threads);
        deal_again(c, thread, parity);
        uint64_t visits = 0, after = from;
        bool stop = false;
        for (uint32_t i = 0; i < c->count; i++) {
            visits += c->bands[i].said[parity].visits;
            if (c->bands[i].said[parity].after > after) after = c->bands[i].said[parity].after;
            stop |= c->bands[i].said[parity].stop;
        }
        go = end < c->until && !stop && (threads > 1 ? visits >= worth_threads(m) : visits && !c->threads);
        if (thread == 0) m->cycle = stop ? m->fault_cycle + 1 : after; /* after that it may be quiet */
    }
}

static void run_serial(wse *m, uint64_t now) {
    clockwork *c = m->clock;
    for (uint32_t i = 0; i < c->count; i++)
        if (!c->apart || band_next(&c->bands[i], now) == now) band_cycle(&c->bands[i], now);
    m->cycle = now + 1;
}

/* Visits that are due at a cycle. */
static uint64_t due(const clockwork *c, uint64_t now) {
    uint64_t n = 0;
    uint32_t slot = (uint32_t)now & (WHEEL_SLOTS - 1);
    for (uint32_t i = 0; i < c->count; i++) {
        const band *b = &c->bands[i];
        const wheel *wheels[] = {&b->routers, &b->cores};
        n += b->rows_awake;
        for (uint32_t k = 0; k < 2; k++) {
            const wheel *w = wheels[k];
            if (!(w->occupied[slot >> 6] >> (slot & 63) & 1)) continue;
            for (uint32_t j = 0; j < w->words; j++)
                n += (uint32_t)__builtin_popcountll(w->bits[(size_t)slot * w->words + j]);
        }
    }
    return n;
}

/* May bands run alone for a while? Nobody looks on, prints or waits for a stream. */
static bool may_run_apart(const wse *m) {
    return m->clock->apart && !m->looked_at && !m->clock->stop_for_streams && !(m->options.log && core_any_prints(m));
}

static wse_stop leave(wse *m, wse_stop why) {
    clockwork *c = m->clock;
    for (uint32_t i = 0; i < c->count; i++) {
        c->bands[i].stream_done = false;
        if (!m->cycle) continue;
        c->bands[i].now = m->cycle - 1; /* what the host wakes now comes in m->cycle at the earliest */
        c->bands[i].stepping = true;
    }
    pipes_end(m);
    return why;
}

void clock_start_at(wse *m) {
    (void)leave(m, WSE_LIMIT);
    for (uint32_t i = 0; i < m->clock->count; i++) {
        band *b = &m->clock->bands[i];
        wheel *wheels[] = {&b->routers, &b->cores};
        b->far_count = 0;
        for (int k = 0; k < 2; k++) {
            memset(wheels[k]->bits, 0, (size_t)wheels[k]->words * WHEEL_SLOTS * 8);
            memset(wheels[k]->sum, 0, (size_t)wheels[k]->sum_words * WHEEL_SLOTS * 8);
            memset(wheels[k]->occupied, 0, sizeof wheels[k]->occupied);
        }
    }
}

static bool any_stream_done(const clockwork *c) {
    bool any = false;
    for (uint32_t i = 0; i < c->count; i++) any |= c->bands[i].stream_done;
    return any;
}

/* Something goes on beyond the end of the run, though nobody is awake before. */
static bool any_held(const clockwork *c) {
    bool any = false;
    for (uint32_t i = 0; i < c->count; i++) any |= c->bands[i].held;
    return any;
}

/* Nothing is left to do: the cycle after the last one in which something was done. */
static wse_stop leave_quiet(wse *m, uint64_t begin) {
    m->cycle = begin;
    for (uint32_t i = 0; i < m->clock->count; i++)
        if (m->clock->bands[i].last >= m->cycle) m->cycle = m->clock->bands[i].last + 1;
    return leave(m, WSE_QUIET);
}

wse_stop wse_run(wse *m, uint64_t until_cycle, bool stop_for_streams) {
    clockwork *c = m->clock;
    uint64_t begin = m->cycle;
    c->until = until_cycle;
    c->stop_for_streams = stop_for_streams && wse_streams_open(m);
    if (m->debug) debug_run(m);
    pipes_begin(m, until_cycle);
    while (m->cycle < until_cycle) {
        if (m->fault[0]) return leave(m, WSE_FAULT);
        uint64_t next = clock_next(c, m->cycle);
        if (next == UINT64_MAX) pipes_last(m);
        if (next == UINT64_MAX && !any_held(c)) return leave_quiet(m, begin);
        if (next >= until_cycle) break;
        m->cycle = next;
        if (m->debug && !debug_cycle(m)) continue;
        bool apart = c->count > 1 && may_run_apart(m);
        bool threads = c->threads && !m->debug && due(c, next) >= (apart ? 2 * c->thread_count : worth_threads(m));
        if (threads) pool_run(c->threads, apart ? run_bands_apart : run_bands, m);
        else if (apart) run_bands_apart(m, 0, 1);
        else run_serial(m, next);
        core_flush_logs(m);
        if (m->debug) debug_cycle_done(m);
        if (stop_for_streams && any_stream_done(c)) return leave(m, m->fault[0] ? WSE_FAULT : WSE_STREAMS);
    }
    if (m->fault[0]) return leave(m, WSE_FAULT);
    m->cycle = until_cycle;
    return leave(m, WSE_LIMIT);
}
