"""Do the helpers of run scripts compute what those scripts expect?"""

import unittest

import numpy as np

from cerebras.geometry.geometry import IntRectangle, IntVector
from cerebras.sdk import client, sdk_utils
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime, SdkTarget, get_platform
from ingot import IngotError


class Utils(unittest.TestCase):
    """sdk_utils"""

    def test_a_view_fills_its_container(self):
        box = np.zeros(4, dtype=np.uint32)
        view = sdk_utils.memcpy_view(box, np.float16)
        view[:] = [1.0, 2.0, -1.0, 0.5]
        self.assertEqual(box.tolist(), [0x3C00, 0x4000, 0xBC00, 0x3800])
        cube = np.zeros((2, 3, 4), dtype=np.uint32)
        sdk_utils.memcpy_view(cube, np.int16)[1, 2, 3] = -1
        self.assertEqual(cube[1, 2, 3], 0xFFFF)
        self.assertEqual(sdk_utils.memcpy_view(cube, np.float32).shape, (2, 3, 4))
        with self.assertRaises(ValueError):
            sdk_utils.memcpy_view(np.zeros(3, dtype=np.uint16), np.uint16)

    def test_sixteen_bits_become_thirty_two(self):
        words = np.array([1, -1, 3], dtype=np.int16)
        self.assertEqual(sdk_utils.input_array_to_u32(words, None, 1).tolist(), [1, 0xFFFF, 3])
        self.assertEqual(sdk_utils.input_array_to_u32(words, 0, 2).tolist(), [1, 0x1FFFF, 3])
        floats = np.array([1.5], dtype=np.float32)
        self.assertEqual(sdk_utils.input_array_to_u32(floats, None, 1).tolist(), [0x3FC00000])

    def test_time_stamps(self):
        start, end = 0x0001_FFFF_FFFE, 0x0002_0000_0010
        parts = [start & 0xFFFF, start >> 16 & 0xFFFF, start >> 32, end & 0xFFFF, end >> 16 & 0xFFFF, end >> 32]
        packed = np.array(parts, dtype=np.uint16).view(np.float32)
        self.assertEqual(sdk_utils.calculate_cycles(packed), end - start)
        self.assertEqual(sdk_utils.cast_uint32(np.int16(-1)), 0xFFFF)
        self.assertEqual(sdk_utils.cast_uint32(1.5), 0x3FC00000)

    def test_enumerations_have_the_vendors_numbers(self):
        self.assertEqual((MemcpyDataType.MEMCPY_32BIT, MemcpyDataType.MEMCPY_16BIT), (0, 1))
        self.assertEqual((MemcpyOrder.ROW_MAJOR, MemcpyOrder.COL_MAJOR, SdkTarget.WSE3), (0, 1, 1))

    def test_a_rectangle_ends_before_its_corner(self):
        points = [tuple(p) for p in IntRectangle(IntVector(1, 0), IntVector(2, 3)).points()]
        self.assertEqual(points, [(1, 0), (1, 1), (1, 2)])


class Refusals(unittest.TestCase):
    """What is not there says so."""

    def test_hardware_and_appliances(self):
        with self.assertRaisesRegex(IngotError, "leave cmaddr away"):
            get_platform("10.0.0.1:9000")
        with self.assertRaisesRegex(RuntimeError, "needs an appliance"):
            client.SdkCompiler()

    def test_a_folder_without_a_program(self):
        with self.assertRaisesRegex(IngotError, "compile with cslc -o"):
            SdkRuntime("tests/python")


if __name__ == "__main__":
    unittest.main()
