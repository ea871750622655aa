"""SdkRuntime and what run scripts import with it: the vendor's names and signatures over Ingot's runtime."""

import enum
import json
import os

import numpy as np

from ingot.library import IngotError, Program, Runtime, Transfer

__all__ = [
    "Color", "Edge", "FP16TYPE", "MemcpyDataType", "MemcpyOrder", "Route", "RoutingPosition", "SdkCompileArtifacts",
    "SdkLayout", "SdkRuntime", "SdkTarget", "SimfabConfig", "Task", "get_edge_routing", "get_platform",
    "get_simulator", "get_system", "hstack", "vstack",
]  # fmt: skip


class MemcpyDataType(enum.IntEnum):
    """Width of an element on the device."""

    MEMCPY_32BIT = 0
    MEMCPY_16BIT = 1


class MemcpyOrder(enum.IntEnum):
    """Order of the host's array: C or Fortran order of [height][width][elements]."""

    ROW_MAJOR = 0
    COL_MAJOR = 1


class SdkTarget(enum.IntEnum):
    """Generations."""

    WSE2 = 0
    WSE3 = 1


class SimfabConfig:  # pylint: disable=too-few-public-methods
    """How to simulate. Threads and traces change no result; INGOT_THREADS chooses threads."""

    def __init__(self, num_threads=16, suppress_trace=False, dump_core=False, core_path="out.core"):
        self.num_threads = num_threads
        self.suppress_trace = suppress_trace
        self.dump_core = dump_core
        self.core_path = core_path


class Platform:
    """Where a program runs."""

    def __init__(self, config, target):
        self.config = config
        self.target = target

    def is_simulation(self):
        """Always: there is no hardware behind Ingot."""
        return True

    def is_system(self):
        """Never."""
        return False


def _no_hardware(address):
    if address:
        raise IngotError(f"cmaddr={address}: Ingot simulates and reaches no hardware; leave cmaddr away")


def get_simulator(config=None, target=SdkTarget.WSE3):
    """A simulated platform."""
    return Platform(config or SimfabConfig(), target)


def get_system(addr):
    """A machine by address: not here."""
    _no_hardware(addr or "(none)")


def get_platform(addr=None, config=None, target=SdkTarget.WSE3):
    """A simulated platform, unless an address is given."""
    _no_hardware(addr)
    return get_simulator(config, target)


class Task:  # pylint: disable=too-few-public-methods
    """A command that was given to a runtime."""

    def __init__(self, number):
        self.number = number


_ROW_BROADCAST, _COL_BROADCAST = 1, 2
_latest = {}  # folder -> the run stopped last, for debug_util


def latest_run(folder):
    """The run of a folder that was stopped last in this process, or None."""
    return _latest.get(os.path.abspath(folder))


