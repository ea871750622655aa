/* The operator graph: is the list complete and in order, and are its prices those one gets by hand? */
#include "llm/graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A model made of shapes alone: every tensor F16 unless `type` says otherwise. */
typedef struct {
    llm_model m;
    arena *a;
    diag *d;
    const dtype_info *type;
} fixture;

static const dtype_info f16 = {.id = DTYPE_F16, .name = "F16", .block_elems = 1, .block_bytes = 2};
static const dtype_info q4_0 = {.id = DTYPE_Q4_0, .name = "Q4_0", .block_elems = 32, .block_bytes = 18};

static const llm_tensor *tensor(fixture *f, uint64_t rows, uint64_t cols) {
    llm_tensor *t = arena_push(f->a, llm_tensor);
    assert_non_null(t);
    *t = (llm_tensor){.name = "t", .type = f->type, .rows = rows, .cols = cols,
                      .size_bytes = rows * (cols / f->type->block_elems) * f->type->block_bytes};
    return t;
}

static fixture begin(llm_config c, const dtype_info *type) {
    fixture f = {.a = arena_new(0), .d = diag_new(), .type = type};
    assert_true(f.a && f.d);
    f.m.config = c;
    f.m.path = "test.gguf";
    f.m.layers = arena_push_n(f.a, llm_layer, c.layers);
    f.m.embed = f.m.output = tensor(&f, c.vocab, c.width);
    f.m.output_norm = tensor(&f, 1, c.width);
    for (uint32_t i = 0; i < c.layers; i++) {
        llm_layer *l = &f.m.layers[i];
        uint64_t q = (uint64_t)c.heads * c.head_size, kv = (uint64_t)c.kv_heads * c.head_size;
        *l = (llm_layer){.attn_norm = tensor(&f, 1, c.width), .ffn_norm = tensor(&f, 1, c.width),
                         .q = tensor(&f, q, c.width), .k = tensor(&f, kv, c.width), .v = tensor(&f, kv, c.width),
                         .o = tensor(&f, c.width, q), .gate = tensor(&f, c.mlp_width, c.width),
                         .up = tensor(&f, c.mlp_width, c.width), .down = tensor(&f, c.width, c.mlp_width)};
    }
    return f;
}

static void end(fixture *f) {
    arena_free(f->a);
    diag_free(f->d);
}

static llm_graph build(fixture *f) {
    llm_graph g;
    if (!llm_graph_build(&f->m, f->a, &g, f->d)) fail_msg("%s", diag_text(f->d));
    return g;
}

static const llm_config llama8b = {.layers = 32, .width = 4096, .heads = 32, .kv_heads = 8, .head_size = 128,
                                   .mlp_width = 14336, .vocab = 128256, .rope = ROPE_PAIRS, .rope_dims = 128};

static fixture llama_8b(void) {
    fixture f = begin(llama8b, &f16);
    f.m.output = tensor(&f, llama8b.vocab, llama8b.width); /* not tied */
    return f;
}

static const llm_op *find(const llm_graph *g, const char *name) {
    for (size_t i = 0; i < g->count; i++)
        if (!strcmp(g->ops[i].name, name)) return &g->ops[i];
    fail_msg("no operator '%s'", name);
    return NULL;
}

static bool has(const llm_graph *g, const char *name) {
    for (size_t i = 0; i < g->count; i++)
        if (!strcmp(g->ops[i].name, name)) return true;
    return false;
}

static size_t count_kind(const llm_graph *g, llm_op_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < g->count; i++) n += g->ops[i].kind == kind;
    return n;
}

static void near(double got, double want, double relative) {
    double error = got > want ? got - want : want - got;
    if (!(error <= relative * (want > 0 ? want : -want))) fail_msg("got %.17g, want %.17g", got, want);
}

