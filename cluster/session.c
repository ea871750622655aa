#include "cluster/session.h"
#include "base/mem.h"
#include "base/units.h"
#include "llm/chat.h"
#include <time.h>

static bool open_oracle(session *s, const session_options *o, diag *d) {
    uint32_t trained = s->model->config.context;
    s->context = o->native.context                  ? o->native.context
                 : trained < NATIVE_CONTEXT_DEFAULT ? trained
                                                    : NATIVE_CONTEXT_DEFAULT;
    return (s->oracle = ref_new(s->store, s->context, d)) != NULL;
}

static bool open_native(session *s, const session_options *o, diag *d) {
    if (!(s->threads = pool_new(o->threads, d))) return false;
    if (!(s->native = native_new(s->store, &o->native, s->threads, d))) return false;
    s->context = native_context(s->native);
    return true;
}

static bool open_wafer(session *s, const session_options *o, diag *d) {
    wafer_options w = o->wafer;
    w.threads = (uint32_t)(o->threads ? o->threads : cpu_count());
    if (!(s->wafer = wafer_new(s->store, &w, d))) return false;
    s->context = wafer_context(s->wafer);
    return true;
}

static bool open_engine(session *s, const session_options *o, diag *d) {
    switch (o->engine) {
    case ENGINE_NATIVE: return open_native(s, o, d);
    case ENGINE_ORACLE: return open_oracle(s, o, d);
    case ENGINE_WAFER: return open_wafer(s, o, d);
    }
    return false;
}

/* A slice of the model: every engine reads the number of layers from the configuration. */
static bool cut_layers(session *s, uint32_t layers, diag *d) {
    if (layers > s->model->config.layers)
        return diag_error(d, "%s has %u layers, not %u", s->model->name, s->model->config.layers, layers);
    if (layers) s->model->config.layers = layers;
    return true;
}

bool session_open(session *s, const session_options *o, diag *d) {
    double since = clock_seconds();
    *s = (session){0};
    bool ok = (s->model = llm_model_open(o->model_path, d)) && cut_layers(s, o->layers, d) &&
              (s->store = memoryx_open_file(s->model, o->hashing, d)) && open_engine(s, o, d) &&
              (s->tokens = tokenizer_new(&s->model->vocab, d));
    if (ok && !(s->logits = mem_alloc_n(s->model->config.vocab, sizeof *s->logits))) ok = diag_oom(d, "logits");
    s->load_seconds = clock_seconds() - since;
    if (!ok) session_close(s);
    return ok;
}

void session_close(session *s) {
    mem_free(s->logits);
    tokenizer_free(s->tokens);
    native_free(s->native);
    ref_free(s->oracle);
    wafer_free(s->wafer);
    pool_free(s->threads);
    if (s->store) s->store->close(s->store);
    llm_model_free(s->model);
    *s = (session){0};
}

/* ---- prompts ---- */

static str token_text(const llm_vocab *v, int32_t id) {
    return id >= 0 && (size_t)id < v->count ? v->tokens[id] : (str){"", 0};
}

/* Does a user's text spell a control token? Then it must be cut out of the template's text, or the user could forge a
 * turn. */
static bool spells_control(session *s, str text, bool *yes, diag *d) {
    token_list plain = {0}, parsed = {0};
    bool ok = tokenizer_encode(s->tokens, text, 0, &plain, d) &&
              tokenizer_encode(s->tokens, text, TOK_PARSE_SPECIAL, &parsed, d);
    *yes =
        plain.count != parsed.count || (plain.count && memcmp(plain.ids, parsed.ids, plain.count * sizeof *plain.ids));
    token_list_free(&plain);
    token_list_free(&parsed);
    return ok;
}

/* Merges may cross from the template into the text, so harmless prompts are encoded in one go, as the model was
 * trained. */
static bool encode_parts(session *s, arena *a, const chat_prompt *p, token_list *out, diag *d) {
    bool forged = false;
    for (size_t i = 0; i < p->count && !forged; i++)
        if (p->parts[i].from_message && !spells_control(s, p->parts[i].text, &forged, d)) return false;
    if (!forged)
        return tokenizer_encode(s->tokens, chat_prompt_text(a, p), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, out, d);
    for (size_t i = 0; i < p->count; i++) {
        unsigned flags = (p->parts[i].from_message ? 0 : TOK_PARSE_SPECIAL) | (i == 0 ? TOK_ADD_SPECIAL : 0);
        if (!tokenizer_encode(s->tokens, p->parts[i].text, flags, out, d)) return false;
    }
    return true;
}

bool session_prompt(session *s, const char *system, str text, bool raw, token_list *out, diag *d) {
    const llm_vocab *v = &s->model->vocab;
    if (raw || !v->chat_template.n) {
        if (system && *system && !raw)
            diag_warn(d, "%s has no chat template: the system text is left out", s->model->name);
        return tokenizer_encode(s->tokens, text, TOK_ADD_SPECIAL, out, d);
    }
    chat_message messages[2];
    size_t count = 0;
    if (system && *system) messages[count++] = (chat_message){STR("system"), str_from(system)};
    messages[count++] = (chat_message){STR("user"), text};
    char date[16];
    time_t now = time(NULL);
    struct tm local;
    strftime(date, sizeof date, "%Y-%m-%d", localtime_r(&now, &local));
    chat_options o = {token_text(v, v->bos), token_text(v, v->eos), true, date};
    chat_prompt prompt;
    arena *a = arena_new(0);
    bool ok =
        a ? chat_render(a, v->chat_template, messages, count, &o, &prompt, d) && encode_parts(s, a, &prompt, out, d)
          : diag_oom(d, "prompt");
    arena_free(a);
    return ok;
}