def _append_stats(folder, cycles):
    path = os.environ.get("INGOT_STATS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"program": folder, "cycles": cycles}) + "\n")


class SdkRuntime:
    """SdkRuntime(bindir, cmaddr=...), SdkRuntime(bindir, platform) or SdkRuntime(artifacts, platform, ...)."""

    def __init__(
        self, bindir, platform=None, *, cmaddr=None, suppress_simfab_trace=False, simfab_numthreads=5,
        msg_level="WARNING", memcpy_required=True, **_,
    ):  # fmt: skip
        del suppress_simfab_trace, simfab_numthreads, msg_level, memcpy_required  # of no meaning here
        _no_hardware(cmaddr)
        self._folder = os.path.abspath(os.fspath(bindir))  # scripts change folder between here and load()
        self._config = platform.config if isinstance(platform, Platform) else None
        self._program = Program.open(self._folder)
        self._run = Runtime(self._program)
        self._stopped = False

    def __enter__(self):
        self.load()
        self.run()
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.stop()

    # ---- life ----

    def load(self):
        """Places the program on the wafer."""
        self._run.load()

    def run(self):
        """Starts the program; the wafer moves when a call waits."""

    def stop(self):
        """Waits for all commands. Data of non-blocking transfers are valid afterwards."""
        if self._stopped:
            return
        self._run.stop()
        self._stopped = True
        _latest[self._folder] = self._run
        if self._config and self._config.dump_core:
            self._run.dump_core(self._config.core_path)
        _append_stats(self._folder, self._run.cycles)

    def get_id(self, name):
        """The id of an exported symbol."""
        return self._program.symbol_id(name)

    # ---- transfers ----

    @staticmethod
    def _transfer(px, py, w, h, elem_per_pe, data_type, order, spread=0, row_stride=1, col_stride=1):
        bits = 16 if int(data_type) == MemcpyDataType.MEMCPY_16BIT else 32
        numbers = [int(n) for n in (px, py, w, h, elem_per_pe, row_stride, col_stride)]
        if min(numbers) < 0:
            raise IngotError(f"px, py, w, h, elem_per_pe and strides must not be negative: {numbers}")
        return Transfer(*numbers, bits, int(order), spread)

    def memcpy_h2d(self, dest, src, px, py, w, h, elem_per_pe, *, streaming, data_type, order, nonblock):
        """Host to device: to a symbol, or as wavelets of a color."""
        transfer = self._transfer(px, py, w, h, elem_per_pe, data_type, order)
        give = self._run.stream_in if streaming else self._run.copy_in
        return Task(give(int(dest), src, transfer, nonblock))

    def memcpy_d2h(self, dest, src, px, py, w, h, elem_per_pe, *, streaming, data_type, order, nonblock):
        """Device to host: from a symbol, or wavelets of a color."""
        transfer = self._transfer(px, py, w, h, elem_per_pe, data_type, order)
        take = self._run.stream_out if streaming else self._run.copy_out
        return Task(take(dest, int(src), transfer, nonblock))

    def _broadcast(self, spread, dest, src, region, data_type, order, streaming, nonblock):
        if streaming:
            raise IngotError("broadcasts work in copy mode only; pass streaming=False")
        return Task(self._run.copy_in(int(dest), src, self._transfer(*region, data_type, order, spread), nonblock))

    def memcpy_h2d_rowbcast(self, dest, src, px, py, w, h, elem_per_pe, *, streaming, data_type, order, nonblock):
        """One vector per row, to every PE of that row."""
        region = (px, py, w, h, elem_per_pe)
        return self._broadcast(_ROW_BROADCAST, dest, src, region, data_type, order, streaming, nonblock)

    def memcpy_h2d_colbcast(self, dest, src, px, py, w, h, elem_per_pe, *, streaming, data_type, order, nonblock):
        """One vector per column, to every PE of that column."""
        region = (px, py, w, h, elem_per_pe)
        return self._broadcast(_COL_BROADCAST, dest, src, region, data_type, order, streaming, nonblock)

    def memcpy_h2d_stride(
        self, dest, src, px, py, w, h, elem_per_pe, *, row_stride=1, col_stride=1, streaming, data_type, order,
        nonblock,
    ):  # fmt: skip
        """To every row_stride-th PE of a row and every col_stride-th of a column."""
        if streaming:
            raise IngotError("strides work in copy mode only; pass streaming=False")
        transfer = self._transfer(px, py, w, h, elem_per_pe, data_type, order, 0, row_stride, col_stride)
        return Task(self._run.copy_in(int(dest), src, transfer, nonblock))

    def task_wait(self, task):
        """Until the task is done."""
        self._run.wait(task.number)

    def is_task_done(self, task):
        """Whether the task is done; may be polled."""
        return self._run.done(task.number)

    # ---- launches ----

    def launch(self, name, *args, nonblock):
        """An exported function on every PE; the types of the arguments are checked."""
        return Task(self._run.launch(name, args, nonblock))

    def call(self, name, args=(), nonblock=False):
        """The older form: arguments are 32-bit words."""
        return Task(self._run.launch(name, args, nonblock, words=True))

    # ---- streams of layouts ----

    def get_port_id(self, name):
        """The id of a stream."""
        return self._program.port_id(name)

    def _port(self, port):
        return self._program.port_id(port) if isinstance(port, str) else int(port)

    def send(self, port, src, n=None, *, nonblock):
        """32-bit elements to a stream of a layout."""
        data = np.ravel(src)
        return Task(self._run.send(self._port(port), data if n is None else data[: int(n)], nonblock))

    def receive(self, port, dest, n, *, nonblock):
        """`n` 32-bit elements from a stream of a layout."""
        return Task(self._run.receive(self._port(port), dest, int(n), nonblock))

    # ---- inspection ----

    def read_symbol(self, x, y, name, dtype="uint8"):
        """A variable of one PE, in the layout's coordinates."""
        return self._run.read_symbol(x, y, name).view(dtype)

    def dump_core(self, path="corefile.cs1"):
        """The memory of every PE to a file that debug_util reads."""
        self._run.dump_core(path)

    def dump_elf_core(self, path="corefile.cs1"):
        """As dump_core: there is one format."""
        self._run.dump_core(path)

    def coord_logical_to_physical(self, coordinates):
        """From the program's rectangle to the fabric."""
        facts = self._program.facts
        return (coordinates[0] + facts.offset_x, coordinates[1] + facts.offset_y)


# SdkLayout stands on the enumerations above.
from ingot.layout import (  # noqa: E402 pylint: disable=wrong-import-position
    FP16TYPE,
    Color,
    Edge,
    Route,
    RoutingPosition,
    SdkCompileArtifacts,
    SdkLayout,
    get_edge_routing,
    hstack,
    vstack,
)
