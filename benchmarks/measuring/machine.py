"""Description of the machine: device, versions, commit and load, without which a figure means
nothing.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import quicksilver
import quicksilver_ext as qs

PEERS = ("antspyx", "cupy", "monai", "numpy", "scipy", "SimpleITK", "voxelmorph")
ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("csrc", "quicksilver_ext", "python")


def machine() -> dict[str, Any]:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "quicksilver": qs.info(),
        "peers": dict(_versions(PEERS)),
    }


def source_version() -> str:
    """The version and the last commit of the sources; `-dirty` where they differ from it."""
    git = ["git", "-C", str(ROOT)]

    def answer(*words: str) -> str:
        done = subprocess.run([*git, *words, "--", *SOURCES], capture_output=True, text=True)
        return done.stdout.strip()

    dirty = "-dirty" if answer("status", "--porcelain") else ""
    commit = answer("log", "-1", "--format=%h") or "unknown"
    return f"quicksilver {quicksilver.__version__} commit {commit}{dirty}"


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "missing"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def device_name(device: torch.device) -> str:
    """Name the results file after the GPU, or the CPU and its number of threads."""
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{_processor()} {torch.get_num_threads()} threads"
    )
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
