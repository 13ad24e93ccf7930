from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.affines import read_affine, write_affine
from tests.quicksilver.phantoms import make_affine

# Oblique, anisotropic; one right-handed, one left-handed, as FSL tells apart.
RIGHT = Grid((20, 24, 30), make_affine((10, -20, 30), (1, 1.2, 0.9), (1, 1, 1), (20, -20, -20)))
LEFT = Grid((26, 18, 22), make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (-1, 1, 1), (5, -25, 20)))
MATRIX = make_affine((12, 7, -9), (1.1, 0.9, 1.05), origin=(4, -7, 11))
"""From the target to the moving image."""


def lta(kind: int, matrix: np.ndarray, moving: Grid, target: Grid) -> str:
    def rows(array: np.ndarray) -> str:
        return "\n".join(" ".join(f"{number:.15e}" for number in row) for row in array)

    def volume(grid: Grid) -> str:
        axes = grid.affine[:3, :3] / grid.spacing
        centre = grid.affine @ [*(np.array(grid.shape) / 2), 1]
        named = zip(
            ("xras   =", "yras   =", "zras   =", "cras   ="), [*axes.T, centre[:3]], strict=True
        )
        return (
            "valid = 1  # volume info valid\nfilename = image.mgz\n"
            f"volume = {' '.join(map(str, grid.shape))}\nvoxelsize = {rows(grid.spacing[None])}\n"
            + "".join(f"{name} {rows(values[None])}\n" for name, values in named)
        )  # fmt: skip

    return (
        f"# transform file\ntype      = {kind}\nnxforms   = 1\nmean      = 0.0 0.0 0.0\n"
        f"sigma     = 10000.0\n1 4 4\n{rows(matrix)}\nsrc volume info\n{volume(moving)}"
        f"dst volume info\n{volume(target)}subject none\nfscale 0.15\n"
    )


def fsl(matrix: np.ndarray, moving: Grid, target: Grid) -> np.ndarray:
    """FLIRT's matrix, by the definition: scaled voxels, mirrored where right-handed."""

    def scaled(grid: Grid) -> np.ndarray:
        mirror = np.eye(4)
        if np.linalg.det(grid.affine) > 0:
            mirror[0, 0], mirror[0, 3] = -1, (grid.shape[0] - 1) * grid.spacing[0]
        return mirror @ np.diag([*grid.spacing, 1.0])

    world = scaled(target) @ np.linalg.inv(target.affine)
    return world @ np.linalg.inv(matrix) @ moving.affine @ np.linalg.inv(scaled(moving))


def written(folder: Path, name: str, moving: Grid, target: Grid) -> Path:
    """MATRIX as another program would write it."""
    path = folder / name
    if name in ("itk.mat", "itk.txt", "itk.tfm"):
        write_affine(path, MATRIX)
    elif name == "fsl.mat":
        np.savetxt(path, fsl(MATRIX, moving, target), fmt="%.12f")
    elif name == "ras.lta":
        path.write_text(lta(1, np.linalg.inv(MATRIX), moving, target))
    else:
        voxels = np.linalg.inv(target.affine) @ np.linalg.inv(MATRIX) @ moving.affine
        path.write_text(lta(0, voxels, moving, target))
    return path


FORMATS = ("itk.mat", "itk.txt", "itk.tfm", "fsl.mat", "ras.lta", "voxels.lta")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("moving", "target"), [(RIGHT, LEFT), (LEFT, RIGHT), (RIGHT, RIGHT)])
def test_formats_mean_the_same(name, moving, target, tmp_path):
    path = written(tmp_path, name, moving, target)
    assert np.allclose(read_affine(path, moving, target), MATRIX, atol=1e-6)


@pytest.mark.parametrize("name", FORMATS)
def test_the_name_does_not_matter(name, tmp_path):
    path = written(tmp_path, name, RIGHT, LEFT).rename(tmp_path / "affine")
    assert np.allclose(read_affine(path, RIGHT, LEFT), MATRIX, atol=1e-6)


def test_fsl_identity_by_hand(tmp_path):
    # FLIRT's identity takes voxel (0, 0, 0) of a left-handed image to that of another.
    moving, target = (
        Grid((4, 5, 6), np.diag([-2.0, 2, 2, 1])),
        Grid((9, 9, 9), np.diag([-1.0, 1, 1, 1])),
    )
    np.savetxt(tmp_path / "identity.mat", np.eye(4))
    assert np.allclose(read_affine(tmp_path / "identity.mat", moving, target), np.eye(4))
    # Of a right-handed one it is the last voxel along the first axis.
    moving = Grid((4, 5, 6), np.diag([2.0, 2, 2, 1]))
    found = read_affine(tmp_path / "identity.mat", moving, target)
    assert np.allclose(found @ [0, 0, 0, 1], [6, 0, 0, 1])


