/* Are the tokens those of independent engines, does text survive the way there and back, and can no text forge a
 * control token, stall the tokenizer or break a character? */
#include "base/rng.h"
#include "base/thread.h"
#include "tests/tokenizer_help.h"

/* Can the text come back? Some vocabularies lack the tokens of bytes that their training text did not have, and
 * SentencePiece takes U+2581 for a space. */
static bool can_come_back(const model *m, str text) {
    if (m->v.kind == VOCAB_SPM)
        return !str_contains(text, STR(UTF8_SPACE));
    for (size_t i = 0; i < text.n; i++)
        if (m->t->byte_symbol[(uint8_t)text.p[i]] >= m->v.count)
            return false;
    return true;
}

/* Every line of mixed.txt gives the ids of NAME.ids, and comes back. */
static void expect_mixed(model *m, const char *name) {
    str texts = read_text(m, DATA "mixed.txt"), golden = read_text(m, arena_printf(m->a, DATA "%s.ids", name));
    strbuf text = {0};
    size_t lines = 0, back = 0;
    for (; texts.n; lines++) {
        unescape(take_line(&texts), &text);
        expect_ids(m->t, strbuf_str(&text), 0, take_line(&golden));
        if (!can_come_back(m, strbuf_str(&text)))
            continue;
        expect_round_trip(m->t, strbuf_str(&text));
        back++;
    }
    assert_true(lines >= 2000 && back >= 2000);
    strbuf_free(&text);
}

static const char *const vocabularies[] = {"llama-spm", "gpt-2", "starcoder", "falcon", "deepseek-llm"};

static void vectors_of_llama_cpp(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof vocabularies / sizeof *vocabularies; k++) {
        model *none = model_new();
        const char *path = shared(none, vocabularies[k], ".gguf");
        model *m = load_gguf(path);
        str texts = read_text(m, shared(m, vocabularies[k], ".gguf.inp"));
        str golden = read_text(m, shared(m, vocabularies[k], ".gguf.out"));
        const str mark = STR("\n__ggml_vocab_test__\n");
        size_t count = 0;
        for (; texts.n; count++) {
            const char *end = memmem(texts.p, texts.n, mark.p, mark.n);
            size_t n = end ? (size_t)(end - texts.p) : texts.n, skipped = end ? n + mark.n : n;
            expect_ids(m->t, (str){texts.p, n}, 0, take_line(&golden));
            texts = (str){texts.p + skipped, texts.n - skipped};
        }
        assert_true(count >= 40);
        model_free(m);
        model_free(none);
    }
}

static void mixed_text_like_llama_cpp(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof vocabularies / sizeof *vocabularies; k++) {
        model *none = model_new();
        model *m = load_gguf(shared(none, vocabularies[k], ".gguf"));
        expect_mixed(m, vocabularies[k]);
        model_free(m);
        model_free(none);
    }
}

static void smollm2_like_llama_cpp(void **state) {
    (void)state;
    model *none = model_new();
    char *home = ingot_home(none->a, none->d);
    char *path = home ? path_join(none->a, home, "models/SmolLM2-135M-Instruct.Q4_1.gguf") : NULL;
    if (!path || !file_exists(path)) {
        printf("%s is absent\n", path ? path : "models/SmolLM2-135M-Instruct.Q4_1.gguf");
        model_free(none);
        skip();
    }
    model *m = load_gguf(path);
    expect_mixed(m, "smollm2");
    expect_ids(m->t, STR("<|im_start|>user\nHi<|im_end|>\n"), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL,
               STR("1 4093 198 26843 2 198"));
    assert_true(tokenizer_is_stop(m->t, 2) && !tokenizer_is_stop(m->t, 1));
    model_free(m);
    model_free(none);
}

/* ---- pre-tokenizers ---- */

