/* Machine files and first-order prediction: are wrong files refused with the right words, are the numbers those one
 * gets by hand, and is a better machine never slower? */
#include "perf/first_order.h"
#include "base/units.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static const dtype_info f16 = {.id = DTYPE_F16, .name = "F16", .block_elems = 1, .block_bytes = 2};
static const dtype_info q4_0 = {.id = DTYPE_Q4_0, .name = "Q4_0", .block_elems = 32, .block_bytes = 18};

typedef struct {
    arena *a;
    diag *d;
} fixture;

static int setup(void **state) {
    fixture *f = test_malloc(sizeof *f);
    *f = (fixture){arena_new(0), diag_new()};
    *state = f;
    return f->a && f->d ? 0 : -1;
}

static int teardown(void **state) {
    fixture *f = *state;
    arena_free(f->a);
    diag_free(f->d);
    test_free(f);
    return 0;
}

static void near(double got, double want, double relative) {
    if (!(fabs(got - want) <= relative * fabs(want))) fail_msg("got %.17g, want %.17g", got, want);
}

static perf_machine machine(fixture *f, const char *name) {
    perf_machine m;
    if (!perf_machine_load(&m, f->a, name, f->d)) fail_msg("%s", diag_text(f->d));
    return m;
}

/* ---- models: shapes alone, Llama form, head not tied ---- */

static const llm_tensor *tensor(fixture *f, const dtype_info *type, uint64_t rows, uint64_t cols) {
    llm_tensor *t = arena_push(f->a, llm_tensor);
    assert_non_null(t);
    *t = (llm_tensor){
        .type = type, .rows = rows, .cols = cols, .size_bytes = rows * cols / type->block_elems * type->block_bytes};
    return t;
}

typedef struct {
    uint32_t layers, width, heads, kv_heads, mlp_width, vocab;
} shape;

static const shape llama8b = {32, 4096, 32, 8, 14336, 128256}, llama70b = {80, 8192, 64, 8, 28672, 128256},
                   llama405b = {126, 16384, 128, 8, 53248, 128256}, small = {4, 512, 8, 4, 1024, 1024};

static llm_graph graph(fixture *f, shape s, const dtype_info *type) {
    llm_model m = {.name = "test",
                   .config = {.layers = s.layers,
                              .width = s.width,
                              .heads = s.heads,
                              .kv_heads = s.kv_heads,
                              .head_size = s.width / s.heads,
                              .mlp_width = s.mlp_width,
                              .vocab = s.vocab,
                              .rope = ROPE_PAIRS,
                              .rope_dims = s.width / s.heads}};
    uint64_t kv = (uint64_t)s.kv_heads * (s.width / s.heads);
    const llm_tensor *norm = tensor(f, type, 1, s.width), *square = tensor(f, type, s.width, s.width);
    llm_layer layer = {.attn_norm = norm, .ffn_norm = norm, .q = square, .k = tensor(f, type, kv, s.width),
                       .v = tensor(f, type, kv, s.width), .o = square, .gate = tensor(f, type, s.mlp_width, s.width),
                       .up = tensor(f, type, s.mlp_width, s.width), .down = tensor(f, type, s.width, s.mlp_width)};
    m.embed = tensor(f, type, s.vocab, s.width);
    m.output = tensor(f, type, s.vocab, s.width);
    m.output_norm = norm;
    m.layers = arena_push_n(f->a, llm_layer, s.layers);
    for (uint32_t i = 0; i < s.layers; i++) m.layers[i] = layer;
    llm_graph g;
    if (!llm_graph_build(&m, f->a, &g, f->d)) fail_msg("%s", diag_text(f->d));
    return g;
}

static first_order predict(fixture *f, const llm_graph *g, const perf_machine *m, uint64_t prompt, uint64_t generated) {
    first_order p;
    first_order_load load = {prompt, generated, 2};
    if (!first_order_predict(g, "model", m, &load, &p, f->d)) fail_msg("%s", diag_text(f->d));
    return p;
}

/* ---- machine files ---- */

