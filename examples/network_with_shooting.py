"""A small U-Net whose last layer is geodesic shooting, trained end to end on an image loss.

It sees pairs of ellipses and predicts a momentum; shooting makes it a diffeomorphism; the loss is
the difference of the warped ellipse and the target. Run: ``python
examples/network_with_shooting.py`` (under a minute on two cores).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import quicksilver_ext as qs

SIZE, BATCH, STEPS = 32, 8, 60


def ellipses(count: int) -> Tensor:
    """Smooth ellipses (count, 1, SIZE, SIZE) of random axes near the centre."""
    x = torch.linspace(-1, 1, SIZE)
    centre, axes = 0.1 * torch.randn(2, count, 1, 1), 0.35 + 0.25 * torch.rand(2, count, 1, 1)
    radius = ((x[:, None] - centre[0]) / axes[0]) ** 2 + ((x[None, :] - centre[1]) / axes[1]) ** 2
    return torch.sigmoid(8 * (1 - radius))[:, None]


class UNet(nn.Module):
    """Moving and target in, a momentum out; then psi, by which the moving image is carried over."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.down = nn.Conv2d(2, width, 3, padding=1)
        self.deep = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.bottom = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.up = nn.Conv2d(3 * width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.metric = qs.FluidMetric(alpha=0.2, beta=0.0, gamma=0.01)
        self.shooting = qs.GeodesicShooting(self.metric, steps=5)

    def forward(self, moving: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        shallow = F.relu(self.down(torch.cat([moving, target], 1)))
        deep = F.relu(self.bottom(F.relu(self.deep(shallow))))
        deep = qs.resize(deep, shallow.shape[2:])
        momentum = self.last(F.relu(self.up(torch.cat([deep, shallow], 1))))
        psi, _ = self.shooting(momentum)
        return momentum, psi


def main() -> None:
    torch.manual_seed(0)
    network = UNet()
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    losses = []
    for step in range(STEPS):
        moving, target = ellipses(BATCH), ellipses(BATCH)
        momentum, psi = network(moving, target)
        energy = (momentum * network.metric.sharp(momentum)).sum() / BATCH
        loss = qs.ssd(moving, target, psi).mean() + 5e-2 * energy
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % 10 == 0:
            print(f"step {step:2d}: loss {loss.item():.2f}")
    first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    folds = (qs.jacobian_determinant(psi) <= 0).sum().item()
    print(f"from {first:.2f} to {last:.2f}, {folds} voxels folded")


if __name__ == "__main__":
    main()
