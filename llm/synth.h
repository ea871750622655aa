/* Untrained models with seeded weights, for tests, demonstrations and measurements where no trained model is at
 * hand.
 *
 *     synth_options o = *synth_preset(STR("llama"));
 *     o.layers = 2;
 *     bool ok = synth_write(&o, "model.gguf", 0, NULL, NULL, d);
 *
 * They say nothing sensible, and their metadata says so ("ingot.label": "untrained, seeded"). But numerically they
 * behave like trained ones: activations stay of order one through the layers, and logits differ enough for a choice
 * to be robust. The file depends on the options alone, not on the machine or the number of threads.
 */
#ifndef INGOT_LLM_SYNTH_H
#define INGOT_LLM_SYNTH_H
#include "llm/arch.h"
#include "llm/gguf_file.h"

typedef enum { SYNTH_ROPE_PLAIN, SYNTH_ROPE_LINEAR, SYNTH_ROPE_LLAMA3, SYNTH_ROPE_YARN } synth_rope;

typedef struct {
    const char *preset;      /* its name in the table: the architecture's name, or a particular model's */
    const char *arch;        /* general.architecture */
    uint32_t layers, width, heads, kv_heads, head_size, mlp_width, vocab, context;
    uint32_t window;         /* tokens; 0 = none */
    double rope_theta;
    synth_rope rope;
    bool tied;               /* the output matrix is the embedding */
    bool spm;                /* SentencePiece-style vocabulary in place of byte-level BPE */
    uint32_t seed;
    const dtype_info *type;  /* of all matrices; NULL = F16. Rows that do not fit its blocks take dtype_fit's choice */
    const char *name;        /* general.name; NULL = made from the preset */
} synth_options;

const synth_options *synth_preset(str name);              /* NULL when unknown */
const synth_options *synth_preset_row(size_t i);          /* NULL after the last */

/* Told to the diag: sizes that are no model (heads that do not divide...), files that cannot be written; as warnings,
 * matrices that take another type than asked. threads: 0 = all CPUs. progress may be NULL. */
bool synth_write(const synth_options *o, const char *path, int threads, void (*progress)(void *arg, double fraction),
                 void *progress_arg, diag *d);

/* synth_vocab.c: adds the tokenizer's keys; false when memory ends. The vocabulary has exactly `count` tokens. */
enum { SYNTH_VOCAB_MIN = 384 };
bool synth_put_vocab(gguf_writer *w, arena *a, uint32_t count, bool spm);
#endif
