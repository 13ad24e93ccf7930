"""BIDS folders of which no subject can be registered, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.quicksilver.hostile.files import good_nifti


def _make(folder: Path, subject: str = "sub-01", session: str = "") -> Path:
    """Return the path of a subject's image, whose folder there is."""
    place = folder / subject / session / "anat"
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{subject}_T1w.nii"


def _linked(target: str) -> Callable[[Path], None]:
    return lambda folder: _make(folder).symlink_to(target)


def _named(subject: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _make(folder, subject).write_bytes(b"no image")

    return make


def _twice(folder: Path) -> None:
    _make(folder).write_bytes(b"no image")
    _make(folder).with_suffix(".nii.gz").write_bytes(b"no image")


def _two_sessions(folder: Path) -> None:
    for session in ("ses-1", "ses-2"):
        _make(folder, session=session).write_bytes(b"no image")


def _masked(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        image = _make(folder)
        image.write_bytes(good_nifti())
        write(image.with_name("sub-01_desc-brain_mask.nii"))

    return make


def _turning(folder: Path) -> None:
    (folder / "sub-01").symlink_to("sub-01")
    (folder / "sub-02").mkdir()
    (folder / "sub-02" / "anat").symlink_to("..")


FOLDERS: dict[str, tuple[int, Callable[[Path], object]]] = {
    "nothing": (2, lambda folder: None),
    "a file for a subject": (2, lambda folder: (folder / "sub-01").write_text("")),
    "a subject without images": (2, lambda folder: _make(folder)),
    "folders that lead into themselves": (2, _turning),
    "one name twice": (2, _twice),
    "one name in two sessions": (2, _two_sessions),
    "a name that a terminal obeys": (2, _named("sub-\x1b[31m")),
    "a name of bytes": (2, _named(os.fsdecode(b"sub-\xff"))),
    "a name of two lines": (2, _named("sub-a\nb")),
    "a name too long": (2, _named(f"sub-{'n' * 230}")),
    "a dangling link": (1, _linked("../../.git/annex/absent")),
    "a link to itself": (1, _linked("sub-01_T1w.nii")),
    "a link to an endless device": (1, _linked("/dev/zero")),
    "a folder for an image": (1, lambda folder: _make(folder).mkdir()),
    "a pipe": (1, lambda folder: os.mkfifo(_make(folder))),
    "no image": (1, _named("sub-01")),
    "a mask that is none": (1, _masked(lambda mask: mask.write_bytes(b"no mask"))),
    "a mask that links to itself": (1, _masked(lambda mask: mask.symlink_to(mask.name))),
}
"""The exit code, 2 where nothing is begun and 1 where a pair fails, and what makes each folder."""
