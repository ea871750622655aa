/* ingot audit: is this workload stuck at the memory wall, and what would help? */
#include "audit/analyse.h"
#include "audit/host_thief.h"
#include "audit/trace.h"
#include "base/file.h"
#include "cli/audit_args.h"

const cli_option cmd_audit_options[] = {
    OPTION_STRING_ROW('M', "machine", audit_args, machine, "NAME|FILE", NULL,
                      "the device's roofs; default: by the trace's device name"),
    OPTION_FLOAT_ROW(0, "tflops", audit_args, tflops, 0, 1e9, "X", "0", "its dense 16-bit peak, TFLOP/s"),
    OPTION_FLOAT_ROW(0, "gbs", audit_args, gbs, 0, 1e9, "X", "0", "its memory's rate, GB/s"),
    OPTION_STRING_ROW('m', "model", audit_args, model, "NAME|FILE", NULL,
                      "what ran: a preset of data/models, a config.json, a GGUF file"),
    OPTION_STRING_ROW('w', "weights", audit_args, weights, "FORMAT", NULL,
                      "format of the weights; default: the model's"),
    OPTION_STRING_ROW(0, "kv", audit_args, kv, "FORMAT", NULL, "format of keys and values; default 16 bits"),
    OPTION_INT_ROW('b', "batch", audit_args, batch, 0, 1e7, "N", "0",
                   "sequences decoding in a step, where the trace does not say"),
    OPTION_INT_ROW(0, "context", audit_args, context, 0, 1e9, "N", "0", "tokens each of them has behind it"),
    OPTION_INT_ROW(0, "tp", audit_args, tp, 1, 65536, "N", "1", "devices that share each matrix"),
    OPTION_INT_ROW(0, "device", audit_args, device, -1, 1e9, "N", "-1", "which device; -1 = the busiest"),
    OPTION_FLAG_ROW(0, "no-annotations", audit_args, no_annotations, "ignore annotated steps: judge the whole trace"),
    OPTION_FLAG_ROW(0, "busy", audit_args, by_busy, "leave idle time out (a sampled trace)"),
    OPTION_FLAG_ROW(0, "partial", audit_args, partial, "judge what there is of a file that ends in the middle"),
    OPTION_INT_ROW(0, "top", audit_args, top, 1, 1e5, "N", "12", "rows of a table"),
    OPTION_FLOAT_ROW(0, "fail-above", audit_args, fail_above, -1, 1, "SHARE", "-1",
                     "exit status 3 when moving data takes more than SHARE (0.5), 0 otherwise"),
    OPTION_FLAG_ROW(0, "json", audit_args, json, "for programs: one JSON object, base units"),
    OPTION_STRING_ROW(0, "html", audit_args, html, "FILE", NULL, "writes a page: buckets, roofline, timeline, tables"),
    OPTION_INT_ROW(0, "runs", audit_args, runs, 0, THIEF_RUNS_MAX, "N", "0",
                   "live: run the command 3 N times more, beside a reader that takes bandwidth away"),
    OPTION_STRING_ROW('o', "output", audit_args, output, "FILE", NULL,
                      "the report goes here; default: standard output, of a live run standard error"),
    OPTION_FLOAT_ROW(0, "skip", audit_args, skip, 0, 1e6, "SECONDS", "0", "live: leave out so much at the start"),
    OPTION_FLOAT_ROW(0, "seconds", audit_args, seconds, 0, 1e6, "SECONDS", "0",
                     "live: end the command after so long; 0 = let it end"),
    OPTIONS_END,
};

void cmd_audit_notes(FILE *out) {
    fputs(
        "\n`ingot audit [options] -- PROGRAM ARGS` runs a program on this host and judges that (docs/audit-host.md).\n"
        "A report of `ingot run --report json` and a result of llama-bench are judged too.",
        out);
    fputs("\nA trace is a file of the PyTorch profiler (.json, .json.gz), another Chrome trace, or `nsys export --type "
          "sqlite`.\n"
          "Several traces are ranks of one run: the first is judged, the others tell its waiting from its sending.\n"
          "Exit status: 0 not at the memory wall, 3 at the wall, 4 undecided, 1 unreadable, 2 called wrongly.\n",
          out);
}

