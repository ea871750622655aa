/* Buffers of the <debug> library: [words used, then entries of a tag and its payload]. The words come from a program's
 * memory, so nothing about them is believed. */
#include "host/host.h"
#include "base/half.h"

/* Payload words by tag; a string has its length first. */
static const uint8_t payload_words[] = {
    [HOST_TRACE_BOOL] = 1, [HOST_TRACE_U8] = 1,     [HOST_TRACE_I8] = 1,        [HOST_TRACE_U16] = 1,
    [HOST_TRACE_I16] = 1,  [HOST_TRACE_F16] = 1,    [HOST_TRACE_U32] = 2,       [HOST_TRACE_I32] = 2,
    [HOST_TRACE_F32] = 2,  [HOST_TRACE_STRING] = 1, [HOST_TRACE_TIMESTAMP] = 3,
};

static bool take_string(host_trace_entry *e, const uint16_t *p, uint32_t left, uint32_t *words, arena *a, diag *d) {
    uint32_t bytes = p[0], n = (bytes + 1) / 2;
    if (n > left - 1)
        return diag_error(d, "a string of %u bytes does not fit into the trace buffer; it was overwritten", bytes);
    char *text = arena_alloc(a, (size_t)bytes + 1);
    if (!text) return diag_oom(d, "trace");
    for (uint32_t i = 0; i < bytes; i++) text[i] = (char)(p[1 + i / 2] >> (i & 1 ? 8 : 0));
    e->text = text;
    e->whole = bytes;
    *words = 1 + n;
    return true;
}

static void take_number(host_trace_entry *e, const uint16_t *p) {
    uint32_t word = payload_words[e->tag] == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
    switch (e->tag) {
    case HOST_TRACE_BOOL: e->whole = word != 0; break;
    case HOST_TRACE_U8: e->whole = (uint8_t)word; break;
    case HOST_TRACE_I8: e->whole = (int8_t)word; break;
    case HOST_TRACE_I16: e->whole = (int16_t)word; break;
    case HOST_TRACE_I32: e->whole = (int32_t)word; break;
    case HOST_TRACE_F16: e->real = f32_from_f16((uint16_t)word); break;
    case HOST_TRACE_F32: e->real = f32_from_bits(word); break;
    case HOST_TRACE_TIMESTAMP: e->whole = (int64_t)(p[0] | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 32); break;
    default: e->whole = word;
    }
}

static bool take_entry(host_trace_entry *e, const uint16_t *p, uint32_t left, uint32_t *words, arena *a, diag *d) {
    e->tag = p[0] <= HOST_TRACE_TIMESTAMP ? (uint8_t)p[0] : 0;
    if (!e->tag)
        return diag_error(d, "entry kind %u is none that <debug> writes; the trace buffer was overwritten", p[0]);
    if (payload_words[e->tag] > left - 1)
        return diag_error(d, "the last entry of the trace buffer is cut short; it was overwritten");
    if (e->tag == HOST_TRACE_STRING) {
        if (!take_string(e, p + 1, left - 1, words, a, d)) return false;
    } else {
        take_number(e, p + 1);
        *words = payload_words[e->tag];
    }
    ++*words;
    return true;
}

bool host_trace_decode(const uint16_t *buffer, uint32_t words, arena *a, host_trace_entry **entries, uint32_t *count,
                       diag *d) {
    *count = 0;
    *entries = NULL;
    if (!words) return true;
    uint32_t used = buffer[0];
    if (used > words - 1)
        return diag_error(d, "the trace buffer says that %u of its %u words are used; it was overwritten", used,
                          words - 1);
    host_trace_entry *list = arena_push_n(a, host_trace_entry, used + 1); /* an entry takes two words or more */
    if (!list) return diag_oom(d, "trace");
    uint32_t n = 0;
    for (uint32_t at = 0, step = 0; at < used; at += step, n++)
        if (!take_entry(&list[n], buffer + 1 + at, used - at, &step, a, d)) return false;
    *entries = list;
    *count = n;
    return true;
}
