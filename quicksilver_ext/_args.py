"""Checks and conversions that all operators share: tensors to fields, streams and threads to
queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import _core
from ._threads import usable_threads

FLOATS = (torch.float32, torch.float64)
TAPS = {"nearest": 1, "linear": 2, "cubic": 4}
HALVES = (torch.float16, torch.bfloat16)
_BITS = {
    1: _core.DType.bits8,
    2: _core.DType.bits16,
    4: _core.DType.bits32,
    8: _core.DType.bits64,
}


def field(tensor: Tensor) -> _core.Field:
    """Describe a contiguous (B, C, *S) tensor to the core; integers are bits of their size."""
    if tensor.dtype == torch.float32 or tensor.dtype == torch.complex64:
        dtype = _core.DType.float32
    elif tensor.dtype == torch.float64 or tensor.dtype == torch.complex128:
        dtype = _core.DType.float64
    else:
        dtype = _BITS[tensor.element_size()]
    return _core.Field(tensor.data_ptr(), dtype, tuple(tensor.shape))


def new_vectors(like: Tensor) -> Tensor:
    """Return unwritten memory for an interleaved copy of a vector field (B, D, *S): (B, *S, L), a
    voxel's components together in L = 4 numbers in 3-D, 2 in 2-D.
    """
    batch, dims, *grid = like.shape
    return in_huge_pages(like.new_empty((batch, *grid, 4 if dims == 3 else 2)))


def vectors(tensor: Tensor) -> _core.Field:
    """Describe an interleaved field (B, *S, L) to the core, as (B, L, *S)."""
    return field(tensor.view(tensor.shape[0], tensor.shape[-1], *tensor.shape[1:-1]))


def in_huge_pages(tensor: Tensor) -> Tensor:
    """Ask for huge pages for a new, unwritten tensor on the CPU, and return it.

    Otherwise first touching a large result takes as long as computing it.
    """
    if tensor.device.type == "cpu":
        _core.prefer_huge_pages(tensor.data_ptr(), tensor.nbytes)
    return tensor


def new_field(tensor: Tensor) -> _core.Field:
    """Describe a new, unwritten tensor to the core, in huge pages."""
    return field(in_huge_pages(tensor))


def pack(tensor: Tensor) -> Tensor:
    """Make a tensor contiguous, and a batch that repeats one entry a batch of one."""
    if tensor.shape[0] > 1 and tensor.stride(0) == 0:
        tensor = tensor[:1]
    return tensor.contiguous()


def batch_of(*tensors: Tensor) -> int:
    """Return the common batch size; a batch of one serves every entry."""
    return next((t.shape[0] for t in tensors if t.shape[0] != 1), 1)


def to_batch(tensor: Tensor, batch: int) -> Tensor:
    """Bring a gradient, or an operand, to a batch size: sum over the batch, or repeat it."""
    if tensor.shape[0] == batch:
        return tensor
    return tensor.sum(0, keepdim=True) if batch == 1 else tensor.expand(batch, *tensor.shape[1:])


def promote(*tensors: Any) -> tuple[Any, ...]:
    """Convert half precision to float32, in which operators compute, where torch.autocast is on."""
    return tuple(
        t.float()
        if isinstance(t, Tensor) and t.dtype in HALVES and torch.is_autocast_enabled(t.device.type)
        else t
        for t in tensors
    )


def queue_of(tensor: Tensor) -> _core.Queue:
    """Return the queue of a tensor: its device's current stream, or torch's number of threads."""
    if tensor.device.type == "cuda":
        stream = torch.cuda.current_stream(tensor.device).cuda_stream
        return _core.Queue(tensor.device.index, stream, 1)
    return _core.Queue(-1, 0, usable_threads(torch.get_num_threads()))


def check_dense(op: str, argument: str, tensor: object) -> None:
    """Require a tensor with all of its elements in memory: not sparse, nested or quantized."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{op}: {argument}: expected a torch.Tensor, found {type(tensor).__name__}; convert it "
            "with torch.as_tensor"
        )
    if tensor.is_nested:
        raise TypeError(
            f"{op}: {argument}: expected a tensor of one shape, found a nested one; pass its parts "
            "one by one, or pad them"
        )
    if tensor.layout != torch.strided or tensor.is_quantized:
        found = tensor.dtype if tensor.is_quantized else tensor.layout
        convert = "dequantize" if tensor.is_quantized else "to_dense"
        raise TypeError(
            f"{op}: {argument}: expected a dense tensor, found {found}; convert it with "
            f".{convert}()"
        )