static void expect_pieces(encoder *e, str text, str golden) {
    strbuf got = {0};
    assert_true(split_pieces(e, text));
    for (size_t i = 0; i < e->pieces.count; i++)
        strbuf_addf(&got, "%s%u", i ? " " : "", e->pieces.items[i].end);
    if (!str_eq(strbuf_str(&got), golden))
        fail_msg("%s cuts '%.*s' at %s, not %.*s", e->t->v->pre, (int)text.n, text.p, got.data ? got.data : "",
                 (int)golden.n, golden.p);
    strbuf_free(&got);
}

static void pre_tokenizers_cut_like_oniguruma(void **state) {
    (void)state;
    model *m = model_new();
    str golden = read_text(m, DATA "pieces.txt"), all = read_text(m, DATA "mixed.txt"), token = STR("x");
    uint8_t kind = TOKEN_NORMAL;
    strbuf text = {0};
    int rows = 0;
    for (; golden.n; rows++) {
        str name = take_line(&golden), texts = all;
        llm_vocab v = {.kind = VOCAB_BPE,
                       .count = 1,
                       .tokens = &token,
                       .kinds = &kind,
                       .bos = -1,
                       .eos = -1,
                       .unk = -1,
                       .pad = -1};
        v.pre = arena_strndup(m->a, name.p, name.n);
        assert_true(pre_rules_set(&v, name));
        tokenizer *t = tokenizer_new(&v, m->d);
        encoder e = {.t = t, .d = m->d};
        assert_true(t && split_begin(&e));
        for (size_t i = 0; texts.n; i++) {
            unescape(take_line(&texts), &text);
            if (i % 5 == 0)
                expect_pieces(&e, strbuf_str(&text), take_line(&golden));
        }
        split_end(&e);
        mem_free(e.pieces.items);
        mem_free(e.next.items);
        tokenizer_free(t);
    }
    assert_true(rows >= 17);
    strbuf_free(&text);
    model_free(m);
}

/* ---- a small vocabulary of our own, written as a GGUF file ---- */

typedef struct {
    const char *model, *pre;
    uint32_t eos, score_count; /* what to lie about; 0 = the truth */
    bool add_bos, add_eos;
    const char *bad_merge, *bad_token;
} recipe;

enum { CONTROL_ID = 256, USER_ID, LONG_USER_ID, PLAIN_ID };
static const char *const more_tokens[] = {"<|x|>",
                                          "<u",
                                          "<u>",
                                          "aa",
                                          "aaaa",
                                          "aaaaaaaa",
                                          "bc",
                                          "<|",
                                          "<|x",
                                          "<|x|",
                                          "\xC3\x83\xC2\xA9", /* the byte-level spelling of U+00E9 */
                                          "\xC3\xA9",
                                          UTF8_SPACE,
                                          "a"};
static const char *const merges[] = {"b c",  "a a",   "aa aa",  "aaaa aaaa",        "< |",
                                     "<| x", "<|x |", "<|x| >", "\xC3\x83 \xC2\xA9"};
enum { MORE = sizeof more_tokens / sizeof *more_tokens, MERGES = sizeof merges / sizeof *merges, TOKENS = 256 + MORE };

