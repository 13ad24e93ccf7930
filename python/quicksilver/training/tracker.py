"""Show and log the progress of a training: log.jsonl, curve.png, TensorBoard events, a progress
bar.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing, unwritable
from quicksilver.runtime import distributed
from quicksilver.runtime.figures import make_figure
from quicksilver.training.events import Events

EVERY = 10.0  # seconds between the lines of the log; validations are always logged


class Tracker:
    """Shows and logs every record of a stage; in processes other than the first it does nothing."""

    def __init__(self, folder: Path, stage: str, steps: int, done: int) -> None:
        self.folder, self.stage, self.active = folder, stage, distributed.is_first()
        self.last = 0.0
        self.events = Events(folder / "tensorboard" / stage) if self.active else None
        self.bar = Progress(
            TextColumn(f"{stage:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=Console(stderr=True),
            disable=not self.active,
        )
        self.task = self.bar.add_task(stage, total=steps, completed=done, words="")

    def __enter__(self) -> Tracker:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        if self.events is not None:
            with suppress(QuicksilverError) if error is not None else nullcontext():
                self.events.close()

    def _append(self, line: str) -> None:
        """Append a line to the log, after one that a killed program may have cut."""
        path = self.folder / "log.jsonl"
        try:
            with path.open("a+b") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else "\n" + line
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise unwritable(path, error) from error

    def __call__(self, record: dict[str, Any]) -> None:
        """Show a record; log it where it is a validation or the last line is some time ago."""
        if not self.active:
            return
        self.bar.update(self.task, completed=record["step"], words=f"loss {record['loss']:.4f}")
        validated = "score" in record
        if not validated and time.monotonic() - self.last < EVERY:
            return
        self.last = time.monotonic()
        self._append(json.dumps({"stage": self.stage, **record}))
        if self.events is not None:
            self.events.add(record["step"], record)
        if validated:
            self.bar.console.print(
                f"{self.stage}  " + "  ".join(f"{name} {value}" for name, value in record.items())
            )
            draw_curve(self.folder)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the records of a log; a line that a killed program cut is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            records.append(json.loads(line))
    return [record for record in records if isinstance(record, dict) and "loss" in record]


def draw_curve(folder: Path) -> None:
    """Draw curve.png: the loss and the validations of every stage in log.jsonl, over steps."""
    records = read_log(folder / "log.jsonl")
    figure = make_figure(figsize=(8, 6), layout="constrained")
    losses, scores = figure.subplots(2, 1, sharex=True)
    for stage in dict.fromkeys(record["stage"] for record in records):
        # A training that was killed repeats some steps: the later record counts.
        own = {record["step"]: record for record in records if record["stage"] == stage}
        validated = {step: record for step, record in own.items() if "score" in record}
        losses.plot(list(own), [record["loss"] for record in own.values()], label=stage)
        points = [record["score"] for record in validated.values()]
        scores.plot(list(validated), points, "o-", label=stage)
    losses.set_ylabel("training loss")
    scores.set_ylabel("validation score")
    scores.set_xlabel("step")
    losses.legend()
    with replacing(folder / "curve.png") as temporary:
        figure.savefig(temporary, dpi=120)
