"""Files that no command may trip over: malformed, truncated, odd or made to do harm.

Each dictionary holds, by name, a function that writes one such file into an empty folder and
returns its path.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from safetensors.torch import save_file

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


def mgh(folder: Path) -> Path:
    nib.save(nib.MGHImage(np.ones(SHAPE, np.float32), np.eye(4)), folder / "image.mgz")
    return folder / "image.mgz"


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

IMAGES: dict[str, Maker] = {
    "absent": named("absent.nii.gz"),
    "absent, unicode": named("脑-мозг-🧠 \u202e.nii.gz"),
    "absent, not utf-8": named(os.fsdecode(b"\xff\xfe.nii")),
    "a newline in the name": named("two\nlines.nii"),
    "a name too long": named("n" * 300 + ".nii"),
    "below a file": below_a_file,
    "a folder": in_the_way("folder.nii.gz"),
    "a dangling link": linked("nowhere.nii.gz"),
    "a link to itself": linked("link.nii.gz"),
    "a link to an endless device": linked("/dev/zero"),
    "a link to no device": linked("/dev/null", "link.nii"),
    "a pipe": pipe("pipe.nii"),
    "a zipped pipe": pipe("pipe.nii.gz"),
    "empty": holding(b""),
    "empty, zipped": holding(b"", "bad.nii.gz"),
    "gzip of nothing": holding(gzip.compress(b""), "bad.nii.gz"),
    "text": holding(b"this is no image"),
    "text, not zipped": holding(b"this is no image", "bad.nii.gz"),
    "text, zipped": holding(gzip.compress(b"this is no image" * 100), "bad.nii.gz"),
    "an archive": zipped,
    "half": holding(good_nifti()[:1500]),
    "half a header": holding(good_nifti()[:100]),
    "a header alone": holding(good_nifti()[:352]),
    "half, zipped": holding(ZIPPED[: len(ZIPPED) // 2], "bad.nii.gz"),
    "half of it zipped": holding(gzip.compress(good_nifti()[:1500]), "bad.nii.gz"),
    "damaged, zipped": holding(ZIPPED[:300] + b"\0" * 50 + ZIPPED[350:], "bad.nii.gz"),
    "a wrong checksum": holding(ZIPPED[:-8] + b"\1\2\3\4" + ZIPPED[-4:], "bad.nii.gz"),
    "bzip2": holding(bz2.compress(good_nifti()), "bad.nii.gz"),
    "zeros": holding(bytes(10000)),
    "ones": holding(b"\xff" * 10000),
    "a picture": holding(b"\x89PNG\r\n\x1a\n" + bytes(400)),
    "a bomb": bomb,
    "huge, not there": holding(with_header(dim=dims(30000, 30000, 30000))),
    "huge, not there, zipped": holding(
        gzip.compress(with_header(dim=dims(30000, 30000, 30000))), "bad.nii.gz"
    ),
    "larger than there": holding(with_header(dim=dims(80, 90, 100))),
    "no end of voxels": holding(with_header(nib.Nifti2Image, dim=dims(2**62, 2, 2))),
    "an axis of 0": holding(with_header(dim=dims(0, 9, 10))),
    "a negative axis": holding(with_header(dim=dims(-8, 9, 10))),
    "an axis of 1": holding(with_header(dim=dims(8, 90, 1))),
    "one voxel": holding(with_header(dim=dims(1, 1, 1))),
    "no axes": holding(with_header(dim=[0, 8, 9, 10, 1, 1, 1, 1])),
    "two axes": holding(with_header(dim=dims(8, 90))),
    "five axes": holding(with_header(dim=dims(4, 2, 9, 2, 5))),
    "nine axes": holding(with_header(dim=[9, 8, 9, 10, 1, 1, 1, 1])),
    "a wrong magic": holding(with_header(magic=b"nii")),
    "voxels behind the end": holding(with_header(vox_offset=1e9)),
    "voxels before the start": holding(with_header(vox_offset=-352)),
    "voxels nowhere": holding(with_header(vox_offset=NAN)),
    "an unknown type": holding(with_header(datatype=77)),
    "no type": holding(with_header(datatype=0)),
    "bits": holding(with_header(datatype=1, bitpix=1)),
    "an endless extension": holding(
        good_nifti()[:348] + b"\1\0\0\0" + struct.pack("<ii", 2**31 - 16, 4) + bytes(3000)
    ),
    "complex": holding(typed(np.complex64)),
    "RGB": holding(typed(RGB)),
    "RGBA": holding(typed(RGBA)),
    "NaN": holding(with_voxel(NAN)),
    "infinity": holding(with_voxel(INF)),
    "minus infinity": holding(with_voxel(-INF)),
    "all NaN": holding(good_nifti(data=np.full(SHAPE, NAN, np.float32))),
    "a slope beyond the type": holding(with_header(scl_slope=3e38, scl_inter=0)),
    "all zero": holding(good_nifti(data=np.zeros(SHAPE, np.float32))),
    "a singular affine": holding(with_affine(1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0)),
    "an affine of zeros": holding(with_affine(*[0] * 12)),
    "NaN in the affine": holding(with_affine(NAN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
    "infinity in the affine": holding(with_affine(1, 0, 0, INF, 0, 1, 0, 0, 0, 0, 1, 0)),
    "voxels of light years": holding(with_affine(1e30, 0, 0, 0, 0, 1e30, 0, 0, 0, 0, 1e30, 0)),
    "voxels of nothing": holding(with_affine(1e-30, 0, 0, 0, 0, 1e-30, 0, 0, 0, 0, 1e-30, 0)),
    "an origin far away": holding(with_affine(1, 0, 0, 1e20, 0, 1, 0, 0, 0, 0, 1, 0)),
    "another format": mgh,
    "a table": holding(b"x,y,z\n1,2,3\n", "bad.nii.gz"),
    "a damaged .mgh": holding(bytes(range(256)) * 20, "bad.mgh"),
    "a damaged .par": holding(
        b"# === DATA DESCRIPTION FILE ===\n#\n. Patient name : \n", "bad.par"
    ),
    "a damaged .mnc": holding(b"CDF\1" + bytes(range(200)), "bad.mnc"),
    "a damaged .mnc of HDF5": holding(b"\x89HDF\r\n\x1a\n" + bytes(200), "bad.mnc"),
    "a .zst": holding(b"\x28\xb5\x2f\xfd" + bytes(100), "bad.nii.zst"),
    "a CIFTI of no XML": holding(
        good_nifti(nib.Nifti2Image)[:540]
        + b"\1\0\0\0"
        + struct.pack("<ii", 32, 32)
        + b"<CIFTI><broken"
        + bytes(3000),
        "bad.dscalar.nii",
    ),
}


def gifti(**changes: tuple[str, str]) -> bytes:
    array = nib.gifti.GiftiDataArray(np.ones((4, 3), np.float32), "NIFTI_INTENT_POINTSET")
    text = nib.GiftiImage(darrays=[array]).to_bytes().decode()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def streamlines(suffix: str) -> bytes:
    tractogram = nib.streamlines.Tractogram(
        [np.ones((5, 3), np.float32)], affine_to_rasmm=np.eye(4)
    )
    file = io.BytesIO()
    nib.streamlines.detect_format(f"a{suffix}")(tractogram).save(file)
    return file.getvalue()


def elsewhere(folder: Path) -> Path:
    """A surface whose points are in another file, which must not be read."""
    (folder / "secret").write_bytes(np.ones((4, 3), np.float32).tobytes())
    text = gifti(a=('Encoding="GZipBase64Binary"', 'Encoding="ExternalFileBinary"'))
    text = text.replace(b'ExternalFileName=""', b'ExternalFileName="secret"')
    text = text.replace(b'ExternalFileOffset=""', b'ExternalFileOffset="0"')
    (folder / "bad.gii").write_bytes(text)
    return folder / "bad.gii"


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "' + b"lol" * 99 + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (n + 98, b"&%c;" % (n + 97) * 50) for n in range(9))
    + b"]><GIFTI>&j;</GIFTI>"
)  # fmt: skip

POINTS: dict[str, Maker] = {
    "a table without z": holding(b"x,y\n1,2\n", "bad.csv"),
    "a table with two x": holding(b"x,X,y,z\n1,1,2,3\n", "bad.csv"),
    "a table of words": holding(b"x,y,z\none,two,three\n", "bad.csv"),
    "a table with NaN": holding(b"x,y,z\n1,nan,3\n", "bad.csv"),
    "a table with a short row": holding(b"x,y,z\n1,2,3\n1,2\n", "bad.csv"),
    "a table with a long row": holding(b"x,y,z\n1,2,3,4\n", "bad.csv"),
    "a table without rows": holding(b"x,y,z\n", "bad.csv"),
    "an empty table": holding(b"", "bad.csv"),
    "a table with semicolons": holding(b"x;y;z\n1;2;3\n", "bad.csv"),
    "a table with decimal commas": holding(b"x,y,z\n1,5,2,5,3,5\n", "bad.csv"),
    "a table in UTF-16": holding("x,y,z\n1,2,3\n".encode("utf-16"), "bad.csv"),
    "a table in two encodings": holding("x,y,z,é\n1,2,3,".encode() + b"\xe9\n", "bad.csv"),
    "a table with an open quote": holding(b'x,y,z\n1,2,"3\n', "bad.csv"),
    "a table with NUL": holding(b"x,y,z\n1,\0,3\n", "bad.csv"),
    "a table with an endless field": holding(b"x,y,z\n1,2," + b"3" * 200000 + b"\n", "bad.csv"),
    "a table that is a folder": in_the_way("bad.csv"),
    "a table that is a pipe": pipe("bad.csv"),
    "a surface of no XML": holding(b"no XML", "bad.gii"),
    "half a surface": holding(gifti()[:700], "bad.gii"),
    "a surface whose data lie elsewhere": elsewhere,
    "a surface without points": holding(gifti(a=("POINTSET", "SHAPE")), "bad.gii"),
    "a surface of another size": holding(gifti(a=('Dim0="4"', 'Dim0="4000000"')), "bad.gii"),
    "a surface of nonsense": holding(gifti(a=("<Data>", "<Data>AAAAAAAA")), "bad.gii"),
    "a billion laughs": holding(LAUGHS, "bad.gii"),
    "a surface cut short": holding(b"\xff\xff\xfemade by\n\n" + b"\0\0\0\4\0\0\0\2", "lh.bad"),
    "a surface of a billion points": holding(
        b"\xff\xff\xfemade by\n\n" + struct.pack(">ii", 2**31 - 1, 2**31 - 1), "lh.bad"
    ),
    "streamlines of nothing": holding(b"", "bad.trk"),
    "half of a header of streamlines": holding(streamlines(".trk")[:500], "bad.trk"),
    "streamlines cut short": holding(streamlines(".trk")[:-7], "bad.trk"),
    "a streamline of a billion points": holding(
        streamlines(".trk")[:1000] + struct.pack("<i", 2**31 - 1) + bytes(60), "bad.trk"
    ),
    "streamlines of words": holding(b"no tracks", "bad.tck"),
    "streamlines without end": holding(streamlines(".tck")[:-9], "bad.tck"),
    "streamlines with NaN": holding(
        streamlines(".tck").replace(
            np.ones(3, "<f4").tobytes(), np.array([1, 1, NAN], "<f4").tobytes(), 1
        ),
        "bad.tck",
    ),
}  # fmt: skip


def field(value: float = 0.0, shape: tuple[int, ...] = (*SHAPE, 1, 3)) -> bytes:
    return good_nifti(data=np.full(shape, value, np.float32))


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


class Harm:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("harm",)


def pickled(name: str) -> Maker:
    return holding(pickle.dumps(Harm()), name)


def torch_file(content: object, name: str) -> Maker:
    def make(folder: Path) -> Path:
        torch.save(content, folder / name)
        return folder / name

    return make


def safetensors(config: object, **tensors: torch.Tensor) -> Maker:
    def make(folder: Path) -> Path:
        text = config if isinstance(config, str) else json.dumps(config)
        content = tensors or {"prediction.a": torch.ones(1)}
        save_file(content, folder / "bad.safetensors", {"config": text})
        return folder / "bad.safetensors"

    return make


METRIC = {"alpha": 0.01, "beta": 0.01, "gamma": 0.001, "power": 1}
MODELS: dict[str, Maker] = {
    "absent": named("absent.safetensors"),
    "a folder": in_the_way("bad.safetensors"),
    "a pipe": pipe("bad.safetensors"),
    "empty": holding(b"", "bad.safetensors"),
    "a header beyond the end": holding(struct.pack("<Q", 2**60) + b"{}", "bad.safetensors"),
    "a header of words": holding(struct.pack("<Q", 5) + b"words", "bad.safetensors"),
    "a pickle for a model": pickled("bad.safetensors"),
    "a pickle for a checkpoint": pickled("bad.pth.tar"),
    "a pickle in a checkpoint": torch_file({"state_dict": Harm()}, "bad.pth.tar"),
    "a tensor for a checkpoint": torch_file(torch.ones(3), "bad.pth.tar"),
    "a checkpoint without weights": torch_file({"patch_size": 15}, "bad.pth"),
    "an empty checkpoint": holding(b"", "bad.pth.tar"),
    "an archive for a checkpoint": lambda folder: zipped(folder).rename(folder / "bad.pth"),
    "a pipe for a checkpoint": pipe("bad.pth.tar"),
    "half a configuration": safetensors('{"features": '),
    "a configuration of a list": safetensors([1, 2]),
    "an unknown setting": safetensors({"features": 2, "harm": True}),
    "an unknown architecture": safetensors({"features": 2, "architecture": "magic"}),
    "words for numbers": safetensors({"features": "many"}),
    "negative features": safetensors({"features": -1}),
    "far too many features": safetensors({"features": 10**7}),
    "a metric of words": safetensors({"features": 2, "metric": "strong"}),
    "a metric without gamma": safetensors({"features": 2, "metric": METRIC | {"gamma": 0}}),
    "a metric below zero": safetensors({"features": 2, "metric": METRIC | {"alpha": -1}}),
    "no steps": safetensors({"features": 2, "steps": 0}),
    "no sharpness": safetensors({"features": 2, "sharpness": 0}),
    "other tensors": safetensors({"features": 2}),
}

NUMBERS: dict[str, object] = {
    "spacing": [NAN, 0, "2", -1.0, 1e9],
    "method": ["evil", 3],
    "steps": [1.5, 10**9, "10"],
    "corrections": [0.5, 10**9],
    "coarse_corrections": [-1, 10**9],
    "inverse_iterations": [10**9],
    "stride": [0, 10**6],
    "sharpness": [NAN, -1.0],
    "borders": ["none"],
    "precision": ["double"],
    "dropout": ["yes"],
    "patch_size": [14],
    "metric": [METRIC | {"power": 10**9}, METRIC | {"gamma": NAN}, METRIC | {"gamma": 1e-9}, {}],
    "training_data": [7],
}
"""Entries of a model's configuration that no model has."""

