"""Warps of FSL and VoxelMorph: read as what they are said to be, or refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.exports import MapFormat, write_map
from quicksilver.io.fields import read_field
from quicksilver.io.transforms import list_files, read_chain, read_transform
from quicksilver.io.warps import read_warp
from tests.quicksilver.phantoms import make_affine, smooth_field

MOVING = Grid((20, 22, 24), make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20)))
TARGET = Grid((16, 18, 14), make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20)))
MIRRORED = Grid(MOVING.shape, MOVING.affine * [-1, 1, 1, 1])
FIELD = smooth_field(TARGET)


def write_array(path, array, code=2006):
    file = nib.Nifti1Image(array.astype(np.float32), TARGET.affine)
    file.header.set_intent(code, ())
    nib.save(file, path)
    return path


def in_fsl(moving, absolute):
    """FIELD as FSL has it, by fslpy."""
    nonlinear = pytest.importorskip("fsl.transform.nonlinear")
    image = pytest.importorskip("fsl.data.image")
    source, ref = (image.Image(np.zeros(g.shape), xform=g.affine) for g in (moving, TARGET))
    moved = TARGET.positions() + FIELD.vectors[0].permute(1, 2, 3, 0).double().numpy()
    field = nonlinear.DeformationField(
        moved, source, ref, xform=TARGET.affine, srcSpace="world", refSpace="world",
        defType="absolute",
    )  # fmt: skip
    positions = nonlinear.convertDeformationSpace(field, "fsl", "fsl")
    if absolute:
        return positions.data
    return nonlinear.convertDeformationType(positions, "relative")


@pytest.mark.parametrize("moving", [MOVING, MIRRORED])
@pytest.mark.parametrize("kind", ["fsl-rel", "fsl-abs"])
def test_a_warp_of_fsl_means_what_fslpy_means(tmp_path, moving, kind):
    path = write_array(tmp_path / "warp.nii.gz", in_fsl(moving, kind == "fsl-abs"))
    found = read_warp(path, kind, moving)
    assert found.grid.matches(TARGET)
    assert torch.allclose(found.vectors, FIELD.vectors, atol=1e-3)


@pytest.mark.parametrize("moving", [MOVING, MIRRORED])
def test_what_is_written_for_fsl_is_read(tmp_path, moving):
    write_map(tmp_path / "warp.nii.gz", FIELD, MapFormat.FSL, moving)
    read = read_transform(f"fsl-rel:{tmp_path}/warp.nii.gz", moving)[0]
    assert torch.allclose(read.forward.vectors, FIELD.vectors, atol=1e-3)


@pytest.mark.parametrize("first", [False, True])
def test_what_is_written_for_voxelmorph_is_read(tmp_path, first):
    path = tmp_path / "warp.nii.gz"
    write_map(path, FIELD, MapFormat.VOXELMORPH)
    if first:  # as VoxelMorph's PyTorch has them
        write_array(path, np.moveaxis(nib.load(path).get_fdata(), -1, 0), 0)
    for moving in (TARGET, None):
        read = read_transform(f"voxelmorph:{path}", moving)[0]
        assert torch.allclose(read.forward.vectors, FIELD.vectors, atol=1e-3)
    with pytest.raises(QuicksilverError, match="a moving image that is not on the warp's grid"):
        read_transform(f"voxelmorph:{path}", MOVING)


def test_who_does_not_say_what_a_warp_is_is_asked(tmp_path):
    write_map(tmp_path / "fsl.nii", FIELD, MapFormat.FSL, MOVING)
    with pytest.raises(QuicksilverError, match=r"warp of FSL, which does not say .* fsl-rel:FILE"):
        read_field(tmp_path / "fsl.nii")
    write_map(tmp_path / "vxm.nii", FIELD, MapFormat.VOXELMORPH)
    with pytest.raises(QuicksilverError, match="voxelmorph:FILE says"):
        read_field(tmp_path / "vxm.nii")
    with pytest.raises(QuicksilverError, match="no moving image"):
        read_transform(f"fsl-rel:{tmp_path}/fsl.nii")


@pytest.mark.parametrize("moving", [MOVING, MIRRORED])
def test_a_warp_of_fsl_by_the_wrong_name_is_refused(tmp_path, moving):
    write_map(tmp_path / "rel.nii", FIELD, MapFormat.FSL, moving)
    relative = nib.load(tmp_path / "rel.nii").get_fdata()
    with pytest.raises(QuicksilverError, match="what seems to be fsl-rel"):
        read_warp(tmp_path / "rel.nii", "fsl-abs", moving)
    start = np.moveaxis(np.indices(TARGET.shape), 0, -1) * TARGET.spacing
    if np.linalg.det(TARGET.affine) > 0:
        start[..., 0] = start[::-1, ..., 0]
    write_array(tmp_path / "abs.nii", start + relative)
    with pytest.raises(QuicksilverError, match="what seems to be fsl-abs"):
        read_warp(tmp_path / "abs.nii", "fsl-rel", moving)
    found = read_warp(tmp_path / "abs.nii", "fsl-abs", moving)
    assert torch.allclose(found.vectors, FIELD.vectors, atol=1e-3)


VECTORS = np.zeros((*TARGET.shape, 3))


@pytest.mark.parametrize(
    ("kind", "array", "code", "words"),
    [
        ("fsl-rel", VECTORS, 2007, "cubic spline coefficients of FSL"),
        ("fsl-abs", VECTORS, 2009, "quadratic spline coefficients of FSL"),
        ("fsl-rel", VECTORS, 1007, "the intent 1007"),
        ("voxelmorph", VECTORS, 2006, "warp of FSL"),
        ("fsl-rel", VECTORS[..., :2], 2006, "the shape"),
        ("fsl-rel", VECTORS[..., None, :], 2006, "the shape"),
        ("fsl-rel", np.moveaxis(VECTORS, -1, 0), 2006, "the shape"),
        ("voxelmorph", VECTORS[..., 0], 0, "the shape"),
        ("fsl-rel", VECTORS + np.nan, 2006, "NaN"),
        ("voxelmorph", VECTORS + 1e30, 0, r"found 1\.?\d*e\+30 mm"),
        ("voxelmorph", np.moveaxis(np.indices(TARGET.shape), 0, -1), 0, "positions in voxels"),
    ],
)
def test_what_is_no_such_warp(tmp_path, kind, array, code, words):
    path = write_array(tmp_path / "warp.nii", array, code)
    with pytest.raises(QuicksilverError, match=words):
        read_warp(path, kind, TARGET)


def test_a_warp_is_among_the_files_that_are_read(tmp_path):
    names = [f"fsl-rel:{tmp_path}/a.nii", f"[voxelmorph:{tmp_path}/b.nii,1]", f"{tmp_path}/c.nii"]
    files = list_files(names)
    assert {tmp_path / name for name in ("a.nii", "b.nii", "c.nii")} <= set(files)
    write_map(tmp_path / "b.nii", FIELD, MapFormat.VOXELMORPH)
    with pytest.raises(QuicksilverError, match="transform with an inverse"):
        read_transform(names[1])


def test_the_images_of_a_warp_within_a_list_are_not_known(tmp_path):
    write_map(tmp_path / "fsl.nii", FIELD, MapFormat.FSL, MOVING)
    write_map(tmp_path / "vxm.nii", FIELD, MapFormat.VOXELMORPH)
    np.savetxt(tmp_path / "fsl.mat", np.eye(4))
    fsl, vxm = f"fsl-rel:{tmp_path}/fsl.nii", f"voxelmorph:{tmp_path}/vxm.nii"
    assert len(read_chain([vxm, fsl], MOVING).transforms) == 2
    with pytest.raises(QuicksilverError, match="no moving image"):
        read_chain([fsl, vxm], MOVING)
    for names in ([f"{tmp_path}/fsl.mat", vxm], [vxm, f"{tmp_path}/fsl.mat"]):
        with pytest.raises(QuicksilverError, match="not in a list"):
            read_chain(names, TARGET, TARGET)
    assert len(read_chain([f"{tmp_path}/fsl.mat"], MOVING, TARGET).transforms) == 1
