from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.io.affines import write_affine
from quicksilver.io.fields import write_field
from quicksilver.io.transforms import read_chain, read_transform
from quicksilver.transforms.chain import Chain, Transform
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti

GRIDS = {
    "oblique": (
        Grid((40, 42, 44), make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20))),
        Grid((36, 38, 34), make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20))),
    ),
    "flipped": (
        Grid((40, 44, 36), make_affine((0, 0, 0), (1, 1, 1), (-1, -1, -1), (20, 22, 18))),
        Grid((40, 44, 36), make_affine((0, 0, 0), (1, 1, 1), (1, -1, 1), (-20, 22, -18))),
    ),
    "anisotropic": (
        Grid((50, 40, 14), make_affine((3, 4, 5), (0.8, 1, 3), (1, 1, 1), (-20, -20, -20))),
        Grid((22, 48, 38), make_affine((-9, 2, 0), (2, 0.9, 1.1), (-1, 1, 1), (22, -22, -20))),
    ),
}


AFFINE = make_affine((6, -4, 3), (1.05, 0.95, 1.02), origin=(1.5, -2, 1))


def around(grid: Grid, margin: int = 10) -> Grid:
    """A grid with so many more voxels on each side.

    Outside of a field's grid ITK moves nothing, and we continue by the border value.
    """
    affine = grid.affine.copy()
    affine[:3, 3] -= grid.affine[:3, :3] @ np.full(3, margin)
    x, y, z = (size + 2 * margin for size in grid.shape)
    return Grid((x, y, z), affine)


def maps(target: Grid, moving: Grid) -> tuple[WorldField, WorldField]:
    """A smooth field of a few millimetres on the target's grid, and its inverse on the other."""
    side = 64
    world = Grid((side,) * 3, make_affine((0, 0, 0), (1, 1, 1), origin=(-side / 2,) * 3))
    noise = np.random.default_rng(0).standard_normal((3, *world.shape))
    vectors = np.stack([gaussian_filter(component, 6) for component in noise])
    vectors *= 4 / np.abs(vectors).max()
    there = torch.from_numpy(vectors.astype(np.float32))[None]
    back, _ = qs.invert(there)
    return WorldField(there, world).onto(target), WorldField(back, world).onto(moving)


@pytest.fixture(scope="module", params=GRIDS)
def files(request, tmp_path_factory) -> dict[str, object]:
    """Two images on unlike grids, a field both ways and an affine, as files."""
    tmp_path = tmp_path_factory.mktemp(request.param)
    moving, target = GRIDS[request.param]
    image, other = (make_brain(n, g.shape, g.affine) for n, g in enumerate((moving, target)))
    write_nifti(tmp_path / "moving.nii.gz", image)
    write_nifti(tmp_path / "target.nii.gz", other)
    there, back = maps(around(target), around(moving))
    write_field(tmp_path / "there.nii.gz", there)
    write_field(tmp_path / "back.nii.gz", back)
    write_affine(tmp_path / "affine.mat", AFFINE)
    return {"folder": tmp_path, "moving": image, "target": other}


LISTS = {
    "field": (["there.nii.gz"], False),
    "field and affine": (["there.nii.gz", "affine.mat"], False),
    "affine and field": (["affine.mat", "there.nii.gz"], False),
    "inverse field": (["back.nii.gz"], True),
    "the inverse of both": (["[affine.mat,1]", "back.nii.gz"], True),
}


"""Transforms by name, and whether they bring the target to the moving image."""


def ours(files, name) -> tuple[np.ndarray, Image, Image]:
    names, back = LISTS[name]
    source, fixed = (
        (files["target"], files["moving"]) if back else (files["moving"], files["target"])
    )
    folder = files["folder"]
    chain = read_chain([place(word, folder) for word in names])
    return chain.onto(fixed.grid).warp(source).data, source, fixed


def place(word: str, folder) -> str:
    return f"[{folder}/{word[1:]}" if word.startswith("[") else f"{folder}/{word}"


def agree(found: np.ndarray, expected: np.ndarray, source: Image) -> None:
    assert (expected > 0).mean() > 0.2, "hardly anything was compared"
    assert np.abs(found - expected).max() < 1e-3 * np.ptp(source.data)


