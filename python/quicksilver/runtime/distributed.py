"""Processes that work together: those that `torchrun` starts, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from quicksilver.errors import QuicksilverError

Item = TypeVar("Item")


def rank() -> int:
    """Return the number of this process."""
    number = _read("RANK", 0, 0)
    if number >= count():
        raise QuicksilverError(
            f"expected RANK below WORLD_SIZE ({count()}), found {number}; start with torchrun"
        )
    return number


def local_rank() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return _read("LOCAL_RANK", 0, 0)


def count() -> int:
    """Return the number of processes."""
    return _read("WORLD_SIZE", 1, 1)


def _read(name: str, otherwise: int, least: int) -> int:
    """Return the number that torchrun has put into the environment."""
    text = os.environ.get(name, "").strip() or str(otherwise)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise QuicksilverError(
            f"expected {name} in the environment to be an integer of at least {least}, found "
            f"'{text}'; unset it, or start with torchrun"
        )
    return int(text)


def own_share(items: Sequence[Item]) -> Sequence[Item]:
    """Return every n-th item for n processes, from this one's number on."""
    return items[rank() :: count()]


def is_first() -> bool:
    """Tell whether this process writes the files."""
    return rank() == 0


def join(device: torch.device) -> torch.device:
    """Connect to the other processes, if any, and return the device that this one should use."""
    if count() == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", local_rank())
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def wait() -> None:
    """Wait until every process is here."""
    if count() > 1:
        dist.barrier()


@torch.no_grad()
def share(network: nn.Module) -> None:
    """Copy the weights of the first process to all others."""
    if count() > 1:
        for value in network.state_dict().values():
            dist.broadcast(value, 0)


@torch.no_grad()
def average_gradients(network: nn.Module) -> None:
    """Average the gradients of all processes, in all of them."""
    if count() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
