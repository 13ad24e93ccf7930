"""Training of a model by a recipe: the prediction network, then the correction network.

A folder of training holds all of its state: `prediction.pt`, `correction.pt` (checkpoints) and
their best weights, the teacher's pairs where the recipe asks for them, `log.jsonl`, `curve.png`,
and at the end `model.safetensors` with its card. Called again with the same folder, training goes
on where it was stopped.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.lddmm.fits import FittedPair, load_pair, pair_files
from quicksilver.lddmm.metric import coarsen_metric
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.files import save_model
from quicksilver.networks.inference import Inference, infer_momenta
from quicksilver.networks.model import Model
from quicksilver.networks.patch import PatchNetwork
from quicksilver.runtime import distributed
from quicksilver.training.batches import Batch, CoarseSource, Geodesics, Source, Subjects
from quicksilver.training.beginning import load_starting_model, make_model_config, require_parts
from quicksilver.training.card import write_card
from quicksilver.training.dataset import load_volumes
from quicksilver.training.forecast import Work, invent_pair, make_forecast, take_step
from quicksilver.training.initialisation import initialise
from quicksilver.training.loss import Predict, TrainingLoss, predict_patches, predict_volumes
from quicksilver.training.objectives import EnergyObjective, MomentumObjective, Objective
from quicksilver.training.patches import CutPatches, FittedPatches
from quicksilver.training.recipe import Recipe
from quicksilver.training.settings import Stage
from quicksilver.training.teacher import check_fits, fit_pairs, plan_fits, write_residuals
from quicksilver.training.tracker import Tracker
from quicksilver.training.trainer import Record, Trainer, count_steps, place_network
from quicksilver.training.validation import Validation

CORRECTION_START = 0.5
"""The correction network begins as this part of the prediction network, which has learned from like
images what momentum a difference wants."""


def train(
    recipe: Recipe,
    data: str | Path,
    folder: str | Path,
    device: torch.device | str = "cpu",
    tell: Callable[[str], None] = lambda news: None,
) -> Model:
    """Train the networks of a recipe and write the model, its card, log and curve into `folder`.

    Under `torchrun` the processes train together.

    Args:
        recipe: The recipe.
        data: Folder that the recipe's patterns of images are relative to.
        folder: Folder of the training; if it exists, training resumes from it.
        device: Device that computes.
        tell: Told before it starts what it will take.

    Raises:
        QuicksilverError: Images are missing.
    """
    device = distributed.join(torch.device(device))
    training = Training(recipe, Path(data), Path(folder), device)
    if distributed.is_first() and (works := list(training.works())):
        tell(str(make_forecast(works, device)))
    return training.run()


class Training:
    """One training: recipe, images, folder and device."""

    def __init__(self, recipe: Recipe, data: Path, folder: Path, device: torch.device) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.config = make_model_config(recipe)
        self.metric = self.config.fluid_metric()
        self.start = (
            None if recipe.start is None else load_starting_model(recipe.start, self.config)
        )
        require_parts(recipe, self.config, device)
        volumes = load_volumes(data, recipe.data)
        held_out = recipe.data.held_out
        if len(volumes) < held_out + 2:
            raise QuicksilverError(
                f"expected at least {held_out + 2} subjects of whom {held_out} are held out, found "
                f"{len(volumes)} in {data}; lower held_out or give more images"
            )
        self.subjects, self.held_out = (
            volumes.part(slice(0, -held_out)),
            volumes.part(slice(-held_out, None)),
        )
        self.fits = self._given_fits(data)
        self.coarse_correction = self._coarse_correction()
        folder.mkdir(parents=True, exist_ok=True)
        self.validation = Validation(self.held_out, recipe, self.config, device)

    def run(self) -> Model:
        """Train every stage that is not done, and write the files of the model."""
        model = Model(self.config, self._prediction().eval(), None, self.coarse_correction)
        if self.recipe.correction is not None:
            correction = self._stage("correction", self.recipe.correction, model)
            model = replace(model, correction=correction.eval())
        model.config.results = self.validation.judge_model(model)
        if distributed.is_first():
            save_model(model, self.folder / "model.safetensors")
            write_card(model.config, self.recipe.name, self.folder / "model.md")
        distributed.wait()
        return model

    def works(self) -> Iterator[Work]:
        """List what is left to do, for a forecast."""
        recipe, named = self.recipe, {}
        for name, stage in (("prediction", recipe.prediction), ("correction", recipe.correction)):
            if stage is not None and stage.steps > count_steps(self.folder / f"{name}.pt"):
                named[name] = stage
        if any(stage.source == "fits" for stage in named.values()) and self.fits is None:
            assert recipe.fits is not None  # checked by the recipe
            yield from plan_fits(self.subjects, recipe.fits, self.metric, self.folder / "fits")
        for name, stage in named.items():
            yield from self._stage_works(name, stage)

    def _stage_works(self, name: str, stage: Stage) -> Iterator[Work]:
        """List the steps and the validations of a stage that are left, with untrained networks."""
        done = count_steps(self.folder / f"{name}.pt")
        networks = [place_network(self.config.network(), self.device) for _ in range(2)]
        first = Model(self.config, networks[0], None, self.coarse_correction)
        corrected = replace(first, correction=networks[1])
        whole, before = (first, None) if name == "prediction" else (corrected, first)
        patches, held = None, 0.0
        if stage.source == "fits":
            assert self.recipe.fits is not None  # checked by the recipe
            patches = FittedPatches([invent_pair(self.subjects)], self.recipe.variation.intensity)
            count = self.recipe.fits.pairs or len(pair_files(self.fits or self.folder))
            held = float(count * patches.volumes[0].nbytes)
        source, loss = self._problem(stage, before, patches)
        step = partial(take_step, networks[1], source, loss, stage, self.device)
        yield Work(name, stage.steps - done, step, held)
        judge = partial(self.validation.judge_pair, whole, *self.validation.pairs[0])
        pairs = stage.validations * len(self.validation.pairs)
        yield Work(name, pairs * (1 - done / stage.steps), judge)

    def _given_fits(self, data: Path) -> Path | None:
        """Return the folder of fits that the recipe names, once they are checked; None: it names
        none.
        """
        if self.recipe.fits is None or self.recipe.fits.folder is None:
            return None
        folder = data / self.recipe.fits.folder
        check_fits(folder, self.recipe, self.held_out.names)
        return folder

    def _prediction(self) -> MomentumNetwork:
        if self.recipe.prediction is not None:
            return self._stage("prediction", self.recipe.prediction, None)
        assert self.start is not None  # checked by the recipe
        return self.start.prediction.to(self.device)

    def _coarse_correction(self) -> MomentumNetwork | None:
        """Return the start's correction network if it corrects on the grid of the prediction."""
        if self.config.coarse_corrections == 0:
            return None
        assert self.start is not None  # checked by the recipe
        network = self.start.coarse_correction or self.start.correction
        if network is None:
            raise QuicksilverError(
                "expected a start with a correction network, for coarse corrections, found none in "
                f"{self.recipe.start}; change `start` or leave coarse_corrections out"
            )
        return network.to(self.device)

    def _stage(self, name: str, stage: Stage, first: Model | None) -> MomentumNetwork:
        """Train one network; `first`: all that comes before a correction, which is then trained."""
        torch.manual_seed(self.recipe.seed)
        network = self.config.network()
        patches = self._fitted_patches(first) if stage.source == "fits" else None
        source, loss = self._problem(stage, first, patches)
        scale = loss.scale
        checkpoint = self.folder / f"{name}.pt"
        begun = self._begun(first)
        if begun is not None:
            network.load_state_dict(begun.state_dict())
            network.scale(1 / scale)
        elif isinstance(network, PatchNetwork) and not checkpoint.exists():
            begin = torch.Generator().manual_seed(self.recipe.seed)
            initialise(network, self._patches_to_begin_with(source), scale, begin)
        seed = self.recipe.seed + (first is not None)
        trainer = Trainer(network, source, loss, stage, checkpoint, seed, self.device)

        def validate(trained: MomentumNetwork) -> Record:
            return self.validation.judge_network(scale_network(trained, scale), first)

        with Tracker(self.folder, name, stage.steps, trainer.step) as tracker:
            return scale_network(trainer.run(validate, tracker), scale)

    def _begun(self, first: Model | None) -> MomentumNetwork | None:
        """Return the network that a training begins with, if any."""
        if first is None:
            return None if self.start is None else self.start.prediction
        if self.start is not None and self.start.correction is not None:
            return self.start.correction
        return scale_network(first.prediction, CORRECTION_START)

    def _problem(
        self, stage: Stage, first: Model | None, patches: FittedPatches | None
    ) -> tuple[Source, TrainingLoss]:
        """Return the source of a stage's batches, and the loss of a network; `patches`: of fits."""
        source, predict = self._task(stage, first, patches)
        factor = self.config.prediction_factor if first is None else 1
        if factor > 1:
            source = CoarseSource(source, factor)
        # Momenta of patches are small: their networks learn them in units of the mean.
        scale = 1.0 if patches is None else patches.mean_magnitude()
        return source, TrainingLoss(self._objective(stage, factor), predict, scale, stage.precision)

    def _task(
        self, stage: Stage, first: Model | None, patches: FittedPatches | None
    ) -> tuple[Source, Predict]:
        if patches is not None:
            return patches, predict_patches
        subjects = self.subjects.to(self.device) if stage.workers == 0 else self.subjects
        variation = self.recipe.variation
        if stage.source == "images":
            return Subjects(subjects, variation, self.metric), self._volume_prediction(first)
        source = Geodesics(subjects, variation, self.metric)
        if self.recipe.network.architecture == "patch" and first is None:
            return CutPatches(source), predict_patches
        return source, self._volume_prediction(first)

    def _volume_prediction(self, first: Model | None) -> Predict:
        if first is None:
            return partial(predict_volumes, self.config)
        frozen = first.to(self.device)

        def correct(trained: MomentumNetwork, batch: Batch) -> Tensor:
            pair = Inference(self.config, batch.seen_moving, batch.seen_target)
            momentum = infer_momenta(frozen, pair.moving, pair.target)[-1]
            # Any of its corrections, drawn with the seed of the step.
            before = int(torch.randint(self.config.corrections, ()))
            with torch.no_grad():
                momentum = pair.correct(momentum, trained, before)[-1]
            return pair.correct(momentum, trained, 1)[-1]

        return correct

    def _objective(self, stage: Stage, factor: int) -> Objective:
        metric = coarsen_metric(self.metric, factor)
        return (
            EnergyObjective(metric, stage)
            if stage.objective == "energy"
            else MomentumObjective(metric, stage)
        )

    def _fitted_patches(self, first: Model | None) -> FittedPatches:
        """Return patches of the teacher's pairs, or of what `first` leaves of them."""
        assert self.recipe.fits is not None
        folder = self.fits or fit_pairs(
            self.subjects, self.recipe.fits, self.metric, self.folder / "fits", self.recipe.seed
        )
        if first is not None:
            folder = write_residuals(
                folder, first.prediction, self.config, self.folder / "residuals"
            )
        pairs = [load_pair(file) for file in pair_files(folder)]
        return FittedPatches(pairs, self.recipe.variation.intensity)

    def _patches_to_begin_with(self, source: Source) -> FittedPatches:
        """Return the patches that the first weights are fitted to."""
        if isinstance(source, FittedPatches):
            return source
        geodesics = Geodesics(self.subjects, self.recipe.variation, self.metric)
        generator = torch.Generator().manual_seed(self.recipe.seed)
        batch = geodesics.batch(2, generator)
        assert batch.momentum is not None
        parts = (batch.moving, batch.target, batch.momentum)
        pairs = [FittedPair(*(p[None] for p in pair)) for pair in zip(*parts, strict=True)]
        return FittedPatches(pairs, self.recipe.variation.intensity)


def scale_network(network: MomentumNetwork, factor: float) -> MomentumNetwork:
    """Copy a network, with momenta `factor` times as large."""
    copied = copy.deepcopy(network)
    copied.scale(factor)
    return copied
