"""Register a BIDS data set by the conventions of BIDS Apps: the program `quicksilver-bids`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from importlib.resources import as_file
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicksilver.commands.common import show_version
from quicksilver.commands.options import take_options
from quicksilver.commands.program import run_program
from quicksilver.commands.register import end, register_pairs
from quicksilver.commands.voice import Voice
from quicksilver.errors import QuicksilverError
from quicksilver.registration.option_fields import DEVICE, MODEL, check_ranges, shown
from quicksilver.registration.options import Options

if TYPE_CHECKING:
    from quicksilver.cohort.run import Outcome

LABELS = "--participant_label"

SPACE = "MNI152NLin2009aSym"
"""BIDS's name of the space of the template that ships."""


class Level(str, Enum):
    """What is done: the registrations of participants, or the page of all."""

    participant = "participant"
    group = "group"


@dataclass(frozen=True)
class AppOptions:
    """How a BIDS data set is registered.

    Args:
        participant_label: Labels of the participants; none: all.
        target: Skull-stripped image to register to; None: the template that ships.
        space: Name of its space in the names of files; None: that of the template, or `target`'s
            own name.
        strip: Whether the skull is stripped from heads that have no mask.
        n_cpus: Threads; None: all.
        mem_mb: Megabytes that may be used, which bounds the images at once; None: what is free.
        skip_bids_validator: Nothing is validated either way.
        model: As of `register`.
        device: As of `register`.
    """

    participant_label: list[str] | None = field(
        default=None,
        metadata=shown(
            "Labels of the participants, all by default.", list[str] | None, flags=LABELS
        ),
    )
    target: Path | None = field(
        default=None,
        metadata=shown("Skull-stripped image to register to, not ICBM152 2009a.", Path | None),
    )
    space: str | None = field(
        default=None, metadata=shown("Name of the target's space in names of files.", str | None)
    )
    strip: bool = field(
        default=True,
        metadata=shown(
            "Strip heads that have no mask (needs deepbet).", flags="--strip/--no-strip"
        ),
    )
    n_cpus: int | None = field(
        default=None, metadata=shown("Threads, all by default.", int | None, "--n_cpus", 1, 4096)
    )
    mem_mb: int | None = field(
        default=None,
        metadata=shown("Megabytes, all by default.", int | None, "--mem_mb", 1, 10**9),
    )
    skip_bids_validator: bool = field(
        default=False,
        metadata=shown("Ignored: nothing is validated.", flags="--skip_bids_validator"),
    )
    model: Path | None = field(default=None, metadata=MODEL)
    device: str = field(default="auto", metadata=DEVICE)

    def __post_init__(self) -> None:
        check_ranges(self)

    def name_space(self) -> str:
        """Return the name of the target's space.

        Raises:
            QuicksilverError: What is given is no name in BIDS.
        """
        if self.space is not None and not (self.space.isascii() and self.space.isalnum()):
            raise QuicksilverError(
                f"expected --space to be letters and digits, found '{self.space}'; leave out others"
            )
        own = SPACE if self.target is None else self.target.name.split(".")[0]
        return self.space or "".join(each for each in own if each.isascii() and each.isalnum())

    def choose_jobs(self) -> int | None:
        """Take the threads that are allowed; return how many images at once the memory allows."""
        import torch

        from quicksilver.cohort.run import NEEDED, choose_jobs
        from quicksilver.runtime.devices import pick_device

        if self.n_cpus is not None:
            torch.set_num_threads(self.n_cpus)
        if self.mem_mb is None:
            return None
        return max(1, min(choose_jobs(pick_device(self.device)), self.mem_mb * 10**6 // NEEDED))


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog=f"Example: quicksilver-bids BIDS OUT participant {LABELS} 01 02")
@take_options(AppOptions)
@take_options(Voice)
def register_dataset(
    options: AppOptions,
    voice: Voice,
    bids_dir: Annotated[Path, typer.Argument(help="Folder of the BIDS data set.")],
    output_dir: Annotated[Path, typer.Argument(help="Folder for the derivatives.")],
    analysis_level: Annotated[Level, typer.Argument(help="What to do.")],
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Register the T1w images of a BIDS data set to a template, as a BIDS App.

    participant registers those of each participant; what is done already is left as it is. group
    writes the page and the table of all that are registered.
    """
    from quicksilver.cohort.bids import choose_participants, find_pairs, write_description
    from quicksilver.cohort.derivatives import REGISTRATIONS, write_derivatives, write_ignored
    from quicksilver.cohort.page import write_page
    from quicksilver.io import files
    from quicksilver.registration.placement import TEMPLATE

    files.require_writable(output_dir)
    space, place = options.name_space(), output_dir / REGISTRATIONS
    with as_file(TEMPLATE) as shipped:
        everyone = find_pairs(bids_dir, options.target or shipped)
        chosen = choose_participants(everyone, options.participant_label or [])
        outcomes: list[Outcome] = []
        if analysis_level is Level.participant:
            how = Options(options.model, strip=options.strip, device=options.device)
            outcomes = register_pairs(chosen, bids_dir, place, options.choose_jobs(), how, voice)
        elif not files.is_folder(place):
            raise QuicksilverError(
                f"expected registrations in {place}, found none; run the level participant first"
            )
    write_description(output_dir, bids_dir)
    write_ignored(output_dir)
    rows = write_page(everyone, place)
    done = {row["id"] for row in rows if row["status"] == "done"}
    for pair in chosen:
        if pair.id in done:
            write_derivatives(pair, bids_dir, output_dir, space)
    voice.report_list(rows, len(outcomes), place)
    end(rows, outcomes, strict=False)


def spread_labels(words: Sequence[str]) -> Iterator[str]:
    """Repeat the flag of labels before each: BIDS Apps take several after one.

    Example:
        >>> " ".join(spread_labels(["a", "--participant-label", "01", "02", "--n-cpus", "2"]))
        'a --participant_label 01 --participant_label 02 --n_cpus 2'
    """
    labels = False
    for word in words:
        if word in ("--participant-label", LABELS):
            labels = True
        elif word.startswith("-"):
            labels = False
            yield "--" + word[2:].replace("-", "_") if word in ("--n-cpus", "--mem-mb") else word
        elif labels:
            yield from (LABELS, word)
        else:
            yield word


def main() -> None:
    """Run the program `quicksilver-bids`."""
    sys.argv[1:] = spread_labels(sys.argv[1:])
    run_program(app)
