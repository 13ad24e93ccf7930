"""Files of fitted pairs, and lists of pairs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.lddmm import fits


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
        assert file["momentum"].shape == (1, 3, 9, 8, 7)
        assert file["momentum"].dtype == np.float16
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
