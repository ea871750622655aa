"""Runs layout.csl, compiled to the folder given, through every kind of command."""

import json
import os
import sys

import numpy as np

from cerebras.sdk import sdk_utils
from cerebras.sdk.debug.debug_util import debug_util
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime

FOLDER = sys.argv[1]
with open(f"{FOLDER}/out.json", encoding="utf-8") as file:
    params = json.load(file)["params"]
W, H, M = (int(params[k]) for k in ("width", "height", "M"))
COPY = {"streaming": False, "data_type": MemcpyDataType.MEMCPY_32BIT, "nonblock": False}
HALF = {"streaming": False, "data_type": MemcpyDataType.MEMCPY_16BIT, "nonblock": False}
STREAM = {"streaming": True, "data_type": MemcpyDataType.MEMCPY_32BIT}
ROW, COL = MemcpyOrder.ROW_MAJOR, MemcpyOrder.COL_MAJOR


def fails(text, call, *args, **keywords):
    """The call raises RuntimeError with that text."""
    try:
        call(*args, **keywords)
    except RuntimeError as error:
        assert text in str(error), error
        return
    raise AssertionError(f"no error with {text!r}")


def started():
    """A runtime that runs."""
    runner = SdkRuntime(FOLDER, cmaddr=None, suppress_simfab_trace=True)
    here = os.getcwd()
    os.chdir("/")  # the folder was given relative to the one before
    runner.load()
    os.chdir(here)
    runner.run()
    return runner


def copies(runner):
    """Orders, 16 bits, broadcasts, strides, arguments."""
    y, half, constant = runner.get_id("y"), runner.get_id("half"), runner.get_id("constant")
    data = np.random.default_rng(1).random((H, W, M), dtype=np.float32)
    runner.memcpy_h2d(y, data.ravel(), 0, 0, W, H, M, order=ROW, **COPY)
    runner.launch("scale", np.int16(-3), np.float32(2), nonblock=False)
    runner.call("scale", [5, sdk_utils.cast_uint32(0.5)], nonblock=True)
    back = np.zeros(H * W * M, dtype=np.float32)
    runner.memcpy_d2h(back, y, 0, 0, W, H, M, order=COL, **COPY)
    expected = (data * np.float32(2) - np.float32(3)) * np.float32(0.5) + np.float32(5)
    np.testing.assert_array_equal(back.reshape((H, W, M), order="F"), expected)
    one = np.zeros((M, 1), dtype=np.uint32)
    runner.memcpy_d2h(one, y, W - 1, H - 1, 1, 1, M, order=ROW, **COPY)
    np.testing.assert_array_equal(one.view(np.float32).ravel(), expected[H - 1, W - 1])
    box = sdk_utils.input_array_to_u32(np.arange(4 * H, dtype=np.uint16), 1, 4)
    runner.memcpy_h2d_rowbcast(half, box, 0, 0, W, H, 4, order=ROW, **HALF)
    box = np.full(W * H * 4, 0xFFFFFFFF, dtype=np.uint32)
    runner.memcpy_d2h(box, half, 0, 0, W, H, 4, order=ROW, **HALF)
    np.testing.assert_array_equal(box.reshape(H, W, 4)[:, W - 1], np.arange(4 * H).reshape(H, 4))
    runner.memcpy_h2d_stride(half, np.array([7, 8], np.uint32), 0, 0, W, 1, 1, row_stride=2, order=ROW, **HALF)
    runner.memcpy_d2h(box, half, 0, 0, W, H, 4, order=ROW, **HALF)
    np.testing.assert_array_equal(box.reshape(H, W, 4)[0, :3, 0], [7, 0, 8])
    words = np.zeros(2, dtype=np.uint32)
    runner.memcpy_d2h(words, constant, 0, 0, 1, 1, 2, order=ROW, **COPY)
    np.testing.assert_array_equal(words, [70000, 3])
    fails("not mutable", runner.memcpy_h2d, constant, words, 0, 0, 1, 1, 2, order=ROW, **COPY)
    fails("32-bit elements", runner.memcpy_h2d, y, np.zeros(M), 0, 0, 1, 1, M, order=ROW, **COPY)
    fails("takes i16", runner.launch, "scale", np.int32(1), np.float32(1), nonblock=False)
    runner.launch("move", nonblock=False)
    runner.memcpy_d2h(back, y, 0, 0, W, H, M, order=ROW, **COPY)
    assert not back.any()


def streams(runner):
    """Words in, words plus one out; a copy sees what the words did."""
    half = runner.get_id("half")
    zero = np.zeros(W * H * 4, dtype=np.uint32)
    runner.memcpy_h2d(half, zero, 0, 0, W, H, 4, order=ROW, **HALF)
    words = np.arange(W * H * 20, dtype=np.uint32)
    result = np.zeros_like(words)
    task = runner.memcpy_h2d(2, words, 0, 0, W, H, 20, order=COL, nonblock=True, **STREAM)
    runner.memcpy_d2h(result, 3, 0, 0, W, H, 20, order=COL, nonblock=False, **STREAM)
    runner.task_wait(task)
    assert runner.is_task_done(task)
    np.testing.assert_array_equal(result, words + 1)
    runner.memcpy_h2d(2, words[:5], 1, 0, 1, 1, 5, order=ROW, nonblock=True, **STREAM)
    result = np.zeros(5, dtype=np.uint32)
    waiting = runner.memcpy_d2h(result, 3, 1, 0, 1, 1, 5, order=ROW, nonblock=True, **STREAM)
    runner.memcpy_d2h(zero[:1], half, 1, 0, 1, 1, 1, order=ROW, **HALF)
    assert zero[0] == 25, zero[0]
    while not runner.is_task_done(waiting):
        pass
    np.testing.assert_array_equal(result, words[:5] + 1)


def after(runner):
    """Symbols and cores of a run that has ended."""
    debug = debug_util(FOLDER)
    x, y = runner.coord_logical_to_physical((0, 0))
    assert debug.get_symbol(x, y, "constant", np.uint32).tolist() == [70000, 3]
    assert debug.get_symbol_rect(((x, y), (W, H)), "half", np.uint16).shape == (H, W, 4)
    fails("coordinates are absolute", debug.get_symbol, 0, 0, "constant", np.uint32)
    assert runner.read_symbol(0, 0, "constant", "uint32")[1] == 3


def deadlocks():
    """A function that never unblocks, and words that never come."""
    runner = started()
    runner.launch("forget", nonblock=False)
    word = np.zeros(1, dtype=np.uint32)
    fails("unblock_cmd_stream", runner.memcpy_d2h, word, runner.get_id("constant"), 0, 0, 1, 1, 1, order=ROW, **COPY)
    fails("deadlock: copy from 'constant'", runner.stop)
    runner = started()
    fails("stream out on color 3", runner.memcpy_d2h, word, 3, 0, 0, 1, 1, 1, order=ROW, nonblock=False, **STREAM)


def main():
    """All of it."""
    runner = started()
    copies(runner)
    streams(runner)
    runner.stop()
    after(runner)
    deadlocks()
    print("SUCCESS!")


main()
