from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from quicksilver import demo
from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import normalise
from quicksilver.networks.shipped import default_model
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_affine, make_brain


@pytest.fixture(scope="module")
def brain():
    return make_brain(
        5, (44, 48, 40), make_affine((0, 0, 0), (2, 2, 2), (-1, 1, 1), (44, -48, -40))
    )


@pytest.fixture(scope="module")
def puzzle(brain):
    return demo.make_puzzle(brain, seed=3)


def test_the_truth_carries_the_moving_image_to_the_target(puzzle):
    solved = normalise(torch.from_numpy(puzzle.truth.warp(puzzle.moving).data))
    before = normalise(
        torch.from_numpy(
            WorldField(0 * puzzle.truth.vectors, puzzle.truth.grid).warp(puzzle.moving).data
        )
    )
    target = torch.from_numpy(puzzle.target.data)
    inside = target > 0.05
    alike = [np.corrcoef(image[inside], target[inside])[0, 1] for image in (before, solved)]
    assert alike[1] > 0.97 > alike[0] + 0.01


def test_contrast_and_noise_differ(puzzle):
    solved = normalise(torch.from_numpy(puzzle.truth.warp(puzzle.moving).data))
    assert (solved - torch.from_numpy(puzzle.target.data)).abs().mean() > 1e-3


def test_the_seed_decides(brain, puzzle):
    again, other = demo.make_puzzle(brain, seed=3), demo.make_puzzle(brain, seed=4)
    assert np.array_equal(again.target.data, puzzle.target.data)
    assert not np.array_equal(other.target.data, puzzle.target.data)


def test_errors_are_distances_to_the_truth(puzzle):
    still = demo.measure_errors(puzzle, WorldField(0 * puzzle.truth.vectors, puzzle.truth.grid))
    assert still["before"] == still["after"]
    assert still["before"].mean > 0.2
    assert demo.measure_errors(puzzle, puzzle.truth)["after"].max == 0


def test_the_demo_of_the_command_line(brain, tmp_path, model_file, command, monkeypatch):
    monkeypatch.setattr(demo, "make_brain", lambda: brain)
    code, shown, _ = command("demo", "-o", tmp_path, "--model", model_file)
    assert code == 0
    assert "report.html" in shown
    assert {"moving.nii.gz", "target.nii.gz", "report.html"} <= {p.name for p in tmp_path.iterdir()}
    error = json.loads((tmp_path / "result.json").read_text())["error_mm"]
    before, after = (error[when]["mean"] for when in ("before", "after"))
    assert f"{before:.2f} mm before, {after:.2f} mm after" in shown


@pytest.mark.slow
def test_the_shipped_model_solves_the_demo(tmp_path):
    try:
        model = default_model()
    except QuicksilverError:
        pytest.skip("no model ships with this build")
    error = demo.run_demo(model, tmp_path)["error_mm"]
    assert error["after"]["mean"] < 0.8 * error["before"]["mean"]


def test_the_brain_of_the_demo_is_one_at_2_mm():
    image = demo.make_brain()
    assert np.allclose(image.grid.spacing, 2)
    litres = (image.data > 0).sum() * 8e-6
    assert 1.2 < litres < 2.2, "the volume of an adult brain"
