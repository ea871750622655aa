"""What the run.py of each kernel needs: a compiled program, arrays of all its PEs in and out, and its cycles."""
import argparse
import json

import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime


def tiles(matrix, height, width, rows, columns):
    """[height][width][rows * columns]: a matrix, padded with zeros, cut into one tile for each PE."""
    full = np.zeros((height * rows, width * columns), matrix.dtype)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    cut = full.reshape(height, rows, width, columns).transpose(0, 2, 1, 3)
    return cut.reshape(height, width, rows * columns)


def joined(cut, rows, columns):
    """The matrix whose tiles these are."""
    height, width, _ = cut.shape
    return cut.reshape(height, width, rows, columns).transpose(0, 2, 1, 3).reshape(height * rows, width * columns)


class Program:
    """The folder that cslc wrote, loaded and running."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--name", default="out", help="folder that cslc wrote")
        name = parser.parse_args().name
        with open(f"{name}/out.json", encoding="utf-8") as file:
            self.params = {k: int(v) for k, v in json.load(file)["params"].items()}
        self.runner = SdkRuntime(name)
        self.runner.load()
        self.runner.run()

    def how(self, dtype):
        """Options of a copy of elements of this type."""
        half = np.dtype(dtype).itemsize == 2
        kind = MemcpyDataType.MEMCPY_16BIT if half else MemcpyDataType.MEMCPY_32BIT
        return {"streaming": False, "order": MemcpyOrder.ROW_MAJOR, "data_type": kind, "nonblock": False}

    def put(self, symbol, values, x=0, y=0):
        """values: [height][width][elements of a PE], to the PEs from (x, y) on."""
        height, width, n = values.shape
        words = np.ascontiguousarray(values).ravel()
        if words.dtype.itemsize == 2:
            words = words.view(np.uint16).astype(np.uint32)
        target = self.runner.get_id(symbol)
        self.runner.memcpy_h2d(target, words, x, y, width, height, n, **self.how(values.dtype))

    def get(self, symbol, width, height, n, dtype=np.float32, x=0, y=0):
        """[height][width][n] of the PEs from (x, y) on."""
        half = np.dtype(dtype).itemsize == 2
        words = np.zeros(height * width * n, np.uint32 if half else dtype)
        self.runner.memcpy_d2h(words, self.runner.get_id(symbol), x, y, width, height, n, **self.how(dtype))
        if half:
            words = words.astype(np.uint16).view(dtype)
        return words.reshape(height, width, n)

    def launch(self, function, *args):
        """Runs an exported function on all PEs."""
        self.runner.launch(function, *args, nonblock=False)

    def cycles(self, width, height):
        """Cycles until the last PE was done; the launch reaches PE (x, y) after x + y of them."""
        spent = self.get("spent", width, height, 16, np.uint32).sum(axis=2)
        return int((spent + np.add.outer(np.arange(height), np.arange(width))).max())

    def stop(self):
        """Ends the run."""
        self.runner.stop()
