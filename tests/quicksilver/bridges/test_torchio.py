"""Registration in TorchIO, by the package itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver.api import run_register
from quicksilver.errors import QuicksilverError
from quicksilver.registration.options import Options

torchio = pytest.importorskip("torchio")

from quicksilver.bridges.torchio import Register  # noqa: E402


@pytest.fixture(scope="module")
def options(helpful_model) -> Options:
    return Options(helpful_model, device="cpu")


@pytest.fixture
def subject(brains):
    data, affine = torch.from_numpy(brains[0].data)[None], brains[0].affine
    return torchio.Subject(
        t1=torchio.ScalarImage(tensor=data, affine=affine),
        t2=torchio.ScalarImage(tensor=torch.cat([data, 2 * data]), affine=affine),
        parts=torchio.LabelMap(tensor=3 * (data > 100).to(torch.uint8), affine=affine),
        age=50,
    )


def test_all_images_of_a_subject_move(subject, brains, brain_files, options):
    moved = torchio.Compose([Register(brain_files[1], "t1", options)])(subject)
    ours = run_register(*brains, options)
    for image in moved.get_images(intensity_only=False):
        assert image.spatial_shape == brains[1].data.shape
        assert np.allclose(image.affine, brains[1].affine, atol=1e-5)
    assert np.allclose(moved.t1.data[0], ours.warped.data, atol=1e-2)
    assert torch.allclose(moved.t2.data[1], 2 * moved.t1.data[0], rtol=1e-5)
    assert set(moved.parts.data.unique().tolist()) == {0, 3}
    assert moved.age == 50
    assert subject.t1.spatial_shape == brains[0].data.shape


def test_the_target_may_be_theirs_and_images_left_out(subject, brains, options):
    target = torchio.ScalarImage(tensor=brains[1].data[None], affine=brains[1].affine)
    moved = Register(target, "t1", options, exclude=["t2"])(subject)
    assert moved.t1.spatial_shape == target.spatial_shape
    assert torch.equal(moved.t2.data, subject.t2.data)


def test_the_history_repeats_it(subject, brain_files, options):
    moved = Register(brain_files[1], "t1", options)(subject)
    (again,) = moved.get_applied_transforms()
    assert torch.equal(again(subject).t1.data, moved.t1.data)


def test_what_is_no_image_is_refused(subject, brain_files, options):
    with pytest.raises(QuicksilverError, match="image 'flair' in the subject, found t1, t2, parts"):
        Register(brain_files[1], "flair", options)(subject)
    with pytest.raises(QuicksilverError, match=r"one channel.* in 't2', found \(2, "):
        Register(brain_files[1], "t2", options)(subject)
