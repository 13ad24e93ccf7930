"""Open the page of a folder of results in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import say

PAGES = ("report.html", "index.html")
"""The page of a pair, and that of a cohort."""


def view(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder that register, fit, label or demo wrote.")
    ],
) -> None:
    """Open the report of a pair, or the page of a cohort, in the browser; print its path."""
    import webbrowser

    page = find_page(folder)
    say(str(page))
    if not webbrowser.open(page.resolve().as_uri()):
        say("note: no browser was found on this machine; open the file in one", err=True)


def find_page(folder: Path) -> Path:
    """Return the page of a folder of results.

    Raises:
        QuicksilverError: It has none.
    """
    from quicksilver.errors import QuicksilverError
    from quicksilver.io.files import is_folder

    for name in PAGES:
        if is_folder(folder) and (folder / name).is_file():
            return folder / name
    raise QuicksilverError(
        f"expected a folder with {' or '.join(PAGES)}, found none in {folder}; give the folder "
        "that `quicksilver register` wrote"
    )
