"""Displacement fields in files."""

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.fields import read_field, write_field
from tests.quicksilver.phantoms import make_affine, make_brain, smooth_field, write_nifti

MOVING = make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20))


TARGET = make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20))


def test_itk_resamples_as_we_do(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    moving = make_brain(0, (40, 42, 44), MOVING)
    field = smooth_field(Grid((36, 38, 34), TARGET))
    ours = field.warp(moving)
    write_nifti(tmp_path / "moving.nii.gz", moving)
    write_nifti(tmp_path / "target.nii.gz", ours)
    write_field(tmp_path / "field.nii.gz", field)
    read = {p.name: str(p) for p in tmp_path.iterdir()}
    transform = sitk.DisplacementFieldTransform(
        sitk.ReadImage(read["field.nii.gz"], sitk.sitkVectorFloat64)
    )
    images = (sitk.ReadImage(read[name]) for name in ("moving.nii.gz", "target.nii.gz"))
    theirs = sitk.GetArrayFromImage(sitk.Resample(*images, transform, sitk.sitkLinear, 0.0)).T
    assert np.abs(theirs - ours.data).max() < 1e-3 * np.ptp(moving.data)
    assert (ours.data > 0).mean() > 0.3, "hardly anything was compared"


def test_the_file_is_what_itk_calls_a_displacement_field(tmp_path):
    field = smooth_field(Grid((6, 7, 8), TARGET))
    write_field(tmp_path / "field.nii.gz", field)
    file = nib.load(tmp_path / "field.nii.gz")
    assert file.shape == (6, 7, 8, 1, 3)
    assert file.header["intent_code"] == 1007
    assert np.allclose(file.affine, TARGET, atol=1e-5)
    expected = field.vectors[0, :, 2, 3, 4].numpy() * [-1, -1, 1]
    assert np.allclose(np.asarray(file.dataobj)[2, 3, 4, 0], expected)
    back = read_field(tmp_path / "field.nii.gz")
    assert torch.equal(back.vectors, field.vectors)
    assert back.grid.matches(field.grid)


def test_a_plain_image_is_no_field(tmp_path):
    write_nifti(tmp_path / "image.nii.gz", make_brain(0))
    with pytest.raises(QuicksilverError, match="displacement field"):
        read_field(tmp_path / "image.nii.gz")


def write_vectors(path, vectors, affine, code=1007, name="", p1=0.0):
    file = nib.Nifti1Image(vectors[:, :, :, None].astype(np.float32), affine)
    file.header.set_intent(code, (), name)
    file.header["intent_p1"] = p1
    nib.save(file, path)
    return path


def in_world(field) -> tuple[np.ndarray, np.ndarray]:
    """Displacements (X, Y, Z, 3) in RAS mm, and the positions to which they lead."""
    vectors = field.vectors[0].permute(1, 2, 3, 0).numpy().astype(float)
    index = np.stack(np.indices(field.grid.shape), axis=-1)
    affine = field.grid.affine
    return vectors, index @ affine[:3, :3].T + affine[:3, 3] + vectors


@pytest.mark.parametrize("kind", ["SPM", "NiftyReg def", "NiftyReg disp"])
def test_deformations_of_other_programs_are_read_as_what_they_are(tmp_path, kind):
    field = smooth_field(Grid((16, 18, 14), TARGET))
    displacement, positions = in_world(field)
    vectors, name, p1 = {
        "SPM": (positions, "Mapping", 0),
        "NiftyReg def": (positions, "NREG_TRANS", 0),
        "NiftyReg disp": (displacement, "NREG_TRANS", 1),
    }[kind]
    path = write_vectors(tmp_path / "y.nii", vectors, TARGET, name=name, p1=p1)
    assert torch.allclose(read_field(path).vectors, field.vectors, atol=1e-4)


@pytest.mark.parametrize(
    ("code", "name", "p1", "words"),
    [
        (1007, "NREG_TRANS", 2, "spline of NiftyReg"),
        (1007, "NREG_TRANS", 3, "velocity field of NiftyReg.*reg_transform"),
        (1007, "NREG_TRANS", 77, "unknown transform of NiftyReg"),
        (1007, "NREG_CPP_FILE", 0, "older transform of NiftyReg"),
        (1007, "Velocity", 0, "velocities"),
        (2006, "", 0, "FSL"),
        (2007, "", 0, "coefficients of FSL"),
    ],
)
def test_vectors_that_are_no_displacements_are_refused_by_name(tmp_path, code, name, p1, words):
    field = smooth_field(Grid((6, 7, 8), TARGET))
    path = write_vectors(tmp_path / "f.nii", in_world(field)[0], TARGET, code, name, p1)
    with pytest.raises(QuicksilverError, match=f"expected a displacement field .* found .*{words}"):
        read_field(path)


@pytest.mark.parametrize("unit", ["RAS mm", "LPS mm", "voxels"])
def test_positions_without_a_name_are_refused(tmp_path, unit):
    field = smooth_field(Grid((16, 18, 14), TARGET))
    _, positions = in_world(field)
    back = np.linalg.inv(TARGET)
    vectors = {
        "RAS mm": positions,
        "LPS mm": positions * [-1, -1, 1],
        "voxels": positions @ back[:3, :3].T + back[:3, 3],
    }[unit]
    path = write_vectors(tmp_path / "f.nii", vectors, TARGET)
    with pytest.raises(QuicksilverError, match=f"what seems to be positions in {unit}"):
        read_field(path)


def test_large_affines_are_no_positions(tmp_path):
    matrix = make_affine((25, -20, 30), (1.4, 0.7, 1.3), origin=(80, -60, 40))
    grid = Grid((16, 18, 14), TARGET)
    still = smooth_field(grid, 1e-6)
    _, positions = in_world(still)
    vectors = positions @ (matrix[:3, :3] - np.eye(3)).T + matrix[:3, 3]
    path = write_vectors(tmp_path / "f.nii", vectors * [-1, -1, 1], TARGET)
    found = read_field(path).vectors[0].permute(1, 2, 3, 0).numpy()
    assert np.allclose(found, vectors, atol=1e-3)


def test_a_field_of_no_millimetres_is_refused(tmp_path):
    vectors = np.zeros((4, 5, 6, 3))
    vectors[1, 2, 3, 0] = 1e30
    with pytest.raises(QuicksilverError, match=r"found 1e\+30 mm"):
        read_field(write_vectors(tmp_path / "f.nii", vectors, np.eye(4)))
