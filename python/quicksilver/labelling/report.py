"""Write report.html of a labelled image: labels on the brain, their volumes, and the atlases."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from quicksilver.images.image import Image
from quicksilver.labelling.result import Labelling
from quicksilver.results.html import make_data_url, write_html
from quicksilver.results.png import INK, PAPER, PLANES
from quicksilver.runtime.figures import make_figure

OPACITY = 0.55  # of the labels' colours on the brain
GOLDEN = 0.618034  # of a turn from one hue to the next: neighbours in the table differ most

Colours = Mapping[int, tuple[float, float, float]]


def write_report(found: Labelling, brain: Image, path: Path, title: str) -> None:
    """Write the page, complete or not at all.

    Args:
        found: Labels, volumes and verdicts.
        brain: The image on the labels' grid, without its skull.
        path: The file; the page links to what lies beside it.
        title: Title of the page.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    colours = choose_colours([volume.label for volume in found.volumes])
    content = {
        "title": title,
        "picture": _draw(brain, found.labels, colours),
        "notes": found.notes,
        "volumes": [
            {**volume.to_json(), "colour": _hexadecimal(colours[volume.label])}
            for volume in found.volumes
        ],
        "atlases": {name: verdict.to_json() for name, verdict in found.verdicts.items()},
    }
    write_html(path, "quicksilver.labelling", "report", content)


def choose_colours(labels: Sequence[int]) -> Colours:
    """Choose a colour for each label, red, green and blue from 0 to 1.

    Example:
        >>> choose_colours([7])  # doctest: +ELLIPSIS
        {7: (0.95, 0.33..., 0.33...)}
    """
    return {
        label: colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.65, 0.95)
        for number, label in enumerate(labels)
    }


def _hexadecimal(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def _draw(brain: Image, labels: Image, colours: Colours) -> str:
    """Draw three planes without and with the labels; return the picture as a data URI."""
    grey, spacing = _turn(brain.data, brain.affine)
    painted, _ = _turn(labels.data, labels.affine)
    inside = np.argwhere(painted) if painted.any() else np.argwhere(grey >= 0)
    middle = (inside.min(0) + inside.max(0)) // 2
    white = np.percentile(grey[grey > 0], 99) if (grey > 0).any() else 1.0
    figure = make_figure(figsize=(10.5, 7), facecolor=PAPER, dpi=100, layout="constrained")
    for column, (name, axis, sides) in enumerate(PLANES):
        across = [other for other in range(3) if other != axis]
        section = np.take(grey, middle[axis], axis).T
        cut = np.take(painted, middle[axis], axis).T
        for row in range(2):
            place = figure.add_subplot(2, 3, 3 * row + column + 1)
            place.set_axis_off()
            aspect = spacing[across[1]] / spacing[across[0]]
            place.imshow(section, cmap="gray", vmin=0, vmax=white, origin="lower", aspect=aspect)
            for x, side in zip((0.02, 0.94), sides, strict=True):
                place.text(x, 0.5, side, color=INK, transform=place.transAxes)
        place.imshow(_paint(cut, colours), origin="lower", aspect=aspect)
        place.set_title(f"{name}, labels", color=INK, fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor=PAPER)
    return make_data_url("png", file.getvalue())


def _turn(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn a volume so that its axes run nearest to R, A and S; return it and its spacing in mm."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(data, affine, dtype=data.dtype))
    return np.asarray(turned.dataobj), np.array(turned.header.get_zooms()[:3])


def _paint(cut: np.ndarray, colours: Colours) -> np.ndarray:
    """Return a section of labels (U, V) as colours with opacity (U, V, 4)."""
    painted = np.zeros((*cut.shape, 4))
    for label in np.unique(cut):
        if label in colours:
            painted[cut == label] = (*colours[label], OPACITY)
    return painted
