#include "llm/weights.h"
#include "base/mem.h"
#include "base/units.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    PIECE_BYTES = 1 << 20, /* of a streamed band: small against the ring, large against a read's latency */
    RING_BYTES_MAX = 32 << 20,
    PASS_FLAGS = 4, /* the loader runs at most one pass ahead */
};

typedef struct {
    uint32_t matrix;
    uint64_t first_panel, panels;
    size_t bytes;
    uint8_t *resident;     /* NULL: comes through the ring */
    uint32_t stream_index; /* among the streamed pieces of a pass */
} piece;

typedef struct {
    const llm_tensor *t;
    const pack_layout *layout;
    size_t panel_bytes;
    uint32_t first_piece, pieces;
} matrix;

/* A streamed piece in the ring. Tickets count streamed pieces over all passes; ticket k lives in slots[k % slot_count].
 */
typedef struct {
    uint8_t *data;
    size_t ring_end; /* ring offset just behind it: what releasing it frees */
    _Atomic uint32_t users_left;
} slot;

struct weights {
    llm_store *store;
    pool *threads;
    arena *memory;
    weights_mode mode;
    uint64_t budget_bytes, held_bytes;
    float **vectors; /* [tensor] */
    struct {
        const llm_tensor *t;
        uint8_t *bytes; /* as in the file */
    } rows[2];          /* gathered row by row and no part of the schedule; resident mode only */
    int32_t *matrix_of; /* [tensor], -1 = not in the schedule */
    matrix *matrices;
    piece *pieces;
    uint32_t matrix_count, piece_count, stream_count,
        head_stream_begin; /* streamed pieces from here on belong to the head */
    uint8_t *arena_pages;
    size_t arena_pages_bytes;
    /* The ring and its loader. */
    uint8_t *ring, *staging;
    size_t ring_bytes, staging_bytes;
    slot *slots;
    uint32_t slot_count;
    pthread_t loader;
    bool loader_runs;
    diag *loader_diag;
    bool pass_head[PASS_FLAGS];
    uint64_t pass_ticket; /* ticket of stream index 0 in the present pass */
    uint64_t next_pass_ticket;
    _Alignas(64) _Atomic unsigned ready; /* tickets loaded */
    _Alignas(64) _Atomic unsigned freed; /* tickets released by everybody */
    _Alignas(64) _Atomic unsigned begun; /* passes begun */
    _Atomic bool stop, failed;
    _Atomic uint64_t wait_ns; /* summed over threads */
};

/* ---- the schedule ---- */

static bool is_vector(const llm_tensor *t) { return t->rows == 1; }

static bool add_matrix(weights *w, const llm_tensor *t, diag *d) {
    if (!t) return true;
    const pack_layout *layout = pack_layout_of(t->type->id);
    if (!layout) return diag_error(d, "%s: no kernel for type %s", t->name, t->type->name);
    w->matrix_of[t - w->store->model->tensors] = (int32_t)w->matrix_count;
    w->matrices[w->matrix_count++] =
        (matrix){.t = t, .layout = layout, .panel_bytes = pack_panel_bytes(layout, t->cols)};
    return true;
}

static bool plan_schedule(weights *w, diag *d) {
    const llm_model *m = w->store->model;
    size_t n = m->tensor_count;
    w->vectors = arena_push_n(w->memory, float *, n);
    w->matrix_of = arena_push_n(w->memory, int32_t, n);
    w->matrices = arena_push_n(w->memory, matrix, n + 1);
    if (!w->vectors || !w->matrix_of || !w->matrices) return diag_oom(d, "weight schedule");
    for (size_t i = 0; i < n; i++) w->matrix_of[i] = -1;
    for (uint32_t l = 0; l < m->config.layers; l++) {
        const llm_layer *y = &m->layers[l];
        const llm_tensor *order[] = {y->qkv, y->q, y->k, y->v, y->o, y->gate, y->up, y->down};
        for (size_t i = 0; i < sizeof order / sizeof *order; i++)
            if (!add_matrix(w, order[i], d)) return false;
    }
    return add_matrix(w, m->output, d);
}