static bool format_of(const perf_format **out, const char *name, diag *d) {
    *out = name ? perf_format_named(name) : NULL;
    return !name || *out || diag_error(d, "no number format '%s'; `ingot help predict` lists some", name);
}

static bool options(audit_options *o, perf_shape *s, cli *c, const audit_args *a) {
    *o = (audit_options){.peaks = {a->machine, a->tflops, a->gbs},
                         .batch = (double)a->batch,
                         .context = (double)a->context,
                         .tp = (double)a->tp,
                         .device = a->device,
                         .no_annotations = a->no_annotations,
                         .by_busy = a->by_busy,
                         .rows = (size_t)a->top};
    if (!format_of(&o->weights, a->weights, c->d) || !format_of(&o->kv, a->kv, c->d)) return false;
    if (a->model && !perf_shape_load(s, c->memory, a->model, c->d)) return false;
    o->model = a->model ? s : NULL;
    return true;
}

int audit_present(cli *c, const audit_report *r, const audit_args *a) {
    strbuf b = {0};
    if (a->json) audit_json(r, &b);
    else audit_text(r, &b);
    bool ok = (!b.oom && !r->oom) || diag_oom(c->d, "report");
    if (ok && a->output) ok = file_write_all(a->output, strbuf_str(&b), c->d);
    else if (ok) fwrite(b.data, 1, b.len, r->kind == AUDIT_OF_HOST ? stderr : stdout);
    if (ok && a->html) {
        strbuf_clear(&b);
        audit_html(r, &b);
        ok = (!b.oom || diag_oom(c->d, a->html)) && file_write_all(a->html, strbuf_str(&b), c->d);
    }
    strbuf_free(&b);
    return ok ? audit_exit_status(r, a->fail_above) : AUDIT_EXIT_UNREADABLE;
}

/* The other ranks' files, one after the other: only their collectives are kept. */
static bool other_ranks(rank_calls *c, cli *cl, const audit_args *a, char **paths, int count) {
    for (int i = 0; i < count; i++) {
        arena *own = arena_new(0);
        events *e = own ? arena_push(own, events) : NULL;
        rank_calls other;
        if (!e) return arena_free(own), diag_oom(cl->d, paths[i]);
        events_init(e, own);
        bool ok = trace_load(e, paths[i], a->partial, cl->d) && ranks_calls(&other, own, e, a->device, cl->d) &&
                  ranks_least(c, &other, own, cl->d);
        events_free(e);
        arena_free(own);
        if (!ok) return false;
    }
    return true;
}

static int audit_files(cli *c, const audit_args *a, char **paths, int count) {
    events *e = arena_push(c->memory, events);
    audit_report *r = arena_push(c->memory, audit_report);
    audit_options o;
    perf_shape shape;
    rank_calls calls;
    if (!e || !r) return diag_oom(c->d, paths[0]), CLI_FAILED;
    events_init(e, c->memory);
    audit_report_init(r, c->memory, AUDIT_OF_TRACE, path_base(paths[0]));
    bool ok = options(&o, &shape, c, a) && trace_load(e, paths[0], a->partial, c->d);
    if (ok && count > 1) {
        ok = ranks_calls(&calls, c->memory, e, a->device, c->d) && other_ranks(&calls, c, a, paths + 1, count - 1);
        o.ranks = &calls;
    }
    int status = ok && audit_trace(r, e, &o, c->d) ? audit_present(c, r, a) : AUDIT_EXIT_UNREADABLE;
    events_free(e);
    return status;
}

int cmd_audit(cli *c, int argc, char **argv) {
    audit_args a = {0};
    int status;
    bool live = audit_is_live(argc, argv);
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    if (live) return audit_command(c, &a);
    if (c->arg_count == 1 && audit_report_file(c, &a, c->args[0], &status)) return status;
    return audit_files(c, &a, c->args, c->arg_count);
}
