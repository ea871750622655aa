#!/usr/bin/env cs_python
"""Gives each PE a vector, lets them exchange, and checks the sum."""
import argparse
import json

import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime

parser = argparse.ArgumentParser()
parser.add_argument("--name", default="out", help="folder that cslc wrote")
args = parser.parse_args()

with open(f"{args.name}/out.json", encoding="utf-8") as f:
    n = int(json.load(f)["params"]["N"])

how = {"streaming": False, "order": MemcpyOrder.ROW_MAJOR, "data_type": MemcpyDataType.MEMCPY_32BIT, "nonblock": False}
both = np.arange(2 * n, dtype=np.float32)
result = np.zeros(n, dtype=np.float32)

runner = SdkRuntime(args.name)
v = runner.get_id("v")
runner.load()
runner.run()
runner.memcpy_h2d(v, both, 0, 0, 2, 1, n, **how)
runner.launch("exchange", nonblock=False)
runner.memcpy_d2h(result, v, 1, 0, 1, 1, n, **how)
runner.stop()

np.testing.assert_array_equal(result, both[:n] + both[n:])
print("SUCCESS!")
