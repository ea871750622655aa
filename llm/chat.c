/* Messages to prompt: the values a chat template expects, one call to the interpreter, and its marked text cut into
 * parts. The built-in forms are templates like any other. */
#include "llm/chat.h"
#include "llm/jinja.h"

#define EACH "{% for m in messages %}"
#define END "{% endfor %}"
#define WHEN_GENERATING(text) "{% if add_generation_prompt %}" text "{% endif %}"
/* For forms without a system role: its text is held back and goes in front of the next message's. */
#define EACH_SYSTEM_HELD(before, after) \
    "{% set ns = namespace(system='') %}" EACH "{% if m.role == 'system' %}" \
    "{% set ns.system = ns.system ~ '" before "' ~ m.content|trim ~ '" after "' %}{% continue %}{% endif %}"
#define TAKE_SYSTEM "{{ ns.system }}{% set ns.system = '' %}"
#define END_SYSTEM END "{% if ns.system %}{{ raise_exception('a system message needs a message after it') }}{% endif %}"

/* One row per form: name, template. Source: the forms as the models' makers publish them. */
#define FORMS(FORM)                                                                                                    \
    FORM("chatml",                                                                                                     \
         EACH "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n" END WHEN_GENERATING("<|im_start|>assistant\n"))  \
    FORM("llama-3",                                                                                                    \
         "{{ bos_token or '<|begin_of_text|>' }}" EACH                                                                 \
         "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content|trim }}<|eot_id|>" END WHEN_GENERATING(     \
             "<|start_header_id|>assistant<|end_header_id|>\n\n"))                                                     \
    FORM("gemma",                                                                                                      \
         "{{ bos_token or '<bos>' }}" EACH_SYSTEM_HELD(                                                                \
             "", "\\n\\n") "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n" TAKE_SYSTEM           \
                           "{{ m.content|trim }}<end_of_turn>\n" END_SYSTEM WHEN_GENERATING("<start_of_turn>model\n")) \
    FORM("llama-2",                                                                                                    \
         EACH_SYSTEM_HELD(                                                                                             \
             "<<SYS>>\\n",                                                                                             \
             "\\n<</SYS>>\\n\\n") "{% if m.role == 'assistant' %} {{ m.content|trim }} {{ eos_token or '</s>' }}"      \
                                  "{% else %}{{ bos_token or '<s>' }}[INST] " TAKE_SYSTEM                              \
                                  "{{ m.content|trim }} [/INST]{% endif %}" END_SYSTEM)                                \
    FORM("mistral",                                                                                                    \
         "{{ bos_token or '<s>' }}" EACH_SYSTEM_HELD(                                                                  \
             "", "\\n\\n") "{% if m.role == 'assistant' %} {{ m.content|trim }}{{ eos_token or '</s>' }}"              \
                           "{% else %}[INST] " TAKE_SYSTEM "{{ m.content|trim }} [/INST]{% endif %}" END_SYSTEM)       \
    FORM("gpt-oss",                                                                                                    \
         EACH "<|start|>{{ m.role }}{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content " \
              "}}<|end|>" END WHEN_GENERATING("<|start|>assistant<|channel|>final<|message|>"))                        \
    FORM("phi-3", EACH "<|{{ m.role }}|>\n{{ m.content }}<|end|>\n" END WHEN_GENERATING("<|assistant|>\n"))            \
    FORM("zephyr",                                                                                                     \
         EACH "<|{{ m.role }}|>\n{{ m.content }}{{ eos_token or '</s>' }}\n" END WHEN_GENERATING("<|assistant|>\n"))

const char *const *chat_builtin_names(void) {
#define NAME(name, source) name,
    static const char *const names[] = {FORMS(NAME) NULL};
    return names;
}

static str form_source(size_t i) {
#define SOURCE(name, source) source,
    static const char *const sources[] = {FORMS(SOURCE)};
    return str_from(sources[i]);
}

