/* Predictions against published measurements, row by row (docs/validation.md).
 *
 *     perf_validation v;
 *     if (perf_validate_dir(&v, a, "data/validation", d))
 *         for (i < v.count) ... v.rows[i].predicted, .error, .set, .reason
 *
 * In: CSV files with the columns of data/validation (told apart by their header; files with others are named and left out). Out: a
 * verdict on every row: predicted, or out of scope with the reason.
 *
 * The split, which is written in docs/validation.md: a row is for calibration when the CRC-32 of its line without the measured
 * value is a multiple of 3 AND constants are fitted to rows of its kind (`calibrates` in the tables of validate_rows.c).
 * Everything else is a test. Rows of other folders are tests unless the shipped data holds the same line.
 */
#ifndef INGOT_PERF_VALIDATE_H
#define INGOT_PERF_VALIDATE_H
#include "perf/simulate.h"

typedef enum { ROW_TEST, ROW_CALIBRATION, ROW_OUT } perf_row_set;

enum { PERF_COLUMNS_MAX = 24 };

typedef struct {
    const char *file, *id;               /* id: the row's, or "LINE" */
    const char *group, *machine, *metric, *what;
    char confidence;                     /* the row's own; '-' when its file has none */
    perf_row_set set;
    const char *reason;                  /* of ROW_OUT */
    char qualifier;                      /* '=', '<', '>' */
    double published, predicted;         /* same unit */
    const char *unit;
    double error;                        /* predicted / published - 1; 0 when a bound holds */
} perf_judged;

typedef struct {
    perf_judged *rows;
    size_t count, capacity;
    const char *skipped[32];             /* files with other columns */
    size_t skipped_count;
} perf_validation;

bool perf_validate_dir(perf_validation *v, arena *a, const char *dir, diag *d);
/* One text instead of a folder; rows of kinds that something is fitted to may be calibration. */
bool perf_validate_text(perf_validation *v, arena *a, const char *name, str text, diag *d);

/* ---- shared by validate.c (files, split) and validate_rows.c (what a row means) ---- */

typedef struct {
    arena *a;
    diag *d;
    str name[PERF_COLUMNS_MAX], cell[PERF_COLUMNS_MAX];
    size_t columns;
} perf_csv_row;

str perf_cell(const perf_csv_row *r, const char *column);          /* empty when there is none */
double perf_cell_number(const perf_csv_row *r, const char *column); /* 0 when empty */
const char *perf_cell_text(const perf_csv_row *r, const char *column);
typedef struct perf_judge perf_judge;                              /* machines and shapes, loaded once */
perf_judge *perf_judge_new(arena *a, diag *d);
/* Fills all but file, id and the split: ROW_CALIBRATION here means "constants are fitted to rows of this kind". */
void perf_judge_op(perf_judge *j, const perf_csv_row *r, perf_judged *out);
void perf_judge_inference(perf_judge *j, const perf_csv_row *r, perf_judged *out);
/* validate_queues.c: a closed loop on a simulated replica; rows of one run follow each other, `last` keeps it. */
typedef struct {
    const perf_shape *shape;             /* NULL: nothing kept */
    double users, prompt, generate;
    bool ok;
    perf_sim_report report;
} perf_judged_run;
void perf_judge_queue(perf_judged_run *last, const perf_shape *s, const perf_machine *m, const perf_load *l, const perf_csv_row *r,
                      perf_judged *out);
void perf_judge_published(perf_judge *j, const perf_csv_row *r, perf_judged *out);
#endif