MODELS |= {
    f"{name} {value}": safetensors({"features": 2, name: value})
    for name, values in NUMBERS.items()
    for value in values
}

SHOOTING = {"diffOpParams": [0.01, 0.01, 0.001], "integMethod": "RK4"}
SHOOTING |= {"timeSteps": 2, "NIterForInverse": 3}


def published(**changes: object) -> dict[str, object]:
    """A checkpoint that would be one if it had weights."""
    shooting = SHOOTING | changes
    state = {"a": torch.ones(1)}
    return {
        "patch_size": 15,
        "network_feature": 2,
        "state_dict": state,
        "deformation_params": shooting,
    }


def unpacking(folder: Path) -> Path:
    """A checkpoint that unpacks to a hundred times its size."""
    torch.save(published() | {"state_dict": {"a": torch.zeros(10**7)}}, folder / "whole.pth.tar")
    whole = zipfile.ZipFile(folder / "whole.pth.tar")
    with whole, zipfile.ZipFile(folder / "bad.pth.tar", "w", zipfile.ZIP_DEFLATED) as packed:
        for member in whole.namelist():
            packed.writestr(member, whole.read(member))
    (folder / "whole.pth.tar").unlink()
    return folder / "bad.pth.tar"


MODELS |= {
    "a checkpoint without gamma": torch_file(published(diffOpParams=[1, 1, 0]), "bad.pth.tar"),
    "a checkpoint of NaN": torch_file(published(diffOpParams=[1, 1, NAN]), "bad.pth.tar"),
    "a checkpoint below zero": torch_file(published(diffOpParams=[-1, 1, 1]), "bad.pth.tar"),
    "a checkpoint without steps": torch_file(published(timeSteps=0), "bad.pth.tar"),
    "a checkpoint of endless steps": torch_file(published(timeSteps=10**9), "bad.pth.tar"),
    "a checkpoint of infinite steps": torch_file(published(timeSteps=INF), "bad.pth.tar"),
    "a checkpoint of a list of weights": torch_file(published() | {"state_dict": [1]}, "bad.pth"),
    "a checkpoint of words": torch_file(published() | {"state_dict": {"a": "b"}}, "bad.pth"),
    "a checkpoint that unpacks": unpacking,
}

