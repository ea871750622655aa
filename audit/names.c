/* See names.h: tables of words, and the way to the base identifier. */
#include "audit/names.h"
#include <ctype.h>
#include <strings.h>

/* ---- the base identifier ---- */

static bool ident(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Behind a bracket's end; brackets of other kinds inside are passed over. At the text's end when it is never closed. */
static size_t closed(str s, size_t i) {
    char open = s.p[i], close = open == '<' ? '>' : open == '(' ? ')' : '}';
    int depth = 0;
    for (; i < s.n; i++) {
        if (open == '<' && s.p[i] == '(') {
            i = closed((str){s.p, s.n}, i) -
                1; /* a '>' in parentheses is a comparison; one level only: depth is counted below */
            continue;
        }
        if (s.p[i] == open) depth++;
        if (s.p[i] == close && --depth == 0) return i + 1;
    }
    return s.n;
}

static str mangled_base(str s) {
    str last = s;
    size_t i = 3;
    while (i < s.n && isdigit((unsigned char)s.p[i])) {
        size_t n = 0;
        while (i < s.n && isdigit((unsigned char)s.p[i]) && n < s.n) n = n * 10 + (size_t)(s.p[i++] - '0');
        if (n > s.n - i) break;
        last = (str){s.p + i, n};
        i += n;
    }
    return last;
}

str names_base(str s) {
    str base = s;
    size_t start = 0, i = 0;
    if (str_starts(s, STR("_ZN"))) return mangled_base(s);
    while (i < s.n) {
        char c = s.p[i];
        if (c == '(' && str_starts((str){s.p + i, s.n - i}, STR("(anonymous namespace)"))) {
            start = i += 21;
        } else if (c == '<' || c == '(' || c == '{') {
            if (i > start) base = (str){s.p + start, i - start};
            if (c == '(' && i > start) return base; /* parameters: the name is complete */
            start = i = closed(s, i);
        } else if (ident(c)) i++;
        else {
            if (i > start && c != ':' && c != ' ') base = (str){s.p + start, i - start};
            start = ++i;
        }
    }
    return i > start && ident(s.p[i - 1]) ? (str){s.p + start, i - start} : base;
}

/* ---- words ---- */

typedef struct {
    const char *word;
    name_kind is;
} word_row;

static const word_row comm_words[] = {
    {"nccl", NAME_COMM},           {"rccl", NAME_COMM},
    {"nvshmem", NAME_COMM},        {"cross_device_reduce", NAME_COMM},
    {"all_reduce", NAME_COMM},     {"allreduce", NAME_COMM},
    {"all_gather", NAME_COMM},     {"allgather", NAME_COMM},
    {"reduce_scatter", NAME_COMM}, {"reducescatter", NAME_COMM},
    {"all_to_all", NAME_COMM},     {"alltoall", NAME_COMM},
    {"all_toall", NAME_COMM},      {"allto_all", NAME_COMM},
    {"quick_reduce", NAME_COMM},   {"quickreduce", NAME_COMM},
};

/* The first that occurs decides: what only looks like the next rows comes before them. */
static const word_row kernel_words[] = {
    {"subtensorop", NAME_STREAM},
    {"igemm_", NAME_CONV},
    {"sage_", NAME_ATTENTION},
    {"reshape_and_cache", NAME_STREAM},
    {"finalize", NAME_STREAM},
    {"convert", NAME_STREAM},
    {"routing", NAME_STREAM},
    {"reduce_segments", NAME_STREAM},
    {"dequantize", NAME_STREAM},
    {"quantize_", NAME_STREAM},
    {"layernorm", NAME_STREAM},
    {"flash", NAME_ATTENTION},
    {"fmha", NAME_ATTENTION},
    {"attention", NAME_ATTENTION},
    {"attn", NAME_ATTENTION},
    {"mla_", NAME_ATTENTION},
    {"_mla", NAME_ATTENTION},
    {"gemm", NAME_GEMM},
    {"gemv", NAME_GEMM},
    {"cijk_", NAME_GEMM},
    {"nvjet", NAME_GEMM},
    {"matmul", NAME_GEMM},
    {"splitk", NAME_GEMM},
    {"bmm_", NAME_GEMM},
    {"wvsplitk", NAME_GEMM},
    {"fused_moe", NAME_GEMM},
    {"moe_mlp", NAME_GEMM},
    {"triton_tem", NAME_GEMM},
    {"_mm_", NAME_GEMM},
    {"implicit_gemm", NAME_CONV},
    {"fprop", NAME_CONV},
    {"dgrad", NAME_CONV},
    {"wgrad", NAME_CONV},
    {"winograd", NAME_CONV},
    {"conv", NAME_CONV},
    {"xmma", NAME_GEMM},
    {"norm", NAME_STREAM},
    {"bn_fw", NAME_STREAM},
    {"bn_bw", NAME_STREAM},
    {"softmax", NAME_STREAM},
    {"reduce", NAME_STREAM},
    {"topk", NAME_STREAM},
    {"sort", NAME_STREAM},
    {"scan", NAME_STREAM},
    {"elementwise", NAME_STREAM},
    {"triton_poi", NAME_STREAM},
    {"triton_red", NAME_STREAM},
    {"triton_per", NAME_STREAM},
    {"silu", NAME_STREAM},
    {"gelu", NAME_STREAM},
    {"relu", NAME_STREAM},
    {"rope", NAME_STREAM},
    {"rotary", NAME_STREAM},
    {"quant", NAME_STREAM},
    {"copy", NAME_STREAM},
    {"cat", NAME_STREAM},
    {"transpose", NAME_STREAM},
    {"permute", NAME_STREAM},
    {"nchw", NAME_STREAM},
    {"nhwc", NAME_STREAM},
    {"embedding", NAME_STREAM},
    {"gather", NAME_STREAM},
    {"scatter", NAME_STREAM},
    {"index", NAME_STREAM},
    {"multi_tensor_apply", NAME_STREAM},
    {"adam", NAME_STREAM},
    {"fill", NAME_STREAM},
    {"memset", NAME_STREAM},
    {"dropout", NAME_STREAM},
    {"histogram", NAME_STREAM},
    {"act_and_mul", NAME_STREAM},
    {"pool", NAME_STREAM},
    {"loss", NAME_STREAM},
    {"sum", NAME_STREAM},
    {"lengths", NAME_STREAM},
    {"float_cuda_kernel", NAME_STREAM},
    {"bounds_check", NAME_STREAM},
    {"upsample", NAME_STREAM},
};

static bool has_word(str s, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++)
        if ((s.p[i] | 32) == (*word | 32) && !strncasecmp(s.p + i, word, n)) return true;
    return false;
}

