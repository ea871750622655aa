/* The compiler's command line: options as the public examples write them (--x=v, --x v, -o DIR, -o=DIR), one row per
 * option. */
#include "api/api.h"
#include "base/file.h"
#include <stdlib.h>

typedef struct option option;
typedef bool option_fn(api_cslc *c, arena *a, const option *o, const char *v, diag *d);
struct option {
    const char *name;
    option_fn *take; /* NULL: accepted without effect */
    bool has_value;
    const char *value, *help;
};

static bool number(const option *o, const char *v, int64_t low, int64_t high, int64_t *out, diag *d) {
    char *end;
    *out = strtoll(v, &end, 0);
    if (*v && !*end && *out >= low && *out <= high) return true;
    return diag_error(d, "%s: '%s' is not a number from %lld to %lld", o->name, v, (long long)low, (long long)high);
}

static bool take_output(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    if (!*v) return diag_error(d, "%s needs the name of a folder", o->name);
    c->output = v;
    return true;
}

static bool take_arch(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    if (!strcmp(v, "wse2")) c->csl.arch = ISA_WSE2;
    else if (!strcmp(v, "wse3")) c->csl.arch = ISA_WSE3;
    else return diag_error(d, "%s: '%s' is not one of wse2, wse3", o->name, v);
    return true;
}

static bool pair(const option *o, const char *v, uint32_t *first, uint32_t *second, diag *d) {
    char *end, *end2 = NULL;
    unsigned long x = strtoul(v, &end, 10), y = *end == ',' ? strtoul(end + 1, &end2, 10) : 0;
    if (!end2 || end2 == end + 1 || *end2 || x > 100000 || y > 100000 || *v == '-')
        return diag_error(d, "%s: '%s' is not two numbers, as in %s=11,5", o->name, v, o->name);
    *first = (uint32_t)x;
    *second = (uint32_t)y;
    return true;
}

static bool take_dims(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return pair(o, v, &c->csl.fabric_width, &c->csl.fabric_height, d);
}

static bool take_offsets(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return pair(o, v, &c->csl.offset_x, &c->csl.offset_y, d);
}

/* "name:value,name:value"; a later value of a name replaces an earlier one. */
static bool take_pairs(arena *a, const option *o, const char *v, csl_param **list, uint32_t *count, diag *d) {
    size_t commas = 1;
    for (const char *p = v; *p; p++) commas += *p == ',';
    csl_param *bigger = arena_push_n(a, csl_param, *count + commas);
    char *text = arena_strdup(a, v), *rest = text;
    if (!bigger || !text) return diag_oom(d, o->name);
    if (*count) memcpy(bigger, *list, *count * sizeof *bigger);
    *list = bigger;
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        if (!*item) continue;
        char *colon = strchr(item, ':');
        int64_t value;
        if (!colon || colon == item) return diag_error(d, "%s: '%s' is not NAME:VALUE", o->name, item);
        *colon = 0;
        if (!number(o, colon + 1, INT64_MIN, INT64_MAX, &value, d)) return false;
        uint32_t i = 0;
        while (i < *count && strcmp(bigger[i].name, item)) i++;
        bigger[i] = (csl_param){item, value};
        *count += i == *count;
    }
    return true;
}

static bool take_params(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    return take_pairs(a, o, v, &c->params, &c->csl.param_count, d);
}

static bool take_colors(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    return take_pairs(a, o, v, &c->colors, &c->csl.color_count, d);
}

static bool take_import(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    const char **bigger = arena_push_n(a, const char *, c->csl.import_path_count + 1);
    if (!bigger) return diag_oom(d, o->name);
    if (c->csl.import_path_count) memcpy(bigger, c->import_paths, c->csl.import_path_count * sizeof *bigger);
    bigger[c->csl.import_path_count++] = v;
    c->import_paths = bigger;
    return true;
}

static bool take_memcpy(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a, (void)o, (void)v, (void)d;
    return c->csl.memcpy = true;
}

static bool take_warnings(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a, (void)o, (void)v, (void)d;
    return c->csl.warnings_are_errors = true;
}

static bool take_verbose(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a, (void)o, (void)v, (void)d;
    return c->verbose = true;
}

static bool take_help(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a, (void)o, (void)v, (void)d;
    return c->help = true;
}

static bool take_number(const option *o, const char *v, int64_t low, int64_t high, uint32_t *out, diag *d) {
    int64_t n;
    if (!number(o, v, low, high, &n, d)) return false;
    *out = (uint32_t)n;
    return true;
}

static bool take_channels(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return take_number(o, v, 1, 16, &c->csl.channels, d);
}

static bool take_west(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return take_number(o, v, 0, 10000, &c->csl.west_buffer, d);
}

static bool take_east(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return take_number(o, v, 0, 10000, &c->csl.east_buffer, d);
}

static bool take_inlined(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    return take_number(o, v, 1, UINT32_MAX, &c->csl.max_inlined_iterations, d);
}

