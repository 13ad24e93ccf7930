"""Estimate how certain a prediction is by sampling with dropout left on (Gal and Ghahramani 2016).

Every sample is a momentum of its own, through the correction network too, if any, and is shot. The
mean of many maps is no geodesic, has no momentum and need not undo the mean of their inverses. So
the registration itself is the geodesic of the mean momentum, and the mean and the variance of the
maps stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from quicksilver.errors import QuicksilverError
from quicksilver.runtime.stages import count_done

if TYPE_CHECKING:
    from quicksilver.networks.model import Model

Draw = Callable[[], tuple[Tensor, Tensor, Tensor]]
"""Predicts once: the momentum, and what is wanted of psi and phi."""


class Moments:
    """Running mean and variance of fields of one shape, two of them in memory (Welford 1962).

    >>> moments = Moments()
    >>> for value in (1.0, 2.0, 6.0):
    ...     moments.add(torch.tensor([value]))
    >>> moments.mean, moments.variance
    (tensor([3.]), tensor([7.]))
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self._squares = torch.zeros(())

    def add(self, value: Tensor) -> None:
        """Include one more field."""
        self.count += 1
        before = value - self.mean
        self.mean = self.mean + before / self.count
        self._squares = self._squares + before * (value - self.mean)

    @property
    def variance(self) -> Tensor:
        """The sample variance, with `count - 1` in the denominator; at least two samples."""
        return self._squares / (self.count - 1)

    @property
    def deviation(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()


@dataclass(frozen=True)
class Uncertainty:
    """Moments over sampled predictions, all (1, 3, X, Y, Z) on the working grid.

    Args:
        seed: Random seed of the samples.
        momentum: The mean momentum in voxels, whose geodesic the registration is.
        psi: Of the displacements in mm, as `Pair.beyond_affine` gives them.
        phi: Likewise, as `Pair.before_affine` gives them.
    """

    seed: int
    momentum: Tensor
    psi: Moments
    phi: Moments


def require_dropout(model: Model) -> None:
    """Check that samples can be drawn from a model.

    Raises:
        QuicksilverError: The model has no dropout.
    """
    if not model.config.dropout:
        raise QuicksilverError(
            "expected a probabilistic model for samples, found one without dropout; give another "
            "with --model, or leave --samples out"
        )


def sample(
    model: Model,
    draw: Draw,
    samples: int,
    seed: int = 0,
    tell: Callable[[str], None] = lambda news: None,
) -> Uncertainty:
    """Draw predictions with the model's dropout on, and return their moments.

    Args:
        model: A model with dropout.
        draw: Predicts once.
        samples: Number of draws, at least 2.
        seed: Random seed; equal seeds give equal samples.
        tell: Told how many samples are done.

    Raises:
        QuicksilverError: The model has no dropout, or there are fewer than two samples.

    Example:
        >>> from quicksilver.networks.model import Model, ModelConfig
        >>> config = ModelConfig(features=2, dropout=True)
        >>> model = Model(config, config.network().eval())
        >>> patch = torch.ones(1, 1, 15, 15, 15)
        >>> sample(model, lambda: (model.prediction(patch, patch),) * 3, samples=3).psi.count
        3
    """
    require_dropout(model)
    if samples < 2:
        raise QuicksilverError(
            f"expected at least 2 samples for a variance, found {samples}; give more"
        )
    momentum, psi, phi = Moments(), Moments(), Moments()
    with _dropout_on(model.networks().values(), seed):
        for done in range(1, samples + 1):
            for moments, value in zip((momentum, psi, phi), draw(), strict=True):
                moments.add(value)
            tell(count_done(done, samples, "samples"))
    return Uncertainty(seed, momentum.mean, psi, phi)


def find_dropout(network: nn.Module) -> list[nn.Dropout | nn.Dropout3d]:
    """List the dropout layers of a network."""
    return [m for m in network.modules() if isinstance(m, nn.Dropout | nn.Dropout3d)]


@contextmanager
def _dropout_on(networks: Collection[nn.Module], seed: int) -> Iterator[None]:
    """Turn dropout on and seed the random numbers within a block, and restore both afterwards."""
    layers = [layer for network in networks for layer in find_dropout(network)]
    cards = {p.device for net in networks for p in net.parameters() if p.is_cuda}
    with torch.random.fork_rng(cards):
        torch.manual_seed(seed)
        try:
            for layer in layers:
                layer.train()
            yield
        finally:
            for layer in layers:
                layer.eval()
