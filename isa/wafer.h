/* A wafer as data: data/machines/wse{1,2,3}.json, or a file of the user's.
 *
 *     isa_wafer w;
 *     isa_wafer_read(&w, "data/machines/wse3.json", "vendor-sim", d)
 *
 * The file holds the facts, each with unit and source, and named profiles (vendor-sim, silicon) that replace some of them.
 * Keys are `section.name`; the fields below carry the same names. An unknown key or a missing one is an error that names it.
 */
#ifndef INGOT_ISA_WAFER_H
#define INGOT_ISA_WAFER_H

#include "isa/isa.h"

typedef struct {
    char name[32], profile[32];
    isa_arch arch;
    double clock_hz;
    uint32_t fabric_width, fabric_height;          /* PEs of the largest fabric */
    double core_area_mm2;                          /* of one PE: what a density of defects hits */
    uint32_t spare_columns, spare_rows;            /* PEs beyond the fabric, for rebuilding it around holes (isa/defects.h) */
    uint32_t dies_x, dies_y;                       /* the reticle's fields on the wafer */
    /* fabric */
    uint32_t hop_cycles, turn_cycles, ramp_cycles; /* ramp: each way */
    uint32_t link_interval_num, link_interval_den; /* cycles per wavelet on a link: 1/1, or 9/8 on silicon */
    uint32_t router_buffer_wavelets;               /* per color and input direction */
    uint32_t in_queues, out_queues, in_queue_wavelets[ISA_QUEUES], out_queue_wavelets[ISA_QUEUES];
    uint32_t filters;
    bool one_rx_per_color, color_swap, local_ids_from_8;
    uint32_t switch_colors;                        /* bit set */
    /* core */
    uint32_t scalar_cycles[ISA_TIMES];
    uint32_t fpu_dependent_cycles, branch_taken_cycles;
    uint32_t dsd_dispatch_cycles;                  /* after the last DSR load */
    uint32_t dsd_start_cycles;                     /* dispatch to the first element */
    uint32_t dsd_end_cycles;                       /* last element to the next instruction */
    uint32_t task_switch_cycles;                   /* ready to first instruction */
    uint32_t send_cycles;                          /* issue of a send to its first element */
    uint32_t result_cycles;                        /* an element is read to its result is in an output queue */
    uint32_t sram_read_bits_per_cycle, sram_write_bits_per_cycle, sram_banks;
    bool bank_conflicts;
    uint32_t reduce_cycles_per_element;            /* vector operation with a scalar destination */
    struct { uint32_t elements, cycles; } dsd_rate[ISA_DSD_OPS]; /* `elements` per `cycles`, memory operands, no conflict */
    uint32_t reserved_bytes;                       /* of PE memory, taken by the run time when memcpy is used */
    uint32_t microthreads;
    /* host */
    uint32_t io_wavelets_per_cycle_row;            /* entering or leaving one row at the edge, x1000 */
    double host_transaction_s;
    /* energy */
    double energy_pj[ISA_ENERGIES], idle_pe_w, wafer_power_limit_w;
} isa_wafer;

bool isa_wafer_read(isa_wafer *w, const char *path, const char *profile, diag *d);
bool isa_wafer_parse(isa_wafer *w, str json, const char *name, const char *profile, diag *d);

#endif
