#include "llm/kern.h"

static const kern *const rows[] = {
#if defined(__x86_64__)
    &kern_avx512, &kern_avx2,
#endif
    &kern_portable,
};

const kern *kern_row(size_t i) { return i < sizeof rows / sizeof *rows ? rows[i] : NULL; }

const kern *kern_best(void) {
    for (size_t i = 0; kern_row(i); i++)
        if (rows[i]->usable()) return rows[i];
    return &kern_portable;
}

const kern *kern_by_name(str name) {
    for (size_t i = 0; kern_row(i); i++)
        if (str_is(name, rows[i]->name) && rows[i]->usable()) return rows[i];
    return NULL;
}