static void shipped_machines(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"cs3", "cs2", "dgx-b200", "b200", "dgx-h100"};
    for (size_t i = 0; i < 5; i++) {
        perf_machine m = machine(f, names[i]);
        assert_string_equal(m.name, names[i]);
        const perf_row *row;
        for (size_t k = 0; (row = perf_machine_row(k)); k++) {
            const perf_value *v = (const perf_value *)((const char *)&m + row->value_offset);
            if (v->given) assert_true(*v->source);
            if (row->need & (1u << m.class)) assert_true(v->given);
        }
    }
    perf_machine cs3 = machine(f, "cs3");
    assert_true(cs3.io_bw_bytes_per_s.value == 150e9 && cs3.mem_bytes.value == 44e9);
    near(cs3.allreduce_latency_s.value, 0, 0); /* not given */
    near(machine(f, "dgx-b200").allreduce_latency_s.value, 5.93e-6, 1e-12);
    assert_int_equal(cs3.mem_bw_bytes_per_s.kind, FACT_SPEC);
    assert_int_equal(cs3.crossing_latency_s.kind, FACT_CLAIM);
}

/* The published quotients of memory rates: one B200, the box of eight, and per watt. */
static void known_ratios(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3"), b200 = machine(f, "b200"), dgx = machine(f, "dgx-b200");
    double wafer = cs3.mem_bw_bytes_per_s.value, gpu = b200.mem_bw_bytes_per_s.value;
    near(wafer / gpu, 2625, 1e-12);
    near(wafer / (dgx.mem_bw_bytes_per_s.value * dgx.accelerators.value), 328, 1e-3);
    near(wafer / cs3.power_watts.value / (gpu / b200.power_watts.value), 114, 2e-3);
}

static void cases_take_the_ends(void **state) {
    perf_machine m = machine(*state, "cs3");
    perf_numbers slow = perf_machine_numbers(&m, PERF_SLOW), mid = perf_machine_numbers(&m, PERF_NOMINAL),
                 fast = perf_machine_numbers(&m, PERF_FAST);
    assert_true(slow.clock_hz == 0.75e9 && mid.clock_hz == 0.875e9 && fast.clock_hz == 1.1e9);
    assert_true(slow.hop_cycles == 3.3 && mid.hop_cycles == 2 && fast.hop_cycles == 1); /* less is faster */
    assert_true(slow.mem_bytes == 44e9);                                               /* neither: always as stated */
    assert_true(mid.link_bw_bytes_per_s == 0);                                         /* not given */
}

#define REST "\"kind\": \"spec\", \"source\": \"s\"}"

/* A complete GPU file, with one entry as the test wants it. */
static str file_with(strbuf *b, const char *name, const char *entry) {
    strbuf_clear(b);
    strbuf_adds(
        b, "{\"name\": \"t\", \"title\": \"T\", \"class\": \"gpu\", \"weights_format\": \"as_stored\", \"values\": {");
    const perf_row *row;
    const char *comma = "\n";
    for (size_t i = 0; (row = perf_machine_row(i)); i++) {
        if (!(row->need & NEED_GPU)) continue;
        bool chosen = !strcmp(row->name, name);
        if (chosen && !entry) continue;
        const char *number =
            row->dimension == DIM_SHARE || row->dimension == DIM_COUNT || row->dimension == DIM_SECONDS ? "1" : "1e9";
        strbuf_addf(b, "%s\"%s\": ", comma, row->name);
        if (chosen) strbuf_adds(b, entry);
        else strbuf_addf(b, "{\"value\": %s, \"unit\": \"%s\", " REST, number,
                         perf_dimension_unit(row->dimension));
        comma = ",\n";
    }
    strbuf_adds(b, "}}");
    assert_false(b->oom);
    return strbuf_str(b);
}

