"""Draw report.png: one look at a registration in three planes."""

from __future__ import annotations

import os
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
LINES_MM = 8.0  # between the lines of the deformation grid
INK, PAPER, FOLD = "#e8e8e8", "#101014", "#f0e442"

# (name, axis that is cut, letters at the left and right edges of the picture)
PLANES = (("axial", 2, "LR"), ("coronal", 1, "LR"), ("sagittal", 0, "PA"))


def draw(volumes: Views, headline: str, path: str | os.PathLike[str]) -> None:
    """Draw a registration as a PNG: images, differences, deformation, Jacobian and any deviation.

    Args:
        volumes: What is shown.
        headline: The line above.
        path: The file.
    """
    columns = len(TITLES) - (volumes.deviation is None)
    sections = [_cut_section(volumes, axis) for _, axis, _ in PLANES]
    figure, grid = _make_canvas([section["target"].shape for section in sections], columns)
    for row, ((name, _, sides), section) in enumerate(zip(PLANES, sections, strict=True)):
        axes = [figure.add_subplot(grid[row, column]) for column in range(columns)]
        _draw_row(axes, section, volumes.spacing)
        if volumes.deviation is not None:
            _draw_deviation(axes[7], section, volumes.largest_deviation)
        axes[0].set_ylabel(name, color=INK, fontsize=11)
        axes[0].text(0.02, 0.5, sides[0], color=INK, transform=axes[0].transAxes, fontsize=9)
        axes[0].text(0.94, 0.5, sides[1], color=INK, transform=axes[0].transAxes, fontsize=9)
        if row == 0:
            for axis, title in zip(axes, TITLES, strict=False):
                axis.set_title(title, color=INK, fontsize=11)
    _draw_scales(figure, columns, volumes.largest_deviation)
    figure.suptitle(headline, color=INK, fontsize=12, x=LEFT, ha="left", y=0.985)
    figure.savefig(path, facecolor=PAPER, pil_kwargs={"compress_level": 3})


def _make_canvas(shapes: list[tuple[int, int]], columns: int) -> tuple[Any, Any]:
    """Make a figure with places for a row of `columns` pictures of each shape (U, V)."""
    widths, heights = zip(*shapes, strict=True)
    size = (columns * 2.6 + 0.5, sum(heights) * 2.6 / max(widths) + 1.35)
    figure = make_figure(figsize=size, facecolor=PAPER, dpi=100)
    return figure, figure.add_gridspec(
        len(shapes),
        columns,
        height_ratios=heights,
        left=LEFT,
        right=RIGHT,
        top=1 - 0.8 / figure.get_figheight(),
        bottom=0.45 / figure.get_figheight(),
        wspace=0.02,
        hspace=0.02,
    )


def _cut_section(volumes: Views, axis: int) -> dict[str, Any]:
    """Cut the middle section across an axis: pictures (U, V), and the field in it (2, U, V)."""
    middle = volumes.target.shape[axis] // 2
    names = ["moving", "target", "warped", "jacobian"]
    names += [name for name in ("deviation", "imaged") if getattr(volumes, name) is not None]
    cut = {name: np.take(getattr(volumes, name), middle, axis=axis) for name in names}
    plane = [other for other in range(3) if other != axis]
    return {**cut, "field": np.take(volumes.field, middle, axis=1 + axis)[plane]}


def _draw_row(axes: list[Any], section: dict[str, Any], spacing: float) -> None:
    for axis in axes:
        axis.set_facecolor(PAPER)
        axis.set(xticks=[], yticks=[])
        axis.set_anchor("C")
        for spine in axis.spines.values():
            spine.set_visible(False)
    target, imaged = section["target"], section.get("imaged", True)
    for axis, name in zip(axes, ("moving", "target", "warped"), strict=False):
        axis.imshow(
            section[name].T, cmap="gray", vmin=0, vmax=1.1, origin="lower", interpolation="bilinear"
        )
    for axis, name in zip(axes[3:5], ("moving", "warped"), strict=True):
        difference = np.where(imaged, np.abs(section[name] - target), 0)
        axis.imshow(
            difference.T, cmap="inferno", vmin=0, vmax=0.7, origin="lower", interpolation="bilinear"
        )
    _draw_grid(axes[5], target, section["field"], spacing)
    _draw_jacobian(axes[6], np.where(imaged, target, 0), section["jacobian"])


def _draw_grid(axis: Any, target: np.ndarray, field: np.ndarray, spacing: float) -> None:
    """Draw the lines of a regular grid of the moving image, warped to the target."""
    axis.imshow(target.T, cmap="gray", vmin=0, vmax=1.8, origin="lower")
    step = LINES_MM / spacing
    for component, color in zip(range(2), ("#5ec8ff", "#ffc35e"), strict=True):
        position = np.indices(target.shape)[component] + field[component]
        levels = np.arange(step / 2, target.shape[component], step)
        axis.contour(position.T, levels=levels, colors=color, linewidths=0.7)


def _draw_jacobian(axis: Any, target: np.ndarray, jacobian: np.ndarray) -> None:
    """Draw log2 of the determinant inside the brain, and folds in yellow."""
    from matplotlib.colors import ListedColormap

    logarithm = np.log2(np.maximum(jacobian, 1e-3))
    shown = np.ma.masked_where(target <= 0.02, logarithm)
    axis.imshow(shown.T, cmap="RdBu_r", vmin=-1.5, vmax=1.5, origin="lower")
    folds = np.ma.masked_where(jacobian > 0, np.ones_like(jacobian))
    axis.imshow(folds.T, cmap=ListedColormap([FOLD]), origin="lower")


def _draw_deviation(axis: Any, section: dict[str, Any], largest: float) -> None:
    shown = np.ma.masked_where(section["target"] <= 0.02, section["deviation"])
    axis.imshow(shown.T, cmap="viridis", vmin=0, vmax=largest, origin="lower")


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
