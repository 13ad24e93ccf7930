"""Pictures, as SimpleITK reads and writes them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import pictures
from quicksilver.io.images import find_doubt, read_grid, read_image
from quicksilver.io.itk import find_grid
from tests.quicksilver.slices import make_slice, read_array, write_picture

PIXELS = make_slice(24)[:, :20]


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_lies_where_itk_has_it(suffix, kind, tmp_path):
    path = write_picture(tmp_path / f"slice{suffix}", 200.0 * (kind == "uint16") + PIXELS, kind)
    image = read_image(path, planar=True)
    assert image.grid.matches(find_grid(sitk.ReadImage(str(path))))
    assert read_grid(path, planar=True).matches(image.grid)
    assert np.array_equal(image.data[..., 0], read_array(path))
    assert read_image(path, labels=True, planar=True).data.dtype == kind
    assert find_doubt(path) is None


def test_the_resolution_of_a_tiff_is_its_spacing(tmp_path):
    image = sitk.GetImageFromArray(PIXELS.T.astype(np.uint8))
    image.SetSpacing((0.5, 0.25))
    sitk.WriteImage(image, str(tmp_path / "slice.tif"))
    grid = read_grid(tmp_path / "slice.tif", planar=True)
    assert np.allclose(grid.spacing[:2], [0.5, 0.25], rtol=1e-4)
    assert np.allclose(grid.affine[:2, :2], np.diag([-0.5, -0.25]), rtol=1e-4)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_read_as_their_luminance(channels, tmp_path):
    colours = np.stack([PIXELS, 0.5 * PIXELS, 255 - PIXELS, PIXELS][:channels], axis=-1)
    path = write_picture(tmp_path / "slice.png", np.floor(colours))
    expected = np.floor(colours)[..., :3] @ [0.299, 0.587, 0.114]
    assert np.allclose(read_image(path, planar=True).data[..., 0], expected, atol=1e-3)
    assert find_doubt(path) == pictures.COLOURED


def test_a_stack_of_pictures_is_no_picture(tmp_path):
    stack = np.repeat(PIXELS.T[None], 3, axis=0).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(stack), str(tmp_path / "film.tif"))
    coloured = sitk.GetImageFromArray(np.repeat(stack[..., None], 3, axis=-1), isVector=True)
    sitk.WriteImage(coloured, str(tmp_path / "video.tif"))
    for name in ("film.tif", "video.tif"):
        with pytest.raises(QuicksilverError, match="found 'a stack of 3 pictures'"):
            read_image(tmp_path / name, planar=True)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("part", [0, 0.05, 0.6, 0.95])
def test_a_damaged_picture_is_refused(suffix, part, tmp_path):
    whole = write_picture(tmp_path / f"slice{suffix}", PIXELS).read_bytes()
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(QuicksilverError, match=f"expected one picture of PNG or TIFF at {path}"):
        read_image(path, planar=True)


def test_a_row_of_pixels_is_no_slice(tmp_path):
    path = write_picture(tmp_path / "line.png", PIXELS[:, 9:10])
    with pytest.raises(QuicksilverError, match=r"found the shape \(24, 1\)"):
        read_image(path, planar=True)
    with pytest.raises(QuicksilverError, match=r"found the shape \(24, 1\)"):
        read_grid(path, planar=True)


def test_volumes_are_wanted_unless_slices_are_expected(tmp_path):
    path = write_picture(tmp_path / "slice.png", PIXELS)
    for read in (read_image, read_grid):
        with pytest.raises(QuicksilverError, match=r"expected a 3-D image in .* \(24, 20\)"):
            read(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_are_written_as_they_were(suffix, tmp_path):
    path = write_picture(tmp_path / f"slice{suffix}", 3 * PIXELS, "uint16")
    image = read_image(path, planar=True)
    again = tmp_path / f"again{suffix}"
    pictures.save(again, image.data, image.grid, np.dtype(np.uint16))
    assert np.array_equal(read_array(again), read_array(path))
    assert read_grid(again, planar=True).matches(image.grid)
    pictures.save(again, image.data - 5, image.grid, np.dtype(np.float32))
    assert np.array_equal(read_array(again), np.clip(3 * PIXELS - 5, 0, 255))


def test_a_picture_cannot_say_where_it_lies(tmp_path):
    data = np.ones((4, 5, 1), np.float32)
    turned = np.diag([1.0, -1, 1, 1])
    shifted = np.diag([-1.0, -1, 1, 1])
    shifted[0, 3] = 7
    coarse = np.diag([-2.0, -2, 2, 1])
    for affine in (turned, shifted, coarse):
        with pytest.raises(QuicksilverError, match=r"write \.nii\.gz"):
            pictures.save(tmp_path / "a.png", data, Grid((4, 5, 1), affine), np.dtype(np.uint8))
    assert not list(tmp_path.iterdir())
    pictures.save(tmp_path / "a.tif", data, Grid((4, 5, 1), coarse), np.dtype(np.uint8))
    assert read_grid(tmp_path / "a.tif", planar=True).matches(Grid((4, 5, 1), coarse))
