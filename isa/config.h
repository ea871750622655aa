/* Configuration space of a PE, reached by LDCFG and STCFG (@get_config, @set_config, <tile_config>): word addresses.
 *
 * Addresses and bits of the color and switch words are those written in the comments of public WSE-2 programs (allreduce,
 * spmv-hypersparse); ours are the same on every generation. The rest of the map is our own.
 */
#ifndef INGOT_ISA_CONFIG_H
#define INGOT_ISA_CONFIG_H

enum {
    /* + color. bits 0-4 tx W E S N RAMP, 5-9 rx likewise, 10 NS swap, 11 EW swap, 13:12 pop mode, 14 teardown in progress, 15 point to point.
     * A write with bit 14 clear leaves teardown; `teardown.exit` flips bit 14. */
    ISA_CFG_COLOR = 0x7f20,
    /* + color. bits 2:0 pos1 direction (isa_dir 0-4, 5 invalid), 3 pos1 select (1 = rx, 0 = tx), 4-7 pos2, 8-11 pos3, 12 ring, 14:13 position */
    ISA_CFG_SWITCH = 0x7f40,
    ISA_CFG_TEARDOWN_LOW = 0x7f60,   /* colors 0-15 in teardown; reading does not clear */
    ISA_CFG_TEARDOWN_HIGH = 0x7f61,  /* colors 16-23 */
    ISA_CFG_FLUSH = 0x7f62,          /* output queues flushed and not yet exited; writing 1 bits clears them */
    ISA_CFG_COORD_X = 0x7f63,        /* absolute fabric coordinates, read only */
    ISA_CFG_COORD_Y = 0x7f64,
    ISA_CFG_RECT_X = 0x7f65,         /* coordinates inside the program's rectangle, read only */
    ISA_CFG_RECT_Y = 0x7f66,
    ISA_CFG_IN_STATUS = 0x7f67,      /* empty mask | full mask << 8, read only */
    ISA_CFG_OUT_STATUS = 0x7f68,
    ISA_CFG_TASK_PRIORITY_LOW = 0x7f69,  /* one bit per task id 0-15: 1 = HIGH */
    ISA_CFG_TASK_PRIORITY_HIGH = 0x7f6a, /* 16-31 */
    ISA_CFG_MAIN_PRIORITY = 0x7f6b,  /* 0 MEDIUM_LOW, 1 MEDIUM, 2 MEDIUM_HIGH, 3 HIGH */
    ISA_CFG_TRANSFORM_MASK = 0x7f6c, /* control_transform: xor of the low six index bits */
    ISA_CFG_IN_QUEUE = 0x7f70,       /* + input queue: color in bits 4-8 (31 = none), bit 0 filter enable */
    ISA_CFG_OUT_QUEUE = 0x7f78,      /* + output queue: color in bits 4-8 */
    ISA_CFG_FILTER = 0x7f80,         /* + 4 * filter: +0 counter, +1 active limit, +2 max counter, +3 state; filter id = order among the
                                      * PE's routes that have one */
    ISA_CFG_PERF = 0x7fa0,           /* + counter (0, 1): low 16 bits of a performance counter */
    ISA_CFG_EXCEPTION_MASK = 0x7fa2,
    ISA_CFG_FIRST = 0x7f00,
    ISA_CFG_LAST = 0x7fff,
};

#endif