/* Bands of a matrix: one when resident; else of about PIECE_BYTES. A transposed matrix cannot be read in bands. */
static bool plan_pieces(weights *w, diag *d) {
    size_t count = 0;
    for (int round = 0; round < 2; round++) {
        if (round && !(w->pieces = arena_push_n(w->memory, piece, count))) return diag_oom(d, "weight pieces");
        count = 0;
        for (uint32_t i = 0; i < w->matrix_count; i++) {
            matrix *x = &w->matrices[i];
            uint64_t panels = pack_panels(x->t->rows), band = panels;
            if (w->mode == WEIGHTS_STREAMED && x->t->form != TENSOR_TRANSPOSED) {
                band = PIECE_BYTES / x->panel_bytes;
                if (band == 0) band = 1;
            }
            x->first_piece = (uint32_t)count;
            for (uint64_t p = 0; p < panels; p += band, count++) {
                uint64_t n = panels - p < band ? panels - p : band;
                if (round)
                    w->pieces[count] = (piece){.matrix = i, .first_panel = p, .panels = n, .bytes = n * x->panel_bytes};
            }
            x->pieces = (uint32_t)count - x->first_piece;
        }
    }
    w->piece_count = (uint32_t)count;
    return true;
}

/* ---- reading and packing ---- */

/* File bytes of a piece: [*begin, *end) of its tensor. */
static void piece_range(const weights *w, const piece *p, uint64_t *begin, uint64_t *end) {
    const llm_tensor *t = w->matrices[p->matrix].t;
    uint64_t row_bytes = t->size_bytes / t->rows, last = (p->first_panel + p->panels) * PANEL_ROWS;
    bool whole = t->form == TENSOR_TRANSPOSED;
    *begin = whole ? 0 : p->first_panel * PANEL_ROWS * row_bytes;
    *end = whole ? t->size_bytes : (last < t->rows ? last : t->rows) * row_bytes;
}

/* A matrix stored as [in][out] already has the columns of a panel's rows side by side. */
static void pack_transposed(const llm_tensor *t, const uint8_t *bytes, size_t panel_bytes, uint8_t *out) {
    size_t elem = t->type->block_bytes;
    for (uint64_t panel = 0; panel < pack_panels(t->rows); panel++) {
        uint64_t first = panel * PANEL_ROWS, n = t->rows - first < PANEL_ROWS ? t->rows - first : PANEL_ROWS;
        uint8_t *to = out + panel * panel_bytes;
        memset(to, 0, panel_bytes);
        for (uint64_t k = 0; k < t->cols; k++)
            memcpy(to + k * PANEL_ROWS * elem, bytes + (k * t->rows + first) * elem, n * elem);
    }
}

/* Reads, verifies and packs panels [first, first + count) of a piece to `out`. */
static bool load_panels(weights *w, const piece *p, uint64_t first, uint64_t count, uint8_t *staging, uint8_t *out,
                        diag *d) {
    const matrix *x = &w->matrices[p->matrix];
    const llm_tensor *t = x->t;
    piece part = {.matrix = p->matrix, .first_panel = p->first_panel + first, .panels = count};
    uint64_t begin, end, row_bytes = t->size_bytes / t->rows;
    const uint8_t *bytes;
    piece_range(w, &part, &begin, &end);
    if (!store_read(w->store, t, begin, end, staging, &bytes, d)) return false;
    if (t->form == TENSOR_TRANSPOSED) {
        pack_transposed(t, bytes, x->panel_bytes, out);
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t row = (part.first_panel + i) * PANEL_ROWS,
                 rows = t->rows - row < PANEL_ROWS ? t->rows - row : PANEL_ROWS;
        pack_panel(t->type->id, bytes + i * PANEL_ROWS * row_bytes, (size_t)row_bytes, (int)rows, t->cols,
                   out + i * x->panel_bytes);
    }
    return true;
}

