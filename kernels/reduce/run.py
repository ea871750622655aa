#!/usr/bin/env cs_python
"""Sums and maxima of vectors over all PEs, on one and on all, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program  # pylint: disable=wrong-import-position

program = Program()
width, height, n = (program.params[name] for name in ("width", "height", "n"))
root_x, root_y = program.params.get("root_x", 0), program.params.get("root_y", 0)
rng = np.random.default_rng(1)
v = rng.normal(size=(height, width, n)).astype(np.float32)

for op, want in (("sum", v.sum(axis=(0, 1), dtype=np.float64)), ("max", v.max(axis=(0, 1)))):
    for kind in ("reduce", "allreduce"):
        program.put("v", v)
        program.launch(f"{kind}_{op}")
        got = program.get("v", width, height, n)
        if kind == "reduce":
            got = got[root_y : root_y + 1, root_x : root_x + 1]
        np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), rtol=1e-5, atol=1e-5)
cycles = program.cycles(width, height)
program.stop()
print(f"{n} numbers, {width} x {height} PEs: {cycles} cycles for all four")
print("SUCCESS!")