def check_field(op: str, argument: str, tensor: object, *, floating: bool = True) -> None:
    """Require a (B, C, X, Y) or (B, C, X, Y, Z) tensor on the CPU or a CUDA device."""
    check_dense(op, argument, tensor)
    assert isinstance(tensor, Tensor)
    if tensor.ndim not in (4, 5):
        raise ValueError(
            f"{op}: {argument}: expected (B, C, X, Y) or (B, C, X, Y, Z), found shape "
            f"{tuple(tensor.shape)}; add batch and channel axes"
        )
    if floating and tensor.dtype not in FLOATS:
        raise TypeError(
            f"{op}: {argument}: expected float32 or float64, found {tensor.dtype}; convert it with "
            ".float()"
        )
    if tensor.device.type not in ("cpu", "cuda", "meta"):
        raise ValueError(
            f"{op}: {argument}: expected a tensor on the CPU or a CUDA device, found "
            f"{tensor.device}; move it there"
        )
    if 0 in tensor.shape[1:]:
        raise ValueError(
            f"{op}: {argument}: expected at least one channel and one voxel, found shape "
            f"{tuple(tensor.shape)}; pass a tensor with elements"
        )


def check_vectors(op: str, argument: str, tensor: object) -> None:
    """Require a field with one component per axis."""
    check_field(op, argument, tensor)
    assert isinstance(tensor, Tensor)
    if tensor.shape[1] != tensor.ndim - 2:
        raise ValueError(
            f"{op}: {argument}: expected {tensor.ndim - 2} components along axis 1, found shape "
            f"{tuple(tensor.shape)}; component c moves along array axis c"
        )


def check_same_place(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    """Require the dtype, device and number of axes of the operator's other tensor."""
    check_same_dtype(op, argument, tensor, other)
    check_same_axes(op, argument, tensor, other)


def check_same_dtype(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    if tensor.dtype != other.dtype:
        raise TypeError(
            f"{op}: {argument}: expected {other.dtype} as the other argument, found "
            f"{tensor.dtype}; convert one of them"
        )


def check_same_device(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    if tensor.device != other.device:
        raise ValueError(
            f"{op}: {argument}: expected a tensor on {other.device} as the other argument, found "
            f"{tensor.device}; move one of them"
        )


def check_same_axes(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    """Require the device and number of axes of the operator's other tensor."""
    check_same_device(op, argument, tensor, other)
    if tensor.ndim != other.ndim:
        raise ValueError(
            f"{op}: {argument}: expected {other.ndim} axes as the other argument, found shape "
            f"{tuple(tensor.shape)}; pass fields of one dimension"
        )


def check_same_grid(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    check_same_place(op, argument, tensor, other)
    if tensor.shape[2:] != other.shape[2:]:
        raise ValueError(
            f"{op}: {argument}: expected the grid {tuple(other.shape[2:])} of the other argument, "
            f"found {tuple(tensor.shape[2:])}; resample one of them"
        )


def check_samples(
    op: str, argument: str, sizes: Sequence[int], mode: str, *, single: bool = False
) -> None:
    """Require as many samples along each axis as the interpolation has taps; single: or one."""
    taps = TAPS[mode]
    if any(n < taps and not (single and n == 1) for n in sizes):
        raise ValueError(
            f"{op}: {argument}: expected at least {taps} samples along each axis for mode "
            f"{mode!r}, found sizes {tuple(sizes)}; drop single-sample axes or use a "
            "simpler mode"
        )


def check_batch(op: str, argument: str, tensor: Tensor, other: Tensor) -> None:
    """Require equal batch sizes, or a batch of one."""
    if tensor.shape[0] != other.shape[0] and 1 not in (tensor.shape[0], other.shape[0]):
        raise ValueError(
            f"{op}: {argument}: expected a batch of {other.shape[0]} or 1, found "
            f"{tensor.shape[0]}; match the batch sizes"
        )


def expand_batches(op: str, argument: str, tensor: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Expand both tensors to one batch size; a batch of one is repeated."""
    check_batch(op, argument, tensor, other)
    batch = batch_of(tensor, other)
    return to_batch(tensor, batch), to_batch(other, batch)


def widen_single_axes(image: Tensor, mode: str, padding_mode: str) -> Tensor:
    """Continue an image along axes of one sample to as many samples as the core's taps."""
    taps = TAPS[mode]
    for axis, size in enumerate(image.shape[2:], 2):
        shape = [*image.shape]
        if size == 1 and padding_mode == "zeros":
            shape[axis] = taps - 1
            image = torch.cat((image, image.new_zeros(shape)), axis)
        elif size == 1:
            shape[axis] = taps
            image = image.expand(shape)
    return image
