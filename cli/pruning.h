/* What leaving weights out costs: the logits of the pruned model against those of the whole one, on the same text.
 *
 *     pruning p = {0};
 *     if (pruning_open(&p, path, context, d)) how.look = pruning_look, how.look_arg = &p;
 *     ... session_generate ...; pruning_text(&p, out); pruning_close(&p);
 */
#ifndef INGOT_CLI_PRUNING_H
#define INGOT_CLI_PRUNING_H
#include "cluster/session.h"

typedef struct {
    session whole;        /* native, all weights */
    size_t places, agree; /* compared; of these, the same likeliest token */
    double divergence;    /* sum over places of KL(whole || pruned), nats */
} pruning;

bool pruning_open(pruning *p, const char *path, uint32_t layers, uint32_t context, diag *d);
void pruning_close(pruning *p); /* all-zero is fine */
bool pruning_look(void *arg, const int32_t *ids, size_t count, const float *logits, diag *d);
void pruning_text(const pruning *p, strbuf *out); /* nothing when nothing was compared */
void pruning_json(const pruning *p, strbuf *out);
#endif
