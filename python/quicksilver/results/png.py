"""Draw report.png: one look at a registration in three planes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from quicksilver.results.views import Views
from quicksilver.runtime.figures import make_figure

TITLES = (
    "moving",
    "target",
    "warped",
    "difference before",
    "difference after",
    "deformation grid",
    "Jacobian",
    "standard deviation (mm)",
)
LEFT, RIGHT = 0.022, 0.998  # of the pictures, as parts of the width
GAP = 0.02  # between pictures, as a part of the widest
LINES_MM = 8.0  # between the lines of the deformation grid
INK, PAPER, FOLD = "#e8e8e8", "#101014", "#f0e442"

# (name, axis that is cut, letters at the left and right edges of the picture)
PLANES = (("axial", 2, "LR"), ("coronal", 1, "LR"), ("sagittal", 0, "PA"))


def draw(volumes: Views, headline: str, path: str | os.PathLike[str]) -> None:
    """Draw a registration as a PNG: images, differences, deformation, Jacobian and any deviation.

    There is a row for each plane, of slices one.

    Args:
        volumes: What is shown.
        headline: The line above.
        path: The file.
    """
    columns = len(TITLES) - (volumes.deviation is None)
    planes = [("", 2, ("", ""))] if volumes.planar else PLANES
    sections = [_cut_section(volumes, axis) for _, axis, _ in planes]
    figure, axes, rows = _make_canvas([section["target"].shape for section in sections], columns)
    for panels, (name, _, sides), section in zip(rows, planes, sections, strict=True):
        _draw_row(panels, section, volumes.spacing / volumes.scale)
        if volumes.deviation is not None:
            _draw_deviation(panels[7], section, volumes.largest_deviation)
        first = panels[0]
        middle = first.bottom + first.height / 2
        look = {"color": INK, "va": "center"}
        axes.text(-GAP * first.across, middle, name, rotation=90, ha="right", fontsize=11, **look)
        axes.text(first.left + 1, middle, sides[0], fontsize=9, **look)
        axes.text(first.left + first.width - 1, middle, sides[1], ha="right", fontsize=9, **look)
    for panel, title in zip(rows[0], TITLES, strict=False):
        centre, top = panel.left + panel.width / 2, panel.bottom + panel.height
        axes.text(centre, top + 4, title, color=INK, ha="center", fontsize=11)
    _draw_scales(figure, columns, volumes.largest_deviation)
    figure.suptitle(headline, color=INK, fontsize=12, x=LEFT, ha="left", y=0.985)
    figure.savefig(path, facecolor=PAPER, pil_kwargs={"compress_level": 3})


@dataclass(frozen=True)
class Panel:
    """The place of one picture: all are in one axes, because making those takes matplotlib long.

    left, bottom, width, height: In voxels; across: of the widest picture.
    """

    axes: Any
    left: float
    bottom: float
    width: int
    height: int
    across: int

    @property
    def extent(self) -> tuple[float, float, float, float]:
        return (self.left, self.left + self.width, self.bottom, self.bottom + self.height)

    def show(self, picture: np.ndarray, cmap: Any, **how: Any) -> None:
        """Show a picture (U, V)."""
        self.axes.imshow(picture.T, cmap=cmap, origin="lower", extent=self.extent, **how)


def _make_canvas(shapes: list[tuple[int, int]], columns: int) -> tuple[Any, Any, list[list[Panel]]]:
    """Make a figure with places for a row of `columns` pictures of each shape (U, V)."""
    widths, heights = zip(*shapes, strict=True)
    across, gap = max(widths), GAP * max(widths)
    whole = (columns * (across + gap) - gap, sum(heights) + gap * (len(shapes) - 1))
    width = columns * 2.6 + 0.5
    height = width * (RIGHT - LEFT) * whole[1] / whole[0] + 1.25
    figure = make_figure(figsize=(width, height), facecolor=PAPER, dpi=100)
    axes = figure.add_axes((LEFT, 0.45 / height, RIGHT - LEFT, 1 - 1.25 / height))
    rows, top = [], whole[1]
    for u, v in shapes:
        left = (across - u) / 2
        steps = [column * (across + gap) for column in range(columns)]
        rows.append([Panel(axes, left + step, top - v, u, v, across) for step in steps])
        top -= v + gap
    axes.set(xlim=(0, whole[0]), ylim=(0, whole[1]))
    axes.set_axis_off()
    axes.autoscale(enable=False)
    return figure, axes, rows


def _cut_section(volumes: Views, axis: int) -> dict[str, Any]:
    """Cut the middle section across an axis: pictures (U, V), and the field in it (2, U, V)."""
    middle = volumes.target.shape[axis] // 2
    names = ["moving", "target", "warped", "jacobian"]
    names += [name for name in ("deviation", "imaged") if getattr(volumes, name) is not None]
    cut = {name: np.take(getattr(volumes, name), middle, axis=axis) for name in names}
    plane = [other for other in range(3) if other != axis]
    return {**cut, "field": np.take(volumes.field, middle, axis=1 + axis)[plane]}


def _draw_row(panels: list[Panel], section: dict[str, Any], spacing: float) -> None:
    target, imaged = section["target"], section.get("imaged", True)
    smooth = {"vmin": 0, "interpolation": "bilinear"}
    for panel, name in zip(panels, ("moving", "target", "warped"), strict=False):
        panel.show(section[name], "gray", vmax=1.1, **smooth)
    for panel, name in zip(panels[3:5], ("moving", "warped"), strict=True):
        difference = np.where(imaged, np.abs(section[name] - target), 0)
        panel.show(difference, "inferno", vmax=0.7, **smooth)
    _draw_grid(panels[5], target, section["field"], spacing)
    _draw_jacobian(panels[6], np.where(imaged, target, 0), section["jacobian"])


def _draw_grid(panel: Panel, target: np.ndarray, field: np.ndarray, spacing: float) -> None:
    """Draw the lines of a regular grid of the moving image, warped to the target."""
    panel.show(target, "gray", vmin=0, vmax=1.8)
    step = LINES_MM / spacing
    for component, color in zip(range(2), ("#5ec8ff", "#ffc35e"), strict=True):
        position = np.indices(target.shape)[component] + field[component]
        levels = np.arange(step / 2, target.shape[component], step)
        panel.axes.contour(
            position.T, levels=levels, colors=color, linewidths=0.7, extent=panel.extent
        )


def _draw_jacobian(panel: Panel, target: np.ndarray, jacobian: np.ndarray) -> None:
    """Draw log2 of the determinant inside the brain, and folds in yellow."""
    from matplotlib.colors import ListedColormap

    logarithm = np.log2(np.maximum(jacobian, 1e-3))
    panel.show(np.ma.masked_where(target <= 0.02, logarithm), "RdBu_r", vmin=-1.5, vmax=1.5)
    folds = np.ma.masked_where(jacobian > 0, np.ones_like(jacobian))
    panel.show(folds, ListedColormap([FOLD]))


def _draw_deviation(panel: Panel, section: dict[str, Any], largest: float) -> None:
    shown = np.ma.masked_where(section["target"] <= 0.02, section["deviation"])
    panel.show(shown, "viridis", vmin=0, vmax=largest)


def _draw_scales(figure: Any, columns: int, largest: float) -> None:
    """Draw the colour scales below the columns that they belong to."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    deviations = (0, largest / 2, largest)
    scales = (
        (3, "inferno", (0, 0.7), (0, 0.35, 0.7), ("0", "0.35", "0.7")),
        (6, "RdBu_r", (-1.5, 1.5), (-1, 0, 1), ("1/2", "1", "2")),
        (7, "viridis", (0, largest), deviations, [f"{mm:.2g}" for mm in deviations]),
    )
    width, height = 0.6 / columns, figure.get_figheight()
    for column, cmap, (low, high), ticks, words in scales:
        if column >= columns:
            continue
        left = LEFT + (RIGHT - LEFT) * (column + 0.5) / columns - width / 2
        place = figure.add_axes((left, 0.27 / height, width, 0.08 / height))
        bar = figure.colorbar(
            ScalarMappable(Normalize(low, high), cmap), place, orientation="horizontal"
        )
        bar.set_ticks(ticks, labels=words)
        bar.outline.set_visible(False)
        place.tick_params(colors=INK, labelsize=8, length=0, pad=2)