/* Loading of the resident pieces by all threads: each claims bands until none is left. */
typedef struct {
    weights *w;
    const piece **pieces;
    uint32_t count;
    uint64_t *bands_before, total_bands;
    _Atomic uint64_t next;
    _Atomic bool failed;
    size_t staging_bytes;
    diag **diags;
} resident_load;

static uint64_t band_panels(const weights *w, const piece *p) {
    const matrix *x = &w->matrices[p->matrix];
    uint64_t n = PIECE_BYTES / x->panel_bytes;
    return x->t->form == TENSOR_TRANSPOSED ? p->panels : n ? n : 1;
}

static void load_band(resident_load *l, uint64_t band, uint8_t *staging, diag *d) {
    uint32_t low = 0, high = l->count; /* the last piece whose bands begin at or before this one */
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (l->bands_before[middle] <= band) low = middle;
        else high = middle;
    }
    const piece *p = l->pieces[low];
    uint64_t size = band_panels(l->w, p), first = (band - l->bands_before[low]) * size;
    uint64_t n = p->panels - first < size ? p->panels - first : size;
    if (!load_panels(l->w, p, first, n, staging, p->resident + first * l->w->matrices[p->matrix].panel_bytes, d))
        atomic_store(&l->failed, true);
}

static void load_work(void *arg, int thread, int threads) {
    (void)threads;
    resident_load *l = arg;
    uint8_t *staging = mem_alloc(l->staging_bytes);
    if (!staging) {
        diag_oom(l->diags[thread], "buffer for loading weights");
        atomic_store(&l->failed, true);
    }
    while (!atomic_load(&l->failed)) {
        uint64_t band = atomic_fetch_add(&l->next, 1);
        if (band >= l->total_bands) break;
        load_band(l, band, staging, l->diags[thread]);
    }
    mem_free(staging);
}

static size_t staging_for(const weights *w, const piece *p, uint64_t panels) {
    uint64_t begin, end;
    piece part = {.matrix = p->matrix, .first_panel = 0, .panels = panels};
    piece_range(w, &part, &begin, &end);
    return store_read_bytes_max(end - begin);
}

static bool load_resident(weights *w, const weights_options *o, diag *d) {
    int threads = pool_threads(w->threads);
    resident_load l = {.w = w,
                       .pieces = arena_push_n(w->memory, const piece *, w->piece_count),
                       .bands_before = arena_push_n(w->memory, uint64_t, w->piece_count),
                       .diags = arena_push_n(w->memory, diag *, (size_t)threads)};
    if (!l.pieces || !l.bands_before || !l.diags) return diag_oom(d, "loading weights");
    bool ok = true;
    for (int i = 0; i < threads; i++) ok = (l.diags[i] = diag_new()) && ok;
    if (!ok) diag_oom(d, "loading weights");
    for (uint32_t i = 0; i < w->piece_count; i++) {
        const piece *p = &w->pieces[i];
        if (!p->resident) continue;
        uint64_t size = band_panels(w, p);
        size_t need = staging_for(w, p, size < p->panels ? size : p->panels);
        if (need > l.staging_bytes) l.staging_bytes = need;
        l.bands_before[l.count] = l.total_bands;
        l.pieces[l.count++] = p;
        l.total_bands += (p->panels + size - 1) / size;
    }
    /* In slices, so that progress can be told between them. */
    uint64_t total = l.total_bands, slice = o->progress ? (total + 19) / 20 : total;
    for (uint64_t end = slice; ok && l.count; end += slice) {
        l.total_bands = end < total ? end : total;
        pool_run(w->threads, load_work, &l);
        atomic_store(&l.next, l.total_bands);
        ok = !atomic_load(&l.failed);
        if (o->progress) o->progress(o->progress_arg, (double)l.total_bands / (double)total);
        if (l.total_bands == total) break;
    }
    for (int i = 0; i < threads; i++) {
        if (l.diags[i] && !ok && diag_error_count(l.diags[i]) && !diag_error_count(d)) {
            str text = str_from(diag_text(l.diags[i]));
            diag_error(d, "%.*s", (int)(text.n > 8 ? text.n - 8 : 0),
                       text.p + 7); /* without "error: " and the newline */
        }
        diag_free(l.diags[i]);
    }
    return ok;
}

