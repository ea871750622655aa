/* Who issues into the vector datapath: microthreads and the main thread's own vector operation.
 *
 * One group of elements per cycle and PE (longer when the instruction's rate says so). The highest rank that can move
 * goes: low < main thread < medium < high by default; among equals the next after the one that went last.
 */
#include "wse/core_internal.h"

void threads_ports(core *c, const core_vop *pool) {
    uint32_t ports = 0;
    c->streams = threads_alive(c) != 0;
    for (int k = 0; k < CORE_THREADS; k++) {
        if (!(threads_alive(c) >> k & 1)) continue;
        c->streams &= pool[k].stream.fits;
        if (pool[k].s0.kind == ISA_FABIN) ports |= 1u << pool[k].s0.port;
        if (pool[k].s1.kind == ISA_FABIN) ports |= 1u << pool[k].s1.port;
    }
    c->ports_busy = ports;
}

/* WSE-2: the queue of a send, else of the first input. WSE-3: as asked, else the queue of destination, first, second
 * source. An operation without a queue takes a free one, from the top. */
int thread_for(const wse *m, const core *c, const core_vop *v, int wanted) {
    const core_operand *order[] = {&v->d, &v->s0, &v->s1};
    if (m->image->arch == ISA_WSE3 && wanted >= 0) return wanted & 7;
    for (int k = 0; k < 3; k++)
        if (order[k]->kind == ISA_FABIN || order[k]->kind == ISA_FABOUT) return order[k]->queue & 7;
    for (int k = 7; k >= 0; k--)
        if (!(c->alive >> k & 1)) return k;
    return -1;
}

static void trace_waited(wse *m, uint32_t pe, const core_vop *v, uint8_t before, uint64_t now, int k) {
    wse_event e = core_vop_event(pe, v, k, v->wait_since, now);
    e.what = before;
    e.on = v->wait_on;
    trace_wait(m, e);
}

static void trace_ended(wse *m, uint32_t pe, const core *c, const core_vop *v, uint64_t now, int k) {
    wse_event e = core_vop_event(pe, v, k, now, k ? now : c->time);
    trace_vector(m, e, core_vop_cycles(v));
}

static void note_wait(wse *m, uint32_t pe, core *c, core_vop *v, uint8_t before, uint64_t now, int k) {
    if (v->wait && !before) v->wait_since = now;
    if (v->wait || !before) return;
    if (m->trace) trace_waited(m, pe, v, before, now, k);
    if (k != 0) return;
    uint64_t waited = now - v->wait_since;
    if (before == CORE_WAIT_INPUT) c->n[CORE_N_input_wait_cycles] += waited;
    if (before == CORE_WAIT_OUTPUT) c->n[CORE_N_output_wait_cycles] += waited;
}

static void end_thread(wse *m, uint32_t pe, core *c, core_vop *pool, int k, uint64_t now) {
    uint64_t end = now + pool[k].step_cycles;
    if (k == 0) {
        c->state = MAIN_RUN;
        c->time = end + m->wafer->dsd_end_cycles;
        core_busy(c, now, c->time);
    } else {
        c->alive &= (uint8_t) ~(1u << (k - 1));
    }
    vop_count(&pool[k], pool[k].position, c->n);
    if (m->trace) trace_ended(m, pe, c, &pool[k], now, k);
    vop_finish(m, pe, c, &pool[k], now);
    threads_ports(c, pool);
}

/* True when it moved. */
static bool step_thread(wse *m, uint32_t pe, core *c, core_vop *pool, int k, uint64_t now) {
    core_vop *v = &pool[k];
    uint8_t before = v->wait;
    step_result r = vop_step(m, pe, c, v, now);
    if (r != STEP_WAIT) v->wait = CORE_WAIT_NONE;
    note_wait(m, pe, c, v, before, now, k);
    if (r == STEP_WAIT) return false;
    if (r == STEP_FAULT) {
        if (k == 0) vop_count(v, v->position, c->n);
        core_fault(m, pe, c, now, v->pc, "%s leaves the memory of the PE, or its FIFO is at its limit",
                   isa_dsd_ops[v->op].builtin);
        return true;
    }
    c->datapath_free = now + v->step_cycles;
    c->last_thread = (uint8_t)k;
    core_busy(c, now, c->datapath_free);
    if (r == STEP_ENDED) end_thread(m, pe, c, pool, k, now);
    return true;
}

/* The earliest cycle at which an operation that has not begun may. */
uint64_t threads_ready(const wse *m, const core *c, uint64_t now) {
    const core_vop *pool = m->cores->vops + c->vops;
    uint64_t next = UINT64_MAX;
    for (uint32_t set = threads_running(c); set; set &= set - 1) {
        uint32_t k = (uint32_t)__builtin_ctz(set);
        if (pool[k].ready > now && pool[k].ready < next) next = pool[k].ready;
    }
    return next;
}

uint64_t threads_step(wse *m, uint32_t pe, core *c, uint64_t now) {
    uint64_t next = UINT64_MAX;
    uint8_t order[CORE_THREADS];
    core_vop *pool = m->cores->vops + c->vops;
    if (c->datapath_free > now) return c->datapath_free;
    uint32_t n = threads_order(c, pool, now, order, &next);
    for (uint32_t i = 0; i < n; i++) {
        if (!step_thread(m, pe, c, pool, order[i], now)) continue;
        bool more = c->alive || c->state == MAIN_VECTOR;
        if (c->state == MAIN_HALT || !more) return UINT64_MAX;
        return c->datapath_free;
    }
    return next;
}
