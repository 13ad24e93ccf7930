"""Modules and converters against the peers' own code; skipped where they are not installed (pip
install .[peers]).
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import quicksilver_ext as qs

PADDINGS = {"border": "border", "zeros": "zeros", "reflect": "reflection"}


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [0, 3])
def test_grid_sample(fields, grid, close, sizes, align_corners):
    """On an image of another size too; beyond its edge only the corners' convention is ours."""
    image = fields.noise([n + sizes for n in grid])
    displacement = fields.displacement(grid, 2.3)
    converted = qs.to_grid_sample(displacement, image.shape[2:], align_corners)
    for ours, theirs in PADDINGS.items():
        if ours == "reflect" and not align_corners:
            continue  # mirrors about the voxels' edges
        sampled = F.grid_sample(image, converted, "bilinear", theirs, align_corners)
        close(sampled, qs.warp(image, displacement, padding_mode=ours))
    back = qs.from_grid_sample(converted, image.shape[2:], align_corners)
    close(back, displacement)


@pytest.mark.parametrize("padding_mode", ["border", "zeros", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.filterwarnings("ignore:.*grid_sample")
def test_monai(fields, grid, close, mode, padding_mode):
    blocks = pytest.importorskip("monai.networks.blocks")
    image, displacement = fields.noise(grid), fields.displacement(grid, 3.3)
    theirs = blocks.Warp(mode, padding_mode)(image, displacement)
    close(qs.Warp(mode, padding_mode)(image, displacement), theirs)


@pytest.fixture
def voxelmorph():
    return pytest.importorskip("voxelmorph.nn.modules")


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_voxelmorph(voxelmorph, fields, grid, close, mode):
    image, displacement = fields.noise(grid), fields.displacement(grid, 3.3)
    theirs = voxelmorph.SpatialTransformer(mode)(image, displacement)
    close(qs.SpatialTransformer(mode)(image, displacement), theirs)


def test_voxelmorph_integration(voxelmorph, fields, grid, close):
    velocity = fields.displacement(grid, 3.3)
    theirs = voxelmorph.IntegrateVelocityField(steps=5)(velocity)
    close(qs.VectorIntegration(5)(velocity), theirs)


def test_voxelmorph_resizing(voxelmorph, fields, grid, close):
    displacement = fields.displacement(grid, 3.3)
    theirs = voxelmorph.ResizeDisplacementField(scale_factor=2.0)(displacement)
    resized = qs.resize_displacement(displacement, theirs.shape[2:], align_corners=True)
    per_axis = [
        2 * (n - 1) / (2 * n - 1) for n in grid
    ]  # theirs doubles; corners in place are a little less
    close(
        resized
        * torch.tensor(per_axis, dtype=torch.float64).reshape(-1, *[1] * len(grid)).to(resized),
        theirs,
    )


@pytest.mark.parametrize("peer", ["monai", "neurite"])
def test_local_correlation(fields, close, peer):
    grid = (14, 12, 13)
    image, other = (fields.noise(grid, 1).abs() for _ in range(2))
    still = torch.zeros(1, 3, *grid, dtype=image.dtype, device=image.device)
    if peer == "monai":
        losses = pytest.importorskip("monai.losses")
        theirs = -losses.LocalNormalizedCrossCorrelationLoss(3, 5)(image, other)
    else:  # VoxelMorph's
        theirs = pytest.importorskip("neurite.nn.modules").NCC(5)(image, other).squeeze()
    epsilon = {"monai": 0.0, "neurite": 1e-5 / 5**6}[peer]
    close(1 - qs.lncc(image, other, still, 5, epsilon).mean(), theirs, 1e-9)


def test_icon(fields, grid, close):
    icon = pytest.importorskip("icon_registration.mermaidlite")
    image, displacement = fields.noise(grid, 2, dtype=torch.float32), fields.displacement(grid, 2.3)
    displacement = displacement.float()
    spacing = 1.0 / (torch.tensor(grid, dtype=torch.float64).numpy() - 1)
    theirs = icon.compute_warped_image_multiNC(image, qs.to_icon(displacement), spacing, 1)
    close(qs.warp(image, displacement, padding_mode="border"), theirs)
    close(qs.from_icon(qs.to_icon(displacement)), displacement)
