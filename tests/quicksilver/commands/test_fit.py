"""`quicksilver fit`: one pair or a list, its energies, options and state."""

from __future__ import annotations

import json
import os

import pytest

from tests.quicksilver.processes import OUTPUTS


def test_fit_writes_its_energies(brain_files, tmp_path, command):
    code, shown, _ = command(
        "fit", *brain_files, "-o", tmp_path, "--iterations", 2, 1, "--steps", 3, "--no-affine"
    )
    assert code == 0
    assert "fit" in shown
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    summary = json.loads((tmp_path / "result.json").read_text())
    coarse, fine = summary["energies"]["iterations"]
    assert len(coarse) == 3
    assert len(fine) == 2
    assert fine[-1] < fine[0]
    assert summary["energies"]["mismatch_after"] < summary["energies"]["mismatch_before"]


def test_the_metric_of_fit_is_written_and_checked(brain_files, tmp_path, command):
    words = ("fit", *brain_files, "--iterations", 1, 0, "--steps", 2, "--no-affine")
    assert command(*words, "-o", tmp_path, "--gamma", 0.005)[0] == 0
    summary = json.loads((tmp_path / "result.json").read_text())
    assert summary["settings"]["metric"]["gamma"] == 0.005
    assert command(*words, "-o", tmp_path / "other", "--gamma", 0)[0] == 2
    assert not (tmp_path / "other").exists()


def test_fit_takes_one_pair_or_a_list(brain_files, tmp_path, command):
    assert command("fit", "-o", tmp_path)[0] == 2
    assert command("fit", *brain_files, "-o", tmp_path, "--pairs", "list.csv")[0] == 2
    assert command("fit", *brain_files, "-o", tmp_path, "--window", 4)[0] == 2


@pytest.mark.parametrize(
    ("words", "loss", "method", "iterations"),
    [
        (
            ("--loss", "lncc", "--sigma", 2, "--window", 3),
            "LNCC(window=3, sigma=2.0)",
            None,
            [1, 2],
        ),
        (("--method", "quicksilver", "--sigma", 0.3), "SSD(sigma=0.3)", "FixedStep", [50]),
    ],
)
def test_the_options_of_fit(
    brain_files, tmp_path, command, monkeypatch, words, loss, method, iterations
):
    from quicksilver.cohort import fit

    made = {}

    def keep(pairs, folder, metric, settings, **options):
        made.update(settings.to_json(), metric=metric, **options)
        return []

    monkeypatch.setattr(fit, "fit_list", keep)
    moving, target = brain_files
    (tmp_path / "pairs.csv").write_text(f"moving,target\n{moving},{target}\n")
    listed = ("fit", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path, "--batch", 3)
    weights = ("--alpha", 0.02, "--beta", 0, "--gamma", 0.005, "--equalise")
    code, shown, _ = command(*listed, "--steps", 7, "--iterations", 1, 2, *weights, *words)
    assert code == 0
    assert "0 fits written" in shown
    assert made["loss"] == loss
    assert made["descent"] == (method or "Descent")
    assert list(made["iterations"]) == iterations
    assert made["steps"] == 7
    metric = made["metric"]
    assert (metric.alpha, metric.beta, metric.gamma) == (0.02, 0, 0.005)
    assert made["intensity"] == "equalised"
    assert made["batch"] == 3


def test_fit_with_a_state_keeps_it_up(brain_files, tmp_path, command, monkeypatch):
    from quicksilver.lddmm import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    words = ("fit", *brain_files, "--iterations", 2, 1, "--steps", 3, "--no-affine")
    words += ("--state", tmp_path / "state")
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        assert command(*words, "-o", out)[0] == 0
    energies = [
        json.loads((out / "result.json").read_text())["energies"] for out in (first, second)
    ]
    assert (tmp_path / "state").stat().st_size > 1000
    assert energies[0] == energies[1]


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_a_state_that_is_no_file_is_refused(kind, brain_files, tmp_path, command):
    (os.mkfifo if kind == "a pipe" else os.mkdir)(tmp_path / "state")
    words = ("fit", *brain_files, "-o", tmp_path / "out", "--no-affine", "--iterations", 1, 1)
    code, _, error = command(*words, "--state", tmp_path / "state")
    assert code == 2
    assert f"found {kind}" in error
    assert not (tmp_path / "out").exists()


def test_a_state_takes_the_place_of_no_other_file(brain_files, tmp_path, command):
    precious = brain_files[0].read_bytes()
    (tmp_path / "mine.nii.gz").write_bytes(precious)
    words = ("fit", *brain_files, "-o", tmp_path / "out", "--no-affine", "--iterations", 1, 1)
    code, _, error = command(*words, "--state", tmp_path / "mine.nii.gz")
    assert code == 2
    assert "expected the state of a fit" in error
    assert (tmp_path / "mine.nii.gz").read_bytes() == precious
    assert not (tmp_path / "out").exists()
