"""libingot.so: include/ingot.h call by call. Handles are classes, -1 is IngotError with the library's text."""

import ctypes as c
import os

import numpy as np


class IngotError(RuntimeError):
    """What the library reports; the text says what to do."""


class Transfer(c.Structure):
    """ingot_transfer"""

    _fields_ = [
        (name, c.c_uint32)
        for name in (
            "x", "y", "width", "height", "elements_per_pe", "row_stride", "col_stride", "bits", "order", "spread",
        )
    ]  # fmt: skip


class Facts(c.Structure):
    """ingot_program_facts"""

    _fields_ = [
        (name, c.c_uint32)
        for name in (
            "arch", "width", "height", "fabric_width", "fabric_height", "offset_x", "offset_y", "memcpy", "channels",
            "exports",
        )
    ]  # fmt: skip


class Export(c.Structure):
    """ingot_export"""

    _fields_ = [
        ("name", c.c_char_p),
        ("is_function", c.c_uint32),
        ("is_mutable", c.c_uint32),
        ("type", c.c_uint32),
        ("bits", c.c_uint32),
        ("params", c.c_uint32),
        ("param_type", c.c_uint8 * 16),
        ("param_bits", c.c_uint8 * 16),
    ]


class Options(c.Structure):
    """ingot_options"""

    _fields_ = [
        ("profile", c.c_char_p),
        ("log", c.c_char_p),
        ("threads", c.c_uint32),
        ("defects", c.c_char_p),
        ("defect_density", c.c_char_p),
        ("defect_seed", c.c_uint64),
    ]


class Arg(c.Structure):
    """ingot_arg"""

    _fields_ = [("kind", c.c_uint32), ("bits", c.c_uint32), ("whole", c.c_int64), ("real", c.c_double)]


class TraceEntry(c.Structure):
    """ingot_trace_entry"""

    _fields_ = [("kind", c.c_uint32), ("whole", c.c_int64), ("real", c.c_double), ("text", c.c_char_p)]


ARG_WORD, ARG_WHOLE, ARG_REAL, ARG_BOOL, ARG_INT, ARG_UINT, ARG_FLOAT = range(7)
TRACE_BOOL, TRACE_F16, TRACE_F32, TRACE_STRING = 1, 6, 9, 10

_handle, _u32, _u64, _text, _int = c.c_void_p, c.c_uint32, c.c_uint64, c.c_char_p, c.c_int
_transfer = [_handle, _u32, c.POINTER(Transfer), c.c_void_p, _u64, _int, c.POINTER(_u32)]
_port = [_handle, _u32, c.c_void_p, _u64, _int, c.POINTER(_u32)]
_calls = {
    "ingot_last_error": (_text, [_handle]),
    "ingot_program_new": (_handle, []),
    "ingot_program_free": (None, [_handle]),
    "ingot_program_compile": (_int, [_handle, _int, c.POINTER(_text)]),
    "ingot_program_open": (_int, [_handle, _text]),
    "ingot_program_layout": (_int, [_handle, _text, _text]),
    "ingot_program_info": (_int, [_handle, c.POINTER(Facts)]),
    "ingot_program_export": (_int, [_handle, _u32, c.POINTER(Export)]),
    "ingot_program_symbol_id": (_int, [_handle, _text, c.POINTER(_u32)]),
    "ingot_program_port_id": (_int, [_handle, _text, c.POINTER(_u32), c.POINTER(_u32)]),
    "ingot_runtime_new": (_handle, [_handle]),
    "ingot_runtime_free": (None, [_handle]),
    "ingot_runtime_load": (_int, [_handle, c.POINTER(Options)]),
    "ingot_runtime_stop": (_int, [_handle]),
    "ingot_runtime_cycles": (_u64, [_handle]),
    "ingot_copy_in": (_int, _transfer),
    "ingot_copy_out": (_int, _transfer),
    "ingot_stream_in": (_int, _transfer),
    "ingot_stream_out": (_int, _transfer),
    "ingot_send": (_int, _port),
    "ingot_receive": (_int, _port),
    "ingot_launch": (_int, [_handle, _text, c.POINTER(Arg), _u32, _int, c.POINTER(_u32)]),
    "ingot_wait": (_int, [_handle, _u32]),
    "ingot_done": (_int, [_handle, _u32, c.POINTER(_int)]),
    "ingot_read_symbol": (_int, [_handle, _u32, _u32, _text, c.c_void_p, _u64, c.POINTER(_u64)]),
    "ingot_read_trace": (_int, [_handle, _u32, _u32, _text, c.POINTER(c.POINTER(TraceEntry)), c.POINTER(_u32)]),
    "ingot_dump_core": (_int, [_handle, _text]),
    "ingot_open_core": (_int, [_handle, _text]),
}


