"""register.dat of tkregister, whose coordinates are those of FreeSurfer's surfaces."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.affines import read_affine
from tests.quicksilver.phantoms import make_affine

MOVING = Grid((20, 24, 30), make_affine((10, -20, 30), (1, 1.2, 0.9), (1, 1, 1), (20, -20, -20)))
TARGET = Grid((26, 18, 22), make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (-1, 1, 1), (5, -25, 20)))
MATRIX = make_affine((12, 7, -9), (1.1, 0.9, 1.05), origin=(4, -7, 11))
"""From the target's surface coordinates to the moving image's."""


def register_dat(last: str = "round\n", subject: str = "bert") -> str:
    rows = "\n".join(" ".join(f"{number:.9e}" for number in row) for row in MATRIX)
    return f"{subject}\n3.437500\n5.000000\n0.150000\n{rows}\n{last}"


@pytest.mark.parametrize("subject", ["bert", "subject 12", "007"])
def test_surface_coordinates_are_those_of_nibabel(tmp_path, subject):
    (tmp_path / "register.dat").write_text(register_dat(subject=subject))
    found = read_affine(tmp_path / "register.dat", MOVING, TARGET)
    moving, target = (
        nib.MGHImage(np.zeros(grid.shape, np.uint8), grid.affine).header
        for grid in (MOVING, TARGET)
    )
    for voxel in ((0, 0, 0, 1), (3, 17, 5, 1)):
        there = np.linalg.inv(moving.get_vox2ras_tkr()) @ MATRIX @ target.get_vox2ras_tkr() @ voxel
        expected = MOVING.affine @ there
        assert np.allclose(found @ TARGET.affine @ voxel, expected, atol=1e-4)


@pytest.mark.parametrize("last", ["", "tkregister\n", "floor\n", "round\nround\n"])
def test_other_ways_to_find_voxels_are_refused(tmp_path, last):
    (tmp_path / "register.dat").write_text(register_dat(last))
    with pytest.raises(QuicksilverError, match=r"instead of 'round' behind the matrix"):
        read_affine(tmp_path / "register.dat", MOVING, TARGET)


@pytest.mark.parametrize("grids", [(None, None), (MOVING, None), (None, TARGET)])
def test_both_images_are_needed(tmp_path, grids):
    (tmp_path / "register.dat").write_text(register_dat())
    with pytest.raises(QuicksilverError, match=r"matrix of tkregister, .* without both images"):
        read_affine(tmp_path / "register.dat", *grids)


def test_the_last_row_is_read(tmp_path):
    text = register_dat().replace(" ".join(f"{n:.9e}" for n in (0, 0, 0, 1)), "0 0 0.5 1")
    (tmp_path / "register.dat").write_text(text)
    with pytest.raises(QuicksilverError, match="last row"):
        read_affine(tmp_path / "register.dat", MOVING, TARGET)