static void wrong_files(void **state) {
    fixture *f = *state;
    static const struct {
        const char *name, *entry, *message;
    } rows[] = {
        {"power_watts", "{\"value\": NaN, \"unit\": \"W\", " REST, "NaN"},
        {"power_watts", "{\"value\": 1e999, \"unit\": \"W\", " REST, "real number overflow"},
        {"power_watts", "{\"value\": -3, \"unit\": \"W\", " REST, "value -3 W is outside"},
        {"power_watts", "{\"value\": 0, \"unit\": \"W\", " REST, "value 0 W is outside"},
        {"power_watts", "{\"value\": \"9\", \"unit\": \"W\", " REST, "'value' must be a number"},
        {"power_watts", "{\"unit\": \"W\", " REST, "'value' is missing: add it"},
        {"power_watts", "{\"value\": 9, \"unit\": \"hp\", " REST, "unit 'hp' is not known here; use W, kW"},
        {"power_watts", "{\"value\": 9, \"unit\": \"GB\", " REST, "unit 'GB' is not known here"},
        {"power_watts", "{\"value\": 9, " REST, "unit '(none)'"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"guess\", \"source\": \"s\"}",
         "'kind' must be one of: spec, measured"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\"}", "'source' is missing: add it"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"\"}",
         "'source' must be a non-empty string"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"s\", \"lo\": 1}",
         "unknown member 'lo'"},
        {"power_watts", "{\"value\": 9, \"low\": 10, \"unit\": \"W\", " REST, "low <= value <= high"},
        {"power_watts", "{\"value\": 9, \"high\": null, \"unit\": \"W\", " REST, "'high' must be a number"},
        {"power_watts", "{\"value\": 9, \"value\": 9, \"unit\": \"W\", " REST, "duplicate object key"},
        {"power_watts", "7", "must be an object with value, unit, kind and source"},
        {"power_watts", NULL, "'power_watts' (most that one system draws) is missing: a gpu needs it"},
        {"memory_efficiency", "{\"value\": 1.5, \"unit\": \"1\", " REST, "outside 0.0001 .. 1"},
        {"accelerators", "{\"value\": 2.5, \"unit\": \"1\", " REST, "must be whole"},
        {"accelerators", "{\"value\": 1e6, \"unit\": \"1\", " REST, "is outside 1 .. 65536"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"s\"}, \"power_wats\": {}",
         "no such value"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\"", "t.json:"},
    };
    strbuf b = {0};
    perf_machine m;
    assert_true(perf_machine_parse(&m, f->a, "t.json", file_with(&b, "", NULL), f->d));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        diag_clear(f->d);
        if (perf_machine_parse(&m, f->a, "t.json", file_with(&b, rows[i].name, rows[i].entry), f->d))
            fail_msg("row %zu is accepted", i);
        const char *text = diag_text(f->d);
        if (!strstr(text, rows[i].message) || !strstr(text, "t.json:"))
            fail_msg("row %zu: no '%s' in: %s", i, rows[i].message, text);
    }
    strbuf_free(&b);
}

static void wrong_texts(void **state) {
    fixture *f = *state;
    static const char *const texts[] = {"",
                                        " ",
                                        "[]",
                                        "7",
                                        "{",
                                        "{}",
                                        "nonsense",
                                        "{\"class\": 3}",
                                        "{\"values\": []}",
                                        "\"\xff\"",
                                        "{\"name\": \"a\\u0000b\"}"};
    perf_machine m;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        diag_clear(f->d);
        assert_false(perf_machine_parse(&m, f->a, "t.json", str_from(texts[i]), f->d));
        assert_true(diag_error_count(f->d) > 0);
    }
    /* the message points at the line of the value */
    diag_clear(f->d);
    assert_false(perf_machine_parse(&m, f->a, "t.json", STR("{\n\"values\": {\n \"clock_hz\": 3}}"), f->d));
    assert_non_null(strstr(diag_text(f->d), "t.json:3:2: error: 'clock_hz': must be an object"));
}

static void every_prefix_is_refused(void **state) {
    fixture *f = *state;
    strbuf b = {0};
    str whole = file_with(&b, "", NULL);
    for (size_t n = 0; n < whole.n; n++) {
        perf_machine m;
        diag_clear(f->d);
        assert_false(perf_machine_parse(&m, f->a, "t.json", (str){whole.p, n}, f->d));
    }
    strbuf_free(&b);
}

