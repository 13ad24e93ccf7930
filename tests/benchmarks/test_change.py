"""Small changes of volume that are known: how they are made, found and counted."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from benchmarks import change
from benchmarks.registration import methods
from benchmarks.registration.atrophy import measure_volume_changes, simulate_atrophy
from benchmarks.reporting import change_table
from quicksilver.images.image import Image
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_brain, write_nifti

ASKED = {(47,): -0.04, (48,): -0.015, (51,): 0.05}
SHAPE = (44, 40, 36)


def labelled() -> np.ndarray:
    """A brain of white matter (81) with a cortex (100, 101), two hippocampi and two ventricles."""
    x, y, z = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2

    def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
        return sum((a - c) ** 2 for a, c in zip((x, y, z), centre, strict=True)) < radius**2

    labels = np.where(ball((0, 0, 0), 15), np.where(x < 0, 100, 101), 0)
    labels[ball((0, 0, 0), 12)] = 81
    for code, centre in {47: (-6, -4, 0), 48: (6, -4, 0), 51: (-5, 5, 1), 52: (5, 5, 1)}.items():
        labels[ball(centre, 3.5)] = code
    return labels.astype(np.uint8)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return labelled()


@pytest.fixture(scope="module")
def made(labels):
    return simulate_atrophy(labels, ASKED)


def test_structures_change_by_what_was_asked(made, labels):
    determinant = qs.jacobian_determinant(made.forth)[0, 0]
    structures = {str(codes[0]): codes for codes in ASKED} | {"rest": (81,)}
    found = measure_volume_changes(determinant, labels, structures)
    for codes, wanted in ASKED.items():
        assert np.isclose(found[str(codes[0])], wanted, atol=0.001)
    assert abs(found["rest"]) < 0.01


def test_the_change_is_smooth_and_can_be_undone(made):
    determinant = qs.jacobian_determinant(made.forth)
    assert determinant.min() > 0.85
    assert determinant.max() < 1.15
    assert qs.compose(made.forth, made.back).abs().max() < 0.02


def test_labels_that_are_carried_along_have_the_new_volumes(made, labels):
    """What the determinants say is what voxels say, as near as these can."""
    for codes, wanted in ASKED.items():
        inside = torch.from_numpy(np.isin(labels, codes)).float()[None, None]
        carried = qs.warp(inside, made.back)
        assert np.isclose(float(carried.sum() / inside.sum()), np.exp(wanted), atol=0.01)


def test_a_structure_that_labels_lack_has_no_change(labels):
    found = measure_volume_changes(torch.ones(SHAPE), labels, {"there": (47,), "not there": (200,)})
    assert found == {"there": 0.0}


@pytest.fixture(scope="module")
def folder(labels, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("people")
    for name, seed in (("a", 1), ("b", 2)):
        image = np.where(labels > 0, make_brain(seed, SHAPE).data + 50 + labels, 0)
        write_nifti(place / f"{name}_t1.nii.gz", Image(image.astype(np.float32), np.eye(4)))
        write_nifti(place / f"{name}_lab.nii.gz", Image(labels, np.eye(4)))
    return place


@functools.cache
def known(kind: str, before: methods.Subject) -> torch.Tensor:
    return change.simulate(kind, before)[0].forth


def knowing(share: float) -> methods.Method:
    """A method that knows how a brain was made, and moves it by so much of that."""

    def run(after: methods.Subject, before: methods.Subject) -> methods.Found:
        forth = known(after.name.removeprefix(f"{before.name}_"), before)
        return methods.Found(WorldField.from_voxels(share * forth, before.labels.grid), seconds=1.0)

    return methods.Method(f"knows {share}", {}, "1", run)


@pytest.mark.parametrize("kind", change.CHANGES)
def test_the_image_after_is_the_changed_one(folder, kind):
    case = change.make_case(kind, methods.Subject(folder, "a"))
    assert set(case.truth) == set(change.STRUCTURES)
    amounts = np.abs(list(case.truth.values()))
    if kind == "atrophy":
        assert (amounts > 0.009).all()
        assert (amounts < 0.051).all()
        assert case.truth["left ventricle"] > 0 > case.truth["left cortex"]
    else:
        assert (amounts == 0).all() == (kind == "disturbed")
    assert not np.allclose(case.after.image.data, case.before.image.data)
    assert change.make_case(kind, methods.Subject(folder, "a")).truth == case.truth


def test_a_perfect_method_has_a_slope_of_one_and_half_of_one_a_half(folder):
    cases = [change.make_case("atrophy", methods.Subject(folder, name)) for name in "ab"]
    for share in (1.0, 0.5):
        records = [change.measure(case, knowing(share)) for case in cases]
        for structure in ("hippocampus", "ventricle", "cortex"):
            pairs = change_table.list_changes(records, structure)
            slope, error = change_table.rate_recovered(pairs)
            assert len(pairs) == 4
            assert np.isclose(float(slope), share, atol=0.02)
            assert (error == "0.00") == (share == 1)


def test_bias_and_spread_where_nothing_changed():
    assert change_table.rate_null([(0.0, 0.01), (0.0, 0.03)]) == ("+2.00", "1.00")


def test_the_command_writes_its_section_and_leaves_others(folder, monkeypatch, tmp_path):
    output = tmp_path / "results.md"
    output.write_text("# Results\n\n## Accuracy\n\nas it was\n")
    monkeypatch.setattr(change, "methods", lambda *_: {"one": knowing(1.0), "two": knowing(0.5)})
    words = [folder, "a", "b", "--methods", "one,two", "--rescans", "", "-o", output]
    for _ in range(2):  # the second time from what is kept
        monkeypatch.setattr(sys, "argv", ["change", *map(str, words)])
        threads = torch.get_num_threads()
        change.main()
        torch.set_num_threads(threads)
    text = output.read_text()
    assert text.startswith("# Results\n\n## Accuracy\n\nas it was\n")
    assert text.count(change_table.HEADING) == 1
    assert "| knows 1.0 | 1.00 | 0.00 | 1.00 | 0.00 | 1.00 | 0.00 | 1.0 |" in text
    assert text.count("| pairs: 2 |") == 3
    assert len(json.loads((tmp_path / "change.json").read_text())) == 2 * 3 * 2


def test_a_rescan_has_no_change(folder):
    a, b = (methods.Subject(folder, name) for name in "ab")
    case = change.pair_rescans(before=b, after=a)
    assert case.kind == "rescan"
    assert not any(case.truth.values())
    still = methods.Method(
        "still",
        {},
        "1",
        lambda after, before: methods.Found(WorldField.identity(before.image.grid)),
    )
    found = change.measure(case, still)["found"]
    assert set(found) == set(change.STRUCTURES)
    assert np.allclose(list(found.values()), 0, atol=1e-5)
