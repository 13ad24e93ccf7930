"""Maps for other programs, read by those programs' own readers or by their definition."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch.nn.functional import grid_sample

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.exports import MapFormat, as_format, write_map
from quicksilver.io.fields import read_field, write_field
from quicksilver.io.transforms import read_chain
from tests.quicksilver.phantoms import make_affine, make_brain, smooth_field

MOVING = Grid((20, 22, 24), make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20)))
TARGET = Grid((16, 18, 14), make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20)))
PLUMB = Grid((6, 7, 8), np.array([[0.0, -2, 0, 9], [1, 0, 0, -3], [0, 0, 3, 4], [0, 0, 0, 1]]))
LPS = np.array([-1, -1, 1])


def find_moved(field):
    """Return the points of a grid (N, 3) and those they go to, RAS millimetres."""
    start = field.grid.positions().reshape(-1, 3)
    return start, start + field.vectors[0].reshape(3, -1).T.double().numpy()


@pytest.mark.parametrize("turned", [MOVING.affine, MOVING.affine * [-1, 1, 1, 1]])
def test_fslpy_maps_points_as_we_do(tmp_path, turned):
    fnirt = pytest.importorskip("fsl.transform.fnirt")
    image = pytest.importorskip("fsl.data.image")
    moving = Grid(MOVING.shape, turned)
    field = smooth_field(TARGET)
    write_map(tmp_path / "warp.nii.gz", field, MapFormat.FSL, moving)
    source, ref = (image.Image(np.zeros(g.shape), xform=g.affine) for g in (moving, TARGET))
    warp = fnirt.readFnirt(str(tmp_path / "warp.nii.gz"), source, ref, defType="relative")
    start, moved = find_moved(field)
    assert np.abs(moved - start).max() > 1
    assert np.allclose(warp.transform(start, "world", "world"), moved, atol=1e-3)


def test_nitransforms_reads_the_warp_of_afni(tmp_path):
    nonlinear = pytest.importorskip("nitransforms.nonlinear")
    field = smooth_field(PLUMB)
    write_map(tmp_path / "warp.nii.gz", field, MapFormat.AFNI, PLUMB)
    start, moved = find_moved(field)
    warp = nonlinear.DenseFieldTransform.from_filename(tmp_path / "warp.nii.gz", fmt="afni")
    assert np.allclose(warp.map(start), moved, atol=1e-3)


@pytest.mark.parametrize("grids", [(TARGET, PLUMB), (PLUMB, MOVING)])
def test_afni_cannot_place_oblique_grids(tmp_path, grids):
    with pytest.raises(QuicksilverError, match="oblique"):
        write_map(tmp_path / "warp.nii.gz", smooth_field(grids[0]), MapFormat.AFNI, grids[1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("grid", "oblique"), [(PLUMB, False), (TARGET, True)])
def test_a_warp_of_afni_is_known_by_its_extension(tmp_path, grid, oblique):
    write_field(tmp_path / "plain.nii", smooth_field(grid))
    file = nib.load(tmp_path / "plain.nii")
    file.header.extensions.append(nib.nifti1.Nifti1Extension("afni", b"<AFNI_attributes/>"))
    nib.save(file, tmp_path / "warp.nii")
    if oblique:
        with pytest.raises(QuicksilverError, match="AFNI on an oblique grid"):
            read_field(tmp_path / "warp.nii")
    else:
        assert torch.equal(read_field(tmp_path / "warp.nii").vectors, smooth_field(grid).vectors)


def test_itk_maps_points_by_the_composite(tmp_path):
    field = smooth_field(TARGET)
    write_map(tmp_path / "map.h5", field, MapFormat.ITK_H5)
    theirs = sitk.ReadTransform(str(tmp_path / "map.h5"))
    for start, moved in zip(*find_moved(field), strict=True):
        inside = np.linalg.inv(TARGET.affine) @ [*start, 1]
        if (inside[:3] > 0.5).all() and (inside[:3] < np.array(TARGET.shape) - 1.5).all():
            found = np.array(theirs.TransformPoint((start * LPS).tolist())) * LPS
            assert np.allclose(found, moved, atol=1e-3)
    back = read_chain([str(tmp_path / "map.h5")]).onto(TARGET)
    assert torch.allclose(back.vectors, field.vectors, atol=1e-4)


def test_spm_holds_the_positions_of_voxels(tmp_path):
    field = smooth_field(TARGET)
    write_map(tmp_path / "y_map.nii.gz", field, MapFormat.SPM)
    file = nib.load(tmp_path / "y_map.nii.gz")
    assert file.shape == (*TARGET.shape, 1, 3)
    assert file.header.get_intent() == ("vector", (), "Mapping")
    assert np.allclose(file.get_fdata().reshape(-1, 3), find_moved(field)[1], atol=1e-4)
    assert torch.allclose(read_field(tmp_path / "y_map.nii.gz").vectors, field.vectors, atol=1e-4)


def test_voxelmorph_samples_by_voxels(tmp_path):
    field, image = smooth_field(TARGET), make_brain(0, TARGET.shape, TARGET.affine)
    write_map(tmp_path / "warp.nii.gz", field, MapFormat.VOXELMORPH)
    flow = np.moveaxis(nib.load(tmp_path / "warp.nii.gz").get_fdata(dtype=np.float32), -1, 0)
    ends = np.array(TARGET.shape).reshape(3, 1, 1, 1) - 1
    there = 2 * (np.indices(TARGET.shape) + flow) / ends - 1
    places = torch.from_numpy(there[::-1].copy()).permute(1, 2, 3, 0)[None].float()
    volume = torch.from_numpy(image.data)[None, None]
    theirs = grid_sample(volume, places, align_corners=True)[0, 0].numpy()
    assert np.allclose(theirs, field.warp(image).data, atol=1e-3 * image.data.max())


def test_what_cannot_be_written(tmp_path):
    field = smooth_field(PLUMB)
    with pytest.raises(QuicksilverError, match="moving image"):
        write_map(tmp_path / "a.nii.gz", field, MapFormat.FSL)
    with pytest.raises(QuicksilverError, match=r"end in \.h5"):
        write_map(tmp_path / "a.nii.gz", field, MapFormat.ITK_H5)
    with pytest.raises(QuicksilverError, match="expected a format"):
        as_format("elastix")
    assert not list(tmp_path.iterdir())
