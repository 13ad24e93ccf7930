"""Images that are malformed, truncated, odd or made to do harm, by name."""

from __future__ import annotations

import bz2
import gzip
import os
import struct

import nibabel as nib
import numpy as np

from tests.quicksilver.hostile.files import (
    INF,
    NAN,
    RGB,
    RGBA,
    SHAPE,
    ZIPPED,
    Maker,
    below_a_file,
    bomb,
    cut_mgh,
    dims,
    good_nifti,
    holding,
    in_the_way,
    linked,
    named,
    pipe,
    typed,
    with_affine,
    with_header,
    with_voxel,
    zipped,
)

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
    "a FreeSurfer image that is cut short": cut_mgh,
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
