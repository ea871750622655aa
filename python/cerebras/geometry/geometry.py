"""Points and rectangles of PEs."""


class IntVector:
    """A point: x to the east, y to the south."""

    def __init__(self, x=0, y=0):
        self.x = int(x)
        self.y = int(y)

    def __iter__(self):
        return iter((self.x, self.y))

    def __eq__(self, other):
        return isinstance(other, IntVector) and tuple(self) == tuple(other)

    def __hash__(self):
        return hash((self.x, self.y))

    def __add__(self, other):
        return IntVector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return IntVector(self.x - other.x, self.y - other.y)

    def __repr__(self):
        return f"IntVector({self.x}, {self.y})"


class IntRectangle:
    """From the upper left corner to the lower right one, which is outside (as in a half-open range)."""

    def __init__(self, origin, end):
        self.origin = origin
        self.end = end

    @property
    def width(self):
        """Columns."""
        return self.end.x - self.origin.x

    @property
    def height(self):
        """Rows."""
        return self.end.y - self.origin.y

    def points(self):
        """Every point, row by row."""
        for y in range(self.origin.y, self.end.y):
            for x in range(self.origin.x, self.end.x):
                yield IntVector(x, y)

    def __repr__(self):
        return f"IntRectangle({self.origin}, {self.end})"
