"""The gather and pointwise operators and the fluid metric on NumPy and CuPy arrays, without torch.

``import quicksilver_ext.core as core`` does not import torch. Conventions, options and formulas are those of the
operators of the same names in `quicksilver_ext`; there are no gradients and no broadcasting. Arrays are (B, C, *S) with
S = (X, Y, Z) or (X, Y), float32 or float64, all of one kind: NumPy's are worked on by the processor's threads (as many
as OMP_NUM_THREADS says, or all that the process may use), CuPy's on their device, on CuPy's current stream.
Results are new arrays of the same kind. Arrays that are not C-contiguous are copied first.

Example:
    >>> import numpy as np
    >>> import quicksilver_ext.core as core
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    >>> down = np.broadcast_to(np.float32([1, 0]).reshape(1, 2, 1, 1), (1, 2, 2, 2))
    >>> core.warp(image, down)[0, 0].tolist()
    [[2.0, 3.0], [2.0, 3.0]]
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from . import _core, _fft
from ._metric import Metric, symbol_of
from ._options import FACES, MODES, PADDINGS, choice, sampling

__all__ = [
    "Ad_star",
    "FluidMetric",
    "compose",
    "invert",
    "jacobian_determinant",
    "splat",
    "warp",
]

Array = Any
"""numpy.ndarray or cupy.ndarray."""

_NATIVE = "<" if sys.byteorder == "little" else ">"
_FLOATS = {f"{_NATIVE}f4": _core.DType.float32, f"{_NATIVE}f8": _core.DType.float64}
_TABLES: dict[tuple[Any, ...], Array] = {}
_BITS = {1: _core.DType.bits8, 2: _core.DType.bits16, 4: _core.DType.bits32, 8: _core.DType.bits64}


def warp(
    image: Array, displacement: Array, mode: str = "linear", padding_mode: str = "border"
) -> Array:
    """``warp(I, u)(x) = I(x + u(x))``; `quicksilver_ext.warp` says more.

    Args:
        image: (B, C, *Sin); any integer or boolean dtype too with ``mode="nearest"``.
        displacement: (B, D, *S) in voxels. mode: "linear", "nearest", "cubic". padding_mode: "border", "zeros".

    Returns:
        (B, C, *S), the image's dtype.
    """
    choice("warp", "mode", mode, MODES)
    choice("warp", "padding_mode", padding_mode, PADDINGS)
    labels = getattr(image, "dtype", None) is not None and image.dtype.kind in "iub"
    if labels and mode != "nearest":
        raise TypeError(
            f"warp: image: expected float32 or float64 for mode {mode!r}, found {image.dtype}; convert it, or use "
            "mode='nearest' for integer labels"
        )
    arrays = _Arrays("warp", displacement=displacement)
    moved = arrays.field("displacement", displacement)
    field = arrays.labels if labels else arrays.field
    source = field("image", image)
    out = arrays.empty((*image.shape[:2], *displacement.shape[2:]), image.dtype)
    result = field("out", out)
    if labels:
        _core.warp_labels(source, moved, result, PADDINGS[padding_mode], arrays.queue)
    else:
        _core.warp(source, moved, result, sampling(mode, padding_mode), arrays.queue)
    return out


def splat(
    values: Array,
    displacement: Array,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Array:
    """The transpose of `warp`: adds each value to the samples around the place it is displaced to.

    Args:
        values: (B, C, *S). displacement: (B, D, *S) in voxels. shape: of the result, by default S.

    Returns:
        (B, C, *shape).
    """
    choice("splat", "mode", mode, MODES)
    choice("splat", "padding_mode", padding_mode, PADDINGS)
    arrays = _Arrays("splat", values=values)
    source = arrays.field("values", values)
    moved = arrays.field("displacement", displacement)
    shape = values.shape[2:] if shape is None else tuple(shape)
    if len(shape) != values.ndim - 2 or min(shape) < 1:
        raise ValueError(
            f"splat: shape: expected {values.ndim - 2} sizes >= 1, found {shape}; give one per axis"
        )
    out = arrays.empty((*values.shape[:2], *shape))
    out[...] = 0
    how = sampling(mode, padding_mode)
    _core.splat(source, moved, arrays.field("out", out), 0, how, arrays.queue)
    return out


def compose(
    outer: Array, inner: Array, mode: str = "linear", padding_mode: str = "border"
) -> Array:
    """The displacement of ``(id + outer) o (id + inner)``: ``inner(x) + outer(x + inner(x))``, (B, D, *S) all."""
    choice("compose", "mode", mode, ("linear", "cubic"))
    choice("compose", "padding_mode", padding_mode, PADDINGS)
    arrays = _Arrays("compose", outer=outer)
    first, second = arrays.field("outer", outer), arrays.field("inner", inner)
    out = arrays.empty(outer.shape)
    how = sampling(mode, padding_mode)
    _core.compose(first, second, arrays.field("out", out), how, arrays.queue)
    return out


def invert(
    displacement: Array, iterations: int = 10, tolerance: float = 1e-4
) -> tuple[Array, Array]:
    """The displacement of ``(id + u)^-1`` (B, D, *S) by Newton's method, and its residual (B, 1, *S) in voxels."""
    if iterations < 1 or not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(
            "invert: iterations, tolerance: expected at least 1 and a finite number of voxels >= 0, found "
            f"{iterations} and {tolerance}; try 10 and 1e-4"
        )
    arrays = _Arrays("invert", displacement=displacement)
    source = arrays.field("displacement", displacement)
    inverse = arrays.empty(displacement.shape)
    residual = arrays.empty((displacement.shape[0], 1, *displacement.shape[2:]))
    results = arrays.field("inverse", inverse), arrays.field("residual", residual)
    _core.invert(source, *results, iterations, tolerance, arrays.queue)
    return inverse, residual


