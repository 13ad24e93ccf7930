"""The command `quicksilver`; heavy modules are imported inside the commands: help is quick."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicksilver.errors import QuicksilverError

if TYPE_CHECKING:
    from quicksilver.images import Image
    from quicksilver.models import Model
    from quicksilver.registration import Registration
    from quicksilver.stages import Progress

app = typer.Typer(
    help="Fast diffeomorphic registration of brain images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Moving = Annotated[Path, typer.Argument(help="NIfTI image that is deformed.")]
Target = Annotated[Path, typer.Argument(help="NIfTI image that it is brought to.")]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Saved = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that register or fit wrote.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Time steps of the geodesic; the model's by default.")
]
ModelFile = Annotated[
    Path | None, typer.Option("--model", help="Model file; the one that ships by default.")
]


@app.command()
def register(
    moving: Moving,
    target: Target,
    output: Folder,
    model: ModelFile = None,
    device: Device = "auto",
    steps: Steps = None,
    no_correction: Annotated[bool, typer.Option("--no-correction", help="Predict only.")] = False,
) -> None:
    """Register two affinely aligned images: predict, shoot, correct, shoot."""
    from quicksilver import console, files, registration

    files.require_writable(output)
    chosen = registration.pick_device(device)
    with console.progress() as progress:
        first, second, seconds = _read(progress, moving, target)
        found = registration.register(
            first,
            second,
            _model(model),
            device=chosen,
            steps=steps,
            correction=not no_correction,
            progress=progress,
        )
        about = {
            "command": "register",
            "moving": str(moving),
            "target": str(target),
            "model": str(model or "default"),
        }
        summary = _save(found, output, about, seconds, progress)
    console.show_registration(summary)
    typer.echo(f"report: {output / 'report.png'}")


@app.command()
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
        first, second, seconds = _read(progress, moving, target)
        found = registration.optimise(first, second, device=chosen, progress=progress, **options)
        about = {"command": "fit", "moving": str(moving), "target": str(target)}
        summary = _save(found, output, about, seconds, progress)
    console.show_registration(summary)
    typer.echo(f"report: {output / 'report.png'}")


def _fit_list(pairs: Path, output: Path, part: tuple[int, int], options: dict[str, Any]) -> None:
    import quicksilver_ext as qs
    from quicksilver import files, fits, training

    files.require_writable(output)
    metric = qs.FluidMetric(pad=training.GAP)  # the images' own grids may lack a margin

    def report(file: Path, energies: list[list[float]]) -> None:
        typer.echo(f"{file.name}: energy {energies[-1][0]:.5g} to {energies[-1][-1]:.5g}")

    fits.fit_list(fits.read_list(pairs), output, metric, part=part, report=report, **options)


@app.command()
def train(
    fitted: Annotated[Path, typer.Argument(help="Folder of fits that `fit --pairs` wrote.")],
    validation: Annotated[Path, typer.Argument(help="Folder of fits of other people.")],
    output: Folder,
    features: Annotated[int, typer.Option(min=1, help="Width of the networks.")] = 16,
    spacing: Annotated[float, typer.Option(min=0.1, help="Of the fits' grids, mm.")] = 2.0,
    minutes: Annotated[
        tuple[float, float], typer.Option(help="For the prediction, for the correction network.")
    ] = (40.0, 20.0),
    training_data: Annotated[str, typer.Option(help="For the model's card.")] = "",
    licence: Annotated[str, typer.Option(help="For the model's card.")] = "",
) -> None:
    """Train a model: the prediction network, then the correction network.

    Stopped and called again with the same folder, training goes on where it was.
    """
    from quicksilver import files, fits, training
    from quicksilver.models import ModelConfig
    from quicksilver.trainer import TrainingConfig

    files.require_writable(output)
    for folder in (fitted, validation):
        fits.pair_files(folder)  # now, and not after an hour on the other one
    config = ModelConfig(features, spacing=spacing, training_data=training_data, licence=licence)
    prediction, correction = (TrainingConfig(minutes=part) for part in minutes)

    def report(record: dict[str, Any]) -> None:
        typer.echo("  ".join(f"{name} {value}" for name, value in record.items()))

    training.train(fitted, validation, output, config, prediction, correction, report)
    typer.echo(f"model: {output / 'model.safetensors'}")


@app.command()
def apply(
    saved: Saved,
    image: Annotated[Path, typer.Argument(help="NIfTI image to warp.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="NIfTI file to write.")],
    labels: Annotated[bool, typer.Option("--labels", help="Nearest neighbour.")] = False,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="From the target to the moving image's grid.")
    ] = False,
) -> None:
    """Warp another image or label map with a saved registration."""
    from quicksilver import images, results

    result = results.load(saved)
    field = result.inverse if inverse else result.displacement
    source = images.read_image(image, labels=labels)
    warped = field.warp(source, "nearest" if labels else "linear")
    if not warped.data.any():
        raise QuicksilverError(
            f"expected {image} to lie where the registered images are, found no overlap in world "
            f"coordinates; give an image of the {'target' if inverse else 'moving'} space"
        )
    images.write_image(output, warped.data, warped.affine)


@app.command()
def evaluate(
    saved: Saved,
    moving_labels: Annotated[Path, typer.Option(help="Label map of the moving image.")],
    target_labels: Annotated[Path, typer.Option(help="Label map of the target.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers.")] = None,
) -> None:
    """Print the overlap per label and how regular the deformation is."""
    from quicksilver import console, evaluation, files, images, results

    result = results.load(saved)
    moving, target = (images.read_image(p, labels=True) for p in (moving_labels, target_labels))
    judged = {
        **evaluation.judge_labels(result.displacement, moving, target),
        "map": evaluation.judge_map(result.displacement, result.inverse, result.warped.data != 0),
    }
    console.show_evaluation(judged)
    if json_file is not None:
        files.write_json(json_file, judged)


@app.command()
def demo(
    output: Folder = Path("quicksilver-demo"),
    model: ModelFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random deformation.")] = 0,
    device: Device = "auto",
) -> None:
    """Register a template brain to a deformed copy of it, and compare with the known answer."""
    from quicksilver import console, registration
    from quicksilver import demo as example

    chosen = registration.pick_device(device)
    with console.progress() as progress:
        summary = example.run(_model(model), output, seed=seed, device=chosen, progress=progress)
    console.show_registration(summary)
    before, after = (summary["error_mm"][when]["mean"] for when in ("before", "after"))
    typer.echo(f"mean distance to the known map: {before:.2f} mm before, {after:.2f} mm after")
    typer.echo(f"report: {output / 'report.png'}")


def _read(progress: Progress, moving: Path, target: Path) -> tuple[Image, Image, float]:
    """Both images, and the seconds that reading them took."""
    from quicksilver.images import read_image

    progress("read")
    start = time.perf_counter()
    return read_image(moving), read_image(target), time.perf_counter() - start


def _save(
    found: Registration, folder: Path, about: dict[str, str], reading: float, progress: Progress
) -> dict[str, Any]:
    """Write a registration with the seconds that came before it; the content of result.json."""
    from dataclasses import replace

    from quicksilver import results

    timed = replace(found, seconds={"read": reading, **found.seconds})
    return results.save(timed, folder, about=about, progress=progress)


def _model(path: Path | None) -> Model:
    """The model of a file in either format, or the one that ships."""
    from quicksilver import models

    if path is None:
        return models.default_model()
    published = path.name.endswith((".pth.tar", ".pth", ".tar"))
    return models.load_published(path) if published else models.load_model(path)


def main() -> None:
    """Run the command line; a QuicksilverError is one sentence and exit code 2."""
    try:
        app()
    except QuicksilverError as error:
        print(f"quicksilver: {error}", file=sys.stderr)
        raise SystemExit(2) from None
