"""Looking at a simulated run after stop(): variables and <debug> traces, by absolute coordinates of the fabric."""

import os

import numpy as np

from cerebras.sdk.runtime import sdkruntimepybind as _runtime
from ingot.library import IngotError, Program, Runtime

_CORES = ("corefile.cs1", "out.core")


class debug_util:  # pylint: disable=invalid-name
    """Reads the run of `bindir` that this process stopped last, else a core file in the current or that folder."""

    def __init__(self, bindir, cmaddr=None, **_):
        if cmaddr:
            raise IngotError("debug_util reads simulated runs only; leave cmaddr away")
        self._run = _runtime.latest_run(bindir) or self._from_core(os.path.abspath(bindir))
        facts = self._run.program.facts
        self._offset = (facts.offset_x, facts.offset_y)

    @staticmethod
    def _from_core(folder):
        places = [os.path.join(d, name) for d in (os.getcwd(), folder) for name in _CORES]
        for path in places:
            if os.path.exists(path):
                run = Runtime(Program.open(folder))
                run.open_core(path)
                return run
        raise IngotError(
            f"no run of {folder} in this process and no core file ({' or '.join(_CORES)}) here; "
            "call debug_util after stop(), or dump_core() in the run"
        )

    def _inside(self, col, row):
        x, y = col - self._offset[0], row - self._offset[1]
        if x < 0 or y < 0:
            raise IngotError(
                f"({col}, {row}) lies outside the program, which begins at {self._offset}; coordinates are absolute"
            )
        return x, y

    def get_symbol(self, col, row, name, dtype):
        """A variable of one PE."""
        return self._run.read_symbol(*self._inside(col, row), name).view(dtype)

    def get_symbol_rect(self, rectangle, name, dtype):
        """A variable of every PE of ((col, row), (width, height)), as an array [row][column][...]."""
        (col, row), (width, height) = rectangle
        rows = [[self.get_symbol(col + x, row + y, name, dtype) for x in range(width)] for y in range(height)]
        return np.array(rows)

    def read_trace(self, px, py, key):
        """The values recorded under `key`, in order."""
        return self._run.read_trace(*self._inside(px, py), key)
