"""SdkLayout: regions of PEs placed, colored and connected from Python. What comes out is the JSON text that
ingot_program_layout compiles.

In three steps (paths.py): ports that are connected share one color (a class); a breadth-first search lays a path for
every connection, on which no PE has the class twice; classes that meet on a PE get different numbers. Everything is
deterministic.
"""

import collections
import enum
import json
import os

import numpy as np

from ingot.library import IngotError, Program
from ingot.paths import BIT, HOST, Color, Plan, Route


class Edge(enum.IntEnum):
    """Sides of a region."""

    TOP = 0
    BOTTOM = 1
    LEFT = 2
    RIGHT = 3


class FP16TYPE(enum.IntEnum):
    """What @fp16() means."""

    F16 = 0
    BF16 = 1
    CB16 = 2


class RoutingPosition:
    """One switch position: where wavelets come from and where they go."""

    def __init__(self):
        self._input = []
        self._output = []

    def set_input(self, routes):
        """Replaces the inputs."""
        self._input = list(routes)
        return self

    def set_output(self, routes):
        """Replaces the outputs."""
        self._output = list(routes)
        return self

    def add_input(self, route):
        """One more input."""
        self._input.append(route)
        return self

    def add_output(self, route):
        """One more output."""
        self._output.append(route)
        return self

    def get_input(self):
        """The inputs."""
        return list(self._input)

    def get_output(self):
        """The outputs."""
        return list(self._output)

    def bits(self):
        """[rx, tx] as sets of bits."""
        return [sum({BIT[Route(r)] for r in side}) for side in (self._input, self._output)]


class EdgeRouting:  # pylint: disable=too-few-public-methods
    """Other positions for the PEs of one edge."""

    def __init__(self, edge, positions):
        self.edge = edge
        self.positions = positions


def get_edge_routing(edge, positions):
    """Positions for the PEs on one edge of a region."""
    return EdgeRouting(edge, positions)


def _positions(color, positions):
    if not isinstance(positions, (list, tuple)) or not 1 <= len(positions) <= 4:
        raise IngotError(f"{color}: pass a list of 1 to 4 RoutingPositions")
    return [p.bits() for p in positions]


class Port:  # pylint: disable=too-few-public-methods
    """Where data enter or leave a region: the PEs of one edge, in order."""

    def __init__(self, region, color, edge, positions, size, name, is_input):  # pylint: disable=too-many-arguments
        self.region, self.color, self.edge, self.size = region, color, Edge(edge), size
        self.is_input, self.name = is_input, name
        self.positions = _positions(color, positions)
        wrong = 0 if is_input else 1
        if any(p[wrong] for p in self.positions):
            sides = ("input", "output") if is_input else ("output", "input")
            raise IngotError(
                f"port {name}: its positions name {sides[0]}s, which the layout chooses; set {sides[1]}s only"
            )

    def points(self):
        """Its PEs in the layout's coordinates."""
        r = self.region
        local = {
            Edge.TOP: [(x, 0) for x in range(r.width)],
            Edge.BOTTOM: [(x, r.height - 1) for x in range(r.width)],
            Edge.LEFT: [(0, y) for y in range(r.height)],
            Edge.RIGHT: [(r.width - 1, y) for y in range(r.height)],
        }[self.edge]
        return [(r.x + x, r.y + y) for x, y in local]