static void finding_files(void **state) {
    fixture *f = *state;
    perf_machine m;
    assert_false(perf_machine_load(&m, f->a, "no-such", f->d));
    assert_non_null(strstr(diag_text(f->d), "no machine 'no-such' in "));
    diag_clear(f->d);
    assert_false(perf_machine_load(&m, f->a, "./no-such.json", f->d));
    assert_non_null(strstr(diag_text(f->d), "./no-such.json: cannot open"));
    setenv("INGOT_DATA", "tests", 1);
    diag_clear(f->d);
    assert_null(perf_data_dir(f->a, f->d));
    assert_non_null(strstr(diag_text(f->d), "INGOT_DATA=tests"));
    setenv("INGOT_DATA", "data", 1);
    assert_string_equal(perf_data_dir(f->a, f->d), "data");
    unsetenv("INGOT_DATA");
    assert_true(perf_machine_load(&m, f->a, "data/machines/cs3.json", f->d));
}

/* ---- predictions by hand ---- */

/* The popular description: all weights through the wafer's I/O for every token. 70B: 1.06 tok/s with the embedding
 * table counted, and a little more since only rows of it are needed. */
static void streaming_bound(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3");
    llm_graph g = graph(f, llama70b, &f16);
    first_order p = predict(f, &g, &cs3, 512, 128);
    double bytes = llm_graph_cost(&g, 1, 576, 2).weight_elems * 2;
    near(p.params, 70553706496.0, 1e-12); /* published: 70.6 billion */
    assert_true(p.streamed.decode.io_bytes == bytes);
    assert_true(p.streamed.token_s.value == bytes / 150e9);
    assert_int_equal(p.streamed.decode.binds, FO_IO);
    assert_true(p.streamed.tokens_per_s.value > 1.06 && p.streamed.tokens_per_s.value < 1.09);
    near(150e9 / p.weight_bytes, 1.063, 1e-3);
    assert_true(p.streamed.prefill.limit_s[FO_IO] >= bytes / 150e9);
    assert_true(p.resident.token_s.value < p.streamed.token_s.value / 100);
    assert_true(p.resident.decode.io_bytes == 0 && p.resident.decode.limit_s[FO_IO] == 0);
    perf_machine dgx = machine(f, "dgx-b200"); /* all eight PCIe links at once */
    p = predict(f, &g, &dgx, 512, 128);
    assert_int_equal(p.streamed.devices, 8);
    assert_true(p.streamed.token_s.value == bytes / (8 * 128e9));
}

/* 4 wafers for 70B, 19 for 405B, one for 8B (claims 24, 31; as published or computed there). */
static void wafers_needed(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3");
    static const struct {
        const shape *s;
        double wafers;
    } rows[] = {{&llama8b, 1}, {&llama70b, 4}, {&llama405b, 19}};
    for (size_t i = 0; i < 3; i++) {
        llm_graph g = graph(f, *rows[i].s, &f16);
        first_order p = predict(f, &g, &cs3, 512, 128);
        assert_true(p.resident.systems == rows[i].wafers);
        assert_true(p.streamed.systems == 1);
        assert_true((p.resident.decode.crossing_bytes > 0) == (rows[i].wafers > 1));
    }
}

/* A GPU without overheads and with full efficiency takes bytes over bandwidth, to the last bit of rounding. */
static void plain_roofline(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "b200");
    m.memory_efficiency.value = m.compute_efficiency.value = 1;
    m.kernel_overhead_s.value = 0;
    m.flops_fp16_per_s.value = 1e24;
    llm_graph g = graph(f, llama8b, &f16);
    first_order p = predict(f, &g, &m, 100, 2);
    llm_cost c = llm_graph_cost(&g, 1, 101, 2);
    double bytes = c.weight_bytes + c.kv_read_bytes + c.kv_write_bytes + c.act_bytes;
    near(p.resident.decode.memory_bytes, bytes, 1e-12);
    near(p.resident.token_s.value, bytes / 8e12, 1e-12);
    assert_int_equal(p.resident.decode.binds, FO_MEMORY);
    m.mem_bw_bytes_per_s.value = 1e21; /* and without a memory limit, flops over rate */
    m.flops_fp16_per_s.value = 1e12;
    p = predict(f, &g, &m, 100, 2);
    near(p.resident.ttft_s.value, llm_graph_cost(&g, 100, 0, 2).flops / 1e12, 1e-12);
    assert_int_equal(p.resident.prefill.binds, FO_COMPUTE);
}

