/* A row of kernel `transformer`: a seeded model, written to a folder of its own, decodes a few tokens on the machine.
 */
#include "base/file.h"
#include "cluster/agreement.h"
#include "cluster/memoryx.h"
#include "cluster/wafer.h"
#include <stdlib.h>
#include <unistd.h>

enum { PROMPT = 3, TOKENS = 8 };

static void ignore(void *arg, int32_t token) { (void)arg, (void)token; }

static bool decode(wafer *w, uint32_t vocab, bool streamed, diag *d) {
    int32_t ids[PROMPT + TOKENS];
    for (int i = 0; i < PROMPT + TOKENS; i++) ids[i] = (int32_t)((uint32_t)(i * 7919 + 3) % vocab);
    if (!wafer_forward(w, ids, PROMPT, NULL, d)) return false;
    if (!streamed) return wafer_greedy(w, ids[PROMPT], TOKENS, ignore, NULL, d);
    for (int i = 0; i < 2; i++)
        if (!wafer_forward(w, ids + PROMPT + i, 1, NULL, d)) return false;
    return true;
}

static bool measure(agreement_row *r, wafer *w, diag *d) {
    plan_cycles c;
    if (!decode(w, r->model.vocab, r->plan.streamed, d)) return false;
    const wafer_work *work = &wafer_get_stats(w)->decode;
    plan_cycles_at(wafer_plan(w), wafer_machine(w), (uint32_t)(PROMPT + work->tokens / 2), &c);
    r->predicted = c.token;
    r->simulated = (double)work->cycles / (double)work->tokens;
    return true;
}

bool agreement_run_model(agreement_row *r, diag *d) {
    char folder[] = "/tmp/ingot-agreement-XXXXXX", path[64];
    if (!mkdtemp(folder)) return diag_error(d, "%s: cannot make this folder for a seeded model", folder);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    bool written = synth_write(&r->model, path, 1, NULL, NULL, d), ok = false;
    llm_model *m = written ? llm_model_open(path, d) : NULL;
    llm_store *s = m ? memoryx_open_file(m, (memoryx_progress){0}, d) : NULL;
    wafer *w = s ? wafer_new(s, &(wafer_options){.plan = r->plan, .threads = 1}, d) : NULL;
    if (w) ok = measure(r, w, d);
    wafer_free(w);
    if (s) s->close(s);
    if (m) memoryx_forget(m);
    llm_model_free(m);
    unlink(path);
    rmdir(folder);
    return ok;
}
