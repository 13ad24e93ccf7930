"""Say what is installed, what a GPU would need, and how fast this machine is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from quicksilver.commands.common import say

PACKAGE = "quicksilver-registration"
KNOWN = ("torch", "numpy", "scipy", "nibabel", "SimpleITK", "h5py", "matplotlib")


def doctor() -> None:
    """Say what is installed, what a GPU would need, and measure this machine in half a minute."""
    import torch

    import quicksilver_ext as qs
    from quicksilver.commands import console
    from quicksilver.runtime import speed
    from quicksilver.runtime.stages import count_done

    built = qs.info()
    facts = [
        *_list_versions(built),
        *_list_extras(),
        *_list_resources(),
        ("GPU", describe_gpu(built)),
    ]
    console.show_facts("this installation", facts)
    timings = []
    with console.progress() as progress:
        for timing in speed.measure_operators():
            timings.append(timing)
            progress("measure", count_done(len(timings), len(speed.PUBLISHED), "operators"))
    console.show_timings(timings, f"published ({speed.PUBLISHED_BY})", torch.get_num_threads())
    say("less than 1: faster than the published machine; other programs that run now slow this one")


def _list_versions(built: dict[str, Any]) -> Iterator[tuple[str, str]]:
    import platform

    yield "quicksilver", built["version"]
    yield "compiled module", f"{built['cpu']['compiler']}, for {built['cpu']['instructions']}"
    yield "system", platform.platform()
    yield "python", platform.python_version()
    yield from ((name, _find_version(name) or "missing") for name in KNOWN)


def _find_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _list_extras() -> Iterator[tuple[str, str]]:
    """Say for every extra which of its packages are missing."""
    try:
        required = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:  # the sources, which are not installed
        required = []
    extras: dict[str, list[str]] = {}
    for line in required:
        if found := re.fullmatch(r"""\s*([\w.-]+).*;.*extra\s*==\s*["']([\w-]+)["'].*""", line):
            extras.setdefault(found[2], []).append(found[1])
    for extra, packages in extras.items():
        missing = [name for name in packages if _find_version(name) is None]
        words = f"missing: {', '.join(missing)}" if missing else "complete"
        yield f"extra '{extra}'", words


def _list_resources() -> Iterator[tuple[str, str]]:
    import os

    import psutil
    import torch

    from quicksilver.runtime.devices import cpu_has_bfloat16, free_memory

    total, free = psutil.virtual_memory().total, free_memory(torch.device("cpu"))
    yield "memory", f"{total / 2**30:.1f} GB, of which {free / 2**30:.1f} can be used now"
    yield "threads", f"{torch.get_num_threads()} of {os.cpu_count()} logical CPUs"
    networks = "bfloat16" if cpu_has_bfloat16() else "float32 (this CPU has no bfloat16)"
    yield "networks on the CPU", networks


def describe_gpu(built: dict[str, Any]) -> str:
    """Name the GPU, or say what one would need beyond what is there."""
    import shutil

    import torch

    cuda = built["cuda"]
    if cuda["usable"]:
        return f"{torch.cuda.get_device_name()}, compiled for {cuda['architectures']}"
    needs = [
        (shutil.which("nvidia-smi") is None, "an NVIDIA GPU with its driver"),
        (cuda["torch"] is None, "a torch that is built for CUDA"),
        (not cuda["built"], "operators compiled where nvcc is: QS_CUDA=ON pip install ."),
    ]
    missing = [words for lacks, words in needs if lacks]
    return "none; needs " + (", ".join(missing) or "a driver that works (nvidia-smi)")
