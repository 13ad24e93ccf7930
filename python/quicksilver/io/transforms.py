"""Read transforms of any origin: our folders, fields, warps, affines and ITK composites."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import affines, simpleitk, splines
from quicksilver.io.fields import read_field
from quicksilver.io.files import is_folder, require_file
from quicksilver.io.headers import FARTHEST
from quicksilver.io.itk import find_grid
from quicksilver.io.parameters import check_count
from quicksilver.io.results import READ, load_registration
from quicksilver.io.warps import KINDS, read_warp
from quicksilver.transforms.chain import Chain, Transform
from quicksilver.transforms.field import LPS, WorldField

HDF5 = b"\x89HDF\r\n\x1a\n"

INVERSE = re.compile(r"\[(.*),\s*([01])\s*\]")
"""The name of a transform and whether its inverse is meant, as antsApplyTransforms has them."""

SAID = re.compile(rf"({'|'.join(KINDS)}):(.+)", re.DOTALL)
"""What a warp is said to be, and its name."""


def read_chain(
    names: Sequence[str],
    moving: Grid | None = None,
    target: Grid | None = None,
    planar: bool | None = False,
) -> Chain:
    """Read a list of transforms as one chain; `read_transform` says what a name may be.

    The moving image is that of the last one alone, the target that of the first.

    Args:
        names: The transforms.
        moving: Grid of the moving image.
        target: Grid of the target.
        planar: Whether they map slices; None: as the first one does.

    Raises:
        QuicksilverError: As `read_transform`, and if one of them maps volumes where others map
            slices, or the other way round.
    """
    last = len(names) - 1
    found: list[Transform] = []
    for n, name in enumerate(names):
        ends = moving if n == last else None, target if n == 0 else None
        found += read_transform(name, *ends, planar)
        if planar is None and isinstance(found[0].forward, WorldField):
            planar = found[0].fits(planar=True)
    return Chain(found)


def list_files(names: Sequence[str]) -> list[Path]:
    """List the files that `read_chain` reads."""
    plain = [found[1] if (found := INVERSE.fullmatch(name)) else name for name in names]
    paths = [Path(found[2] if (found := SAID.fullmatch(name)) else name) for name in plain]
    return [file for path in paths for file in (path, *(path / name for name in READ))]


def read_transform(
    name: str | os.PathLike[str],
    moving: Grid | None = None,
    target: Grid | None = None,
    planar: bool | None = False,
) -> list[Transform]:
    """Read a transform, told by its content; one of ITK's composites may hold several.

    Args:
        name: A folder that `quicksilver register` wrote, a displacement field (.nii, .nii.gz) of
            ours or ITK's, an affine (`quicksilver.io.affines.read_affine`), or a composite (.h5,
            .tfm) or B-spline of ITK. As for antsApplyTransforms, "[NAME,1]" is its inverse. Warps
            of FSL and VoxelMorph do not say what they are: "fsl-rel:NAME", "fsl-abs:NAME" and
            "voxelmorph:NAME" do.
        moving: Grid of the moving image, which affines and warps of FSL need.
        target: Grid of the target, which affines of FSL need, and on which splines are sampled.
        planar: Whether it maps slices; None: either.

    Raises:
        QuicksilverError: It is none of these, has no inverse, or maps volumes and not slices, or
            the other way round.
    """
    inverse = INVERSE.fullmatch(str(name))
    if inverse is not None:
        parts = Chain(read_transform(inverse[1], moving, target, planar))
        return list((parts.invert() if inverse[2] == "1" else parts).transforms)
    found = _read(str(name), moving, target, planar)
    if planar is not None and not all(part.fits(planar) for part in found):
        kinds = ("slices", "volumes") if planar else ("volumes", "slices")
        raise QuicksilverError(
            f"expected a transform of {kinds[0]} in {name}, found one of {kinds[1]}; give one of "
            "as many dimensions as what it is to move"
        )
    return found


def _read(
    name: str, moving: Grid | None, target: Grid | None, planar: bool | None
) -> list[Transform]:
    """Read a transform that is not in brackets."""
    if (said := SAID.fullmatch(name)) is not None:
        return [Transform(read_warp(said[2], said[1], moving), None, name)]
    path = Path(name)
    if is_folder(path):
        result = load_registration(path)
        return [Transform(result.displacement, result.inverse, str(path))]
    require_file(path, "a transform")
    if path.name.endswith((".nii", ".nii.gz")):
        return [Transform(read_field(path), None, str(path))]
    with path.open("rb") as file:
        composite = file.read(len(HDF5)) == HDF5
    if composite or splines.are_in(path):
        return _read_composite(path, target, planar, ".h5" if composite else ".tfm")
    return [_make_affine(affines.read_affine(path, moving, target, planar), str(path))]


def _make_affine(matrix: np.ndarray, name: str) -> Transform:
    return Transform(matrix, np.linalg.inv(matrix), name)


def _read_composite(
    path: Path, target: Grid | None, planar: bool | None, suffix: str
) -> list[Transform]:
    import SimpleITK as sitk

    try:
        if suffix == ".h5":
            _check_single(path)
        else:
            splines.check_text(path.read_bytes())
        with tempfile.TemporaryDirectory() as folder:
            # Names that are not UTF-8 bring SimpleITK down: it reads under a name of ours.
            plain = Path(folder) / f"transform{suffix}"
            plain.symlink_to(path.resolve())
            stored = sitk.ReadTransform(str(plain))
        parts = _list_parts(stored)
        grids = [target, *[None] * (len(parts) - 1)]
        pairs = zip(parts, grids, strict=True)
        return [_from_itk(part, str(path), grid, planar) for part, grid in pairs]
    except (QuicksilverError, MemoryError):
        raise
    except Exception as error:  # on damaged bytes the readers may raise anything
        raise QuicksilverError(
            f"expected a transform of ITK in {path}, affine, B-spline or displacements, found "
            f"'{simpleitk.last_line(error)}'; write one of these"
        ) from error


def _check_single(path: Path) -> None:
    """Raise ValueError for a file of several transforms that are no composite."""
    import h5py

    with h5py.File(path, "r") as file:
        group = file["TransformGroup"]
        kinds = [_read_kind(group[name]) for name in group]
    affines.check_single(len(kinds), any("CompositeTransform" in kind for kind in kinds))


def _read_kind(group: Any) -> str:
    """Read the type of one of ITK's transforms, which has its numbers."""
    kind = group["TransformType"][0]
    if not isinstance(kind, bytes):
        raise ValueError(f"a type that is {kind}")
    numbers = group.get("TransformParameters", group.get("TranformParameters"))  # both are ITK's
    held = numbers is not None and numbers.dtype.kind == "f"
    count, name = numbers.size if held else 0, kind.decode()
    check_count(name, count)
    if name.startswith(splines.NAME):
        fixed = group.get("TransformFixedParameters", group.get("TranformFixedParameters"))
        splines.check_spline(count, np.ravel(fixed).tolist(), 2 if "_2_2" in name else 3)
    return name


