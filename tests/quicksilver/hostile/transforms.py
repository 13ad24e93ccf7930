"""Transforms that are malformed, odd or made to do harm, by name."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path

import h5py
import numpy as np

from tests.quicksilver.hostile.files import (
    INF,
    NAN,
    SHAPE,
    ZIPPED,
    Maker,
    dims,
    good_nifti,
    holding,
    linked,
    named,
    pipe,
    with_header,
)


def field(value: float = 0.0, shape: tuple[int, ...] = (*SHAPE, 1, 3)) -> bytes:
    return good_nifti(data=np.full(shape, value, np.float32))


def said(kind: str, content: bytes) -> Maker:
    """A file of vectors that is said to be a warp of a kind."""
    return lambda folder: Path(f"{kind}:{holding(content)(folder)}")


def result_folder(summary: str = "{}", field_content: bytes | None = None) -> Maker:
    def make(folder: Path) -> Path:
        (folder / "result.json").write_text(summary)
        (folder / "warped.nii.gz").write_bytes(ZIPPED)
        for name in ("displacement.nii.gz", "inverse_displacement.nii.gz"):
            content = field() if field_content is None else field_content
            (folder / name).write_bytes(gzip.compress(content))
        return folder

    return make


def itk(name: str, parameters: str, fixed: str = "0 0 0") -> bytes:
    return (
        f"#Insight Transform File V1.0\n#Transform 0\nTransform: {name}\n"
        f"Parameters: {parameters}\nFixedParameters: {fixed}\n"
    ).encode()


TRANSFORMS: dict[str, Maker] = {
    "absent": named("absent.mat"),
    "a name too long": named("n" * 300),
    "an empty folder": lambda folder: folder,
    "a folder with half a JSON": result_folder('{"seconds": '),
    "a folder with a list for JSON": result_folder("[]"),
    "a folder with images for fields": result_folder(field_content=good_nifti()),
    "a folder with NaN": result_folder(field_content=field(NAN)),
    "a field cut short": holding(gzip.compress(field())[:-20], "bad.nii.gz"),
    "an image for a field": holding(good_nifti()),
    "a field of two components": holding(field(shape=(*SHAPE, 1, 2))),
    "a field with infinity": holding(field(INF)),
    "words": holding(b"no transform", "bad.mat"),
    "a field with a wrong name": holding(field(), "bad.mat"),
    "a singular matrix": holding(b"1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n", "bad.mat"),
    "a matrix of FSL without images": holding(b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "bad.mat"),
    "NaN of ITK": holding(itk("AffineTransform_double_3_3", "nan 0 0 0 1 0 0 0 1 0 0 0"), "a.txt"),
    "zeros of ITK": holding(itk("AffineTransform_double_3_3", "0 " * 12), "a.txt"),
    "too few numbers": holding(itk("AffineTransform_double_3_3", "1 0 0"), "a.txt"),
    "2-D": holding(itk("AffineTransform_double_2_2", "1 0 0 1 0 0", "0 0"), "a.txt"),
    "an unknown transform": holding(itk("MagicTransform_double_3_3", "1"), "a.txt"),
    "no parameters": holding(itk("AffineTransform_double_3_3", "")[:80], "a.txt"),
    "HDF5 cut short": holding(b"\x89HDF\r\n\x1a\n" + bytes(90), "bad.h5"),
    "a pipe": pipe("bad.mat"),
    "an endless device": linked("/dev/zero", "bad.mat"),
    "a pickle": holding(pickle.dumps(np.eye(4)), "bad.mat"),
    "no matrix in an .lta": holding(b"type = 1\nnxforms = 1\n1 4 4\n1 0 0\n", "bad.lta"),
}

IDENTITY = "1 0 0 0 1 0 0 0 1 0 0 0"


def composite(**datasets: object) -> Maker:
    """An HDF5 file of ITK's, with other datasets in the place of its own."""

    def make(folder: Path) -> Path:
        with h5py.File(folder / "bad.h5", "w") as file:
            group = file.create_group("TransformGroup/0")
            content = {"TransformType": [b"AffineTransform_double_3_3"]}
            content |= {"TransformParameters": np.eye(4, 3).ravel()}
            content |= {"TransformFixedParameters": np.zeros(3)} | datasets
            for name, values in content.items():
                if values is not None:
                    group.create_dataset(name, data=values)
        return folder / "bad.h5"

    return make


