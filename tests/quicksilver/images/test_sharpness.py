"""Sharpness measured, and images softened to a given one."""

from __future__ import annotations

import torch

import quicksilver_ext as qs
from quicksilver.images.filters import blur
from quicksilver.images.sharpness import measure_sharpness, soften
from quicksilver.lddmm.unfolding import unfold
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.shipped import default_model
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.training.dataset import load_volumes
from quicksilver.training.settings import Data
from tests.quicksilver.phantoms import noise


def test_the_sharpness_of_a_wave_is_known_whatever_its_gain_and_what_is_around_it():
    """Of sin(k x) one-sided slopes have the mean square 2 sin(k / 2)^2, the variance is 1 / 2."""
    k = 2 * torch.pi / 12
    wave = torch.sin(k * (torch.arange(24) + 0.5)).view(1, 1, 24, 1, 1) + 3
    inside = torch.zeros(1, 1, 30, 20, 20)
    inside[:, :, 3:27, 4:16, 4:16] = wave
    expected = 2 * torch.sin(torch.tensor(k / 2))
    for gain in (1.0, 0.2):
        torch.testing.assert_close(measure_sharpness(gain * inside)[0], expected, rtol=0.03, atol=0)


def test_nothing_is_not_sharp():
    assert measure_sharpness(torch.zeros(1, 1, 8, 8, 8)).tolist() == [0.0]
    assert measure_sharpness(torch.full((1, 1, 8, 8, 8), 0.5)).tolist() == [0.0]


def test_softening_ends_where_it_should_and_leaves_the_others():
    sharp, soft = noise(1), blur(blur(blur(noise(2))))
    background = torch.zeros_like(sharp, dtype=torch.bool)
    background[..., :5] = True
    sharp[background] = 0
    for most in (0.65, 0.8, 1.1):
        both = soften(torch.cat([sharp, soft]), most)
        values = measure_sharpness(both)
        assert abs(values[0] - most) < 0.03
        assert not both[:1][background].any()
        if measure_sharpness(soft) < most:
            assert torch.equal(both[1:], soft)
    assert measure_sharpness(soft) < 1.1, "nothing was left in this test"


def test_softening_undoes_sharpening():
    image = blur(blur(noise(3)))
    again = soften(image + 0.8 * (image - blur(image)), measure_sharpness(image).item())
    assert (again - image).norm() < 0.25 * (image - image.mean()).norm()


def test_brains_of_a_sharper_scanner_are_registered_as_well(shared):
    """What made the default model overshoot and fold on another study's images."""
    who = {"images": "train_2mm/ixi_64*_t1.nii.gz", "labels": "train_2mm/ixi_64*_lab.nii.gz"}
    frame = {"shape": (80, 96, 80), "spacing": 2.0, "origin": (-79.5, -113.5, -75.5)}
    people = load_volumes(
        shared / "data", Data(**who, **frame, matrices="affine_to_mni.json", held_out=2)
    )
    model = default_model()
    images = [people.image(k) for k in range(2)]
    sharper = [(image + (image - blur(image))).clamp(0, 1.2) * (image > 0) for image in images]
    assert measure_sharpness(sharper[0]) > 0.75 > measure_sharpness(images[0])

    def overlap(moving, target):
        psi = unfold(infer_momenta(model, moving, target)[-1], model.config.shoot).psi
        labels = qs.warp(people.labels[:1], psi, mode="nearest", padding_mode="zeros")
        return measure_overlap(labels.numpy(), people.labels[1:2].numpy())

    assert abs(overlap(*sharper) - overlap(*images)) < 0.006
