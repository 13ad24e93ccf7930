"""Checks and conversions that operators on arrays share: arrays to fields, streams and threads to
queues.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .. import _core, _fft
from .._threads import usable_threads

Array = Any
"""numpy.ndarray or cupy.ndarray."""

_NATIVE = "<" if sys.byteorder == "little" else ">"
FLOATS = {f"{_NATIVE}f4": _core.DType.float32, f"{_NATIVE}f8": _core.DType.float64}
LINE = 64  # bytes of a cache line
_TABLES: dict[tuple[Any, ...], Array] = {}
_BITS = {1: _core.DType.bits8, 2: _core.DType.bits16, 4: _core.DType.bits32, 8: _core.DType.bits64}


class Arrays:
    """The arrays of one call, all of the kind of the first, which decides where the work runs."""

    def __init__(self, op: str, **first: Array) -> None:
        ((argument, array),) = first.items()
        self.op, self.first = op, array
        self.kept: list[Array] = []  # contiguous copies must live as long as the core works on them
        for name in ("numpy", "cupy"):  # whoever has an array has imported its module
            namespace = sys.modules.get(name)
            if namespace is not None and isinstance(array, namespace.ndarray):
                self.namespace: ModuleType = namespace
                self.queue = self._queue()
                return
        raise TypeError(
            f"{op}: {argument}: expected a NumPy or CuPy array, found {type(array).__name__}; "
            "convert it with numpy.asarray, or use quicksilver_ext for tensors"
        )

    def device(self) -> int:
        """Return the index of the first array's GPU, -1 on the CPU."""
        number: int = self.first.device.id if self.namespace.__name__ == "cupy" else -1
        return number

    def tables(self, torus: tuple[int, ...], spacing: tuple[float, ...], band: str) -> Array:
        """Return the tables of the core's transforms in this dtype, on this device; they are
        cached.
        """
        key = (self.namespace.__name__, self.device(), self.first.dtype.str, torus, spacing, band)
        if key not in _TABLES:
            kind = "cpu" if self.device() < 0 else "cuda"
            numbers = np.asarray(_fft.tables(torus, spacing, band, kind), self.first.dtype)
            table = self.empty(numbers.shape)
            table[:] = self.namespace.asarray(numbers)
            if self.namespace.__name__ == "cupy":  # other streams may use them next
                self.namespace.cuda.get_current_stream().synchronize()
            _TABLES[key] = table
        return _TABLES[key]

    def _queue(self) -> _core.Queue:
        if self.namespace.__name__ == "cupy":
            stream = self.namespace.cuda.get_current_stream().ptr
            return _core.Queue(self.device(), stream, 1)
        wanted = os.environ.get("OMP_NUM_THREADS", "")
        usable = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        )
        return _core.Queue(
            -1, 0, usable_threads((int(wanted) if wanted.isdigit() else 0) or usable or 1)
        )

    def empty(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """Make a new array of this kind, on the first one's device."""
        dtype = self.first.dtype if dtype is None else dtype
        if self.namespace.__name__ == "cupy":
            with self.first.device:
                return self.namespace.empty(tuple(shape), dtype)
        out = self.namespace.empty(tuple(shape), dtype)
        _core.prefer_huge_pages(address(out), out.nbytes)
        return out

    def workspace(self, shape: Sequence[int], dtype: str) -> Array:
        """Make a new array that begins at a whole cache line, as the CPU's packets need."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        memory = self.empty((size + LINE,), np.uint8)
        first = -address(memory) % LINE
        return memory[first : first + size].view(dtype).reshape(shape)

    def field(self, argument: str, array: Array) -> _core.Field:
        """Describe a float32 or float64 array to the core."""
        self._check(argument, array)
        if array.dtype.str not in FLOATS:
            raise TypeError(
                f"{self.op}: {argument}: expected float32 or float64, found {array.dtype}; convert "
                "it"
            )
        return self._field(array, FLOATS[array.dtype.str])

    def vectors(self, argument: str, array: Array) -> _core.Field:
        """Describe an array with one component per axis to the core."""
        field = self.field(argument, array)
        if array.shape[1] != array.ndim - 2:
            raise ValueError(
                f"{self.op}: {argument}: expected one component per axis: {array.ndim - 2} along "
                f"axis 1, found shape {array.shape}; component c moves along array axis c"
            )
        return field

    def labels(self, argument: str, array: Array) -> _core.Field:
        """Describe an array of integers or booleans to the core, as bits."""
        self._check(argument, array)
        if array.dtype.kind not in "iub":
            raise TypeError(
                f"{self.op}: {argument}: expected an integer or boolean dtype, found "
                f"{array.dtype}; convert it"
            )
        return self._field(array, _BITS[array.dtype.itemsize])

    def is_kind(self, array: Array, kinds: str) -> bool:
        """Tell whether this is an array like the first one, of a dtype of these kinds."""
        return isinstance(array, self.namespace.ndarray) and array.dtype.kind in kinds

    def _check(self, argument: str, array: Array) -> None:
        if not isinstance(array, self.namespace.ndarray):
            raise TypeError(
                f"{self.op}: {argument}: expected a {self.namespace.__name__} array as the other "
                f"argument, found {type(array).__name__}; convert one of them"
            )
        if getattr(array, "device", None) != getattr(self.first, "device", None):
            raise ValueError(
                f"{self.op}: {argument}: expected an array on {self.first.device} as the other "
                f"argument, found {array.device}; move one of them"
            )
        if array.ndim not in (4, 5) or 0 in array.shape[1:]:
            raise ValueError(
                f"{self.op}: {argument}: expected (B, C, X, Y) or (B, C, X, Y, Z) with elements, "
                f"found shape {array.shape}; add batch and channel axes"
            )

    def _field(self, array: Array, dtype: _core.DType) -> _core.Field:
        contiguous = self.namespace.ascontiguousarray(array)
        self.kept.append(contiguous)
        return _core.Field(address(contiguous), dtype, contiguous.shape)


def address(array: Array) -> int:
    if hasattr(array, "__cuda_array_interface__"):
        address: int = array.data.ptr
    else:
        address = array.__array_interface__["data"][0]
    return address
