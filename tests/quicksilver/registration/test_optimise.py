"""Registration by optimisation."""

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.matching import FitSettings, fit
from quicksilver.lddmm.metric import pad_metric
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.optimise import optimise
from quicksilver.registration.options import Options
from quicksilver.registration.pair import prepare
from quicksilver.registration.predict import register
from tests.quicksilver.phantoms import make_affine, make_brain


def test_optimise_finds_a_known_shift():
    """The target shows the moving image 3 mm further along its first axis."""
    moving = make_brain(0, affine=make_affine((0, 0, 0), (1, 1, 1), (-1, 1, 1), (20, -20, -20)))
    target = Image(np.roll(moving.data, 3, axis=0), moving.affine)
    found = optimise(
        moving, target, FitOptions(loss="ssd", steps=4, iterations=(6, 2), device="cpu")
    )
    assert found.energies.mismatch_after < 0.2 * found.energies.mismatch_before
    centre = found.displacement.vectors[0, :, 23, 22, 18].numpy()
    assert np.allclose(centre, [3, 0, 0], atol=0.7), "points of the target come from 3 voxels left"
    levels = found.energies.iterations
    assert len(levels) == 2
    assert levels[-1][-1] < levels[0][0]
    kinetic, mismatch = found.energies.kinetic, found.energies.mismatch_after
    assert np.isclose(levels[-1][-1], kinetic + mismatch / (2 * 0.2**2), rtol=1e-4)


def test_refinement_goes_on_from_the_prediction(brains, model, registration):
    told = []
    found = register(
        *brains,
        Options(
            model,
            device="cpu",
            refine=3,
            decide=False,
            progress=lambda stage, detail="": told.append((stage, detail)),
        ),
    )
    stages = ["prepare", "predict", "shoot", "correct", "refine", "shoot again", "judge"]
    assert list(found.seconds) == stages
    details = [detail for stage, detail in told if stage == "refine" and detail]
    assert [detail.split(",")[1] for detail in details] == [f" iteration {n}" for n in (1, 2, 3)]
    metric = pad_metric(qs.FluidMetric())
    settings = FitSettings(steps=4, levels=(1,), iterations=(3,))
    images = Images(found.pair.moving, found.pair.target)
    expected = fit(images, metric, settings, start=registration.momentum)
    torch.testing.assert_close(found.momentum, expected.momentum, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.psi, qs.shoot(found.momentum, metric, steps=4)[0])
    before, after = (r.energies.mismatch_after for r in (registration, found))
    assert after < 0.9 * before
    assert found.settings.source.refine == 3
    assert after > found.energies.mismatch_before or not found.notes
    assert found.quality.folded_voxels == found.quality.damping_rounds == 0


def test_a_fit_of_equalised_images():
    moving, target = make_brain(0), make_brain(1)
    options = FitOptions(equalise=True, steps=2, iterations=(1, 0), device="cpu")
    found = optimise(moving, target, options)
    pair = prepare(moving, target, 2.0, intensity="equalised")
    assert torch.equal(found.pair.moving, pair.moving)


@pytest.mark.filterwarnings("error")  # a refusal is enough: no warning of `shoot` beside it
def test_a_fit_whose_maps_leave_the_grid_is_refused():
    options = FitOptions(method="quicksilver", step_size=1000.0, steps=2, device="cpu")
    with pytest.raises(QuicksilverError, match="finite deformation"):
        optimise(make_brain(0), make_brain(1), options)
