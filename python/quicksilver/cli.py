"""Run the command `quicksilver`."""

from __future__ import annotations

from typing import Annotated

import typer

from quicksilver.commands.apply import apply
from quicksilver.commands.common import show_version
from quicksilver.commands.demo import demo
from quicksilver.commands.doctor import doctor
from quicksilver.commands.evaluate import evaluate
from quicksilver.commands.fit import fit
from quicksilver.commands.import_weights import import_weights
from quicksilver.commands.jacobian import jacobian
from quicksilver.commands.label import label
from quicksilver.commands.program import run_program
from quicksilver.commands.register import register
from quicksilver.commands.strip import strip
from quicksilver.commands.template import template
from quicksilver.commands.train import train
from quicksilver.commands.view import view

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


@app.callback()
def _take_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a QuicksilverError is one sentence and exit code 2."""
    run_program(app)
