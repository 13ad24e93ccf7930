"""Draw the pictures of the start page: a synthetic brain registered to a deformed copy of itself,
and its report in a browser.

Run: ``python docs/picture.py`` (a minute or two; needs playwright and Chromium).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image as Picture
from playwright.sync_api import sync_playwright
from scipy.ndimage import gaussian_filter

import quicksilver
import quicksilver_ext as qs
from quicksilver.demo import Puzzle, make_puzzle
from quicksilver.images.image import Image

IMAGES = Path(__file__).resolve().parent / "images"
FILE, REPORT = IMAGES / "registration.png", IMAGES / "report.png"
SHAPE = (80, 96, 76)
SPACING = 2.0


def make_brain(seed: int = 3) -> Image:
    """Make a brain of noise: white matter, a folded ribbon of grey matter, fluid around both."""
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(sum(x**2 for x in axes))
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    folds = gaussian_filter(noise, 2.6)
    depth = radius + 0.11 * folds / folds.std()
    tissue = np.select([depth < 0.68, depth < 0.85], [110.0, 75.0], 30.0)
    ventricles = (axes[0] / 0.16) ** 2 + (axes[1] / 0.36) ** 2 + (axes[2] / 0.2) ** 2 < 1
    tissue[ventricles] = 30.0
    smooth = gaussian_filter(np.where(radius < 1, tissue, 0.0), 0.6)
    image = np.where(radius < 1, smooth, 0).astype(np.float32)
    return Image(image, np.diag([SPACING, SPACING, SPACING, 1.0]))


def show(axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture.T, cmap="gray", origin="lower", vmin=0, vmax=picture.max())
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def draw_grid(axes, displacement: torch.Tensor, level: int, step: int = 3) -> None:
    """Draw the deformed grid of an axial slice of a displacement (1, 3, X, Y, Z) in voxels."""
    u = displacement[0, :2, :, :, level].numpy()
    x, y = np.indices(u.shape[1:]) + u
    axes.plot(x[::step].T, y[::step].T, color="0.25", linewidth=0.6)
    axes.plot(x[:, ::step], y[:, ::step], color="0.25", linewidth=0.6)
    axes.set_aspect("equal")
    axes.set_title("map", fontsize=10)
    axes.set_axis_off()


def photograph_report(made: Puzzle, size: tuple[int, int] = (1320, 780)) -> None:
    """Register by prediction, and save what a browser shows of the report."""
    found = quicksilver.register(made.moving, made.target, affine=False, device="cpu")
    about = {"moving": "moving.nii.gz", "target": "target.nii.gz"}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        found.save(folder, about=about)
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=False
        )
        tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="dark")
        tab.goto(Path(folder, "report.html").as_uri() + "#view=jacobian")
        tab.wait_for_selector("body[data-ready=yes]")
        tab.screenshot(path=REPORT)
        browser.close()
    with Picture.open(REPORT) as picture:
        reduced = picture.convert("RGB").quantize(
            256, Picture.Quantize.MAXCOVERAGE, dither=Picture.Dither.NONE
        )
    reduced.save(REPORT, optimize=True)


def main() -> None:
    made = make_puzzle(make_brain(), seed=4)
    found = quicksilver.fit(made.moving, made.target, spacing=SPACING, affine=False, device="cpu")
    displacement = found.displacement
    warped = displacement.warp(made.moving).data
    moving = displacement.identity(displacement.grid).warp(made.moving).data
    level = made.target.data.shape[2] // 2
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    for axes, (title, volume) in zip(
        panels[:3],
        {"moving": moving, "target": made.target.data, "warped": warped}.items(),
        strict=True,
    ):
        show(axes, volume[:, :, level], title)
    draw_grid(panels[3], displacement.in_voxels(), level)
    folds = int((qs.jacobian_determinant(displacement.in_voxels()) <= 0).sum())
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(FILE, dpi=100, pil_kwargs={"optimize": True})
    photograph_report(made)
    print(f"written to {FILE} and {REPORT}; {folds} folded voxels")


if __name__ == "__main__":
    main()
