/* JSON from strangers: jansson with duplicate keys refused, and messages that are safe to print. */
#include "llm/hf_internal.h"

hf_shown hf_show(str s) {
    hf_shown out = {{0}};
    size_t n = s.n < sizeof out.text - 4 ? s.n : sizeof out.text - 4;
    for (size_t i = 0; i < n; i++) out.text[i] = s.p[i] >= 0x20 && s.p[i] < 0x7F ? s.p[i] : '?';
    if (n < s.n) memcpy(out.text + n, "...", 4);
    return out;
}

hf_shown hf_show_json(const json_t *string) {
    return hf_show(json_is_string(string) ? (str){json_string_value(string), json_string_length(string)} : STR(""));
}

json_t *hf_json(const char *name, str text, diag *d) {
    json_error_t e;
    json_t *j = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(j)) return j;
    json_decref(j);
    if (j) diag_error(d, "%s: its JSON is not an object { ... }", name);
    else if (json_error_code(&e) == json_error_out_of_memory) diag_oom(d, name);
    else if (json_error_code(&e) == json_error_duplicate_key)
        diag_error(d, "%s: line %d: %s; the file cannot be trusted", name, e.line, hf_show(str_from(e.text)).text);
    else
        diag_error(d, "%s: line %d, byte %d: not valid JSON: %s; fetch the file again", name, e.line, e.position,
                   hf_show(str_from(e.text)).text);
    return NULL;
}