static name_kind look_up(str s, const word_row *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (has_word(s, rows[i].word)) return rows[i].is;
    return NAME_OTHER;
}
#define LOOK_UP(s, rows) look_up(s, rows, sizeof rows / sizeof *rows)

bool names_is_comm(str kernel) { return LOOK_UP(names_base(kernel), comm_words) == NAME_COMM; }

/* Identifiers behind the base, in order: the arguments of a template that is a mere wrapper. */
static name_kind from_arguments(str kernel, str base) {
    enum { ASKED = 6 };
    size_t i = (size_t)(base.p - kernel.p) + base.n;
    for (int asked = 0; asked < ASKED && i < kernel.n; asked++) {
        while (i < kernel.n && !isalpha((unsigned char)kernel.p[i]) && kernel.p[i] != '_') i++;
        size_t from = i;
        while (i < kernel.n && ident(kernel.p[i])) i++;
        name_kind k = LOOK_UP(((str){kernel.p + from, i - from}), kernel_words);
        if (k) return k;
    }
    return NAME_OTHER;
}

name_kind names_kind(str kernel) {
    str base = names_base(kernel);
    if (LOOK_UP(base, comm_words)) return NAME_COMM;
    name_kind k = LOOK_UP(base, kernel_words);
    return k ? k : from_arguments(kernel, base);
}

const char *names_kind_text(name_kind k) {
    static const char *const texts[NAME_KINDS] = {"other",          "collective",  "attention",
                                                  "matrix product", "convolution", "streaming"};
    return k < NAME_KINDS ? texts[k] : "other";
}

/* ---- copies, types ---- */

static const char *const directions[COPY_DIRECTIONS] = {"other", "HtoD", "DtoH", "DtoD", "PtoP", "HtoH", "unified"};
const char *names_direction_text(copy_direction d) { return d < COPY_DIRECTIONS ? directions[d] : directions[0]; }

copy_direction names_direction(str name) {
    static const struct {
        const char *word;
        copy_direction is;
    } words[] = {{"HtoD", COPY_HTOD},         {"DtoH", COPY_DTOH},           {"DtoD", COPY_DTOD},
                 {"PtoP", COPY_PTOP},         {"HtoH", COPY_HTOH},           {"HostToDevice", COPY_HTOD},
                 {"DeviceToHost", COPY_DTOH}, {"DeviceToDevice", COPY_DTOD}, {"PeerToPeer", COPY_PTOP},
                 {"Unified", COPY_UNIFIED},   {"dma_h2d", COPY_HTOD},        {"dma_d2h", COPY_DTOH}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_contains(name, str_from(words[i].word))) return words[i].is;
    return COPY_OTHER;
}

unsigned names_dtype_bytes(str t) {
    static const struct {
        const char *name;
        unsigned bytes;
    } types[] = {{"float", 4},    {"double", 8},         {"Half", 2},
                 {"BFloat16", 2}, {"long int", 8},       {"long", 8},
                 {"int", 4},      {"short", 2},          {"short int", 2},
                 {"bool", 1},     {"unsigned char", 1},  {"signed char", 1},
                 {"Float", 4},    {"Double", 8},         {"Int", 4},
                 {"Long", 8},     {"Byte", 1},           {"Char", 1},
                 {"Bool", 1},     {"complex<float>", 8}, {"complex<double>", 16},
                 {"Float16", 2},  {"Float32", 4}};
    if (str_starts(t, STR("c10::"))) t.p += 5, t.n -= 5;
    if (str_starts(t, STR("Float8"))) return 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(t, types[i].name)) return types[i].bytes;
    return 0;
}
