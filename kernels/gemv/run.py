#!/usr/bin/env cs_python
"""y = W x for a matrix whose sizes are no multiples of the grid's, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, height, m_tile, k_tile = (p[n] for n in ("width", "height", "m_tile", "k_tile"))
root_x, root_y = p.get("root_x", 0), p.get("root_y", 0)
rows, columns = height * m_tile - 2, width * k_tile - 3

rng = np.random.default_rng(1)
w = rng.normal(size=(rows, columns)).astype(np.float16)
x = rng.normal(size=(columns, 1)).astype(np.float16)
# the tile of a PE is stored column by column
by_column = tiles(w, height, width, m_tile, k_tile).reshape(height, width, m_tile, k_tile).transpose(0, 1, 3, 2)
program.put("w", by_column.reshape(height, width, -1))
program.put("x", tiles(x.T, 1, width, 1, k_tile), y=root_y)
program.launch("compute")
y = joined(program.get("y", 1, height, m_tile, x=root_x), m_tile, 1)[:rows]
print(f"{rows} x {columns} on {width} x {height} PEs: {program.cycles(width, height)} cycles")
program.stop()

np.testing.assert_allclose(y, w.astype(np.float64) @ x.astype(np.float64), rtol=1e-5, atol=1e-5)
print("SUCCESS!")