def _find():
    """$INGOT_LIBRARY, else beside the checkout's or the installation's python folder."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    places = [os.path.join(here, p, "libingot.so") for p in ("../bin", "../../../lib", "../../../bin")]
    chosen = os.environ.get("INGOT_LIBRARY")
    for path in [chosen] if chosen else places:
        if os.path.exists(path):
            return path
    raise ImportError(
        "libingot.so is not at " + " or ".join([chosen] if chosen else places)
        + "; run make, or set INGOT_LIBRARY to its path"
    )  # fmt: skip


_lib = c.CDLL(_find())
for _name, (_result, _arguments) in _calls.items():
    getattr(_lib, _name).restype = _result
    getattr(_lib, _name).argtypes = _arguments


class _Handle:
    """Owns one handle of the library; freed with the object."""

    _free = None

    def __init__(self, pointer):
        if not pointer:
            raise MemoryError("out of memory in libingot")
        self._as_parameter_ = c.c_void_p(pointer)

    def __del__(self):
        if getattr(self, "_as_parameter_", None):
            self._free(self._as_parameter_)
            self._as_parameter_ = None

    def call(self, name, *args):
        """The library's function `name` on this handle."""
        if getattr(_lib, name)(self._as_parameter_, *args) < 0:
            raise IngotError(_lib.ingot_last_error(self._as_parameter_).decode(errors="replace").rstrip())


class Program(_Handle):
    """A compiled program: Program.open(folder), Program.compile(arguments) or Program.layout(json, folder)."""

    _free = staticmethod(_lib.ingot_program_free)

    def __init__(self):
        super().__init__(_lib.ingot_program_new())

    @classmethod
    def open(cls, folder):
        """What cslc left in `folder`."""
        program = cls()
        program.call("ingot_program_open", os.fsencode(folder))
        return program

    @classmethod
    def compile(cls, arguments):
        """The command line of cslc, as a list."""
        program = cls()
        texts = [str(a).encode() for a in arguments]
        program.call("ingot_program_compile", len(texts), (c.c_char_p * len(texts))(*texts))
        return program

    @classmethod
    def layout(cls, text, folder):
        """A host-side layout in JSON (docs/host.md), compiled to `folder`."""
        program = cls()
        program.call("ingot_program_layout", text.encode(), os.fsencode(folder))
        return program

    @property
    def facts(self):
        """Sizes and places: ingot_program_facts."""
        facts = Facts()
        self.call("ingot_program_info", facts)
        return facts

    def exports(self):
        """What @export_name declared, in the order of the ids."""
        result = []
        for i in range(self.facts.exports):
            export = Export()
            self.call("ingot_program_export", i, export)
            result.append(export)
        return result

    def symbol_id(self, name):
        """The id of an exported name."""
        out = _u32()
        self.call("ingot_program_symbol_id", name.encode(), out)
        return out.value

    def port_id(self, name):
        """The id of a stream of a layout."""
        out, is_input = _u32(), _u32()
        self.call("ingot_program_port_id", name.encode(), out, is_input)
        return out.value


def _address(array):
    return array.ctypes.data_as(c.c_void_p)


def _source(array, what):
    if not isinstance(array, np.ndarray) or array.dtype.itemsize != 4:
        raise IngotError(
            f"{what} takes a NumPy array of 32-bit elements, not {getattr(array, 'dtype', type(array).__name__)}; "
            "16-bit data travel one per 32-bit element (sdk_utils.input_array_to_u32)"
        )
    return np.ascontiguousarray(array)


def _destination(array, what):
    if not isinstance(array, np.ndarray) or array.dtype.itemsize != 4:
        raise IngotError(
            f"{what} takes a NumPy array of 32-bit elements, not {getattr(array, 'dtype', type(array).__name__)}; "
            "16-bit data arrive one per 32-bit element (sdk_utils.memcpy_view)"
        )
    if not array.flags.c_contiguous or not array.flags.writeable:
        raise IngotError(
            f"{what} writes into the array, which must be contiguous and writeable; pass one made by np.zeros"
        )
    return array


def _argument(value):
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return Arg(ARG_BOOL, 1, int(value), 0)
    if isinstance(value, np.signedinteger):
        return Arg(ARG_INT, 8 * value.itemsize, int(value), 0)
    if isinstance(value, np.unsignedinteger):
        return Arg(ARG_UINT, 8 * value.itemsize, int(value), 0)
    if isinstance(value, (np.float16, np.float32)):
        bits = value.view(np.uint16 if value.itemsize == 2 else np.uint32)
        return Arg(ARG_FLOAT, 8 * value.itemsize, int(bits), 0)
    if isinstance(value, int):
        return Arg(ARG_WHOLE, 0, value, 0)
    if isinstance(value, (float, np.float64)):
        return Arg(ARG_REAL, 0, 0, value)
    raise IngotError(f"a launch takes numbers as arguments, not {type(value).__name__}; convert it with a NumPy type")


