"""Write the output folder of `quicksilver register` and `quicksilver fit`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Grid
from quicksilver.io import nifti
from quicksilver.io.affines import write_affine
from quicksilver.io.exports import MapFormat, list_exports, write_map
from quicksilver.io.fields import write_field
from quicksilver.io.files import RESULT, filling, write_json
from quicksilver.lddmm.matching import FitSettings
from quicksilver.networks.dropout import Uncertainty
from quicksilver.registration.pair import Pair
from quicksilver.registration.result import Registration
from quicksilver.results import html, png
from quicksilver.results.summary import list_facts, make_tables
from quicksilver.results.views import make_views
from quicksilver.runtime.stages import Progress, Stages, peak_memory
from quicksilver.runtime.threads import run_in_threads
from quicksilver.transforms.field import regrid
from quicksilver_ext import __version__

MAPS = ("displacement", "inverse_displacement")

SAMPLED = tuple(f"{name}{part}.nii.gz" for name in MAPS for part in ("_mean", "_variance"))
"""Files of a registration whose momentum was sampled."""

MASKS = {name: f"{name}_mask.nii.gz" for name in ("moving", "target")}
"""Files of the brains of heads that were stripped."""

FILES = (
    "warped.nii.gz",
    *(f"{name}.nii.gz" for name in MAPS),
    *SAMPLED,
    *MASKS.values(),
    "affine.mat",
    *(f"{name}.nii.gz" for name in ("jacobian", "momentum")),
    "report.html",
    "report.png",
    RESULT,
)
"""All files that a registration may have."""

EXPORTED = tuple(name for kind in MapFormat for name in list_exports(MAPS, kind))
"""Files of its maps for other programs."""


def save_registration(
    registration: Registration,
    folder: str | os.PathLike[str],
    *,
    about: dict[str, Any] | None = None,
    progress: Progress | None = None,
    out_format: MapFormat = MapFormat.ITK,
) -> dict[str, Any]:
    """Write a registration into a folder, all of its files or none.

    warped, displacement and jacobian lie on the target's grid or the registration's reference,
    inverse_displacement on the moving image's, momentum (voxels) on the working grid. The
    displacements are of the whole maps, `affine.mat` holds the affine part alone. The mean of
    displacements that were sampled and their variance (mm^2) lie on the same grids as the
    displacements. The masks of heads that were stripped lie on these images' own grids.

    Args:
        registration: What to write.
        folder: Folder for the files.
        about: Further entries for result.json.
        progress: Told of the stage.
        out_format: A program for which both maps are written, too.

    Returns:
        The content of result.json.

    Raises:
        QuicksilverError: The folder cannot be written, or the program cannot use the maps.
    """
    stages = Stages(progress)
    with filling(folder) as place:
        with stages("write"):
            summary = _summarise(registration, stages.seconds, about or {})
            run_in_threads(_list_writes(registration, summary, place, out_format))
            if out_format is not MapFormat.ITK:
                _export(registration, place, out_format)
        summary = _summarise(registration, stages.seconds, about or {})
        written = max(summary["peak_memory_mb"], peak_memory(registration.psi.device))
        summary["peak_memory_mb"] = written
        write_json(place / RESULT, summary)
    return summary


def _list_writes(
    registration: Registration, summary: dict[str, Any], place: Path, out_format: MapFormat
) -> Iterator[Callable[[], None]]:
    """Yield what writes each file but result.json and exports, as soon as it can begin, the longest
    first.

    Reports have the seconds until now.
    """
    pair, drawn = registration.pair, registration.uncertainty
    pictured, facts = make_views(registration), list_facts(summary)
    headline = "    ".join(["Quicksilver", registration.verdict.level, *facts])
    yield partial(png.draw, pictured, headline, place / "report.png")
    displacement = registration.displacement
    grid = displacement.grid
    yield partial(write_field, place / "displacement.nii.gz", displacement)
    inverse = registration.inverse_displacement
    yield partial(write_field, place / "inverse_displacement.nii.gz", inverse)
    named = [Path(str(summary[name])).name for name in ("moving", "target") if name in summary]
    title = " to ".join(named) or "a registration"
    page = place / "report.html"
    linked = [name for name in _list_files(registration, out_format) if name != page.name]
    tables, line = make_tables(summary), " · ".join(facts)
    yield partial(html.write, pictured, tables, page, title, line, linked)
    warped = registration.warped
    header = pair.moving_image.header
    file = place / "warped.nii.gz"
    yield partial(nifti.save, file, warped.data, warped.affine, source=header)
    determinant = registration.jacobian()[0, 0].cpu().numpy()
    yield partial(nifti.save, place / "jacobian.nii.gz", determinant, grid.affine)
    yield partial(_write_vectors, place / "momentum.nii.gz", registration.momentum, pair.grid)
    yield partial(write_affine, place / "affine.mat", pair.placement.affine, grid.dims)
    for name, head in registration.stripped.items():
        yield partial(nifti.save, place / MASKS[name], head.mask.data, head.mask.affine)
    if drawn is not None:
        yield partial(_write_samples, pair, drawn, place, grid)


def _export(registration: Registration, place: Path, kind: MapFormat) -> None:
    """Write both maps for another program."""
    forward, inverse = registration.displacement, registration.inverse_displacement
    images = registration.pair.moving_image, registration.pair.target_image
    names = list_exports(MAPS, kind)
    for name, field, image in zip(names, (forward, inverse), images, strict=True):
        write_map(place / name, field, kind, image.grid)


def _list_files(registration: Registration, out_format: MapFormat) -> list[str]:
    """List the files that this registration has, with its maps for another program."""
    absent = {file for name, file in MASKS.items() if name not in registration.stripped}
    if registration.uncertainty is None:
        absent.update(SAMPLED)
    exported = [] if out_format is MapFormat.ITK else list_exports(MAPS, out_format)
    return [*(name for name in FILES if name not in absent), *exported]


def _write_samples(pair: Pair, drawn: Uncertainty, place: Path, grid: Grid) -> None:
    """Write the mean of the sampled displacements as a field, and their variance per component R,
    A, S.
    """
    maps = (
        ("displacement", pair.forward(drawn.psi.mean, grid), drawn.psi.variance),
        ("inverse_displacement", pair.backward(drawn.phi.mean), drawn.phi.variance),
    )
    lying = grid, pair.placed.grid  # the latter has the moving image's voxels
    for (name, mean, variance), there in zip(maps, lying, strict=True):
        write_field(place / f"{name}_mean.nii.gz", mean)
        carried = regrid(variance, pair.grid, there)
        _write_vectors(place / f"{name}_variance.nii.gz", carried, mean.grid)


def _write_vectors(path: Path, vectors: Tensor, grid: Grid) -> None:
    """Write three values (1, 3, X, Y, Z) per voxel as three volumes, of slices two, which no
    program takes for displacements.
    """
    volumes = vectors[0, : grid.dims].permute(1, 2, 3, 0)
    nifti.save(path, volumes.cpu().numpy(), grid.affine)


def _summarise(
    registration: Registration, writing: dict[str, float], about: dict[str, Any]
) -> dict[str, Any]:
    seconds = {**registration.seconds, **writing}
    brains = {name: round(head.volume_ml, 1) for name, head in registration.stripped.items()}
    fitted = isinstance(registration.settings.source, FitSettings)
    if fitted:  # of slices, whatever model was named
        about = {name: value for name, value in about.items() if name != "model"}
    return {
        **about,
        "method": "lddmm" if fitted else "prediction",
        **({"stripped_ml": brains} if brains else {}),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "peak_memory_mb": registration.memory_mb,
        "energies": registration.energies.to_json(),
        "quality": registration.quality.to_json(),
        "settings": registration.settings.to_json(),
        "verdict": registration.verdict.to_json(),
        "notes": list(registration.notes),
        "versions": collect_versions(),
    }


def collect_versions() -> dict[str, Any]:
    """Return the versions of everything that computed a result."""
    packages = ("numpy", "scipy", "nibabel")
    return {
        "quicksilver": __version__,
        "quicksilver_ext": qs.info(),
        "torch": torch.__version__,
        **{name: metadata.version(name) for name in packages},
        "python": platform.python_version(),
    }
