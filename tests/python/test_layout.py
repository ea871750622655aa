"""Does SdkLayout lay paths, share colors over connections, and keep apart what meets?"""

import json
import unittest

import numpy as np

from cerebras.geometry.geometry import IntRectangle, IntVector
from cerebras.sdk.runtime.sdkruntimepybind import (
    Color, Edge, Route, RoutingPosition, SdkLayout, SdkTarget, get_edge_routing, get_platform, hstack,
)  # fmt: skip
from ingot import IngotError

WEST, EAST, SOUTH, NORTH, RAMP, HOST = (1 << i for i in range(6))


def layout():
    """An empty one."""
    return SdkLayout(get_platform(None, None, SdkTarget.WSE2))


def routes(text):
    """(x, y, color) -> [(rx, tx), ...]"""
    return {
        (t["x"], t["y"], r["color"]): [(p["rx"], p["tx"]) for p in r["positions"]]
        for t in json.loads(text)["tiles"]
        for r in t["routes"]
    }


class Layouts(unittest.TestCase):
    """One small layout each."""

    def two(self, x, y):
        """A sender at (0, 0) and a receiver at (x, y), connected."""
        l = layout()
        a, b = l.create_code_region("a.csl", "a", 1, 1), l.create_code_region("b.csl", "b", 1, 1)
        tx, rx = a.color("tx"), Color("rx")
        a.set_param_all(tx)
        b.set_param_all(rx)
        b.place(x, y)
        out = a.create_output_port(tx, Edge.RIGHT, [RoutingPosition().set_input([Route.RAMP])], 4)
        into = b.create_input_port(rx, Edge.LEFT, [RoutingPosition().set_output([Route.RAMP])], 4)
        l.connect(out, into)
        return l, tx, rx

    def test_a_path_has_every_hop(self):
        l, tx, rx = self.two(3, 0)
        text = l.describe()
        self.assertEqual(tx.get_value(), rx.get_value())
        c = tx.get_value()
        self.assertEqual(
            routes(text),
            {(0, 0, c): [(RAMP, EAST)], **{(x, 0, c): [(WEST, EAST)] for x in (1, 2)}, (3, 0, c): [(WEST, RAMP)]},
        )
        programs = {p["path"].rsplit("/", 1)[1]: p["params"] for p in json.loads(text)["programs"]}
        self.assertEqual(programs, {"a.csl": {"tx": c}, "b.csl": {"rx": c}})

    def test_paths_turn(self):
        l, tx, _ = self.two(1, 2)
        found = routes(l.describe())
        self.assertEqual(len(found), 4)
        self.assertEqual(found[(1, 2, tx.get_value())][0][1], RAMP)

    def test_what_meets_differs_and_streams_reach_the_host(self):
        l = layout()
        r = l.create_code_region("add.csl", "add", 1, 1)
        colors = [Color("in1"), Color("in2"), Color("out")]
        ports = [r.create_input_port(c, Edge.LEFT, [RoutingPosition().set_output([Route.RAMP])], 8) for c in colors[:2]]
        ports.append(r.create_output_port(colors[2], Edge.LEFT, [RoutingPosition().set_input([Route.RAMP])], 8))
        names = [l.create_input_stream(p) for p in ports[:2]] + [l.create_output_stream(ports[2])]
        text = l.describe()
        values = [c.get_value() for c in colors]
        self.assertEqual(len(set(values)), 3)
        self.assertEqual(routes(text)[(0, 0, values[0])], [(HOST, RAMP)])
        self.assertEqual(routes(text)[(0, 0, values[2])], [(RAMP, HOST)])
        self.assertEqual([p["name"] for p in json.loads(text)["ports"]], names)

    def test_switch_positions_edges_and_ranges(self):
        l = layout()
        r = l.create_code_region("d.csl", "d", 3, 2)
        c = r.color("c", 7)
        take = RoutingPosition().set_input([Route.WEST]).set_output([Route.RAMP])
        give = RoutingPosition().set_input([Route.WEST]).set_output([Route.EAST])
        r.paint_all(c, [take, give], [get_edge_routing(Edge.RIGHT, [take])])
        r.paint_range(IntRectangle(IntVector(0, 0), IntVector(1, 2)), c, [give])
        found = routes(l.describe())
        self.assertEqual(found[(1, 0, 7)], [(WEST, RAMP), (WEST, EAST)])
        self.assertEqual(found[(2, 1, 7)], [(WEST, RAMP)])
        self.assertEqual(found[(0, 1, 7)], [(WEST, EAST)])

    def test_a_matrix_is_cut_into_tiles(self):
        l = layout()
        r = l.create_code_region("m.csl", "m", 2, 2)
        r.set_symbol_all("A", np.arange(24, dtype=np.uint32), 4, 6)
        data = json.loads(l.describe())["data"]
        self.assertEqual(data[1]["x"], 1)
        self.assertEqual(data[1]["words"][::2], [2, 3, 6, 7, 10, 11])

    def test_equal_programs_are_one(self):
        l = layout()
        r = l.create_code_region("m.csl", "m", 2, 2)
        r.set_param_all("n", 3)
        r.set_param(IntVector(1, 1), "n", 4)
        text = json.loads(l.describe())
        self.assertEqual(len(text["programs"]), 2)
        self.assertEqual(sorted(t["program"] for t in text["tiles"]), [0, 0, 0, 1])

    def test_mistakes_are_told(self):
        l, _, _ = self.two(3, 0)
        with self.assertRaisesRegex(IngotError, "names must differ"):
            l.create_code_region("c.csl", "a", 1, 1)
        c = l.create_code_region("c.csl", "c", 2, 1)
        with self.assertRaisesRegex(IngotError, "overlap"):
            l.describe()
        hstack([c], (0, 4))
        with self.assertRaisesRegex(IngotError, "outputs, which the layout chooses|inputs, which the layout chooses"):
            c.create_input_port(Color("x"), Edge.TOP, [RoutingPosition().set_input([Route.WEST])], 1)
        with self.assertRaisesRegex(IngotError, "no multiple"):
            c.set_symbol_all("A", np.zeros(9, dtype=np.float32), 3, 3)


if __name__ == "__main__":
    unittest.main()
