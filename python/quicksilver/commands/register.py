"""Register two images, or a list of pairs, by prediction."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicksilver.commands.common import (
    Affine,
    Device,
    Folder,
    HistogramMatching,
    InitialAffine,
    ModelFile,
    MovingMask,
    Reference,
    Steps,
    TargetMask,
    write_registration,
)

if TYPE_CHECKING:
    from quicksilver.cohort.pairs import PairPaths

Moving = Annotated[
    Path | None,
    typer.Argument(help="NIfTI image that is deformed, or a BIDS folder of such images."),
]
Target = Annotated[Path | None, typer.Argument(help="NIfTI image that it is brought to.")]


def register(
    output: Folder,
    moving: Moving = None,
    target: Target = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns moving, target and, if wanted, id, moving_mask, target_mask, "
            "moving_labels, target_labels: a folder of results for each, and a page of all."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Of a list: pairs at once; as many as cores and memory allow."),
    ] = None,
    model: ModelFile = None,
    affine: Affine = True,
    initial_affine: InitialAffine = None,
    moving_mask: MovingMask = None,
    target_mask: TargetMask = None,
    histogram_matching: HistogramMatching = False,
    reference: Reference = None,
    device: Device = "auto",
    steps: Steps = None,
    no_correction: Annotated[bool, typer.Option("--no-correction", help="Predict only.")] = False,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Predict so often with dropout: mean and variance.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dropout with --samples.")] = 0,
    refine: Annotated[
        int, typer.Option(min=0, help="Iterations of LDDMM from the prediction on.")
    ] = 0,
) -> None:
    """Register two skull-stripped images, or many: align, predict, shoot, correct, shoot.

    Give MOVING and TARGET; or --pairs; or a BIDS folder and TARGET, to which all of its T1w images are
    brought. Of a list, what is done already is left as it is; started by torchrun, every process
    takes its share.
    """
    from quicksilver.io.files import is_folder

    options = {
        "affine": affine,
        "initial_affine": initial_affine,
        "histogram_matching": histogram_matching,
        "reference": reference,
        "steps": steps,
        "correction": not no_correction,
        "samples": samples,
        "seed": seed,
        "refine": refine,
    }
    single = {"moving_mask": moving_mask, "target_mask": target_mask}
    if pairs is not None and moving is None and not any(single.values()):
        _register_list(pairs, None, output, jobs, model, device, options)
    elif pairs is None and moving is not None and target is not None and is_folder(moving):
        _register_list(moving, target, output, jobs, model, device, options)
    elif pairs is None and moving is not None and target is not None and jobs is None:
        _register_pair(moving, target, output, model, device, {**options, **single})
    else:
        raise typer.BadParameter(
            "give either MOVING and TARGET, or --pairs, whose masks are in its columns; --jobs is of "
            "a list"
        )


def _register_pair(
    moving: Path,
    target: Path,
    output: Path,
    model: Path | None,
    device: str,
    options: dict[str, Any],
) -> None:
    import quicksilver
    from quicksilver.networks.shipped import DEFAULT_MODEL

    run = partial(quicksilver.register, moving, target, model, device=device, **options)
    about = {"moving": str(moving), "target": str(target), "model": str(model or DEFAULT_MODEL)}
    write_registration("register", output, about, run)


def _register_list(
    source: Path,
    target: Path | None,
    output: Path,
    jobs: int | None,
    model: Path | None,
    device: str,
    options: dict[str, Any],
) -> None:
    from quicksilver.cohort import bids
    from quicksilver.cohort.page import write_page
    from quicksilver.cohort.pairs import read_list
    from quicksilver.cohort.run import run_cohort, suitable_jobs
    from quicksilver.commands import console
    from quicksilver.io import files
    from quicksilver.networks.shipped import DEFAULT_MODEL, open_model
    from quicksilver.runtime import devices

    files.require_writable(output)
    listed = read_list(source) if target is None else bids.pairs_to(source, target)
    chosen = devices.pick_device(device)
    used = open_model(model)
    about = {"command": "register", "model": str(model or DEFAULT_MODEL)}
    work = partial(_work, model=used, device=chosen, about=about, options=options)
    # Samples draw from one stream of random numbers: one pair at a time.
    jobs = 1 if options["samples"] else jobs or suitable_jobs(chosen)
    settings = {**options, "model": used.digest(), "device": chosen.type}
    with console.progress() as progress:
        outcomes = run_cohort(
            listed, output, work, settings, jobs=jobs, tell=partial(progress, "register")
        )
    rows = write_page(listed, output)
    if target is not None:
        bids.describe(output, source)
    done = sum(row["status"] == "done" for row in rows)
    typer.echo(f"{done} of {len(rows)} pairs registered, {len(outcomes)} of them now")
    for outcome in outcomes:
        if outcome.error is not None:
            typer.echo(f"failed: {outcome.id}: {outcome.error}", err=True)
    typer.echo(f"pictures and numbers: {output / 'index.html'}, {output / 'summary.csv'}")
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _work(
    pair: PairPaths, place: Path, entries: dict[str, Any], *, about: dict[str, Any], **how: Any
) -> None:
    """Register one pair of a list into its folder."""
    import quicksilver

    found = quicksilver.register(
        pair.moving,
        pair.target,
        how["model"],
        device=how["device"],
        moving_mask=pair.moving_mask,
        target_mask=pair.target_mask,
        **how["options"],
    )
    images = {"moving": os.fspath(pair.moving), "target": os.fspath(pair.target)}
    about = {**about, **images, **entries}
    if pair.moving_labels is not None and pair.target_labels is not None:
        about["overlap"] = found.overlap(pair.moving_labels, pair.target_labels)
    found.save(place, about=about)
