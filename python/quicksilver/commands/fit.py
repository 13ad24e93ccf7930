"""Register by optimisation, one pair or a list of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quicksilver.commands.common import (
    Affine,
    Device,
    Folder,
    HistogramMatching,
    InitialAffine,
    MovingMask,
    Reference,
    TargetMask,
    write_registration,
)

if TYPE_CHECKING:
    from quicksilver.lddmm.matching import Settings


def fit(
    output: Folder,
    moving: Annotated[Path | None, typer.Argument(help="NIfTI image that is deformed.")] = None,
    target: Annotated[Path | None, typer.Argument(help="NIfTI image it is brought to.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns moving, target and, if wanted, id, moving_mask, target_mask, "
            "moving_labels, target_labels: fits for `train`."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="With --pairs: so many at once.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="With two images: file to go on from if stopped.")
    ] = None,
    spacing: Annotated[
        float, typer.Option(min=0.1, help="With two images: of the working grid, mm.")
    ] = 2.0,
    loss: Annotated[
        Literal["ssd", "lncc"] | None,
        typer.Option(help="What makes images unlike; lncc, or with --method quicksilver ssd."),
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(min=1e-6, help="Noise: 1 / (2 sigma^2) weighs the loss.")
    ] = None,
    window: Annotated[int, typer.Option(min=3, help="Of lncc, voxels; odd.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Time steps of the geodesic.")] = 10,
    iterations: Annotated[
        tuple[int, int], typer.Option(min=0, help="At most, at half and at full resolution.")
    ] = (20, 15),
    method: Annotated[
        Literal["lbfgs", "quicksilver"],
        typer.Option(help="quicksilver: the original's 50 equal steps, whatever --iterations."),
    ] = "lbfgs",
    affine: Affine = True,
    initial_affine: InitialAffine = None,
    moving_mask: MovingMask = None,
    target_mask: TargetMask = None,
    histogram_matching: HistogramMatching = False,
    reference: Reference = None,
    device: Device = "auto",
) -> None:
    """Register by optimisation (LDDMM): slow, and what the networks learn from.

    Give two images, MOVING and TARGET, or --pairs: a list of them whose fits are written as files
    for `quicksilver train`, on the images' own grids, aligned by you. Started by torchrun, every
    process takes its share of the list.
    """
    import quicksilver

    settings = chosen_settings(loss, sigma, window, steps, iterations, method)
    if pairs is not None and moving is None and state is None:
        _fit_list(pairs, output, batch, settings, device)
    elif moving is not None and target is not None and pairs is None:
        run = partial(
            quicksilver.fit,
            moving,
            target,
            spacing=spacing,
            settings=settings,
            state=state,
            device=device,
            affine=affine,
            initial_affine=initial_affine,
            moving_mask=moving_mask,
            target_mask=target_mask,
            histogram_matching=histogram_matching,
            reference=reference,
        )
        write_registration("fit", output, {"moving": str(moving), "target": str(target)}, run)
    else:
        raise typer.BadParameter("give either MOVING and TARGET or --pairs, which has no --state")


def chosen_settings(
    loss: str | None,
    sigma: float | None,
    window: int,
    steps: int,
    iterations: tuple[int, int],
    method: str,
) -> Settings:
    """The settings of the options."""
    from quicksilver.lddmm.losses import LNCC, SSD
    from quicksilver.lddmm.matching import QUICKSILVER, Settings

    if window % 2 == 0:
        raise typer.BadParameter(f"--window must be odd, found {window}")
    weight = {} if sigma is None else {"sigma": sigma}
    original = method == "quicksilver"
    squared = original if loss is None else loss == "ssd"
    chosen = SSD(**weight) if squared else LNCC(window, **weight)
    if original:
        return replace(QUICKSILVER, loss=chosen, steps=steps)
    return Settings(chosen, steps, iterations=iterations)


def _fit_list(pairs: Path, output: Path, batch: int, settings: Settings, device: str) -> None:
    import quicksilver_ext as qs
    from quicksilver.cohort.fit import fit_list
    from quicksilver.cohort.pairs import read_list
    from quicksilver.commands import console
    from quicksilver.io import files
    from quicksilver.lddmm.metric import isolated
    from quicksilver.runtime import devices

    files.require_writable(output)
    listed = read_list(pairs)
    chosen = devices.pick_device(device)
    metric = isolated(qs.FluidMetric())
    with console.progress() as progress:
        written = fit_list(
            listed,
            output,
            metric,
            settings,
            batch=batch,
            device=chosen,
            tell=partial(progress, "fit"),
        )
    typer.echo(f"{len(written)} fits written to {output}")
