/* Transfers of keys and values over a network: flows that share the ports at their ends.
 *
 * A flow has a source port, a destination port and maybe the core between the switches; its rate is the least of their
 * equal shares. (Max-min fairness would give what one port cannot use to the others; the difference is second order
 * while one kind of port binds.) A held flow keeps its last bytes until its source has made them.
 */
#ifndef INGOT_PERF_SIM_NETWORK_H
#define INGOT_PERF_SIM_NETWORK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    double left, rate, kept;    /* bytes, bytes per second; bytes that are not there yet */
    uint32_t source, sink, tag; /* ports; the owner's number */
    bool moving;
} sim_flow;

typedef struct {
    double port_rate[2], core_rate;   /* of a source, of a sink; of the core, 0 = as much as the ports give */
    uint32_t ports[2], *moving_at[2]; /* moving flows at each port */
    sim_flow *flows;                  /* [capacity] */
    size_t count, capacity, moving;
    double now, busy_port_s[2], bytes; /* port-seconds in use, for utilisation */
} sim_network;

bool sim_network_init(sim_network *n, uint32_t sources, uint32_t sinks, double source_rate, double sink_rate,
                      double core_rate);
void sim_network_free(sim_network *n);
bool sim_network_add(sim_network *n, double now, const sim_flow *f); /* false: memory */
/* Its source has all of the flow's bytes: at least `last` of them are still to go. */
void sim_network_release(sim_network *n, double now, uint32_t tag, double last);
double sim_network_next(const sim_network *n);                    /* when the next flow ends; INFINITY */
bool sim_network_take(sim_network *n, double now, uint32_t *tag); /* a flow that has ended by now */
#endif
