from typing import Any

class DType:
    float32: DType
    float64: DType
    bits8: DType
    bits16: DType
    bits32: DType
    bits64: DType

class Mode:
    nearest: Mode
    linear: Mode
    cubic: Mode

class Padding:
    border: Padding
    zeros: Padding
    reflect: Padding
    wrap: Padding

class Faces:
    one_sided: Faces
    half: Faces

class Field:
    def __init__(self, data: int, dtype: DType, shape: tuple[int, ...]) -> None: ...

class Queue:
    def __init__(self, device: int, stream: int, threads: int) -> None: ...

class Sampling:
    def __init__(self, mode: Mode, padding: Padding) -> None: ...

class FluidSymbol:
    def __init__(
        self,
        alpha: float,
        beta: float,
        gamma: float,
        power: int,
        inverse: bool,
        scale0: float,
        scale1: float,
        scale2: float,
    ) -> None: ...

class FluidTorus:
    def __init__(
        self, size0: int, size1: int, size2: int, kept1: int, kept2: int, block_memory: int
    ) -> None: ...

def fluid_order(length: int, gpu: bool) -> list[int]: ...
def block_memory(device: int) -> int: ...
def prefer_huge_pages(data: int, bytes: int) -> None: ...
def build_info() -> dict[str, Any]: ...

# The operators, written by csrc/bindings/stub.py.

def warp(
    image: Field, displacement: Field, out: Field, sampling: Sampling, queue: Queue
) -> None: ...
def warp_bits(
    image: Field, displacement: Field, out: Field, padding: Padding, queue: Queue
) -> None: ...
def warp_displacement_gradient(
    image: Field, displacement: Field, grad: Field, out: Field, sampling: Sampling, queue: Queue
) -> None: ...
def compose(outer: Field, inner: Field, out: Field, sampling: Sampling, queue: Queue) -> None: ...
def warp_labels(
    labels: Field, displacement: Field, out: Field, padding: Padding, queue: Queue
) -> None: ...
def splat(
    values: Field, displacement: Field, out: Field, scale: int, sampling: Sampling, queue: Queue
) -> None: ...
def warp_tangent(
    image: Field,
    displacement: Field,
    direction: Field,
    out: Field,
    sampling: Sampling,
    queue: Queue,
) -> None: ...
def splat_tangent(
    values: Field,
    displacement: Field,
    direction: Field,
    out: Field,
    sampling: Sampling,
    queue: Queue,
) -> None: ...
def warp_hessian(
    image: Field,
    displacement: Field,
    values: Field,
    direction: Field,
    out: Field,
    sampling: Sampling,
    queue: Queue,
) -> None: ...
def invert(
    displacement: Field,
    inverse: Field,
    residual: Field,
    iterations: int,
    tolerance: float,
    queue: Queue,
) -> None: ...
def invert_gradient(
    displacement: Field, inverse: Field, grad: Field, out: Field, queue: Queue
) -> None: ...
def jacobian_determinant(displacement: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def jacobian_determinant_gradient(
    displacement: Field, grad: Field, out: Field, faces: Faces, queue: Queue
) -> None: ...
def smallest_determinant(displacement: Field, out: Field, queue: Queue) -> None: ...
def gradient(field: Field, out: Field, identity: bool, faces: Faces, queue: Queue) -> None: ...
def gradient_transpose(matrices: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def divergence(field: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def divergence_transpose(field: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def warp_residual(
    image: Field,
    target: Field,
    displacement: Field,
    residual: Field,
    slopes: Field,
    padding: Padding,
    queue: Queue,
) -> None: ...
def box_mean(field: Field, out: Field, axis: int, window: int, queue: Queue) -> None: ...
def Ad_star(
    momentum: Field, displacement: Field, out: Field, faces: Faces, queue: Queue
) -> None: ...
def Ad_star_gradient(
    momentum: Field,
    displacement: Field,
    grad: Field,
    pulled: Field,
    matrices: Field,
    direct: Field,
    faces: Faces,
    queue: Queue,
) -> None: ...
def ad(velocity: Field, other: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def ad_star(velocity: Field, momentum: Field, out: Field, faces: Faces, queue: Queue) -> None: ...
def fluid(
    field: Field,
    out: Field,
    workspace: Field,
    tables: int,
    torus: FluidTorus,
    symbol: FluidSymbol,
    queue: Queue,
) -> None: ...
def fluid_symbol(spectrum: Field, tables: int, symbol: FluidSymbol, queue: Queue) -> None: ...
def interleave(field: Field, before: Field, out: Field, beyond: float, queue: Queue) -> None: ...
def advance(
    velocity: Field, psi: Field, out: Field, dt: float, composition: Mode, queue: Queue
) -> None: ...
def advance_gradient(
    velocity: Field,
    psi: Field,
    grad: Field,
    foot: Field,
    back: Field,
    pulled: Field,
    to_psi: Field,
    to_velocity: Field,
    dt: float,
    composition: Mode,
    queue: Queue,
) -> None: ...
def follow(velocity: Field, phi: Field, out: Field, dt: float, queue: Queue) -> None: ...
def follow_gradient(
    velocity: Field,
    phi: Field,
    grad: Field,
    middle: Field,
    at_middle: Field,
    at_phi: Field,
    to_velocity: Field,
    dt: float,
    queue: Queue,
) -> None: ...
def update_inverse(
    inverse: Field,
    increment: Field,
    out: Field,
    iterations: int,
    tolerance: float,
    padding: Padding,
    queue: Queue,
) -> None: ...
def extract_patches(image: Field, corners: int, patches: Field, queue: Queue) -> None: ...
def add_patches(patches: Field, corners: int, out: Field, scale: int, queue: Queue) -> None: ...
