"""How long something takes, and where it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

import quicksilver_ext as qs


def alternate(cases: dict[str, Callable[[], Any]], repeats: int = 7) -> dict[str, dict[str, float]]:
    """Seconds of each case, run in turn (A B A B ...), so that whatever else the machine does meets all alike."""
    for run in cases.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: spread(values) for name, values in seconds.items()}


def spread(values: list[float]) -> dict[str, float]:
    low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return {
        "median": median(values),
        "quartile_low": low,
        "quartile_high": high,
        "runs": len(values),
    }


def machine() -> dict[str, Any]:
    """Device, versions, commit and load: a figure without them means nothing."""
    root = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "quicksilver": qs.info(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def device_name() -> str:
    """Names the results file: the GPU, or the processor and its number of threads."""
    name = (
        torch.cuda.get_device_name()
        if qs.info()["cuda"]["usable"]
        else f"{_processor()} {torch.get_num_threads()} threads"
    )
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
