"""Make an unbiased template of a group: register it to every image, average, go to the mean shape.

The template of round k lies in OUT/rounds/k, beside the registrations of the one before it to every
image. What a round needs is always read from there, so that an interrupted run ends with the same
bits. The first process averages; the others wait for what it writes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quicksilver.api import run_register
from quicksilver.cohort.pairs import PairPaths
from quicksilver.cohort.run import choose_jobs, is_done, make_key, require_places, run_cohort
from quicksilver.errors import QuicksilverError
from quicksilver.images.sharpness import measure_sharpness
from quicksilver.io.fields import read_field
from quicksilver.io.images import read_image
from quicksilver.networks.model import Model
from quicksilver.registration.evaluation import measure_spread
from quicksilver.registration.options import Options
from quicksilver.registration.predict import open_checked
from quicksilver.registration.verdict import Verdict
from quicksilver.runtime import distributed
from quicksilver.runtime.devices import pick_device
from quicksilver.runtime.stages import Progress, Stages
from quicksilver.templates.average import Average, average_images, begin
from quicksilver.templates.mean import find_move
from quicksilver.templates.options import TemplateOptions
from quicksilver.templates.result import (
    FILES,
    TEMPLATE,
    Round,
    Template,
    load_round,
    save_round,
    save_template,
)
from quicksilver.templates.subjects import Subject, find_subjects
from quicksilver.transforms.chain import Chain, Transform

ROUNDS = "rounds"
"""Folder, in that of the results, with a folder of each round."""

REGISTRATIONS = "registrations"
"""Folder, in that of a round, with the registration of the template to each image."""

PAUSE = 0.5
"""Seconds between two looks for what another process writes."""


def build_template(
    images: Sequence[str | Path],
    folder: str | Path,
    options: TemplateOptions | None = None,
    *,
    jobs: int | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Template:
    """Make a template of a group of skull-stripped images, and write it.

    Started by `torchrun`, every process registers its share of the images in each round.

    Args:
        images: Files of at least two brains, of different names; their order decides nothing.
        folder: Folder for the files.
        options: How.
        jobs: Images at once; None: as many as cores and memory allow.
        about: Further entries for result.json.
        progress: Called with the name of each stage as it starts, and with details.

    Returns:
        The template, and what each round made of it.

    Raises:
        QuicksilverError: An image cannot be read or registered, or memory is not enough.

    Example:
        >>> build_template(["a.nii.gz", "b.nii.gz"], "OUT").image  # doctest: +SKIP
    """
    options, folder = options or TemplateOptions(), Path(folder)
    device = pick_device(options.device)
    subjects = find_subjects(map(Path, images))
    asked = Options(options.model, device=device, refine=options.refine)
    asked = Options(open_checked(asked), device=device, refine=options.refine)
    stages = Stages(progress)
    group = Group(subjects, folder, asked, options.spacing, jobs or choose_jobs(device), stages)
    rounds = [group.start()]
    for number in range(1, options.rounds + 1):
        rounds.append(group.improve(number))
    image, _, left_out = load_round(group.locate(options.rounds))
    found = Template(image, tuple(rounds), left_out, stages.seconds)
    if distributed.is_first():
        save_template(found, folder, {**_describe(subjects, options), **(about or {})})
    return found


def list_outputs(images: Sequence[Path], folder: Path, rounds: int) -> list[Path]:
    """List the files of templates that a run may write; registrations lie in folders below."""
    places = [folder, *(folder / ROUNDS / str(number) for number in range(rounds + 1))]
    return [place / file for place in places for file in FILES]


@dataclass(frozen=True)
class Group:
    """The images of a template, and the folder in which it is made.

    Args:
        subjects: The images, by name.
        folder: Folder of the results.
        options: How each image is registered.
        spacing: Voxel size of the template in mm; None: the median of the images'.
        jobs: Images at once.
        stages: Measures the stages.
    """

    subjects: Sequence[Subject]
    folder: Path
    options: Options
    spacing: float | None
    jobs: int
    stages: Stages

    @property
    def images(self) -> list[Path]:
        """The images' files."""
        return [subject.image for subject in self.subjects]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the images that decides a result."""
        assert isinstance(self.options.model, Model)
        return {
            "model": self.options.model.digest(),
            "device": torch.device(self.options.device).type,
            "refine": self.options.refine,
            "spacing": self.spacing,
        }

    def locate(self, number: int) -> Path:
        """Return the folder of a round."""
        return self.folder / ROUNDS / str(number)

    def start(self) -> Round:
        """Begin with an average of the images, aligned by affines alone."""
        pairs = [PairPaths(each.name, each.image, each.image) for each in self.subjects]
        with self.stages("start"):
            return self._settle(0, pairs, self._begin)

    def improve(self, number: int) -> Round:
        """Register the template of the round before to every image, average, and move it."""
        place, template = self.locate(number), self.locate(number - 1) / TEMPLATE
        pairs = [PairPaths(each.name, template, each.image) for each in self.subjects]
        with self.stages(f"round {number}") as tell:
            if not is_done(place, self._make_key(pairs)):
                self._register(pairs, place / REGISTRATIONS, tell)
            return self._settle(number, pairs, self._average)

    def _settle(
        self,
        number: int,
        pairs: Sequence[PairPaths],
        make: Callable[[int], tuple[Average, dict[str, Any]]],
    ) -> Round:
        """Return a round that the first process makes, if it is not done, and writes."""
        place, key = self.locate(number), self._make_key(pairs)
        if distributed.is_first() and not is_done(place, key):
            made, more = make(number)
            data = torch.from_numpy(made.image.data)[None, None]
            sharpness = round(measure_sharpness(data).item(), 5)
            record = {"number": number, "sharpness": sharpness, "deviation": made.deviation}
            save_round(place, made.image, {**record, "left_out": {}, **more, "key": key})
        _wait_for(lambda: is_done(place, key))
        return load_round(place)[1]

    def _make_key(self, pairs: Sequence[PairPaths]) -> str:
        """Return what is the same of equal images, templates and settings alone."""
        keys = [make_key(pair, self.settings) for pair in pairs]
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()

    def _begin(self, number: int) -> tuple[Average, dict[str, Any]]:
        return begin(self.images, self.spacing), {}

    def _register(
        self, pairs: Sequence[PairPaths], folder: Path, tell: Callable[[str], None]
    ) -> None:
        """Register what is not registered yet, and wait for the other processes."""
        require_places(pairs, folder)
        run = run_cohort(
            pairs, folder, self._register_pair, self.settings, jobs=self.jobs, tell=tell
        )
        failed = [outcome for outcome in run if outcome.error]
        if failed:
            raise QuicksilverError(
                f"expected the template to be registered to every image, found that {failed[0].id} "
                f"was not ('{failed[0].error}'); mend it, or leave it out"
            )
        keys = {pair.id: make_key(pair, self.settings) for pair in pairs}
        _wait_for(lambda: all(is_done(folder / name, key) for name, key in keys.items()))

    def _register_pair(self, pair: PairPaths, place: Path, entries: dict[str, Any]) -> None:
        named = {"moving": str(pair.moving), "target": str(pair.target)}
        found = run_register(pair.moving, pair.target, self.options)
        found.save(place, about={"command": "template", **named, **entries})

    def _average(self, number: int) -> tuple[Average, dict[str, Any]]:
        """Average the images in the mean shape; return what is known of that, too."""
        assert isinstance(self.options.model, Model)
        template = read_image(self.locate(number - 1) / TEMPLATE)
        kept, left_out = self._choose(self.locate(number) / REGISTRATIONS)
        move = find_move(template, list(kept.values()), self.options.model.config)
        chains = [Chain([*move.trace_back(), _find_map(place)]) for place in kept.values()]
        images = [each.image for each in self.subjects if each.name in kept]
        made = average_images(images, chains, template.grid)
        inside = torch.from_numpy(template.data != 0)[None, None]
        change = measure_spread(move.displace(template.grid).vectors, inside)
        left = (made.image.data - template.data)[template.data != 0]
        difference = float(np.sqrt(np.square(left, dtype=np.float64).mean()))
        found = {"change_mm": change.to_json(), "difference": difference}
        return made, {**found, "left_out": left_out}

    def _choose(self, folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
        """Return the folders of what was registered, and why other registrations failed."""
        kept, left_out = {}, {}
        for subject in self.subjects:
            verdict = Verdict.load(folder / subject.name)
            if verdict.level == "failed":
                left_out[subject.name] = "; ".join(verdict.reasons)
            else:
                kept[subject.name] = folder / subject.name
        if len(kept) < 2:
            raise QuicksilverError(
                "expected at least two images that the template can be brought to, found that the "
                f"registrations of {', '.join(left_out)} failed; look at their reports in {folder}"
            )
        return kept, left_out


def _find_map(place: Path) -> Transform:
    """Return the map from the template's points to those of an image."""
    field = read_field(place / "inverse_displacement.nii.gz")
    return Transform(field, None, place.name)


def _wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what other processes write; whoever started them ends all if one of them fails."""
    while not condition():
        time.sleep(PAUSE)


def _describe(subjects: Sequence[Subject], options: TemplateOptions) -> dict[str, Any]:
    """Return the entries of result.json on what was asked."""
    return {
        "command": "template",
        "images": {each.name: str(each.image) for each in subjects},
        "settings": {
            "rounds": options.rounds,
            "spacing": options.spacing,
            "refine": options.refine,
        },
    }