class CodeRegion:
    """A rectangle of PEs that run one source file."""

    def __init__(self, source, name, width, height):
        if width < 1 or height < 1:
            raise IngotError(f"region {name}: {width} x {height} PEs; sizes begin at 1")
        self.source, self.name, self.width, self.height = os.path.abspath(source), name, int(width), int(height)
        self.x = self.y = 0
        self.params = collections.defaultdict(dict)  # local point -> name -> number or Color
        self.routes = collections.defaultdict(dict)  # local point -> Color -> [[rx, tx], ...]
        self.data = []  # (symbol, matrix)

    def place(self, x, y):
        """The upper left corner."""
        self.x, self.y = int(x), int(y)

    def color(self, name, value=None):
        """A color of this region."""
        return Color(name, value, self.name)

    def _points(self):
        return [(x, y) for y in range(self.height) for x in range(self.width)]

    def _check(self, points):
        for x, y in points:
            if not (0 <= x < self.width and 0 <= y < self.height):
                raise IngotError(f"region {self.name}: PE ({x}, {y}) is outside {self.width} x {self.height}")
        return points

    def _set(self, points, name, value):
        if isinstance(name, Color):
            name, value = name.get_local_param_name(), name
        if not isinstance(value, Color):
            value = int(value)
        for point in self._check(points):
            self.params[point][name] = value

    def set_param_all(self, name, value=None):
        """A param of every PE: (name, number), (name, color) or (color)."""
        self._set(self._points(), name, value)

    def set_param(self, point, name, value=None):
        """A param of one PE."""
        self._set([tuple(point)], name, value)

    def set_param_range(self, rectangle, name, value=None):
        """A param of the PEs of a rectangle."""
        self._set([tuple(p) for p in rectangle.points()], name, value)

    def _paint(self, points, color, positions):
        for point in self._check(points):
            self.routes[point][color] = _positions(color, positions)

    def _on_edge(self, edge):
        column = {Edge.LEFT: 0, Edge.RIGHT: self.width - 1}.get(edge)
        row = {Edge.TOP: 0, Edge.BOTTOM: self.height - 1}.get(edge)
        return [(x, y) for x, y in self._points() if x == column or y == row]

    def paint_all(self, color, positions, edge_routing=()):
        """Routes of a color on every PE, with other positions on some edges."""
        self._paint(self._points(), color, positions)
        for info in edge_routing:
            self._paint(self._on_edge(Edge(info.edge)), color, info.positions)

    def paint(self, point, color, positions):
        """Routes of a color on one PE."""
        self._paint([tuple(point)], color, positions)

    def paint_range(self, rectangle, color, positions):
        """Routes of a color on the PEs of a rectangle."""
        self._paint([tuple(p) for p in rectangle.points()], color, positions)

    def create_input_port(self, color, edge, positions, size, prefix=""):
        """Data of a color enter here; the positions say where they go."""
        return Port(self, color, edge, positions, size, f"{self.name}_{color.get_local_param_name()}{prefix}", True)

    def create_output_port(self, color, edge, positions, size, prefix=""):
        """Data of a color leave here; the positions say where they come from."""
        return Port(self, color, edge, positions, size, f"{self.name}_{color.get_local_param_name()}{prefix}", False)

    def set_symbol_all(self, name, array, width, height):
        """A height x width matrix in rows, cut evenly into one tile per PE."""
        matrix = np.ascontiguousarray(array).reshape(height, width)
        if height % self.height or width % self.width:
            raise IngotError(
                f"{self.name}.set_symbol_all({name!r}): {height} x {width} is no multiple of the region's "
                f"{self.height} x {self.width} PEs"
            )
        if matrix.dtype.itemsize not in (2, 4):
            raise IngotError(
                f"{self.name}.set_symbol_all({name!r}): elements must have 16 or 32 bits, not {matrix.dtype}"
            )
        self.data.append((name, matrix))


def hstack(regions, origin=(0, 0)):
    """Places regions side by side."""
    x, y = tuple(origin)
    for region in regions:
        region.place(x, y)
        x += region.width


def vstack(regions, origin=(0, 0)):
    """Places regions below each other."""
    x, y = tuple(origin)
    for region in regions:
        region.place(x, y)
        y += region.height


class SdkCompileArtifacts:  # pylint: disable=too-few-public-methods
    """A compiled layout: its folder."""

    def __init__(self, path):
        self.path = os.path.abspath(os.fspath(path))

    def __fspath__(self):
        return self.path

    def add_port_mapping(self, _file):
        """The folder knows its streams already."""
        return self


