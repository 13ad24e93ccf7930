"""Slices in their plane of the world."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.images.plane import embed, flatten, is_flat, lay_flat, require_alike
from quicksilver.io.images import read_grid
from quicksilver.io.itk import find_grid
from tests.quicksilver.phantoms import make_affine


@pytest.mark.parametrize(
    "affine",
    [
        make_affine((0, 0, 0), (2, 3, 4), (-1, 1, 1), (5, 6, 7)),
        make_affine((0, 0, 30), (2, 3, 4), origin=(5, 6, 7)),
        make_affine((0, 0, 200), (0.01, 0.02, 1), (1, -1, 1)),
        np.array([[2.0, 0, 0, 5], [0, 0, 4, 6], [0, 3, 0, 7], [0, 0, 0, 1]]),
        np.array([[0.0, 0, 4, 5], [-2, 0, 0, 6], [0, 3, 0, 7], [0, 0, 0, 1]]),
    ],
    ids=["axial", "turned", "microscope", "coronal", "sagittal"],
)
def test_a_slice_lies_where_itk_has_it(affine, tmp_path):
    path = tmp_path / "slice.nii"
    nib.save(nib.Nifti1Image(np.ones((8, 9, 1), np.float32), affine), path)
    itk = find_grid(sitk.ReadImage(str(path))[:, :, 0])
    ours = read_grid(path, planar=True)
    assert ours.shape == itk.shape == (8, 9, 1)
    assert np.allclose(ours.affine, itk.affine, atol=1e-4)
    if affine[2, :2].any():
        return  # in two dimensions ITK does not read it
    nib.save(nib.Nifti1Image(np.ones((8, 9), np.float32), affine), path)
    assert np.allclose(find_grid(sitk.ReadImage(str(path))).affine, itk.affine, atol=1e-4)
    assert np.allclose(read_grid(path, planar=True).affine, itk.affine, atol=1e-4)


def test_a_tilted_slice_keeps_its_pixels():
    flat = lay_flat(make_affine((20, 10, 5), (2, 3, 4)))
    assert np.allclose(np.linalg.norm(flat[:2, :2], axis=0), [2, 3])
    assert abs(flat[:2, 0] @ flat[:2, 1]) < 1e-9
    assert is_flat(flat @ np.diag([1, 1, 0.5, 1]))


def test_fields_of_slices_are_flattened_and_back():
    vectors, image = torch.rand(2, 3, 5, 6, 1), torch.rand(2, 1, 5, 6, 1)
    vectors[:, 2] = 0
    assert flatten(vectors).shape == (2, 2, 5, 6)
    for field in (vectors, image):
        assert torch.equal(embed(flatten(field)), field)
    volume = torch.rand(1, 3, 4, 5, 6)
    assert flatten(volume) is volume
    assert embed(volume) is volume


def test_grids_of_slices():
    grid = Grid((340, 170, 1), np.diag([0.5, 0.5, 0.5, 1]))
    assert (grid.planar, grid.dims, grid.scale, grid.voxel_volume) == (True, 2, 1.0, 0.25)
    volume = Grid((4, 5, 6), np.diag([1.0, 2, 3, 1]))
    assert (volume.planar, volume.dims, volume.scale, volume.voxel_volume) == (False, 3, 1.0, 6.0)
    require_alike(grid, grid, ("a", "b"))
    with pytest.raises(QuicksilverError, match="found a in 2-D and b in 3-D"):
        require_alike(grid, volume, ("a", "b"))
    with pytest.raises(QuicksilverError, match="found a in 3-D and b in 2-D"):
        require_alike(volume, grid, ("a", "b"))


def test_an_affine_that_leaves_the_plane_is_not_flat():
    assert is_flat(make_affine((0, 0, 30), (1, 2, 1), origin=(3, 4, 0)))
    assert not is_flat(make_affine((1, 0, 0), (1, 1, 1)))
    assert not is_flat(make_affine((0, 0, 0), (1, 1, 1), origin=(0, 0, 1)))
    assert not is_flat(make_affine((0, 0, 0), (1, 1, 2)))
