"""The paper's experiments on phantoms: what is measured of a map, resumed, and written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import reproduce
from benchmarks.registration import paper
from benchmarks.registration.methods import Found, Method, Subject
from benchmarks.reporting import paper_tables
from benchmarks.reporting.published import OVERLAPS, PAIRS
from quicksilver.images.image import Grid
from quicksilver.io.fields import read_field
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_brain, write_nifti


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("aligned")
    for name, seed in (("a", 1), ("b", 2)):
        brain = make_brain(seed)
        labels = np.where(brain.data > 0, 1 + (brain.data > 100), 0).astype(np.uint8)
        write_nifti(place / f"{name}_t1.nii.gz", brain)
        write_nifti(place / f"{name}_lab.nii.gz", type(brain)(labels, brain.affine))
    return place


def shift(grid: Grid, x: float) -> WorldField:
    """A map that leads every point x mm to the right."""
    vectors = torch.zeros(1, 3, *grid.shape)
    vectors[:, 0] = x
    return WorldField(vectors, grid)


@pytest.fixture
def run(monkeypatch, folder, tmp_path):
    """Run the command with shifts of 2 and 5 mm as its methods; returns text, records, calls."""
    calls: list[str] = []

    def moving_by(name: str, x: float) -> Method:
        def register(moving: Subject, target: Subject) -> Found:
            calls.append(name)
            return Found(shift(target.image.grid, x), seconds=1.5)

        return Method(name, {}, "version 1", register)

    first = paper.name_prediction(paper.MODELS[0])
    known = {name: moving_by(name, x) for name, x in (("lddmm", 2), (first, 5))}
    known["syn"] = Method("ANTs SyN", {}, "", known["lddmm"].run, "pip install it")
    monkeypatch.setattr(reproduce, "experiments", lambda *words: known)

    def command(*words: object) -> tuple[str, list[dict], list[str]]:
        calls.clear()
        output = tmp_path / "paper.md"
        options = ("-o", output, "--fields", tmp_path / "fields", "--threads", 1)
        monkeypatch.setattr(sys, "argv", ["reproduce", *map(str, (folder, *words, *options))])
        reproduce.main()
        return output.read_text(), json.loads((tmp_path / "paper.json").read_text()), list(calls)

    return command


def test_maps_are_compared_with_the_fit_s(run, tmp_path):
    (tmp_path / "paper.md").write_text("# The paper\n\nWords.\n")
    text, records, _ = run("a:b")
    fit, predicted = records
    assert fit["difference_mm"] == [0] * 7
    np.testing.assert_allclose(predicted["difference_mm"], 3, atol=1e-4)
    assert predicted["smallest_determinant"] == pytest.approx(1)
    assert predicted["log_jacobian_sd"] == pytest.approx(0, abs=1e-5)
    overlaps = list(predicted["overlaps"].values())
    assert predicted["overlap"] == pytest.approx(np.mean(overlaps), abs=1e-4)
    lower, median, upper = np.percentile(overlaps, (25, 50, 75))
    assert f"| quicksilver-2017: prediction | {lower:.4f} | {median:.4f} | {upper:.4f} |" in text
    assert f"| {predicted['overlap']:.4f} | 0.6950 | 0.5154 | 0.5146 | 0.5531 |" in text
    assert "| quicksilver-2017: prediction |" + " 3.000 |" * 7 in text
    assert text.startswith("# The paper\n\nWords.\n")
    assert "Not measured. `--samples`" in text
    assert "<svg" in (tmp_path / "images" / paper_tables.FIGURE).read_text()


def test_what_is_known_is_not_computed_again(run, tmp_path):
    first, _, calls = run("a:b")
    assert len(calls) == 2
    assert run("a:b")[::2] == (first, [])
    assert len(run("a:b", "b:a")[2]) == 2
    (tmp_path / "fields" / "a-b.nii.gz").unlink()
    assert run("a:b")[2] == ["lddmm"], "the deformation is needed to compare with"
    assert read_field(tmp_path / "fields" / "a-b.nii.gz").vectors[:, 0].unique() == 2


def test_uncertainty_that_grows_with_the_error_has_rank_one(folder):
    target = Subject(folder, "b")
    grid = target.image.grid
    x = torch.arange(grid.shape[0]).float()[:, None, None].expand(grid.shape)
    error = torch.stack([0.01 * x, 0 * x, 0 * x])[None]
    found = Found(WorldField(error, grid), deviation=WorldField(error.square(), grid))
    measured = paper.compare(found, shift(grid, 0), target)
    assert measured["uncertainty_rank"] == pytest.approx(1)
    flipped = Found(found.displacement, deviation=WorldField(1 - error, grid))
    assert paper.compare(flipped, shift(grid, 0), target)["uncertainty_rank"] < -0.99


def test_the_experiments_are_those_of_the_paper_and_of_the_default_model():
    names = list(paper.experiments(threads=1, samples=2))
    assert names[0] == paper.REFERENCE
    assert {"quicksilver-2017: prediction, stride 7", "default-2mm: 3 corrections"} < {*names}
    assert not any("default-2mm" in name and "stride" in name for name in names)
    assert {*OVERLAPS} < {*names}
    assert all({*found} == {*PAIRS} for found in OVERLAPS.values())
    for found in OVERLAPS.values():
        assert all(data.lower < data.median < data.upper for data in found.values())
