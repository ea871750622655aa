/* Cores: their state, and one step of a core. See core_internal.h for how the parts work together. */
#include "wse/core_internal.h"
#include "wse/pipe.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <xxhash.h>

enum { PRNG_SEED = 0xdeadbeef };

/* ---- life ---- */

static void rates(wse *m) {
    for (int k = 0; k < ISA_DSD_OPS; k++) {
        core_rate r = {m->wafer->dsd_rate[k].elements, m->wafer->dsd_rate[k].cycles};
        m->cores->rate[k] = (core_rate){r.elements ? r.elements : 1, r.cycles ? r.cycles : 1};
    }
}

static void core_reset(wse *m, uint32_t pe) {
    const isa_program *p = wse_program(m, pe);
    core *c = &m->cores->pe[pe];
    c->active = p->active_at_start;
    c->blocked = p->blocked_at_start;
    c->ut_blocked = p->blocked_ut_at_start;
    for (uint32_t id = 0; id < ISA_TASKS; id++)
        if (p->tasks[id].high_priority) c->high |= 1ull << id;
    for (int k = 0; k < CORE_PRNGS; k++) c->prng[k] = PRNG_SEED & 0x7fffff;
    c->last_task = ISA_TASKS - 1;
    c->launch_entry = UINT32_MAX;
    c->vector_ok = true;
    for (uint32_t i = 0; i < p->dsr_start_count; i++) {
        const isa_dsr_start *s = &p->dsr_starts[i];
        m->cores->dsrs[c->dsrs + core_program_of(m, pe)->dsr_slot[ISA_DSR_INDEX(s->dsr)]] =
            (core_dsr){.value = p->descriptors[s->descriptor], .settings = s->settings, .loaded = true};
    }
    if (c->active & ~c->blocked) clock_wake(m, pe, m->cycle + 1);
}

/* Configuration words that the program set before it began; once all cores and routers are there. */
static void core_configure(wse *m, uint32_t pe) {
    const isa_program *p = wse_program(m, pe);
    for (uint32_t i = 0; i < p->config_start_count; i++)
        core_config_write(m, pe, &m->cores->pe[pe], p->config_starts[i].address, p->config_starts[i].value, m->cycle);
}

/* Each PE's share of the pools; totals come back in `end`. */
void core_shares(wse *m, core *end) {
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        const core_program *q = core_program_of(m, pe);
        core *c = &m->cores->pe[pe];
        c->dsrs = end->dsrs, c->vops = end->vops, c->fifos = end->fifos, c->log = end->log;
        end->dsrs += q->dsr_slots;
        end->vops += q->vops;
        end->fifos += q->p->fifo_count;
        end->log += q->prints;
    }
}

static void *pool(wse *m, size_t count, size_t bytes, bool *ok) {
    void *p = mem_alloc_n(count ? count : 1, bytes);
    m->cores->bytes += count * bytes;
    if (!p) *ok = false;
    return p;
}

bool cores_new(wse *m, diag *d) {
    cores *s = m->cores = mem_alloc(sizeof *s);
    bool ok = true;
    core end = {0};
    if (!s) return diag_oom(d, "cores");
    s->pe = pool(m, m->pes, sizeof *s->pe, &ok);
    s->programs = pool(m, m->image->program_count, sizeof *s->programs, &ok);
    s->logged = pool(m, (m->pes + 63) / 64, sizeof *s->logged, &ok);
    if (!ok) return diag_oom(d, "cores");
    for (uint32_t k = 0; k < m->image->program_count; k++)
        if (!core_decode(m, k, &s->programs[k], d)) return false;
    core_shares(m, &end);
    s->dsrs = pool(m, end.dsrs, sizeof *s->dsrs, &ok);
    s->vops = pool(m, end.vops, sizeof *s->vops, &ok);
    s->fifos = pool(m, end.fifos, sizeof *s->fifos, &ok);
    if (m->options.log) s->logs = pool(m, end.log, CORE_LOG_BYTES, &ok);
    if (!ok) return diag_oom(d, "cores");
    rates(m);
    s->queues = fabric_queues(m);
    s->out_cycles = m->wafer->result_cycles + (m->wafer->ramp_cycles ? m->wafer->ramp_cycles : 1);
    for (uint32_t pe = 0; pe < m->pes; pe++) core_reset(m, pe);
    for (uint32_t pe = 0; pe < m->pes; pe++) core_configure(m, pe);
    return true;
}

void cores_free(wse *m) {
    cores *s = m->cores;
    if (!s) return;
    for (uint32_t k = 0; s->programs && k < m->image->program_count; k++) core_program_free(&s->programs[k]);
    mem_free(s->pe);
    mem_free(s->dsrs);
    mem_free(s->vops);
    mem_free(s->fifos);
    mem_free(s->logs);
    mem_free(s->logged);
    mem_free(s->programs);
    mem_free(s);
    m->cores = NULL;
}