static bool take_fp16(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a;
    if (!strcmp(v, "f16")) c->csl.fp16 = ISA_F16;
    else if (!strcmp(v, "bf16")) c->csl.fp16 = ISA_BF16;
    else return diag_error(d, "%s: '%s' is not one of f16, bf16 (cb16 is not supported)", o->name, v);
    return true;
}

static bool take_profile(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    (void)a, (void)o, (void)d;
    c->profile = v;
    return true;
}

static bool take_dump(api_cslc *c, arena *a, const option *o, const char *v, diag *d) {
    static const char *const names[] = {"ast", "ir", "code"};
    char *rest = arena_strdup(a, v);
    if (!rest) return diag_oom(d, o->name);
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        uint32_t i = 0;
        while (i < 3 && strcmp(item, names[i])) i++;
        if (i == 3) return diag_error(d, "%s: '%s' is not one of ast, ir, code", o->name, item);
        c->dump |= 1u << i;
    }
    return true;
}

static const option options[] = {
    {"-h", take_help, false, "", "this text"},
    {"--help", take_help, false, "", NULL},
    {"-o", take_output, true, "DIR", "output folder (default: out)"},
    {"--arch", take_arch, true, "wse2|wse3", "target (default: wse2)"},
    {"--fabric-dims", take_dims, true, "W,H", "PEs of the whole fabric"},
    {"--fabric-offsets", take_offsets, true, "X,Y", "where the program's rectangle begins; at least 4,1 with --memcpy"},
    {"--params", take_params, true, "NAME:N,...", "values of the layout's params; may repeat"},
    {"--colors", take_colors, true, "NAME:N,...", "values of the layout's params of type color; may repeat"},
    {"--memcpy", take_memcpy, false, "", "copies, streams and launches from the host"},
    {"--channels", take_channels, true, "N", "I/O channels, 1 to 16; needed with --memcpy"},
    {"--width-west-buf", take_west, true, "N", "buffer columns west of the program"},
    {"--width-east-buf", take_east, true, "N", "buffer columns east of the program"},
    {"--import-path", take_import, true, "DIR", "where @import_module looks; may repeat; also $CSL_IMPORT_PATH"},
    {"--max-inlined-iterations", take_inlined, true, "N", "bound of inlined loops (default: 50)"},
    {"--fp16-format", take_fp16, true, "f16|bf16", "what @fp16() is"},
    {"--warnings-as-errors", take_warnings, false, "", "a warning fails the compilation"},
    {"--verbose", take_verbose, false, "", "what was built"},
    {"--profile", take_profile, true, "NAME",
     "profile of the wafer's file, for its limits (default: $INGOT_PROFILE, vendor-sim)"},
    {"--dump", take_dump, true, "ast,ir,code", "print stages of the compilation"},
    /* Accepted: they steer parts of other compilers that are not here, or limits that are not reached. */
    {"--driver", NULL, true, "PATH", NULL},
    {"--max-parallelism", NULL, true, "N", NULL},
    {"--comptime-func-depth-limit", NULL, true, "N", NULL},
    {"--link-section-start-address-bytes", NULL, true, "LIST", NULL},
    {"--lomem-reservation-end", NULL, true, "N", NULL},
    {"--single-pe", NULL, false, "", NULL},
    {"--disable-auto-microthread-id", NULL, false, "", NULL},
    {"--out-routes", NULL, true, "FILE", NULL},
    {"--dump-dsr-alloc-graph", NULL, false, "", NULL},
    {"--output-json", NULL, false, "", NULL},
};
enum { OPTIONS = sizeof options / sizeof *options };

static void print_help(strbuf *out) {
    strbuf_adds(out, "usage: cslc [OPTIONS] LAYOUT.csl\n\n");
    for (int i = 0; i < OPTIONS; i++) {
        if (!options[i].help) continue;
        strbuf_addf(out, "  %s%s%-*s %s\n", options[i].name, options[i].has_value ? "=" : "",
                    (int)(34 - strlen(options[i].name) - options[i].has_value), options[i].value, options[i].help);
    }
    strbuf_adds(out, "\nAlso accepted, without effect:");
    for (int i = 0; i < OPTIONS; i++)
        if (!options[i].take) strbuf_addf(out, " %s", options[i].name);
    strbuf_adds(out, "\n");
}

/* The option that `arg` names; *value: what stands behind "=", or the next argument. */
static const option *find_option(const char *arg, int argc, const char *const *argv, int *at, const char **value,
                                 diag *d) {
    size_t n = strcspn(arg, "=");
    for (int i = 0; i < OPTIONS; i++) {
        const option *o = &options[i];
        if (strlen(o->name) != n || strncmp(o->name, arg, n)) continue;
        *value = arg[n] ? arg + n + 1 : NULL;
        if (!o->has_value) {
            if (!*value) return o;
            diag_error(d, "%s takes no value", o->name);
            return NULL;
        }
        if (!*value && *at + 1 < argc) *value = argv[++*at];
        if (*value) return o;
        diag_error(d, "%s needs a value: %s=%s", o->name, o->name, o->value);
        return NULL;
    }
    diag_error(d, "unknown option '%.*s'; 'cslc -h' lists those there are", (int)n, arg);
    return NULL;
}

