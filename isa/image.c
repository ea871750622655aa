/* Images: life, file, header. The checksum finds damage, not malice: what it lets through is still proved in full. */
#include "isa/image_io.h"
#include "base/file.h"
#include "base/units.h"
#include <xxhash.h>

static const char magic[8] = "INGOTIMG";
#define FILE_BYTES_MAX (1 * GIB)

isa_image *isa_image_new(diag *d) {
    arena *a = arena_new(0);
    isa_image *m = a ? arena_push(a, isa_image) : NULL;
    if (m) m->memory = a;
    else {
        arena_free(a);
        diag_oom(d, "an image");
    }
    return m;
}

void isa_image_free(isa_image *m) {
    if (m) arena_free(m->memory);
}

bool isa_program_init(isa_program *p, const char *name, arena *a) {
    *p = (isa_program){.name = arena_strdup(a, name), .shape_count = ISA_FIFO + 1, .settings_count = 1};
    p->shapes = arena_push_n(a, isa_shape, p->shape_count);
    p->settings = arena_push(a, isa_settings);
    if (!p->name || !p->shapes || !p->settings) return false;
    for (int i = 0; i <= ISA_FIFO; i++) p->shapes[i].kind = (uint8_t)i;
    p->settings[0] = (isa_settings){.activate = -1,
                                    .unblock = -1,
                                    .unblock_queue = -1,
                                    .control_activate = -1,
                                    .control_unblock = -1,
                                    .ut = -1,
                                    .priority = -1};
    p->stack_top_word = ISA_SRAM_WORDS;
    memset(p->queues.in_color, -1, sizeof p->queues.in_color);
    memset(p->queues.out_color, -1, sizeof p->queues.out_color);
    memset(p->queues.color_queue, -1, sizeof p->queues.color_queue);
    memset(p->teardown_entry, 0xff, sizeof p->teardown_entry);
    memset(p->flush_entry, 0xff, sizeof p->flush_entry);
    return true;
}

/* ---- header ---- */

static void put(char *at, uint64_t v, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) at[i] = (char)(v >> 8 * i);
}

static uint64_t get(const char *at, uint32_t bytes) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < bytes; i++) v |= (uint64_t)(unsigned char)at[i] << 8 * i;
    return v;
}

void image_seal(char *bytes, size_t n) {
    size_t body = n - ISA_IMAGE_HEADER_BYTES;
    memcpy(bytes, magic, sizeof magic);
    put(bytes + 8, ISA_IMAGE_VERSION, 4);
    put(bytes + 12, 0, 4);
    put(bytes + 16, body, 8);
    put(bytes + 24, XXH3_64bits(bytes + ISA_IMAGE_HEADER_BYTES, body), 8);
}

static bool header_ok(str s, const char *name, diag *d) {
    if (s.n < ISA_IMAGE_HEADER_BYTES || memcmp(s.p, magic, sizeof magic))
        return diag_error(d, "%s: this is not an image of Ingot; give one that the compiler wrote", name);
    if (get(s.p + 8, 4) != ISA_IMAGE_VERSION)
        return diag_error(d, "%s: an image of version %llu, this program reads version %d; compile the program again",
                          name, (unsigned long long)get(s.p + 8, 4), ISA_IMAGE_VERSION);
    size_t body = s.n - ISA_IMAGE_HEADER_BYTES;
    if (get(s.p + 12, 4) || get(s.p + 16, 8) != body ||
        get(s.p + 24, 8) != XXH3_64bits(s.p + ISA_IMAGE_HEADER_BYTES, body))
        return diag_error(d, "%s: the image is damaged (length or checksum); copy it or compile the program again",
                          name);
    return true;
}

/* ---- files ---- */

bool isa_image_encode(const isa_image *m, strbuf *out, diag *d) {
    if (!isa_image_check(m, d)) return false;
    strbuf_clear(out);
    image_save(m, out);
    if (out->oom) return diag_oom(d, "the bytes of an image");
    image_seal(out->data, out->len);
    return true;
}

bool isa_image_write(const isa_image *m, const char *path, diag *d) {
    strbuf bytes = {0};
    bool ok = isa_image_encode(m, &bytes, d) && file_write_all(path, strbuf_str(&bytes), d);
    strbuf_free(&bytes);
    return ok;
}

isa_image *isa_image_parse(str bytes, const char *name, diag *d) {
    if (!header_ok(bytes, name, d)) return NULL;
    isa_image *m = isa_image_new(d);
    str body = {bytes.p + ISA_IMAGE_HEADER_BYTES, bytes.n - ISA_IMAGE_HEADER_BYTES};
    if (!m) return NULL;
    if (image_load(m, body, name, d)) {
        if (isa_image_check(m, d)) return m;
        diag_error(d, "%s: refused for this reason", name);
    }
    isa_image_free(m);
    return NULL;
}

isa_image *isa_image_read(const char *path, diag *d) {
    str bytes;
    arena *a = arena_new(0);
    if (!a) diag_oom(d, path);
    isa_image *m = a && file_read_all(a, path, FILE_BYTES_MAX, &bytes, d) ? isa_image_parse(bytes, path, d) : NULL;
    arena_free(a);
    return m;
}
