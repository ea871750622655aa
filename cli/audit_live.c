/* ingot audit of what is no trace: a command on this host, a report of Ingot's own run, a result of llama-bench. */
#include "audit/live.h"
#include "audit/run_report.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/audit_args.h"
#include <stdio.h>

enum { SNIFF_BYTES = 4096, REPORT_BYTES_MAX = 64 << 20 };

bool audit_is_live(int argc, char *const *argv) {
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--")) return true;
    return false;
}

/* "PROGRAM ARGS" as it was typed, cut when it is long. */
static const char *command_text(cli *c) {
    strbuf b = {0};
    for (int i = 0; i < c->arg_count && b.len < 200; i++) strbuf_addf(&b, "%s%.100s", i ? " " : "", c->args[i]);
    const char *text = b.data ? arena_strdup(c->memory, b.data) : NULL;
    strbuf_free(&b);
    return text ? text : c->args[0];
}

/* A program that failed did not do its work: the report is shown, the status says that it is not to be built upon. */
int audit_command(cli *c, const audit_args *a) {
    audit_report *r = arena_push(c->memory, audit_report);
    audit_live_options o = {.argv = c->args, .skip_s = a->skip, .for_s = a->seconds, .runs = a->runs};
    audit_live_end end;
    c->args[c->arg_count] = NULL; /* what stood there were options, or the end of argv */
    if (!r) return diag_oom(c->d, "report"), AUDIT_EXIT_UNREADABLE;
    audit_report_init(r, c->memory, AUDIT_OF_HOST, command_text(c));
    if (!audit_live(r, &o, &end, c->d)) return AUDIT_EXIT_UNREADABLE;
    audit_note(r, "the command %s",
               end.how[0]    ? end.how
               : end.stopped ? "was ended after --seconds"
                             : "ended with status 0");
    int status = audit_present(c, r, a);
    if (!end.how[0]) return status;
    diag_error(c->d, "'%s' %s: what was measured may not be its work", c->args[0], end.how);
    return AUDIT_EXIT_UNREADABLE;
}

static report_kind sniff(const char *path) {
    char head[SNIFF_BYTES];
    FILE *in = fopen(path, "rb");
    size_t n = in ? fread(head, 1, sizeof head, in) : 0;
    if (in) fclose(in);
    return audit_report_sniff((str){head, n});
}

/* llama-bench does not say how fast its machine's memory is; most results are audited where they were made. */
static double memory_rate(audit_report *r, double gbs, diag *d) {
    roof_rate read = {0};
    host_caches caches = host_caches_read();
    pool *p = gbs > 0 ? NULL : pool_new(0, d);
    if (gbs > 0) return gbs * 1e9;
    if (p && roof_memory(p, ROOF_READ, roof_dram_bytes(&caches), 0.3, &read, d))
        audit_note(r, "memory was measured on this host just now, all threads: when the result is of another machine, "
                      "say its rate with --gbs");
    pool_free(p);
    return read.median;
}

bool audit_report_file(cli *c, const audit_args *a, const char *path, int *status) {
    report_kind kind = sniff(path);
    audit_report *r = kind == REPORT_NONE ? NULL : arena_push(c->memory, audit_report);
    str bytes;
    *status = AUDIT_EXIT_UNREADABLE;
    if (kind == REPORT_NONE) return false;
    if (!r) return diag_oom(c->d, path), true;
    audit_report_init(r, c->memory, AUDIT_OF_RUN, path_base(path));
    if (!file_read_all(c->memory, path, REPORT_BYTES_MAX, &bytes, c->d)) return true;
    double rate = kind == REPORT_INGOT ? 0 : memory_rate(r, a->gbs, c->d);
    if (audit_of_report(r, bytes, rate, c->d)) *status = audit_present(c, r, a);
    return true;
}