/* 8,030,261,248 parameters is the published size of Llama 3.1 8B. */
static void llama_8b_totals(void **s) {
    (void)s;
    fixture f = llama_8b();
    llm_graph g = build(&f);
    llm_weights w = llm_graph_weights(&g);
    assert_true(w.elems == 8030261248.0);
    assert_true(w.bytes == 2 * 8030261248.0);
    llm_cost c = llm_graph_cost(&g, 1, 0, 2);
    assert_true(c.kv_write_bytes == 131072);  /* 32 layers x 2 x 8 heads x 128 x 2 bytes */
    assert_true(c.kv_read_bytes == 131072);   /* the token sees itself */
    /* all but the embedding table is read, of that one row */
    assert_true(c.weight_elems == 8030261248.0 - 128255.0 * 4096.0);
    double products = 8030261248.0 - 128256.0 * 4096.0 - 65.0 * 4096.0; /* without table and norms */
    near(c.flops, 2 * products, 1e-3);
    assert_true(c.flops > 2 * products);
    assert_true(llm_graph_kv_bytes(&g, 1000, 2) == 131072000);
    end(&f);
}

static void prompt_shares_weights(void **s) {
    (void)s;
    fixture f = llama_8b();
    llm_graph g = build(&f);
    llm_cost one = llm_graph_cost(&g, 1, 0, 2), many = llm_graph_cost(&g, 100, 0, 2);
    assert_true(many.weight_elems - one.weight_elems == 99 * 4096.0); /* only the lookups grow */
    assert_true(many.kv_write_bytes == 100 * one.kv_write_bytes);
    assert_true(many.kv_read_bytes == 100 * 131072.0);                /* each key once */
    const llm_op *head = find(&g, "output");
    assert_true(llm_op_cost(head, 100, 0, 2).flops == 2 * 128256.0 * 4096.0); /* one row of logits */
    assert_true(llm_op_cost(head, 0, 0, 2).flops == 0);
    end(&f);
}

/* A step of T tokens does the attention of T steps of one token. */
static void attention_adds_up(void **s) {
    (void)s;
    static const uint32_t windows[] = {0, 1, 7, 512};
    for (size_t i = 0; i < 4; i++) {
        llm_op op = {.kind = LLM_OP_ATTENTION, .rows = 4, .cols = 16, .kv_heads = 2, .window = windows[i]};
        for (uint64_t pos = 0; pos < 12; pos += 3) {
            double sum = 0, want = 0;
            for (uint64_t t = 0; t < 9; t++) {
                uint64_t seen = pos + t + 1;
                if (windows[i] && seen > windows[i]) seen = windows[i];
                sum += llm_op_cost(&op, 1, pos + t, 2).flops;
                want += 4.0 * (double)seen * (4 * 16 + 5);
            }
            assert_true(sum == want);
            assert_true(llm_op_cost(&op, 9, pos, 2).flops == want);
            uint64_t read = windows[i] && 9 + windows[i] - 1 < pos + 9 ? 9 + windows[i] - 1 : pos + 9;
            assert_true(llm_op_cost(&op, 9, pos, 2).kv_read_bytes == 2.0 * 2 * 16 * 2 * (double)read);
        }
    }
}

static void order_and_inputs(void **s) {
    (void)s;
    fixture f = llama_8b();
    llm_graph g = build(&f);
    static const char *const want[] = {"attn_norm", "attn_q",    "attn_k",      "attn_v",        "rope_q",   "rope_k",
                                       "kv_store",  "attention", "attn_output", "attn_residual", "ffn_norm", "ffn_gate",
                                       "ffn_up",    "ffn_act",   "ffn_down",    "ffn_residual"};
    assert_int_equal(g.count, 1 + 32 * 16 + 3);
    assert_string_equal(g.ops[0].name, "token_embd");
    for (int i = 0; i < 16; i++) {
        const llm_op *op = &g.ops[1 + 31 * 16 + i];
        assert_int_equal(op->layer, 31);
        assert_string_equal(op->name + strlen("blk.31."), want[i]);
    }
    for (size_t i = 0; i < g.count; i++)
        for (int k = 0; k < LLM_OP_INPUTS; k++) assert_true(g.ops[i].input[k] < (int32_t)i);
    const llm_op *attention = find(&g, "blk.0.attention"), *gate = find(&g, "blk.0.ffn_act");
    assert_string_equal(g.ops[attention->input[0]].name, "blk.0.rope_q");
    assert_string_equal(g.ops[attention->input[1]].name, "blk.0.kv_store");
    assert_string_equal(g.ops[gate->input[0]].name, "blk.0.ffn_gate");
    assert_string_equal(g.ops[gate->input[1]].name, "blk.0.ffn_up");
    assert_string_equal(g.ops[find(&g, "blk.1.attn_residual")->input[0]].name, "blk.0.ffn_residual");
    assert_string_equal(g.ops[find(&g, "output")->input[0]].name, "output_norm");
    assert_int_equal(g.ops[g.count - 1].kind, LLM_OP_ARGMAX);
    end(&f);
}