size_t core_bytes(const wse *m) { return m->cores->bytes; }

void core_fault(wse *m, uint32_t pe, core *c, uint64_t cycle, uint32_t pc, const char *fmt, ...) {
    char text[400];
    strbuf where = {0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    core_line(m, pe, pc, &where);
    wse_set_fault(m, pe, cycle, "%s: %s", where.data ? where.data : "?", text);
    strbuf_free(&where);
    c->state = MAIN_HALT;
}

/* ---- one step ---- */

static void check_flush(wse *m, uint32_t pe, core *c) {
    for (uint32_t q = 0; q < ISA_QUEUES; q++) {
        if (!(c->flushing >> q & 1) || !fabric_out_empty(m, pe, q)) continue;
        c->flushing &= (uint8_t) ~(1u << q);
        c->flushed |= (uint8_t)(1u << q);
        task_activate(c, ISA_TASK_TEARDOWN);
    }
}

static void arrive(core *c, uint64_t now) {
    if (!c->launch_pending || c->launch_at > now) return;
    c->launch_pending = false;
    task_activate(c, ISA_TASK_COMMAND);
}

/* The main thread: takes tasks and executes as long as its time is now. Returns when it wants to be stepped again. */
static uint64_t step_main(wse *m, uint32_t pe, core *c, uint64_t now) {
    bool picked = false;
    for (int k = 0; k < 4; k++) {
        if (c->state == MAIN_IDLE && c->time <= now) picked = task_pick(m, pe, c, now);
        if (c->state != MAIN_RUN || (c->time > now && (!picked || c->alive))) break;
        core_exec(m, pe, c, now);
        picked = false;
        if (c->stall || c->time > now) break;
    }
    if (c->state == MAIN_IDLE) return c->time > now ? c->time : UINT64_MAX;
    if (c->state != MAIN_RUN || c->stall) return UINT64_MAX;
    return c->time > now ? c->time : now + 1;
}

/* On a busy grid the PEs to the east come next: have the host fetch what their steps touch, each part once the part
 * that leads to it is there. */
static inline void fetch_ahead(const wse *m, uint32_t pe) {
    const core *c = &m->cores->pe[pe];
    if (pe + 6 >= m->pes) return;
    __builtin_prefetch(c + 6, 1);
    __builtin_prefetch((const char *)(c + 6) + 64, 1);
    const core *next = c + 4;
    for (uint32_t set = threads_alive(next); set; set &= set - 1) {
        const char *v = (const char *)(m->cores->vops + next->vops + __builtin_ctz(set));
        __builtin_prefetch(v, 1);
        __builtin_prefetch(v + 64, 1);
        __builtin_prefetch(v + 128, 1);
    }
    next = c + 2;
    for (uint32_t set = threads_alive(next); set; set &= set - 1) {
        const core_vop *v = m->cores->vops + next->vops + __builtin_ctz(set);
        const core_operand *o = v->d.kind == ISA_MEM1D ? &v->d : &v->s1;
        __builtin_prefetch(wse_words(m, pe + 2) + (uint16_t)(o->base + (o->start + v->position) * o->words), 1);
    }
}

/* Differs after a step that did something. */
static inline uint64_t progress(const core *c) {
    return c->time + c->datapath_free + c->n[CORE_N_tasks] + c->n[CORE_N_instructions] + c->state + c->alive +
           c->launch_pending + c->flushing;
}

void core_step(wse *m, uint32_t pe, uint64_t now) {
    core *c = &m->cores->pe[pe];
    if (!core_settle(m, pe, now)) return;
    if (c->streams && stream_step(m, pe, c, now)) return;
    pipe_fill_to(m, pe);
    uint64_t before = progress(c);
    bool due = c->time == now || c->datapath_free == now;
    if (c->alive) fetch_ahead(m, pe);
    uint64_t next = UINT64_MAX;
    if (c->state == MAIN_HALT) return;
    arrive(c, now);
    if (c->flushing) check_flush(m, pe, c);
    c->poke = c->started = false;
    if (c->alive || c->state == MAIN_VECTOR) next = threads_step(m, pe, c, now);
    uint64_t main_next = step_main(m, pe, c, now);
    if (main_next < next) next = main_next;
    if (c->started) {
        uint64_t ready = threads_ready(m, c, now);
        if (ready < next) next = ready;
    }
    if (c->poke && next > now + 1) next = now + 1;
    if (c->flushing) check_flush(m, pe, c);
    if (c->state == MAIN_IDLE && c->active >> ISA_TASK_TEARDOWN & 1 && next > now + 1) next = now + 1;
    if (due || progress(c) != before) clock_happened(m, pe, now);
    if (next != UINT64_MAX && c->state != MAIN_HALT) clock_wake(m, pe, next);
}

/* ---- what others ask ---- */

bool core_idle(const wse *m, uint32_t pe) {
    const core *c = &m->cores->pe[pe];
    if (c->state == MAIN_HALT) return true;
    return c->state == MAIN_IDLE && !c->alive && !c->launch_pending && c->time <= m->cycle &&
           !task_waiting(m, pe, c, m->cycle);
}

void core_raise(wse *m, uint32_t pe, uint64_t now) {
    task_activate(&m->cores->pe[pe], ISA_TASK_TEARDOWN);
    clock_wake(m, pe, now + 1);
}

bool core_command_ready(const wse *m, uint32_t pe) {
    const core *c = &m->cores->pe[pe];
    return !c->launch_pending && c->launch_entry == UINT32_MAX && !((c->active | c->blocked) >> ISA_TASK_COMMAND & 1) &&
           c->ready_at <= m->cycle;
}

void core_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t arg_words, uint32_t delay_cycles) {
    core *c = &m->cores->pe[pe];
    const isa_program *p = wse_program(m, pe);
    uint32_t room = ISA_SRAM_WORDS - p->args_word;
    if (arg_words > 32) arg_words = 32;
    if (arg_words > room) arg_words = room;
    if (m->check) wse_wrote(m, pe, p->args_word, arg_words);
    if (arg_words) memcpy(wse_words(m, pe) + p->args_word, args, 2 * (size_t)arg_words);
    c->launch_pending = true;
    c->launch_entry = entry;
    c->launch_at = m->cycle + (delay_cycles ? delay_cycles : 1);
    if (m->trace) trace_launch(m, pe, entry, c->launch_at);
    clock_wake(m, pe, c->launch_at);
}

