"""Small changes by one command: ``python -m benchmarks.change FOLDER --data DATA [NAME ...]``.

How much of a known change of volume is found, and how much where nothing changed. For every
person of FOLDER (NAME_t1.nii.gz and NAME_lab.nii.gz, aligned on one grid; with --data, those that
it lacks are aligned into it first) an image after a change is made: simulated atrophy of 1 to 5 %
in hippocampus, ventricles and cortex, a small random geodesic, or no change, each with another
noise, bias field, contrast and sharpness. Rescans are two scans of one person. Every method
registers the image after to the one before; what it found of a structure is the mean Jacobian
determinant of its map over the labels before. Without names, the last 15 of --data's train_2mm,
of whom no model has learned.

The section "## Small changes" of the output (Markdown) is written anew after every result. All
results are kept in a JSON file beside it: what is there for the same images, method, settings and
version is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import quicksilver_ext as qs
from quicksilver.images.intensity import normalise
from quicksilver.io.files import write_json
from quicksilver.io.images import write_image
from quicksilver.lddmm.metric import pad_metric
from quicksilver.training.synthesis import disturb, draw_geodesic

from .accuracy import Store, align
from .measuring.machine import ROOT, machine
from .measuring.place import Record
from .registration.atrophy import Change, measure_volume_changes, simulate_atrophy
from .registration.methods import Method, Subject, digest, methods
from .reporting.change_table import HEADING, section
from .reporting.table import with_section

NAMES = ("correction", "refine", "lddmm", "syn")
PEOPLE = 15
CORTEX = range(100, 208)  # codes of gyri: even ones of the right side
SIDES = {"right": 0, "left": 1}
STRUCTURES = {
    f"{side} {name}": codes
    for side, odd in SIDES.items()
    for name, codes in {
        "hippocampus": (47 + odd,),
        "ventricle": (51 + odd,),
        "cortex": tuple(code for code in CORTEX if code % 2 == odd),
    }.items()
}
"""Label codes by name, of MUSE as of the MICCAI 2012 challenge."""

GROWS = {"hippocampus": -1, "ventricle": 1, "cortex": -1}
LEAST, MOST = 0.01, 0.05  # of a structure's volume
LARGEST = (0.5, 1.5)  # voxels that a random geodesic moves the brain at most
DISTURBANCE = 0.5  # of contrast, bias, sharpness and noise; 1 is a wide range of real scanners


@dataclass(frozen=True)
class Case:
    """A brain before and after a change; truth: the logarithm of volume after over before, by
    structure."""

    kind: str
    before: Subject
    after: Subject
    truth: dict[str, float]


def make_case(kind: str, before: Subject) -> Case:
    """Make what CHANGES[kind] makes of a brain; it is kept in the folder `changes` beside it."""
    place = before.folder / "changes"
    after, told = Subject(place, f"{before.name}_{kind}"), place / f"{before.name}_{kind}.json"
    if not told.exists():
        place.mkdir(exist_ok=True)
        change, seen = simulate(kind, before)
        write_image(after.files[0], seen[0, 0].numpy(), before.image.affine)
        determinant = qs.jacobian_determinant(change.forth)[0, 0]
        write_json(told, measure_volume_changes(determinant, before.labels.data, STRUCTURES))
    return Case(kind, before, after, json.loads(told.read_text()))


def simulate(kind: str, before: Subject) -> tuple[Change, torch.Tensor]:
    """Make a change of a brain, and what a scanner shows after it, the same every time."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{before.name} {kind}".encode()))
    image = normalise(torch.from_numpy(before.image.data)[None, None])
    change = CHANGES[kind](image, before.labels.data, generator)
    return change, disturb(qs.warp(image, change.back), generator, DISTURBANCE)


def draw_atrophy(_: torch.Tensor, labels: np.ndarray, generator: torch.Generator) -> Change:
    """Draw another amount for every structure."""
    parts = torch.rand(len(STRUCTURES), generator=generator).tolist()
    asked = {
        codes: GROWS[name.split()[1]] * (LEAST + (MOST - LEAST) * part)
        for (name, codes), part in zip(STRUCTURES.items(), parts, strict=True)
        if np.isin(labels, codes).any()
    }
    return simulate_atrophy(labels, asked)


