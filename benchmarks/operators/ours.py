"""Our operators, as calls on sets of inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.lddmm.metric import pad_metric
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import Model, ModelConfig

from ..measuring.clock import Call, eager
from ..measuring.inputs import Inputs, moderate_momentum
from .peers import Peer, differentiated
from .plain_shooting import PlainShooting

PATCH, STRIDE = 15, 14  # Quicksilver's


def on_images(operator: Callable[..., Any]) -> Peer:
    """operator(image)."""
    return lambda inputs: lambda n: operator(inputs.images[n])


def on_vectors(operator: Callable[..., Any]) -> Peer:
    """operator(vector field of noise)."""
    return lambda inputs: lambda n: operator(inputs.vectors[n])


def on_displacements(operator: Callable[..., Any]) -> Peer:
    return lambda inputs: lambda n: operator(inputs.displacements[n])


def on_moved(operator: Callable[..., Any]) -> Peer:
    """operator(vector field of noise, displacement)."""
    return lambda inputs: lambda n: operator(inputs.vectors[n], inputs.displacements[n])


def copy(inputs: Inputs) -> Call:
    target = torch.empty_like(inputs.images[0])
    return lambda n: target.copy_(inputs.images[n])


def warp_labels(inputs: Inputs) -> Call:
    labels = [(image[:, :1] * 3).to(torch.int16) for image in inputs.images]
    return lambda n: qs.warp_labels(labels[n], inputs.displacements[n])


def invert(inputs: Inputs) -> Call:
    mild = [0.2 * u for u in inputs.displacements]
    return lambda n: qs.invert(mild[n])


def halve(operator: Callable[..., Tensor]) -> Peer:
    def prepare(inputs: Inputs) -> Call:
        shape = [n // 2 for n in inputs.shape]
        fields = inputs.images if operator is qs.resize else inputs.displacements
        return lambda n: operator(fields[n], shape)

    return prepare


def affine(inputs: Inputs) -> Call:
    dims = len(inputs.shape)
    matrix = torch.eye(dims, dims + 1, device=inputs.device)[None] * 1.01
    return lambda n: qs.affine(matrix, displacement=inputs.displacements[n])


def similarity(operator: Callable[..., Tensor]) -> Peer:
    """Compare a warped image and another image."""

    def prepare(inputs: Inputs) -> Call:
        images, u = inputs.images, inputs.displacements
        return lambda n: operator(images[n], images[n - 1], u[n])

    return prepare


def patches(average: bool) -> Peer:
    def prepare(inputs: Inputs) -> Call:
        corners = qs.patch_corners(inputs.shape, PATCH, STRIDE).to(inputs.device)
        corners = torch.cat((torch.zeros_like(corners[:, :1]), corners), 1)
        if not average:
            return lambda n: qs.extract_patches(inputs.images[n], corners, PATCH)
        cut = [qs.extract_patches(image, corners, PATCH) for image in inputs.images]
        return lambda n: qs.average_patches(cut[n], corners, inputs.shape)

    return prepare


METRIC = qs.FluidMetric(pad="none")
"""Shooting is measured on a torus of the field's own size, as the peer has it."""


def _momentum(inputs: Inputs) -> Tensor:
    """A field, not noise: one is enough, since all that the loop works on is its own."""
    largest = min(6.0, min(inputs.shape) / 12)
    return moderate_momentum(inputs.shape, METRIC, largest).to(inputs.device)


def shoot(inputs: Inputs) -> Call:
    momentum = _momentum(inputs)
    return lambda n: qs.shoot(momentum, METRIC, inputs.steps)


def shoot_padded(composition: str) -> Peer:
    """Shoot as `register` does, with a gap around the field."""
    metric = pad_metric(qs.FluidMetric())

    def prepare(inputs: Inputs) -> Call:
        momentum = (
            _momentum(inputs).expand(inputs.batch, -1, *[-1] * len(inputs.shape)).contiguous()
        )
        return lambda n: qs.shoot(momentum, metric, inputs.steps, composition=composition)

    return prepare


def predict(inputs: Inputs) -> Call:
    """Predict, correct and shoot with the paper's networks at their full width, untrained (on tiny
    images: narrow).
    """
    config = ModelConfig(features=64 if min(inputs.shape) > 64 else 4)
    networks = [config.network().to(inputs.device).eval() for _ in range(2)]
    model = Model(config, *networks)
    images = [image.detach()[:, :1].abs() for image in inputs.images]
    return eager(lambda n: config.shoot(infer_momenta(model, images[n], images[n - 1])[-1]))


def shoot_backward(inputs: Inputs) -> Call:
    """The backward pass of `shoot`, both maps, in the least memory."""
    momentum = _momentum(inputs).requires_grad_()
    maps = qs.shoot(momentum, METRIC, inputs.steps, memory="small")
    grads = [torch.randn_like(map) for map in maps]
    return lambda n: torch.autograd.grad(maps, momentum, grads, retain_graph=True)


def shoot_plainly(inputs: Inputs) -> Call:
    """The peer of `shot`."""
    momentum = _momentum(inputs)
    shoot = PlainShooting(momentum, METRIC, inputs.steps, iterations=5)
    return lambda n: shoot(momentum)


def shooting_errors(inputs: Inputs) -> dict[str, float]:
    """Root mean squares, in voxels, of the error of psi against 80 steps of ours in float64."""
    momentum = _momentum(inputs)
    fine, _ = qs.shoot(momentum.double(), METRIC, 80)
    found = {"quicksilver": shoot(inputs)(0)[0], "plain torch RK4": shoot_plainly(inputs)(0)[0]}
    return {
        name: (psi - fine).norm(dim=1).square().mean().sqrt().item() for name, psi in found.items()
    }


OURS: dict[str, Peer] = {
    "copy": copy,
    "warp": lambda inputs: differentiated(inputs, qs.warp),
    "warp backward": lambda inputs: differentiated(inputs, qs.warp),
    "warp_labels": warp_labels,
    "splat": lambda inputs: differentiated(inputs, qs.splat),
    "splat_count": on_displacements(qs.splat_count),
    "compose": on_moved(qs.compose),
    "invert": invert,
    "exponential": on_displacements(partial(qs.exponential, padding_mode="zeros")),  # as its peer
    "jacobian": on_displacements(qs.jacobian),
    "jacobian_determinant": on_displacements(qs.jacobian_determinant),
    "smallest_determinant": on_displacements(qs.smallest_determinant),
    "Ad": on_moved(qs.Ad),
    "Ad_star": on_moved(qs.Ad_star),
    "ad": on_moved(qs.ad),
    "ad_star": on_moved(qs.ad_star),
    "sharp": on_vectors(qs.FluidMetric().sharp),
    "flat": on_vectors(qs.FluidMetric().flat),
    "shoot": shoot,
    "shoot padded": shoot_padded("cubic"),
    "shoot padded linear": shoot_padded("linear"),
    "shoot backward": shoot_backward,
    "predict": predict,
    "resize": halve(qs.resize),
    "resize_displacement": halve(qs.resize_displacement),
    "affine": affine,
    "gradient": on_images(qs.gradient),
    "divergence": on_displacements(qs.divergence),
    "ssd": similarity(qs.ssd),
    "box_mean": on_images(partial(qs.box_mean, window=9)),
    "lncc": similarity(qs.lncc),
    "extract_patches": patches(average=False),
    "average_patches": patches(average=True),
}