/* ---- the loader of streamed pieces ---- */

static bool loader_wait(weights *w, _Atomic unsigned *word, unsigned seen) {
    if (atomic_load(&w->stop)) return false;
    wait_word(word, seen);
    return !atomic_load(&w->stop);
}

/* Room for `bytes` in one stretch of the ring, after the newest piece; waits for the oldest to be released. Tickets
 * freed in order, so the used part is [tail, head) around the ring. */
typedef struct {
    size_t head, tail;
    uint64_t loaded, freed; /* tickets */
} ring_state;

static bool ring_fits(const weights *w, const ring_state *r, size_t bytes, size_t *at) {
    bool empty = r->loaded == r->freed;
    if (empty) return *at = 0, true;
    if (r->loaded - r->freed >= w->slot_count) return false;
    if (r->head > r->tail) {
        if (w->ring_bytes - r->head >= bytes) return *at = r->head, true;
        return *at = 0, r->tail > bytes;
    }
    return *at = r->head, r->tail - r->head > bytes;
}

static bool ring_take(weights *w, ring_state *r, size_t bytes, size_t *at) {
    for (;;) {
        unsigned freed = atomic_load_explicit(&w->freed, memory_order_acquire);
        while ((unsigned)r->freed != freed) r->tail = w->slots[r->freed++ % w->slot_count].ring_end;
        if (ring_fits(w, r, bytes, at)) break;
        if (!loader_wait(w, &w->freed, freed)) return false;
    }
    if (r->loaded == r->freed) r->tail = *at;
    r->head = *at + bytes;
    return true;
}

static void publish_failure(weights *w) {
    atomic_store(&w->failed, true);
    atomic_fetch_add(&w->ready, 0x40000000u); /* far ahead: everybody stops waiting and sees `failed` */
    wake_word(&w->ready);
}

static void *loader_main(void *arg) {
    weights *w = arg;
    ring_state r = {0};
    uint32_t *streamed = mem_alloc_n(w->stream_count, sizeof *streamed);
    if (!streamed) {
        diag_oom(w->loader_diag, "weight loader");
        publish_failure(w);
        return NULL;
    }
    for (uint32_t i = 0; i < w->piece_count; i++)
        if (!w->pieces[i].resident) streamed[w->pieces[i].stream_index] = i;
    for (uint64_t pass = 0; !atomic_load(&w->stop) && !atomic_load(&w->failed); pass++)
        for (uint32_t i = 0; i < w->stream_count; i++) {
            if (i == w->head_stream_begin) { /* whether this pass wants the head is known once it has begun */
                unsigned begun;
                while ((begun = atomic_load_explicit(&w->begun, memory_order_acquire)) <= pass)
                    if (!loader_wait(w, &w->begun, begun)) goto out;
                if (!w->pass_head[pass % PASS_FLAGS]) break;
            }
            const piece *p = &w->pieces[streamed[i]];
            size_t at;
            if (!ring_take(w, &r, p->bytes, &at)) goto out;
            slot *s = &w->slots[r.loaded % w->slot_count];
            *s = (slot){.data = w->ring + at, .ring_end = at + p->bytes};
            atomic_store(&s->users_left, (uint32_t)pool_threads(w->threads));
            if (!load_panels(w, p, 0, p->panels, w->staging, s->data, w->loader_diag)) {
                publish_failure(w);
                goto out;
            }
            r.loaded++;
            atomic_fetch_add_explicit(&w->ready, 1, memory_order_release);
            wake_word(&w->ready);
        }
out:
    mem_free(streamed);
    return NULL;
}