/* The 256 bytes, then more_tokens: a control token that merging could spell, two user tokens, and plain ones. */
static void write_file(recipe r, strbuf *out) {
    bool spm = !strcmp(r.model, "llama");
    char bytes[256][8] = {{0}};
    str tokens[TOKENS], pairs[MERGES];
    int32_t kinds[TOKENS];
    float scores[TOKENS] = {0};
    for (int i = 0; i < TOKENS; i++) {
        if (i < 256 && spm)
            snprintf(bytes[i], 8, "<0x%02X>", (unsigned)i);
        else if (i < 256)
            utf8_encode(byte_level_char((uint8_t)i), bytes[i]);
        tokens[i] = str_from(i < 256 ? bytes[i] : more_tokens[i - 256]);
        kinds[i] = i == CONTROL_ID                     ? TOKEN_CONTROL
                   : i == USER_ID || i == LONG_USER_ID ? TOKEN_USER
                   : i < 256 && spm                    ? TOKEN_BYTE
                                                       : TOKEN_NORMAL;
        scores[i] = i < 256 ? 0 : (float)-i;
    }
    if (r.bad_token)
        tokens[7] = str_from(r.bad_token);
    for (int i = 0; i < MERGES; i++)
        pairs[i] = str_from(i == 0 && r.bad_merge ? r.bad_merge : merges[i]);
    gguf_writer w = {0};
    gguf_put_str(&w, "tokenizer.ggml.model", str_from(r.model));
    if (r.pre)
        gguf_put_str(&w, "tokenizer.ggml.pre", str_from(r.pre));
    gguf_put_str_array(&w, "tokenizer.ggml.tokens", tokens, TOKENS);
    gguf_put_array(&w, "tokenizer.ggml.token_type", GGUF_I32, kinds, TOKENS);
    gguf_put_array(&w, "tokenizer.ggml.scores", GGUF_F32, scores, r.score_count ? r.score_count : TOKENS);
    gguf_put_str_array(&w, "tokenizer.ggml.merges", pairs, MERGES);
    gguf_put_u32(&w, "tokenizer.ggml.bos_token_id", CONTROL_ID);
    gguf_put_u32(&w, "tokenizer.ggml.eos_token_id", r.eos ? r.eos : CONTROL_ID);
    gguf_put_bool(&w, "tokenizer.ggml.add_bos_token", r.add_bos);
    gguf_put_bool(&w, "tokenizer.ggml.add_eos_token", r.add_eos);
    assert_true(gguf_emit_header(&w, out));
    gguf_writer_free(&w);
}

static model *small(recipe r) {
    model *m = model_new();
    strbuf bytes = {0};
    write_file(r, &bytes);
    char *copy = arena_strndup(m->a, bytes.data, bytes.len);
    load_bytes(m, "small.gguf", (str){copy, bytes.len});
    strbuf_free(&bytes);
    return m;
}

/* ---- special tokens, ends ---- */

static void control_tokens_only_when_allowed(void **state) {
    (void)state;
    static const char *const kinds[] = {"gpt2", "llama"};
    for (int k = 0; k < 2; k++) {
        model *m = small((recipe){.model = kinds[k], .pre = "gpt-2"});
        token_list ids = {0};
        encode(m->t, STR("<|x|>aa<|x|"), TOK_PARSE_SPECIAL, &ids);
        assert_int_equal(ids.ids[0], CONTROL_ID);
        encode(m->t, STR("<|x|>aa<|x|>"), 0, &ids); /* though merging could spell it */
        for (size_t i = 0; i < ids.count; i++)
            assert_int_not_equal(ids.ids[i], CONTROL_ID);
        encode(m->t, STR("<u><u<u>"), 0, &ids); /* user tokens always, the longest first */
        assert_int_equal(ids.count, 3);
        assert_int_equal(ids.ids[0], LONG_USER_ID);
        assert_int_equal(ids.ids[1], USER_ID);
        assert_int_equal(ids.ids[2], LONG_USER_ID);
        assert_int_equal(tokenizer_find(m->t, STR("<|x|>")), CONTROL_ID);
        assert_int_equal(tokenizer_find(m->t, STR("no such")), -1);
        assert_true(tokenizer_is_stop(m->t, CONTROL_ID) && !tokenizer_is_stop(m->t, USER_ID));
        token_list_free(&ids);
        model_free(m);
    }
}

static void control_tokens_are_shown_on_request(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2"});
    strbuf out = {0};
    detok hidden = {0}, shown = {.special = true};
    detok_push(m->t, &hidden, CONTROL_ID, &out);
    assert_int_equal(out.len, 0);
    detok_push(m->t, &shown, CONTROL_ID, &out);
    detok_push(m->t, &shown, -1, &out);
    detok_push(m->t, &shown, 1 << 30, &out); /* ids outside are nothing */
    assert_string_equal(out.data, "<|x|>");
    strbuf_free(&out);
    model_free(m);
}

