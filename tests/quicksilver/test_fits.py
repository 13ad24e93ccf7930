"""Files of fitted pairs: complete or absent, shared among processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver import fits
from quicksilver.errors import QuicksilverError
from quicksilver.images import write_image

METRIC = qs.FluidMetric(pad=8)
OPTIONS = {"steps": 3, "levels": (1,), "iterations": (2,)}


@pytest.fixture
def images(tmp_path):
    """Three images on one grid, and the list of the two ways between the first two and one more."""
    lines = [np.linspace(-1.5, 1.5, n) for n in (16, 15, 17)]
    x, y, z = np.meshgrid(*lines, indexing="ij")
    for name, shift in (("a", 0.0), ("b", 0.2), ("c", -0.2)):
        ball = 100 / (1 + np.exp(9 * ((x - shift) ** 2 + y**2 + z**2 - 1)))
        write_image(tmp_path / f"{name}.nii.gz", (ball * (ball > 1)).astype(np.float32), np.eye(4))
    listing = tmp_path / "pairs.csv"
    listing.write_text("moving,target\na.nii.gz,b.nii.gz\nb.nii.gz,a.nii.gz\na.nii.gz,c.nii.gz\n")
    return fits.read_list(listing)


def test_a_pair_survives_its_file_to_half_precision(tmp_path):
    generator = torch.Generator().manual_seed(0)
    pair = fits.FittedPair(
        torch.rand(1, 1, 4, 5, 6, generator=generator),
        torch.rand(1, 1, 4, 5, 6, generator=generator),
        0.01 * torch.randn(1, 3, 4, 5, 6, generator=generator),
        {"moving": "a"},
    )
    fits.save_pair(pair, tmp_path / "pair.safetensors")
    loaded = fits.load_pair(tmp_path / "pair.safetensors")
    for name in fits.FIELDS:
        torch.testing.assert_close(
            getattr(loaded, name).float(), getattr(pair, name), rtol=5e-4, atol=1e-7
        )
    assert loaded.about == {"moving": "a"}


def test_every_pair_of_a_list_gets_a_file_that_shoots_it_nearer(images, tmp_path):
    files = fits.fit_list(images, tmp_path / "fits", METRIC, **OPTIONS)
    assert [f.name for f in files] == ["a-b.safetensors", "b-a.safetensors", "a-c.safetensors"]
    pair = fits.load_pair(files[0])
    psi, _ = qs.shoot(pair.momentum.float(), METRIC, steps=3)
    moved = qs.warp(pair.moving.float(), psi)
    assert (moved - pair.target).norm() < 0.8 * (pair.moving.float() - pair.target).norm()
    assert pair.about["target"] == "b.nii.gz"
    assert pair.about["options"]["steps"] == 3
    assert pair.about["energies"][0][-1] < pair.about["energies"][0][0]


def test_complete_files_are_kept_and_missing_ones_made(images, tmp_path):
    reported = []
    options = OPTIONS | {"report": lambda file, energies: reported.append(file.name)}
    fits.fit_list(images, tmp_path / "fits", METRIC, **options)
    (tmp_path / "fits" / "b-a.safetensors").unlink()
    before = (tmp_path / "fits" / "a-b.safetensors").stat().st_mtime_ns
    reported.clear()
    fits.fit_list(images, tmp_path / "fits", METRIC, **options)
    assert reported == ["b-a.safetensors"]
    assert (tmp_path / "fits" / "a-b.safetensors").stat().st_mtime_ns == before


def test_a_fit_that_is_stopped_leaves_no_file(images, tmp_path):
    def stop(*news):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fits.fit_list(images, tmp_path / "fits", METRIC, progress=stop, **OPTIONS)
    assert list((tmp_path / "fits").iterdir()) == []


def test_parts_share_the_list_without_overlap(images, tmp_path):
    parts = [
        fits.fit_list(images, tmp_path / "fits", METRIC, part=(k, 2), **OPTIONS) for k in (0, 1)
    ]
    assert [len(part) for part in parts] == [2, 1]
    assert set(parts[0]) | set(parts[1]) == set(fits.pair_files(tmp_path / "fits"))


def test_images_on_two_grids_are_refused(images, tmp_path):
    write_image(tmp_path / "b.nii.gz", np.ones((16, 15, 17), np.float32), np.diag([2.0, 1, 1, 1]))
    with pytest.raises(QuicksilverError, match="one grid"):
        fits.fit_list(images, tmp_path / "fits", METRIC, **OPTIONS)


@pytest.mark.parametrize("content", [None, "fixed,moving\na,b\n"])
def test_a_list_without_its_columns_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(QuicksilverError, match="columns moving and target"):
        fits.read_list(tmp_path / "pairs.csv")


def test_a_folder_without_fits_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(QuicksilverError, match="found none"):
        fits.pair_files(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(QuicksilverError, match=r"x\.safetensors"):
        fits.load_pair(tmp_path / "x.safetensors")