def draw_small_geodesic(image: torch.Tensor, _: np.ndarray, generator: torch.Generator) -> Change:
    """Draw a small geodesic of the shipped models' metric."""
    metric = pad_metric(qs.FluidMetric())
    _, psi, phi = draw_geodesic(image, metric, generator, largest=LARGEST)
    return Change(forth=phi, back=psi)


def keep(image: torch.Tensor, *_: Any) -> Change:
    """Keep the image as it is: what differs is the scanner."""
    still = image.new_zeros(1, 3, *image.shape[2:])
    return Change(still, still)


CHANGES: dict[str, Callable[[torch.Tensor, np.ndarray, torch.Generator], Change]] = {
    "atrophy": draw_atrophy,
    "geodesic": draw_small_geodesic,
    "disturbed": keep,
}


def pair_rescans(before: Subject, after: Subject) -> Case:
    """Pair two scans of one person within weeks, in which nothing changed."""
    return Case("rescan", before, after, dict.fromkeys(STRUCTURES, 0.0))


def key_of(case: Case, method: Method) -> Record:
    """Return what decides a result: images, method, settings and version."""
    return {
        "kind": case.kind,
        "moving": case.after.name,
        "target": case.before.name,
        "images": digest(case.after.files[0], *case.before.files),
        "method": method.name,
        "settings": method.settings,
        "version": method.version,
    }


def measure(case: Case, method: Method) -> Record:
    """Register the image after to the one before; return the changes found and the true ones."""
    found = method.run(case.after, case.before)
    labels = case.before.labels
    determinant = qs.jacobian_determinant(found.displacement.onto(labels.grid).in_voxels())[0, 0]
    where = machine()
    return {
        "truth": case.truth,
        "found": measure_volume_changes(determinant, labels.data, STRUCTURES),
        "folded_voxels": found.folded_voxels,
        "seconds": found.seconds,
        **{name: where[name] for name in ("date", "processor", "cores", "load_average")},
    }


def list_cases(arguments: argparse.Namespace) -> list[Callable[[], Case]]:
    """List all cases, each made when it is asked for."""
    folder, data = arguments.folder, arguments.data
    names = arguments.names
    if not names and data:
        files = sorted((data / "train_2mm").glob("*_t1.nii.gz"))
        names = [file.name.removesuffix("_t1.nii.gz") for file in files[-PEOPLE:]]
    pairs = [tuple(word.split(":")) for word in arguments.rescans.split(",") if word]
    if data:
        align(data, folder, [(name, name) for name in names], "mni2")
        align(data, folder, pairs)
    made: list[Callable[[], Case]] = [
        lambda kind=kind, name=name: make_case(kind, Subject(folder, name))
        for name in names
        for kind in CHANGES
    ]
    return made + [
        lambda after=after, before=before: pair_rescans(
            Subject(folder, before), Subject(folder, after)
        )
        for after, before in pairs
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--data", type=Path, help="folder with align.py, to fill FOLDER from")
    parser.add_argument(
        "--rescans", default="m12_1005:m12_1025", help="scans of one person, MOVING:TARGET,..."
    )
    parser.add_argument("--methods", default=",".join(NAMES), help="some of the default, by commas")
    parser.add_argument("--model", type=Path, help="model file; the one that ships by default")
    parser.add_argument("--refine", type=int, default=5, help="iterations of the method refine")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every method")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "results.md")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    known = methods(arguments.model, arguments.refine, arguments.threads)
    chosen = [known[name] for name in arguments.methods.split(",")]
    store = Store(arguments.output.with_name("change.json"))
    records: list[Record] = []
    for make in list_cases(arguments):
        made = make()
        for method in (method for method in chosen if not method.missing):
            key = key_of(made, method)
            record = store.find(key) or store.add(key, measure(made, method))
            records.append(record)
            print(f"{made.kind} {made.before.name} {method.name}", flush=True)
            with_section(arguments.output, section(records), HEADING)
    print(f"written to {arguments.output} and {store.path}")


if __name__ == "__main__":
    main()
