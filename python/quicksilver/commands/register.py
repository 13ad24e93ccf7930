"""Register two images, or a list of pairs, by prediction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicksilver.commands.common import NOT_GOOD, Folder, OutFormat, Strict, say, write_registration
from quicksilver.commands.options import take_options
from quicksilver.commands.voice import Voice
from quicksilver.registration.options import Options

if TYPE_CHECKING:
    from quicksilver.cohort.pairs import PairPaths
    from quicksilver.cohort.run import Outcome

OF_A_PAIR = ("model", "device", "moving_mask", "target_mask", "progress")
"""Options that are no settings of a whole list."""


@take_options(Options)
@take_options(Voice)
def register(
    options: Options,
    voice: Voice,
    output: Folder,
    moving: Annotated[
        Path | None,
        typer.Argument(help="Image that is deformed, or a BIDS folder of such images."),
    ] = None,
    target: Annotated[Path | None, typer.Argument(help="Image it is brought to.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns moving, target and, if wanted, id, moving_mask, target_mask, "
            "moving_labels, target_labels: a folder of results for each, and a page of all."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Pairs of a list at once; as many as cores and memory allow by default."
        ),
    ] = None,
    strict: Strict = False,
    out_format: OutFormat = "itk",
) -> None:
    """Register two brains (or, with --strip, heads), or many: align, predict, shoot, correct.

    Give MOVING and TARGET; or --pairs; or a BIDS folder and TARGET, to which all of its T1w images
    are brought. Pairs of a list that are done already are left as they are; started by torchrun,
    every process takes its share.
    """
    masked = options.moving_mask is not None or options.target_mask is not None
    two = moving is not None and target is not None and pairs is None
    if pairs is not None and moving is None and not masked:
        _register_list((pairs, None), output, jobs, options, strict, voice, out_format)
    elif two and moving is not None and _holds_many(moving):
        _register_list((moving, target), output, jobs, options, strict, voice, out_format)
    elif two and moving is not None and target is not None and jobs is None:
        _register_pair((moving, target), output, options, strict, voice, out_format)
    else:
        raise typer.BadParameter(
            "give either MOVING and TARGET, or --pairs, whose masks are in its columns; --jobs is "
            "for lists"
        )


def _holds_many(path: Path) -> bool:
    """Tell whether a path is a folder of images, and not of the slices of one."""
    from quicksilver.io.dicom import holds_series
    from quicksilver.io.files import is_folder

    return is_folder(path) and not holds_series(path)


def _register_pair(
    images: tuple[Path, Path],
    output: Path,
    options: Options,
    strict: bool,
    voice: Voice,
    out_format: str,
) -> None:
    from quicksilver.api import run_register

    about = {"command": "register", "model": _name_model(options)}
    write_registration(run_register, images, options, output, about, strict, voice, out_format)


def _name_model(options: Options) -> str:
    from quicksilver.networks.shipped import DEFAULT_MODEL

    return str(options.model or DEFAULT_MODEL)


def _register_list(
    images: tuple[Path, Path | None],
    output: Path,
    jobs: int | None,
    options: Options,
    strict: bool,
    voice: Voice,
    out_format: str,
) -> None:
    """Register the pairs of a CSV file, or a BIDS folder to a target."""
    from quicksilver.cohort import bids
    from quicksilver.cohort.page import write_page
    from quicksilver.cohort.pairs import read_list
    from quicksilver.io import files

    source, target = images
    files.require_writable(output)
    listed = read_list(source, missing=True) if target is None else bids.find_pairs(source, target)
    outcomes = register_pairs(listed, source, output, jobs, options, voice, out_format)
    rows = write_page(listed, output)
    if target is not None:
        bids.write_description(output, source)
    voice.report_list(rows, len(outcomes), output)
    end(rows, outcomes, strict)


def register_pairs(
    listed: Sequence[PairPaths],
    source: Path,
    output: Path,
    jobs: int | None,
    options: Options,
    voice: Voice,
    out_format: str = "itk",
) -> list[Outcome]:
    """Register this process's share of the pairs of a list that are not done; `source` is the file
    or folder that lists them.
    """
    from quicksilver.cohort.pairs import check_outputs
    from quicksilver.cohort.run import choose_jobs, require_places, run_cohort
    from quicksilver.registration.predict import open_checked
    from quicksilver.runtime import devices

    require_places(listed, output)
    check_outputs(listed, partial(_name_files, output), source, *options.files())
    device = devices.pick_device(options.device)
    about = {"command": "register", "model": _name_model(options)}
    model = open_checked(options)
    settings = {**_settings(options, out_format), "model": model.digest(), "device": device.type}
    ready = replace(options, model=model, device=device)
    work = partial(register_listed, options=ready, about=about, out_format=out_format)
    # Samples draw from one stream of random numbers: one pair at a time.
    jobs = 1 if options.samples else jobs or choose_jobs(device)
    with voice.progress() as progress:
        return run_cohort(
            listed, output, work, settings, jobs=jobs, tell=partial(progress, "register")
        )


def _name_files(output: Path, name: str) -> list[Path]:
    """Return the files that are written for a pair of a list, and those of the whole list."""
    from quicksilver.cohort.pairs import RESERVED
    from quicksilver.results.folder import EXPORTED, FILES

    own = output / name
    shared = [output / file for file in RESERVED]
    return [*shared, *(own / file for file in (*FILES, *EXPORTED))] if own.exists() else shared


def _settings(options: Options, out_format: str) -> dict[str, Any]:
    """The options that decide the results of a whole list; the usual format is not among them."""
    from quicksilver.io.exports import MapFormat, as_format

    names = [field.name for field in fields(options) if field.name not in OF_A_PAIR]
    added = {} if as_format(out_format) is MapFormat.ITK else {"out_format": out_format}
    return {**{name: getattr(options, name) for name in names}, **added}


def register_listed(
    pair: PairPaths,
    folder: Path,
    entries: dict[str, Any],
    *,
    options: Options,
    about: dict[str, Any],
    out_format: str,
) -> None:
    """Register one pair of a list into its folder."""
    from quicksilver.api import run_register

    options = replace(options, moving_mask=pair.moving_mask, target_mask=pair.target_mask)
    found = run_register(pair.moving, pair.target, options)
    images = {"moving": os.fspath(pair.moving), "target": os.fspath(pair.target)}
    about = {**about, **images, **entries}
    if pair.moving_labels is not None and pair.target_labels is not None:
        about["overlap"] = found.overlap(pair.moving_labels, pair.target_labels)
    found.save(folder, about=about, out_format=out_format)


def end(rows: list[dict[str, Any]], outcomes: list[Outcome], strict: bool) -> None:
    """Say which pairs failed; exit with 1 where one did, with `NOT_GOOD` where `strict` and one is
    not good.
    """
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        say(f"failed: {outcome.id}: {outcome.error}", err=True)
    if failed:
        raise typer.Exit(1)
    if strict and any(row.get("verdict") != "good" for row in rows):
        raise typer.Exit(NOT_GOOD)
