"""NRRD and MetaImage, as ITK and pynrrd write them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.io.images import find_doubt, read_grid, read_image

TURN = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
AFFINE = np.eye(4)
AFFINE[:3] = np.column_stack([TURN * [1, 2, 3], [5, -6, 7]])  # RAS
VALUES = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


def write_itk(path, values=VALUES, compress=False):
    """Write an image by ITK, whose points are LPS."""
    image = sitk.GetImageFromArray(values.T, isVector=values.ndim > 3)
    lps = np.diag([-1, -1, 1])
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetDirection((lps @ TURN).ravel().tolist())
    image.SetOrigin((lps @ AFFINE[:3, 3]).tolist())
    sitk.WriteImage(image, str(path), useCompression=compress)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_a_voxel_lies_where_itk_put_it(tmp_path, suffix, compress):
    path = write_itk(tmp_path / f"image{suffix}", compress=compress)
    found = read_image(path)
    assert np.array_equal(found.data, VALUES)
    assert np.allclose(found.affine, AFFINE)
    assert read_grid(path).matches(found.grid)
    assert find_doubt(path) is None
    assert read_image(path, labels=True).data.dtype == np.int32


def test_nrrd_in_ras_and_without_a_space(tmp_path):
    lines = ["NRRD0004", "type: uint8", "dimension: 3", "sizes: 2 3 4", "encoding: raw"]
    directions = "space directions: (1,0,0) (0,2,0) (0,0,3)"
    ras = ["space: right-anterior-superior", directions, "space origin: (5,6,7)"]
    for name, more in (("ras", ras), ("none", ["spacings: 1 2 3"])):
        head = "\n".join([*lines, *more]) + "\n\n"
        (tmp_path / f"{name}.nrrd").write_bytes(head.encode() + bytes(range(24)))
    found = read_image(tmp_path / "ras.nrrd")
    assert np.array_equal(found.data, np.arange(24).reshape(4, 3, 2).T)
    assert np.allclose(found.affine[:3], np.column_stack([np.diag([1, 2, 3]), [5, 6, 7]]))
    assert find_doubt(tmp_path / "ras.nrrd") is None
    assert "which space" in find_doubt(tmp_path / "none.nrrd")
    assert np.allclose(read_image(tmp_path / "none.nrrd").affine, np.diag([-1, -2, 3, 1]))


def test_names_that_are_not_utf8(tmp_path):
    strange = tmp_path / "bild\udce4.nrrd"
    write_itk(tmp_path / "image.nrrd").rename(strange)
    assert np.array_equal(read_image(strange).data, VALUES)


def replaced(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"sizes: 3 4 5", b"sizes: 3000 4000 5000", "bytes of voxels over a file"),
        (b"sizes: 3 4 5", b"sizes: 3 4 6", "NRRD"),
        (b"encoding: raw", b"encoding: raw\ndata file: ../secret.raw", "no one file beside it"),
        (b"encoding: raw", b"encoding: raw\ndatafile: /etc/passwd", "no one file beside it"),
        (b"encoding: raw", b"encoding: raw\ndata file: LIST", "no one file beside it"),
        (b"encoding: raw", b"encoding: raw\ndata file: absent.raw", "no such file"),
        (b"NRRD", b"NERD", "NRRD"),
    ],
)
def test_what_a_header_must_not_say(tmp_path, old, new, words, capfd):
    path = replaced(write_itk(tmp_path / "image.nrrd"), old, new)
    with pytest.raises(QuicksilverError, match=words) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert not capfd.readouterr().err


def test_colours_and_missing_files_are_refused(tmp_path):
    path = write_itk(tmp_path / "colour.nrrd", np.zeros((3, 3, 4, 5), np.uint8))
    with pytest.raises(QuicksilverError, match="3 numbers per voxel"):
        read_image(path)
    with pytest.raises(QuicksilverError, match="no such file"):
        read_image(tmp_path / "absent.nrrd")


def test_long_comments_and_values_are_no_harm(tmp_path):
    path = write_itk(tmp_path / "image.nrrd")
    more = [b"# " + b"x" * 5000, b"Segment0_Tags:=a: " + b"x" * 5000, b"content: " + b"x" * 5000]
    replaced(path, b"encoding: raw", b"\n".join([*more, b"encoding: raw"]))
    assert np.array_equal(read_image(path).data, VALUES)
