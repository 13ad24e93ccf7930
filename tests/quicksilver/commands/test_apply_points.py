"""`quicksilver apply` moves points, surfaces and streamlines as it moves images."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.io.points import read_points
from tests.quicksilver.phantoms import make_affine, write_nifti

LPS = np.array([-1, -1, 1])


def blob(image: Image, centre: tuple[int, int, int]) -> tuple[Image, np.ndarray]:
    """A spot on the grid of an image, and where it is in the world."""
    data = np.zeros(image.data.shape, np.float32)
    data[centre] = 1000
    world = image.affine[:3, :3] @ centre + image.affine[:3, 3]
    return Image(gaussian_filter(data, 2), image.affine), world


def centre_of(path: Path) -> np.ndarray:
    image = read_image(path)
    weights = image.data / image.data.sum(dtype=np.float64)
    voxel = [(np.indices(weights.shape)[axis] * weights).sum() for axis in range(3)]
    return image.affine[:3, :3] @ voxel + image.affine[:3, 3]


def write_table(path: Path, points: np.ndarray) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y", "z", "name"])
        writer.writerows([*point, f"p{n}"] for n, point in enumerate(points))
    return path


def read_table(path: Path) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([[float(row[axis]) for axis in "xyz"] for row in csv.DictReader(file)])


@pytest.mark.parametrize("option", [(), ("--inverse",)])
def test_points_go_where_the_image_goes(out, brains, option, tmp_path, command):
    source = brains[1 if option else 0]
    spot, world = blob(source, (20, 21, 17))
    image = write_nifti(tmp_path / "spot.nii.gz", spot)
    table = write_table(tmp_path / "spot.csv", world[None])
    for name in (image, table):
        assert command("apply", out, name, "-o", tmp_path / f"moved-{name.name}", *option)[0] == 0
    moved = read_table(tmp_path / "moved-spot.csv")[0]
    assert np.linalg.norm(moved - centre_of(tmp_path / "moved-spot.nii.gz")) < 0.1
    assert np.linalg.norm(moved - world) > 0.3, "nothing was moved"


def test_points_come_back(out, brains, tmp_path, command):
    rng = np.random.default_rng(0)
    grid = brains[0].grid
    index = rng.uniform(0.2, 0.8, (500, 3)) * grid.shape
    points = write_table(tmp_path / "a.csv", index @ grid.affine[:3, :3].T + grid.affine[:3, 3])
    assert command("apply", out, points, "-o", tmp_path / "b.csv")[0] == 0
    assert command("apply", out, tmp_path / "b.csv", "-o", tmp_path / "c.csv", "--inverse")[0] == 0
    start, there, back = (read_table(tmp_path / f"{name}.csv") for name in "abc")
    assert np.median(np.linalg.norm(there - start, axis=1)) > 0.1
    assert np.median(np.linalg.norm(back - start, axis=1)) < 0.05


def test_other_shapes_move_as_points_do(out, brains, tmp_path, command):
    grid = brains[0].grid
    index = np.random.default_rng(0).uniform(0.2, 0.8, (20, 3)) * grid.shape
    points = (index @ grid.affine[:3, :3].T + grid.affine[:3, 3]).astype(np.float32)
    write_table(tmp_path / "p.csv", points)
    array = nib.gifti.GiftiDataArray(points, "NIFTI_INTENT_POINTSET")
    nib.save(nib.GiftiImage(darrays=[array]), tmp_path / "p.gii")
    lines = nib.streamlines.Tractogram([points[:8], points[8:]], affine_to_rasmm=np.eye(4))
    for suffix in (".tck", ".trk"):
        nib.streamlines.save(lines, str(tmp_path / f"p{suffix}"))
    lines = "\n".join(f"{n},{','.join(map(str, point * LPS))}" for n, point in enumerate(points))
    (tmp_path / "p.fcsv").write_text(f"# CoordinateSystem = LPS\n{lines}\n")
    begin = "# vtk DataFile Version 3.0\nSPACE=LPS\nBINARY\nDATASET POLYDATA\nPOINTS 20 float\n"
    (tmp_path / "p.vtk").write_bytes(begin.encode() + (points * LPS).astype(">f4").tobytes())
    for suffix in (".csv", ".gii", ".tck", ".trk", ".fcsv", ".vtk"):
        moved = tmp_path / f"moved{suffix}"
        assert command("apply", out, tmp_path / f"p{suffix}", "-o", moved)[0] == 0
    expected = read_table(tmp_path / "moved.csv")
    assert np.abs(expected - points).max() > 0.2
    assert np.allclose(nib.load(tmp_path / "moved.gii").agg_data("pointset"), expected, atol=1e-3)
    for suffix in (".fcsv", ".vtk"):
        assert np.allclose(read_points(tmp_path / f"moved{suffix}").points, expected, atol=1e-3)
    for suffix in (".tck", ".trk"):
        moved = nib.streamlines.load(tmp_path / f"moved{suffix}")
        assert np.allclose(moved.streamlines.get_data(), expected, atol=1e-3)
    assert np.allclose(moved.header["voxel_to_rasmm"], brains[1].affine, atol=1e-4)


def test_ants_moves_points_the_same(out, brains, tmp_path, command):
    ants, pandas = (pytest.importorskip(name) for name in ("ants", "pandas"))
    grid = brains[0].grid
    index = np.random.default_rng(0).uniform(0.3, 0.7, (20, 3)) * grid.shape
    world = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    table = write_table(tmp_path / "lps.csv", world * [-1, -1, 1])
    assert command("apply", out, table, "-o", tmp_path / "moved.csv", "--lps")[0] == 0
    # Points move by the inverse of what moves images: that takes them back to where they were, and
    # the inverse as antsApplyTransformsToPoints is given it is as near as two grids can say.
    moved = pandas.read_csv(tmp_path / "moved.csv")
    for name, start, end, near in (
        ("displacement.nii.gz", moved, world * [-1, -1, 1], 1e-3),
        ("inverse_displacement.nii.gz", pandas.read_csv(table), moved[["x", "y", "z"]], 0.05),
    ):
        theirs = ants.apply_transforms_to_points(3, start, [str(out / name)])[["x", "y", "z"]]
        assert np.allclose(theirs, end, atol=near)


FLIRT = make_affine((12, 7, -9), (1.1, 0.9, 1.05), origin=(4, -7, 11))
"""From FSL's coordinates of the moving image to those of the target."""