static bool find_form(str name, str *source, diag *d) {
    strbuf known = {0};
    const char *const *names = chat_builtin_names();
    for (size_t i = 0; names[i]; i++) {
        if (str_is(name, names[i])) return strbuf_free(&known), *source = form_source(i), true;
        strbuf_addf(&known, "%s%s", i ? ", " : "", names[i]);
    }
    diag_error(d, "there is no built-in chat form '%.*s'; there are %s", (int)(name.n < 100 ? name.n : 100), name.p,
               known.data ? known.data : "none");
    strbuf_free(&known);
    return false;
}

/* Roles that templates know. Any other is no more trusted than a message: in a form that writes <|ROLE|>, a role "end"
 * would be a control token. */
static bool known_role(str role) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", "function", "ipython"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (str_is(role, roles[i])) return true;
    return false;
}

static jinja_value message_list(arena *a, const chat_message *messages, size_t count) {
    jinja_value list = jinja_list_new(a);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        jinja_value m = jinja_dict_new(a);
        ok = jinja_dict_put(a, m, STR("role"), jinja_text(a, messages[i].role, !known_role(messages[i].role))) &&
             jinja_dict_put(a, m, STR("content"), jinja_text(a, messages[i].content, true)) &&
             jinja_list_add(a, list, m);
    }
    return ok ? list : (jinja_value){0};
}

/* The names templates of this kind expect, as transformers passes them: what is not there is none. */
static bool make_globals(arena *a, const chat_message *messages, size_t count, const chat_options *o,
                         jinja_value *out) {
    jinja_value g = *out = jinja_dict_new(a), list = message_list(a, messages, count);
    return list.type == JINJA_LIST && jinja_dict_put(a, g, STR("messages"), list) &&
           jinja_dict_put(a, g, STR("tools"), JINJA_NONE_VALUE) &&
           jinja_dict_put(a, g, STR("documents"), JINJA_NONE_VALUE) &&
           jinja_dict_put(a, g, STR("bos_token"), jinja_text(a, o->bos_token, false)) &&
           jinja_dict_put(a, g, STR("eos_token"), jinja_text(a, o->eos_token, false)) &&
           jinja_dict_put(a, g, STR("add_generation_prompt"), jinja_bool(o->add_generation_prompt));
}

static bool cut(arena *a, const jinja_string *s, chat_prompt *out) {
    size_t count = s->mark_count ? s->mark_count : s->text.n > 0, begin = 0;
    *out = (chat_prompt){arena_push_n(a, chat_part, count), count};
    for (size_t i = 0; out->parts && i < count; i++) {
        size_t end = s->mark_count ? s->marks[i].end : s->text.n;
        out->parts[i] =
            (chat_part){{s->text.p + begin, end - begin}, s->mark_count ? s->marks[i].from_message : s->from_message};
        begin = end;
    }
    return out->parts != NULL;
}

bool chat_render(arena *a, str template_source, const chat_message *messages, size_t count, const chat_options *o,
                 chat_prompt *out, diag *d) {
    static const chat_options none = {0};
    if (!o) o = &none;
    jinja_value globals;
    jinja_string text;
    *out = (chat_prompt){0};
    str builtin = STR("builtin:");
    if (str_starts(template_source, builtin)) {
        str name = {template_source.p + builtin.n, template_source.n - builtin.n};
        if (!find_form(name, &template_source, d)) return false;
    }
    if (!make_globals(a, messages, count, o, &globals)) return diag_oom(d, "chat messages");
    if (!jinja_render(a, template_source, globals, &(jinja_options){.date = o->date}, &text, d)) return false;
    return cut(a, &text, out) || diag_oom(d, "chat prompt");
}

str chat_prompt_text(arena *a, const chat_prompt *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) n += p->parts[i].text.n;
    char *text = arena_alloc(a, n + 1), *at = text;
    for (size_t i = 0; text && i < p->count; i++) {
        memcpy(at, p->parts[i].text.p, p->parts[i].text.n);
        at += p->parts[i].text.n;
    }
    return (str){text, text ? n : 0};
}