/* Launches after fusion: embedding, first norm; per layer q+k+v, rope with the store, attention, output, residual with
 * norm, gate+up, activation, down, residual with the next norm; head, choice. With eight devices two collectives a
 * layer and one. */
static void launches_and_collectives(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "b200");
    llm_graph g = graph(f, llama8b, &f16);
    first_order p = predict(f, &g, &m, 10, 10);
    near(p.resident.decode.limit_s[FO_LATENCY], (2 + 9 * 32 + 2) * 4.63e-6, 1e-12);
    perf_machine dgx = machine(f, "dgx-b200");
    p = predict(f, &g, &dgx, 10, 10);
    assert_int_equal(p.resident.devices, 8);
    near(p.resident.decode.limit_s[FO_LATENCY], 292 * 4.63e-6 + 65 * 5.93e-6, 1e-12);
    near(p.resident.decode.limit_s[FO_LINK], 65 * 2 * 7.0 / 8 * 8192 / 900e9, 1e-12);
    llm_graph tiny = graph(f, small, &f16); /* not worth splitting */
    p = predict(f, &tiny, &dgx, 10, 10);
    assert_int_equal(p.resident.devices, 1);
    near(p.resident.joules_per_token.value, 14300 * (0.2 + 0.35 / 8) * p.resident.token_s.value, 1e-12);
}

/* One product on a wafer of 8 x 8 PEs, without room for a choice of regions. */
static void wafer_by_hand(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    m.fabric_width_pes.value = m.fabric_height_pes.value = 8;
    m.flops_fp16_per_s.value = 1e12;
    m.compute_efficiency.value = 0.5;
    m.clock_hz.value = 1e9;
    llm_op op = {.kind = LLM_OP_MATMUL, .name = "w", .weight = tensor(f, &f16, 1024, 1024), .rows = 1024, .cols = 1024,
                 .input = {-1, -1}};
    llm_graph g = {.ops = &op, .count = 1, .layers = 1};
    first_order p = predict(f, &g, &m, 1, 1);
    const fo_step *s = &p.resident.decode;
    assert_int_equal(p.resident.region_side_pes, 8);
    near(s->limit_s[FO_COMPUTE], 2 * 1024.0 * 1024 / 0.5e12, 1e-12);
    near(s->limit_s[FO_MEMORY], (1024.0 * 1024 * 2 + 2048 * 2) / (21e15 * 0.603), 1e-12);
    near(s->limit_s[FO_LINK], 3 * 1024 * 2 / 4.0 / 8 * 1.125 / 1e9, 1e-12);
    double cycles = 7 * 2 + 5 * (2 * sqrt(8) - 2) + 8 * 2 + 4 + 35;
    near(s->limit_s[FO_LATENCY], cycles / 1e9, 1e-12);
    near(s->seconds, 2 * 1024.0 * 1024 / 0.5e12 + cycles / 1e9, 1e-12);
    near(s->link_bytes, 3 * 2048 * 7, 1e-12);
    near(p.resident.joules_per_token.value, 23e3 * s->seconds, 1e-12);
}

/* Products of one input, and head norms, reduce together: per layer norm, q+k+v, 3 of attention, output, norm, gate+up,
 * down. */
static void shared_reductions(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    m.fabric_width_pes.value = m.fabric_height_pes.value = 8;
    m.clock_hz.value = 1e9;
    llm_graph g = graph(f, small, &f16);
    first_order p = predict(f, &g, &m, 1, 1);
    double reduction = 7 * 2 + 5 * (2 * sqrt(8) - 2) + 8 * 2 + 4, count = 1 + 4 * 9 + 3;
    near(p.resident.decode.limit_s[FO_LATENCY], (count * reduction + (1 + 4 * 16 + 3) * 35) / 1e9, 1e-12);
}

/* Three wafers: two boundaries and the way back, each a latency and a vector of 512 two-byte elements; nine more tokens
 * of a prompt follow over one boundary. */