LISTS: dict[str, Maker] = {
    "absent": named("absent.csv"),
    "a folder": in_the_way("pairs.csv"),
    "a pipe": pipe("pairs.csv"),
    "empty": holding(b"", "pairs.csv"),
    "no target": holding(b"moving\na.nii\n", "pairs.csv"),
    "an unknown column": holding(b"moving,target,weight\na,b,1\n", "pairs.csv"),
    "a column twice": holding(b"moving,target,target\nbad.csv,bad.csv,bad.csv\n", "pairs.csv"),
    "files that are not there": holding(b"moving,target\na.nii,b.nii\n", "pairs.csv"),
    "no file": holding(b"moving,target\n,\n", "pairs.csv"),
    "a name that leads elsewhere": holding(
        b"id,moving,target\n../../a,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "a name twice": holding(
        b"id,moving,target\na,pairs.csv,pairs.csv\na,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "more entries than columns": holding(b"moving,target\na,b,c\n", "pairs.csv"),
    "a name too long for a file": holding(b"moving,target\n" + b"n" * 300 + b",b\n", "pairs.csv"),
    "UTF-16": holding("moving,target\na,b\n".encode("utf-16"), "pairs.csv"),
    "NUL": holding(b"moving,target\na\0,b\n", "pairs.csv"),
    "an endless entry": holding(b"moving,target\n" + b"a" * 200000 + b",b\n", "pairs.csv"),
}

YAML_LAUGHS = b"a: &a [x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n + 98, n + 98, b", ".join([b"*%c" % (n + 97)] * 9)) for n in range(9)
)

RECIPES: dict[str, Maker] = {
    "absent": named("absent.yaml"),
    "a folder": in_the_way("bad.yaml"),
    "a pipe": pipe("bad.yaml"),
    "empty": holding(b"", "bad.yaml"),
    "words": holding(b"train well", "bad.yaml"),
    "no YAML": holding(b"a: [1, 2\nb: }", "bad.yaml"),
    "an object": holding(b"!!python/object/apply:os.mkdir [harm]", "bad.yaml"),
    "an unknown entry": holding(b"magic: true\n", "bad.yaml"),
    "no text": holding(bytes(range(256)), "bad.yaml"),
    "a billion laughs": holding(YAML_LAUGHS, "bad.yaml"),
    "100,000 deep": holding(b"[" * 100_000, "bad.yaml"),
    "a number of 5,000 digits": holding(b"seed: " + b"9" * 5000, "bad.yaml"),
}
