"""Functions that write a file that no command may trip over into a folder, and return its path."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

Maker = Callable[[Path], Path]
SHAPE = (8, 9, 10)


def good_nifti(kind: type = nib.Nifti1Image, data: np.ndarray | None = None) -> bytes:
    values = np.arange(720, dtype=np.float32).reshape(SHAPE) + 1 if data is None else data
    return kind(values, np.diag([2.0, 2, 2, 1])).to_bytes()


def holding(content: bytes, name: str = "bad.nii") -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def with_header(kind: type = nib.Nifti1Image, **entries: object) -> bytes:
    """A NIfTI file whose header says something else than it should."""
    content = good_nifti(kind)
    header = kind.header_class.from_fileobj(io.BytesIO(content), check=False)
    for name, value in entries.items():
        header.structarr[name] = value
    raw = header.binaryblock
    return raw + content[len(raw) :]


def with_affine(*rows: float) -> bytes:
    matrix = np.reshape(rows, (3, 4))
    return with_header(srow_x=matrix[0], srow_y=matrix[1], srow_z=matrix[2], sform_code=1)


def with_voxel(value: float) -> bytes:
    data = np.ones(SHAPE, np.float32)
    data[1, 2, 3] = value
    return good_nifti(data=data)


def dims(*sizes: int) -> list[int]:
    return [len(sizes), *sizes, *[1] * (7 - len(sizes))]


def typed(dtype: np.dtype | str) -> bytes:
    return good_nifti(data=np.ones(SHAPE, dtype))


def bomb(folder: Path) -> Path:
    """4 GiB of voxels in 4 MB; gzip files written one after the other are one."""
    header = with_header(dim=dims(1024, 1024, 1024))[:352]
    million = gzip.compress(bytes(1 << 20), 9)
    (folder / "bomb.nii.gz").write_bytes(gzip.compress(header) + 4096 * million)
    return folder / "bomb.nii.gz"


def linked(target: str, name: str = "link.nii.gz") -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def pipe(name: str) -> Maker:
    def make(folder: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return make


def in_the_way(name: str) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).mkdir()
        return folder / name

    return make


def named(name: str) -> Maker:
    """A file that is not there."""
    return lambda folder: folder / name


def cut_mgh(folder: Path) -> Path:
    path = folder / "image.mgz"
    nib.save(nib.MGHImage(np.ones(SHAPE, np.float32), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-9])
    return path


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "image.nii"


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "bad.nii.gz", "w") as archive:
        archive.writestr("../../outside.nii", good_nifti())
    return folder / "bad.nii.gz"


ZIPPED = gzip.compress(good_nifti())
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([*RGB.descr, ("A", "u1")])
NAN, INF = float("nan"), float("inf")
