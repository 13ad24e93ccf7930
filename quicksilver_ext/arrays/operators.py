"""The gather and pointwise operators on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from .._options import (
    FACES,
    MODES,
    PADDINGS,
    check_choice,
    check_integer,
    check_number,
    check_shape,
    sampling,
)
from ._args import Array, Arrays


def warp(
    image: Array, displacement: Array, mode: str = "linear", padding_mode: str = "border"
) -> Array:
    """``warp(I, u)(x) = I(x + u(x))``; `quicksilver_ext.warp` says more.

    Args:
        image: (B, C, *Sin); any integer or boolean dtype too with ``mode="nearest"``.
        displacement: (B, D, *S) in voxels. mode: "linear", "nearest", "cubic". padding_mode:
            "border", "zeros", "reflect", "wrap".

    Returns:
        (B, C, *S), the image's dtype.
    """
    check_choice("warp", "mode", mode, MODES)
    check_choice("warp", "padding_mode", padding_mode, PADDINGS)
    arrays = Arrays("warp", displacement=displacement)
    moved = arrays.field("displacement", displacement)
    labels = arrays.is_kind(image, "iub")
    if labels and mode != "nearest":
        raise TypeError(
            f"warp: image: expected float32 or float64 for mode {mode!r}, found {image.dtype}; "
            "convert it, or use mode='nearest' for integer labels"
        )
    field = arrays.labels if labels else arrays.field
    source = field("image", image)
    out = arrays.empty((*image.shape[:2], *displacement.shape[2:]), image.dtype)
    result = field("out", out)
    if labels:
        _core.warp_bits(source, moved, result, PADDINGS[padding_mode], arrays.queue)
    else:
        _core.warp(source, moved, result, sampling(mode, padding_mode), arrays.queue)
    return out


def warp_labels(labels: Array, displacement: Array, padding_mode: str = "border") -> Array:
    """The label with the largest sum of linear weights at ``x + u(x)``: any integer or boolean
    dtype, (B, C, *S).
    """
    check_choice("warp_labels", "padding_mode", padding_mode, PADDINGS)
    arrays = Arrays("warp_labels", displacement=displacement)
    moved, source = arrays.field("displacement", displacement), arrays.labels("labels", labels)
    out = arrays.empty((*labels.shape[:2], *displacement.shape[2:]), labels.dtype)
    _core.warp_labels(
        source, moved, arrays.labels("out", out), PADDINGS[padding_mode], arrays.queue
    )
    return out


def splat(
    values: Array,
    displacement: Array,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Array:
    """The transpose of `warp`: add each value to the samples around the place it is displaced to.

    Args:
        values: (B, C, *S). displacement: (B, D, *S) in voxels. shape: of the result, by default S.

    Returns:
        (B, C, *shape).
    """
    check_choice("splat", "mode", mode, MODES)
    check_choice("splat", "padding_mode", padding_mode, PADDINGS)
    arrays = Arrays("splat", values=values)
    source = arrays.field("values", values)
    moved = arrays.field("displacement", displacement)
    shape = check_shape("splat", values.shape[2:] if shape is None else shape, values.ndim - 2)
    out = arrays.empty((*values.shape[:2], *shape))
    out[...] = 0
    how = sampling(mode, padding_mode)
    _core.splat(source, moved, arrays.field("out", out), 0, how, arrays.queue)
    return out


def compose(
    outer: Array, inner: Array, mode: str = "linear", padding_mode: str = "border"
) -> Array:
    """The displacement of ``(id + outer) o (id + inner)``: ``inner(x) + outer(x + inner(x))``, (B,
    D, *S) all.
    """
    check_choice("compose", "mode", mode, ("linear", "cubic"))
    check_choice("compose", "padding_mode", padding_mode, PADDINGS)
    arrays = Arrays("compose", outer=outer)
    first, second = arrays.field("outer", outer), arrays.field("inner", inner)
    out = arrays.empty(outer.shape)
    how = sampling(mode, padding_mode)
    _core.compose(first, second, arrays.field("out", out), how, arrays.queue)
    return out


def invert(
    displacement: Array, iterations: int = 10, tolerance: float = 1e-4
) -> tuple[Array, Array]:
    """The displacement of ``(id + u)^-1`` (B, D, *S) by Newton's method, and its residual (B, 1,
    *S) in voxels.
    """
    check_integer("invert", "iterations", iterations)
    check_number("invert", "tolerance", tolerance, "a finite number of voxels", "1e-4")
    arrays = Arrays("invert", displacement=displacement)
    source = arrays.field("displacement", displacement)
    inverse = arrays.empty(displacement.shape)
    residual = arrays.empty((displacement.shape[0], 1, *displacement.shape[2:]))
    results = arrays.field("inverse", inverse), arrays.field("residual", residual)
    _core.invert(source, *results, iterations, tolerance, arrays.queue)
    return inverse, residual


def gradient(field: Array, faces: str = "one_sided") -> Array:
    """``D_a f_c`` by central differences: (B, C, *S) to (B, C, D, *S); faces: "one_sided" or
    "half".
    """
    return _derivatives("gradient", "field", field, False, faces)


def jacobian(displacement: Array, faces: str = "one_sided") -> Array:
    """``D(id + u)`` by central differences: (B, D, *S) to (B, D, D, *S)."""
    check_choice("jacobian", "faces", faces, FACES)
    Arrays("jacobian", displacement=displacement).vectors("displacement", displacement)
    return _derivatives("jacobian", "displacement", displacement, True, faces)


def _derivatives(op: str, argument: str, array: Array, identity: bool, faces: str) -> Array:
    check_choice(op, "faces", faces, FACES)
    arrays = Arrays(op, **{argument: array})
    source = arrays.field(argument, array)
    batch, channels, *shape = array.shape
    out = arrays.empty((batch, channels * len(shape), *shape))
    _core.gradient(source, arrays.field("out", out), identity, FACES[faces], arrays.queue)
    return out.reshape(batch, channels, len(shape), *shape)


def divergence(field: Array, faces: str = "one_sided") -> Array:
    """``sum_a D_a v_a`` by central differences: (B, D, *S) to (B, 1, *S)."""
    check_choice("divergence", "faces", faces, FACES)
    arrays = Arrays("divergence", field=field)
    source = arrays.field("field", field)
    out = arrays.empty((field.shape[0], 1, *field.shape[2:]))
    _core.divergence(source, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


def ad(velocity: Array, other: Array, faces: str = "one_sided") -> Array:
    """``ad_v w = D v w - D w v``, (B, D, *S) all."""
    check_choice("ad", "faces", faces, FACES)
    arrays = Arrays("ad", velocity=velocity)
    first, second = arrays.field("velocity", velocity), arrays.field("other", other)
    out = arrays.empty(velocity.shape)
    _core.ad(first, second, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


def ad_star(velocity: Array, momentum: Array, faces: str = "one_sided") -> Array:
    """The transpose of `ad` in its second argument, to rounding, (B, D, *S) all."""
    check_choice("ad_star", "faces", faces, FACES)
    arrays = Arrays("ad_star", velocity=velocity)
    first, second = arrays.field("velocity", velocity), arrays.field("momentum", momentum)
    out = arrays.empty(velocity.shape)
    _core.ad_star(first, second, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


def jacobian_determinant(displacement: Array, faces: str = "one_sided") -> Array:
    """``det D(id + u)`` by central differences, (B, 1, *S); faces: "one_sided" or "half"."""
    check_choice("jacobian_determinant", "faces", faces, FACES)
    arrays = Arrays("jacobian_determinant", displacement=displacement)
    source = arrays.field("displacement", displacement)
    out = arrays.empty((displacement.shape[0], 1, *displacement.shape[2:]))
    _core.jacobian_determinant(source, arrays.field("out", out), FACES[faces], arrays.queue)
    return out


def Ad_star(momentum: Array, displacement: Array, faces: str = "one_sided") -> Array:
    """``det(D psi) (D psi)^T (m o psi)`` with ``psi = id + displacement``, (B, D, *S) all."""
    check_choice("Ad_star", "faces", faces, FACES)
    arrays = Arrays("Ad_star", momentum=momentum)
    first, second = arrays.field("momentum", momentum), arrays.field("displacement", displacement)
    out = arrays.empty(momentum.shape)
    _core.Ad_star(first, second, arrays.field("out", out), FACES[faces], arrays.queue)
    return out
