/* ingot-mkmodel: writes an untrained model with seeded weights (llm/synth.h). */
#include "llm/synth.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum {
    OPT_U32,
    OPT_SHAPE,
    OPT_HEAD,
    OPT_YES,
    OPT_NO,
    OPT_TYPE,
    OPT_ROPE,
    OPT_TEXT,
    OPT_PRESET,
    OPT_OUT,
    OPT_THREADS,
} option_kind;

#define U32(name, field, help)                                                                                         \
    { name, OPT_U32, offsetof(synth_options, field), help }

static const struct {
    const char *name;
    option_kind kind;
    size_t at; /* the field of synth_options */
    const char *help;
} options[] = {
    {"-o", OPT_OUT, 0, "FILE  the file to write (required)"},
    {"--arch", OPT_PRESET, 0, "NAME  llama, qwen2, qwen3, gemma3 or gpt2, small; the options after it change sizes"},
    {"--preset", OPT_PRESET, 0, "NAME  a particular model: tiny (the one in data/models), 1b1 (1.1 billion weights)"},
    U32("--layers", layers, "N"),
    {"--width", OPT_SHAPE, offsetof(synth_options, width), "N"},
    {"--heads", OPT_SHAPE, offsetof(synth_options, heads), "N"},
    U32("--kv-heads", kv_heads, "N"),
    {"--head-size", OPT_HEAD, 0, "N  width / heads when only these are given"},
    U32("--mlp", mlp_width, "N"),
    U32("--vocab", vocab, "N"),
    U32("--context", context, "N  tokens"),
    U32("--window", window, "N  tokens that a windowed layer sees"),
    {"--type", OPT_TYPE, 0, "NAME  of all matrices: F32, F16 (default), BF16, Q8_0, Q4_0, Q4_K..."},
    {"--rope-scaling", OPT_ROPE, 0, "KIND  none, linear, llama3 or yarn"},
    {"--tied", OPT_YES, offsetof(synth_options, tied), "the output matrix is the embedding"},
    {"--untied", OPT_NO, offsetof(synth_options, tied), "it is a matrix of its own"},
    {"--spm", OPT_YES, offsetof(synth_options, spm), "SentencePiece-style vocabulary in place of byte-level BPE"},
    U32("--seed", seed, "N"),
    {"--name", OPT_TEXT, offsetof(synth_options, name), "TEXT  the model's name"},
    {"--threads", OPT_THREADS, 0, "N  default: all CPUs"},
};
enum { OPTIONS = sizeof options / sizeof *options };

static const char *const rope_kinds[] = {
    [SYNTH_ROPE_PLAIN] = "none",
    [SYNTH_ROPE_LINEAR] = "linear",
    [SYNTH_ROPE_LLAMA3] = "llama3",
    [SYNTH_ROPE_YARN] = "yarn",
};

typedef struct {
    synth_options o;
    const char *out;
    uint32_t threads, head_size; /* head_size: 0 = not given */
    bool reshaped;               /* --width or --heads was given: the preset's head size no longer holds */
} command;

static int usage(FILE *to) {
    fputs("usage: ingot-mkmodel [options] -o FILE\nWrites an untrained model with seeded weights.\n", to);
    for (size_t i = 0; i < OPTIONS; i++) fprintf(to, "  %-15s %s\n", options[i].name, options[i].help);
    return to == stderr ? 2 : 0;
}

static bool parse_u32(const char *text, uint32_t *out) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || v > UINT32_MAX) return false;
    *out = (uint32_t)v;
    return true;
}

static bool parse_rope(const char *text, synth_rope *out) {
    for (size_t i = 0; i < sizeof rope_kinds / sizeof *rope_kinds; i++) {
        if (strcmp(text, rope_kinds[i])) continue;
        *out = (synth_rope)i;
        return true;
    }
    return false;
}

static bool set_preset(command *c, const char *name) {
    const synth_options *p = synth_preset(str_from(name));
    if (p) c->o = *p;
    return p;
}

/* One option and, unless it is a switch, its value; false when the value is not possible. */
static bool apply(command *c, size_t option, const char *value) {
    void *field = (char *)&c->o + options[option].at;
    switch (options[option].kind) {
    case OPT_U32: return parse_u32(value, field);
    case OPT_SHAPE: c->reshaped = true; return parse_u32(value, field);
    case OPT_HEAD: return parse_u32(value, &c->head_size) && c->head_size;
    case OPT_YES: *(bool *)field = true; return true;
    case OPT_NO: *(bool *)field = false; return true;
    case OPT_TYPE: c->o.type = dtype_by_name(str_from(value)); return c->o.type;
    case OPT_ROPE: return parse_rope(value, &c->o.rope);
    case OPT_TEXT: *(const char **)field = value; return true;
    case OPT_PRESET: return set_preset(c, value);
    case OPT_OUT: c->out = value; return true;
    case OPT_THREADS: return parse_u32(value, &c->threads) && c->threads <= 1024;
    }
    return false;
}

static bool parse(command *c, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < OPTIONS && strcmp(argv[i], options[k].name)) k++;
        if (k == OPTIONS) return fprintf(stderr, "ingot-mkmodel: unknown option '%s'\n", argv[i]), false;
        bool is_switch = options[k].kind == OPT_YES || options[k].kind == OPT_NO;
        const char *value = is_switch ? "" : ++i < argc ? argv[i] : NULL;
        if (!value) return fprintf(stderr, "ingot-mkmodel: %s needs a value\n", options[k].name), false;
        if (!apply(c, k, value))
            return fprintf(stderr, "ingot-mkmodel: %s: '%s' is not possible\n", options[k].name, value), false;
    }
    if (c->head_size) c->o.head_size = c->head_size;
    else if (c->reshaped && c->o.heads) c->o.head_size = c->o.width / c->o.heads;
    return c->out || (fputs("ingot-mkmodel: -o FILE is missing\n", stderr), false);
}

static void show_progress(void *arg, double fraction) {
    (void)arg;
    fprintf(stderr, "\r%3.0f %%", 100 * fraction);
}

int main(int argc, char **argv) {
    command c = {.o = *synth_preset(STR("llama"))};
    if (argc == 2 && !strcmp(argv[1], "--help")) return usage(stdout);
    if (!parse(&c, argc, argv)) return usage(stderr);
    diag *d = diag_new();
    bool terminal = isatty(2);
    bool ok = d && synth_write(&c.o, c.out, (int)c.threads, terminal ? show_progress : NULL, NULL, d);
    if (terminal) fputc('\n', stderr);
    if (d) diag_print(d, stderr);
    diag_free(d);
    return ok ? 0 : 1;
}
