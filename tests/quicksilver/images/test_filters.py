"""Blurs, sharpness, and images that a network can take."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

import quicksilver_ext as qs
from quicksilver.images.filters import averaged, blurred, gaussian, sharpness, softened, widened
from quicksilver.lddmm.unfolding import unfolded
from quicksilver.networks.inference import predicted_momentum
from quicksilver.networks.model import default_model
from quicksilver.registration.evaluation import mean_overlap
from quicksilver.training.dataset import load_volumes
from quicksilver.training.recipe import Images


def noise(seed=0, shape=(18, 17, 19), count=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, *shape, generator=generator) + 0.1


@pytest.mark.parametrize("weight", [0.1, 0.25])
def test_a_blur_keeps_what_is_linear_and_the_sum(weight):
    x = torch.arange(9.0).view(1, 1, 9, 1, 1).expand(1, 3, 9, 8, 7)
    torch.testing.assert_close(blurred(x, weight)[:, :, 1:-1], x[:, :, 1:-1])
    spot = torch.zeros(1, 3, 9, 8, 7)
    spot[..., 4, 4, 3] = 1
    smooth = blurred(spot, weight)
    torch.testing.assert_close(smooth.sum(), spot.sum())
    torch.testing.assert_close(smooth[0, 0, 3:6, 4, 3], (1 - 2 * weight) ** 2 * kernel(weight))


def kernel(weight):
    return torch.tensor([weight, 1 - 2 * weight, weight])


def test_the_images_of_a_batch_have_weights_of_their_own():
    images, weights = noise(count=2), torch.tensor([0.1, 0.2]).view(2, 1, 1, 1, 1)
    both = blurred(images, weights)
    for k, weight in enumerate((0.1, 0.2)):
        torch.testing.assert_close(both[k : k + 1], blurred(images[k : k + 1], weight))


@pytest.mark.parametrize("sigma", [(0.3, 0.3, 0.3), (0.0, 0.8, 1.7), (0.1, 2.2, 0.0)])
def test_a_gaussian_is_that_of_scipy(sigma):
    image = noise(count=2)
    for found, one in zip(gaussian(image, sigma), image, strict=True):
        theirs = gaussian_filter(one[0].double().numpy(), sigma, mode="nearest")
        torch.testing.assert_close(found[0].double(), torch.from_numpy(theirs), atol=1e-6, rtol=0)


@pytest.mark.parametrize("reach", [1, 3])
def test_means_and_largest_values_in_boxes_are_those_of_pooling(reach):
    image = noise(count=2) - 0.6
    size, ends = 2 * reach + 1, [reach] * 6
    for past in ("replicate", "constant"):
        mean = F.avg_pool3d(F.pad(image, ends, mode=past), size, 1)
        torch.testing.assert_close(averaged(image, reach, past), mean, atol=1e-6, rtol=0)
    assert torch.equal(widened(image, reach), F.max_pool3d(image, size, 1, reach))


def test_the_sharpness_of_a_wave_is_known_whatever_its_gain_and_what_is_around_it():
    """Of sin(k x) one-sided slopes have the mean square 2 sin(k / 2)^2, the variance is 1 / 2."""
    k = 2 * torch.pi / 12
    wave = torch.sin(k * (torch.arange(24) + 0.5)).view(1, 1, 24, 1, 1) + 3
    inside = torch.zeros(1, 1, 30, 20, 20)
    inside[:, :, 3:27, 4:16, 4:16] = wave
    expected = 2 * torch.sin(torch.tensor(k / 2))
    for gain in (1.0, 0.2):
        torch.testing.assert_close(sharpness(gain * inside)[0], expected, rtol=0.03, atol=0)


def test_nothing_is_not_sharp():
    assert sharpness(torch.zeros(1, 1, 8, 8, 8)).tolist() == [0.0]
    assert sharpness(torch.full((1, 1, 8, 8, 8), 0.5)).tolist() == [0.0]


def test_softening_ends_where_it_should_and_leaves_the_others():
    sharp, soft = noise(1), blurred(blurred(blurred(noise(2))))
    background = torch.zeros_like(sharp, dtype=torch.bool)
    background[..., :5] = True
    sharp[background] = 0
    for most in (0.65, 0.8, 1.1):
        both = softened(torch.cat([sharp, soft]), most)
        values = sharpness(both)
        assert abs(values[0] - most) < 0.03 and not both[:1][background].any()
        if sharpness(soft) < most:
            assert torch.equal(both[1:], soft)
    assert sharpness(soft) < 1.1, "nothing was left in this test"


def test_softening_undoes_sharpening():
    image = blurred(blurred(noise(3)))
    again = softened(image + 0.8 * (image - blurred(image)), sharpness(image).item())
    assert (again - image).norm() < 0.25 * (image - image.mean()).norm()


def test_brains_of_a_sharper_scanner_are_registered_as_well(shared):
    """What made the default model overshoot and fold on another study's images."""
    who = {"images": "train_2mm/ixi_64*_t1.nii.gz", "labels": "train_2mm/ixi_64*_lab.nii.gz"}
    frame = {"shape": (80, 96, 80), "spacing": 2.0, "origin": (-79.5, -113.5, -75.5)}
    people = load_volumes(
        shared / "data", Images(**who, **frame, matrices="affine_to_mni.json", held_out=2)
    )
    model = default_model()
    images = [people.image(k) for k in range(2)]
    sharper = [(image + (image - blurred(image))).clamp(0, 1.2) * (image > 0) for image in images]
    assert sharpness(sharper[0]) > 0.75 > sharpness(images[0])

    def overlap(moving, target):
        psi = unfolded(predicted_momentum(model, moving, target), model.config.shoot).psi
        labels = qs.warp(people.labels[:1], psi, mode="nearest", padding_mode="zeros")
        return mean_overlap(labels.numpy(), people.labels[1:2].numpy())

    assert abs(overlap(*sharper) - overlap(*images)) < 0.006
