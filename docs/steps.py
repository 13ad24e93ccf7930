"""Draw the pictures of docs/tasks/first-pair.md from what its commands wrote.

Run: ``python docs/steps.py FOLDER``, the folder in which the commands of the page were run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from picture import IMAGES, draw_grid, show
from PIL import Image as Picture

from quicksilver.io.fields import read_field
from quicksilver.io.images import read_image

LEVEL = 0.42  # of the axial slice, as a part of the target's height
LARGEST = 0.6  # of the logarithm of the Jacobian determinant that the colours show


def save(figure: Figure, name: str) -> None:
    """Save a picture with few colours, which are enough for it and make it small."""
    figure.savefig(IMAGES / name, dpi=72)
    with Picture.open(IMAGES / name) as picture:
        picture.convert("RGB").quantize(64).save(IMAGES / name, optimize=True)


def draw_images(pictures: dict[str, np.ndarray], name: str) -> None:
    """Draw slices side by side; the differences among them, by their titles, on one grey scale."""
    figure = Figure(figsize=(2.6 * len(pictures), 3.2), layout="constrained")
    for axes, (title, picture) in zip(
        figure.subplots(1, len(pictures)), pictures.items(), strict=True
    ):
        show(axes, np.abs(picture), title)
        if title.startswith("difference"):
            axes.images[0].set_clim(0, 0.5)
    save(figure, name)


def draw_map(folder: Path, level: int) -> None:
    """Draw the deformed grid beside the logarithm of the Jacobian determinant."""
    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_grid(left, read_field(folder / "first/displacement.nii.gz").in_voxels(), level)
    picture = read_image(folder / "log_jacobian.nii.gz").data[:, :, level]
    drawn = right.imshow(picture.T, cmap="PuOr_r", origin="lower", vmin=-LARGEST, vmax=LARGEST)
    right.set_title("logarithm of the Jacobian", fontsize=10)
    right.set_axis_off()
    figure.colorbar(drawn, ax=right, shrink=0.8)
    save(figure, "first-map.png")


def main(folder: Path) -> None:
    target = read_image(folder / "demo/target.nii.gz")
    still = read_field(folder / "first/displacement.nii.gz")
    moving = still.identity(target.grid).warp(read_image(folder / "demo/moving.nii.gz")).data
    warped = read_image(folder / "first/warped.nii.gz").data
    level = int(LEVEL * target.data.shape[2])
    volumes = {"moving": moving, "target": target.data, "warped": warped}
    cut = {n: v[:, :, level] / np.percentile(v[v > 0], 99) for n, v in volumes.items()}
    draw_images({name: cut[name] for name in ("moving", "target")}, "first-images.png")
    differences = {
        "difference before": cut["moving"] - cut["target"],
        "difference after": cut["warped"] - cut["target"],
    }
    draw_images({"warped": cut["warped"], **differences}, "first-warped.png")
    draw_map(folder, level)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
