"""Whole registrations, fits and training steps, beside other programs on the same pair."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from quicksilver import demo
from quicksilver.images.image import Image
from quicksilver.io.images import read_image, write_image
from quicksilver.lddmm.matching import FitSettings
from quicksilver.networks.files import load_model
from quicksilver.networks.model import Model
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.optimise import optimise
from quicksilver.registration.options import Options
from quicksilver.registration.placement import load_template
from quicksilver.registration.predict import register
from quicksilver.registration.result import Registration
from quicksilver.training.recipe import Recipe
from quicksilver.training.train import Training

from ..measuring.clock import Call, alternate
from ..measuring.inputs import brain
from ..measuring.place import Place, Record
from ..operators.peers import MissingPeerError
from .programs import demons, remove_transforms, syn

RUNS = 3
AT_ONCE = (1, 2, 4)
COMMAND = "import sys; sys.path.append(sys.path.pop(0)); from quicksilver.cli import main; main()"
"""`python -m quicksilver`, but what is installed goes before the folder it is called from."""

ALIGNED_WORDS = ["--no-affine"]
"""Options of the command: the pair is aligned already, as the other programs assume."""

SMALL_BRAIN, SMALL_FRAME = (40, 44, 36), (32, 32, 32)


@dataclass(frozen=True)
class Pair:
    """Files of two brains, aligned to each other."""

    moving: Path
    target: Path

    def images(self) -> tuple[Image, Image]:
        return read_image(self.moving), read_image(self.target)


@contextmanager
def make_pair(small: bool) -> Iterator[Pair]:
    """A brain and a copy deformed by a random geodesic: the template of the demo, or (small) an
    ellipsoid.
    """
    moving = _ellipsoid(SMALL_BRAIN) if small else load_template()
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder) / "moving.nii.gz", Path(folder) / "target.nii.gz")
        write_image(pair.moving, moving.data, moving.affine)
        target = demo.make_puzzle(moving).target
        write_image(pair.target, target.data, target.affine)
        yield pair


def _ellipsoid(shape: tuple[int, ...], seed: int = 0) -> Image:
    return Image(brain(shape, seed).numpy(), np.diag([2.0, 2.0, 2.0, 1.0]))


@dataclass(frozen=True)
class Whole:
    """A case of the pipeline: its name and what measures it."""

    name: str
    run: Callable[[Place], Record]

    def measure(self, place: Place) -> Record:
        return self.run(place)


def whole_cases(pair: Pair, models: list[Path]) -> list[Whole]:
    """All cases of the pipeline; register once for every model."""
    found = [
        Whole(f"register, {m.stem}", lambda p, m=m: measure_registration(p, pair, m))
        for m in models
    ]
    found += [
        Whole(f"register command, {m.stem}", lambda p, m=m: measure_command(p, pair, m))
        for m in models
    ]
    found += [
        Whole(f"register commands side by side, {n}", lambda p, n=n: measure_at_once(p, pair, n))
        for n in AT_ONCE
    ]
    return [
        *found,
        Whole("fit", lambda place: measure_fit(place, pair)),
        Whole("train, volumes", lambda place: measure_training(place, "horizontal")),
        Whole("train, patches", lambda place: measure_training(place, "patch")),
    ]


def _compare(place: Place, calls: dict[str, Call], missing: dict[str, str]) -> Record:
    runs = (1, 1) if place.small else (RUNS, RUNS)
    measured = alternate(torch.device("cpu"), calls, 1, 0, runs, warm=False)
    hours = {name: 3600 / found["seconds"]["median"] for name, found in measured.items()}
    return {"measured": measured, "missing": missing, "volumes_per_hour": hours}


def measure_registration(place: Place, pair: Pair, model_file: Path) -> Record:
    """Measure computing alone: from images in memory to maps in memory."""
    model = load_model(model_file)
    moving, target = pair.images()
    last: list[Registration] = []

    def ours(_: int) -> None:
        last[:] = [register(moving, target, Options(model, device=place.device))]

    calls, missing = _with_others(ours, pair)
    record = _compare(place, calls, missing)
    return {**record, **_about(model), "stages": last[0].seconds, "spacing": model.config.spacing}


def _about(model: Model) -> Record:
    config = model.config
    names = ("architecture", "features", "spacing", "steps", "commit")
    return {"model": {name: getattr(config, name) for name in names}}


def _with_others(ours: Call, pair: Pair) -> tuple[dict[str, Call], dict[str, str]]:
    calls, missing, threads = {"quicksilver": ours}, {}, torch.get_num_threads()

    def run_syn() -> Call:
        run = syn(pair.moving, pair.target, threads)
        return lambda _: remove_transforms(run())

    def run_demons() -> Call:
        run = demons(pair.moving, pair.target, threads)
        return lambda _: run()

    for name, prepare in {"ANTs SyN": run_syn, "SimpleITK demons": run_demons}.items():
        try:
            calls[name] = prepare()
        except MissingPeerError as reason:
            missing[name] = str(reason)
    return calls, missing


def measure_command(place: Place, pair: Pair, model: Path) -> Record:
    """Measure the whole command: start, read, compute, write, report."""
    files = [str(pair.moving), str(pair.target)]
    missing = _with_others(lambda _: None, pair)[1]
    with tempfile.TemporaryDirectory() as folder:
        lines = {"quicksilver": [*_words(place, pair, folder), "--model", str(model)]}
        for name, word in {"ANTs SyN": "syn", "SimpleITK demons": "demons"}.items():
            if name not in missing:
                lines[name] = [
                    "-m",
                    "benchmarks.registration.programs",
                    word,
                    *files,
                    f"{folder}/{word}.nii.gz",
                ]
        calls = {name: _shell(line) for name, line in lines.items()}
        record = _compare(place, calls, missing)
        stages = json.loads((Path(folder) / "result.json").read_text())["seconds"]
    return {**record, "stages": stages}


def measure_at_once(place: Place, pair: Pair, count: int) -> Record:
    """Measure whole commands that run side by side, as in a cohort."""
    with tempfile.TemporaryDirectory() as folder:
        commands = [_words(place, pair, f"{folder}/{n}") for n in range(count)]

        def run(_: int) -> None:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda words: _shell(words)(0), commands))

        record = _compare(place, {"quicksilver": run}, {})
    hours = {name: count * each for name, each in record["volumes_per_hour"].items()}
    return {**record, "volumes_per_hour": hours, "stages": {}}


def _words(place: Place, pair: Pair, folder: str) -> list[str]:
    options = ["-o", folder, "--device", str(place.device), *ALIGNED_WORDS]
    return ["-c", COMMAND, "register", str(pair.moving), str(pair.target), *options]


def _shell(words: list[str]) -> Call:
    command = [sys.executable, *words]
    return lambda _: subprocess.run(command, check=True, capture_output=True)


def measure_fit(place: Place, pair: Pair) -> Record:
    """Measure one LDDMM fit with the default settings."""
    moving, target = pair.images()
    settings = FitSettings(levels=(2,), iterations=(2,)) if place.small else FitSettings()
    options = FitOptions(settings=settings, device=place.device)
    last: list[Registration] = []

    def ours(_: int) -> None:
        last[:] = [optimise(moving, target, options)]

    measured = alternate(torch.device("cpu"), {"quicksilver": ours}, 1, 0, (1, 1), warm=False)
    hours = {"quicksilver": 3600 / measured["quicksilver"]["seconds"]["median"]}
    iterations = [len(level) - 1 for level in last[0].energies.iterations]
    return {
        "measured": measured,
        "missing": {},
        "volumes_per_hour": hours,
        "stages": last[0].seconds,
        "iterations": iterations,
    }


def measure_training(place: Place, architecture: str) -> Record:
    """Measure training steps, of whole volumes as for the default model or of patches as for the
    paper's network.
    """
    steps = 2 if place.small else 4
    with tempfile.TemporaryDirectory() as folder:
        recipe = _recipe(place.small, architecture, steps)
        for seed in range(4):
            image = _ellipsoid(recipe.data.shape, seed)
            write_image(Path(folder) / f"made_up_{seed}.nii.gz", image.data, image.affine)
        Training(recipe, Path(folder), Path(folder) / "out", place.device).run()
        lines = (Path(folder) / "out" / "log.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    batch = recipe.prediction.batch
    unit = "patches" if architecture == "patch" else "volumes"
    return {
        "measured": {},
        "missing": {},
        "unit": unit,
        "batch": batch,
        "steps": last["step"],
        "per_second": last["step"] * batch / last["seconds"],
        "recipe": recipe.model_dump(mode="json"),
    }


def _recipe(small: bool, architecture: str, steps: int) -> Recipe:
    shape = SMALL_FRAME if small else (80, 96, 80)
    patch = architecture == "patch"
    features = 4 if small else (64 if patch else 16)
    stage = {"steps": steps, "validations": 1, "warm_up": 1}
    if patch:
        stage |= {"source": "geodesics", "objective": "momentum", "batch": 2 if small else 4}
    data = {"images": "made_up_*.nii.gz", "shape": shape, "spacing": 2.0, "origin": (0, 0, 0)}
    return Recipe.model_validate(
        {
            "name": f"benchmark of {architecture}",
            "data": {**data, "held_out": 2, "validation_pairs": 1},
            "network": {"architecture": architecture, "features": features},
            "prediction": stage,
        }
    )
