"""Choose the device that computes, and check that its memory is enough."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import torch

import quicksilver_ext
from quicksilver.errors import QuicksilverError
from quicksilver.runtime import distributed

CGROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Files, below /sys/fs/cgroup, of a memory limit and of its use: in both versions of cgroups."""


KINDS = ("cpu", "cuda")
"""Kinds of devices for which there are operators."""


def pick_device(name: str | torch.device) -> torch.device:
    """Return the device of a name such as "cpu" or "cuda:1"; "auto" takes a GPU if there is one.

    Raises:
        QuicksilverError: This machine has no such device, or one older than the operators know.
    """
    if name == "auto":
        own = distributed.local_rank()  # if torchrun started several processes
        name = f"cuda:{own}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in KINDS or (device.type == "cpu" and device.index):
            raise ValueError(name)
        torch.empty(1, device=device)
        if device.type == "cuda":
            require_capability(device)
    except QuicksilverError:
        raise
    except Exception as error:  # backends that are not there raise anything
        raise QuicksilverError(
            f"expected a device of this machine ({', '.join(KINDS)}), found '{name}', which cannot "
            "be used; try --device cpu"
        ) from error
    return device


def require_capability(device: torch.device) -> None:
    """Check that the operators were compiled for a GPU, or for one older than it.

    Raises:
        QuicksilverError: It is older than all that they were compiled for.
    """
    built = [int(n) for n in re.findall(r"\d+", quicksilver_ext.info()["cuda"]["architectures"])]
    major, minor = torch.cuda.get_device_capability(device)
    if built and 10 * major + minor < min(built):
        oldest = divmod(min(built), 10)
        raise QuicksilverError(
            f"expected a GPU of compute capability {oldest[0]}.{oldest[1]} or newer, for which the "
            f"operators were compiled, found {torch.cuda.get_device_name(device)} with "
            f"{major}.{minor}; try --device cpu, or install with CMAKE_ARGS="
            f"-DQS_CUDA_ARCHITECTURES={10 * major + minor}"
        )


def cpu_has_bfloat16() -> bool:
    """Tell whether the CPU has instructions for bfloat16, which is slow without them."""
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # missing in torch 2.8
    return any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))


def free_memory(device: torch.device, groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that this process can still take: of the GPU, the machine or its container.

    Args:
        device: A GPU, or the CPU for the memory of the machine.
        groups: Folder of the control groups, which limit containers.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + held)
    left = [psutil.virtual_memory().available]
    for limit, used in CGROUPS:
        try:
            left.append(int((groups / limit).read_text()) - int((groups / used).read_text()))
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
    return max(min(left), 0)


def require_memory(needed: float, device: torch.device, advice: str) -> None:
    """Check, before anything is computed, that enough memory is free.

    Args:
        needed: Bytes.
        device: Where they are needed.
        advice: What to do if they are not free, the end of the sentence.

    Raises:
        QuicksilverError: Fewer bytes are free.
    """
    free = free_memory(device)
    if needed > free:
        raise QuicksilverError(
            f"expected about {needed / 2**30:.1f} GB of free memory on {device}, found "
            f"{free / 2**30:.1f} GB; {advice}"
        )
