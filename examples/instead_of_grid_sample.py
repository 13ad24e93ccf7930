"""An existing model that warps with grid_sample, and the three lines that change.

The model makes a grid from its displacement, in grid_sample's order and units; `warp` takes the
displacement itself. Results and gradients agree. Run: ``python
examples/instead_of_grid_sample.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs


def before(image: Tensor, displacement: Tensor) -> Tensor:
    lines = [torch.arange(n, dtype=image.dtype) for n in image.shape[2:]]
    position = torch.stack(torch.meshgrid(*lines, indexing="ij"))[None] + displacement
    sizes = torch.tensor(image.shape[2:]).reshape(1, -1, 1, 1, 1)
    grid = (2 * position / (sizes - 1) - 1).permute(0, 2, 3, 4, 1).flip(-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


# 1. import quicksilver_ext as qs
# 2. no grid
# 3. qs.warp in the place of F.grid_sample
def after(image: Tensor, displacement: Tensor) -> Tensor:
    return qs.warp(image, displacement)


def main() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 2, 24, 20, 28, dtype=torch.float64, requires_grad=True)
    displacement = torch.randn(1, 3, 24, 20, 28, dtype=torch.float64, requires_grad=True)
    results = []
    for model in (before, after):
        warped = model(image, displacement)
        results.append([warped, *torch.autograd.grad(warped.sin().sum(), (image, displacement))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)
    print("the same image and the same gradients")


if __name__ == "__main__":
    main()