static void ends_are_added_once(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2", .add_bos = true, .add_eos = true, .eos = LONG_USER_ID});
    unsigned all = TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL;
    expect_ids(m->t, STR("b"), TOK_ADD_SPECIAL, STR("256 98 258"));
    expect_ids(m->t, STR("<|x|>b<u>"), all, STR("256 98 258"));
    expect_ids(m->t, STR("<|x|><|x|>b"), all, STR("256 256 98 258"));
    expect_ids(m->t, STR(""), all, STR("256 258"));
    expect_ids(m->t, STR("b"), 0, STR("98"));
    expect_ids(m->t, STR(""), 0, STR(""));
    model_free(m);
}

static void appends_and_leaves_the_list_alone_on_failure(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2"});
    token_list ids = {0};
    assert_true(token_list_push(&ids, 7));
    assert_true(tokenizer_encode(m->t, STR("bc"), 0, &ids, m->d));
    assert_int_equal(ids.count, 2);
    assert_int_equal(ids.ids[0], 7);
    assert_false(tokenizer_encode(m->t, (str){"", (size_t)2 << 30}, 0, &ids, m->d)); /* refused by its length alone */
    assert_int_equal(ids.count, 2);
    token_list_free(&ids);
    model_free(m);
}

/* ---- any bytes ---- */

static void add_random_text(rng *r, bool valid, strbuf *out) {
    static const uint32_t below[] = {0x80, 0x800, 0x10000, 0x110000};
    for (uint64_t n = rng_below(r, 40); n; n--) {
        uint32_t c = (uint32_t)rng_below(r, below[rng_below(r, 4)]);
        if (!valid && rng_below(r, 3) == 0)
            strbuf_addc(out, (char)rng_u64(r));
        else if (rng_below(r, 4) == 0)
            strbuf_adds(out, rng_below(r, 2) ? " " : "aaaa");
        else
            strbuf_add_utf8(out, c);
    }
}

static void random_text_comes_back(void **state) {
    (void)state;
    static const recipe recipes[] = {{.model = "gpt2", .pre = "gpt-2"},
                                     {.model = "gpt2", .pre = "llama-bpe"},
                                     {.model = "gpt2", .pre = "deepseek-llm"},
                                     {.model = "llama"}};
    rng r = rng_seed(1);
    strbuf text = {0}, back = {0};
    token_list ids = {0};
    for (int k = 0; k < 4; k++) {
        model *m = small(recipes[k]);
        for (int i = 0; i < 500; i++) {
            bool valid = i % 2;
            strbuf_clear(&text);
            add_random_text(&r, valid, &text);
            if (valid)
                expect_round_trip(m->t, strbuf_str(&text));
            encode(m->t, strbuf_str(&text), 0, &ids); /* the raw bytes come back even when they are not UTF-8 */
            strbuf_clear(&back);
            for (size_t j = 0; j < ids.count; j++)
                tokenizer_bytes(m->t, ids.ids[j], false, &back);
            str got = strbuf_str(&back);
            if (m->v.kind == VOCAB_SPM && got.n)
                got.p++, got.n--;
            assert_true(str_eq(got, strbuf_str(&text)));
        }
        model_free(m);
    }
    strbuf_free(&text);
    strbuf_free(&back);
    token_list_free(&ids);
}

static void invalid_text_is_bytes(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2"}), *spm = small((recipe){.model = "llama"});
    expect_ids(m->t,
               STR("b\xFF"
                   "c"),
               0, STR("98 255 99"));
    expect_ids(m->t, STR("\xC3\xA9\xC3"), 0, STR("266 195"));
    expect_ids(m->t, STR("\xED\xA0\x80"), 0, STR("237 160 128")); /* a surrogate */
    expect_ids(spm->t, STR("\xC3\xA9\xC3"), 0, STR("268 267 195"));
    expect_ids(spm->t, STR("\xF4\x90\x80\x80"), 0, STR("268 244 144 128 128"));
    model_free(m);
    model_free(spm);
}

