/* Is a tokenizer.json understood as the library that wrote it does, and is what we do not do refused by name? */
#include "base/rng.h"
#include "tests/tokenizer_help.h"

static const char *const json_names[] = {"bytelevel", "spmerges", "metaspace"};

static void json_like_the_library(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        model *files = model_new();
        str json = read_text(files, arena_printf(files->a, DATA "%s.json", json_names[k]));
        str golden = read_text(files, arena_printf(files->a, DATA "%s.ids", json_names[k]));
        str mixed = read_text(files, DATA "mixed.txt"), with_specials = read_text(files, DATA "special.txt");
        model *m = load_json(json, (str){0}, (str){0});
        strbuf text = {0};
        if (!m->t)
            fail_msg("%s", diag_text(m->d));
        for (size_t i = 0; mixed.n; i++) {
            unescape(take_line(&mixed), &text);
            if (i % 5 == 1)
                expect_ids(m->t, strbuf_str(&text), TOK_PARSE_SPECIAL, take_line(&golden));
        }
        while (with_specials.n) {
            unescape(take_line(&with_specials), &text);
            expect_ids(m->t, strbuf_str(&text), TOK_PARSE_SPECIAL, take_line(&golden));
        }
        assert_int_equal(golden.n, 0);
        strbuf_free(&text);
        model_free(m);
        model_free(files);
    }
}

static void json_ends_stops_and_template(void **state) {
    (void)state;
    model *files = model_new();
    str json = read_text(files, DATA "bytelevel.json"), spm = read_text(files, DATA "spmerges.json");
    str config = STR("{\"eos_token\":{\"content\":\"<|im_end|>\"},\"bos_token\":\"<|begin|>\",\"chat_template\":"
                     "[{\"name\":\"x\",\"template\":\"X\"},{\"name\":\"default\",\"template\":\"D\"}]}");
    model *m = load_json(json, config, STR("{\"eos_token_id\":[3,4]}")),
          *off = load_json(spm, STR("{\"add_eos_token\":false}"), (str){0});
    int32_t begin = tokenizer_find(m->t, STR("<|begin|>")), end = tokenizer_find(m->t, STR("<|im_end|>"));
    assert_true(m->v.add_bos && !m->v.add_eos && m->v.bos == begin && m->v.eos == end && m->v.normalize_nfc);
    assert_true(tokenizer_is_stop(m->t, 3) && tokenizer_is_stop(m->t, 4) && tokenizer_is_stop(m->t, end));
    assert_true(str_is(m->v.chat_template, "D"));
    assert_true(off->v.add_bos && !off->v.add_eos && off->v.bos == 1 && off->v.eos == 2);
    expect_round_trip(off->t, STR("  na\xC3\xAFve \xF0\x9F\xA6\x99\n"));
    model_free(m);
    model_free(off);
    model_free(files);
}

/* <|end|> stops, except in the harmony format, where another message follows it. */
static void named_stops(void **state) {
    (void)state;
    static const char *const vocabs[] = {"{\"a\":0,\"<|end|>\":1,\"<|call|>\":2}",
                                         "{\"a\":0,\"<|end|>\":1,\"<|call|>\":2,\"<|return|>\":3}"};
    for (int k = 0; k < 2; k++) {
        model *none = model_new();
        const char *json =
            arena_printf(none->a,
                         "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
                         "%s,\"merges\":[\"a a\"],\"unk_token\":\"a\"}}",
                         vocabs[k]);
        model *m = load_json(str_from(json), (str){0}, (str){0});
        assert_non_null(m->t);
        assert_int_equal(tokenizer_is_stop(m->t, 1), k == 0);
        assert_true(tokenizer_is_stop(m->t, 2) && !tokenizer_is_stop(m->t, 0));
        model_free(m);
        model_free(none);
    }
}

static void unknown_text_is_one_unk_or_many(void **state) {
    (void)state;
    for (int fuse = 0; fuse < 2; fuse++) {
        model *none = model_new();
        const char *json = arena_printf(
            none->a,
            "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"never\"},"
            "\"model\":{\"type\":\"BPE\",\"vocab\":{\"<unk>\":0,\"a\":1,\"aa\":2},\"merges\":[\"a a\"],"
            "\"unk_token\":\"<unk>\",\"fuse_unk\":%s}}",
            fuse ? "true" : "false");
        model *m = load_json(str_from(json), (str){0}, (str){0});
        assert_non_null(m->t);
        expect_ids(m->t, STR("aaxyza"), 0, fuse ? STR("2 0 1") : STR("2 0 0 0 1"));
        model_free(m);
        model_free(none);
    }
}

/* A small tokenizer.json; each case puts something else in place of one of its parts. */
static const char *const parts[] = {
    "\"normalizer\":null",     "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
    "\"post_processor\":null", "\"added_tokens\":[{\"id\":2,\"content\":\"<e>\",\"special\":true}]",
    "\"type\":\"BPE\"",        "\"vocab\":{\"a\":0,\"b\":1,\"ab\":3}",
    "\"merges\":[\"a b\"]"};