def lta(matrix: str, kind: int = 1) -> bytes:
    volume = (
        "valid = 1\nfilename = a\nvolume = 8 9 10\nvoxelsize = 1 1 1\nxras = -1 0 0\n"
        "yras = 0 0 -1\nzras = 0 1 0\ncras = 0 0 0\n"
    )
    return (
        f"type = {kind}\nnxforms = 1\nmean = 0 0 0\nsigma = 1\n1 4 4\n{matrix}\n"
        f"src volume info\n{volume}dst volume info\n{volume}"
    ).encode()


def matlab(name: bytes, values: np.ndarray, rows: int | None = None) -> bytes:
    """A MATLAB 4 file of one column, as ITK writes affines."""
    head = struct.pack("<5i", 0, rows or len(values), 1, 0, len(name) + 1)
    return head + name + b"\0" + values.astype("<f8").tobytes()


AFFINE = b"AffineTransform_double_3_3"
TRANSFORMS |= {
    "HDF5 of nothing": composite(
        TransformType=None, TransformParameters=None, TransformFixedParameters=None
    ),
    "HDF5 without a type": composite(TransformType=None),
    "HDF5 without parameters": composite(TransformParameters=None),
    "HDF5 of an unknown type": composite(TransformType=[b"MagicTransform_double_3_3"]),
    "HDF5 of a type in 2-D": composite(
        TransformType=[b"AffineTransform_double_2_2"], TransformParameters=np.ones(6)
    ),
    "HDF5 of a number for a type": composite(TransformType=[3.0]),
    "HDF5 of too few parameters": composite(TransformParameters=np.ones(3)),
    "HDF5 of NaN": composite(TransformParameters=np.full(12, NAN)),
    "HDF5 of zeros": composite(TransformParameters=np.zeros(12)),
    "HDF5 of words": composite(TransformParameters=[b"one", b"two"]),
    "HDF5 of a field without values": composite(
        TransformType=[b"DisplacementFieldTransform_double_3_3"],
        TransformParameters=np.ones(4),
        TransformFixedParameters=[8.0, 9, 10, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1],
    ),
    "HDF5 of a field beyond memory": composite(
        TransformType=[b"DisplacementFieldTransform_double_3_3"],
        TransformParameters=np.ones(4),
        TransformFixedParameters=[1e6, 1e6, 1e6, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1],
    ),
    "infinity of ITK": holding(itk("AffineTransform_double_3_3", IDENTITY[:-1] + "inf"), "a.txt"),
    "an offset beyond the sun of ITK": holding(
        itk("AffineTransform_double_3_3", IDENTITY[:-1] + "1e300"), "a.txt"
    ),
    "words of ITK": holding(itk("AffineTransform_double_3_3", "one " * 12), "a.txt"),
    "too many numbers of ITK": holding(itk("AffineTransform_double_3_3", "1 " * 40), "a.txt"),
    "two transforms of ITK": holding(itk("AffineTransform_double_3_3", IDENTITY) * 2, "a.txt"),
    "ITK in UTF-16": holding(
        itk("AffineTransform_double_3_3", IDENTITY).decode().encode("utf-16"), "a.txt"
    ),
    "a header of ITK alone": holding(b"#Insight Transform File V1.0\n", "a.txt"),
    "a .mat cut short": holding(matlab(AFFINE, np.eye(4, 3).ravel())[:60], "bad.mat"),
    "a .mat of a billion rows": holding(matlab(AFFINE, np.ones(3), 2**30), "bad.mat"),
    "a .mat of minus one row": holding(matlab(AFFINE, np.ones(3), -1), "bad.mat"),
    "a .mat of NaN": holding(matlab(AFFINE, np.full(12, NAN)), "bad.mat"),
    "a .mat of zeros": holding(matlab(AFFINE, np.zeros(12)), "bad.mat"),
    "a .mat of another name": holding(matlab(b"magic", np.eye(4, 3).ravel()), "bad.mat"),
    **{
        f"{name} of {found}": holding(itk(f"{name}_double_3_3", found), "a.txt")
        for name in ("Euler3DTransform", "VersorRigid3DTransform", "Similarity3DTransform")
        for found in ("", "words", "\xe50 0 0 0 0 0", "1")
    },
    "HDF5 of no parameters": composite(
        TransformType=[b"Euler3DTransform_double_3_3"], TransformParameters=np.zeros(0)
    ),
    "HDF5 of one parameter": composite(
        TransformType=[b"Euler3DTransform_double_3_3"], TransformParameters=np.zeros(1)
    ),
    "a .mat of no parameters": holding(
        matlab(b"Euler3DTransform_double_3_3", np.zeros(0)) + matlab(b"fixed", np.zeros(3)),
        "bad.mat",
    ),
    "a .mat of one parameter": holding(
        matlab(b"Euler3DTransform_double_3_3", np.zeros(1)) + matlab(b"fixed", np.zeros(3)),
        "bad.mat",
    ),
    "a projection": holding(b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", "bad.mat"),
    "a matrix with NaN": holding(b"1 0 0 nan\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "bad.mat"),
    "a matrix of five rows": holding(b"1 0 0 0\n" * 5, "bad.mat"),
    "a matrix in UTF-16": holding(
        "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n".encode("utf-16"), "bad.mat"
    ),
    "an .lta of NaN": holding(lta("nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1"), "bad.lta"),
    "an .lta of zeros": holding(lta("0 0 0 0\n0 0 0 0\n0 0 0 0\n0 0 0 1"), "bad.lta"),
    "an .lta of a wrong last row": holding(lta("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1"), "bad.lta"),
    "an .lta of an unknown kind": holding(lta("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1", 99), "bad.lta"),
    "an .lta without volumes": holding(
        lta("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1", 0)[:90], "bad.lta"
    ),
    "an .lta of blank lines": holding(b"type = 1\n" + b"\n" * 900_000, "bad.lta"),
    "a register.dat cut short": holding(b"bert\n1\n1\n0.15\n1 0 0 0\n0 1 0 0\n", "bad.dat"),
    **{
        f"a register.dat {what}": holding(b"bert\n1\n1\n0.15\n" + rows, "bad.dat")
        for what, rows in {
            "without images": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\nround\n",
            "of tkregister's own voxels": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\ntkregister\n",
            "without a last line": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n",
            "of NaN": b"nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\nround\n",
            "of zeros": b"0 0 0 0\n" * 4 + b"round\n",
            "of words": b"one 0 0 0\n" * 4 + b"round\n",
            "without end": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n" + b"round\n" * 90_000,
        }.items()
    },
    **{
        f"{kind}, {what}": said(kind, content)
        for kind in ("fsl-rel", "fsl-abs", "voxelmorph")
        for what, content in {
            "an image": good_nifti(),
            "of NaN": field(NAN, (*SHAPE, 3)),
            "of one slice": field(shape=(*SHAPE[:2], 1, 3)),
            "of two components": field(shape=(*SHAPE, 2)),
            "of ITK": field(),
            "beyond the sun": field(1e30, (*SHAPE, 3)),
            "cut short": field(shape=(*SHAPE, 3))[:-20],
            "of coefficients": with_header(dim=dims(*SHAPE, 3), intent_code=2007) + bytes(8 * 720),
            "of words": b"no warp",
        }.items()
    },
    "a warp that is absent": lambda folder: Path(f"fsl-rel:{folder}/absent.nii"),
    "a warp without a name": lambda folder: Path("voxelmorph:"),
    "a warp of a warp": lambda folder: Path(f"fsl-rel:fsl-abs:{folder}/absent.nii"),
    "an .xfm": holding(b"MNI Transform File\nTransform_Type = Linear;\n", "bad.xfm"),
    "a field of five axes too many": holding(field(shape=(4, 2, 9, 2, 5))),
    "a field of nothing but NaN": holding(field(NAN)),
    "a field of positions beyond the sun": holding(field(1e30)),
    "a field of integers beyond": holding(
        good_nifti(data=np.full((*SHAPE, 1, 3), 2**31 - 1, np.int32))
    ),
    "a complex field": holding(good_nifti(data=np.ones((*SHAPE, 1, 3), np.complex64))),
    "a field of one slice of components": holding(field(shape=(*SHAPE, 3, 1))),
    "a picture": holding(b"\x89PNG\r\n\x1a\n" + bytes(400), "bad.mat"),
    "zeros": holding(bytes(10000), "bad.mat"),
    "an endless line": holding(b"1 " * 500_000, "bad.mat"),
}
"""Of the formats of other programs, each with what it must have missing, wrong or without end."""
