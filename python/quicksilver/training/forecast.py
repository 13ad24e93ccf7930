"""Forecast the time and the memory of a training, from one of each of the works that it repeats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch

from quicksilver.lddmm.fits import FittedPair
from quicksilver.networks.base import MomentumNetwork
from quicksilver.runtime.devices import free_memory
from quicksilver.runtime.stages import peak_memory
from quicksilver.training.batches import Source
from quicksilver.training.dataset import Volumes
from quicksilver.training.loss import TrainingLoss
from quicksilver.training.settings import Stage

SLOW = 5.0
"""Seconds of a call that is not repeated to be measured."""


@dataclass(frozen=True)
class Work:
    """What a training does again and again.

    Args:
        name: What it is part of: "fits", or a stage.
        times: How often.
        once: Does it once.
        memory: Bytes that are held of it in the end.
    """

    name: str
    times: float
    once: Callable[[], object]
    memory: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of a training.

    Args:
        seconds: By the names of its parts.
        memory: Bytes at the peak.
        free: Bytes that are free now.
    """

    seconds: dict[str, float]
    memory: float
    free: float

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {_write_time(part)}" for name, part in self.seconds.items())
        return (
            f"about {_write_time(sum(self.seconds.values()))} on this machine ({parts}), "
            f"{self.memory / 2**30:.1f} GB of memory ({self.free / 2**30:.1f} GB more are free)"
        )


def make_forecast(works: Iterable[Work], device: torch.device) -> Forecast:
    """Do each of the works once or twice, and reckon what all of them take.

    Example:
        >>> works = [Work("prediction", 100, lambda: time.sleep(0.01))]
        >>> 1 <= make_forecast(works, torch.device("cpu")).seconds["prediction"] < 10
        True
    """
    seconds: dict[str, float] = {}
    memory = 0.0
    for work in works:
        seconds[work.name] = seconds.get(work.name, 0.0) + work.times * _measure(work.once, device)
        memory += work.memory
    return Forecast(seconds, memory + peak_memory(device) * 2**20, free_memory(device))


def take_step(
    network: MomentumNetwork,
    source: Source,
    loss: TrainingLoss,
    stage: Stage,
    device: torch.device,
) -> None:
    """Do what a step of a training does, and leave the weights as they are."""
    batch = source.batch(stage.batch, torch.Generator().manual_seed(0))
    loss(network, batch.to(device)).backward()
    network.zero_grad()


def invent_pair(subjects: Volumes) -> FittedPair:
    """Return a pair of two subjects with a momentum of noise: it costs what a fitted one does."""
    moving, target = subjects.image(0), subjects.image(1)
    generator = torch.Generator().manual_seed(0)
    momentum = 0.01 * torch.randn(1, 3, *moving.shape[2:], generator=generator)
    return FittedPair(moving, target, momentum)


def _measure(once: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a call; of a second one if it is short, since the first prepares."""
    seconds = _clock(once, device)
    return seconds if seconds > SLOW else _clock(once, device)


def _clock(once: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    once()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _write_time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
