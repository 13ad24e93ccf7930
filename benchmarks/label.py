"""A raw head stripped, registered and labelled by us and by ANTs, in one run: ``python -m
benchmarks.label HEAD --atlas A --atlas-labels L ... [--threads N] [--truth LABELS]``.

Each is one process that reads files and writes labels, with as many threads; ours is `quicksilver
label --strip`, ANTs' is `benchmarks.registration.labelling`. Writes a Markdown table to standard
output: the seconds of each stage, those of the whole process, and the mean Dice of all labels
with --truth, or of ours with ANTs'.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.io.images import read_image
from quicksilver.registration.evaluation import average_scores, score_labels

from .measuring.machine import machine
from .registration.labelling import make_parser

STAGES = {"strip": ("read", "strip"), "register": ("register",), "fuse": ("fuse",)}
"""Ours that are compared with one of ANTs', by its name."""


def run(words: list[str], threads: int) -> tuple[float, str]:
    """Run a program with so many threads; return its seconds and what it printed."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    limits["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    begun = time.perf_counter()
    ended = subprocess.run(
        words, env={**os.environ, **limits}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {ended.returncode}\n{ended.stderr}")
    return time.perf_counter() - begun, ended.stdout


def measure_ours(words: list[str], folder: Path, threads: int) -> tuple[dict[str, float], Path]:
    """Return our seconds by stage, "whole" among them, and the file of the labels."""
    whole, _ = run(
        [sys.executable, "-m", "quicksilver", "label", *words, "--strip", "-o", str(folder)],
        threads,
    )
    told = json.loads((folder / "result.json").read_text(encoding="utf-8"))["seconds"]
    stages = {name: sum(told.get(each, 0.0) for each in parts) for name, parts in STAGES.items()}
    return {**stages, "whole": whole}, folder / "labels.nii.gz"


def measure_ants(words: list[str], file: Path, threads: int) -> tuple[dict[str, float], Path]:
    """Return ANTs' seconds, as ours."""
    program = [sys.executable, "-m", "benchmarks.registration.labelling"]
    whole, said = run([*program, words[0], str(file), *words[1:]], threads)
    stages: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return {**stages, "whole": whole}, file


def measure_dice(found: Path, truth: Path) -> float:
    """Return the mean Dice of all labels of a map."""
    ours, theirs = (read_image(file, labels=True) for file in (found, truth))
    scores = score_labels(ours.data, theirs.data, theirs.grid.spacing)
    return float(np.mean([average_scores(scores)["dice"]]))


def write_table(rows: dict[str, dict[str, float]], dices: dict[str, float], of: str) -> str:
    """Write the seconds and the Dice of each program as a table in Markdown."""
    names = [*STAGES, "whole"]
    lines = [
        f"| | {' | '.join(names)} | mean Dice {of} |",
        "|---" * (len(names) + 2) + "|",
    ]
    for program, seconds in rows.items():
        dice = f"{dices[program]:.3f}" if program in dices else ""
        cells = " | ".join(f"{seconds[name]:.1f}" for name in names)
        lines.append(f"| {program} | {cells} | {dice} |")
    return "\n".join(lines)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--truth", type=Path, help="the head's own labels")
    given: Any = parser.parse_args()
    words = [str(given.head)]
    for image, labels in zip(given.atlas, given.atlas_labels, strict=True):
        words += ["--atlas", str(image), "--atlas-labels", str(labels)]
    folder = Path(tempfile.mkdtemp())
    try:
        ours, found = measure_ours(words, folder / "ours", given.threads)
        theirs, other = measure_ants(words, folder / "ants.nii.gz", given.threads)
        if given.truth is None:
            dices, of = {"quicksilver": measure_dice(found, other)}, "with ANTs'"
        else:
            both = (("quicksilver", found), ("ANTs", other))
            dices, of = {name: measure_dice(file, given.truth) for name, file in both}, "with truth"
    finally:
        shutil.rmtree(folder)
    where = machine()
    print(
        f"{where['date'][:10]}, commit {where['commit']}, {where['processor']}, {given.threads} "
        f"threads, load {where['load_average']:.1f}, antspyx {where['peers']['antspyx']}, seconds\n"
    )
    print(write_table({"quicksilver": ours, "ANTs": theirs}, dices, of))


if __name__ == "__main__":
    main()
