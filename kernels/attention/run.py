#!/usr/bin/env cs_python
"""A prompt of several calls and then single positions, without and with a window, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, units, unit_rows, group, head, slots, queries = (
    p[n] for n in ("width", "units", "unit_rows", "group", "head", "slots", "queries")
)
root_x, root_y = p.get("root_x", 0), p.get("root_y", 0)
SCALE = 0.25
context = slots * unit_rows * width
rng = np.random.default_rng(1)
n_q, n_k = (rng.normal(size=head).astype(np.float32) for _ in range(2))
new = (group + 2) * head
size = group * head + group
qkv = rng.normal(size=(context, units, group + 2, head)).astype(np.float16).astype(np.float32)


def attention(upto, window):
    """Of position upto - 1, [units][group][head], in f64."""
    x = qkv[:upto].astype(np.float64)
    q, k, v = x[-1, :, :group], x[:, :, group], x[:, :, group + 1]
    if p["qk_norm"]:
        q, k = (t / np.sqrt((t * t).mean(axis=-1, keepdims=True) + 1e-5) * n for t, n in ((q, n_q), (k, n_k)))
    if window:
        k, v = k[-window:], v[-window:]
    scores = np.einsum("ugh,puh->ugp", q, k) * SCALE
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("ugp,puh->ugh", weights / weights.sum(axis=-1, keepdims=True), v)


height = units * unit_rows
program.put("n_q", np.broadcast_to(n_q, (height, width, head)))
program.put("n_k", np.broadcast_to(n_k, (height, width, head)))
for window in (0, 7):
    program.put("position", np.zeros((height, width, 1), np.uint16))
    done = 0
    while done < context:
        n = queries if done < 2 * queries else 1
        call = np.zeros((units, queries, new), np.float32)
        call[:, :n] = qkv[done : done + n].reshape(n, units, new).transpose(1, 0, 2)
        for unit in range(units):
            program.put("qkv", call[unit].reshape(1, 1, -1), root_x, unit * unit_rows + root_y)
        program.launch("attend", np.uint16(n), np.uint16(window))
        for unit in range(units):
            out = program.get("out", 1, 1, queries * size, x=root_x, y=unit * unit_rows + root_y).reshape(queries, size)
            for i in range(n):
                want = attention(done + i + 1, window)[unit]
                np.testing.assert_allclose(out[i, : group * head].reshape(group, head), want, atol=2e-3)
        done += n
print(f"{context} positions twice on {units} units of {width} x {unit_rows}: {program.cycles(width, height)} cycles")
program.stop()
print("SUCCESS!")
