/* The scheduler: which task an idle main thread takes.
 *
 * Candidates are activated local tasks that are not blocked, and ports (WSE-2: colors, WSE-3: input queues) that are
 * not blocked, have a wavelet to read and belong to no vector operation: a data wavelet starts the port's data task, a
 * control wavelet the task it names. A control wavelet that names no task is dropped. High priority first; among equals
 * the next id after the one taken last, a local task before a port of the same number.
 *
 * Task 28 is the host's command stream: it blocks itself when it starts, and the program unblocks it. Task 29 calls the
 * teardown and flush handlers one after the other.
 */
#include "wse/core_internal.h"

#define BIT(id) (1ull << (id))

static bool owned_by_waiting_thread(const wse *m, const core *c, uint32_t port, const wse_wavelet *w) {
    if (!(c->ports_busy >> port & 1)) return false;
    if (!w->control) return true;
    const core_vop *pool = m->cores->vops + c->vops; /* control wavelets an operation does not want are ours */
    for (int k = 0; k < 8; k++) {
        const core_vop *v = &pool[1 + k];
        if ((c->alive >> k & 1) && v->wait == CORE_WAIT_INPUT && v->wait_on == port) return false;
    }
    return true;
}

/* Task id that the wavelet at the head of a port would run, -1 none, ISA_TASK_NONE: drop it. */
static int task_of_port(const wse *m, uint32_t pe, const core *c, uint32_t port, uint64_t now) {
    const isa_program *p = wse_program(m, pe);
    const wse_wavelet *w = fabric_in_head(m, pe, port, now);
    if (!w || owned_by_waiting_thread(m, c, port, w)) return -1;
    if (!w->control) return p->tasks[port].kinds & ISA_TASK_DATA ? (int)port : -1;
    int entry = (int)(w->data >> 16 & 63);
    return p->tasks[entry].kinds ? entry : ISA_TASK_NONE;
}

static bool local_ready(const wse *m, uint32_t pe, const core *c, uint32_t id) {
    if (id == ISA_TASK_COMMAND && c->launch_entry != UINT32_MAX && !c->launch_pending) return true;
    return id == ISA_TASK_TEARDOWN || (wse_program(m, pe)->tasks[id].kinds & ~ISA_TASK_DATA);
}

static uint64_t local_candidates(const wse *m, uint32_t pe, const core *c) {
    uint64_t set = c->active & ~c->blocked, out = 0;
    for (; set; set &= set - 1) {
        uint32_t id = (uint32_t)__builtin_ctzll(set);
        if (local_ready(m, pe, c, id)) out |= BIT(id);
    }
    return out;
}

/* Ports that belong to an operation which does not wait for them: nothing there is ours (owned_by_waiting_thread). */
static uint64_t taken_ports(const wse *m, const core *c) {
    const core_vop *pool = m->cores->vops + c->vops;
    uint64_t set = c->ports_busy;
    for (uint32_t alive = set ? c->alive : 0; alive; alive &= alive - 1) {
        const core_vop *v = &pool[1 + __builtin_ctz(alive)];
        if (v->wait == CORE_WAIT_INPUT) set &= ~BIT(v->wait_on);
    }
    return set;
}

static uint64_t port_candidates(const wse *m, uint32_t pe, const core *c, uint64_t now) {
    uint64_t out = 0;
    for (uint64_t set = core_program_of(m, pe)->ports & ~c->blocked & ~taken_ports(m, c); set; set &= set - 1) {
        uint32_t port = (uint32_t)__builtin_ctzll(set);
        if (task_of_port(m, pe, c, port, now) >= 0) out |= BIT(port);
    }
    return out;
}

static uint64_t rotate_from(uint64_t set, uint32_t id) { return id == 63 ? set : set & ~(BIT(id + 1) - 1); }

/* The next id after `last`, cyclically. */
static uint32_t next_after(uint64_t set, uint32_t last) {
    uint64_t after = rotate_from(set, last);
    return (uint32_t)__builtin_ctzll(after ? after : set);
}

static void start(wse *m, uint32_t pe, core *c, uint32_t task, uint32_t entry, uint64_t now) {
    c->state = MAIN_RUN;
    c->landed = true;
    c->task = (uint8_t)task;
    c->pc = entry < wse_program(m, pe)->code_count ? entry : wse_program(m, pe)->code_count;
    c->r[ISA_REG_SP] = wse_program(m, pe)->stack_top_word;
    c->time = now + m->wafer->task_switch_cycles;
    c->n[CORE_N_tasks]++;
    if (m->trace) trace_task_begin(m, pe, (uint8_t)task, c->pc, now);
}

/* ---- task 29 ---- */

