"""Train one network: steps, checkpoints, averages of weights, several processes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.io.tensors import write_state
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.dropout import find_dropout
from quicksilver.runtime import distributed
from quicksilver.training.batches import Batch, Source
from quicksilver.training.settings import Stage

Record = dict[str, Any]
Report = Callable[[Record], None]
"""Called with a record (step, seconds, loss, learning_rate ...) after every step."""

SAVE_EVERY = 60.0  # seconds of work that a kill may cost
RECENT = 50


class Trainer:
    """Minimises `loss(network, batch)` over the batches of a source.

    `checkpoint` is written about every minute and at the end. If it exists, training resumes from
    it with the losses that an uninterrupted run would have had. Under `torchrun` every process
    draws batches of its own, gradients are averaged, and the first process writes.
    """

    def __init__(
        self,
        network: MomentumNetwork,
        source: Source,
        loss: Callable[[MomentumNetwork, Batch], Tensor],
        stage: Stage,
        checkpoint: str | Path,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.loss, self.stage = place_network(network, device), loss, stage
        self.device, self.checkpoint, self.seed = torch.device(device), Path(checkpoint), seed
        self.batches = Batches(source, stage.batch, seed)
        self.average = copy.deepcopy(self.network).eval()
        self.dropout = [(layer, layer.p) for layer in find_dropout(network)]
        self.optimiser = torch.optim.AdamW(
            network.parameters(), betas=(0.9, 0.99), weight_decay=stage.weight_decay
        )
        self.step, self.seconds, self.best = 0, 0.0, float("-inf")
        self.losses: list[float] = []
        if self.checkpoint.exists():
            self.load()
        distributed.share(self.network)

    def run(self, validate: Callable[[MomentumNetwork], Record], report: Report) -> MomentumNetwork:
        """Train to the end and return the averaged weights of the best validation.

        Args:
            validate: Returns a record whose `score` is larger for better networks; called by the
                first process, `validations` times, with the averaged network in evaluation mode.
            report: Called after every step.
        """
        saved = self.seconds
        marks = {
            round(self.stage.steps * k / self.stage.validations)
            for k in range(1, self.stage.validations + 1)
        }
        for batch in self._loader():
            record = self.train_step(batch)
            if self.step in marks and distributed.is_first():
                record |= self._validated(validate)
            report(record)
            if self.seconds - saved > SAVE_EVERY or self.step in marks:
                self.save()
                saved = self.seconds
        return self.load_best()

    def train_step(self, batch: Batch) -> Record:
        """Update the weights and their average once."""
        begin = time.perf_counter()
        rate = self.stage.learning_rate * learning_rate(self.step, self.stage)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        for layer, probability in self.dropout:
            layer.p = probability * ramp_dropout(self.step, self.stage)
        self.network.train()
        torch.manual_seed(derive_seed(self.seed, self.step, 1))  # for dropout and what a loss draws
        loss = self.loss(self.network, batch.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
        else:  # a window of background alone: every process still gives its share
            for parameter in self.network.parameters():
                parameter.grad = torch.zeros_like(parameter)
        distributed.average_gradients(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.stage.clip)
        if bool(norm.isfinite()):  # skip batches whose loss overflowed
            self.optimiser.step()
        self.step += 1
        self._follow(min(self.stage.average, self.step / (self.step + 10)))
        self.losses.append(loss.item())
        seconds = time.perf_counter() - begin
        self.seconds += seconds
        recent = self.losses[-RECENT:]
        return {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "loss": round(sum(recent) / len(recent), 4),
            "learning_rate": rate,
            "samples_per_second": round(distributed.count() * self.stage.batch / seconds, 2),
        }

    def load_best(self) -> MomentumNetwork:
        """Return the averaged network of the best validation; the last one if none was better."""
        network = copy.deepcopy(self.average)
        best = self.best_path()
        if best.exists():
            try:
                network.load_state_dict(_read_state(best, self.device))
            except Exception as error:  # on damaged bytes the reader may raise anything
                raise _no_checkpoint(best) from error
        return network

    def best_path(self) -> Path:
        """Return the path of the weights of the best validation so far."""
        return self.checkpoint.with_name(f"{self.checkpoint.stem}-best.pt")

    def save(self) -> None:
        """Write the checkpoint: tensors and numbers, which load without unpickling objects."""
        if not distributed.is_first():
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **{name: getattr(self, name) for name in ("step", "seconds", "best", "losses")},
        }
        write_state(self.checkpoint, state)

    def load(self) -> None:
        """Resume from the checkpoint.

        Raises:
            QuicksilverError: It belongs to another network.
        """
        try:
            state = _read_state(self.checkpoint, self.device)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.best, self.losses = float(state["best"]), [float(x) for x in state["losses"]]
            if self.step < 0 or self.step > self.stage.steps:
                raise ValueError(f"step {self.step}")
        except Exception as error:  # on damaged bytes the reader may raise anything
            raise _no_checkpoint(self.checkpoint) from error

    def _loader(self) -> Iterator[Batch]:
        steps = range(self.step, self.stage.steps)
        workers = self.stage.workers
        return iter(DataLoader(self.batches, batch_size=None, sampler=steps, num_workers=workers))

    def _validated(self, validate: Callable[[MomentumNetwork], Record]) -> Record:
        record = validate(self.average)
        score = record.get("score", float(self.step))
        if score >= self.best:
            self.best = score
            write_state(self.best_path(), self.average.state_dict())
        return record

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)


def place_network(network: MomentumNetwork, device: torch.device | str) -> MomentumNetwork:
    """Move a network to a device, in the memory order in which its steps are fast."""
    # Convolutions in bfloat16 are twice as fast on a CPU in this memory order.
    moved: Any = network.to(device)  # torch's stubs know no memory format of modules
    placed: MomentumNetwork = moved.to(memory_format=torch.channels_last_3d)
    return placed


def count_steps(checkpoint: Path) -> int:
    """Return how many steps a checkpoint has behind it; 0 where there is none.

    Raises:
        QuicksilverError: The file is no checkpoint.
    """
    if not checkpoint.exists():
        return 0
    try:
        return int(_read_state(checkpoint, torch.device("cpu"))["step"])
    except Exception as error:  # on damaged bytes the reader may raise anything
        raise _no_checkpoint(checkpoint) from error


def _read_state(path: Path, device: torch.device) -> dict[str, Any]:
    require_file(path, "a checkpoint of a training")
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    return state


def _no_checkpoint(path: Path) -> QuicksilverError:
    return QuicksilverError(
        f"expected {path} to be a checkpoint of this training, found another or a damaged one; "
        "take it away to start anew"
    )


@dataclass(frozen=True)
class Batches(Dataset[Batch]):
    """The batches of a training by the number of their step."""

    source: Source
    count: int
    seed: int

    def __getitem__(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(
            derive_seed(self.seed, step, 2 + distributed.rank())
        )
        return self.source.batch(self.count, generator)


def derive_seed(seed: int, step: int, purpose: int) -> int:
    """Return a seed of its own for every step and purpose."""
    return hash((seed, step, purpose)) % 2**63  # of a tuple of integers: the same in every process


def learning_rate(step: int, stage: Stage) -> float:
    """Return the learning rate relative to its largest: a linear rise, a plateau, a linear fall to
    zero.
    """
    rise = (step + 1) / stage.warm_up
    fall = (stage.steps - step) / (stage.decay * stage.steps)
    return min(1.0, rise, fall)


def ramp_dropout(step: int, stage: Stage) -> float:
    """Return the probability of dropout relative to the network's: a linear rise from zero."""
    return min(1.0, step / stage.dropout_ramp) if stage.dropout_ramp else 1.0
