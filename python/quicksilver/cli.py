"""Run the command `quicksilver`."""

from __future__ import annotations

import re
import sys

import typer

from quicksilver.commands.apply import apply
from quicksilver.commands.demo import demo
from quicksilver.commands.evaluate import evaluate
from quicksilver.commands.fit import fit
from quicksilver.commands.import_weights import import_weights
from quicksilver.commands.jacobian import jacobian
from quicksilver.commands.register import register
from quicksilver.commands.train import train
from quicksilver.errors import QuicksilverError
from quicksilver.runtime import allocator

app = typer.Typer(
    help="Fast diffeomorphic registration of brain images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (register, fit, train, import_weights, apply, jacobian, evaluate, demo):
    app.command()(command)


def main() -> None:
    """Run the command line; a QuicksilverError is one sentence and exit code 2."""
    try:
        _refuse_empty_words(sys.argv[1:])
        with allocator.keep_freed_memory():
            app()
    except QuicksilverError as error:
        print(f"quicksilver: {error}", file=sys.stderr)
        raise SystemExit(2) from None


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
