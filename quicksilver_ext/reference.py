"""Plain-torch twins of the compiled operators: slow, readable, and the oracle of the tests.

Every function has the name, the arguments and the conventions of its compiled counterpart (only
`sharp` and `flat` take the metric as an argument instead of being its methods) and calls nothing of
the compiled core. Everything is built from differentiable torch functions, so autograd of this
module is the oracle of the hand-written gradients too.

Fields are (B, C, *S) with S = (X, Y, Z) or (X, Y), float32 or float64, on any device. A
displacement u is in voxels, component c along array axis c, and stands for the map id + u.

    >>> import torch
    >>> from quicksilver_ext import reference
    >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> reference.warp(image, torch.full((1, 2, 2, 2), 0.5))[0, 0, 0, 0].item()
    1.5
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from quicksilver_ext import FluidMetric

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def _coordinate(shape: Sequence[int], axis: int, like: Tensor) -> Tensor:
    """0, 1, ..., n - 1 along one axis of a grid, shaped to broadcast over the others."""
    line = torch.arange(shape[axis], dtype=like.dtype, device=like.device)
    return line.reshape([-1 if other == axis else 1 for other in range(len(shape))])


def _axis_taps(p: Tensor, n: int, mode: str, padding_mode: str) -> Iterator[tuple[Tensor, Tensor]]:
    """(index, weight) of every sample that a position p on an axis of n samples reads."""
    if padding_mode == "border":
        p = p.clamp(0, n - 1)
    first = torch.floor(p + 0.5 if mode == "nearest" else p)
    if mode == "linear" and padding_mode == "border":
        first = first.clamp(max=max(n - 2, 0))  # n - 1 is t = 1 of the last cell
    t = p - first
    if mode == "nearest":
        weights = [torch.ones_like(t)]
    elif mode == "linear":
        weights = [1 - t, t]
    else:  # cubic: Keys (1981), a = -1/2
        first = first - 1
        weights = [
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        ]
    for offset, weight in enumerate(weights):
        tap = first + offset
        if padding_mode == "zeros":
            weight = torch.where((tap >= 0) & (tap <= n - 1), weight, 0)
        yield tap.clamp(0, n - 1).nan_to_num().long(), weight


def _taps(
    displacement: Tensor, shape: Sequence[int], mode: str, padding_mode: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """(flat index, weight), both (B, N), of every sample of a volume that x + u(x) reads."""
    axes = []
    for axis, n in enumerate(shape):
        p = _coordinate(displacement.shape[2:], axis, displacement) + displacement[:, axis]
        axes.append(list(_axis_taps(p, n, mode, padding_mode)))
    for (index, weight), *others in itertools.product(*axes):
        for n, (axis_index, axis_weight) in zip(shape[1:], others, strict=True):
            index, weight = index * n + axis_index, weight * axis_weight
        yield index.flatten(1), weight.flatten(1)


def warp(
    image: Tensor, displacement: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """I(x + u(x)): image (B, C, *Sin), displacement (B, D, *Sout) in voxels of Sin; (B, C, *Sout).

    mode linear, cubic (Keys, a = -1/2) or nearest (any dtype); padding_mode border (positions are
    clamped to the grid) or zeros (samples outside the grid are 0).
    """
    if image.dtype in _SIGNED:  # torch has no gather for these; their bits are all that is moved
        signed = image.view(_SIGNED[image.dtype])
        return warp(signed, displacement, mode, padding_mode).view(image.dtype)
    result = image.new_zeros(*image.shape[:2], displacement.shape[2:].numel())
    for index, weight in _taps(displacement, image.shape[2:], mode, padding_mode):
        sample = image.flatten(2).gather(2, index[:, None].expand(-1, image.shape[1], -1))
        result = result + weight[:, None].to(image.dtype) * sample
    return result.reshape(*image.shape[:2], *displacement.shape[2:])


def splat(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Adjoint of `warp` in its image: values (B, C, *Sout) -> (B, C, *shape)."""
    shape = torch.Size(values.shape[2:] if shape is None else shape)
    result = values.new_zeros(*values.shape[:2], shape.numel())
    for index, weight in _taps(displacement, shape, mode, padding_mode):
        target = index[:, None].expand(-1, values.shape[1], -1)
        result = result.scatter_add(2, target, weight[:, None] * values.flatten(2))
    return result.reshape(*values.shape[:2], *shape)