/* Qwen3-like: norms over heads; qwen2-like: biases. */
static void qwen(void **s) {
    (void)s;
    llm_config c = {.layers = 2, .width = 1024, .heads = 16, .kv_heads = 8, .head_size = 128, .mlp_width = 3072,
                    .vocab = 1000, .rope = ROPE_HALVES, .rope_dims = 128};
    fixture f = begin(c, &f16);
    f.m.layers[0].q_norm = f.m.layers[0].k_norm = tensor(&f, 1, 128);
    f.m.layers[1].q_b = tensor(&f, 1, 2048);
    f.m.layers[1].k_b = f.m.layers[1].v_b = tensor(&f, 1, 1024);
    llm_graph g = build(&f);
    assert_int_equal(count_kind(&g, LLM_OP_HEAD_NORM), 2);
    assert_string_equal(g.ops[find(&g, "blk.0.rope_q")->input[0]].name, "blk.0.attn_q_norm");
    assert_string_equal(g.ops[find(&g, "blk.1.rope_q")->input[0]].name, "blk.1.attn_q");
    llm_cost with = llm_op_cost(find(&g, "blk.1.attn_q"), 3, 0, 2),
             without = llm_op_cost(find(&g, "blk.0.attn_q"), 3, 0, 2);
    assert_true(with.flops - without.flops == 3 * 2048);
    assert_true(with.weight_bytes - without.weight_bytes == 2 * 2048);
    assert_true(find(&g, "output")->shared);
    assert_true(llm_op_weights(find(&g, "output")).elems == 0); /* tied: counted with the embedding */
    assert_true(llm_op_cost(find(&g, "output"), 1, 0, 2).weight_elems == 1000.0 * 1024); /* but read again */
    end(&f);
}

static void gemma(void **s) {
    (void)s;
    llm_config c = {.layers = 6,
                    .width = 640,
                    .heads = 4,
                    .kv_heads = 1,
                    .head_size = 256,
                    .mlp_width = 2048,
                    .vocab = 1000,
                    .rope = ROPE_HALVES,
                    .rope_dims = 256,
                    .embed_scale = 25.298f,
                    .window = 512,
                    .logit_softcap = 30,
                    .windowed = {1, 1, 1, 1, 1, 0}};
    fixture f = begin(c, &f16);
    for (int i = 0; i < 6; i++) f.m.layers[i].attn_post_norm = f.m.layers[i].ffn_post_norm = tensor(&f, 1, 640);
    llm_graph g = build(&f);
    assert_int_equal(count_kind(&g, LLM_OP_NORM), 6 * 4 + 1);
    assert_int_equal(count_kind(&g, LLM_OP_SCALE), 1);
    assert_int_equal(count_kind(&g, LLM_OP_SOFTCAP), 1);
    assert_string_equal(g.ops[find(&g, "blk.5.ffn_residual")->input[1]].name, "blk.5.post_ffw_norm");
    double layer = 2.0 * 256 * 2; /* one head of keys and values in 2 bytes */
    assert_true(llm_graph_kv_bytes(&g, 4096, 2) == layer * (5 * 512 + 4096));
    assert_true(llm_graph_cost(&g, 1, 4095, 2).kv_read_bytes == layer * (5 * 512 + 4096));
    end(&f);
}

static void gpt2(void **s) {
    (void)s;
    llm_config c = {.layers = 1, .width = 768, .heads = 12, .kv_heads = 12, .head_size = 64, .mlp_width = 3072,
                    .vocab = 50257, .rope = ROPE_NONE, .embed_scale = 1};
    fixture f = begin(c, &f16);
    llm_layer *l = f.m.layers;
    l->q = l->k = l->v = l->gate = NULL;
    l->qkv = tensor(&f, 2304, 768);
    l->qkv_b = tensor(&f, 1, 2304);
    l->attn_norm_b = l->ffn_norm_b = l->o_b = l->down_b = tensor(&f, 1, 768);
    l->up_b = tensor(&f, 1, 3072);
    f.m.output_norm_b = tensor(&f, 1, 768);
    f.m.positions = tensor(&f, 1024, 768);
    llm_graph g = build(&f);
    assert_false(has(&g, "blk.0.rope_q"));
    assert_int_equal(count_kind(&g, LLM_OP_POSITION), 1);
    assert_int_equal(count_kind(&g, LLM_OP_ACTIVATION), 1);
    assert_int_equal(count_kind(&g, LLM_OP_SCALE), 0);
    assert_string_equal(g.ops[find(&g, "blk.0.attention")->input[0]].name, "blk.0.attn_qkv");
    /* one layer of GPT-2 small has 7,087,872 parameters; the tables 38,597,376 + 786,432; the last norm 1536 */
    assert_true(llm_graph_weights(&g).elems == 7087872.0 + 38597376 + 786432 + 1536);
    end(&f);
}

