/* What a core is doing and what it waits for, in words: for deadlock reports and the debugger. */
#include "wse/core_internal.h"

static void wait_text(const wse *m, uint32_t pe, uint8_t wait, uint8_t on, uint32_t color, strbuf *out) {
    switch ((core_wait)wait) {
    case CORE_WAIT_NONE: strbuf_adds(out, " runs"); break;
    case CORE_WAIT_INPUT:
        if (m->image->arch != ISA_WSE3) {
            int queue = wse_program(m, pe)->queues.color_queue[on < ISA_COLORS ? on : 0];
            strbuf_addf(out, " for color %u, input queue %d: empty", on, queue);
        } else {
            strbuf_addf(out, " for color %u, input queue %u: empty", color, on);
        }
        break;
    case CORE_WAIT_OUTPUT: strbuf_addf(out, " for color %u, output queue %u: full", color, on); break;
    case CORE_WAIT_EMPTY: strbuf_addf(out, " for FIFO %u: empty", on); break;
    case CORE_WAIT_FULL: strbuf_addf(out, " for FIFO %u: full", on); break;
    }
}

static uint32_t in_color(const wse *m, uint32_t pe, uint32_t queue) {
    uint16_t word;
    if (fabric_config_read(m, pe, ISA_CFG_IN_QUEUE + (queue & 7), &word)) return word >> 4 & 31;
    return (uint8_t)wse_program(m, pe)->queues.in_color[queue & 7];
}

static uint32_t color_of_wait(const wse *m, uint32_t pe, const core_operand *d, uint8_t wait, uint8_t on) {
    if (wait == CORE_WAIT_INPUT) return m->image->arch == ISA_WSE3 ? in_color(m, pe, on) : on;
    return wait == CORE_WAIT_OUTPUT ? vop_out_color(m, pe, d) : 0;
}

static void vop_text(const wse *m, uint32_t pe, const core_vop *v, strbuf *out) {
    strbuf_adds(out, " (");
    core_line(m, pe, v->pc, out);
    strbuf_addf(out, ") %s %s", v->wait ? "waits in" : "is in", isa_dsd_ops[v->op].builtin);
    wait_text(m, pe, v->wait, v->wait_on, color_of_wait(m, pe, &v->d, v->wait, v->wait_on), out);
    if (v->length == UINT32_MAX) strbuf_addf(out, ", after %u elements, endless\n", v->position);
    else strbuf_addf(out, ", after %u of %u elements\n", v->position, v->length);
}

static void main_text(const wse *m, uint32_t pe, const core *c, strbuf *out) {
    if (c->task == ISA_TASK_COMMAND) strbuf_adds(out, "launched function");
    else strbuf_addf(out, "task %u", c->task);
    if (c->state == MAIN_VECTOR) {
        vop_text(m, pe, &m->cores->vops[c->vops], out);
        return;
    }
    strbuf_adds(out, " (");
    core_line(m, pe, c->pc, out);
    strbuf_adds(out, c->stall ? ") waits in @map" : ")");
    core_operand d = {.queue = c->stall_on};
    wait_text(m, pe, c->stall, c->stall_on, color_of_wait(m, pe, &d, c->stall, c->stall_on), out);
    strbuf_addc(out, '\n');
}

static void place_text(const wse *m, uint32_t pe, strbuf *out) {
    strbuf_addf(out, "PE(%u,%u) ", pe % m->width, pe / m->width);
}

/* Activated but blocked: often the reason why nothing happens. */
static void blocked_text(const wse *m, uint32_t pe, const core *c, strbuf *out) {
    uint64_t set = c->active & c->blocked;
    for (; set; set &= set - 1) {
        uint32_t id = (uint32_t)__builtin_ctzll(set);
        if (!wse_program(m, pe)->tasks[id].kinds) continue;
        place_text(m, pe, out);
        strbuf_addf(out, "task %u is activated but blocked\n", id);
    }
    if (!(c->blocked >> ISA_TASK_COMMAND & 1) || c->state != MAIN_IDLE) return;
    place_text(m, pe, out);
    strbuf_adds(out, "the command stream is blocked: the launched function has not called unblock_cmd_stream\n");
}

static void thread_text(const wse *m, uint32_t pe, const core *c, uint32_t k, strbuf *out) {
    place_text(m, pe, out);
    strbuf_addf(out, "microthread %u%s", k, c->ut_blocked >> k & 1 ? ", blocked," : "");
    vop_text(m, pe, &m->cores->vops[c->vops + 1 + k], out);
}

void core_explain(const wse *m, uint32_t pe, strbuf *out) {
    const core *c = &m->cores->pe[pe];
    if (c->state != MAIN_IDLE) place_text(m, pe, out);
    if (c->state == MAIN_HALT) strbuf_adds(out, "was stopped by a fault\n");
    else if (c->state != MAIN_IDLE) main_text(m, pe, c, out);
    for (uint32_t k = 0; k < 8; k++)
        if (c->alive >> k & 1) thread_text(m, pe, c, k, out);
    blocked_text(m, pe, c, out);
}

int core_waits_color(const wse *m, uint32_t pe) {
    const core *c = &m->cores->pe[pe];
    uint8_t wait = c->state == MAIN_RUN ? c->stall : CORE_WAIT_NONE, on = c->stall_on;
    for (uint32_t set = threads_alive(c); set && wait != CORE_WAIT_INPUT; set &= set - 1) {
        const core_vop *v = &m->cores->vops[c->vops + (uint32_t)__builtin_ctz(set)];
        wait = v->wait;
        on = v->wait_on;
    }
    return wait == CORE_WAIT_INPUT ? (int)color_of_wait(m, pe, NULL, wait, on) : -1;
}