def compose(
    outer: Tensor, inner: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """Displacement of (id + outer) o (id + inner)."""
    return inner + warp(outer, inner, mode, padding_mode)


def invert(
    displacement: Tensor, iterations: int = 10, tolerance: float = 1e-4
) -> tuple[Tensor, Tensor]:
    """Displacement w of (id + u)^-1 and the residual |w + u(x + w)|, (B, 1, *S), in voxels.

    Newton on w + u(x + w) = 0 with the derivative of the linear interpolant, from w = -u(x), at
    each voxel until its residual is below the tolerance. The gradient is the implicit function's.
    """
    u = displacement.detach()

    def equation(w: Tensor) -> Tensor:
        return compose(u, w)

    def solve(w: Tensor, right: Tensor) -> Tensor:  # (derivative of the equation at w)^-1 right
        columns = []
        for axis in range(u.shape[1]):
            direction = torch.zeros_like(w)
            direction[:, axis] = 1
            columns.append(torch.func.jvp(equation, (w,), (direction,))[1].movedim(1, -1))
        matrix = torch.stack(columns, dim=-1)
        solution: Tensor = torch.linalg.solve_ex(matrix, right.movedim(1, -1))[0]
        return solution.movedim(-1, 1).contiguous()

    w, residual = -u, equation(-u)
    for _ in range(iterations):
        w = torch.where(residual.norm(dim=1, keepdim=True) < tolerance, w, w - solve(w, residual))
        residual = equation(w)
    if displacement.requires_grad:  # a step of value zero, with the derivative of the inverse
        change = warp(displacement, w)
        w = w - solve(w, change - change.detach())
    return w, residual.norm(dim=1, keepdim=True)


def _difference(field: Tensor, axis: int, faces: str) -> Tensor:
    """Central difference along an array axis; on its faces one-sided, or half of that."""
    n = field.shape[axis]
    index = _coordinate((n,), 0, torch.empty(0, dtype=torch.int64, device=field.device))
    ahead, behind = (index + 1).clamp(max=n - 1), (index - 1).clamp(min=0)
    change = field.index_select(axis, ahead) - field.index_select(axis, behind)
    step = 2 + 0 * index if faces == "half" else (ahead - behind).clamp(min=1)
    return change / step.reshape([-1 if other == axis else 1 for other in range(field.ndim)])


def _jacobian(displacement: Tensor, faces: str) -> Tensor:
    """(B, *S, D, D) with entry (c, a) the derivative of component c of id + u along axis a."""
    columns = []
    for axis, n in enumerate(displacement.shape[2:]):
        x = _coordinate(displacement.shape[2:], axis, displacement)
        slope = torch.ones_like(x) if n == 1 else _difference(x, axis, faces)
        unit = (torch.arange(displacement.shape[1], device=x.device) == axis).to(x.dtype)
        unit = unit.reshape(-1, *[1] * x.ndim)
        columns.append(_difference(displacement, 2 + axis, faces) + slope * unit)
    return torch.stack(columns, dim=-1).movedim(1, -2)


def jacobian_determinant(displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """det D(id + u), (B, 1, *S), by central differences; faces one_sided or half (PyCA's)."""
    determinant: Tensor = torch.linalg.det(_jacobian(displacement, faces))
    return determinant[:, None]


def Ad_star(momentum: Tensor, displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """det(D psi) (D psi)^T (m o psi) with psi = id + u; m is linear, and zero outside the grid."""
    derivative = _jacobian(displacement, faces)
    pulled = warp(momentum, displacement, "linear", "zeros")
    transported = torch.einsum("b...ca,bc...->ba...", derivative, pulled)
    determinant: Tensor = torch.linalg.det(derivative)
    return determinant[:, None] * transported.contiguous()


def smooth_size(n: int) -> int:
    """The smallest size >= n that has no prime factor but 2, 3 and 5."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else smooth_size(n + 1)


@functools.lru_cache(maxsize=8)  # a geodesic asks for the same one at every step
def _gain(
    metric: tuple[Any, ...], sizes: tuple[int, ...], inverse: bool, device: torch.device
) -> Tensor:
    """(D, D, *half spectrum), float64: the symbol of L, or of K, between fields in voxels."""
    alpha, beta, gamma, power, spacing = metric
    axes = range(len(sizes))
    like = torch.empty(0, dtype=torch.float64, device=device)
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    k = [2 * torch.pi / sizes[a] * _coordinate(half, a, like) for a in axes]
    second = [(2 * torch.cos(k[a]) - 2) / spacing[a] ** 2 for a in axes]
    first = [torch.sin(k[a]) / spacing[a] for a in axes]
    matrix = like.new_empty(*half, len(sizes), len(sizes))
    for a, b in itertools.product(axes, axes):
        diagonal = gamma - alpha * sum(second) - beta * second[a]
        matrix[..., a, b] = diagonal if a == b else beta * first[a] * first[b]
    h = like.new_tensor(spacing[: len(sizes)])
    if not inverse:
        symbol: Tensor = torch.linalg.matrix_power(matrix, power) * (h[:, None] * h)
    else:
        origin = (0,) * len(sizes)
        if gamma == 0:  # L ignores a constant velocity, so K leaves it at 0
            matrix[origin] = torch.eye(len(sizes), dtype=like.dtype, device=device)
        symbol = torch.linalg.matrix_power(matrix, -power) / (h[:, None] * h)
        symbol[origin] *= gamma != 0
    return symbol.movedim((-2, -1), (0, 1)).contiguous()


def _multiply_spectrum(field: Tensor, metric: FluidMetric, inverse: bool) -> Tensor:
    shape, pad = field.shape[2:], metric.pad
    sizes = tuple(shape)
    if pad != "none":
        least = [n + (0 if pad == "auto" else int(pad)) for n in shape]
        even = 2 * smooth_size((least[-1] + 1) // 2)  # the last size
        sizes = (*map(smooth_size, least[:-1]), even)
    key = (metric.alpha, metric.beta, metric.gamma, metric.power, tuple(metric.spacing))
    axes = tuple(range(2, field.ndim))
    spectrum = torch.fft.rfftn(field, s=sizes, dim=axes)  # pads with zeros at the end
    gain = _gain(key, sizes, inverse, field.device).to(spectrum.dtype)
    spectrum = torch.einsum("cd...,bd...->bc...", gain, spectrum)
    if metric.band == "half":
        for axis, n in enumerate(sizes):
            k = _coordinate(spectrum.shape[2:], axis, field)
            spectrum = torch.where(torch.minimum(k, n - k) < n / 4, spectrum, 0)
    result: Tensor = torch.fft.irfftn(spectrum, s=sizes, dim=axes)
    crop: tuple[Any, ...] = (..., *(slice(n) for n in shape))
    return result[crop].contiguous()


def sharp(momentum: Tensor, metric: FluidMetric) -> Tensor:
    """K m: the velocity of a momentum, both (B, D, *S) in voxels, on the padded torus."""
    return _multiply_spectrum(momentum, metric, inverse=True)


def flat(velocity: Tensor, metric: FluidMetric) -> Tensor:
    """L v: the momentum of a velocity, both (B, D, *S) in voxels, on the padded torus."""
    return _multiply_spectrum(velocity, metric, inverse=False)


def shoot(
    momentum: Tensor,
    metric: FluidMetric,
    steps: int = 10,
    method: str = "ab2",
    composition: str = "cubic",
    borders: str = "extended",
    memory: str = "fast",
    inverse_iterations: int = 5,
) -> tuple[Tensor, Tensor]:
    """Displacements (psi, phi) of phi_1^-1 and phi_1 of the geodesic with this initial momentum.

    method ab2 (semi-Lagrangian, `composition` linear or cubic) or rk4 (PyCA's, `borders` original
    or extended, `inverse_iterations` of its fixed point). `memory` changes no value.
    """
    if method == "ab2":
        return _shoot_ab2(momentum, metric, steps, composition)
    return _shoot_rk4(momentum, metric, steps, borders, inverse_iterations)


def _foot(velocity: Tensor, dt: float) -> Tensor:
    """Displacement to where a particle that arrives at x started dt earlier: midpoint rule."""
    return -dt * warp(velocity, -dt / 2 * velocity, "linear", "zeros")


def _shoot_ab2(m0: Tensor, metric: FluidMetric, steps: int, mode: str) -> tuple[Tensor, Tensor]:
    dt = 1 / steps
    psi, phi = torch.zeros_like(m0), torch.zeros_like(m0)
    velocity = sharp(m0, metric)
    for step in range(steps):
        if step == 0:  # nothing to extrapolate from: the velocity after half an Euler step
            mean = sharp(Ad_star(m0, _foot(velocity, dt / 2)), metric)
        else:
            previous, velocity = velocity, sharp(Ad_star(m0, psi), metric)
            mean = 1.5 * velocity - 0.5 * previous
        psi = compose(psi, _foot(mean, dt), mode, "border")
        middle = phi + dt / 2 * warp(mean, phi, "linear", "zeros")
        phi = phi + dt * warp(mean, middle, "linear", "zeros")
    return psi, phi


def _shoot_rk4(
    m0: Tensor, metric: FluidMetric, steps: int, borders: str, iterations: int
) -> tuple[Tensor, Tensor]:
    """IntegrateGeodesic of PyCA: phi by RK4, psi carried along by fixed-point iterations."""
    dt = 1 / steps
    faces, outside = ("half", "zeros") if borders == "original" else ("one_sided", "border")
    psi, phi = torch.zeros_like(m0), torch.zeros_like(m0)

    def inverse(change: Tensor) -> Tensor:  # of id + phi + change, near id + psi
        result = psi
        for _ in range(iterations):
            result = compose(psi, -warp(change, result, "linear", "zeros"), "linear", outside)
        return result

    def slope(psi: Tensor, phi: Tensor) -> Tensor:
        return dt * warp(sharp(Ad_star(m0, psi, faces), metric), phi, "linear", "zeros")

    for step in range(steps):
        # At t = 0 with half differences Ad_star of the identity would not be the identity.
        k1 = slope(psi, phi) if step > 0 else dt * sharp(m0, metric)
        k2 = slope(inverse(k1 / 2), phi + k1 / 2)
        k3 = slope(inverse(k2 / 2), phi + k2 / 2)
        k4 = slope(inverse(k3), phi + k3)
        change = (k1 + 2 * k2 + 2 * k3 + k4) / 6
        phi, psi = phi + change, inverse(change)
    return psi, phi


def patch_corners(shape: Sequence[int], size: int, stride: int) -> Tensor:
    """First voxels (N, D), int64, of patches; the last of each axis is flush with the border."""
    lines = [torch.tensor(sorted({*range(0, n - size, stride), n - size})) for n in shape]
    return torch.cartesian_prod(*lines).reshape(-1, len(lines))


def _voxels(corner: Sequence[int], size: int) -> tuple[Any, ...]:
    return (corner[0], slice(None), *(slice(first, first + size) for first in corner[1:]))


def extract_patches(image: Tensor, corners: Tensor, size: int) -> Tensor:
    """Patches (N, C, size, ...) at corners (N, 1 + D): index in the batch, then first voxel."""
    return torch.stack([image[_voxels(corner, size)] for corner in corners.tolist()])


def average_patches(
    patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int = 1
) -> Tensor:
    """Mean (batch, C, *shape) over the patches that cover a voxel; 0 where none does."""
    total = patches.new_zeros(batch, patches.shape[1], *shape)
    count = torch.zeros_like(total)
    for patch, corner in zip(patches, corners.tolist(), strict=True):
        voxels = _voxels(corner, patches.shape[-1])
        total[voxels] = total[voxels] + patch
        count[voxels] += 1
    return total / count.clamp(min=1)