/* ---- opening ---- */

static bool load_vectors(weights *w, diag *d) {
    const llm_model *m = w->store->model;
    for (size_t i = 0; i < m->tensor_count; i++) {
        const llm_tensor *t = &m->tensors[i];
        if (!is_vector(t) || w->matrix_of[i] >= 0 || t == m->embed) continue;
        w->vectors[i] = arena_push_n(w->memory, float, t->cols);
        if (!w->vectors[i]) return diag_oom(d, t->name);
        if (!store_read_f32(w->store, t, 0, 1, w->vectors[i], d)) return false;
        w->held_bytes += t->cols * sizeof(float);
    }
    return true;
}

static size_t largest_piece(const weights *w, size_t *staging) {
    size_t largest = 0;
    *staging = 0;
    for (uint32_t i = 0; i < w->piece_count; i++) {
        const piece *p = &w->pieces[i];
        size_t need = staging_for(w, p, p->panels);
        if (p->bytes > largest) largest = p->bytes;
        if (need > *staging) *staging = need;
    }
    return largest;
}

/* Splits the budget: what fits stays, the rest passes through the ring. Sets `resident` of the pieces that stay (to a
 * marker). */
static bool plan_budget(weights *w, size_t *resident_total, diag *d) {
    size_t staging, largest = largest_piece(w, &staging);
    uint64_t all = 0, threads = (uint64_t)pool_threads(w->threads);
    for (uint32_t i = 0; i < w->piece_count; i++) all += w->pieces[i].bytes;
    uint64_t limit = UINT64_MAX;
    *resident_total = 0;
    if (w->mode == WEIGHTS_STREAMED) {
        uint64_t buffers = w->held_bytes + staging * threads; /* loading the prefix uses one buffer a thread */
        if (buffers + all > w->budget_bytes) {
            uint64_t least = buffers + 2 * largest + 2 * 64;
            if (w->budget_bytes < least)
                return diag_error(d,
                                  "--resident-bytes %llu is too small for this model: vectors, buffers and two pieces "
                                  "in flight need %llu",
                                  (unsigned long long)w->budget_bytes, (unsigned long long)least);
            uint64_t free_bytes = w->budget_bytes - buffers;
            w->ring_bytes = free_bytes / 4 > RING_BYTES_MAX ? RING_BYTES_MAX : (size_t)(free_bytes / 4);
            if (w->ring_bytes < 2 * largest + 128) w->ring_bytes = 2 * largest + 128;
            w->staging_bytes = staging;
            limit = free_bytes - w->ring_bytes;
        }
    }
    uint32_t head = (uint32_t)w->matrix_count - 1;
    w->head_stream_begin = UINT32_MAX;
    for (uint32_t i = 0; i < w->piece_count; i++) {
        piece *p = &w->pieces[i];
        if (w->stream_count == 0 && *resident_total + p->bytes <= limit) {
            p->resident = (uint8_t *)1;
            *resident_total += p->bytes;
            continue;
        }
        if (p->matrix == head && w->head_stream_begin == UINT32_MAX) w->head_stream_begin = w->stream_count;
        p->stream_index = w->stream_count++;
    }
    return true;
}

static bool place_resident(weights *w, size_t total, diag *d) {
    w->arena_pages_bytes = total;
    w->arena_pages = mem_pages(total ? total : 1);
    if (!w->arena_pages)
        return diag_error(d, "out of memory: %s of weights; use --weights streamed --resident-bytes N",
                          units_bytes((double)total).text);
    uint8_t *at = w->arena_pages;
    for (uint32_t i = 0; i < w->piece_count; i++)
        if (w->pieces[i].resident) {
            w->pieces[i].resident = at;
            at += w->pieces[i].bytes;
        }
    w->held_bytes += total;
    return true;
}

