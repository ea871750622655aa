#!/usr/bin/env cs_python
"""An MLP whose widths are no multiples of the grid's, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, height, d_tile, mlp_tile, gated = (p[n] for n in ("width", "height", "d_tile", "mlp_tile", "gated"))
root_x, root_y = p.get("root_x", 0), p.get("root_y", 0)
d, m = width * d_tile - 3, height * mlp_tile - 4
rng = np.random.default_rng(1)


def matrix(rows, columns):
    """Seeded weights."""
    return (rng.normal(size=(rows, columns)) / np.sqrt(columns)).astype(np.float16)


gate, up, down, x = matrix(m, d), matrix(m, d), matrix(d, m), rng.normal(size=(1, d)).astype(np.float16)


def by_input(w, rows, columns, of_input):
    """[height][width][inputs][outputs] of the tiles of W."""
    cut = tiles(w, height, width, rows, columns) if of_input else tiles(w.T, height, width, columns, rows)
    cut = cut.reshape(height, width, rows, columns) if of_input else cut.reshape(height, width, columns, rows)
    return cut.transpose(0, 1, 3, 2) if of_input else cut


ups = [by_input(w, mlp_tile, d_tile, True) for w in ((gate, up) if gated else (up,))]
program.put("w_up", np.concatenate(ups, axis=3).reshape(height, width, -1))
program.put("w_down", by_input(down, d_tile, mlp_tile, False).reshape(height, width, -1))
program.put("x", tiles(x, 1, width, 1, d_tile), y=root_y)
program.launch("compute")
y = joined(program.get("y", width, 1, d_tile, y=root_y), 1, d_tile)[0, :d]
print(f"MLP of {d} and {m} on {width} x {height} PEs: {program.cycles(width, height)} cycles")
program.stop()

gate, up, down, x = (t.astype(np.float64) for t in (gate, up, down, x[0]))


def act(v):
    """silu or gelu"""
    if p["activation"] == 0:
        return v / (1 + np.exp(-v))
    return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))


hidden = act(gate @ x) * (up @ x) if gated else act(up @ x)
np.testing.assert_allclose(y, down @ hidden, atol=2e-3)
print("SUCCESS!")
