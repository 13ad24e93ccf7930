"""How much a command says: --quiet, --verbose and --json."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from quicksilver.commands.common import say
from quicksilver.registration.option_fields import shown

if TYPE_CHECKING:
    from quicksilver.runtime.stages import Progress


@dataclass(frozen=True)
class Voice:
    """How much a command says.

    Args:
        quiet: Nothing but what speaks against a result, to the standard error stream.
        verbose: Settings too; of a list, a line for every pair.
        json: The numbers as JSON, and nothing else, to the standard output.

    Raises:
        typer.BadParameter: More is wanted together with less.
    """

    quiet: bool = field(
        default=False,
        metadata=shown("Say only what speaks against a result.", flags="--quiet"),
    )
    verbose: bool = field(
        default=False,
        metadata=shown("Say the settings too; of a list, every pair.", flags="--verbose"),
    )
    json: bool = field(
        default=False,
        metadata=shown("Print result.json alone; of a list, its rows.", flags="--json"),
    )

    def __post_init__(self) -> None:
        if self.verbose and (self.quiet or self.json):
            raise typer.BadParameter("--verbose cannot be given with --quiet or --json")

    @property
    def plain(self) -> bool:
        """Whether sentences go to the standard output."""
        return not (self.quiet or self.json)

    def progress(self) -> AbstractContextManager[Progress]:
        """Show the progress of what runs inside."""
        if self.quiet:
            return nullcontext(_say_nothing)
        from quicksilver.commands import console

        return console.progress()

    def report_registration(self, summary: dict[str, Any], folder: Path) -> None:
        """Say what became of a pair whose result.json is `summary`."""
        verdict = summary["verdict"]
        words = ["verdict", verdict["level"], "; ".join(verdict["reasons"])]
        line = ": ".join(words).removesuffix(": ")
        if self.json:
            _print_json(summary)
        if self.quiet and verdict["level"] != "good":
            say(line, err=True)
        if self.plain:
            from quicksilver.commands import console

            console.show_registration(summary, settings=self.verbose)
            for note in summary["notes"]:
                say(f"note: {note}")
            say(line)
            say(f"report: {folder / 'report.html'}")

    def report_list(self, rows: list[dict[str, Any]], written: int, folder: Path) -> None:
        """Say what became of the pairs of a list, `written` of which were registered now."""
        if self.json:
            _print_json(rows)
        if not self.plain:
            return
        if self.verbose:
            for row in rows:
                found = [row["id"], row.get("verdict") or row["status"], row.get("reasons")]
                say(": ".join(filter(None, found)))
        done = sum(row["status"] == "done" for row in rows)
        say(f"{done} of {len(rows)} pairs registered, {written} of them now")
        say(f"pictures and numbers: {folder / 'index.html'}, {folder / 'summary.csv'}")


def _print_json(content: object) -> None:
    import json

    typer.echo(json.dumps(content, indent=2))


def _say_nothing(stage: str, detail: str = "") -> None:
    pass
