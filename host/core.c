/* Core files: the memory of every PE at one cycle, in our own format, little-endian:
 *     "INGOTCOR" u32 version, u32 width, u32 height, u64 cycle, then per PE: u32 words, that many u16
 * Words after the last one that is not zero are left out. */
#include "host/runtime.h"
#include "base/file.h"
#include "base/mem.h"

enum { VERSION = 1, HEADER = 28, MAX_PES = 1 << 22 };

static void put(FILE *f, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) putc((int)(v >> 8 * i & 255), f);
}

static uint64_t get(const char *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return v;
}

void host_core_free(host_core *c) {
    mem_free(c->memory);
    *c = (host_core){0};
}

static bool parse_pe(uint16_t *memory, str bytes, size_t *at) {
    if (bytes.n - *at < 4) return false;
    uint32_t words = (uint32_t)get(bytes.p + *at, 4);
    *at += 4;
    if (words > ISA_SRAM_WORDS || bytes.n - *at < 2 * (size_t)words) return false;
    for (uint32_t i = 0; i < words; i++) memory[i] = (uint16_t)get(bytes.p + *at + 2 * i, 2);
    *at += 2 * (size_t)words;
    return true;
}

bool host_core_parse(host_core *c, str bytes, const char *name, diag *d) {
    *c = (host_core){0};
    if (bytes.n < HEADER || memcmp(bytes.p, "INGOTCOR", 8))
        return diag_error(d, "%s: not a core file of Ingot; dump it again", name);
    if (get(bytes.p + 8, 4) != VERSION) return diag_error(d, "%s: a core file of another version; dump it again", name);
    c->width = (uint32_t)get(bytes.p + 12, 4);
    c->height = (uint32_t)get(bytes.p + 16, 4);
    c->cycle = get(bytes.p + 20, 8);
    uint64_t pes = (uint64_t)c->width * c->height; /* each PE takes at least its length of 4 bytes */
    if (!pes || pes > MAX_PES || pes > (bytes.n - HEADER) / 4)
        return diag_error(d, "%s: %u x %u PEs do not fit its %zu bytes; dump it again", name, c->width, c->height,
                          bytes.n);
    c->memory = mem_alloc_n(pes, sizeof *c->memory * ISA_SRAM_WORDS);
    if (!c->memory) return diag_oom(d, name);
    size_t at = HEADER;
    for (uint64_t pe = 0; pe < pes; pe++)
        if (!parse_pe(c->memory + pe * ISA_SRAM_WORDS, bytes, &at)) {
            host_core_free(c);
            return diag_error(d, "%s: cut short or damaged at PE %llu; dump it again", name, (unsigned long long)pe);
        }
    return true;
}

bool host_core_read(host_core *c, const char *path, diag *d) {
    *c = (host_core){0};
    arena *a = arena_new(0);
    if (!a) return diag_oom(d, path);
    str bytes;
    bool ok = file_read_all(a, path, (size_t)MAX_PES * (4 + 2 * ISA_SRAM_WORDS), &bytes, d) &&
              host_core_parse(c, bytes, path, d);
    arena_free(a);
    return ok;
}

bool host_core_write(host *h, const char *path, diag *d) {
    const host_device *dev = &h->device;
    uint32_t width = h->image->width, height = h->image->height;
    file_writer w;
    if (!file_writer_open(&w, path, d)) return false;
    fwrite("INGOTCOR", 1, 8, w.out);
    put(w.out, VERSION, 4);
    put(w.out, width, 4);
    put(w.out, height, 4);
    put(w.out, dev->cycle(dev->machine), 8);
    for (uint32_t pe = 0; pe < width * height; pe++) {
        const uint16_t *words = dev->memory(dev->machine, pe);
        uint32_t n = ISA_SRAM_WORDS;
        while (n && !words[n - 1]) n--;
        put(w.out, n, 4);
        for (uint32_t i = 0; i < n; i++) put(w.out, words[i], 2);
    }
    return file_writer_commit(&w, d);
}