static bool take_environment(api_cslc *c, arena *a, diag *d) {
    const char *paths = getenv("CSL_IMPORT_PATH");
    char *rest = paths ? arena_strdup(a, paths) : NULL;
    static const option here = {.name = "CSL_IMPORT_PATH"};
    for (char *item; (item = strsep(&rest, ":")) != NULL;)
        if (*item && !take_import(c, a, &here, item, d)) return false;
    return true;
}

static bool check_options(const api_cslc *c, diag *d) {
    if (!c->input) return diag_error(d, "no layout to compile; usage: cslc [OPTIONS] LAYOUT.csl");
    if (c->csl.memcpy && !c->csl.channels) return diag_error(d, "--memcpy needs --channels=1 (up to 16)");
    if (c->csl.memcpy && (c->csl.offset_x < 4 || c->csl.offset_y < 1))
        return diag_error(
            d, "--fabric-offsets=%u,%u: with --memcpy the program begins at 4,1 or further; pass --fabric-offsets=4,1",
            c->csl.offset_x, c->csl.offset_y);
    return true;
}

bool api_cslc_parse(api_cslc *c, arena *a, int argc, const char *const *argv, diag *d) {
    *c = (api_cslc){.csl = {.arch = ISA_WSE2}, .output = "out"};
    for (int i = 0; i < argc; i++) {
        const char *value = NULL;
        if (argv[i][0] == '-' && argv[i][1]) {
            const option *o = find_option(argv[i], argc, argv, &i, &value, d);
            if (!o) return false;
            if (o->take && !o->take(c, a, o, value, d)) return false;
        } else if (c->input) {
            return diag_error(d, "two layouts, '%s' and '%s'; compile one at a time", c->input, argv[i]);
        } else {
            c->input = argv[i];
        }
    }
    if (!take_environment(c, a, d)) return false;
    c->csl.params = c->params;
    c->csl.colors = c->colors;
    c->csl.import_paths = c->import_paths;
    return c->help || check_options(c, d);
}

/* memcpy takes columns and rows around the program: the fabric must hold them. */
static bool check_fabric(const isa_image *m, const api_cslc *c, diag *d) {
    const csl_options *o = &c->csl;
    if (!o->memcpy || !o->fabric_width) return true;
    uint64_t width = (uint64_t)o->offset_x + o->west_buffer + m->width + o->east_buffer + 3,
             height = (uint64_t)o->offset_y + m->height + 1;
    if (o->fabric_width >= width && o->fabric_height >= height) return true;
    return diag_error(
        d,
        "--fabric-dims=%u,%u is too small: the program's %u x %u PEs at offset %u,%u need --fabric-dims=%llu,%llu "
        "(memcpy takes columns on both sides and a row above and below)",
        o->fabric_width, o->fabric_height, m->width, m->height, o->offset_x, o->offset_y, (unsigned long long)width,
        (unsigned long long)height);
}

static void print_summary(const isa_image *m, const api_cslc *c, strbuf *out) {
    strbuf_addf(out, "%s: %u x %u PEs, %u programs, %u route sets\n", c->output, m->width, m->height, m->program_count,
                m->route_set_count);
    for (uint32_t i = 0; i < m->program_count; i++)
        strbuf_addf(out, "  %s: %u instructions (%u bytes), %u bytes of data, %u bytes of stack\n",
                    m->programs[i].name ? m->programs[i].name : "?", m->programs[i].code_count,
                    m->programs[i].code_bytes, 2 * m->programs[i].used_words, 2u * m->programs[i].stack_words);
}

static isa_image *compile(api_cslc *c, arena *a, strbuf *print, diag *d) {
    isa_wafer wafer;
    char *root = api_root(a, d);
    if (!root || !api_wafer(&wafer, c->csl.arch, c->profile, d)) return NULL;
    c->csl.wafer = &wafer;
    c->csl.library = path_join(a, root, "lib");
    if (!c->csl.library) return diag_oom(d, "cslc"), NULL;
    c->csl.dump_ast = c->dump & API_DUMP_AST ? print : NULL;
    c->csl.dump_ir = c->dump & API_DUMP_IR ? print : NULL;
    c->csl.dump_code = c->dump & API_DUMP_CODE ? print : NULL;
    isa_image *m = csl_compile(c->input, &c->csl, d);
    if (!m) return NULL;
    if (check_fabric(m, c, d) && api_write_folder(m, c, d)) {
        isa_check_routes(m, d);
        if (c->verbose) print_summary(m, c, print);
        return m;
    }
    isa_image_free(m);
    return NULL;
}

isa_image *api_cslc_run(int argc, const char *const *argv, strbuf *print, bool *ok, diag *d) {
    api_cslc c;
    isa_image *m = NULL;
    arena *a = arena_new(0);
    if (!a) return diag_oom(d, "cslc"), *ok = false, NULL;
    *ok = api_cslc_parse(&c, a, argc, argv, d);
    if (*ok && c.help) {
        print_help(print);
    } else if (*ok) {
        m = compile(&c, a, print, d);
        *ok = m != NULL;
    }
    arena_free(a);
    return m;
}
