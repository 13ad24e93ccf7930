"""The accuracy table by one command: ``python -m benchmarks.accuracy FOLDER [MOVING:TARGET ...]``.

FOLDER holds NAME_t1.nii.gz and NAME_lab.nii.gz for every name, affinely aligned on one grid; with
--data, names that it lacks are aligned into it first by that folder's align.py. Without pairs,
those of pairs_oasis.csv. Every pair is registered by every method and judged by the overlap of
labels warped once by nearest neighbour. The section "## Accuracy" of the output (Markdown) is
written anew after every result. All results are kept in a JSON file of the same name: what is there
for the same images, method, settings and version is not computed again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from quicksilver.io.files import write_json
from quicksilver.registration.evaluation import LabelScore, average_scores, score_labels

from .measuring.machine import ROOT, machine
from .measuring.place import Record
from .registration.methods import PAPERS, PAPERS_PREDICTION, Found, Method, Subject, digest, methods
from .reporting.table import section, with_section

Pair = tuple[str, str]

NAMES = (
    "affine",
    "prediction",
    "correction",
    "refine",
    "default-1mm",
    PAPERS_PREDICTION,
    PAPERS,
    "lddmm",
    "syn",
)


class Store:
    """All results so far, in a JSON file that is whole at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = json.loads(path.read_text()) if path.exists() else []

    def find(self, key: Record) -> Record | None:
        """The newest record with these entries; none of a program that no commit describes."""
        if key["version"].endswith("-dirty"):
            return None
        found = [record for record in self.records if key.items() <= record.items()]
        return found[-1] if found else None

    def known(self, key: Record) -> Record | None:
        """The newest record of this pair, these images and this method, of any version."""
        decisive = {name: key[name] for name in ("moving", "target", "images", "method")}
        found = [record for record in self.records if decisive.items() <= record.items()]
        return found[-1] if found else None

    def add(self, key: Record, measured: Record) -> Record:
        """Keep a result, in the place of older ones with the same key."""
        kept = [record for record in self.records if any(record[k] != key[k] for k in key)]
        self.records = [*kept, {**key, **measured}]
        write_json(self.path, self.records)
        return self.records[-1]


def key_of(moving: Subject, target: Subject, method: Method) -> Record:
    """Make the key of a result: the images' content, the method, its settings and its version."""
    return {
        "moving": moving.name,
        "target": target.name,
        "images": digest(*moving.files, *target.files),
        "method": method.name,
        "settings": method.settings,
        "version": method.version,
    }


def measure(moving: Subject, target: Subject, method: Method) -> Record:
    """Register and judge one pair: means over all labels of the target, folds, seconds."""
    found = method.run(moving, target)
    return describe(found, score(found, moving, target))


def score(found: Found, moving: Subject, target: Subject) -> list[LabelScore]:
    """Score every label of the target, the moving labels warped once by nearest neighbour."""
    field = found.displacement.onto(target.labels.grid)
    warped = field.warp(moving.labels, "nearest").data
    return score_labels(warped, target.labels.data, target.labels.grid.spacing)


def describe(found: Found, scores: list[LabelScore]) -> Record:
    """Make the record of a result: means of the scores, the method's numbers, the machine."""
    where = machine()
    kept = ("date", "processor", "cores", "load_average")
    return {**average_scores(scores), **found.numbers(), **{name: where[name] for name in kept}}


def read_pairs(words: list[str]) -> list[Pair]:
    """Pairs given as MOVING:TARGET; without any, those of pairs_oasis.csv."""
    if words:
        return [(moving, target) for moving, target in (word.split(":") for word in words)]
    with (Path(__file__).parent / "pairs_oasis.csv").open(newline="") as file:
        return [(row["moving"], row["target"]) for row in csv.DictReader(file)]


def align(data: Path, folder: Path, pairs: list[Pair], space: str = "mni1") -> None:
    """Have the align.py of a data folder write what `folder` lacks of the pairs, at 1 mm."""
    names = sorted({name for pair in pairs for name in pair})
    absent = [n for n in names if not all(file.exists() for file in Subject(folder, n).files)]
    if absent:
        subprocess.run([sys.executable, data / "align.py", folder, space, *absent], check=True)


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of what every table on pairs asks for: images, pairs, data, threads."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", nargs="*", metavar="MOVING:TARGET")
    parser.add_argument("--data", type=Path, help="folder with align.py, to fill FOLDER from")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every method")
    return parser


def prepare(arguments: argparse.Namespace) -> list[Pair]:
    """Set the threads and return the pairs, whose images are aligned where they were absent."""
    torch.set_num_threads(arguments.threads)
    pairs = read_pairs(arguments.pairs)
    if arguments.data:
        align(arguments.data, arguments.folder, pairs)
    return pairs


def parse() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--methods", default=",".join(NAMES), help="some of the default, by commas")
    parser.add_argument("--model", type=Path, help="model file; the one that ships by default")
    parser.add_argument("--refine", type=int, default=5, help="iterations of the method refine")
    parser.add_argument("--keep", default="", help="methods whose results of any version will do")
    parser.add_argument("--again", action="store_true", help="measure what is known already")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "results.md")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    pairs = prepare(arguments)
    known = methods(arguments.model, arguments.refine, arguments.threads)
    chosen = {name: known[name] for name in arguments.methods.split(",")}
    store = Store(arguments.output.with_suffix(".json"))
    records: dict[str, list[Record]] = {name: [] for name in chosen}

    def write() -> None:
        missing = {
            m.name: m.missing for name, m in chosen.items() if m.missing and not records[name]
        }
        with_section(arguments.output, section(records, len(pairs), missing))

    for pair in pairs:
        moving, target = (Subject(arguments.folder, name) for name in pair)
        for name, method in chosen.items():
            key = key_of(moving, target, method)
            if name in arguments.keep.split(","):
                record = store.known(key)
                if record is not None:
                    records[name].append(record)
                continue
            if method.missing:
                continue
            record = None if arguments.again else store.find(key)
            if record is None:
                record = store.add(key, measure(moving, target, method))
                print(f"{':'.join(pair)} {method.name}: {record['overlap']:.4f}", flush=True)
            records[name].append(record)
            write()
    write()  # what was kept after the last result
    print(f"written to {arguments.output} and {store.path}")


if __name__ == "__main__":
    main()
