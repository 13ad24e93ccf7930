"""Files of fitted pairs, and lists of pairs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.lddmm import fits
from quicksilver.lddmm.fits import PairPaths


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 1, 9, 8, 7, generator=generator) for _ in range(2)]
    momentum = 0.01 * torch.randn(1, 3, 9, 8, 7, generator=generator)
    return fits.FittedPair(*images, momentum, {"id": "12", "energies": [[2.0, 1.5], [0.5]]})


def test_a_pair_survives_its_file_to_half_precision(pair, tmp_path):
    fits.save_pair(pair, tmp_path / "pair.h5")
    loaded = fits.load_pair(tmp_path / "pair.h5")
    for name in fits.UNITS:
        assert torch.equal(getattr(loaded, name), getattr(pair, name).half())
    assert loaded.about == pair.about


def test_a_file_says_what_is_in_it(pair, tmp_path):
    fits.save_pair(pair, tmp_path / "pair.h5")
    with h5py.File(tmp_path / "pair.h5") as file:
        assert {name: file[name].attrs["unit"] for name in file} == fits.UNITS
        assert file["momentum"].shape == (1, 3, 9, 8, 7) and file["momentum"].dtype == np.float16
        assert file.attrs["energies"] == "[[2.0, 1.5], [0.5]]"


def damaged(how, pair, path):
    fits.save_pair(pair, path)
    content = bytearray(path.read_bytes())
    if how == "cut off":
        content = content[: len(content) // 2]
    elif how == "a flipped bit":
        with h5py.File(path) as file:
            content[file["momentum"].id.get_chunk_info(0).byte_offset + 100] ^= 4
    elif how == "foreign":
        content = bytearray(b"nothing of the kind")
    path.write_bytes(content)
    if how == "HDF5 of others":
        with h5py.File(path, "w") as file:
            file["momentum"] = np.zeros(3)


@pytest.mark.parametrize("how", ["cut off", "a flipped bit", "foreign", "HDF5 of others"])
def test_a_file_that_is_no_pair_is_refused(how, pair, tmp_path):
    damaged(how, pair, tmp_path / "x.h5")
    with pytest.raises(QuicksilverError, match=r"expected .*x\.h5 to hold a fitted pair, found"):
        fits.load_pair(tmp_path / "x.h5")


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(QuicksilverError, match=r"absent\.h5"):
        fits.load_pair(tmp_path / "absent.h5")
    with pytest.raises(QuicksilverError, match="found none"):
        fits.pair_files(tmp_path)


def test_a_pair_that_cannot_be_written_is_refused(pair, tmp_path):
    with pytest.raises(QuicksilverError, match="to be able to write"):
        fits.save_pair(pair, tmp_path / "absent" / "pair.h5")


def test_files_under_way_are_no_fits(pair, tmp_path):
    for name in ("b.h5", "a.h5", ".1234-c.h5"):
        fits.save_pair(pair, tmp_path / name)
    assert [file.name for file in fits.pair_files(tmp_path)] == ["a.h5", "b.h5"]


def listed(folder, text):
    for name in ("a.nii.gz", "b.nii.gz", "m.nii"):
        (folder / name).touch()
    (folder / "pairs.csv").write_text(text)
    return fits.read_list(folder / "pairs.csv")


def test_a_list_of_two_columns(tmp_path):
    pairs = listed(tmp_path, "moving,target\na.nii.gz,b.nii.gz\nb.nii.gz,m.nii\n")
    a, b, m = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "m.nii"))
    assert pairs == [PairPaths("a-b", a, b), PairPaths("b-m", b, m)]


def test_a_list_of_all_columns_as_a_spreadsheet_writes_it(tmp_path):
    text = (
        "\ufeffid,target,moving,target_mask,moving_mask,moving_labels,target_labels\r\n"
        "p1,a.nii.gz,b.nii.gz,,m.nii,a.nii.gz,b.nii.gz\r\n"
    )
    a, b, m = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "m.nii"))
    assert listed(tmp_path, text) == [PairPaths("p1", b, a, a, b, moving_mask=m)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed,moving\na,b\n", "columns moving and target.*found fixed, moving"),
        ("moving,target,moving_masks\n", "no others than .*moving_mask,.* found moving, target"),
        ("", "found none"),
        ("moving,target\na.nii.gz,b.nii.gz\na.nii.gz,c.nii.gz\n", "row 3, column target .*'c.nii"),
        ("moving,target\na.nii.gz,\n", "row 2, column target"),
        ("moving,target\na.nii.gz\n", "row 2, column target"),
        ("moving,target\na.nii.gz,b.nii.gz,m.nii\n", "2 entries in row 2"),
        ("moving,target,moving_mask\na.nii.gz,b.nii.gz,no.nii\n", "row 2, column moving_mask"),
        ("moving,target\n" + 2 * "a.nii.gz,b.nii.gz\n", "row 3, column id .*'a-b' is not"),
        ("id,moving,target\n../x,a.nii.gz,b.nii.gz\n", r"row 2, column id .*'\.\./x'"),
        ("moving,target\na.nii.gz,b.nii.gz\x00\n", "pairs.csv"),
    ],
)
def test_lists_with_mistakes_are_refused(tmp_path, text, message):
    with pytest.raises(QuicksilverError, match=message):
        listed(tmp_path, text)


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(
        QuicksilverError, match=r"expected .*list of pairs at .*absent\.csv, found no such file"
    ):
        fits.read_list(tmp_path / "absent.csv")
