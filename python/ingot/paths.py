"""Paths and numbers of the colors of a layout."""

import collections
import enum

from ingot.library import IngotError


class Route(enum.IntEnum):
    """Directions of a router."""

    RAMP = 0
    EAST = 1
    WEST = 2
    NORTH = 3
    SOUTH = 4


BIT = {Route.WEST: 1, Route.EAST: 2, Route.SOUTH: 4, Route.NORTH: 8, Route.RAMP: 16}
HOST = 32
STEP = {Route.EAST: (1, 0), Route.WEST: (-1, 0), Route.SOUTH: (0, 1), Route.NORTH: (0, -1)}
BACK = {Route.EAST: Route.WEST, Route.WEST: Route.EAST, Route.SOUTH: Route.NORTH, Route.NORTH: Route.SOUTH}
COLORS = 21  # 21 to 23 are the system's


class Color:
    """A color by name; its number is chosen when the layout is compiled, unless given."""

    def __init__(self, name, value=None, _region=None):
        if value is not None and not 0 <= value <= 23:
            raise IngotError(f"color {name}: {value} is not from 0 to 23")
        self._name = name
        self._region = _region
        self._value = value

    def get_global_name(self):
        """The name among all colors of the layout."""
        return f"{self._region}_{self._name}" if self._region else self._name

    def get_local_param_name(self):
        """The name of the param it is given to."""
        return self._name

    def get_value(self):
        """The number; None before compile()."""
        return self._value

    def __repr__(self):
        return f"Color({self.get_global_name()!r}, {self._value})"


class Plan:
    """Classes of colors, routes and numbers of one layout."""

    def __init__(self, layout):
        self.layout = layout
        self.parent = {}  # Color -> Color, union-find
        self.routes = collections.defaultdict(dict)  # point -> class -> positions
        self.uses = collections.defaultdict(set)  # point -> classes

    def root(self, color):
        """The class of a color."""
        while self.parent.setdefault(color, color) is not color:
            color = self.parent[color]
        return color

    def join(self, a, b):
        """Two colors that must have one number."""
        a, b = self.root(a), self.root(b)
        if a is b:
            return
        if a.get_value() is not None and b.get_value() is not None and a.get_value() != b.get_value():
            raise IngotError(f"{a} and {b} are connected but have different values; give both the same or none")
        if b.get_value() is not None:
            a, b = b, a
        self.parent[b] = a

    def paint(self, point, color, positions):
        """Routes of a class on a PE."""
        color = self.root(color)
        self.routes[point][color] = [list(p) for p in positions]
        self.uses[point].add(color)

    def collect(self):
        """What the regions say."""
        for a, b in self.layout.connections:
            self.join(a.color, b.color)
        for region in self.layout.regions:
            for (x, y), colors in region.routes.items():
                for color, positions in colors.items():
                    self.paint((region.x + x, region.y + y), color, positions)
            for (x, y), params in region.params.items():
                for value in params.values():
                    if isinstance(value, Color):
                        self.uses[(region.x + x, region.y + y)].add(self.root(value))

    def ports(self):
        """Ports replace what was painted under them."""
        ends = [p for pair in self.layout.connections for p in pair] + [s[1] for s in self.layout.streams if s[1]]
        for port in ends:
            for point in port.points():
                self.paint(point, port.color, port.positions)

    def open_side(self, point, color, side, bit):
        """Completes the inputs (0) or outputs (1) of every position."""
        for position in self.routes[point][self.root(color)]:
            position[side] |= bit

    def path(self, start, end, color):
        """Steps from start to end over PEs that do not carry the color."""
        width, height = self.layout.size()
        came, queue = {start: None}, collections.deque([start])
        while queue and end not in came:
            here = queue.popleft()
            for route, (dx, dy) in STEP.items():
                there = (here[0] + dx, here[1] + dy)
                free = there == end or (color not in self.uses[there] and len(self.uses[there]) < COLORS)
                if 0 <= there[0] <= width and 0 <= there[1] <= height and there not in came and free:
                    came[there] = (here, route)
                    queue.append(there)
        if end not in came:
            raise IngotError(f"no path for {color} from PE {start} to PE {end}; move the regions apart")
        steps = []
        while came[end]:
            end, route = came[end][0], came[end][1]
            steps.append((end, route))
        return steps[::-1]

    def connect(self, source, target):
        """Paths between two ports, PE by PE."""
        color = self.root(source.color)
        for start, end in zip(source.points(), target.points()):
            steps = self.path(start, end, color)
            for i, (point, route) in enumerate(steps):
                if i:
                    self.paint(point, color, [[BIT[BACK[steps[i - 1][1]]], BIT[route]]])
                else:
                    self.open_side(point, color, 1, BIT[route])
            self.open_side(end, color, 0, BIT[BACK[steps[-1][1]]])

    def number(self):
        """Different numbers for classes that meet on a PE or on the next one that a route leads to."""
        meets = collections.defaultdict(set)
        for point, colors in self.routes.items():
            for color, positions in colors.items():
                for route, (dx, dy) in STEP.items():
                    if any(p[1] & BIT[route] for p in positions):
                        self.uses[(point[0] + dx, point[1] + dy)].add(color)
        order = {}
        for point in sorted(self.uses):
            for color in sorted(self.uses[point], key=Color.get_global_name):
                order.setdefault(color)
                meets[color] |= self.uses[point] - {color}
        values = {c: c.get_value() for c in order if c.get_value() is not None}
        for color in order:
            if color not in values:
                taken = {values.get(other) for other in meets[color]}
                free = [v for v in range(COLORS) if v not in taken]
                if not free:
                    raise IngotError(f"no color is left for {color}; fewer colors may meet on one PE")
                values[color] = free[0]
        for color in list(self.parent):
            color._value = values.get(self.root(color), 0)  # pylint: disable=protected-access
