"""Images of FreeSurfer, Analyze, NRRD, MetaImage, DICOM and MINC that are malformed, by name."""

from __future__ import annotations

import gzip
import locale
import os
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from tests.quicksilver.hostile.files import INF, NAN, SHAPE, Maker, holding, linked, pipe

VALUES = np.arange(1, 721, dtype="<f4")
VOXELS = VALUES.tobytes()

NRRD = """\
NRRD0004
type: float
dimension: 3
space: left-posterior-superior
sizes: 8 9 10
space directions: (2,0,0) (0,2,0) (0,0,2)
space origin: (0,0,0)
endian: little
encoding: raw
"""

META = """\
ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 2 2 2
DimSize = 8 9 10
ElementType = MET_FLOAT
ElementDataFile = LOCAL
"""


def changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def with_inside(value: float) -> bytes:
    """Voxels of which one, far from the faces, is another."""
    values = VALUES.copy()
    values[3 + 8 * 4 + 72 * 5] = value
    return values.tobytes()


def nrrd(changes: dict[str, str], voxels: bytes = VOXELS, name: str = "bad.nrrd") -> Maker:
    return holding(f"{changed(NRRD, changes)}\n".encode("latin-1") + voxels, name)


def meta(changes: dict[str, str], voxels: bytes = VOXELS, name: str = "bad.mha") -> Maker:
    return holding(changed(META, changes).encode("latin-1") + voxels, name)


def packed(voxels: bytes, size: int | None = None) -> Maker:
    """A MetaImage that says that its voxels are compressed."""
    said = "" if size is None else f"\nCompressedDataSize = {size}"
    return meta({"BinaryData = True": f"BinaryData = True\nCompressedData = True{said}"}, voxels)


def mgh(name: str = "bad.mgz", cut: int | None = None, **entries: object) -> Maker:
    """A FreeSurfer image with other entries in its header, or cut short."""
    image = nib.MGHImage(VALUES.astype(np.float32).reshape(SHAPE), np.diag([2.0, 2, 2, 1]))
    content = bytearray(image.to_bytes())
    places = {"version": (0, ">i"), "dims": (4, ">4i"), "type": (20, ">i"), "delta": (30, ">3f")}
    for key, value in entries.items():
        start, form = places[key]
        struct.pack_into(form, content, start, *np.atleast_1d(value).tolist())
    whole = gzip.compress(bytes(content)) if name.endswith(".mgz") else bytes(content)
    return holding(whole[:cut], name)


def analyze(beside: dict[str, bytes] | None = None, **entries: object) -> Maker:
    """An Analyze image with other entries in its header, and other files beside it."""

    def make(folder: Path) -> Path:
        nib.save(nib.AnalyzeImage(np.ones(SHAPE, np.float32), np.eye(4)), folder / "bad.img")
        header = nib.AnalyzeHeader.from_fileobj((folder / "bad.hdr").open("rb"), check=False)
        for name, value in entries.items():
            header.structarr[name] = value
        (folder / "bad.hdr").write_bytes(header.binaryblock)
        for name, content in (beside or {}).items():
            (folder / name).write_bytes(content)
        return folder / "bad.img"

    return make


def without(name: str) -> Maker:
    """An Analyze image that misses one of its files."""

    def make(folder: Path) -> Path:
        made = analyze()(folder)
        (folder / name).unlink()
        return made

    return make


def dicom(
    change: tuple[bytes, bytes] | None = None,
    cut: int | None = None,
    step: str = "1",
    **more: bytes,
) -> Maker:
    """A folder of DICOM slices, each changed or cut short, and other files among them."""

    def make(folder: Path) -> Path:
        series, before = folder / "series", locale.setlocale(locale.LC_ALL)
        series.mkdir()
        for number in range(4):
            image = sitk.GetImageFromArray(np.full((1, 9, 8), 7 + number, np.int16))
            image.SetMetaData("0008|0060", "MR")
            image.SetMetaData("0020|000e", "1.2.3.4")
            image.SetMetaData("0020|0032", f"0\\0\\{number}{step}")
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(series / f"{number}.dcm"))
            writer.Execute(image)
            content = (series / f"{number}.dcm").read_bytes()
            if change is not None:
                assert change[0] in content
                content = content.replace(*change)
            (series / f"{number}.dcm").write_bytes(content[:cut])
        locale.setlocale(locale.LC_ALL, before)  # ITK's writer of DICOM sets it to C
        for name, content in more.items():
            (series / name).write_bytes(content)
        return series

    return make


