/* wse_checkpoint and wse_restore: header, memory of the PEs, cores, fabric.
 *
 * The wheels of the clock are not written: after a restore every core and every router that holds something is visited
 * once, which changes nothing, and finds out itself when it wants to be visited again. Left out: host streams under way
 * (finish them first), lines that PRINT has begun, the recorder. */
#include "wse/checkpoint.h"
#include "wse/fabric_internal.h"
#include <xxhash.h>

enum { BLOCK = 4096, VERSION = 2 };
#define MAGIC 0x54504b4354474e49ull /* "INGTCKPT" */
#define END   UINT32_MAX

typedef struct {
    uint64_t magic, image, wafer, cycle, bytes, sum; /* bytes that follow, their XXH3-64 seeded with the cycle */
    uint32_t version, arch, width, height;
} header;

/* ---- arrays ---- */

static bool zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

void ckpt_add(strbuf *out, const void *p, size_t bytes) { strbuf_add(out, p, bytes); }

bool ckpt_take(ckpt_reader *r, void *p, size_t bytes) {
    if (r->bad || bytes > r->n - r->at) r->bad = true;
    if (r->bad) return diag_error(r->d, "checkpoint: the file ends too early or is of another program");
    memcpy(p, r->p + r->at, bytes);
    r->at += bytes;
    return true;
}

void ckpt_put(strbuf *out, const void *array, size_t bytes) {
    uint64_t size = bytes;
    const char *p = array;
    uint32_t end = END;
    ckpt_add(out, &size, sizeof size);
    for (size_t at = 0; at < bytes; at += BLOCK) {
        size_t n = bytes - at < BLOCK ? bytes - at : BLOCK;
        uint32_t index = (uint32_t)(at / BLOCK);
        if (zero(p + at, n)) continue;
        ckpt_add(out, &index, sizeof index);
        ckpt_add(out, p + at, n);
    }
    ckpt_add(out, &end, sizeof end);
}

bool ckpt_get(ckpt_reader *r, void *array, size_t bytes) {
    uint64_t size, next = 0;
    uint32_t index;
    if (!ckpt_take(r, &size, sizeof size)) return false;
    if (size != bytes) return diag_error(r->d, "checkpoint: it is of another program or of another wafer");
    while (ckpt_take(r, &index, sizeof index)) {
        if (index == END) return true;
        uint64_t at = (uint64_t)index * BLOCK;
        if (index < next || at >= bytes) return diag_error(r->d, "checkpoint: blocks are out of order");
        if (!ckpt_take(r, (char *)array + at, bytes - at < BLOCK ? bytes - at : BLOCK)) return false;
        next = (uint64_t)index + 1;
    }
    return false;
}

/* ---- memory ---- */

static void memory_save(const wse *m, strbuf *out) {
    uint32_t end = END;
    memory_walk w;
    memory_walk_begin(&w);
    for (uint32_t pe = 0; pe < m->pes; pe++)
        for (uint32_t k = 0; k < MEMORY_BLOCKS; k++) {
            uint32_t index = pe * MEMORY_BLOCKS + k;
            if (!memory_block_used(m, &w, pe, k)) continue;
            ckpt_add(out, &index, sizeof index);
            ckpt_add(out, wse_words(m, pe) + k * MEMORY_BLOCK_WORDS, MEMORY_BLOCK_WORDS * sizeof(uint16_t));
        }
    memory_walk_end(&w);
    ckpt_add(out, &end, sizeof end);
}

/* Initial data of the image are there already: they go first. */
static bool memory_load(wse *m, ckpt_reader *r) {
    uint32_t index;
    for (uint32_t pe = 0; pe < m->pes; pe++)
        memset(wse_words(m, pe), 0, wse_program(m, pe)->data_words * sizeof(uint16_t));
    while (ckpt_take(r, &index, sizeof index)) {
        if (index == END) return true;
        uint32_t pe = index / MEMORY_BLOCKS, at = index % MEMORY_BLOCKS * MEMORY_BLOCK_WORDS;
        if (pe >= m->pes) return diag_error(r->d, "checkpoint: it holds more PEs than the program has");
        if (!ckpt_take(r, wse_words(m, pe) + at, MEMORY_BLOCK_WORDS * sizeof(uint16_t))) return false;
    }
    return false;
}

