"""The images of which a template is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quicksilver.cohort.pairs import find_stem, require_name
from quicksilver.errors import QuicksilverError
from quicksilver.io.images import read_grid


@dataclass(frozen=True)
class Subject:
    """One image of the group.

    Args:
        name: Names the folder of its registrations.
        image: Its file.
    """

    name: str
    image: Path


def find_subjects(images: Iterable[Path]) -> list[Subject]:
    """Name images by their files, and sort them by name: their order decides nothing.

    Raises:
        QuicksilverError: There are fewer than two, one cannot be read, or two have one name.
    """
    found: dict[str, Subject] = {}
    for image in images:
        name = find_stem(image)
        require_name(image, name)
        if name in found:
            raise QuicksilverError(
                f"expected images of different names, found {image} and {found[name].image}, "
                "whose results would be one folder; rename or remove one"
            )
        read_grid(image)
        found[name] = Subject(name, image)
    if len(found) < 2:
        raise QuicksilverError(
            f"expected at least two images to make a template of, found {len(found)}; give more"
        )
    return [found[name] for name in sorted(found)]
