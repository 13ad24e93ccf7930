"""Files of fitted pairs, and lists of pairs."""

from __future__ import annotations

import subprocess
import sys

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


DECLARED = {
    "another momentum": {"momentum": ((1, 3, 9, 8, 6), "f2")},
    "2-D": {
        name: ((1, n, 9, 8), "f2") for name, n in (("moving", 1), ("target", 1), ("momentum", 3))
    },
    "integers": {"target": ((1, 1, 9, 8, 7), "i2")},
    "50 GB": {
        name: ((1, n, 2000, 2000, 1300), "f2")
        for name, n in (("moving", 1), ("target", 1), ("momentum", 3))
    },
}


@pytest.mark.parametrize("how", DECLARED)
def test_a_fit_of_other_shapes_is_refused_before_it_is_read(how, pair, tmp_path):
    fits.save_pair(pair, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        for name, (shape, kind) in DECLARED[how].items():
            del file[name]
            file.create_dataset(name, shape, kind, chunks=(*shape[:2], *(1 for _ in shape[2:])))
    with pytest.raises(QuicksilverError, match=r"found"):
        fits.load_pair(tmp_path / "x.h5")


def test_a_fit_with_nan_is_refused(pair, tmp_path):
    pair.momentum[0, 1, 2, 3, 4] = float("nan")
    fits.save_pair(pair, tmp_path / "x.h5")
    with pytest.raises(QuicksilverError, match="found 'NaN or infinity'"):
        fits.load_pair(tmp_path / "x.h5")


FULL = """
import resource, signal, sys, torch
from quicksilver.errors import QuicksilverError
from quicksilver.io.tensors import write_state, write_tensors
from quicksilver.lddmm.fits import FittedPair, save_pair
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
image = torch.rand(1, 1, 30, 30, 30)
writers = {
    "fit": lambda path: save_pair(FittedPair(image, image, torch.rand(1, 3, 30, 30, 30)), path),
    "tensors": lambda path: write_tensors(path, {"a": image}),
    "state": lambda path: write_state(path, {"a": image}),
}
try:
    writers[sys.argv[1]](sys.argv[2])
except QuicksilverError as error:
    print(error)
"""


@pytest.mark.parametrize("writer", ["fit", "tensors", "state"])
def test_a_full_disk_is_a_sentence_and_the_old_file_stays(writer, tmp_path):
    (tmp_path / "x").write_text("the last good one")
    words = [sys.executable, "-c", FULL, writer, tmp_path / "x"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "expected to be able to write" in done.stdout, done.stderr
    assert (tmp_path / "x").read_text() == "the last good one"
    assert len(list(tmp_path.iterdir())) == 1