static bool start_loader(weights *w, diag *d) {
    if (w->stream_count == 0) return true;
    w->slot_count = 4096;
    w->slots = arena_push_n(w->memory, slot, w->slot_count);
    w->ring = mem_pages(w->ring_bytes);
    w->staging = mem_pages(w->staging_bytes);
    w->loader_diag = diag_new();
    if (!w->slots || !w->ring || !w->staging || !w->loader_diag) return diag_oom(d, "ring of streamed weights");
    w->held_bytes += w->ring_bytes + w->staging_bytes;
    if (pthread_create(&w->loader, NULL, loader_main, w))
        return diag_error(d, "cannot start the thread that loads weights");
    return w->loader_runs = true;
}

/* Embeddings that are not also the output, and learned positions. Tied embeddings are read from the packed panels. */
static bool load_rows(weights *w, int slot_index, const llm_tensor *t, diag *d) {
    if (!t || w->mode != WEIGHTS_RESIDENT || w->matrix_of[t - w->store->model->tensors] >= 0) return true;
    const uint8_t *same;
    uint8_t *bytes = mem_pages(t->size_bytes);
    if (!bytes) return diag_oom(d, t->name);
    w->rows[slot_index].t = t;
    w->rows[slot_index].bytes = bytes;
    w->held_bytes += t->size_bytes;
    return store_read(w->store, t, 0, t->size_bytes, bytes, &same, d);
}

weights *weights_open(llm_store *s, const weights_options *o, pool *threads, diag *d) {
    weights *w = mem_pages(sizeof *w);
    if (!w) return diag_oom(d, "weights"), NULL;
    w->store = s;
    w->threads = threads;
    w->mode = o->mode;
    w->budget_bytes = o->resident_bytes;
    size_t resident_total;
    if (!(w->memory = arena_new(0))) diag_oom(d, "weights");
    else if (plan_schedule(w, d) && plan_pieces(w, d) && load_vectors(w, d) && plan_budget(w, &resident_total, d) &&
             place_resident(w, resident_total, d) && load_resident(w, o, d) && load_rows(w, 0, s->model->embed, d) &&
             load_rows(w, 1, s->model->positions, d) && start_loader(w, d))
        return w;
    weights_close(w);
    return NULL;
}

void weights_close(weights *w) {
    if (!w) return;
    if (w->loader_runs) {
        atomic_store(&w->stop, true);
        atomic_fetch_add(&w->freed, 0x40000000u); /* wakes the loader wherever it waits */
        atomic_fetch_add(&w->begun, 0x40000000u);
        wake_word(&w->freed);
        wake_word(&w->begun);
        pthread_join(w->loader, NULL);
    }
    diag_free(w->loader_diag);
    mem_pages_free(w->ring, w->ring_bytes);
    mem_pages_free(w->staging, w->staging_bytes);
    if (w->arena_pages) mem_pages_free(w->arena_pages, w->arena_pages_bytes ? w->arena_pages_bytes : 1);
    for (int i = 0; i < 2; i++)
        if (w->rows[i].bytes) mem_pages_free(w->rows[i].bytes, w->rows[i].t->size_bytes);
    arena_free(w->memory);
    mem_pages_free(w, sizeof *w);
}

/* ---- use ---- */

const float *weights_vector(const weights *w, const llm_tensor *t) {
    return t ? w->vectors[t - w->store->model->tensors] : NULL;
}

static const matrix *matrix_for(const weights *w, const llm_tensor *t) {
    return &w->matrices[w->matrix_of[t - w->store->model->tensors]];
}

const pack_layout *weights_layout(const weights *w, const llm_tensor *t, size_t *panel_bytes, uint32_t *pieces) {
    const matrix *x = matrix_for(w, t);
    *panel_bytes = x->panel_bytes;
    *pieces = x->pieces;
    return x->layout;
}

