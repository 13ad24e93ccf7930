"""Register by optimisation, one pair or a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from quicksilver.commands.common import (
    Device,
    Folder,
    read_pair,
    save_registration,
)


def fit(
    output: Folder,
    moving: Annotated[Path | None, typer.Argument(help="NIfTI image that is deformed.")] = None,
    target: Annotated[Path | None, typer.Argument(help="NIfTI image it is brought to.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with columns moving, target: fits for `train`.")
    ] = None,
    part: Annotated[
        tuple[int, int], typer.Option(min=0, help="With --pairs: every N-th pair from the K-th.")
    ] = (0, 1),
    spacing: Annotated[float, typer.Option(min=0.1, help="Of the working grid, mm.")] = 2.0,
    sigma: Annotated[float, typer.Option(min=1e-6, help="Noise of normalised intensities.")] = 0.2,
    steps: Annotated[int, typer.Option(min=1, help="Time steps of the geodesic.")] = 10,
    iterations: Annotated[
        tuple[int, int], typer.Option(min=0, help="At most, at half and at full resolution.")
    ] = (20, 10),
    device: Device = "auto",
) -> None:
    """Register by optimisation (LDDMM): slow, and what the networks learn from.

    Give two images, MOVING and TARGET, or --pairs: a list of them whose fits are written as files
    for `quicksilver train`, on the images' own grids.
    """
    options = {"sigma": sigma, "steps": steps, "iterations": iterations}
    if pairs is not None and moving is None:
        _fit_list(pairs, output, part, options)
    elif moving is not None and target is not None and pairs is None:
        _fit_pair(moving, target, output, device, spacing=spacing, **options)
    else:
        raise typer.BadParameter("give either MOVING and TARGET or --pairs")


def _fit_pair(moving: Path, target: Path, output: Path, device: str, **options: Any) -> None:
    from quicksilver import console, files, registration

    files.require_writable(output)
    chosen = registration.pick_device(device)
    with console.progress() as progress:
        first, second, seconds = read_pair(progress, moving, target)
        found = registration.optimise(first, second, device=chosen, progress=progress, **options)
        about = {"command": "fit", "moving": str(moving), "target": str(target)}
        summary = save_registration(found, output, about, seconds, progress)
    console.show_registration(summary)
    typer.echo(f"report: {output / 'report.png'}")


def _fit_list(pairs: Path, output: Path, part: tuple[int, int], options: dict[str, Any]) -> None:
    import quicksilver_ext as qs
    from quicksilver import files, fits, volumes

    files.require_writable(output)
    metric = qs.FluidMetric(pad=volumes.GAP)  # the images' own grids may lack a margin

    def report(file: Path, energies: list[list[float]]) -> None:
        typer.echo(f"{file.name}: energy {energies[-1][0]:.5g} to {energies[-1][-1]:.5g}")

    fits.fit_list(fits.read_list(pairs), output, metric, part=part, report=report, **options)
