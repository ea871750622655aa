#!/usr/bin/env cs_python
"""RMS norm or layer norm of a vector on each row of PEs, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
width, height, d, d_tile, kind = (program.params[n] for n in ("width", "height", "d", "d_tile", "kind"))
rng = np.random.default_rng(1)
x = rng.normal(size=(height, d)).astype(np.float32) + np.float32(3)
w = rng.normal(size=(1, d)).astype(np.float32)
b = rng.normal(size=(1, d)).astype(np.float32)


def put(name, values):
    """A vector for each row."""
    program.put(name, tiles(np.broadcast_to(values, (height, d)), height, width, 1, d_tile))


put("x", x)
put("w", w)
if kind == 1:
    put("b", b)
program.launch("compute")
y = joined(program.get("y", width, height, d_tile), 1, d_tile)[:, :d]
print(f"{('RMS', 'layer')[kind]} norm of {d} numbers on {width} PEs: {program.cycles(width, height)} cycles")
program.stop()

x = x.astype(np.float64)
if kind == 1:
    x = x - x.mean(axis=1, keepdims=True)
want = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * w + (b if kind == 1 else 0)
np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
print("SUCCESS!")
