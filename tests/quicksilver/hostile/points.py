"""Points, surfaces and streamlines that are malformed, odd or made to do harm, by name."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.quicksilver.hostile.files import NAN, Maker, holding, in_the_way, pipe


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

VTK = (
    b"# vtk DataFile Version 3.0\nSPACE=RAS\nASCII\nDATASET POLYDATA\nPOINTS 2 float\n"
    b"1 2 3\n4 5 6\n"
)

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
    **{
        f"a list of Slicer {what}": holding(text, "bad.fcsv")
        for what, text in {
            "without a space": b"# columns = id,x,y,z\n1,2,3,4\n",
            "of voxels": b"# CoordinateSystem = IJK\n1,2,3,4\n",
            "of an endless space": b"# CoordinateSystem = " + b"R" * 500_000 + b"\n1,2,3,4\n",
            "of two spaces": b"# CoordinateSystem = 0\n# CoordinateSystem = 1\n1,2,3,4\n",
            "without points": b"# CoordinateSystem = RAS\n",
            "of words": b"# CoordinateSystem = RAS\n1,one,two,three\n",
            "with NaN": b"# CoordinateSystem = RAS\n1,1,nan,3\n",
            "with a short row": b"# CoordinateSystem = RAS\n1,1,2,3\n1,2\n",
            "of other columns": b"# CoordinateSystem = RAS\n# columns = x,y,z\n1,2,3,4\n",
            "in UTF-16": "# CoordinateSystem = RAS\n1,2,3,4\n".encode("utf-16"),
        }.items()
    },
    **{
        f"a .vtk file {what}": holding(content, "bad.vtk")
        for what, content in {
            "of nothing": b"",
            "of a title alone": VTK[:27],
            "without a space": VTK.replace(b"SPACE=RAS", b""),
            "of two spaces": VTK.replace(b"SPACE=RAS", b"SPACE=RAS SPACE=LPS"),
            "of an image": VTK.replace(b"POLYDATA", b"STRUCTURED_POINTS"),
            "of a billion points": VTK.replace(b"POINTS 2", b"POINTS 1000000000"),
            "of endless points": VTK.replace(b"POINTS 2", b"POINTS " + b"9" * 400),
            "of minus one point": VTK.replace(b"POINTS 2", b"POINTS -1"),
            "of no points": VTK.replace(b"POINTS 2", b"POINTS 0"),
            "of integers": VTK.replace(b"float", b"int"),
            "of NaN": VTK.replace(b"1 2 3", b"1 nan 3"),
            "of words": VTK.replace(b"1 2 3", b"1 two 3"),
            "cut short": VTK[:-4],
            "of bytes cut short": VTK.replace(b"ASCII", b"BINARY"),
            "of bytes beyond the sun": VTK.replace(b"ASCII", b"BINARY") + b"\x7f" * 99,
            "of an endless title": VTK.replace(b"SPACE=RAS", b"SPACE=RAS" + b" " * 500_000),
            "of endless blanks": VTK.replace(b"ASCII\n", b"ASCII\n" + b"\n" * 500_000),
        }.items()
    },
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
