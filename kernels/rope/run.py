#!/usr/bin/env cs_python
"""Turns heads by positions 5, 6 and 7, each PE's table stepping from one to the next, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program  # pylint: disable=wrong-import-position

program = Program()
width, height, heads, head, dims, style = (
    program.params[n] for n in ("width", "height", "heads", "head", "dims", "style")
)
rng = np.random.default_rng(1)
frequency = 10000.0 ** (-np.arange(0, dims, 2) / dims)


def turned(v, position):
    """The reference, in f64."""
    v = v.astype(np.float64)
    c, s = np.cos(position * frequency), np.sin(position * frequency)
    first = np.arange(0, dims, 2) if style == 1 else np.arange(dims // 2)
    second = first + (1 if style == 1 else dims // 2)
    a, b = v[..., first].copy(), v[..., second].copy()
    v[..., first], v[..., second] = a * c - b * s, a * s + b * c
    return v


START = 5
angles = np.array([START * frequency, frequency])
table = np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1).astype(np.float32)
program.put("table", np.broadcast_to(table, (height, width, table.size)))
for position in range(START, START + 3):
    heads_in = rng.normal(size=(height, width, heads, head)).astype(np.float32)
    program.put("v", heads_in.reshape(height, width, -1))
    program.launch("rotate")
    out = program.get("v", width, height, heads * head).reshape(heads_in.shape)
    np.testing.assert_allclose(out, turned(heads_in, position), rtol=1e-5, atol=2e-6)
    program.launch("advance")
print(f"{heads} heads of {head} on each PE: {program.cycles(width, height)} cycles for three positions")
program.stop()
print("SUCCESS!")