@pytest.mark.parametrize("name", LISTS)
def test_ants_resamples_as_we_do(files, name):
    ants = pytest.importorskip("ants")
    found, source, _ = ours(files, name)
    names, back = LISTS[name]
    folder = files["folder"]
    paths = [str(folder / f"{word}.nii.gz") for word in ("moving", "target")]
    fixed_file, moving_file = (ants.image_read(p) for p in (paths if back else paths[::-1]))
    theirs = ants.apply_transforms(
        fixed_file,
        moving_file,
        [str(folder / word.strip("[]").removesuffix(",1")) for word in names],
        whichtoinvert=[word.startswith("[") for word in names],
    )
    agree(found, theirs.numpy(), source)


@pytest.mark.parametrize("name", LISTS)
def test_itk_resamples_as_we_do(files, name):
    sitk = pytest.importorskip("SimpleITK")
    found, source, fixed = ours(files, name)
    names, back = LISTS[name]
    folder = files["folder"]
    parts = []
    for word in names:
        if word.endswith(".nii.gz"):
            image = sitk.ReadImage(str(folder / word), sitk.sitkVectorFloat64)
            parts.append(sitk.DisplacementFieldTransform(image))
        else:
            affine = sitk.ReadTransform(str(folder / word.strip("[]").removesuffix(",1")))
            parts.append(affine.GetInverse() if word.startswith("[") else affine)
    whole = sitk.CompositeTransform(parts[::-1])  # the last one meets points first
    paths = [str(folder / f"{word}.nii.gz") for word in ("moving", "target")]
    fixed_file, moving_file = (sitk.ReadImage(p) for p in (paths if back else paths[::-1]))
    theirs = sitk.Resample(moving_file, fixed_file, whole, sitk.sitkLinear, 0.0)
    agree(found, sitk.GetArrayFromImage(theirs).T, source)
    # And we read what ITK writes of it: a composite.
    sitk.WriteTransform(whole, str(folder / "whole.h5"))
    again = read_chain([str(folder / "whole.h5")]).onto(fixed.grid).warp(source)
    agree(again.data, found, source)


def test_ants_moves_points_as_we_do(files):
    ants, pandas = (pytest.importorskip(name) for name in ("ants", "pandas"))
    folder = files["folder"]
    names = [str(folder / name) for name in ("there.nii.gz", "affine.mat")]
    points = np.random.default_rng(1).uniform(-9, 9, (50, 3))
    table = pandas.DataFrame(points * [-1, -1, 1], columns=["x", "y", "z"])
    theirs = ants.apply_transforms_to_points(3, table, names)[["x", "y", "z"]].to_numpy()
    assert np.allclose(read_chain(names).map_points(points), theirs * [-1, -1, 1], atol=1e-3)


def test_points_and_fields_are_one_map(files):
    folder = files["folder"]
    chain = read_chain([str(folder / name) for name in ("there.nii.gz", "affine.mat")])
    grid = files["target"].grid
    index = np.indices(grid.shape).reshape(3, -1).T
    world = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    moved = chain.onto(grid).vectors[0].reshape(3, -1).T.numpy() + world
    assert np.abs(chain.map_points(world) - moved).max() < 1e-3
    one = chain.map_points(world[1234:1235])
    assert np.allclose(one, moved[1234], atol=1e-3)
    assert one.shape == (1, 3)


def test_points_come_back(files):
    folder = files["folder"]
    there, back = (read_transform(folder / f"{n}.nii.gz")[0].forward for n in ("there", "back"))
    chain = Chain([Transform(there, back, ""), Transform(AFFINE, np.linalg.inv(AFFINE), "")])
    points = np.random.default_rng(1).uniform(-9, 9, (200, 3))
    gone = chain.map_points(points)
    assert np.linalg.norm(gone - points, axis=1).min() > 0.1
    loose, tight = (
        np.linalg.norm(found - points, axis=1)
        for found in (chain.invert().map_points(gone), chain.map_points_back(gone))
    )
    assert np.median(loose) < 0.05
    assert np.median(tight) < 1e-4
    assert (tight < loose + 1e-5).all()


def test_a_field_alone_has_no_inverse(files):
    with pytest.raises(QuicksilverError, match=r"there\.nii\.gz alone; give"):
        read_transform(f"[{files['folder']}/there.nii.gz,1]")
