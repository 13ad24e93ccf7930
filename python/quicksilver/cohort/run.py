"""Register many pairs: several at once, each whole or absent, shared by any number of processes.

A pair is done when its folder holds `result.json`, which is the last of its files to come. What
stops a run, a kill included, leaves other pairs as they are and nothing of its own that the next
run takes for a result. Several processes (`torchrun`, on one machine or many with a common folder)
take every n-th pair each and share nothing but that folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from quicksilver.cohort.pairs import PairPaths
from quicksilver.errors import QuicksilverError
from quicksilver.io.files import RESULT, replacing
from quicksilver.runtime import distributed
from quicksilver.runtime.devices import free_memory
from quicksilver.runtime.stages import count_done

PAGES = ("summary.csv", "index.html")
"""Files of the whole list, beside the folders of the pairs."""

FAILURES = "failures"
"""Folder, beside those of the pairs, with a sentence on every pair that failed."""

NEEDED = 2 * 2**30
"""Bytes that a pair may need (docs/register.md)."""

Work = Callable[[PairPaths, Path, dict[str, Any]], None]
"""Registers a pair into a folder; `result.json` there must hold the entries that it is given."""


@dataclass(frozen=True)
class Outcome:
    """What became of a pair in this run.

    Args:
        id: Of the pair.
        error: Why it failed, in a sentence; None: it was registered.
    """

    id: str
    error: str | None = None


def run_cohort(
    pairs: Sequence[PairPaths],
    folder: Path,
    work: Work,
    settings: dict[str, Any],
    *,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda detail: None,
) -> list[Outcome]:
    """Do the work on every pair that is not done with the same images and settings.

    Each job has its share of torch's threads; while one reads or writes another computes. A
    QuicksilverError or a lack of memory ends its pair alone; any other error is a defect and ends
    the run.

    Args:
        pairs: The pairs.
        folder: Gets a folder for every pair, named by its id.
        work: Registers a pair.
        settings: Everything but the images that decides a result.
        jobs: Pairs at once.
        tell: Told how many pairs are done.

    Returns:
        The outcomes of the pairs of this process that were not done before.
    """
    own = distributed.own_share(pairs)
    keys = {pair.id: make_key(pair, settings) for pair in own}
    missing = [pair for pair in own if not is_done(folder / pair.id, keys[pair.id])]
    threads = max(1, torch.get_num_threads() // jobs)
    outcomes: list[Outcome] = []
    tell(count_done(0, len(missing), "pairs"))
    with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        under_way = [pool.submit(_run_pair, pair, folder, work, keys[pair.id]) for pair in missing]
        try:
            for future in as_completed(under_way):
                outcomes.append(future.result())
                last = f"pairs, {outcomes[-1].id} last"
                tell(count_done(len(outcomes), len(missing), last))
        except BaseException:  # a defect, or Ctrl-C: start no more pairs
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def choose_jobs(device: torch.device) -> int:
    """Choose how many pairs to register at once.

    On a GPU two, so that one reads and writes while another computes; on the CPU as many as there
    are threads and memory for.
    """
    if device.type == "cuda":
        return 2
    return max(1, min(torch.get_num_threads(), free_memory(device) // NEEDED))


def _run_pair(pair: PairPaths, folder: Path, work: Work, key: str) -> Outcome:
    """Register one pair; what keeps it from being registered is written down in the place of its
    result.
    """
    place, failure = folder / pair.id, folder / FAILURES / f"{pair.id}.txt"
    try:
        work(pair, place, {"id": pair.id, "key": key})
    except (QuicksilverError, MemoryError, torch.OutOfMemoryError) as error:
        sentence = str(error) or "expected enough memory, found too little; lower --jobs"
        failure.parent.mkdir(parents=True, exist_ok=True)
        with replacing(failure) as temporary:
            temporary.write_text(sentence + "\n", encoding="utf-8")
        return Outcome(pair.id, sentence)
    failure.unlink(missing_ok=True)
    return Outcome(pair.id)


def is_done(place: Path, key: str) -> bool:
    """Tell whether a pair's folder holds the result of the images and settings of a key."""
    try:
        return json.loads((place / RESULT).read_text(encoding="utf-8"))["key"] == key
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def require_places(pairs: Sequence[PairPaths], folder: Path) -> None:
    """Check that nothing stands where the files of a whole list will be written.

    Raises:
        QuicksilverError: A folder stands in the place of a file, or a file in that of a folder.
    """
    failures = folder / FAILURES
    if failures.exists() and not failures.is_dir():
        raise QuicksilverError(
            f"expected a folder at {failures} for what fails, found a file; move it away"
        )
    files = [folder / name for name in PAGES]
    if failures.is_dir():
        files += [failures / f"{pair.id}.txt" for pair in pairs]
    for file in files:
        if file.is_dir():
            raise QuicksilverError(
                f"expected a file to write at {file}, found a folder; move it away"
            )


def _date(path: Path) -> list[int]:
    """Return the size and the time of a file; nothing where there is none, which fails its pair."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return []
    return [status.st_size, status.st_mtime_ns]


def make_key(pair: PairPaths, settings: dict[str, Any]) -> str:
    """Return all that decides a result, in words: settings, and paths, sizes and times of the
    images.
    """
    files = {}
    for name, path in vars(pair).items():
        if isinstance(path, Path):
            files[name] = [os.fspath(path), *_date(path)]
    return json.dumps({"settings": settings, "files": files}, sort_keys=True, default=str)
