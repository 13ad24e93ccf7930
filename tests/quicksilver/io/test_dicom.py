"""A folder with a series of DICOM, written by ITK's writer, slice by slice."""

from __future__ import annotations

import locale

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.io.dicom import holds_series
from quicksilver.io.images import read_grid, read_image, require_image

SPACING = (1.5, 2.0)
ROW, COLUMN = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])  # sagittal slices, LPS
STEP = np.array([2.5, 0.0, 0.0])
ORIGIN = np.array([-10.0, 20.0, 30.0])
VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 20


def write_slices(folder, places, uid="1.2.3.4", values=VALUES):
    """Write slices (X, Y) of `values` at places (LPS), under names that say nothing of order."""
    folder.mkdir(exist_ok=True)
    before = locale.setlocale(locale.LC_ALL)  # ITK's writer of DICOM sets it to C
    for number, place in enumerate(places):
        image = sitk.GetImageFromArray(values[None, :, :, number].transpose(0, 2, 1))
        image.SetSpacing((*SPACING, 1.0))
        image.SetOrigin(place.tolist())
        tags = {
            "0008|0060": "MR",
            "0020|000e": uid,
            "0020|0032": "\\".join(f"{value:g}" for value in place),
            "0020|0037": "\\".join(f"{value:g}" for value in (*ROW, *COLUMN)),
            "0028|0030": f"{SPACING[1]}\\{SPACING[0]}",
        }
        image.SetDirection(np.stack([ROW, COLUMN, np.cross(ROW, COLUMN)]).T.ravel().tolist())
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{(number * 7) % 11:02}-{uid}.dcm"))
        writer.Execute(image)
    locale.setlocale(locale.LC_ALL, before)
    return folder


def places_of(step=STEP, count=6):
    return [ORIGIN + number * step for number in range(count)]


def find_world(index, step=STEP):
    """RAS millimetres of a voxel, by DICOM's definition."""
    lps = ORIGIN + index[0] * SPACING[0] * ROW + index[1] * SPACING[1] * COLUMN + index[2] * step
    return lps * [-1, -1, 1]


@pytest.mark.parametrize(
    "step", [STEP, -STEP, np.array([2.5, 0.4, 0.0])], ids=["along", "against", "tilted gantry"]
)
def test_voxels_lie_where_dicom_says(tmp_path, step):
    folder = write_slices(tmp_path / "series", places_of(step))
    (folder / "README").write_text("no slice")
    found = read_image(folder)
    assert found.data.shape == VALUES.shape
    to_index = np.linalg.inv(found.affine)
    for index in np.ndindex(VALUES.shape):
        there = np.rint(to_index[:3] @ [*find_world(index, step), 1]).astype(int)
        assert found.data[tuple(there)] == VALUES[index]
        assert np.allclose(found.affine[:3] @ [*there, 1], find_world(index, step), atol=1e-4)
    assert read_grid(folder).matches(found.grid)


def test_a_folder_is_a_series_by_its_files(tmp_path):
    assert holds_series(write_slices(tmp_path / "series", places_of()))
    assert require_image(tmp_path / "series") == tmp_path / "series"
    assert not holds_series(tmp_path)
    assert not holds_series(tmp_path / "absent")


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([*places_of(count=3), *[ORIGIN + n * STEP for n in (4, 5)]], "2.5 and 5 mm apart"),
        ([ORIGIN, ORIGIN, ORIGIN + STEP], "0 and 2.5 mm apart"),
        ([ORIGIN], "3-D"),
    ],
    ids=["a gap", "twice", "one slice"],
)
def test_slices_that_make_no_volume_are_refused(tmp_path, places, words):
    folder = write_slices(tmp_path / "series", places)
    with pytest.raises(QuicksilverError, match=words) as caught:
        read_image(folder)
    assert "\n" not in str(caught.value)


def test_two_series_and_damaged_files_are_refused(tmp_path):
    folder = write_slices(tmp_path / "two", places_of())
    write_slices(folder, places_of(), uid="1.2.3.5")
    with pytest.raises(QuicksilverError, match="2 series in one folder"):
        read_image(folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    with pytest.raises(QuicksilverError, match="series in one folder"):
        read_image(broken)
