#!/usr/bin/env cs_python
"""C = A B for matrices whose sizes are no multiples of the grid's, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, height, m_tile, n_tile, k_panel, panels = (
    p[n] for n in ("width", "height", "m_tile", "n_tile", "k_panel", "panels")
)
m, n, k = height * m_tile - 2, width * n_tile - 3, panels * k_panel - 1

rng = np.random.default_rng(1)
a = rng.normal(size=(m, k)).astype(np.float16)
b = rng.normal(size=(k, n)).astype(np.float16)


def pieces(matrix, height, width, rows, columns, count):
    """Tiles of `count` panels of rows x columns below each other, each padded to whole 32-bit words."""
    cut = tiles(matrix, height, width, count * rows, columns).reshape(height, width, count, rows * columns)
    cut = np.pad(cut, ((0, 0), (0, 0), (0, 0), (0, rows * columns % 2)))
    return cut.reshape(height, width, -1)


program.put("a", pieces(a.T, width, height, k_panel, m_tile, panels // width).transpose(1, 0, 2))
program.put("b", pieces(b, height, width, k_panel, n_tile, panels // height))
for _ in range(2):  # the routes end as they began
    program.launch("compute")
c = joined(program.get("c", width, height, m_tile * n_tile), m_tile, n_tile)[:m, :n]
print(f"{m} x {k} x {n} on {width} x {height} PEs: {program.cycles(width, height) // 2} cycles")
program.stop()

np.testing.assert_allclose(c, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-5, atol=1e-4)
print("SUCCESS!")
