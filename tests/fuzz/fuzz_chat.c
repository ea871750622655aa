/* The chat template interpreter on any bytes: up to the first zero byte a template, after it the content of a message. */
#include "llm/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const uint8_t *zero = len ? memchr(data, 0, len) : NULL;
    size_t n = zero ? (size_t)(zero - data) : len;
    jinja_options o = {.limits = {.steps = 20000, .memory_bytes = 4 << 20, .output_bytes = 1 << 16}, .date = "2026-11-22"};
    arena *a = arena_new(0);
    diag *d = diag_new();
    jinja_string out;
    if (a && d) {
        jinja_value globals = jinja_dict_new(a), messages = jinja_list_new(a), message = jinja_dict_new(a);
        str content = zero ? (str){(const char *)zero + 1, len - n - 1} : STR("<hi>");
        jinja_dict_put(a, message, STR("role"), jinja_text(a, STR("user"), false));
        jinja_dict_put(a, message, STR("content"), jinja_text(a, content, true));
        jinja_list_add(a, messages, message);
        jinja_dict_put(a, globals, STR("messages"), messages);
        jinja_render(a, (str){(const char *)data, n}, globals, &o, &out, d);
    }
    diag_free(d);
    arena_free(a);
    return 0;
}