def _trace_value(entry):
    if entry.kind == TRACE_BOOL:
        return bool(entry.whole)
    if entry.kind in (TRACE_F16, TRACE_F32):
        return entry.real
    if entry.kind == TRACE_STRING:
        return entry.text.decode(errors="replace")
    return entry.whole


class Runtime(_Handle):
    """A run of a program. Every command has `nonblock`; commands return their task's number."""

    _free = staticmethod(_lib.ingot_runtime_free)

    def __init__(self, program):
        super().__init__(_lib.ingot_runtime_new(program._as_parameter_))
        self.program = program
        self._pending = []  # destinations of non-blocking commands stay alive

    def load(self, profile=None, log=None, threads=0):
        """Makes the wafer and places the program on it."""
        options = Options(profile and profile.encode(), log and os.fsencode(log), threads)
        self.call("ingot_runtime_load", options)

    def open_core(self, path):
        """Instead of load: the memory that a core file holds."""
        self.call("ingot_open_core", os.fsencode(path))

    def stop(self):
        """Waits for everything."""
        self.call("ingot_runtime_stop")
        self._pending.clear()

    @property
    def cycles(self):
        """The wafer's clock."""
        return _lib.ingot_runtime_cycles(self._as_parameter_)

    def _transfer(self, name, target, array, transfer, nonblock):
        task = _u32()
        self.call(name, target, transfer, _address(array), array.size, int(nonblock), task)
        return task.value

    def copy_in(self, symbol, source, transfer, nonblock=False):
        """Host array to the symbol of each PE."""
        return self._transfer("ingot_copy_in", symbol, _source(source, "memcpy_h2d"), transfer, nonblock)

    def copy_out(self, destination, symbol, transfer, nonblock=False):
        """The symbol of each PE to the host array."""
        array = _destination(destination, "memcpy_d2h")
        if nonblock:
            self._pending.append(array)
        return self._transfer("ingot_copy_out", symbol, array, transfer, nonblock)

    def stream_in(self, color, source, transfer, nonblock=False):
        """Host array to wavelets of a color."""
        return self._transfer("ingot_stream_in", color, _source(source, "memcpy_h2d"), transfer, nonblock)

    def stream_out(self, destination, color, transfer, nonblock=False):
        """Wavelets of a color to the host array."""
        array = _destination(destination, "memcpy_d2h")
        self._pending.append(array)  # also when blocking: an error leaves the stream open
        return self._transfer("ingot_stream_out", color, array, transfer, nonblock)

    def send(self, port, source, nonblock=False):
        """Host array to a stream of a layout."""
        array, task = _source(source, "send"), _u32()
        self.call("ingot_send", port, _address(array), array.size, int(nonblock), task)
        return task.value

    def receive(self, port, destination, count, nonblock=False):
        """`count` elements from a stream of a layout."""
        array, task = _destination(destination, "receive"), _u32()
        if count > array.size:
            raise IngotError(f"receive: {count} elements do not fit into an array of {array.size}")
        self._pending.append(array)
        self.call("ingot_receive", port, _address(array), count, int(nonblock), task)
        return task.value

    def launch(self, function, arguments, nonblock=False, words=False):
        """An exported function on every PE; `words`: arguments are 32-bit words without a type."""
        if words:
            args = [Arg(ARG_WORD, 32, int(np.asarray(a)) & 0xFFFFFFFF, 0) for a in arguments]
        else:
            args = [_argument(a) for a in arguments]
        task = _u32()
        self.call("ingot_launch", function.encode(), (Arg * len(args))(*args), len(args), int(nonblock), task)
        return task.value

    def wait(self, task):
        """Until the task is done."""
        self.call("ingot_wait", task)

    def done(self, task):
        """Whether the task is done; each call lets the wafer run a little."""
        out = _int()
        self.call("ingot_done", task, out)
        return bool(out.value)

    def read_symbol(self, x, y, name):
        """The bytes of a variable of one PE."""
        size = _u64()
        self.call("ingot_read_symbol", x, y, name.encode(), None, 0, size)
        out = np.zeros(size.value, dtype=np.uint8)
        self.call("ingot_read_symbol", x, y, name.encode(), _address(out), out.size, size)
        return out

    def read_trace(self, x, y, key):
        """What the <debug> library recorded, in order."""
        entries, count = c.POINTER(TraceEntry)(), _u32()
        self.call("ingot_read_trace", x, y, key.encode(), entries, count)
        return [_trace_value(entries[i]) for i in range(count.value)]

    def dump_core(self, path):
        """The memory of every PE to a file."""
        self.call("ingot_dump_core", os.fsencode(path))
