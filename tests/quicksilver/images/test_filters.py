"""Blurs, sharpness, and images that a network can take."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from quicksilver.images.filters import average, blur, blur_gaussian, dilate
from tests.quicksilver.phantoms import noise


@pytest.mark.parametrize("weight", [0.1, 0.25])
def test_a_blur_keeps_what_is_linear_and_the_sum(weight):
    x = torch.arange(9.0).view(1, 1, 9, 1, 1).expand(1, 3, 9, 8, 7)
    torch.testing.assert_close(blur(x, weight)[:, :, 1:-1], x[:, :, 1:-1])
    spot = torch.zeros(1, 3, 9, 8, 7)
    spot[..., 4, 4, 3] = 1
    smooth = blur(spot, weight)
    torch.testing.assert_close(smooth.sum(), spot.sum())
    torch.testing.assert_close(smooth[0, 0, 3:6, 4, 3], (1 - 2 * weight) ** 2 * kernel(weight))


def kernel(weight):
    return torch.tensor([weight, 1 - 2 * weight, weight])


def test_the_images_of_a_batch_have_weights_of_their_own():
    images, weights = noise(count=2), torch.tensor([0.1, 0.2]).view(2, 1, 1, 1, 1)
    both = blur(images, weights)
    for k, weight in enumerate((0.1, 0.2)):
        torch.testing.assert_close(both[k : k + 1], blur(images[k : k + 1], weight))


@pytest.mark.parametrize("sigma", [(0.3, 0.3, 0.3), (0.0, 0.8, 1.7), (0.1, 2.2, 0.0)])
def test_a_gaussian_is_that_of_scipy(sigma):
    image = noise(count=2)
    for found, one in zip(blur_gaussian(image, sigma), image, strict=True):
        theirs = gaussian_filter(one[0].double().numpy(), sigma, mode="nearest")
        torch.testing.assert_close(found[0].double(), torch.from_numpy(theirs), atol=1e-6, rtol=0)


@pytest.mark.parametrize("reach", [1, 3])
def test_means_and_largest_values_in_boxes_are_those_of_pooling(reach):
    image = noise(count=2) - 0.6
    size, ends = 2 * reach + 1, [reach] * 6
    for past in ("replicate", "constant"):
        mean = F.avg_pool3d(F.pad(image, ends, mode=past), size, 1)
        torch.testing.assert_close(average(image, reach, past), mean, atol=1e-6, rtol=0)
    assert torch.equal(dilate(image, reach), F.max_pool3d(image, size, 1, reach))