static void quantised_bytes(void **s) {
    (void)s;
    llm_config c = llama8b;
    c.layers = 1;
    fixture f = begin(c, &q4_0);
    llm_graph g = build(&f);
    llm_cost cost = llm_op_cost(find(&g, "blk.0.ffn_up"), 1, 0, 2);
    assert_true(cost.weight_bytes == 14336.0 * 4096 * 18 / 32);
    assert_true(cost.weight_elems == 14336.0 * 4096);
    assert_true(llm_op_cost(find(&g, "token_embd"), 2, 0, 2).weight_bytes == 2 * 4096.0 * 18 / 32);
    end(&f);
}

/* Whole models as the readers give them: every parameter is in the graph, once. */
static void read_models(void **s) {
    (void)s;
    static const char *const paths[] = {"tests/data/hf/llama",  "tests/data/hf/qwen2",
                                        "tests/data/hf/qwen3",  "tests/data/hf/gpt2",
                                        "tests/data/hf/gemma3", "data/models/untrained-tiny.gguf"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        arena *a = arena_new(0);
        diag *d = diag_new();
        assert_true(a && d);
        llm_model *m = llm_model_open(paths[i], d);
        llm_graph g;
        if (!m || !llm_graph_build(m, a, &g, d)) fail_msg("%s", diag_text(d));
        llm_weights w = llm_graph_weights(&g);
        assert_true(w.elems == (double)llm_model_params(m) && w.bytes == (double)llm_model_weight_bytes(m));
        llm_model_free(m);
        arena_free(a);
        diag_free(d);
    }
}

static void refuses(void (*spoil)(fixture *), const char *text) {
    llm_config c = llama8b;
    c.layers = 2;
    c.vocab = 64;
    fixture f = begin(c, &f16);
    spoil(&f);
    llm_graph g;
    assert_false(llm_graph_build(&f.m, f.a, &g, f.d));
    if (!strstr(diag_text(f.d), text)) fail_msg("no '%s' in: %s", text, diag_text(f.d));
    end(&f);
}

static void no_down(fixture *f) { f->m.layers[1].down = NULL; }
static void wrong_k(fixture *f) { f->m.layers[0].k = f->m.layers[0].q; }
static void no_head(fixture *f) { f->m.output = NULL; }
static void wrong_bias(fixture *f) { f->m.layers[0].q_b = tensor(f, 1, 5); }
static void no_heads(fixture *f) { f->m.config.heads = 0; }
static void many_layers(fixture *f) { f->m.config.layers = LLM_LAYERS_MAX + 1; }

static void broken_models(void **s) {
    (void)s;
    refuses(no_down, "test.gguf: layer 1: tensor 'ffn_down.weight' is missing");
    refuses(wrong_k, "layer 0: tensor 'attn_k.weight' is 4096 x 4096, its configuration asks for 1024 x 4096");
    refuses(no_head, "tensor 'output.weight' is missing");
    refuses(wrong_bias, "tensor 'attn_q.bias' is 1 x 5, its configuration asks for 1 x 4096");
    refuses(no_heads, "0 heads");
    refuses(many_layers, "at most 1024");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_8b_totals),
        cmocka_unit_test(prompt_shares_weights),
        cmocka_unit_test(attention_adds_up),
        cmocka_unit_test(order_and_inputs),
        cmocka_unit_test(qwen),
        cmocka_unit_test(gemma),
        cmocka_unit_test(gpt2),
        cmocka_unit_test(quantised_bytes),
        cmocka_unit_test(broken_models),
        cmocka_unit_test(read_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
