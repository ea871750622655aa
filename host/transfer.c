/* Which element of the host's array belongs to which PE, and argument words of launches: pure arithmetic. */
#include "host/host.h"
#include "base/half.h"
#include "base/mem.h"

static uint32_t taken(uint32_t n, uint32_t stride) { return n ? 1 + (n - 1) / (stride ? stride : 1) : 0; }

uint32_t host_transfer_columns(const host_transfer *t) { return taken(t->width, t->row_stride); }
uint32_t host_transfer_rows(const host_transfer *t) { return taken(t->height, t->col_stride); }

uint64_t host_transfer_index(const host_transfer *t, uint32_t row, uint32_t column, uint32_t l) {
    uint64_t columns = host_transfer_columns(t), rows = host_transfer_rows(t);
    if (t->spread == HOST_ROW_BROADCAST) columns = 1, column = 0;
    if (t->spread == HOST_COL_BROADCAST) rows = 1, row = 0;
    if (t->order == HOST_COL_MAJOR) return row + column * rows + l * rows * columns;
    return (row * columns + column) * t->per_pe + l;
}

bool host_transfer_check(const host_transfer *t, uint32_t width, uint32_t height, uint64_t *containers, diag *d) {
    if (!t->width || !t->height || !t->per_pe)
        return diag_error(d, "transfer of %u x %u PEs with %u elements each moves nothing; give sizes from 1", t->width,
                          t->height, t->per_pe);
    if (t->x >= width || t->y >= height || t->width > width - t->x || t->height > height - t->y)
        return diag_error(d,
                          "region at (%u, %u) of %u x %u PEs is not inside the program's rectangle of %u x %u; "
                          "correct px, py, w or h",
                          t->x, t->y, t->width, t->height, width, height);
    if (t->per_pe > (1u << 30))
        return diag_error(d, "%u elements per PE are more than a transfer carries; split it", t->per_pe);
    uint64_t rows = t->spread == HOST_COL_BROADCAST ? 1 : host_transfer_rows(t),
             columns = t->spread == HOST_ROW_BROADCAST ? 1 : host_transfer_columns(t);
    size_t n; /* rows and columns are at most 32 bits each */
    if (!mem_mul(rows * columns, t->per_pe, &n) || n > SIZE_MAX / 8)
        return diag_error(d, "transfer of %u x %u PEs with %u elements each is too large; split it", t->width,
                          t->height, t->per_pe);
    *containers = n;
    return true;
}

/* ---- arguments ---- */

static const char *const scalar_letters[] = {"void", "bool", "i", "u", "f", "?"};

static void type_name(char out[16], uint8_t scalar, uint8_t bits) {
    const char *letter = scalar_letters[scalar <= ISA_T_OTHER ? scalar : ISA_T_OTHER];
    bool sized = scalar == ISA_T_INT || scalar == ISA_T_UINT || scalar == ISA_T_FLOAT;
    snprintf(out, 16, sized ? "%s%u" : "%s", letter, bits);
}

static uint8_t arg_scalar(const host_arg *a) {
    switch (a->kind) {
    case HOST_ARG_BOOL: return ISA_T_BOOL;
    case HOST_ARG_INT: return ISA_T_INT;
    case HOST_ARG_UINT: return ISA_T_UINT;
    case HOST_ARG_FLOAT: return ISA_T_FLOAT;
    default: return ISA_T_OTHER;
    }
}

static uint32_t real_bits(double v, uint8_t bits, isa_fp16 fp16) {
    if (bits == 32) return f32_bits((float)v);
    return fp16 == ISA_BF16 ? bf16_from_f32((float)v) : f16_from_f32((float)v);
}

static bool whole_fits(int64_t v, uint8_t scalar, uint8_t bits) {
    if (scalar == ISA_T_BOOL) return v == 0 || v == 1;
    if (scalar == ISA_T_INT) return v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1);
    return v >= 0 && v < (int64_t)1 << bits;
}

/* The bits of one argument for a parameter of `scalar`, `bits`. */
static bool arg_bits(const isa_export *e, uint32_t i, isa_fp16 fp16, const host_arg *a, uint32_t *out, diag *d) {
    uint8_t scalar = e->param_scalar[i], bits = e->param_bits[i];
    char want[16], have[16];
    type_name(want, scalar, bits);
    if (a->kind == HOST_ARG_WORD) return *out = (uint32_t)a->whole, true;
    bool is_float = scalar == ISA_T_FLOAT;
    if ((a->kind == HOST_ARG_REAL || a->kind == HOST_ARG_WHOLE) && is_float)
        return *out = real_bits(a->kind == HOST_ARG_REAL ? a->real : (double)a->whole, bits, fp16), true;
    if (a->kind == HOST_ARG_REAL)
        return diag_error(d, "%s: argument %u is a real number, the parameter is %s; pass a whole number", e->name,
                          i + 1, want);
    if (a->kind == HOST_ARG_WHOLE) {
        if (!whole_fits(a->whole, scalar, bits))
            return diag_error(d, "%s: argument %u is %lld, which does not fit the parameter's type %s", e->name, i + 1,
                              (long long)a->whole, want);
        return *out = (uint32_t)a->whole, true;
    }
    type_name(have, arg_scalar(a), a->bits);
    if (arg_scalar(a) != scalar || (scalar != ISA_T_BOOL && a->bits != bits))
        return diag_error(
            d,
            "%s: argument %u is %s, the exported function takes %s; convert it, for example with the NumPy "
            "type of that name",
            e->name, i + 1, have, want);
    return *out = (uint32_t)a->whole, true;
}

bool host_args_pack(const isa_export *e, isa_fp16 fp16, const host_arg *args, uint32_t count, uint16_t *words,
                    uint32_t *used, diag *d) {
    *used = 0;
    if (count != e->params)
        return diag_error(d, "%s takes %u argument%s, %u given", e->name, e->params, e->params == 1 ? "" : "s", count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        if (e->param_bits[i] > 32 || *used + 2 > 32)
            return diag_error(
                d, "%s: parameter %u cannot be passed from the host; use at most 16 parameters of up to 32 bits",
                e->name, i + 1);
        if (!arg_bits(e, i, fp16, &args[i], &bits, d)) return false;
        words[(*used)++] = (uint16_t)bits;
        if (e->param_bits[i] == 32) words[(*used)++] = (uint16_t)(bits >> 16);
    }
    return true;
}
