"""Write report.html: a registration to look through slice by slice, in any browser and offline.

One file holds everything: the page (`report.html`, its scripts and what all pages share), volumes
of 8 bits as pictures, and the numbers.
A volume is a picture of its axial sections side by side, which the page unpacks and draws from:
JPEG, which is smaller and faster to write and loses a grey level or two, and PNG where levels have
a meaning of their own.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from quicksilver.io.files import replacing
from quicksilver.results.meanings import MEANINGS
from quicksilver.results.views import Views

Tables = Mapping[str, Sequence[tuple[str, str]]]
"""Rows (name, value) by the title of their table. Of "verdict" a row is a level and a reason."""

GREY = 1.1
"""Normalised intensity that is white."""

OCTAVES = 1.5
"""|log2| of the Jacobian determinant at the ends of its scale."""


def write(
    shown: Views,
    tables: Tables,
    path: str | os.PathLike[str],
    title: str,
    subtitle: str = "",
    names: Sequence[str] = (),
) -> None:
    """Write the page, complete or not at all.

    Args:
        shown: What is shown.
        tables: Rows (name, value) by the title of their table.
        path: The file.
        title: Title of the page.
        subtitle: A line below it.
        names: Files beside the page, which it links to.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    facts = {"title": title, "subtitle": subtitle, "tables": tables, "files": names}
    content = {**facts, **_make_content(shown)}
    write_html(path, "quicksilver.results", "report", content, ["painting.js", "report.js"])


def write_html(
    path: str | os.PathLike[str],
    package: str,
    name: str,
    content: dict[str, Any],
    scripts: Sequence[str] = (),
) -> None:
    """Write a page of a package, complete or not at all: its own scripts (the one of its name by
    default) after that of all pages, in the style of all pages, with its content.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    shared, own = "quicksilver.results", scripts or [f"{name}.js"]
    parts = {
        "style": _read_part(shared, "page.css"),
        "script": _read_part(shared, "page.js") + "".join(_read_part(package, s) for s in own),
        # Names of files must not end the element that holds them.
        "content": json.dumps(content).replace("<", "\\u003c"),
    }
    page = _read_part(package, f"{name}.html")
    filled = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], page)
    with replacing(path) as temporary:
        temporary.write_text(filled, encoding="utf-8")


def make_data_url(kind: str, content: bytes) -> str:
    """Return a picture of a kind ("png", "jpeg") as an address that holds it."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _read_part(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _make_content(shown: Views) -> dict[str, Any]:
    """Return what the script `report.js` draws from."""
    columns = math.ceil(math.sqrt(shown.target.shape[2]))
    largest = float(np.abs(shown.field).max()) or 1.0
    volumes = _make_volumes(shown, largest)
    return {
        "meanings": MEANINGS,
        "shape": shown.target.shape,
        "columns": columns,
        "spacing": shown.spacing,
        **_place_axes(shown),
        "scale": shown.scale,
        "white": GREY,
        "octaves": OCTAVES,
        "largest": largest,
        "deviation_mm": round(shown.largest_deviation, 2),
        "volumes": {
            name: _encode_picture(name, volume, columns) for name, volume in volumes.items()
        },
    }


def _place_axes(shown: Views) -> dict[str, Any]:
    """Return the coordinates that the page names: those of the first voxel, and the steps between
    voxels, in RAS mm; of slices in LPS mm, which of a picture lead right and down.
    """
    x, y, z = shown.origin
    if shown.planar:
        return {"origin": (-x, -y), "steps": (shown.spacing, -shown.spacing)}
    return {"origin": (x, y, z), "steps": (shown.spacing,) * 3}


def _make_volumes(shown: Views, largest: float) -> dict[str, np.ndarray]:
    """Return volumes of 8 bits by name; `largest` is the end of the scale of displacements."""
    octaves = np.log2(np.maximum(shown.jacobian, 2.0**-OCTAVES)) / OCTAVES
    volumes = {
        name: _to_bytes(getattr(shown, name) / GREY * 255)
        for name in ("moving", "target", "warped")
    }
    # 0 is kept for folds; nothing is shown outside of the brain.
    signed = np.where(shown.jacobian > 0, _to_bytes(128 + 127 * octaves), 0)
    volumes["jacobian"] = np.where(shown.target > 0, signed, 128).astype(np.uint8)
    if shown.imaged is not None:
        volumes["imaged"] = _to_bytes(255 * shown.imaged)
    if shown.deviation is not None:
        volumes["deviation"] = _to_bytes(255 * shown.deviation / shown.largest_deviation)
    return volumes | {
        f"field{axis}": _to_bytes(128 + 127 * part / largest)
        for axis, part in enumerate(shown.field)
    }


def _to_bytes(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _encode_picture(name: str, volume: np.ndarray, columns: int) -> str:
    """Encode the axial sections of (X, Y, Z) side by side, `columns` to a row, as a picture's data
    URL.
    """
    from PIL import Image

    x, y, z = volume.shape
    rows = math.ceil(z / columns)
    padded = np.zeros((rows * columns, y, x), np.uint8)
    padded[:z] = volume.swapaxes(0, 2)
    mosaic = padded.reshape(rows, columns, y, x).swapaxes(1, 2).reshape(rows * y, columns * x)
    exact = name in ("jacobian", "imaged")
    kind, options = ("PNG", {"compress_level": 1}) if exact else ("JPEG", {"quality": 92})
    stream = io.BytesIO()
    Image.fromarray(mosaic).save(stream, kind, **options)
    return make_data_url(kind.lower(), stream.getvalue())
