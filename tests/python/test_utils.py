"""Do the helpers of run scripts compute what those scripts expect?"""

import os
import tempfile
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


class Appliance(unittest.TestCase):
    """Scripts of the appliance run here."""

    LAYOUT = """
        const memcpy = @import_module("<memcpy/get_params>", .{ .width = 1, .height = 1 });
        layout {
          @set_rectangle(1, 1);
          @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0) });
          @export_name("x", [*]u32, true);
          @export_name("twice", fn()void);
        }
    """
    PE = """
        param memcpy_params: comptime_struct;
        const sys = @import_module("<memcpy/memcpy>", memcpy_params);
        var x = @zeros([3]u32);
        var ptr: [*]u32 = &x;
        fn twice() void {
          for (@range(u16, 3)) |i| { x[i] *= 2; }
          sys.unblock_cmd_stream();
        }
        comptime { @export_symbol(ptr, "x"); @export_symbol(twice); }
    """

    def setUp(self):
        here = os.getcwd()
        self.folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, here)
        os.chdir(self.folder.name)
        os.mkdir("src")
        for name, text in (("layout.csl", self.LAYOUT), ("pe.csl", self.PE)):
            with open(os.path.join("src", name), "w", encoding="utf-8") as file:
                file.write(text)

    def compile(self, options):
        """The artifact of the program above."""
        with client.SdkCompiler(resource_cpu=1) as compiler:
            return compiler.compile(app_path="src", csl_main="layout.csl", options=options, out_path="made")

    def test_a_program_is_compiled_and_runs(self):
        artifact = self.compile("--arch=wse3 --fabric-dims=8,3 --fabric-offsets=4,1 --memcpy --channels=1 -o here")
        self.assertEqual(artifact, os.path.abspath("made/here"))
        box = np.array([1, 2, 3], dtype=np.uint32)
        how = {"streaming": False, "data_type": 0, "order": 0, "nonblock": False}
        with client.SdkRuntime(artifact, simulator=True) as runner:
            x = runner.get_id("x")
            runner.memcpy_h2d(x, box, 0, 0, 1, 1, 3, **how)
            runner.launch("twice", nonblock=False)
            runner.memcpy_d2h(box, x, 0, 0, 1, 1, 3, **how)
        self.assertEqual(box.tolist(), [2, 4, 6])
        self.assertTrue(os.path.exists("run_meta.json"))

    def test_commands_run_beside_the_artifact(self):
        artifact = self.compile("--fabric-dims=8,3 --fabric-offsets=4,1 --memcpy --channels=1")
        with open("note.txt", "w", encoding="utf-8") as file:
            file.write("staged")
        with client.SdkLauncher(artifact, simulator=True) as launcher:
            launcher.stage("note.txt")
            self.assertEqual(launcher.run("cat note.txt --cmaddr %CMADDR%; ls out/out.json"), "stagedout/out.json\n")
            launcher.run("cp note.txt left.txt")
            launcher.download_artifact("left.txt", "got.txt")
            with self.assertRaisesRegex(IngotError, "ended with status 3"):
                launcher.run("exit 3")
        self.assertTrue(os.path.exists("got.txt"))


class Refusals(unittest.TestCase):
    """What is not there says so."""

    def test_hardware(self):
        with self.assertRaisesRegex(IngotError, "leave cmaddr away"):
            get_platform("10.0.0.1:9000")

    def test_a_folder_without_a_program(self):
        with self.assertRaisesRegex(IngotError, "compile with cslc -o"):
            SdkRuntime("tests/python")


if __name__ == "__main__":
    unittest.main()
