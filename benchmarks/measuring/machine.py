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
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": ask_git("describe", "--always", "--dirty") or "unknown",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "quicksilver": qs.info(),
        "peers": dict(_versions(PEERS)),
    }


def ask_git(*words: str) -> str:
    """Return what git answers about this repository; nothing where there is no git."""
    command = ["git", "-C", str(ROOT), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def source_version() -> str:
    """The version and the last commit of the sources; `-dirty` where they differ from it."""
    dirty = "-dirty" if ask_git("status", "--porcelain", "--", *SOURCES) else ""
    commit = ask_git("log", "-1", "--format=%h", "--", *SOURCES) or "unknown"
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
