"""report.html: a registration to look through, slice by slice, in any browser and without a network.

One file holds everything: the page (`viewer.html`), volumes of 8 bits as pictures, and the numbers. A
volume is a PNG of its axial sections side by side, which the page unpacks and draws from.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from quicksilver.files import replacing
from quicksilver.shown import Shown

Tables = Mapping[str, Sequence[tuple[str, str]]]
"""Rows (name, value) by the title of their table; that named "command" is set as code."""

GREY = 1.1
"""Normalised intensity that is white."""

OCTAVES = 1.5
"""|log2| of the Jacobian determinant at the ends of its scale."""


def write(
    shown: Shown, tables: Tables, path: str | os.PathLike[str], title: str, subtitle: str = ""
) -> None:
    """Write the page, complete or not at all; QuicksilverError where that cannot be done."""
    content = json.dumps(_content(shown, tables, title, subtitle))
    page = files("quicksilver").joinpath("viewer.html").read_text(encoding="utf-8")
    # What users name their files must not end the element that holds it.
    page = page.replace("{{content}}", content.replace("<", "\\u003c"))
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _content(shown: Shown, tables: Tables, title: str, subtitle: str) -> dict[str, Any]:
    """What the page reads: see the script in `viewer.html`."""
    columns = math.ceil(math.sqrt(shown.target.shape[2]))
    octaves = np.log2(np.maximum(shown.jacobian, 2.0**-OCTAVES)) / OCTAVES
    volumes = {
        name: _byte(getattr(shown, name) / GREY * 255) for name in ("moving", "target", "warped")
    }
    # 0 is kept for folds.
    volumes["jacobian"] = np.where(shown.jacobian > 0, _byte(128 + 127 * octaves), 0)
    largest = float(np.abs(shown.field).max()) or 1.0
    if shown.deviation is not None:
        volumes["deviation"] = _byte(255 * shown.deviation / shown.largest_deviation)
    field = np.moveaxis(_byte(128 + 127 * shown.field / largest), 0, -1)
    return {
        "title": title,
        "subtitle": subtitle,
        "tables": tables,
        "shape": shown.target.shape,
        "columns": columns,
        "spacing": shown.spacing,
        "largest": largest,
        "deviation_mm": round(shown.largest_deviation, 2),
        "volumes": {name: _picture(volume, columns) for name, volume in volumes.items()},
        "field": _picture(field, columns),
    }


def _byte(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _picture(volume: np.ndarray, columns: int) -> str:
    """The axial sections of (X, Y, Z) or (X, Y, Z, 3) side by side, `columns` to a row, as a PNG."""
    from PIL import Image

    x, y, z = volume.shape[:3]
    rows = math.ceil(z / columns)
    padded = np.zeros((rows * columns, y, x, *volume.shape[3:]), np.uint8)
    padded[:z] = volume.swapaxes(0, 2)
    sections = padded.reshape(rows, columns, y, x, *volume.shape[3:]).swapaxes(1, 2)
    mosaic = sections.reshape(rows * y, columns * x, *volume.shape[3:])
    stream = io.BytesIO()
    Image.fromarray(mosaic).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