static void crossings(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3"), free_crossing;
    llm_graph g = graph(f, small, &f16);
    first_order p = predict(f, &g, &m, 10, 1), q;
    m.mem_bytes.value = (p.weight_bytes + p.kv_bytes) / 2.5;
    free_crossing = m;
    free_crossing.crossing_latency_s.value = 0;
    free_crossing.crossing_bw_bytes_per_s.value = 1e21;
    p = predict(f, &g, &m, 10, 1);
    q = predict(f, &g, &free_crossing, 10, 1);
    assert_true(p.resident.systems == 3);
    assert_int_equal(p.resident.region_side_pes, q.resident.region_side_pes);
    double vector_s = 1024 / 150e9;
    near(p.resident.decode.seconds - q.resident.decode.seconds, 3 * (3e-6 + vector_s), 1e-6);
    near(p.resident.prefill.seconds - q.resident.prefill.seconds, 3 * (3e-6 + vector_s) + 9 * vector_s, 1e-6);
    assert_true(p.resident.prefill.crossing_bytes == 3 * 10 * 1024);
}

/* Streamed weights need room for two buffers of the largest layer: 2,360,320 weights here. */
static void streaming_buffers(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    llm_graph g = graph(f, small, &f16);
    double kv = llm_graph_kv_bytes(&g, 16, 2), layer = 2 * 2360320.0;
    m.mem_bytes.value = 2 * layer + kv;
    assert_true(predict(f, &g, &m, 8, 8).streamed.systems == 1);
    m.mem_bytes.value = 2 * layer + kv - 1;
    assert_true(predict(f, &g, &m, 8, 8).streamed.systems == 2);
}

/* Each of eight devices reads and writes the whole residual stream: two norms and two additions a layer. */
static void replicated_vectors(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "dgx-b200");
    llm_graph g = graph(f, llama8b, &f16);
    first_order p = predict(f, &g, &m, 10, 1);
    llm_cost c = llm_graph_cost(&g, 1, 10, 2);
    double whole = (32 * (2 * 2 + 2 * 3) + 1 + 2) * 4096.0 * 2;
    assert_int_equal(p.resident.devices, 8);
    near(p.resident.decode.memory_bytes - c.weight_bytes - c.kv_read_bytes - c.kv_write_bytes, c.act_bytes + 7 * whole,
         1e-9);
}

/* What a wafer widens, a GPU reads as it is stored. */
static void weight_formats(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3"), dgx = machine(f, "dgx-b200");
    llm_graph g = graph(f, small, &q4_0);
    first_order wafer = predict(f, &g, &cs3, 8, 8), gpu = predict(f, &g, &dgx, 8, 8);
    assert_true(wafer.weight_bytes == 2 * wafer.params);
    assert_true(gpu.weight_bytes == gpu.params * 18 / 32);
    assert_true(gpu.streamed.decode.memory_bytes - gpu.resident.decode.memory_bytes == gpu.streamed.decode.io_bytes);
}

/* Every value with a direction, made better: the request never takes longer. */
static void better_is_never_slower(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"cs3", "dgx-b200"};
    static const shape *const shapes[] = {&llama8b, &small, &llama70b};
    for (size_t i = 0; i < 6; i++) {
        perf_machine m = machine(f, names[i % 2]);
        llm_graph g = graph(f, *shapes[i / 2], &f16);
        first_order before = predict(f, &g, &m, 300, 20);
        const perf_row *row;
        for (size_t k = 0; (row = perf_machine_row(k)); k++) {
            if (!row->better) continue;
            perf_machine n = m;
            perf_value *v = (perf_value *)((char *)&n + row->value_offset);
            double factor = row->better > 0 ? 1.7 : 0.6;
            v->low *= factor, v->value *= factor, v->high *= factor;
            first_order after = predict(f, &g, &n, 300, 20);
            fo_range a = before.resident.request_s, b = after.resident.request_s, c = before.streamed.request_s,
                     e = after.streamed.request_s;
            if (b.low > a.low || b.value > a.value || b.high > a.high || e.low > c.low || e.value > c.value ||
                e.high > c.high)
                fail_msg("%s: a better %s makes it slower", names[i % 2], row->name);
        }
    }
}