static bool next_handler(wse *m, uint32_t pe, core *c, uint32_t *entry) {
    const isa_program *p = wse_program(m, pe);
    while (c->handler_colors || c->handler_queues) {
        if (c->handler_colors) {
            uint32_t k = (uint32_t)__builtin_ctz(c->handler_colors);
            c->handler_colors &= c->handler_colors - 1;
            *entry = k < ISA_COLORS ? p->teardown_entry[k] : UINT32_MAX;
        } else {
            uint32_t k = (uint32_t)__builtin_ctz(c->handler_queues);
            c->handler_queues &= (uint8_t)(c->handler_queues - 1);
            *entry = p->flush_entry[k];
        }
        if (*entry != UINT32_MAX) return true;
    }
    return false;
}

/* A handler ends by RET: give it something to return to. */
static bool call_handler(wse *m, uint32_t pe, core *c, uint64_t now) {
    uint32_t entry;
    if (!next_handler(m, pe, c, &entry)) return false;
    start(m, pe, c, ISA_TASK_TEARDOWN, entry, now);
    c->in_handler = true;
    c->r[ISA_REG_SP]--;
    wse_words(m, pe)[c->r[ISA_REG_SP]] = CORE_RETURN_HANDLER;
    return true;
}

void task_handler_return(wse *m, uint32_t pe, core *c, uint64_t time) {
    c->in_handler = false;
    if (call_handler(m, pe, c, time)) return;
    c->state = MAIN_IDLE;
    if (c->flushed) task_activate(c, ISA_TASK_TEARDOWN); /* not exited: it fires again */
}

static bool start_teardown(wse *m, uint32_t pe, core *c, uint64_t now) {
    const isa_program *p = wse_program(m, pe);
    c->handler_colors = fabric_teardown_take(m, pe);
    c->handler_queues = c->flushed;
    if (call_handler(m, pe, c, now)) return true;
    if (!p->tasks[ISA_TASK_TEARDOWN].kinds) return false;
    start(m, pe, c, ISA_TASK_TEARDOWN, p->tasks[ISA_TASK_TEARDOWN].entry, now);
    return true;
}

/* ---- start ---- */

static bool start_local(wse *m, uint32_t pe, core *c, uint32_t id, uint64_t now) {
    c->active &= ~BIT(id);
    if (id == ISA_TASK_TEARDOWN) return start_teardown(m, pe, c, now);
    if (id == ISA_TASK_COMMAND && c->launch_entry != UINT32_MAX && !c->launch_pending) {
        start(m, pe, c, id, c->launch_entry, now);
        c->launch_entry = UINT32_MAX;
        c->blocked |= BIT(id);
        return true;
    }
    start(m, pe, c, id, wse_program(m, pe)->tasks[id].entry, now);
    return true;
}

static uint32_t extend(uint32_t half, bool is_signed) { return is_signed ? (uint32_t)(int16_t)half : half & 0xffff; }

static void arguments(core *c, const isa_task *t, uint32_t data) {
    switch (t->args) {
    case ISA_ARG_32: c->r[0] = data; break;
    case ISA_ARG_U16: c->r[0] = extend(data, false); break;
    case ISA_ARG_S16: c->r[0] = extend(data, true); break;
    case ISA_ARGS_TWO:
        c->r[0] = extend(data, t->arg_signed & 1);
        c->r[1] = extend(data >> 16, t->arg_signed & 2);
        break;
    default: break;
    }
}

/* Takes the wavelet. A control wavelet that names no task is dropped: nothing starts, but another look is worth it. */
static bool start_port(wse *m, uint32_t pe, core *c, uint32_t port, uint64_t now) {
    int task = task_of_port(m, pe, c, port, now);
    uint32_t data = fabric_in_head(m, pe, port, now)->data;
    fabric_in_pop(m, pe, port, now);
    c->poke |= c->alive != 0; /* a microthread may want what is behind it */
    if (task == ISA_TASK_NONE && !wse_program(m, pe)->tasks[ISA_TASK_NONE].kinds) return false;
    const isa_task *t = &wse_program(m, pe)->tasks[task];
    start(m, pe, c, (uint32_t)task, t->entry, now);
    arguments(c, t, data);
    return true;
}

bool task_waiting(const wse *m, uint32_t pe, const core *c, uint64_t now) {
    return local_candidates(m, pe, c) || port_candidates(m, pe, c, now);
}

bool task_pick(wse *m, uint32_t pe, core *c, uint64_t now) {
    for (;;) {
        uint64_t local = local_candidates(m, pe, c), ports = port_candidates(m, pe, c, now), all = local | ports;
        if (!all) return false;
        if (all & c->high) all &= c->high;
        uint32_t id = next_after(all, c->last_task);
        c->last_task = (uint8_t)id;
        if (local & BIT(id) ? start_local(m, pe, c, id, now) : start_port(m, pe, c, id, now)) return true;
    }
}
