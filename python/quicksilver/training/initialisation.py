"""Set first weights: a network begins with the first step of the optimiser that it is to imitate.

The first descent direction of LDDMM is (I0 - I1) grad I0: a product of both images. The encoders
see one image each and nothing skips the bottleneck, and gradient descent from random weights does
not find products soon (docs/register.md). So the first weights pass both images on to the last
block of each decoder, as far as the channels suffice. There u = s d + g and v = s d - g mix their
difference d and the derivative g along the decoder's axis, and |u| - |v| = 2 sign(d g) min(|s d|,
|g|), a product in all but curvature, is within reach of the last convolution, which is fitted to
momenta by least squares. A little noise tells equal channels apart.
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quicksilver.networks.patch import DecoderBlock, EncoderBlock, PatchNetwork
from quicksilver.training.patches import FittedPatches

OFFSETS = list(product((0, 1), repeat=3))
"""The eight voxels that are pooled into one; taps 0 and 1 of a transposed convolution."""

NOISE = 0.02  # relative to weights that keep the variance of the signal
POINT_SCALES = (0.25, 0.5, 1.0, 2.0)
MEAN_SCALES = (0.5, 1.0, 2.0, 4.0)
"""The factors s, for d at a voxel and for its mean over 27: the kinks of |u| - |v| in one sum."""
CONTRAST = 5.0  # differences and derivatives of normalised images are about 0.2
BATCHES, BATCH = 8, 8
RIDGE = 1e-3  # relative to the mean square of the features


def initialise(
    network: PatchNetwork, patches: FittedPatches, scale: float, generator: torch.Generator
) -> None:
    """Set the first weights, after which the network predicts momenta in units of `scale`."""
    features = network.encoder_m_1.conv_input.out_channels
    kept = 2 ** int(math.log2(min(8, max(1, features // 4))))
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            _make_noise(module, generator)
    for image in "mt":
        _hand_down(
            getattr(network, f"encoder_{image}_1"), getattr(network, f"encoder_{image}_2"), kept
        )
    for axis, name in enumerate("xyz"):
        first = getattr(network, f"decoder_{name}_1")
        last = getattr(network, f"decoder_{name}_2")
        _hand_up(first, last, kept)
        _mix(last, axis)
    _fit_outputs(network, patches, scale, generator)


def _make_noise(layer: nn.Conv3d | nn.ConvTranspose3d, generator: torch.Generator) -> None:
    inputs = layer.in_channels * math.prod(layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose3d):
        inputs //= math.prod(layer.stride)  # taps that reach one output voxel
    nn.init.normal_(layer.weight, std=NOISE * math.sqrt(2 / inputs), generator=generator)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def _pass_on(layer: nn.Conv3d, period: int) -> None:
    """Make output channel j input channel j modulo `period`."""
    for j in range(layer.out_channels):
        layer.weight.data[j, j % period % layer.in_channels, 1, 1, 1] += 1


def _group(offset: int, kept: int) -> int:
    """Return which of the `kept` means of neighbours a voxel of a cell of the first level belongs
    to.
    """
    return offset * kept // 8


def _hand_down(first: EncoderBlock, second: EncoderBlock, kept: int) -> None:
    """Pass images down: channel j of level 1 is mean j modulo `kept` of a cell, of level 2 all its
    eight cells.
    """
    for block in (first, second):
        _pass_on(block.conv_inblock1, block.conv_inblock1.in_channels)
        _pass_on(block.conv_inblock2, block.conv_inblock2.in_channels)
    _pass_on(first.conv_input, 1)
    _pass_on(second.conv_input, kept)
    for index, offset in enumerate(OFFSETS):
        for j in range(first.conv_pooling.out_channels):
            if _group(index, kept) == j % kept:
                first.conv_pooling.weight.data[(j, j, *offset)] += kept / 8
        for j in range(second.conv_pooling.out_channels):
            if index == j // kept % 8:
                second.conv_pooling.weight.data[(j, j, *offset)] += 1


def _hand_up(first: DecoderBlock, last: DecoderBlock, kept: int) -> None:
    """Pass images up again: in the end even channels hold the moving image, odd ones the target."""
    _pass_on(first.conv_inblock1, first.conv_inblock1.in_channels)
    _pass_on(first.conv_inblock2, first.conv_inblock2.in_channels)
    _pass_on(first.conv_output, first.conv_output.in_channels)
    per_image = first.conv_unpooling.in_channels // 2
    for index, offset in enumerate(OFFSETS):
        for j in range(first.conv_unpooling.out_channels):
            source = j // 2 % kept + kept * index
            if source < per_image:
                first.conv_unpooling.weight.data[(j % 2 * per_image + source, j, *offset)] += 1
        for j in range(last.conv_unpooling.out_channels):
            source = j % 2 + 2 * _group(index, kept)
            last.conv_unpooling.weight.data[(source, j, *offset)] += 1


def _mix(last: DecoderBlock, axis: int) -> None:
    """Make channels u, -u, v, -v for every factor, as many as there are."""
    derivative, point, mean = torch.zeros(3, last.conv_inblock1.in_channels, 3, 3, 3)
    ahead, behind = [1, 1, 1], [1, 1, 1]
    ahead[axis], behind[axis] = 2, 0
    derivative[(0, *ahead)], derivative[(0, *behind)] = 0.5, -0.5
    point[0, 1, 1, 1], point[1, 1, 1, 1] = 1, -1
    mean[0], mean[1] = 1 / 27, -1 / 27
    scaled = [s * point for s in POINT_SCALES] + [s * mean for s in MEAN_SCALES]
    kernels = [k for d in scaled for u in (d + derivative, d - derivative) for k in (u, -u)]
    weight = last.conv_inblock1.weight.data
    for j in range(min(len(weight), len(kernels))):
        weight[j] += CONTRAST * kernels[j]
    _pass_on(last.conv_inblock2, last.conv_inblock2.in_channels)


@torch.no_grad()
def _fit_outputs(
    network: PatchNetwork, patches: FittedPatches, scale: float, generator: torch.Generator
) -> None:
    """Fit the last convolution of each decoder by least squares, through its normal equations."""
    blocks = [getattr(network, f"decoder_{name}_2") for name in "xyz"]
    inputs: dict[nn.Module, Tensor] = {}
    hooks = [
        block.conv_output.register_forward_pre_hook(
            lambda layer, args: inputs.update({layer: args[0]})
        )
        for block in blocks
    ]
    size = 27 * blocks[0].conv_output.in_channels + 1
    matrices, rights = torch.zeros(3, size, size), torch.zeros(3, size)
    for _ in range(BATCHES):
        batch = patches.batch(BATCH, generator)
        assert batch.momentum is not None
        network(batch.seen_moving, batch.seen_target)
        for k, block in enumerate(blocks):
            rows = _neighbourhoods(inputs[block.conv_output])
            matrices[k] += rows.T @ rows
            rights[k] += rows.T @ (batch.momentum[:, k].reshape(-1) / scale)
    for hook in hooks:
        hook.remove()
    for block, matrix, right in zip(blocks, matrices.double(), rights.double(), strict=True):
        matrix.diagonal().add_(RIDGE * matrix.diagonal().mean())
        solution = torch.linalg.solve(matrix, right).float()
        block.conv_output.weight.copy_(solution[:-1].reshape(block.conv_output.weight.shape))
        block.conv_output.bias.copy_(solution[-1:])


def _neighbourhoods(field: Tensor) -> Tensor:
    """Return what a 3^3 convolution of (N, C, X, Y, Z) sees, and 1 for its bias: (voxels, 27 * C +
    1).
    """
    windows = F.pad(field, [1] * 6).unfold(2, 3, 1).unfold(3, 3, 1).unfold(4, 3, 1)
    rows = windows.permute(0, 2, 3, 4, 1, 5, 6, 7).reshape(-1, 27 * field.shape[1])
    return F.pad(rows, (0, 1), value=1.0)
