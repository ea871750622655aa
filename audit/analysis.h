/* Between the files of the analysis of a trace (audit/analyse.h); nobody else's. */
#ifndef INGOT_AUDIT_ANALYSIS_H
#define INGOT_AUDIT_ANALYSIS_H
#include "audit/analyse.h"
#include "audit/interval.h"
#include "audit/names.h"
#include "audit/work.h"

/* What a step had to do, from the name of its annotation or from options. */
typedef struct {
    double tokens, prefills, prefill_tokens, prefill_kv, decodes, decode_kv; /* sums over sequences */
    bool known, kv_known;
} step_load;

typedef struct {
    int64_t from_ns, to_ns;
    const char *name;
    step_load load;
    int64_t bucket_ns[AUDIT_BUCKETS];    /* by split */
} audit_window;

typedef enum { WHY_NOTHING, WHY_SHAPES, WHY_MODEL, WHY_BATCH, WHY_NAME, WHY_COUNT } why_placed;

/* Kernels of one operator call together. */
typedef struct {
    int64_t ns;                          /* 0: it launched no kernel */
    audit_work work;
    uint8_t bucket;                      /* AUDIT_BUCKETS: not placed */
    bool rejected, counted;
} op_call;

/* Kernels of a kind against a model's step. */
typedef enum { KIND_DENSE, KIND_EXPERTS, KIND_ATTENTION, KIND_COUNT } model_kind;
typedef struct {
    int64_t ns, placed_ns;               /* measured, in all windows; of that placed by the model */
    uint64_t calls;                      /* kernels placed by it */
    double flops, bytes, weight_bytes, kv_bytes, compute_s, memory_s;
    uint8_t bucket;                      /* AUDIT_BUCKETS: not placed */
    bool rejected;
} model_part;

enum { MODULES_MAX = 256 };

typedef struct {
    audit_report *r;
    const events *e;
    const audit_options *o;
    const audit_facts *f;
    arena *a;
    diag *d;
    audit_peaks peaks;
    audit_window *window;
    size_t windows;
    bool annotated;
    /* per device event, of all devices: only those of f are set */
    uint8_t *bucket, *why, *kind;        /* kind: name_kind */
    op_call *call;                       /* per operator */
    model_part part[KIND_COUNT];
    bool joined;                         /* experts are in KIND_DENSE: names do not tell them apart */
    int64_t why_ns[WHY_COUNT], name_ns[NAME_KINDS], rejected_ns, roof_unknown_ns;
    const char *module[MODULES_MAX];     /* classes of modules met */
    size_t module_count;
    int64_t skew_ns;                     /* waiting for slower ranks inside collectives, in the windows; 0 without o->ranks */
    double link_bytes;                   /* over the host link, in the windows */
    double flops, bytes;                 /* of what was placed by shapes, in the windows */
} analysis;

static inline bool analysis_mine(const analysis *x, size_t i) { return x->e->lanes[x->e->device[i].lane].device == x->f->index; }
/* The window that an event begins in; NULL: none. Windows are sorted and disjoint. */
audit_window *analysis_window(const analysis *x, int64_t t);

bool windows_find(analysis *x);                          /* audit/windows.c */
bool step_load_parse(step_load *l, str annotation);
bool place_all(analysis *x);                             /* audit/place.c */
void model_parts(analysis *x);                           /* audit/model_step.c */
bool split_all(analysis *x);                             /* audit/split.c: buckets, timeline */
bool tables_all(analysis *x);                            /* audit/tables.c */
void evidence_all(analysis *x);                          /* audit/evidence.c */
void what_ifs_all(analysis *x);                          /* audit/what_if.c */
#endif