bool weights_row(weights *w, const llm_tensor *t, uint64_t row, float *out, diag *d) {
    const llm_model *m = w->store->model;
    int32_t index = w->matrix_of[t - m->tensors];
    if (index >= 0 && w->mode == WEIGHTS_RESIDENT) {
        const matrix *x = &w->matrices[index];
        const uint8_t *panel = w->pieces[x->first_piece].resident + row / PANEL_ROWS * x->panel_bytes;
        pack_row_f32(x->layout, panel, (int)(row % PANEL_ROWS), t->cols, out);
        return true;
    }
    for (int i = 0; i < 2; i++)
        if (t == w->rows[i].t && t->form == TENSOR_AS_IS) {
            t->type->to_f32(w->rows[i].bytes + row * (t->size_bytes / t->rows), out, t->cols);
            return true;
        }
    return store_read_f32(w->store, t, row, 1, out, d);
}

void weights_begin_pass(weights *w, bool with_head) {
    if (w->stream_count == 0) return;
    unsigned pass = atomic_load_explicit(&w->begun, memory_order_relaxed);
    w->pass_head[pass % PASS_FLAGS] = with_head;
    w->pass_ticket = w->next_pass_ticket;
    uint32_t used = with_head || w->head_stream_begin == UINT32_MAX ? w->stream_count : w->head_stream_begin;
    w->next_pass_ticket = w->pass_ticket + used;
    atomic_store_explicit(&w->begun, pass + 1, memory_order_release);
    wake_word(&w->begun);
}

bool weights_acquire(weights *w, const llm_tensor *t, uint32_t index, weights_piece *out) {
    const matrix *x = matrix_for(w, t);
    const piece *p = &w->pieces[x->first_piece + index];
    *out = (weights_piece){p->resident, p->first_panel, p->panels};
    if (p->resident) return true;
    uint64_t ticket = w->pass_ticket + p->stream_index;
    unsigned ready = atomic_load_explicit(&w->ready, memory_order_acquire);
    double since = 0;
    /* 32-bit counters wrap after four thousand million pieces; the difference stays right. */
    while ((int)(ready - (unsigned)ticket) <= 0) {
        if (since == 0) since = clock_seconds();
        wait_word(&w->ready, ready);
        ready = atomic_load_explicit(&w->ready, memory_order_acquire);
    }
    if (since > 0) atomic_fetch_add(&w->wait_ns, (uint64_t)((clock_seconds() - since) * 1e9));
    if (atomic_load(&w->failed) && (int)(ready - 0x40000000u - (unsigned)ticket) <= 0) return false;
    out->panels = w->slots[ticket % w->slot_count].data;
    return true;
}

void weights_release(weights *w, const llm_tensor *t, uint32_t index) {
    const piece *p = &w->pieces[matrix_for(w, t)->first_piece + index];
    if (p->resident) return;
    slot *s = &w->slots[(w->pass_ticket + p->stream_index) % w->slot_count];
    if (atomic_fetch_sub_explicit(&s->users_left, 1, memory_order_acq_rel) != 1) return;
    atomic_fetch_add_explicit(&w->freed, 1, memory_order_release);
    wake_word(&w->freed);
}

bool weights_error(weights *w, diag *d) {
    if (!atomic_load(&w->failed)) return false;
    str text = str_from(diag_text(w->loader_diag));
    diag_error(d, "%.*s", (int)(text.n > 8 ? text.n - 8 : 0), text.p + 7);
    return true;
}

const uint8_t *weights_resident_bytes(const weights *w, size_t *size) {
    *size = w->arena_pages_bytes;
    return w->arena_pages;
}

weights_stats weights_get_stats(const weights *w) {
    weights_stats s = {.resident_bytes = w->held_bytes,
                       .wait_seconds = 1e-9 * (double)w->wait_ns / pool_threads(w->threads)};
    for (uint32_t i = 0; i < w->piece_count; i++) {
        s.packed_bytes += w->pieces[i].bytes;
        if (!w->pieces[i].resident) s.streamed_bytes += w->pieces[i].bytes;
    }
    return s;
}
