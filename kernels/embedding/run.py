#!/usr/bin/env cs_python
"""Looks up rows of a table, exactly."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, height, d_tile, rows_tile, count = (p[n] for n in ("width", "height", "d_tile", "rows_tile", "tokens"))
root_x, root_y = p.get("root_x", 0), p.get("root_y", 0)
rows, d = height * rows_tile - 5, width * d_tile - 1
rng = np.random.default_rng(1)
table = rng.normal(size=(rows, d)).astype(np.float16)
tokens = np.concatenate([[0, rows - 1], rng.integers(0, rows, size=count - 2)]).astype(np.uint32)

by_input = tiles(table, height, width, rows_tile, d_tile).reshape(height, width, rows_tile, d_tile).transpose(0, 1, 3, 2)
program.put("table", by_input.reshape(height, width, -1))
program.put("tokens", tokens.reshape(1, 1, -1), root_x, root_y)
program.launch("look_up", np.uint16(count))
x = joined(program.get("x", width, 1, count * d_tile, y=root_y), count, d_tile)[:, :d]
print(f"{count} rows of {rows} x {d} on {width} x {height} PEs: {program.cycles(width, height)} cycles")
program.stop()

np.testing.assert_array_equal(x, table[tokens].astype(np.float32))
print("SUCCESS!")
