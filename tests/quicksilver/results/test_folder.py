from __future__ import annotations

import json
import re
from dataclasses import fields

import nibabel as nib
import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.io.exports import MapFormat
from quicksilver.io.fields import read_field
from quicksilver.io.images import read_image
from quicksilver.io.results import load_registration
from quicksilver.lddmm.matching import FitSettings
from quicksilver.lddmm.metric import pad_metric
from quicksilver.registration.pair import Placement
from quicksilver.results import folder as results
from quicksilver.results import png
from quicksilver.results.folder import EXPORTED, MAPS, save_registration
from quicksilver.results.meanings import MEANINGS
from quicksilver.results.summary import list_facts, make_tables

FILES = {
    "warped.nii.gz",
    "affine.mat",
    "displacement.nii.gz",
    "inverse_displacement.nii.gz",
    "momentum.nii.gz",
    "jacobian.nii.gz",
    "result.json",
    "report.html",
    "report.png",
}


@pytest.fixture(scope="module")
def folder(registration, tmp_path_factory):
    place = tmp_path_factory.mktemp("results") / "deep" / "out"
    save_registration(registration, place, about={"moving": "a.nii.gz"})
    return place


def test_all_files_and_no_others(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_every_file_lies_on_its_grid(folder, brains, registration):
    moving, target = (image.grid for image in brains)
    working = registration.pair.grid
    grids = {
        "warped": target,
        "displacement": target,
        "jacobian": target,
        "inverse_displacement": moving,
        "momentum": working,
    }
    for name, grid in grids.items():
        file = nib.load(folder / f"{name}.nii.gz")
        assert file.shape[:3] == grid.shape, name
        assert np.allclose(file.affine, grid.affine, atol=1e-4), name
        values = {"displacement": (1, 3), "inverse_displacement": (1, 3), "momentum": (3,)}
        assert file.shape[3:] == values.get(name, ()), name


def test_the_warped_image_is_the_moving_one_resampled_once(folder, brains):
    result = load_registration(folder)
    warped = result.displacement.warp(brains[0])
    assert np.allclose(result.warped.data, warped.data, atol=0.05)
    assert np.abs(result.warped.data).max() > 50


def test_a_momentum_is_not_taken_for_a_displacement(folder):
    with pytest.raises(QuicksilverError, match="expected a displacement field"):
        read_field(folder / "momentum.nii.gz")


def test_the_momentum_shoots_the_saved_maps(folder, registration):
    stored = np.asarray(nib.load(folder / "momentum.nii.gz").dataobj)
    momentum = torch.from_numpy(np.ascontiguousarray(stored.transpose(3, 0, 1, 2)))[None]
    psi, _ = qs.shoot(momentum, pad_metric(qs.FluidMetric()), steps=4)
    torch.testing.assert_close(psi, registration.psi, rtol=1e-4, atol=1e-4)


def test_the_jacobian_is_that_of_the_displacement(folder):
    result = load_registration(folder)
    expected = qs.jacobian_determinant(result.displacement.in_voxels())[0, 0].numpy()
    saved = read_image(folder / "jacobian.nii.gz").data
    inside = result.warped.data > 0
    assert expected[inside].std() > 0.02
    # Differences over 1 mm of a field that is linear between voxels of 2 mm jump, their mean not.
    assert np.abs(saved - expected)[inside].mean() < 0.3 * expected[inside].std()
    assert np.corrcoef(saved[inside], expected[inside])[0, 1] > 0.95


def test_result_json(folder, registration):
    summary = json.loads((folder / "result.json").read_text())
    assert summary["moving"] == "a.nii.gz"
    stages = summary["seconds"]
    assert list(stages)[-3:] == ["judge", "write", "total"]
    parts = [value for name, value in stages.items() if name != "total"]
    assert np.isclose(stages["total"], sum(parts))
    assert min(parts) >= 0
    assert summary["energies"] == registration.energies.to_json()
    assert summary["quality"] == registration.quality.to_json()
    assert summary["versions"]["torch"] == torch.__version__
    assert summary["versions"]["quicksilver"]
    assert summary["versions"]["quicksilver_ext"]
    assert summary["settings"]["metric"]["alpha"] == 0.01
    assert load_registration(folder).summary == summary


def test_a_time_says_what_it_leaves_out(registration, folder):
    summary = json.loads((folder / "result.json").read_text())
    assert list_facts(summary)[-1].endswith(f"{summary['seconds']['total']:.1f} s")
    assert dict(make_tables(summary)["time"])["total"] == f"{summary['seconds']['total']:.2f} s"
    summary["seconds"].pop("write")
    assert list_facts(summary)[-1].endswith("s before writing")
    assert "total before writing" in dict(make_tables(summary)["time"])


def test_percents_are_said_as_long_as_they_mean_something(folder):
    summary = json.loads((folder / "result.json").read_text())
    for before, after, expected in (
        (2.0, 1.0, "squared difference -50 %"),
        (1e-12, 3.3, "squared difference 1e-12 before, 3.3 after"),
        (0.0, 3.3, "squared difference 0 before, 3.3 after"),
    ):
        summary["energies"] |= {"mismatch_before": before, "mismatch_after": after}
        assert expected in list_facts(summary)


def test_every_number_and_file_has_a_meaning(registration, folder):
    summary = json.loads((folder / "result.json").read_text())
    summary |= {"overlap": {"before": 0.5, "after": 0.7}}
    summary["quality"] |= {"deviation_mm": summary["quality"]["displacement_mm"], "coverage": 0.9}
    tables = make_tables(summary)
    names = {name for title in ("quality", "time", "settings") for name, _ in tables[title]}
    names |= set(FitSettings().to_json())
    names |= {field.name for field in fields(Placement)} - {"notes"}
    assert names - {"total"} <= set(MEANINGS)
    assert set(results.FILES) - {"report.html"} <= set(MEANINGS)
    page = (folder / "report.html").read_text(encoding="utf-8")
    linked = re.search(r'"files": (\[[^\]]*\])', page).group(1)
    written = {path.name for path in folder.iterdir()}
    assert set(json.loads(linked)) == written - {"report.html"}


def test_the_memory_of_writing_counts(registration, folder):
    summary = json.loads((folder / "result.json").read_text())
    assert summary["peak_memory_mb"] >= registration.memory_mb


def test_a_failure_leaves_no_file(registration, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(png, "draw", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        save_registration(registration, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_result(registration, tmp_path, monkeypatch):
    (tmp_path / "warped.nii.gz").write_text("older")
    monkeypatch.setattr(png, "draw", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(QuicksilverError, match="disk full"):
        save_registration(registration, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["warped.nii.gz"]
    assert (tmp_path / "warped.nii.gz").read_text() == "older"


def test_maps_for_another_program_lie_beside(registration, tmp_path):
    save_registration(registration, tmp_path / "out", out_format=MapFormat.FSL)
    names = [f"{name}_fsl.nii.gz" for name in MAPS]
    assert all(nib.load(tmp_path / "out" / name).header["intent_code"] == 2006 for name in names)
    assert set(names) <= set(EXPORTED)
    page = (tmp_path / "out/report.html").read_text()
    assert all(f'"{name}"' in page for name in names)