def hdf(name: str, content: bytes = b"\x89HDF\r\n\x1a\n") -> Maker:
    return holding(content + bytes(200), name)


def detached(name: str, text: str) -> Maker:
    """A header whose voxels are in a file beside it that leads elsewhere."""

    def make(folder: Path) -> Path:
        (folder / "voxels.raw").symlink_to("voxels.raw")
        (folder / name).write_text(text)
        return folder / name

    return make


COLUMNS = b"\x28\0\x11\0\2\0\0\0\x08\0"
FORMATS: dict[str, Maker] = {
    "NRRD, empty": holding(b"", "bad.nrrd"),
    "NRRD of a wrong magic": nrrd({"NRRD0004": "NRXD0004"}),
    "NRRD of a version to come": nrrd({"NRRD0004": "NRRD0099"}),
    "NRRD, a header alone": nrrd({}, b""),
    "NRRD, cut short": nrrd({}, VOXELS[:-9]),
    "NRRD beyond its file": nrrd({"sizes: 8 9 10": "sizes: 8000 9000 10"}),
    "NRRD beyond memory": nrrd({"sizes: 8 9 10": "sizes: 80000 90000 100000"}),
    "NRRD of no voxels": nrrd({"sizes: 8 9 10": "sizes: 0 9 10"}),
    "NRRD below zero": nrrd({"sizes: 8 9 10": "sizes: -8 9 10"}),
    "NRRD of words": nrrd({"sizes: 8 9 10": "sizes: eight 9 10"}),
    "NRRD of two sizes": nrrd({"sizes: 8 9 10": "sizes: 8 9"}),
    "NRRD of two dimensions": nrrd({"dimension: 3": "dimension: 2"}),
    "NRRD of 99 dimensions": nrrd({"dimension: 3": "dimension: 99"}),
    "NRRD of an unknown type": nrrd({"type: float": "type: magic"}),
    "NRRD of blocks": nrrd({"type: float": "type: block"}),
    "NRRD of an unknown encoding": nrrd({"encoding: raw": "encoding: magic"}),
    "NRRD, not zipped": nrrd({"encoding: raw": "encoding: gzip"}),
    "NRRD, half zipped": nrrd({"encoding: raw": "encoding: gzip"}, gzip.compress(VOXELS)[:99]),
    "NRRD, text for numbers": nrrd({"encoding: raw": "encoding: ascii"}, b"one two three"),
    "NRRD of NaN directions": nrrd({"(2,0,0)": "(nan,0,0)"}),
    "NRRD of infinite directions": nrrd({"(2,0,0)": "(inf,0,0)"}),
    "NRRD of flat directions": nrrd({"(2,0,0)": "(0,2,0)"}),
    "NRRD of no directions": nrrd({"(2,0,0)": "(0,0,0)"}),
    "NRRD of huge directions": nrrd({"(2,0,0)": "(1e30,0,0)"}),
    "NRRD of a far origin": nrrd({"origin: (0,0,0)": "origin: (1e30,0,0)"}),
    "NRRD of a NaN origin": nrrd({"origin: (0,0,0)": "origin: (nan,0,0)"}),
    "NRRD of a NaN voxel": nrrd({}, with_inside(NAN)),
    "NRRD of infinity": nrrd({}, with_inside(INF)),
    "NRRD of zeros": nrrd({}, bytes(2880)),
    "NRRD of a list": nrrd({"encoding: raw": "encoding: raw\ndata file: LIST\na.raw\nb.raw"}, b""),
    "NRRD of a pattern": nrrd({"encoding: raw": "encoding: raw\ndata file: a%d.raw 1 9 1"}, b""),
    "NRRD of a link to itself": detached("bad.nhdr", f"{NRRD}data file: voxels.raw\n"),
    "NRRD of /dev/zero": detached("bad.nhdr", f"{NRRD}data file: /dev/zero\n"),
    "NRRD of a parent": detached("bad.nhdr", f"{NRRD}data file: ../in/voxels.raw\n"),
    "NRRD of itself": detached("bad.nhdr", f"{NRRD}data file: bad.nhdr\n"),
    "NRRD of an escape": detached("bad.nhdr", f"{NRRD}data file: \x1b[31m.raw\n"),
    "NRRD of an endless line": nrrd({"encoding: raw": "#" + "x" * 500_000}),
    "NRRD of an endless entry": nrrd({"encoding: raw": "x" * 3_000 + ": 1"}),
    "NRRD of an endless word": nrrd({"encoding: raw": "x" * 3_000}),
    "NRRD of an endless type": nrrd({"type: float": "type: " + "x" * 3_000}),
    "NRRD of endless sizes": nrrd({"sizes: 8 9 10": "sizes: 8 9 10" + " 1" * 3_000}),
    "NRRD of endless directions": nrrd({"(2,0,0)": "(2,0,0)" + "(2,0,0)" * 3_000}),
    "NRRD of an endless entry that seems a key": nrrd({"encoding: raw": f"type: {'x' * 3_000}:=a"}),
    "NRRD of an endless header": nrrd({"encoding: raw": "# x\n" * 400_000}),
    "NRRD, a pipe": pipe("bad.nrrd"),
    "NRRD, a device": linked("/dev/zero", "bad.nrrd"),
    "MetaImage, empty": holding(b"", "bad.mha"),
    "MetaImage of words": holding(b"no image at all\n", "bad.mha"),
    "MetaImage, cut short": meta({}, VOXELS[:-9]),
    "MetaImage, a header alone": meta({}, b""),
    "MetaImage beyond its file": meta({"DimSize = 8 9 10": "DimSize = 8000 9000 10"}),
    "MetaImage beyond memory": meta({"DimSize = 8 9 10": "DimSize = 80000 90000 100000"}),
    "MetaImage of no voxels": meta({"DimSize = 8 9 10": "DimSize = 0 9 10"}),
    "MetaImage below zero": meta({"DimSize = 8 9 10": "DimSize = -8 9 10"}),
    "MetaImage of two sizes": meta({"DimSize = 8 9 10": "DimSize = 8 9"}),
    "MetaImage of 2-D": meta({"NDims = 3": "NDims = 2"}),
    "MetaImage of 99 dimensions": meta({"NDims = 3": "NDims = 99"}),
    "MetaImage of minus 3 dimensions": meta({"NDims = 3": "NDims = -3"}),
    "MetaImage of colours": meta({"ElementType": "ElementNumberOfChannels = 3\nElementType"}),
    "MetaImage of an unknown type": meta({"MET_FLOAT": "MET_MAGIC"}),
    "MetaImage of no type": meta({"ElementType = MET_FLOAT\n": ""}),
    "MetaImage of NaN spacing": meta({"Spacing = 2 2 2": "Spacing = nan 2 2"}),
    "MetaImage of no spacing": meta({"Spacing = 2 2 2": "Spacing = 0 2 2"}),
    "MetaImage of a flat matrix": meta({"1 0 0 0 1 0 0 0 1": "1 0 0 1 0 0 0 0 1"}),
    "MetaImage of a NaN matrix": meta({"1 0 0 0 1 0 0 0 1": "nan 0 0 0 1 0 0 0 1"}),
    "MetaImage of a far origin": meta({"Offset = 0 0 0": "Offset = 1e30 0 0"}),
    "MetaImage, not zipped": packed(VOXELS),
    "MetaImage, half zipped": packed(zlib.compress(VOXELS)[:99]),
    "MetaImage, more than all zipped": packed(zlib.compress(VOXELS + VOXELS)),
    "MetaImage of endless compression": packed(VOXELS, 10**18),
    "MetaImage of less than no compression": packed(zlib.compress(VOXELS), -7),
    "MetaImage of dimensions twice": meta({"NDims = 3": "NDims = 3\nNDims = 99"}),
    "MetaImage of dimensions by a colon": meta({"NDims = 3": "NDims : 99"}),
    "MetaImage of an endless name": meta({"NDims": "Name = " + "x" * 500_000 + "\nNDims"}),
    "MetaImage of an endless comment": meta({"NDims": "Comment = " + "x" * 5_000 + "\nNDims"}),
    "MetaImage of an endless matrix": meta({"1 0 0 0 1 0 0 0 1": "1 " * 5_000}),
    "MetaImage of endless sizes": meta({"DimSize = 8 9 10": "DimSize = 8 9 10" + " 1" * 5_000}),
    "MetaImage of endless numbers": meta({"= 8 9 10": "= 8" + "0" * 5_000 + " 9 10"}),
    "MetaImage of endless channels": meta(
        {"ElementType": "ElementNumberOfChannels = 2000000000\nElementType"}
    ),
    "MetaImage of a header of -5 bytes": meta({"ElementType": "HeaderSize = -5\nElementType"}),
    "MetaImage of a huge header": meta({"ElementType": "HeaderSize = 99999999\nElementType"}),
    "MetaImage of text": meta({"BinaryData = True": "BinaryData = False"}, b"one two three"),
    "MetaImage of zeros": meta({}, bytes(2880)),
    "MetaImage of NaN": meta({}, with_inside(NAN)),
    "MetaImage of a list": meta({"= LOCAL": "= LIST\na.raw"}, b""),
    "MetaImage of a pattern": meta({"= LOCAL": "= a%d.raw 1 9 1"}, b""),
    "MetaImage of a link to itself": detached("bad.mhd", META.replace("LOCAL", "voxels.raw")),
    "MetaImage of /etc/passwd": detached("bad.mhd", META.replace("LOCAL", "/etc/passwd")),
    "MetaImage of a parent": detached("bad.mhd", META.replace("LOCAL", "../in/voxels.raw")),
    "MetaImage of itself": detached("bad.mhd", META.replace("LOCAL", "bad.mhd")),
    "MetaImage, a pipe": pipe("bad.mhd"),
    "FreeSurfer, empty": holding(b"", "bad.mgz"),
    "FreeSurfer of nothing, zipped": holding(gzip.compress(b""), "bad.mgz"),
    "FreeSurfer, not zipped": mgh("bad.mgz.mgh", version=2),
    "FreeSurfer of version 2": mgh(version=2),
    "FreeSurfer of no voxels": mgh(dims=(0, 9, 10, 1)),
    "FreeSurfer below zero": mgh(dims=(-8, 9, 10, 1)),
    "FreeSurfer beyond its file": mgh(dims=(8000, 9000, 10, 1)),
    "FreeSurfer beyond memory": mgh(dims=(80000, 90000, 10000, 1)),
    "FreeSurfer of an unknown type": mgh(type=99),
    "FreeSurfer of NaN voxels": mgh(delta=(NAN, 2, 2)),
    "FreeSurfer of no spacing": mgh(delta=(0, 2, 2)),
    "FreeSurfer, cut in its header": mgh("bad.mgh", cut=100),
    "FreeSurfer, cut short": mgh("bad.mgh", cut=2000),
    "FreeSurfer, half zipped": mgh(cut=90),
    "FreeSurfer, a pipe": pipe("bad.mgz"),
    "Analyze without a header": without("bad.hdr"),
    "Analyze without voxels": without("bad.img"),
    "Analyze of no voxels": analyze(dim=[4, 0, 9, 10, 1, 0, 0, 0]),
    "Analyze below zero": analyze(dim=[4, -8, 9, 10, 1, 0, 0, 0]),
    "Analyze beyond its file": analyze(dim=[4, 30000, 30000, 30000, 1, 0, 0, 0]),
    "Analyze of an unknown type": analyze(datatype=77),
    "Analyze of NaN spacing": analyze(pixdim=[0, NAN, 2, 2, 0, 0, 0, 0]),
    "Analyze of complex numbers": analyze(datatype=32, bitpix=64),
    "Analyze, cut short": analyze({"bad.img": VOXELS[:99]}),
    "Analyze of a wrong size of header": analyze(sizeof_hdr=77),
    "Analyze and a large .mat": analyze({"bad.mat": bytes(1 << 17)}),
    "Analyze and a .mat of words": analyze({"bad.mat": b"no matrix"}),
    "DICOM of nothing but its mark": dicom(cut=132),
    "DICOM, cut in the header": dicom(cut=300),
    "DICOM, cut in the voxels": dicom(cut=-60),
    "DICOM of more columns": dicom((COLUMNS, COLUMNS[:8] + b"\xff\xff")),
    "DICOM of no columns": dicom((COLUMNS, COLUMNS[:8] + b"\0\0")),
    "DICOM of other places": dicom(step="e9"),
    "DICOM with a damaged slice": dicom(x=bytes(128) + b"DICM" + b"\xff" * 400),
    "MINC 1, a header alone": hdf("bad.mnc", b"CDF\1\0\0\0\0"),
    "MINC 1 of endless dimensions": hdf("bad.mnc", b"CDF\1\0\0\0\0\0\0\0\x0a\x7f\xff\xff\xff"),
    "MINC 2, empty": holding(b"", "bad.mnc"),
    "MINC 2, a header alone": hdf("bad.mnc"),
    "a name of bytes": holding(b"no image", os.fsdecode(b"\xff\xfe.nrrd")),
    "a name of bytes, MetaImage": holding(b"no image", os.fsdecode(b"\xff\xfe.mha")),
    "a name that a terminal obeys": holding(b"no image", "\x1b[31m\x07red.nrrd"),
    "a name that a terminal obeys, NIfTI": holding(b"no image", "\x1b]0;mine\x07.nii"),
    "a name of two lines": holding(b"no image", "two\nlines.mgz"),
}  # fmt: skip
