"""Methods that the accuracy table compares: ours by steps, and ANTs SyN."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from quicksilver.images.image import Image
from quicksilver.io.fields import read_field
from quicksilver.io.images import read_image
from quicksilver.networks.files import load_model
from quicksilver.networks.shipped import DEFAULT_MODEL, SUFFIX, WEIGHTS, shipped_models
from quicksilver.registration import optimise, predict
from quicksilver.registration.evaluation import measure_spread
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.options import Options
from quicksilver.registration.result import Registration
from quicksilver.transforms.field import WorldField
from quicksilver.transforms.folds import count_folds

from ..measuring.machine import source_version
from .programs import remove_transforms, syn

PAPERS = "quicksilver-2017"
"""The model with the paper's networks."""

PAPERS_PREDICTION = f"{PAPERS}-prediction"
"""The method that predicts by that model and leaves its correction out."""


@dataclass(frozen=True)
class Subject:
    """A brain and its labels in a folder of aligned images: NAME_t1.nii.gz, NAME_lab.nii.gz."""

    folder: Path
    name: str

    @property
    def files(self) -> tuple[Path, Path]:
        """The image and the label map."""
        return self.folder / f"{self.name}_t1.nii.gz", self.folder / f"{self.name}_lab.nii.gz"

    @cached_property
    def image(self) -> Image:
        return read_image(self.files[0])

    @cached_property
    def labels(self) -> Image:
        return read_image(self.files[1], labels=True)


@dataclass(frozen=True)
class Found:
    """The result of a method for a pair.

    displacement: what carries the moving image over, on the target's grid. Folds are counted, and
    the inverse consistency is measured, on the grid on which the method computes. seconds: of
    computing, nothing read or written. details: the settings as the method itself states them.
    deviation: of the dropout samples, mm along R, A and S, where some were drawn.
    """

    displacement: WorldField
    folded_voxels: int = 0
    folded_volume_mm3: float = 0.0
    inverse_consistency_voxels: float = 0.0
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    deviation: WorldField | None = None

    def numbers(self) -> dict[str, Any]:
        """Return all that is no field."""
        fields = ("displacement", "deviation")
        return {name: value for name, value in vars(self).items() if name not in fields}


@dataclass(frozen=True)
class Method:
    """A way to register. settings and version (of the program) say when a result is the same;
    missing: why this method cannot run here, empty where it can."""

    name: str
    settings: dict[str, Any]
    version: str
    run: Callable[[Subject, Subject], Found]
    missing: str = ""


def methods(model: Path | None, refine: int, threads: int) -> dict[str, Method]:
    """All methods by the names that the command line knows; of the models that ship beside the
    default one, by their names, prediction and correction.
    """
    ours = source_version()
    fitted = partial(
        _register, lambda *images: optimise.optimise(*images, FitOptions(device="cpu"))
    )
    shipped = {name: model_file(name) for name in shipped_models()}
    path = model or shipped.pop(DEFAULT_MODEL)
    both = "prediction + correction"
    return {
        "affine": Method("affine alignment", {}, ours, _keep_in_place),
        "prediction": predicting("prediction", path, threads, correction=False),
        "correction": predicting(both, path, threads),
        "refine": predicting(f"{both} + refine {refine}", path, threads, refine=refine),
        "lddmm": Method("LDDMM fit", {"threads": threads}, ours, fitted),
        "syn": _syn_method(threads),
        **{name: predicting(f"{both}, {name}", path, threads) for name, path in shipped.items()},
        PAPERS_PREDICTION: predicting(
            f"prediction, {PAPERS}", model_file(PAPERS), threads, correction=False
        ),
    }


def predicting(
    name: str, path: Path, threads: int, config: Mapping[str, Any] | None = None, **options: Any
) -> Method:
    """Make the method of a model's file; `config`: what is to differ from its configuration."""
    config = config or {}
    settings = {"model": f"{path.name} {digest(path)}", "threads": threads, **config, **options}
    model = load_model(path)
    changed = replace(model, config=replace(model.config, **config))
    run = partial(predict.register, options=Options(changed, device="cpu", **options))
    return Method(name, settings, source_version(), partial(_register, run))


def model_file(model: str) -> Path:
    """Return the file of a model that ships."""
    return Path(str(WEIGHTS / f"{model}{SUFFIX}"))


def digest(*paths: Path) -> str:
    """A short name of the content of files, however it is compressed."""
    content = hashlib.sha256()
    for path in paths:
        packed = path.read_bytes()
        content.update(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    return content.hexdigest()[:12]


def _keep_in_place(moving: Subject, target: Subject) -> Found:
    x, y, z = target.image.grid.shape
    return Found(WorldField(torch.zeros(1, 3, x, y, z), target.image.grid))


def _register(
    register: Callable[[Image, Image], Registration], moving: Subject, target: Subject
) -> Found:
    found = register(moving.image, target.image)
    quality, grid, drawn = found.quality, found.pair.grid, found.uncertainty
    return Found(
        found.displacement,
        quality.folded_voxels,
        quality.folded_volume_voxels * float(grid.spacing.prod()),
        quality.inverse_consistency_voxels.median,
        sum(seconds for stage, seconds in found.seconds.items() if stage != "judge"),
        found.settings.to_json(),
        None if drawn is None else WorldField(drawn.psi.deviation, grid),
    )


def _syn_method(threads: int) -> Method:
    settings = {"type_of_transform": "SyNOnly", "threads": threads}
    run = partial(_syn, threads)
    try:
        return Method("ANTs SyN", settings, f"antspyx {metadata.version('antspyx')}", run)
    except metadata.PackageNotFoundError:
        reason = "pip install 'quicksilver-registration[benchmark]'"
        return Method("ANTs SyN", settings, "", run, reason)


def _syn(threads: int, moving: Subject, target: Subject) -> Found:
    run = syn(moving.files[0], target.files[0], threads)
    start = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - start
    # A field each way, and one affine file of both, which is the identity that SyNOnly starts from.
    there, back = found["fwdtransforms"][0], found["invtransforms"][-1]
    displacement, inverse = read_field(there), read_field(back)
    remove_transforms(found)
    return _measure(displacement, inverse, target.image, seconds)


def _measure(displacement: WorldField, inverse: WorldField, target: Image, seconds: float) -> Found:
    """Folds and inverse consistency on the target's own grid."""
    folds, grid = count_folds(displacement.in_voxels()), displacement.grid
    undone = WorldField(displacement.then(inverse).vectors, grid).in_voxels()
    inside = torch.from_numpy(target.data > 0)[None, None]
    volume = folds.volume * float(grid.spacing.prod())
    return Found(displacement, folds.voxels, volume, measure_spread(undone, inside).median, seconds)