def _list_parts(transform: Any) -> list[Any]:
    """List the transforms of a composite in the order in which points meet them: the last one
    first.
    """
    if transform.GetName() != "CompositeTransform":
        return [transform]
    import SimpleITK as sitk

    whole = sitk.CompositeTransform(transform)
    parts = [whole.GetNthTransform(n) for n in reversed(range(whole.GetNumberOfTransforms()))]
    return [inner for part in parts for inner in _list_parts(part)]


def _from_itk(transform: Any, name: str, target: Grid | None, planar: bool | None) -> Transform:
    import SimpleITK as sitk

    if transform.GetName() == splines.NAME:
        sampled = _from_itk_image(splines.sample_spline(transform, target))
        return Transform(sampled, None, name, sampled=True)
    if transform.GetName() != "DisplacementFieldTransform":
        matrix = affines.check_affine(affines.read_linear(transform, planar))
        return _make_affine(matrix, name)
    field = sitk.DisplacementFieldTransform(transform)
    vectors = _from_itk_image(field.GetDisplacementField())
    inverse = field.GetInverseDisplacementField()
    backward = _from_itk_image(inverse) if inverse.GetSize()[0] > 0 else None
    return Transform(vectors, backward, name)


def _from_itk_image(image: Any) -> WorldField:
    import SimpleITK as sitk

    vectors = sitk.GetArrayFromImage(image).T
    if image.GetDimension() == 2:
        vectors = np.pad(vectors[..., None], ((0, 1), (0, 0), (0, 0), (0, 0)))
    vectors = vectors * LPS[:, None, None, None]
    if not np.abs(vectors).max() < FARTHEST:  # so that NaN is not, either
        raise ValueError(f"a displacement field with NaN or beyond {FARTHEST:g} mm")
    moved = np.ascontiguousarray(vectors, dtype=np.float32)
    return WorldField(torch.from_numpy(moved)[None], find_grid(image))
