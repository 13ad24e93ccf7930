"""Lists of pairs: complete or absent files, shared among processes, stopped at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver.cohort import fit
from quicksilver.cohort.pairs import PairPaths, read_list
from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import normalise
from quicksilver.io.images import read_image, write_image
from quicksilver.lddmm import checkpoint, fits, matching
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.losses import SSD
from quicksilver.transforms.folds import count_folds

METRIC = qs.FluidMetric(pad=8)
SETTINGS = matching.FitSettings(SSD(), steps=3, levels=(1,), iterations=(3,))


def write_ball(path, shift, shape=(16, 15, 17)):
    lines = [np.linspace(-1.5, 1.5, n) for n in shape]
    x, y, z = np.meshgrid(*lines, indexing="ij")
    ball = 100 / (1 + np.exp(9 * ((x - shift) ** 2 + y**2 + z**2 - 1)))
    write_image(path, (ball * (ball > 1)).astype(np.float32), np.eye(4))


@pytest.fixture
def listing(tmp_path):
    """Three images on one grid, and the list of the two ways between the first two and one more."""
    for name, shift in (("a", 0.0), ("b", 0.2), ("c", -0.2)):
        write_ball(tmp_path / f"{name}.nii.gz", shift)
    path = tmp_path / "pairs.csv"
    path.write_text("moving,target\na.nii.gz,b.nii.gz\nb.nii.gz,a.nii.gz\na.nii.gz,c.nii.gz\n")
    return path


@pytest.fixture
def pairs(listing):
    return read_list(listing)


def test_a_list_is_fitted_on_the_intensities_that_are_asked_for(pairs, tmp_path):
    (file,) = fit.fit_list(pairs[:1], tmp_path / "fits", METRIC, SETTINGS, intensity="equalised")
    pair = fits.load_pair(file)
    image = torch.from_numpy(read_image(pairs[0].moving).data)[None, None]
    assert torch.equal(pair.moving, normalise(image, "equalised").half())
    assert pair.about["intensity"] == "equalised"


def test_every_pair_of_a_list_gets_a_file_that_shoots_it_nearer(pairs, tmp_path):
    files = fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS)
    assert [f.name for f in files] == ["a-b.h5", "b-a.h5", "a-c.h5"]
    pair = fits.load_pair(files[0])
    psi, _ = qs.shoot(pair.momentum.float(), METRIC, steps=3)
    moved = qs.warp(pair.moving.float(), psi)
    assert (moved - pair.target).norm() < 0.8 * (pair.moving.float() - pair.target).norm()
    about = pair.about
    assert about["id"] == "a-b"
    assert about["target"].endswith("b.nii.gz")
    assert about["settings"]["loss"] == "SSD(sigma=0.2)"
    assert about["metric"]["pad"] == 8
    assert about["energies"][0][-1] < about["energies"][0][0]
    assert about["folded_voxels"] == 0
    assert "torch" in about["versions"]
    assert sorted(p.name for p in (tmp_path / "fits").iterdir()) == sorted(f.name for f in files)


def test_batches_change_nothing(pairs, tmp_path):
    write_ball(tmp_path / "d.nii.gz", 0.1, (14, 15, 17))
    write_ball(tmp_path / "e.nii.gz", -0.1, (14, 15, 17))
    other = PairPaths("d-e", tmp_path / "d.nii.gz", tmp_path / "e.nii.gz")
    pairs = [*pairs[:2], other, pairs[2]]
    one, three = (
        fit.fit_list(pairs, tmp_path / f"fits{n}", METRIC, SETTINGS, batch=n) for n in (1, 3)
    )
    assert [f.name for f in one] == [f.name for f in three]
    assert len(one) == 4
    for alone, together in zip(map(fits.load_pair, one), map(fits.load_pair, three), strict=True):
        torch.testing.assert_close(alone.momentum, together.momentum, rtol=2e-3, atol=1e-5)
        assert torch.equal(alone.moving, together.moving)


def test_pairs_of_one_grid_are_fitted_together(pairs, tmp_path, monkeypatch):
    sizes = []
    real = matching.fit

    def watched(images, *rest, **options):
        sizes.append(len(images.moving))
        return real(images, *rest, **options)

    monkeypatch.setattr(matching, "fit", watched)
    fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS, batch=2)
    assert sizes == [2, 1]


def test_complete_files_are_kept_and_missing_ones_made(pairs, tmp_path):
    folder = tmp_path / "fits"
    fit.fit_list(pairs, folder, METRIC, SETTINGS)
    (folder / "b-a.h5").unlink()
    before = (folder / "a-b.h5").stat().st_mtime_ns
    told = []
    assert fit.fit_list(pairs, folder, METRIC, SETTINGS, tell=told.append) == [folder / "b-a.h5"]
    assert (folder / "a-b.h5").stat().st_mtime_ns == before
    assert told[0].startswith("0 of 1 pairs, b-a: level 0, iteration 1, energy ")
    assert 0 < told[0].part < told[-1].part <= 1


def test_masks_are_honoured(pairs, tmp_path):
    mask = np.zeros((16, 15, 17), np.uint8)
    mask[8:] = 3
    write_image(tmp_path / "mask.nii.gz", mask, np.eye(4))
    a, b = pairs[0].moving, pairs[0].target
    masked = PairPaths("masked", a, b, target_mask=tmp_path / "mask.nii.gz")
    together = fit.fit_list([masked, pairs[0]], tmp_path / "fits", METRIC, SETTINGS, batch=2)
    first, second = map(fits.load_pair, together)
    tensors = [fit._tensor(fit.read_image(path), False) for path in (a, b)]
    ours = Images(*tensors, target_mask=torch.from_numpy(mask > 0)[None, None].float())
    expected = matching.fit(ours, METRIC, SETTINGS).momentum
    torch.testing.assert_close(first.momentum.float(), expected, rtol=2e-3, atol=1e-5)
    assert second.about["energies"][0][0] > 1.2 * first.about["energies"][0][0]


def test_a_file_has_no_folds(pairs, tmp_path):
    wild = matching.FitSettings(SSD(0.002), steps=3, iterations=(8, 8), folding=0.0)
    generator = np.random.default_rng(0)
    for path in (pairs[0].moving, pairs[0].target):
        noise = generator.uniform(0, 100, (16, 15, 17)).astype(np.float32)
        write_image(path, noise, np.eye(4))
    (file,) = fit.fit_list(pairs[:1], tmp_path / "fits", METRIC, wild)
    pair = fits.load_pair(file)
    assert pair.about["damping_rounds"] > 0
    assert count_folds(qs.shoot(pair.momentum.float(), METRIC, steps=3)[0]).voxels == 0


def test_a_fit_that_is_stopped_goes_on(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    told = []

    def stop(detail):
        if "b-a" in detail and "iteration 3" in detail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS, tell=stop)
    assert {p.name for p in (tmp_path / "fits").iterdir()} == {"a-b.h5", ".b-a.state"}
    fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS, tell=told.append)
    assert "b-a: level 0, iteration 3" in told[0]
    assert len(fits.pair_files(tmp_path / "fits")) == len(list((tmp_path / "fits").iterdir())) == 3


def test_processes_of_torchrun_share_the_list(pairs, tmp_path, monkeypatch):
    parts = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        parts.append(fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS))
    assert [[f.stem for f in part] for part in parts] == [["a-b", "a-c"], ["b-a"]]


def test_images_on_two_grids_are_refused(pairs, tmp_path):
    write_image(tmp_path / "b.nii.gz", np.ones((16, 15, 17), np.float32), np.diag([2.0, 1, 1, 1]))
    with pytest.raises(QuicksilverError, match=r"a\.nii\.gz and .*b\.nii\.gz on one grid"):
        fit.fit_list(pairs, tmp_path / "fits", METRIC, SETTINGS)


def test_killed_at_any_moment_the_command_loses_no_fit_and_leaves_no_half(listing, tmp_path):
    """A real `kill -9`, again and again, until the command gets to its end."""
    out = tmp_path / "fits"
    words = ["fit", "--pairs", listing, "-o", out, "--iterations", 4, 8, "--steps", 8]
    options = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "quicksilver", *map(str, words)]
    kept: dict[str, int] = {}
    killed = 0
    for wanted in (1, 2, 3):
        process = subprocess.Popen(command, **options)
        while process.poll() is None and len(list(out.glob("[!.]*.h5"))) < wanted:
            time.sleep(0.002)
        if wanted < 3 and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait(timeout=300)
        complete = {file.name: file.stat().st_mtime_ns for file in fits.pair_files(out)}
        assert kept.items() <= complete.items(), "a complete fit was made again"
        for file in fits.pair_files(out):
            assert fits.load_pair(file).momentum.any()
        kept = complete
    assert killed > 0
    assert process.returncode == 0
    assert len(kept) == 3