@pytest.mark.parametrize("name", ["fsl.mat", "ras.lta", "voxels.lta", "itk.txt"])
@pytest.mark.parametrize(("moving", "target"), [(RIGHT, LEFT), (LEFT, RIGHT)])
def test_nitransforms_reads_the_same(name, moving, target, tmp_path):
    linear = pytest.importorskip("nitransforms.linear")
    path = written(tmp_path, name, moving, target)
    images = {}
    for role, grid in (("moving", moving), ("reference", target)):
        images[role] = tmp_path / f"{role}.nii"
        nib.save(nib.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine), images[role])
    form = {"fsl.mat": "fsl", "itk.txt": "itk"}.get(name, "fs")
    theirs = linear.load(path, fmt=form, **images).matrix
    assert np.allclose(theirs, read_affine(path, moving, target), atol=1e-4)


def test_itk_takes_the_same_point(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    euler = sitk.Euler3DTransform((10.0, -5.0, 3.0), 0.1, -0.2, 0.3, (1.0, 2.0, 3.0))
    sitk.WriteTransform(euler, str(tmp_path / "euler.tfm"))
    flip = np.array([-1, -1, 1])
    point = np.array([12.0, -34.0, 5.0])
    moved = read_affine(tmp_path / "euler.tfm") @ [*point, 1]
    assert np.allclose(moved[:3], flip * euler.TransformPoint((flip * point).tolist()))
    both = sitk.CompositeTransform([euler, sitk.TranslationTransform(3, (1.0, 2.0, 3.0))])
    sitk.WriteTransform(both, str(tmp_path / "both.tfm"))
    moved = read_affine(tmp_path / "both.tfm") @ [*point, 1]
    assert np.allclose(moved[:3], flip * both.TransformPoint((flip * point).tolist()))


def test_ants_takes_the_same_point(tmp_path):
    ants = pytest.importorskip("ants")
    flip = np.array([-1, -1, 1])
    point = np.array([12.0, -34.0, 5.0])
    write_affine(tmp_path / "ours.mat", MATRIX)
    theirs = ants.read_transform(str(tmp_path / "ours.mat"))
    moved = flip * ants.apply_ants_transform_to_point(theirs, (flip * point).tolist())
    assert np.allclose(moved, (MATRIX @ [*point, 1])[:3], atol=1e-5)
    theirs.set_fixed_parameters([5.0, 6.0, 7.0])  # another centre: another map
    ants.write_transform(theirs, str(tmp_path / "theirs.mat"))
    moved = flip * ants.apply_ants_transform_to_point(theirs, (flip * point).tolist())
    assert np.allclose(moved, (read_affine(tmp_path / "theirs.mat") @ [*point, 1])[:3], atol=1e-4)


@pytest.mark.parametrize("suffix", [".mat", ".txt", ".tfm"])
def test_written_and_read(suffix, tmp_path):
    write_affine(tmp_path / f"affine{suffix}", MATRIX)
    assert np.allclose(read_affine(tmp_path / f"affine{suffix}"), MATRIX, atol=1e-12)
    assert len(list(tmp_path.iterdir())) == 1


BAD = {
    "empty": b"",
    "words": b"not a matrix at all",
    "three rows": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n",
    "projective": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n",
    "singular": b"1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n",
    "NaN": b"nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n",
    "huge": b"1e300 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n",
    "no text": bytes(range(256)),
    "binary cut short": (
        b"\0\0\0\0\x0c\0\0\0\x01\0\0\0\0\0\0\0\x1b\0\0\0AffineTransform_double_3_3\0"
    ),
    "binary of 2 billion numbers": b"\0\0\0\0\x0c\0\0\x7e\x01\0\0\0\0\0\0\0\x1b\0\0\0"
    b"AffineTransform_double_3_3\0\0\0\0\0",
    "itk cut short": (
        b"#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
    ),
    "2-D": b"#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_2_2\n"
    b"Parameters: 1 0 0 1 0 0\nFixedParameters: 0 0\n",
    "two matrices": b"type = 1\nnxforms = 2\n1 4 4\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n",
    "unknown type": lta(14, MATRIX, RIGHT, LEFT).encode(),
    "no geometry": lta(0, MATRIX, RIGHT, LEFT).replace("valid = 1", "valid = 0").encode(),
    "no matrix": lta(0, MATRIX, RIGHT, LEFT).replace("1 4 4", "1 3 3").encode(),
    "too large": b"0" * (1 << 20) + b"0",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(name, tmp_path):
    (tmp_path / "bad").write_bytes(BAD[name])
    with pytest.raises(QuicksilverError, match=r"expected an affine .*, found '.*'; export it"):
        read_affine(tmp_path / "bad", RIGHT, LEFT)


def test_what_is_missing_is_said(tmp_path):
    np.savetxt(tmp_path / "fsl.mat", np.eye(4))
    with pytest.raises(QuicksilverError, match="without both images"):
        read_affine(tmp_path / "fsl.mat")
    with pytest.raises(QuicksilverError, match="no such file"):
        read_affine(tmp_path / "absent.mat")
    with pytest.raises(QuicksilverError, match="folder"):
        read_affine(tmp_path)
    with pytest.raises(QuicksilverError, match="rename it"):
        write_affine(tmp_path / "affine.json", MATRIX)
    with pytest.raises(QuicksilverError, match="able to write"):
        write_affine(tmp_path / "absent" / "affine.mat", MATRIX)