/* ---- generation ---- */

static bool forward(session *s, const int32_t *ids, size_t count, diag *d) {
    if (s->native) {
        if (!native_forward(s->native, ids, count, s->logits, d)) return false;
    } else if (s->wafer) {
        if (!wafer_forward(s->wafer, ids, count, s->logits, d)) return false;
    } else
        for (size_t i = 0; i < count; i++)
            if (!ref_step(s->oracle, ids[i], i + 1 == count ? s->logits : NULL, d)) return false;
    s->used += (uint32_t)count;
    return true;
}

typedef struct {
    detok state;
    strbuf text;
} speech;

static void say(session *s, const generate_options *o, speech *p, int32_t id) {
    strbuf_clear(&p->text);
    if (id >= 0) detok_push(s->tokens, &p->state, id, &p->text);
    else detok_finish(&p->state, &p->text);
    if (o->emit && p->text.len) o->emit(o->arg, strbuf_str(&p->text));
}

/* A text under way. */
typedef struct {
    session *s;
    const generate_options *o;
    sampler *pick;
    speech said;
    generation *out;
    double since;
    uint32_t taken; /* tokens of the present launch that belong to the text */
    bool ended, oom;
} talk;

/* One more token; after the text's end it is ignored. */
static void take(void *arg, int32_t id) {
    talk *t = arg;
    generation *out = t->out;
    double now = clock_seconds();
    if (t->ended || t->oom) return;
    if (out->tokens.count == 0) out->prompt_seconds = now - t->since, t->since = now;
    out->decode_seconds = now - t->since;
    t->taken++;
    t->ended = true;
    if (!t->o->ignore_stop && tokenizer_is_stop(t->s->tokens, id)) {
        out->stop = STOPPED_BY_TOKEN;
        return;
    }
    if (!token_list_push(&out->tokens, id)) {
        t->oom = true;
        return;
    }
    sampler_accept(t->pick, id);
    say(t->s, t->o, &t->said, id);
    t->ended = out->tokens.count == t->o->tokens_max; /* STOPPED_BY_LENGTH */
}

/* The likeliest token is what the wafer finds itself: several tokens go through in one launch. What it has written
 * behind the text's end is taken back. */
enum { GREEDY_TOKENS = 8 };

static bool is_greedy(const generate_options *o) { return o->sample.temperature == 0 && o->sample.repeat_penalty == 1; }

static bool go_on_greedily(talk *t, diag *d) {
    session *s = t->s;
    const token_list *so_far = &t->out->tokens;
    uint32_t left = t->o->tokens_max - (uint32_t)so_far->count, room = s->context - s->used, n = GREEDY_TOKENS;
    if (n > left) n = left;
    if (n > room) n = room;
    t->taken = 0;
    if (!wafer_greedy(s->wafer, so_far->ids[so_far->count - 1], n, take, t, d)) return false;
    s->used += t->taken;
    wafer_rewind(s->wafer, s->used);
    return true;
}

static bool add(talk *t, const int32_t *ids, size_t count, diag *d) {
    const generate_options *o = t->o;
    return forward(t->s, ids, count, d) && (!o->look || o->look(o->look_arg, ids, count, t->s->logits, d));
}

static bool go_on(talk *t, diag *d) {
    bool sees_logits = (t->s->wafer && wafer_plan(t->s->wafer)->streamed) || t->o->look;
    if (t->s->wafer && !sees_logits && is_greedy(t->o)) return go_on_greedily(t, d);
    if (!add(t, &t->out->tokens.ids[t->out->tokens.count - 1], 1, d)) return false;
    take(t, sampler_pick(t->pick, t->s->logits));
    return true;
}

static bool generate(talk *t, const token_list *prompt, diag *d) {
    session *s = t->s;
    t->since = clock_seconds();
    t->out->stop = STOPPED_BY_LENGTH;
    if (!add(t, prompt->ids, prompt->count, d)) return false;
    for (size_t i = 0; i < prompt->count; i++) sampler_accept(t->pick, prompt->ids[i]);
    take(t, sampler_pick(t->pick, s->logits));
    while (!t->ended && !t->oom) {
        if (s->used == s->context) {
            t->out->stop = STOPPED_BY_CONTEXT;
            break;
        }
        if (!go_on(t, d)) return false;
    }
    return !t->oom || diag_oom(d, "generated tokens");
}

bool session_generate(session *s, const token_list *prompt, const generate_options *o, generation *out, diag *d) {
    *out = (generation){.prompt_tokens = prompt->count};
    if (prompt->count == 0)
        return diag_error(d, "the prompt is empty, and this model has no token to begin a text with");
    if (prompt->count >= s->context - s->used)
        return diag_error(
            d,
            "the prompt has %zu tokens; %u of %u are free in the context. Shorten it, or ask for more with --context",
            prompt->count, s->context - s->used, s->context);
    if (o->tokens_max == 0) return true;
    talk t = {.s = s, .o = o, .out = out, .pick = sampler_new(&o->sample, s->model->config.vocab, d)};
    if (!t.pick) return false;
    t.said.state.started = true; /* it continues the prompt: a first space belongs to the text */
    bool ok = generate(&t, prompt, d);
    say(s, o, &t.said, -1);
    strbuf_free(&t.said.text);
    sampler_free(t.pick);
    return ok;
}

const char *stop_reason_text(stop_reason r) {
    return r == STOPPED_BY_TOKEN ? "end of text" : r == STOPPED_BY_LENGTH ? "token limit" : "context full";
}
