"""report.html: a registration to look through, slice by slice, in any browser and without a network.

One file holds everything: the page (`viewer.html`), volumes of 8 bits as pictures, and the numbers. A
volume is a picture of its axial sections side by side, which the page unpacks and draws from: JPEG, which
loses a grey level or two of what is looked at, is three fifths of a PNG and written in a tenth of its time,
and PNG where levels have a meaning of their own.
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

from quicksilver.io.files import replacing
from quicksilver.results.views import Shown

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
    page = files("quicksilver.results").joinpath("viewer.html").read_text(encoding="utf-8")
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
    # 0 is kept for folds; nothing is shown outside of the brain.
    signed = np.where(shown.jacobian > 0, _byte(128 + 127 * octaves), 0)
    volumes["jacobian"] = np.where(shown.target > 0, signed, 128).astype(np.uint8)
    largest = float(np.abs(shown.field).max()) or 1.0
    if shown.deviation is not None:
        volumes["deviation"] = _byte(255 * shown.deviation / shown.largest_deviation)
    volumes |= {
        f"field{axis}": _byte(128 + 127 * part / largest) for axis, part in enumerate(shown.field)
    }
    return {
        "title": title,
        "subtitle": subtitle,
        "tables": tables,
        "shape": shown.target.shape,
        "columns": columns,
        "spacing": shown.spacing,
        "largest": largest,
        "deviation_mm": round(shown.largest_deviation, 2),
        "volumes": {name: _picture(name, volume, columns) for name, volume in volumes.items()},
    }


def _byte(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _picture(name: str, volume: np.ndarray, columns: int) -> str:
    """The axial sections of (X, Y, Z) side by side, `columns` to a row, as the address of a picture."""
    from PIL import Image

    x, y, z = volume.shape
    rows = math.ceil(z / columns)
    padded = np.zeros((rows * columns, y, x), np.uint8)
    padded[:z] = volume.swapaxes(0, 2)
    mosaic = padded.reshape(rows, columns, y, x).swapaxes(1, 2).reshape(rows * y, columns * x)
    exact = name == "jacobian"
    kind, options = ("PNG", {"compress_level": 1}) if exact else ("JPEG", {"quality": 92})
    stream = io.BytesIO()
    Image.fromarray(mosaic).save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(stream.getvalue()).decode()