def by_flirt(matrix: np.ndarray, folder: Path, files: tuple[Path, Path]) -> tuple[str | Path, ...]:
    """Write a matrix of FLIRT: what moves points by it from the moving image to the target."""
    np.savetxt(folder / "fsl.mat", matrix, fmt="%.12f")
    return "--transform", folder / "fsl.mat", "--points-image", files[0], "--reference", files[1]


def test_points_move_by_a_matrix_of_fsl_as_fslpy_moves_them(brain_files, tmp_path, command):
    flirt = pytest.importorskip("fsl.transform.flirt")
    images = [pytest.importorskip("fsl.data.image").Image(str(path)) for path in brain_files]
    world = np.random.default_rng(0).uniform(-20, 20, (9, 3))
    table, moved = write_table(tmp_path / "a.csv", world), tmp_path / "b.csv"
    options = by_flirt(FLIRT, tmp_path, brain_files)
    assert command("apply", table, "-o", moved, *options)[0] == 0
    matrix = flirt.fromFlirt(FLIRT, *images, "world", "world")
    assert np.allclose(read_table(moved), world @ matrix[:3, :3].T + matrix[:3, 3], atol=1e-3)


def test_points_come_back_by_a_matrix_of_fsl(brain_files, tmp_path, command):
    world = np.random.default_rng(0).uniform(-20, 20, (9, 3))
    table, moved = write_table(tmp_path / "a.csv", world), tmp_path / "b.csv"
    assert command("apply", table, "-o", moved, *by_flirt(FLIRT, tmp_path, brain_files))[0] == 0
    assert np.abs(read_table(moved) - world).max() > 1
    back = by_flirt(FLIRT, tmp_path, brain_files[::-1])
    assert command("apply", moved, "-o", tmp_path / "c.csv", "--inverse", *back)[0] == 0
    assert np.allclose(read_table(tmp_path / "c.csv"), world, atol=1e-3)


def test_points_move_by_a_warp_of_fsl(out, brain_files, tmp_path, command):
    world = np.random.default_rng(0).uniform(-10, 10, (9, 3))
    table = write_table(tmp_path / "a.csv", world)
    warp = ("apply", out, brain_files[0], "--out-format", "fsl", "-o", tmp_path / "warp.nii.gz")
    assert command(*warp)[0] == 0
    images = ("--points-image", brain_files[1], "--reference", brain_files[0], "--inverse")
    named = ("apply", "--transform", f"fsl-rel:{tmp_path}/warp.nii.gz", table, *images)
    for name, line in (("b", named), ("c", ("apply", out, table, "--inverse"))):
        assert command(*line, "-o", tmp_path / f"{name}.csv")[0] == 0
    b, c = (read_table(tmp_path / f"{name}.csv") for name in "bc")
    assert np.abs(b - world).max() > 0.3
    assert np.allclose(b, c, atol=1e-2)


def test_a_matrix_of_fsl_needs_both_images_of_points(brain_files, tmp_path, command):
    table = write_table(tmp_path / "a.csv", np.ones((1, 3)))
    words = by_flirt(FLIRT, tmp_path, brain_files)
    for given in (words[:2], words[:4], (*words[:2], *words[4:])):
        code, _, error = command("apply", table, "-o", tmp_path / "b.csv", *given)
        assert code == 2
        assert "--points-image" in error
    code, _, error = command("apply", brain_files[0], "-o", tmp_path / "b.nii", *words)
    assert code == 2
    assert "are for points" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "fsl.mat"]


@pytest.mark.slow
def test_points_of_a_real_brain_come_back(shared, tmp_path, command):
    images = [shared / "data" / "other" / f"{name}_t1.nii.gz" for name in ("ms_07", "fs_ecog")]
    assert command("register", *images, "-o", tmp_path / "out")[0] == 0
    brain = read_image(images[0])
    index = np.argwhere(brain.data > 0)[::997]
    write_table(tmp_path / "a.csv", index @ brain.affine[:3, :3].T + brain.affine[:3, 3])
    out = tmp_path / "out"
    assert command("apply", out, tmp_path / "a.csv", "-o", tmp_path / "b.csv")[0] == 0
    assert command("apply", out, tmp_path / "b.csv", "-o", tmp_path / "c.csv", "--inverse")[0] == 0
    start, there, back = (read_table(tmp_path / f"{name}.csv") for name in "abc")
    assert np.median(np.linalg.norm(there - start, axis=1)) > 1
    distances = np.linalg.norm(back - start, axis=1)
    assert np.median(distances) < 0.05, np.percentile(distances, (50, 95, 100))
