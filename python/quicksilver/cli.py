"""Run the command `quicksilver`."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from quicksilver.commands.apply import apply
from quicksilver.commands.demo import demo
from quicksilver.commands.doctor import doctor
from quicksilver.commands.evaluate import evaluate
from quicksilver.commands.fit import fit
from quicksilver.commands.import_weights import import_weights
from quicksilver.commands.jacobian import jacobian
from quicksilver.commands.label import label
from quicksilver.commands.register import register
from quicksilver.commands.strip import strip
from quicksilver.commands.template import template
from quicksilver.commands.train import train
from quicksilver.commands.view import view
from quicksilver.errors import QuicksilverError
from quicksilver.runtime import allocator
from quicksilver.runtime.threads import let_waiting_threads_sleep

app = typer.Typer(
    help="Fast diffeomorphic registration of brain images.",
    no_args_is_help=True,
    rich_markup_mode=None,  # whose tables cut the names of options
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command, summary, example in (
    (register, "Register images by prediction.", "moving.nii.gz target.nii.gz -o OUT"),
    (strip, "Strip the skull of a head.", "head.nii.gz -o brain.nii.gz"),
    (fit, "Register images by optimisation.", "moving.nii.gz target.nii.gz -o OUT"),
    (train, "Train a model by a recipe.", "default-2mm --data IMAGES -o OUT"),
    (import_weights, "Make a model file of published checkpoints.", "a.pth.tar -o MODEL"),
    (apply, "Warp images, labels, points and surfaces.", "OUT image.nii.gz -o warped.nii.gz"),
    (label, "Label an image by atlases.", "IMAGE --atlas A --atlas-labels L -o OUT"),
    (template, "Make a template of a group.", "IMAGES... -o OUT"),
    (jacobian, "Write the Jacobian determinant.", "OUT -o jacobian.nii.gz"),
    (evaluate, "Measure overlap and regularity.", "OUT --moving-labels A --target-labels B"),
    (view, "Open a report in the browser.", "OUT"),
    (demo, "Register a brain whose deformation is known.", "-o OUT"),
    (doctor, "Say what is installed and how fast it is.", ""),
):
    name = command.__name__.replace("_", "-")
    app.command(short_help=summary, epilog=f"Example: quicksilver {name} {example}".strip())(
        command
    )


def _show_version(asked: bool) -> None:
    if asked:
        from quicksilver_ext import __version__

        typer.echo(f"quicksilver {__version__}")
        raise typer.Exit


@app.callback()
def _take_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a QuicksilverError is one sentence and exit code 2."""
    try:
        _refuse_empty_words(sys.argv[1:])
        _end_by_signals()
        let_waiting_threads_sleep()
        with allocator.keep_freed_memory():
            app()
    except QuicksilverError as error:
        _end(error)
    except (OSError, MemoryError, RecursionError) as error:
        found = str(error) or type(error).__name__
        _end(
            QuicksilverError(
                f"expected files and memory that can be used, found '{found}'; make room, or check "
                "the files"
            )
        )


def _end(error: QuicksilverError) -> NoReturn:
    """Print an error and exit with code 2; what is left unwritten of the output is dropped."""
    with suppress(OSError):
        print(f"quicksilver: {error}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk: Python would try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(2) from None


def _end_by_signals() -> None:
    """Let the signals that end a program unwind it, so that temporary files are removed."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores the second
            signal.signal(number, stop)


def _refuse_empty_words(words: list[str]) -> None:
    """Refuse arguments of nothing, as unset variables of a shell leave them: no file has that
    name, and a path of nothing would be the working folder.
    """
    for before, word in zip(["", *words], words, strict=False):
        if not word or re.fullmatch("--[a-z-]+=", word):
            after = f" after {before}" if before else ""
            raise QuicksilverError(
                f"expected a value in every argument, found an empty one{after}; fill it in or "
                "leave it out"
            )