/* Bytes of a stream become the text that they make as a whole, each bad beginning one U+FFFD. */
static void stream_is_whole_and_valid(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"a\xE2\x82\xAC"
                  "b",
                  "a\xE2\x82\xAC"
                  "b"},
                 {"\xE2\x82", "\xEF\xBF\xBD"},
                 {"\xE2\x82z", "\xEF\xBF\xBDz"},
                 {"\xE0\x80z", "\xEF\xBF\xBD\xEF\xBF\xBDz"},
                 {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
                 {"\xF0\x9F\x98\xF0\x9F\x98\x80", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
                 {"\xF0\x9F\xE2\x82\xAC", "\xEF\xBF\xBD\xE2\x82\xAC"},
                 {"\xC0\xAF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\x80", "\xEF\xBF\xBD"},
                 {"\xF4\x90", "\xEF\xBF\xBD\xEF\xBF\xBD"}};
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2"});
    strbuf out = {0};
    token_list ids = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ids.count = 0;
        for (const char *p = cases[i].bytes; *p; p++)
            assert_true(token_list_push(&ids, (uint8_t)*p));
        decode(m->t, &ids, &out);
        assert_string_equal(out.data, cases[i].text);
    }
    strbuf_free(&out);
    token_list_free(&ids);
    model_free(m);
}

static void one_leading_space_is_dropped(void **state) {
    (void)state;
    model *m = small((recipe){.model = "llama"});
    expect_ids(m->t, STR(" b"), 0, STR("268 268 98"));
    expect_round_trip(m->t, STR(" b"));
    expect_round_trip(m->t, STR("  b "));
    expect_ids(m->t, STR("b<|x|>b"), TOK_PARSE_SPECIAL, STR("268 98 256 268 98")); /* again after a special token */
    model_free(m);
}

/* ---- large and hostile ---- */

static void fill(char *text, size_t n, const char *unit) {
    size_t len = strlen(unit);
    for (size_t i = 0; i < n; i++)
        text[i] = unit[i % len];
    text[n - 1] = 'x'; /* so that a run of spaces does not end the text */
}

/* The worst texts: this ends within the patience of a test run only if nothing costs the square of the length. */
static void long_text_is_not_quadratic(void **state) {
    (void)state;
    static const recipe recipes[] = {{.model = "gpt2", .pre = "gpt-2"},
                                     {.model = "llama"},
                                     {.model = "gpt2", .pre = "deepseek-llm"},
                                     {.model = "gpt2", .pre = "gpt-4o"},
                                     {.model = "gpt2", .pre = "nobody-knows"}};
    static const char *const units[] = {"A",         " ", "<",  "<|x|", "7",  "\xC3\xA9",
                                        "e\xCC\x81", "!", "\n", "bc ",  "<u", "a"};
    enum { BYTES = 1 << 20 };
    char *text = mem_alloc(BYTES);
    token_list ids = {0};
    rng r = rng_seed(3);
    assert_non_null(text);
    for (int k = 0; k < 5; k++) {
        model *m = small(recipes[k]);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            fill(text, BYTES / 8, units[u]);
            encode(m->t, (str){text, BYTES / 8}, TOK_PARSE_SPECIAL, &ids);
            assert_true(ids.count >= BYTES / 64);
        }
        if (k < 2) {
            fill(text, BYTES, "a");
            encode(m->t, (str){text, BYTES}, 0, &ids);
            for (size_t i = 0; i < BYTES; i++)
                text[i] = (char)rng_u64(&r);
            encode(m->t, (str){text, BYTES}, TOK_PARSE_SPECIAL, &ids);
        }
        model_free(m);
    }
    token_list_free(&ids);
    mem_free(text);
}

typedef struct {
    const tokenizer *t;
    str text;
    size_t counts[8];
} shared_work;

static void encode_on_thread(void *arg, int thread, int threads) {
    (void)threads;
    shared_work *w = arg;
    token_list ids = {0};
    encode(w->t, w->text, 0, &ids);
    for (size_t i = 0; i < ids.count; i++)
        w->counts[thread] = w->counts[thread] * 31 + (size_t)ids.ids[i];
    token_list_free(&ids);
}

