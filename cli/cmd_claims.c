/* ingot claims: numbers that are said about wafers and GPUs, derived again. */
#include "cli/cli.h"
#include "cli/output.h"
#include "perf/claims.h"
#include <math.h>

typedef struct {
    bool json;
} claims_args;

const cli_option cmd_claims_options[] = {
    OPTION_FLAG_ROW(0, "json", claims_args, json, "for programs: one JSON array"),
    OPTIONS_END,
};

static bool print_json(const perf_claims *c, diag *d) {
    strbuf b = {0};
    for (size_t i = 0; i < c->count; i++) {
        const perf_claim *r = &c->rows[i];
        strbuf_addf(&b, "%s{\"number\": \"%s\", \"verdict\": \"%s\", \"claim\": ", i ? ",\n" : "[", r->number,
                    perf_verdict_name(r->verdict));
        strbuf_add_json(&b, str_from(r->claim));
        if (isfinite(r->stated)) strbuf_addf(&b, ", \"stated\": %.9g, \"derived\": %.9g", r->stated, r->derived);
        strbuf_adds(&b, ", \"arithmetic\": ");
        strbuf_add_json(&b, str_from(r->arithmetic));
        strbuf_addc(&b, '}');
    }
    strbuf_adds(&b, "]\n");
    return output_print(&b, "JSON", d);
}

int cmd_claims(cli *c, int argc, char **argv) {
    claims_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    perf_claims *claims = arena_push(c->memory, perf_claims);
    if (!claims) return diag_oom(c->d, "claims"), CLI_FAILED;
    if (!perf_claims_check(claims, c->memory, c->d)) return CLI_FAILED;
    if (a.json) return print_json(claims, c->d) ? CLI_OK : CLI_FAILED;
    size_t sums[3] = {0};
    for (size_t i = 0; i < claims->count; i++) {
        const perf_claim *r = &claims->rows[i];
        sums[r->verdict]++;
        printf("%-4s %-13s  %s\n%20s%s\n", r->number, perf_verdict_name(r->verdict), r->claim, "", r->arithmetic);
    }
    printf("%zu confirmed, %zu contradicted, %zu not derivable\n", sums[0], sums[1], sums[2]);
    return CLI_OK;
}
