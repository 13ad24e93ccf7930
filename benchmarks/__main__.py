"""All benchmarks by one command: ``python -m benchmarks [options]``.

Every operator, how it scales, and whole registrations, beside what a user would use instead, on
this machine's GPU or CPU. The results go to a JSON file per device; from all of these files the
page docs/benchmarks.md and its plots are made. What was measured already with the same sources is
not measured again, so that a run can be cut and called again. `--operators` needs torch and this
repository, and no other package: a bare machine with a GPU can run it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from quicksilver.errors import QuicksilverError

from .measuring.machine import ROOT, device_name, machine, source_version
from .measuring.place import Place
from .operators.cases import Case, cases
from .reporting.results import Results, incomplete, read_results, slower
from .reporting.summary import line

if TYPE_CHECKING:
    from .registration.pipeline import Whole

SMALL_BUDGET = 0.1


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    folder = Path(__file__).parent / "results"
    parser.add_argument("--pair", nargs=2, type=Path, metavar=("MOVING", "TARGET"))
    parser.add_argument(
        "--model", type=Path, action="append", default=[], help="beside the shipped"
    )
    parser.add_argument("--operators", action="store_true", help="no registrations, and no page")
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for the runs of a case")
    parser.add_argument("--device", default=None, help="cuda where there is one, else cpu")
    parser.add_argument("--smoke", action="store_true", help="tiny fields: whether all of it runs")
    parser.add_argument("--again", action="store_true", help="measure what is known already")
    parser.add_argument("--output", type=Path, default=folder, help="folder of the JSON files")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="say what became slower")
    parser.add_argument("--document", type=Path, default=None, help="docs/benchmarks.md by default")
    return parser.parse_args(words)


def measure(results: Results, case: Case | Whole, place: Place) -> None:
    """Measure a case and keep its record, with the load of the machine before and after."""
    where, start = machine(), time.perf_counter()
    record = case.measure(place)
    about = {
        "version": source_version(),
        "date": where["date"],
        "load_average": [where["load_average"], os.getloadavg()[0]],
        "seconds_in_all": round(time.perf_counter() - start, 2),
    }
    results.add(case.name, {**record, **about}, where)
    print(line(case.name, results), flush=True)


def default_models() -> list[Path]:
    """List the models of whole brains that ship; those of the paper are in docs/paper.md."""
    return sorted(
        Path(str(files("quicksilver.networks") / "weights")).glob("default-*.safetensors")
    )


def list_registrations(
    arguments: argparse.Namespace, stack: contextlib.ExitStack
) -> Sequence[Whole]:
    """List the cases of whole registrations; a pair that is made for them lasts as `stack` does."""
    from .registration.pipeline import Pair, make_pair, whole_cases

    pair = Pair(*arguments.pair) if arguments.pair else None
    pair = pair or stack.enter_context(make_pair(arguments.smoke))
    return whole_cases(pair, [*default_models(), *arguments.model])


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(words)
    device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    place = Place(device, arguments.smoke, SMALL_BUDGET if arguments.smoke else arguments.budget)
    suffix = "-smoke" if arguments.smoke else ""
    results = Results(arguments.output / f"{device_name(device)}{suffix}.json", arguments.smoke)
    old = read_results(arguments.compare) if arguments.compare else None
    torch.manual_seed(0)
    with contextlib.ExitStack() as stack:
        found: list[Case | Whole] = [*cases(device, arguments.smoke)]
        if not arguments.operators:
            found += list_registrations(arguments, stack)
        version = source_version()
        for case in found:
            known = results.has(case.name, version) and not arguments.again
            if case.name.startswith(arguments.only) and not known:
                measure(results, case, place)
    print(f"written to {results.path}")
    lacking = incomplete(results, [c.name for c in found if c.name.startswith(arguments.only)])
    if lacking:
        raise QuicksilverError(
            f"expected complete results in {results.path}, found {'; '.join(lacking)}; "
            "run it again with --again"
        )
    if not arguments.operators and (not arguments.smoke or arguments.document):
        from .reporting.document import write_document

        document = arguments.document or ROOT / "docs" / "benchmarks.md"
        write_document(document, arguments.output, arguments.smoke)
        print(f"written to {document}")
    if old is not None:
        report(old, results)


def report(old: Results, new: Results) -> None:
    """Print what became slower; exit with code 1 where anything did."""
    lines, drift = slower(old, new)
    print(f"peers took {drift:.2f} times as long as before; slower than before, of ours:")
    print("\n".join(lines) or "nothing")
    if lines:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except QuicksilverError as error:
        sys.exit(f"benchmarks: {error}")
