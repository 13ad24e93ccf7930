"""A disc becomes a C: the momentum that carries it over, found by descent through geodesic
shooting, as an animation.

Run: ``python examples/disc_to_c.py [FILE.gif]`` (under a minute on two cores; needs matplotlib and
pillow).
"""

import sys

import matplotlib
import torch
from torch import Tensor

import quicksilver_ext as qs

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter

SIZE = 64
METRIC = qs.FluidMetric(alpha=1.0, beta=0.0, gamma=0.05, power=2)


def shapes() -> tuple[Tensor, Tensor]:
    """A disc and a C, (1, 1, SIZE, SIZE), with soft outlines."""
    x = torch.linspace(-1, 1, SIZE)
    row, column = torch.meshgrid(x, x, indexing="ij")
    radius = (row**2 + column**2).sqrt()
    disc = torch.sigmoid(20 * (0.5 - radius))
    ring = torch.sigmoid(20 * (0.22 - (radius - 0.40).abs()))
    opening = torch.sigmoid(20 * (row.abs() - 0.45 * column))
    return disc[None, None], (ring * opening)[None, None]


def fit(disc: Tensor, letter: Tensor, iterations: int = 25) -> tuple[Tensor, list[float]]:
    """LDDMM: minimise the energy of the motion plus the difference of the images, by L-BFGS."""
    momentum = torch.zeros(1, 2, SIZE, SIZE, requires_grad=True)
    optimiser = torch.optim.LBFGS([momentum], max_iter=iterations, line_search_fn="strong_wolfe")
    losses = []

    def loss() -> Tensor:
        optimiser.zero_grad()
        psi, _ = qs.shoot(momentum, METRIC, 10)
        difference = qs.ssd(disc, letter, psi).sum()
        energy = 0.5 * (momentum * METRIC.sharp(momentum)).sum()
        total = difference + 0.05 * energy
        total.backward()
        losses.append(difference.item())
        return total

    optimiser.step(loss)
    return momentum.detach(), losses


def animate(disc: Tensor, momentum: Tensor, file: str, frames: int = 17) -> None:
    """The geodesic followed for longer and longer: t times the momentum, for unit time."""
    figure, axes = plt.subplots(figsize=(4, 4))
    picture = axes.imshow(disc[0, 0], vmin=0, vmax=1, cmap="gray")
    axes.set_axis_off()

    def draw(frame: int) -> list:
        psi, _ = qs.shoot(frame / (frames - 1) * momentum, METRIC, 10)
        picture.set_data(qs.warp(disc, psi)[0, 0])
        return [picture]

    FuncAnimation(figure, draw, frames).save(file, PillowWriter(fps=8))


def main(file: str = "disc_to_c.gif") -> None:
    disc, letter = shapes()
    momentum, losses = fit(disc, letter)
    psi, phi = qs.shoot(momentum, METRIC, 10)
    animate(disc, momentum, file)
    print(
        f"difference from {losses[0]:.1f} to {losses[-1]:.1f}, largest displacement "
        f"{psi.abs().max():.1f} voxels"
    )
    print(
        f"least volume change {qs.jacobian_determinant(phi).min():.2f}; the animation is in {file}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
