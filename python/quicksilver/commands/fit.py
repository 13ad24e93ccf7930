"""Register by optimisation, one pair or a list of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import Folder, OutFormat, Strict, say, write_registration
from quicksilver.commands.options import take_options
from quicksilver.commands.voice import Voice
from quicksilver.registration.fit_options import FitOptions


@take_options(FitOptions)
@take_options(Voice)
def fit(
    options: FitOptions,
    voice: Voice,
    output: Folder,
    moving: Annotated[Path | None, typer.Argument(help="Image that is deformed.")] = None,
    target: Annotated[Path | None, typer.Argument(help="Image it is brought to.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns moving, target and, if wanted, id, moving_mask, target_mask, "
            "moving_labels, target_labels: fits for `train`."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pairs of a list fitted together.")] = 1,
    strict: Strict = False,
    out_format: OutFormat = "itk",
) -> None:
    """Register by optimisation (LDDMM): slow, and what the networks learn from.

    Give two images, MOVING and TARGET, or --pairs: a list of them whose fits are written as files
    for `quicksilver train`, on the images' own grids, aligned by you. Started by torchrun, every
    process takes its share of the list.
    """
    if pairs is not None and options.strip:
        raise typer.BadParameter("--strip is for two images; lists are fitted on common grids")
    if options.window % 2 == 0:
        raise typer.BadParameter(f"--window must be odd, found {options.window}")
    if pairs is not None and voice.json:
        raise typer.BadParameter("--json is for two images: a list of fits has no result.json")
    if pairs is not None and out_format != "itk":
        raise typer.BadParameter("--out-format is for two images: a list of fits has no maps")
    if pairs is not None and moving is None and options.state is None:
        _fit_list(pairs, output, batch, options, voice)
    elif moving is not None and target is not None and pairs is None:
        from quicksilver.api import run_fit

        about, both = {"command": "fit"}, (moving, target)
        write_registration(run_fit, both, options, output, about, strict, voice, out_format)
    else:
        raise typer.BadParameter("give either MOVING and TARGET or --pairs, which has no --state")


def _fit_list(pairs: Path, output: Path, batch: int, options: FitOptions, voice: Voice) -> None:
    from quicksilver.cohort.fit import fit_list
    from quicksilver.cohort.pairs import check_outputs, read_list
    from quicksilver.io import files
    from quicksilver.lddmm.fits import SUFFIX
    from quicksilver.registration.optimise import fit_metric, fit_settings
    from quicksilver.runtime import devices

    listed = read_list(pairs, missing=True)
    check_outputs(listed, lambda name: [output / f"{name}{SUFFIX}"], pairs)
    files.require_writable(output)
    with voice.progress() as progress:
        written = fit_list(
            listed,
            output,
            fit_metric(options),
            fit_settings(options),
            batch=batch,
            intensity="equalised" if options.equalise else "percentile",
            device=devices.pick_device(options.device),
            tell=partial(progress, "fit"),
        )
    if voice.verbose:
        for file in written:
            say(str(file))
    if voice.plain:
        say(f"{len(written)} fits written to {output}")