static void ranges_are_ordered(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"cs3", "cs2", "dgx-b200", "b200", "dgx-h100"};
    llm_graph g = graph(f, llama8b, &f16);
    for (size_t i = 0; i < 5; i++) {
        perf_machine m = machine(f, names[i]);
        first_order p = predict(f, &g, &m, 200, 50);
        const fo_mode *modes[] = {&p.resident, &p.streamed};
        for (int k = 0; k < 2; k++) {
            const fo_range r[] = {modes[k]->ttft_s, modes[k]->token_s, modes[k]->request_s, modes[k]->tokens_per_s,
                                  modes[k]->joules_per_token, modes[k]->joules_prompt, modes[k]->usd_per_mtoken};
            for (int j = 0; j < 7; j++) assert_true(0 <= r[j].low && r[j].low <= r[j].value && r[j].value <= r[j].high);
            assert_true(modes[k]->token_s.low > 0);
            const fo_step *s = &modes[k]->decode;
            for (int l = 0; l < FO_LIMIT_COUNT; l++) /* no limit alone takes longer than all together */
                assert_true(s->limit_s[l] <= s->seconds * (1 + 1e-12) && s->limit_s[l] <= s->limit_s[s->binds]);
        }
    }
}

/* Why the product is not as fast as its SRAM (claims 27): the time is latency, not bytes. */
static void wafer_decode_is_latency_bound(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3");
    llm_graph g = graph(f, llama70b, &f16);
    first_order p = predict(f, &g, &cs3, 512, 128);
    assert_int_equal(p.resident.decode.binds, FO_LATENCY);
    assert_true(p.weight_bytes / 21e15 < 0.01 * p.resident.token_s.value);
}

static void refusals(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    llm_graph g = graph(f, small, &f16), none = {0};
    first_order p;
    static const first_order_load loads[] = {{0, 1, 2}, {1, 0, 2},   {1ull << 40, 1, 2},
                                             {1, 1, 0}, {1, 1, NAN}, {1, 1, 9}};
    for (size_t i = 0; i < 6; i++) assert_false(first_order_predict(&g, "x", &m, &loads[i], &p, f->d));
    assert_false(first_order_predict(&none, "x", &m, &(first_order_load){1, 1, 2}, &p, f->d));
    assert_int_equal(diag_error_count(f->d), 7);
}

static void renderings(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    llm_graph g = graph(f, small, &f16);
    first_order p = predict(f, &g, &m, 8, 8);
    p.model = "a \"model\"\n";
    strbuf text = {0}, json = {0};
    first_order_render(&p, &text);
    static const char *const want[] = {"first-order: ", "weights resident", "time to first token", "tokens per second",
                                       "energy per token", "SRAM", "wafer I/O", "<- binds", "8 prompt + 8 generated"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (!strstr(text.data, want[i])) fail_msg("no '%s' in:\n%s", want[i], text.data);
    p.resident.ttft_s.high = INFINITY;
    first_order_json(&p, &json);
    json_error_t error;
    json_t *root = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("%s in %s", error.text, json.data);
    json_t *resident = json_object_get(root, "resident"), *token = json_object_get(resident, "token_s");
    near(json_number_value(json_object_get(token, "value")), p.resident.token_s.value, 1e-8);
    assert_true(json_is_null(json_object_get(json_object_get(resident, "ttft_s"), "high")));
    assert_string_equal(json_string_value(json_object_get(root, "model")), p.model);
    assert_string_equal(json_string_value(json_object_get(root, "method")), "first-order");
    json_decref(root);
    strbuf_free(&text);
    strbuf_free(&json);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    unsetenv("INGOT_DATA");
    const struct CMUnitTest tests[] = {
        T(shipped_machines),
        T(known_ratios),
        T(cases_take_the_ends),
        T(wrong_files),
        T(wrong_texts),
        T(every_prefix_is_refused),
        T(finding_files),
        T(streaming_bound),
        T(wafers_needed),
        T(plain_roofline),
        T(launches_and_collectives),
        T(wafer_by_hand),
        T(weight_formats), T(shared_reductions), T(crossings), T(streaming_buffers), T(replicated_vectors),
        T(better_is_never_slower),
        T(ranges_are_ordered),
        T(wafer_decode_is_latency_bound),
        T(refusals),
        T(renderings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
