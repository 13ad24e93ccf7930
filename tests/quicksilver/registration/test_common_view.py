"""Registration of a part of a brain: half of one, or a slab, keeps its size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver import demo
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.resampling import resample
from quicksilver.io.images import read_image
from quicksilver.lddmm.matching import FitSettings
from quicksilver.registration.alignment import align
from quicksilver.registration.common_view import THINNEST
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.levels import build_levels
from quicksilver.registration.optimise import optimise
from quicksilver.registration.options import Options
from quicksilver.registration.pair import prepare
from quicksilver.registration.placement import place
from quicksilver.registration.predict import register
from quicksilver.results.folder import save_registration
from quicksilver.results.png import draw
from quicksilver.results.summary import list_facts, make_tables
from quicksilver.results.views import make_views
from tests.quicksilver.images.test_field_of_view import cropped, filled
from tests.quicksilver.phantoms import make_affine
from tests.quicksilver.registration.test_alignment import distance, with_header

PARTS = {"slab": (26, 50), "upper": (36, 79), "lower": (0, 38), "thin": (34, 45)}  # planes of 2 mm
MOVED = make_affine((9, -4, 6), (1.03, 0.98, 1.04), origin=(12, -25, 18))


@pytest.fixture(scope="module")
def brain() -> Image:
    return demo.make_brain()


@pytest.mark.parametrize("part", [cropped, filled])
@pytest.mark.parametrize("name", PARTS)
def test_a_part_keeps_its_size(brain, name, part):
    moving = part(with_header(MOVED, brain), 2, *PARTS[name])
    found = align(build_levels(moving), build_levels(brain))
    assert found.in_part
    assert found.convincing
    assert distance(found.matrix, MOVED, part(brain, 2, *PARTS[name])) < 0.7
    assert distance(found.matrix, MOVED, brain) < 2.5


def test_a_part_of_the_target_keeps_its_size_too(brain):
    target = cropped(brain, 2, *PARTS["slab"])
    found = align(build_levels(with_header(MOVED, brain)), build_levels(target))
    assert found.in_part
    assert distance(found.matrix, MOVED, target) < 0.7


def test_a_half_from_the_side_keeps_its_size(brain):
    moving = cropped(with_header(MOVED, brain), 0, 0, brain.data.shape[0] // 2)
    found = align(build_levels(moving), build_levels(brain))
    assert distance(found.matrix, MOVED, brain) < 2.5


def test_halves_of_people_are_placed_as_their_whole_brains_are(shared):
    folder = shared / "data" / "train_2mm"
    moving, target, *labels = (
        read_image(folder / f"ixi_{name}.nii.gz", labels="lab" in name)
        for name in ("661_t1", "603_t1", "661_lab", "603_lab")
    )

    def overlap(matrix: np.ndarray) -> float:
        moved = Image(labels[0].data.astype(np.int64), labels[0].affine).reframe(matrix)
        met = resample(moved, labels[1].grid, "nearest")[0, 0].numpy()
        return measure_overlap(met, labels[1].data)

    whole = overlap(place(moving, target).affine)
    for first, last in ((20, 44), (34, moving.data.shape[2] - 1)):
        placed = place(cropped(moving, 2, first, last), target)
        assert overlap(placed.affine) > whole - 0.04
        assert not placed.notes
        assert not np.array_equal(placed.frame, np.eye(4))


@pytest.fixture(scope="module")
def slab(brain) -> Image:
    return cropped(brain, 2, *PARTS["slab"])


def test_what_one_image_does_not_show_is_taken_from_both(brain, slab):
    pair = prepare(slab, brain, 2.0)
    outside = pair.common.mask == 0
    assert outside.any()
    assert not pair.moving[outside].any()
    assert not pair.target[outside].any()
    inside = torch.from_numpy(brain.data > 0)
    part = inside[..., PARTS["slab"][0] : PARTS["slab"][1] + 1].sum() / inside.sum()
    assert abs(pair.coverage - part) < 0.03
    assert (pair.moving - pair.target).abs().max() < 1e-3  # it is the same brain


def test_whole_brains_are_prepared_as_ever(brain):
    pair = prepare(brain, brain, 2.0)
    assert pair.common is None
    assert pair.coverage == 1
    assert not pair.notes


def test_a_part_of_a_brain_stays_where_it_is(brain, slab, model):
    """Its own whole brain pulls at nothing: the cut edges coincide."""
    found = register(slab, brain, Options(model, device="cpu"))
    assert found.energies.mismatch_before < 1e-2
    [note] = [note for note in found.notes if "% of the target's brain" in note]
    assert f"{100 * found.quality.coverage:.0f} %" in note


def test_energies_count_what_both_images_show(brain, slab, model):
    """Beyond the slab the target may be what it likes."""
    spoiled = brain.data.copy()
    spoiled[..., : PARTS["slab"][0] - 2] *= 3
    plain, other = (
        register(slab, Image(data, brain.affine), Options(model, device="cpu"))
        for data in (brain.data, spoiled)
    )
    for name in ("mismatch_before", "mismatch_after"):
        assert np.isclose(
            getattr(plain.energies, name), getattr(other.energies, name), rtol=1e-3, atol=1e-3
        )


def test_a_fit_leaves_what_was_not_imaged_alone(brain, slab):
    moved = with_header(make_affine((0, 0, 0), (1, 1, 1), origin=(2, 0, 0)), slab)
    settings = FitSettings(steps=4, levels=(2,), iterations=(4,))
    found = optimise(moved, brain, FitOptions(spacing=4.0, settings=settings, device="cpu"))
    assert found.energies.mismatch_after < 0.5 * found.energies.mismatch_before
    assert (
        found.psi[:, 2][:, None][found.pair.common.mask > 0].abs().mean() < 0.1
    )  # nothing along S


def test_what_reports_show_of_a_part(brain, slab, model, tmp_path):
    found = register(slab, brain, Options(model, device="cpu"))
    pictured = make_views(found)
    assert 0.2 < pictured.imaged[pictured.target > 0].mean() < 0.8
    draw(pictured, "a slab", tmp_path / "report.png")
    summary = save_registration(found, tmp_path / "out")
    percent = f"{100 * found.quality.coverage:.0f} % of the brain imaged"
    assert percent in list_facts(summary)
    assert ("target's brain in the moving image", percent) in make_tables(summary)["quality"]
    assert any("% of the target's brain" in note for note in summary["notes"])


def test_a_thin_layer_is_told_of_and_too_thin_a_one_refused(brain):
    thin = prepare(cropped(brain, 2, 40, 47), brain, 2.0)
    assert any("16 mm of the brain in common" in note for note in thin.notes)
    assert THINNEST > 6
    with pytest.raises(
        QuicksilverError, match=r"at least 10 mm of the brain in common, found \d mm"
    ):
        prepare(cropped(brain, 2, 40, 42), brain, 2.0)


def test_halves_that_have_nothing_in_common_are_refused(brain):
    upper, lower = cropped(brain, 2, 44, 79), cropped(brain, 2, 0, 42)
    with pytest.raises(QuicksilverError, match=r"in common|overlap"):
        prepare(upper, lower, 2.0)
