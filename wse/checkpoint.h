/* Checkpoints inside wse/: the pieces that write and read the state of cores and fabric (checkpoint.c holds the frame).
 *
 * Arrays are written as blocks that hold something but zeros. What can be derived from the image is not written; what is
 * read is believed only as far as the checks after it go: any bytes give a machine that runs or a refusal. */
#ifndef INGOT_WSE_CHECKPOINT_H
#define INGOT_WSE_CHECKPOINT_H

#include "wse/machine.h"

typedef struct {
    const char *p;
    size_t n, at;
    bool bad;
    diag *d;
} ckpt_reader;

void ckpt_put(strbuf *out, const void *array, size_t bytes);
bool ckpt_get(ckpt_reader *r, void *array, size_t bytes); /* into zeroed memory of exactly the size written */
void ckpt_add(strbuf *out, const void *p, size_t bytes);  /* as they are */
bool ckpt_take(ckpt_reader *r, void *p, size_t bytes);

void cores_save(const wse *m, strbuf *out);
bool cores_load(wse *m, ckpt_reader *r);
void fabric_save(const wse *m, strbuf *out);
bool fabric_load(wse *m, ckpt_reader *r);

#endif
