"""Ingot from Python: the public C header through ctypes, with NumPy arrays passed without copies."""

from ingot.library import IngotError, Program, Runtime

__all__ = ["IngotError", "Program", "Runtime"]