static void many_threads_share_one(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "llama-bpe"});
    shared_work w = {.t = m->t, .text = read_text(m, DATA "mixed.txt")};
    pool *p = pool_new(8, m->d);
    assert_non_null(p);
    pool_run(p, encode_on_thread, &w);
    for (int i = 1; i < 8; i++)
        assert_int_equal(w.counts[i], w.counts[0]);
    pool_free(p);
    model_free(m);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const struct {
        recipe r;
        const char *says;
    } cases[] = {{{.model = "bert"}, "tokenizer model 'bert' is not supported"},
                 {{.model = "ge\x1b[31mmma"}, "'ge?[31mmma'"},
                 {{.model = "gpt2", .pre = "gpt-2", .eos = 99999}, "tokenizer.ggml.eos_token_id"},
                 {{.model = "llama", .score_count = 3}, "tokenizer.ggml.scores has 3 entries"},
                 {{.model = "llama", .bad_token = "<0x-1>"}, "is not spelled <0xHH>"},
                 {{.model = "gpt2", .pre = "gpt-2", .bad_merge = "nospace"}, "merge 0"},
                 {{.model = "gpt2", .pre = "gpt-2", .bad_merge = "b "}, "merge 0"},
                 {{.model = "gpt2", .pre = "gpt-2", .bad_merge = ""}, "merge 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model *m = small(cases[i].r);
        assert_null(m->t);
        if (!strstr(diag_text(m->d), cases[i].says))
            fail_msg("'%s' does not say '%s'", diag_text(m->d), cases[i].says);
        model_free(m);
    }
}

static void unknown_pre_tokenizer_warns(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "nobody-knows"}),
          *none = small((recipe){.model = "gpt2", .eos = UINT32_MAX});
    assert_non_null(strstr(diag_text(m->d), "warning: small.gguf: pre-tokenizer 'nobody-knows' is not known"));
    assert_non_null(strstr(diag_text(none->d), "pre-tokenizer '' is not known"));
    assert_int_equal(none->v.eos, -1); /* 2^32 - 1 is how some converters say none */
    assert_int_equal(m->v.rule_count, 2);
    model_free(m);
    model_free(none);
}

/* A vocabulary's own pattern can be hopeless for a text; that is an error and not an endless loop. */
static void a_hopeless_pattern_is_an_error(void **state) {
    (void)state;
    model *m = small((recipe){.model = "gpt2", .pre = "gpt-2"});
    llm_vocab v = m->v;
    v.rule_count = 1;
    v.rules[0].pattern = STR("(?:a+)+(?:a+)+(?:a+)+[bc]");
    tokenizer *t = tokenizer_new(&v, m->d);
    token_list ids = {0};
    char text[400];
    memset(text, 'a', sizeof text);
    assert_non_null(t);
    assert_false(tokenizer_encode(t, (str){text, sizeof text}, 0, &ids, m->d));
    assert_non_null(strstr(diag_text(m->d), "too hard"));
    assert_int_equal(ids.count, 0);
    tokenizer_free(t);
    static const char *const bad[] = {"[a&&b]", "[[a]b]", "\\h", "(", "a\\", "\\C", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        v.rules[0].pattern = str_from(bad[i]);
        assert_null(tokenizer_new(&v, m->d));
    }
    token_list_free(&ids);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_llama_cpp),
        cmocka_unit_test(mixed_text_like_llama_cpp),
        cmocka_unit_test(smollm2_like_llama_cpp),
        cmocka_unit_test(pre_tokenizers_cut_like_oniguruma),
        cmocka_unit_test(control_tokens_only_when_allowed),
        cmocka_unit_test(control_tokens_are_shown_on_request),
        cmocka_unit_test(ends_are_added_once),
        cmocka_unit_test(appends_and_leaves_the_list_alone_on_failure),
        cmocka_unit_test(random_text_comes_back),
        cmocka_unit_test(invalid_text_is_bytes),
        cmocka_unit_test(stream_is_whole_and_valid),
        cmocka_unit_test(one_leading_space_is_dropped),
        cmocka_unit_test(long_text_is_not_quadratic),
        cmocka_unit_test(many_threads_share_one),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(unknown_pre_tokenizer_warns),
        cmocka_unit_test(a_hopeless_pattern_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
