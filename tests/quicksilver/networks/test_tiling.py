"""Whole-volume prediction: skipped background, averaged overlaps."""

from __future__ import annotations

import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.sharpness import soften
from quicksilver.networks.horizontal import HorizontalNetwork
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork
from quicksilver.networks.shipped import default_model
from quicksilver.networks.tiling import find_occupied_corners, predict_momentum, require_patches
from tests.quicksilver.training_data import head


class Difference(PatchNetwork):
    """A "network" whose momentum is known: (target - moving, moving, 1), voxel by voxel."""

    def __init__(self) -> None:
        super().__init__(features=1)
        self.batches: list[int] = []

    def forward(self, moving, target):
        self.batches.append(len(moving))
        return torch.cat((target - moving, moving, torch.ones_like(moving)), dim=1)


def volume(shape, seed=0):
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed)) + 0.1


def test_a_local_map_comes_back_whole_whatever_the_overlaps():
    moving, target = volume((33, 18, 15)), volume((33, 18, 15), 1)
    momentum = predict_momentum(Difference(), moving, target, stride=7, batch_size=4)
    torch.testing.assert_close(momentum[:, :1], target - moving)
    torch.testing.assert_close(momentum[:, 1:2], moving)
    torch.testing.assert_close(momentum[:, 2], torch.ones(1, 33, 18, 15))


def test_a_network_is_shown_images_that_are_sharper_than_it_knows_softened():
    images = volume((20, 18, 17)), volume((20, 18, 17), 1)
    network = Difference()
    network.sharpness = 0.6
    momentum = predict_momentum(network, *images)
    for channel, image in zip(momentum[0, :2], softened_pair(*images), strict=True):
        torch.testing.assert_close(channel, image)
    network.sharpness = 5.0
    torch.testing.assert_close(predict_momentum(network, *images)[:, 1:2], images[0])


def softened_pair(moving, target):
    first, second = (soften(image, 0.6) for image in (moving, target))
    return (second - first)[0, 0], first[0, 0]


def test_overlapping_predictions_are_averaged():
    class Numbered(Difference):
        def forward(self, moving, target):
            number = torch.arange(len(moving)).reshape(-1, 1, 1, 1, 1)
            return number.expand(-1, 3, *moving.shape[2:]).float()

    image = volume((16, PATCH_SIZE, PATCH_SIZE))
    momentum = predict_momentum(Numbered(), image, image, stride=14)
    assert momentum[0, 0, :, 0, 0].tolist() == [0.0] + [0.5] * 14 + [1.0]


def test_patches_empty_in_both_images_are_skipped_and_zero():
    moving, target = torch.zeros(1, 1, 60, 15, 15), torch.zeros(1, 1, 60, 15, 15)
    moving[..., 3, 7, 7] = 1
    target[..., 50, 7, 7] = 1
    network = Difference()
    momentum = predict_momentum(network, moving, target, stride=15)
    assert sum(network.batches) == 2
    assert momentum[0, 2, :, 0, 0].tolist() == [1.0] * 15 + [0.0] * 30 + [1.0] * 15


def test_occupied_corners_keep_a_patch_for_its_last_voxel():
    image = torch.zeros(1, 1, 30, 15, 15)
    image[..., 14, 14, 14] = 1
    assert find_occupied_corners(image, image, stride=15).tolist() == [[0, 0, 0, 0]]


def test_two_empty_images_have_no_momentum():
    network = Difference()
    empty = torch.zeros(1, 1, 20, 20, 20)
    assert not predict_momentum(network, empty, empty).any()
    assert network.batches == []


def test_batches_have_the_size_asked_for_and_progress_reaches_the_end():
    network, seen = Difference(), []
    image = volume((43, 15, 15))

    def report(done, total):
        seen.append((done, total))

    predict_momentum(network, image, image, batch_size=2, progress=report)
    assert network.batches == [2, 1]
    assert seen == [(2, 3), (3, 3)]


def test_the_batch_size_does_not_change_the_momentum():
    network = PatchNetwork(features=2).eval()
    moving, target = volume((17, 29, 15)), volume((17, 29, 15), 1)
    one = predict_momentum(network, moving, target, batch_size=1)
    torch.testing.assert_close(predict_momentum(network, moving, target, batch_size=8), one)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_close(kind):
    network = default_model().prediction
    moving, target = head(0), head(1)
    whole = predict_momentum(network, moving, target, kind=torch.float32)
    half = predict_momentum(network, moving, target, kind=kind)
    assert 0 < (half - whole).norm() / whole.norm() < 1e-2


def test_what_overflows_half_precision_is_predicted_again():
    network = PatchNetwork(features=2).eval()
    with torch.no_grad():
        network.decoder_x_2.conv_output.bias.fill_(1e6)
    image = volume((15, 15, 15))
    whole = predict_momentum(network, image, image, kind=torch.float32)
    half = predict_momentum(network, image, image, kind=torch.float16)
    torch.testing.assert_close(half, whole)


def test_a_network_of_whole_volumes_has_no_patches_to_lay():
    require_patches(PatchNetwork(features=1))
    with pytest.raises(QuicksilverError, match="leave --stride and --batch-size out"):
        require_patches(HorizontalNetwork(features=1))


def test_a_grid_smaller_than_a_patch_is_refused_in_one_sentence():
    image = volume((20, 14, 20))
    with pytest.raises(QuicksilverError, match="20 x 14 x 20"):
        predict_momentum(Difference(), image, image)
