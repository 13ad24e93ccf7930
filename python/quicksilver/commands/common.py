"""Arguments that several commands share, and the writing of a registration."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from quicksilver.errors import escape
from quicksilver.registration.option_fields import DEVICE, MODEL
from quicksilver.registration.options import PairOptions

if TYPE_CHECKING:
    from quicksilver.commands.voice import Voice
    from quicksilver.registration.result import Registration

NOT_GOOD = 3
"""Exit code of --strict where a registration is not good."""

SomeOptions = TypeVar("SomeOptions", bound=PairOptions)


def say(text: str, err: bool = False) -> None:
    """Print a line, in which names of files may be, so that the terminal obeys none of it."""
    typer.echo(escape(text), err=err)


def show_version(asked: bool) -> None:
    """Print the version and exit, where that is asked for."""
    if asked:
        from quicksilver_ext import __version__

        typer.echo(f"quicksilver {__version__}")
        raise typer.Exit


Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Saved = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that register or fit wrote.")]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit with 3 if a registration is not good (see verdict)."),
]
OutFormat = Annotated[
    str,
    typer.Option(
        "--out-format",
        metavar="[itk|itk-h5|fsl|afni|spm|voxelmorph]",
        help="A program for which maps are written, beside those of ITK.",
    ),
]
Device = Annotated[str, typer.Option(help=DEVICE["help"])]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model", help=MODEL["help"]),
]


def write_registration(
    run: Callable[[Path, Path, SomeOptions], Registration],
    images: tuple[Path, Path],
    options: SomeOptions,
    output: Path,
    about: dict[str, Any],
    strict: bool,
    voice: Voice,
    out_format: str,
) -> None:
    """Register two images, moving and target, write the results, and say what became of them.

    Raises:
        typer.Exit: With `NOT_GOOD`, where `strict` and the verdict is not good.
    """
    from quicksilver.io import files
    from quicksilver.io.exports import as_format
    from quicksilver.results.folder import EXPORTED, FILES

    as_format(out_format)
    files.require_apart([output / name for name in (*FILES, *EXPORTED)], options.files(*images))
    files.require_writable(output)
    moving, target = images
    line = shlex.join(["quicksilver", *sys.argv[1:]])
    about = {**about, "line": line, "moving": str(moving), "target": str(target)}
    with voice.progress() as progress:
        found = run(moving, target, replace(options, progress=progress))
        summary = found.save(output, about=about, progress=progress, out_format=out_format)
    voice.report_registration(summary, output)
    if strict and found.verdict.level != "good":
        raise typer.Exit(NOT_GOOD)