static str patched_json(arena *a, int part, const char *with) {
    const char *p[7];
    for (int i = 0; i < 7; i++)
        p[i] = i == part ? with : parts[i];
    return str_from(arena_printf(a, "{%s,%s,%s,%s,\"model\":{%s,%s,%s}}", p[0], p[1], p[2], p[3], p[4], p[5], p[6]));
}

static void json_refuses_by_name(void **state) {
    (void)state;
    static const struct {
        int part;
        const char *with, *says;
    } cases[] = {
        {0, "\"normalizer\":{\"type\":\"NFKC\"}", "normalizer 'NFKC'"},
        {0, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}]}", "'Lowercase'"},
        {0, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":3}", "not a list"},
        {0, "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"y\"}", "'y'"},
        {1, "\"pre_tokenizer\":{\"type\":\"Whitespace\"}", "'Whitespace'"},
        {1, "\"pre_tokenizer\":null", "neither ByteLevel nor"},
        {1, "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x\"},\"behavior\":\"MergedWithNext\"}",
         "'MergedWithNext'"},
        {1, "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "'_'"},
        {2, "\"post_processor\":{\"type\":\"BertProcessing\"}", "'BertProcessing'"},
        {2, "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<no>\"}}]}",
         "'<no>'"},
        {3, "\"added_tokens\":[{\"id\":-1,\"content\":\"x\"}]", "token id"},
        {3, "\"added_tokens\":[{\"id\":9999999,\"content\":\"x\"}]", "token id 9999999"},
        {3, "\"added_tokens\":[{\"id\":2,\"content\":\"x\",\"single_word\":true}]",
         "single_word of the added token 'x'"},
        {4, "\"type\":\"Unigram\"", "model type 'Unigram'"},
        {4, "\"type\":\"WordPiece\"", "'WordPiece'"},
        {4, "\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix '</w>'"},
        {4, "\"type\":\"BPE\",\"dropout\":0.1", "dropout"},
        {5, "\"vocab\":{\"a\":0,\"b\":0}", "two tokens"},
        {5, "\"vocab\":{\"a\":0,\"a\":1}", "duplicate"},
        {5, "\"vocab\":{\"a\":0,\"b\":1.5}", "token id"},
        {5, "\"vocab\":[]", "no model.vocab"},
        {6, "\"merges\":[[\"a\",\"b c\"]]", "merge 0"},
        {6, "\"merges\":[[\"a\"]]", "merge 0"},
        {6, "\"merges\":[\"a c\"]", "merge 0"},
        {6, "\"merges\":[]", "no model.merges"},
        {6, "\"merges\":[", "tokenizer.json:1:"}};
    model *none = model_new();
    model *good = load_json(patched_json(none->a, -1, ""), (str){0}, (str){0});
    assert_non_null(good->t);
    expect_ids(good->t, STR("aab<e>"), TOK_PARSE_SPECIAL, STR("0 3 2"));
    model_free(good);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model *m = load_json(patched_json(none->a, cases[i].part, cases[i].with), (str){0}, (str){0});
        assert_null(m->t);
        if (!strstr(diag_text(m->d), cases[i].says))
            fail_msg("'%s' does not say '%s'", diag_text(m->d), cases[i].says);
        model_free(m);
    }
    model *range = load_json(patched_json(none->a, -1, ""), (str){0}, STR("{\"eos_token_id\":[1,4]}"));
    assert_non_null(strstr(diag_text(range->d), "generation_config.json: eos_token_id"));
    model_free(range);
    model_free(none);
}

/* Cut or damaged anywhere, a file is read or refused; load_json checks that a refusal has a reason. */
static void damaged_json_is_harmless(void **state) {
    (void)state;
    model *files = model_new();
    str json = read_text(files, DATA "metaspace.json");
    char *copy = arena_strndup(files->a, json.p, json.n);
    rng r = rng_seed(9);
    for (size_t n = 0; n < json.n; n += 97) {
        model *m = load_json((str){json.p, n}, (str){0}, (str){0});
        assert_null(m->t);
        model_free(m);
    }
    for (int i = 0; i < 300; i++) {
        size_t at = rng_below(&r, json.n);
        copy[at] = (char)rng_u64(&r);
        model *m = load_json((str){copy, json.n}, (str){0}, (str){0});
        model_free(m);
        copy[at] = json.p[at];
    }
    model_free(files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_like_the_library), cmocka_unit_test(json_ends_stops_and_template),
        cmocka_unit_test(named_stops),           cmocka_unit_test(unknown_text_is_one_unk_or_many),
        cmocka_unit_test(json_refuses_by_name),  cmocka_unit_test(damaged_json_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
