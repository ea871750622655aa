#!/usr/bin/env cs_python
"""Logits, the largest one and the nine largest, against numpy."""
import sys

import numpy as np

sys.path.insert(0, "../mesh")
from host import Program, joined, tiles  # pylint: disable=wrong-import-position

program = Program()
p = program.params
width, height, d_tile, vocab_tile, vocab, best = (
    p[n] for n in ("width", "height", "d_tile", "vocab_tile", "vocab", "best")
)
root_x, root_y = p.get("root_x", 0), p.get("root_y", 0)
d = width * d_tile - 1
rng = np.random.default_rng(1)
w = rng.normal(size=(vocab, d)).astype(np.float16)
w[vocab - 1] = w[3]  # a tie: the smaller number comes first
x = rng.normal(size=(1, d)).astype(np.float16)

by_input = tiles(w, height, width, vocab_tile, d_tile).reshape(height, width, vocab_tile, d_tile).transpose(0, 1, 3, 2)
program.put("w", by_input.reshape(height, width, -1))
program.put("x", tiles(x, 1, width, 1, d_tile), y=root_y)
want = w.astype(np.float64) @ x[0].astype(np.float64)
for n in (1, best):
    program.launch("compute", np.uint16(n))
    logits = joined(program.get("logits", 1, height, vocab_tile, x=root_x), vocab_tile, 1)[:vocab, 0]
    tokens = program.get("tokens", 1, 1, best, np.uint32, root_x, root_y)[0, 0, :n]
    np.testing.assert_allclose(logits, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(tokens, np.argsort(-logits, kind="stable")[:n])
    np.testing.assert_array_equal(program.get("values", 1, 1, best, x=root_x, y=root_y)[0, 0, :n], logits[tokens])
print(f"{vocab} x {d} on {width} x {height} PEs: {program.cycles(width, height)} cycles for both")
program.stop()
print("SUCCESS!")
