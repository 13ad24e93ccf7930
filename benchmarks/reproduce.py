"""The paper's experiments: ``python -m benchmarks.reproduce FOLDER [MOVING:TARGET ...]``.

FOLDER, --data and the pairs are those of ``python -m benchmarks.accuracy``. Every pair is
registered by every method of the experiments, with the models that ship; its labels, determinants
and the difference to the LDDMM fit's deformation are judged. The sections of the output (Markdown)
are written anew after every pair, the figure beside it in images/. Results are kept in a JSON file
of the same name, and the deformations of the LDDMM fits in the folder --fields: what is there is
not computed again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quicksilver.io.fields import read_field, write_field
from quicksilver.transforms.field import WorldField

from .accuracy import Store, describe, key_of, make_parser, prepare, score
from .measuring.machine import ROOT
from .measuring.place import Record
from .registration.methods import Method, Subject
from .registration.paper import REFERENCE, compare, experiments
from .reporting.paper_tables import draw_labels, sections
from .reporting.table import with_section


class Experiments:
    """All methods on all pairs, whatever is known taken from the store.

    methods: by name, the reference first. fields: folder of the reference's deformations.
    """

    def __init__(self, methods: dict[str, Method], store: Store, fields: Path) -> None:
        self.methods, self.store, self.fields = methods, store, fields
        self.records: dict[str, list[Record]] = {}

    def run(self, moving: Subject, target: Subject) -> None:
        """Register one pair by every method that can run here."""
        for name, method in self.methods.items():
            if not method.missing:
                record = self._known(name, moving, target) or self._measure(name, moving, target)
                self.records.setdefault(name, []).append(record)

    def _field_of(self, moving: Subject, target: Subject) -> Path:
        return self.fields / f"{moving.name}-{target.name}.nii.gz"

    def _known(self, name: str, moving: Subject, target: Subject) -> Record | None:
        if name == REFERENCE and not self._field_of(moving, target).exists():
            return None
        return self.store.find(key_of(moving, target, self.methods[name]))

    def _measure(self, name: str, moving: Subject, target: Subject) -> Record:
        method, file = self.methods[name], self._field_of(moving, target)
        found = method.run(moving, target)
        if name == REFERENCE:
            self.fields.mkdir(parents=True, exist_ok=True)
            write_field(file, found.displacement)
        reference: WorldField = read_field(file)
        scores = score(found, moving, target)
        overlaps = {"overlaps": {str(s.label): round(s.overlap, 4) for s in scores}}
        measured = describe(found, scores) | overlaps | compare(found, reference, target)
        record = self.store.add(key_of(moving, target, method), measured)
        print(f"{moving.name}:{target.name} {name}: {record['overlap']:.4f}", flush=True)
        return record

    def write(self, output: Path) -> None:
        """Write the sections and the figure."""
        for heading, text in sections(self.records).items():
            with_section(output, text, heading)
        draw_labels(self.records, output.parent / "images")


def parse() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--methods", default="", help="names of some methods, by semicolons")
    parser.add_argument("--probabilistic", type=Path, help="file of a probabilistic model")
    parser.add_argument("--samples", type=int, default=50, help="of the probabilistic model")
    parser.add_argument("--fields", type=Path, default=ROOT / "build" / "reproduce")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "paper.md")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    pairs = prepare(arguments)
    methods = experiments(arguments.threads, arguments.samples, arguments.probabilistic)
    chosen = arguments.methods.split(";") if arguments.methods else methods
    methods = {name: methods[name] for name in methods if name in (REFERENCE, *chosen)}
    work = Experiments(methods, Store(arguments.output.with_suffix(".json")), arguments.fields)
    for pair in pairs:
        work.run(*(Subject(arguments.folder, name) for name in pair))
        work.write(arguments.output)
    for method in methods.values():
        if method.missing:
            print(f"{method.name} was left out: {method.missing}")
    print(f"written to {arguments.output} and {work.store.path}")


if __name__ == "__main__":
    main()