/* ---- the whole ---- */

static bool image_sum(const isa_image *image, uint64_t *sum, diag *d) {
    strbuf bytes = {0};
    bool ok = isa_image_encode(image, &bytes, d);
    *sum = ok ? XXH3_64bits(bytes.data, bytes.len) : 0;
    strbuf_free(&bytes);
    return ok;
}

static bool header_of(const isa_wafer *w, const isa_image *image, header *h, diag *d) {
    *h = (header){
        .magic = MAGIC, .version = VERSION, .arch = image->arch, .width = image->width, .height = image->height};
    h->wafer = XXH3_64bits_withSeed(w->name, strlen(w->name), XXH3_64bits(w->profile, strlen(w->profile)));
    return image_sum(image, &h->image, d);
}

bool wse_checkpoint(const wse *m, strbuf *out, diag *d) {
    header h;
    if (m->fault[0]) return diag_error(d, "checkpoint: the machine has stopped at a fault: %s", m->fault);
    if (wse_streams_open(m))
        return diag_error(d, "checkpoint: host streams are under way: wait until they are complete");
    if (!header_of(m->wafer, m->image, &h, d)) return false;
    size_t at = out->len;
    h.cycle = m->cycle;
    ckpt_add(out, &h, sizeof h);
    memory_save(m, out);
    cores_save(m, out);
    fabric_save(m, out);
    if (out->oom) return diag_oom(d, "checkpoint");
    h.bytes = out->len - at - sizeof h;
    h.sum = XXH3_64bits_withSeed(out->data + at + sizeof h, h.bytes, h.cycle);
    memcpy(out->data + at, &h, sizeof h);
    return true;
}

static bool header_fits(const header *h, const header *mine, str bytes, diag *d) {
    if (h->magic != MAGIC) return diag_error(d, "checkpoint: this is not a checkpoint");
    if (h->version != VERSION)
        return diag_error(d, "checkpoint: format %u, this program reads %u: run from the start", h->version, VERSION);
    if (h->image != mine->image || h->wafer != mine->wafer || h->arch != mine->arch || h->width != mine->width ||
        h->height != mine->height)
        return diag_error(d, "checkpoint: it is of another program or another wafer");
    if (h->bytes != bytes.n - sizeof *h ||
        h->sum != XXH3_64bits_withSeed(bytes.p + sizeof *h, bytes.n - sizeof *h, h->cycle))
        return diag_error(d, "checkpoint: the bytes are damaged or some are missing");
    return h->cycle < UINT64_MAX / 4 || diag_error(d, "checkpoint: its cycle is out of range");
}

wse *wse_restore(const isa_wafer *w, const isa_image *image, const wse_options *o, str bytes, diag *d) {
    header h, mine;
    if (bytes.n < sizeof h) {
        diag_error(d, "checkpoint: the file is too short");
        return NULL;
    }
    memcpy(&h, bytes.p, sizeof h);
    if (!header_of(w, image, &mine, d) || !header_fits(&h, &mine, bytes, d)) return NULL;
    wse *m = wse_new(w, image, o, d);
    if (!m) return NULL;
    m->cycle = h.cycle;
    clock_start_at(m);
    ckpt_reader r = {.p = bytes.p, .n = bytes.n, .at = sizeof h, .d = d};
    if (memory_load(m, &r) && cores_load(m, &r) && fabric_load(m, &r) && r.at == r.n) return m;
    if (!diag_error_count(d)) diag_error(d, "checkpoint: bytes are left over at its end");
    wse_free(m);
    return NULL;
}