static uint64_t hash_vop(const core_vop *v, uint64_t seed) {
    const core_operand *o[] = {&v->d, &v->s0, &v->s1};
    uint64_t words[16] = {v->ready, v->position, v->length, v->scalar, v->index,
                          v->carry, v->held,     v->pc,     v->op,     v->rank};
    for (int k = 0; k < 3; k++) {
        words[10 + 2 * k] = o[k]->kind | (uint64_t)o[k]->port << 8 | (uint64_t)o[k]->start << 32;
        words[11 + 2 * k] = o[k]->base | (uint64_t)o[k]->value << 32;
    }
    return XXH64(words, sizeof words, seed);
}

/* Everything that decides what happens next: not the counters, and not the places in the pools. */
uint64_t core_hash(const wse *m, uint32_t pe, uint64_t seed) {
    const core *c = &m->cores->pe[pe];
    const core_program *q = core_program_of(m, pe);
    core copy;
    memcpy(&copy, c, sizeof copy);
    memset(copy.n, 0, sizeof copy.n);
    copy.busy_until = copy.stalled_since = 0;
    copy.dsrs = copy.vops = copy.fifos = copy.log = 0;
    copy.log_used = copy.log_line = 0;
    copy.poke = copy.started = copy.streams = false;
    copy.ahead = 0;
    seed = XXH64(&copy, sizeof copy, seed);
    seed = XXH64(m->cores->dsrs + c->dsrs, q->dsr_slots * sizeof(core_dsr), seed);
    seed = XXH64(m->cores->fifos + c->fifos, q->p->fifo_count * sizeof(core_fifo), seed);
    for (int k = 0; k < q->vops; k++) {
        bool lives = k == 0 ? c->state == MAIN_VECTOR : c->alive >> (k - 1) & 1;
        if (lives) seed = hash_vop(&m->cores->vops[c->vops + (uint32_t)k], seed);
    }
    return seed;
}

void core_count(const wse *m, uint32_t pe, wse_counters *out) {
    const core *c = &m->cores->pe[pe];
    const core_vop *pool = m->cores->vops + c->vops;
    uint64_t n[CORE_COUNTERS];
    memcpy(n, c->n, sizeof n);
    for (uint32_t set = threads_alive(c); set; set &= set - 1)
        vop_count(&pool[__builtin_ctz(set)], pool[__builtin_ctz(set)].position, n);
#define ADD(name) out->name += n[CORE_N_##name]
    ADD(busy_cycles);
    ADD(instructions);
    ADD(vector_ops);
    ADD(tasks);
    ADD(fp16_ops);
    ADD(fp32_ops);
    ADD(int_ops);
    ADD(sram_words_read);
    ADD(sram_words_written);
    ADD(input_wait_cycles);
    ADD(output_wait_cycles);
#undef ADD
}