def jacobian_determinant(displacement: Array, faces: str = "one_sided") -> Array:
    """``det D(id + u)`` by central differences, (B, 1, *S); faces: "one_sided" or "half"."""
    choice("jacobian_determinant", "faces", faces, FACES)
    arrays = _Arrays("jacobian_determinant", displacement=displacement)
    source = arrays.field("displacement", displacement)
    out = arrays.empty((displacement.shape[0], 1, *displacement.shape[2:]))
    _core.jacobian_determinant(source, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


def Ad_star(momentum: Array, displacement: Array, faces: str = "one_sided") -> Array:
    """``det(D psi) (D psi)^T (m o psi)`` with ``psi = id + displacement``, (B, D, *S) all."""
    choice("Ad_star", "faces", faces, FACES)
    arrays = _Arrays("Ad_star", momentum=momentum)
    first, second = arrays.field("momentum", momentum), arrays.field("displacement", displacement)
    out = arrays.empty(momentum.shape)
    _core.Ad_star(first, second, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


class FluidMetric(Metric):
    """`quicksilver_ext.FluidMetric` for arrays: the same parameters, K and L by the core's own transforms.

    Those take tori of sizes up to 512 with factors 2, 3, 5 and 7, the last one even: as pad="auto" and a number of voxels
    choose them. Others raise ValueError. Made for GPUs: on a processor `quicksilver_ext` is faster.

    Example:
        >>> import numpy as np
        >>> import quicksilver_ext.core as core
        >>> metric = core.FluidMetric(pad="none")
        >>> m = np.random.default_rng(0).standard_normal((1, 3, 8, 8, 8))
        >>> bool(np.allclose(metric.flat(metric.sharp(m)), m))
        True
    """

    def sharp(self, momentum: Array) -> Array:
        """``v = K m``: momentum to velocity, (B, D, *S) both, in voxels."""
        return self._apply("sharp", "momentum", momentum, inverse=True)

    def flat(self, velocity: Array) -> Array:
        """``m = L^power v``: velocity to momentum, (B, D, *S) both, in voxels."""
        return self._apply("flat", "velocity", velocity, inverse=False)

    def _apply(self, op: str, argument: str, array: Array, *, inverse: bool) -> Array:
        arrays = _Arrays(op, **{argument: array})
        source = arrays.field(argument, array)
        shape = array.shape[2:]
        spacing, torus = self.spacing_of(op, argument, len(shape)), self.torus(shape)
        if not _fft.is_fusable(torus):
            raise ValueError(
                f"{op}: {argument}: expected a torus of sizes up to 512 with factors 2, 3, 5 and 7, the last one even, "
                f"found {torus}; use pad='auto', or quicksilver_ext.FluidMetric for any size"
            )
        planes = _fft.workspace_shape(shape, torus, self.band)
        spectrum = arrays.empty((*array.shape[:2], *planes), f"c{2 * array.dtype.itemsize}")
        out, tables = arrays.empty(array.shape), arrays.tables(torus, spacing, self.band)
        workspace = _core.Field(
            _address(spectrum), _FLOATS[array.dtype.str], (*array.shape[:2], *planes)
        )
        parameters = (self.alpha, self.beta, self.gamma, self.power, inverse)
        device = arrays.device()
        _core.fluid(
            source,
            arrays.field("out", out),
            workspace,
            _address(tables),
            _fft.torus_of(torus, self.band, _core.block_memory(device)),
            symbol_of(spacing, *parameters),
            arrays.queue,
        )
        return out


class _Arrays:
    """The arrays of one call: all of the kind of the first, which decides where the work is done."""

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
            f"{op}: {argument}: expected a NumPy or CuPy array, found {type(array).__name__}; convert it with "
            "numpy.asarray"
        )

    def device(self) -> int:
        """The number of the first array's GPU, -1 for the processor."""
        number: int = self.first.device.id if self.namespace.__name__ == "cupy" else -1
        return number

    def tables(self, torus: tuple[int, ...], spacing: tuple[float, ...], band: str) -> Array:
        """Those of the core's transforms, in this dtype, on this device."""
        key = (self.namespace.__name__, self.device(), self.first.dtype.str, torus, spacing, band)
        if key not in _TABLES:
            numbers = np.asarray(_fft.tables(torus, spacing, band), self.first.dtype)
            table = self.empty(numbers.shape)
            table[:] = self.namespace.asarray(numbers)
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
        return _core.Queue(-1, 0, int(wanted) if wanted.isdigit() else usable or 1)

    def empty(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """A new array of this kind, on the first one's device."""
        dtype = self.first.dtype if dtype is None else dtype
        if self.namespace.__name__ == "cupy":
            with self.first.device:
                return self.namespace.empty(tuple(shape), dtype)
        out = self.namespace.empty(tuple(shape), dtype)
        _core.prefer_huge_pages(_address(out), out.nbytes)
        return out

    def field(self, argument: str, array: Array) -> _core.Field:
        """float32 or float64."""
        self._check(argument, array)
        if array.dtype.str not in _FLOATS:
            raise TypeError(
                f"{self.op}: {argument}: expected float32 or float64, found {array.dtype}; convert it"
            )
        return self._field(array, _FLOATS[array.dtype.str])

    def labels(self, argument: str, array: Array) -> _core.Field:
        """Any dtype of 1, 2, 4 or 8 bytes, as bits."""
        self._check(argument, array)
        return self._field(array, _BITS[array.dtype.itemsize])

    def _check(self, argument: str, array: Array) -> None:
        if not isinstance(array, self.namespace.ndarray):
            raise TypeError(
                f"{self.op}: {argument}: expected a {self.namespace.__name__} array as the other argument, found "
                f"{type(array).__name__}; convert one of them"
            )
        if getattr(array, "device", None) != getattr(self.first, "device", None):
            raise ValueError(
                f"{self.op}: {argument}: expected an array on {self.first.device} as the other argument, found "
                f"{array.device}; move one of them"
            )
        if array.ndim not in (4, 5) or 0 in array.shape[1:]:
            raise ValueError(
                f"{self.op}: {argument}: expected (B, C, X, Y) or (B, C, X, Y, Z) with elements, found shape "
                f"{array.shape}; add batch and channel axes"
            )

    def _field(self, array: Array, dtype: _core.DType) -> _core.Field:
        contiguous = self.namespace.ascontiguousarray(array)
        self.kept.append(contiguous)
        return _core.Field(_address(contiguous), dtype, contiguous.shape)


def _address(array: Array) -> int:
    if hasattr(array, "__cuda_array_interface__"):
        address: int = array.data.ptr
    else:
        address = array.__array_interface__["data"][0]
    return address