class SdkLayout:
    """Programs without a layout block: regions of code, ports and connections."""

    def __init__(self, platform=None, msg_level="WARNING"):
        del msg_level
        target = getattr(platform, "target", platform)
        if isinstance(target, str):
            raise IngotError("fabric description files are not supported; pass a platform from get_platform")
        self.arch = "wse2" if target is not None and int(target) == 0 else "wse3"
        self.regions, self.connections, self.streams = [], [], []

    def create_code_region(self, source, name, width, height):
        """A rectangle of PEs that run `source`."""
        if any(r.name == name for r in self.regions):
            raise IngotError(f"there is a region {name!r} already; names must differ")
        self.regions.append(CodeRegion(source, name, width, height))
        return self.regions[-1]

    def size(self):
        """Columns and rows that hold every region."""
        return (
            max([r.x + r.width for r in self.regions], default=1),
            max([r.y + r.height for r in self.regions], default=1),
        )

    def connect(self, output_port, input_port):
        """A path from one region to another, PE by PE."""
        if output_port.is_input or not input_port.is_input:
            raise IngotError("connect takes an output port and an input port, in this order")
        counts = len(output_port.points()), len(input_port.points())
        if counts[0] != counts[1] or output_port.size != input_port.size:
            raise IngotError(
                f"{output_port.name} ({counts[0]} PEs, size {output_port.size}) and {input_port.name} "
                f"({counts[1]} PEs, size {input_port.size}) do not fit together"
            )
        self.connections.append((output_port, input_port))

    def _stream(self, port, is_input):
        if port.is_input != is_input or len(port.points()) != 1:
            kind = "input" if is_input else "output"
            raise IngotError(f"port {port.name}: an {kind} stream needs an {kind} port of one PE")
        if is_input and any(p[1] != BIT[Route.RAMP] for p in port.positions):
            raise IngotError(f"port {port.name}: data from the host enter the PE itself; its positions must be [RAMP]")
        self.streams.append((port.name, port, None, is_input))
        return port.name

    def create_input_stream(self, port, io_loc=None, io_buffer_size=1024):
        """From the host to a port; returns the stream's name."""
        del io_loc, io_buffer_size  # the host reaches every row
        return self._stream(port, True)

    def create_output_stream(self, port, io_loc=None, io_buffer_size=1024):
        """From a port to the host; returns the stream's name."""
        del io_loc, io_buffer_size
        return self._stream(port, False)

    def _from_loc(self, loc, color, prefix, is_input):
        x, y = tuple(loc)
        name = f"{prefix}{color.get_global_name()}_{x}_{y}"
        self.streams.append((name, None, (x, y, color), is_input))
        return name

    def create_input_stream_from_loc(self, loc, color, prefix=""):
        """From the host to a PE whose routes have been painted."""
        return self._from_loc(loc, color, prefix, True)

    def create_output_stream_from_loc(self, loc, color, prefix=""):
        """From a PE whose routes have been painted to the host."""
        return self._from_loc(loc, color, prefix, False)

    # ---- compiling ----

    def _check_places(self):
        seen = {}
        for region in self.regions:
            if region.x < 0 or region.y < 0:
                raise IngotError(f"region {region.name} is at ({region.x}, {region.y}); coordinates begin at 0")
            for y in range(region.height):
                for x in range(region.width):
                    other = seen.setdefault((region.x + x, region.y + y), region.name)
                    if other != region.name:
                        raise IngotError(f"regions {other} and {region.name} overlap; place them apart")
        if not self.regions:
            raise IngotError("the layout is empty; create a code region first")

    def _open_streams(self, plan):
        ports = []
        for name, port, place, is_input in self.streams:
            x, y, color = (*port.points()[0], port.color) if port else place
            if plan.root(color) not in plan.routes[(x, y)]:
                raise IngotError(f"stream {name}: {color} has no routes on PE ({x}, {y}); paint them first")
            plan.open_side((x, y), color, 0 if is_input else 1, HOST)
            ports.append((name, x, y, color, is_input, port.size if port else 0))
        return ports

    def _tiles(self, plan):
        programs, tiles = {}, {}
        for region in self.regions:
            for y in range(region.height):
                for x in range(region.width):
                    params = region.params.get((x, y), {})
                    numbers = {k: v.get_value() if isinstance(v, Color) else v for k, v in params.items()}
                    key = (region.source, tuple(sorted(numbers.items())))
                    tiles[(region.x + x, region.y + y)] = programs.setdefault(key, len(programs))
        for point, routes in plan.routes.items():
            if routes:
                tiles.setdefault(point, None)
        return [{"path": path, "params": dict(params)} for path, params in programs], tiles

    @staticmethod
    def _tile(plan, point, program):
        routes = sorted((color.get_value(), positions) for color, positions in plan.routes[point].items())
        tile = {
            "x": point[0],
            "y": point[1],
            "routes": [{"color": v, "positions": [{"rx": rx, "tx": tx} for rx, tx in ps]} for v, ps in routes],
        }
        if program is not None:
            tile["program"] = program
        return tile

    def _data(self):
        for region in self.regions:
            for name, matrix in region.data:
                rows, columns = matrix.shape[0] // region.height, matrix.shape[1] // region.width
                for y in range(region.height):
                    for x in range(region.width):
                        part = matrix[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns]
                        words = np.ascontiguousarray(part).ravel().view(np.uint16).tolist()
                        yield {"x": region.x + x, "y": region.y + y, "symbol": name, "words": words}

    def describe(self, f16_type=FP16TYPE.F16):
        """The layout as JSON: paths laid, colors numbered."""
        self._check_places()
        plan = Plan(self)
        plan.collect()
        plan.ports()
        for pair in self.connections:
            plan.connect(*pair)
        streams = self._open_streams(plan)
        plan.number()
        programs, tiles = self._tiles(plan)
        return json.dumps(
            {
                "arch": self.arch,
                "fp16": FP16TYPE(f16_type).name.lower(),
                "width": 1 + max(x for x, _ in tiles),
                "height": 1 + max(y for _, y in tiles),
                "programs": programs,
                "tiles": [self._tile(plan, point, tiles[point]) for point in sorted(tiles)],
                "ports": [
                    {"name": n, "x": x, "y": y, "color": c.get_value(), "input": i, "elements": s}
                    for n, x, y, c, i, s in streams
                ],
                "data": list(self._data()),
            }
        )

    def compile(self, out_prefix="out", libs=(), cslc_prefix="", save_port_map=False, f16_type=FP16TYPE.F16):
        """Compiles to the folder `out_prefix`."""
        del cslc_prefix, save_port_map
        if libs:
            raise IngotError("SdkLayout.compile: 'libs' is not supported; import modules by relative paths")
        Program.layout(self.describe(f16_type), out_prefix)
        return SdkCompileArtifacts(out_prefix)
