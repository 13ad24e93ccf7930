"""Images with a channel axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver.bridges.channels import take_volume, warp_channels
from quicksilver.errors import QuicksilverError


def test_each_channel_is_warped_as_an_image(registration, brains):
    moving = brains[0]
    data = torch.from_numpy(np.stack([moving.data, 2 * moving.data]))
    warped = warp_channels(registration, data, moving.affine, labels=False)
    np.testing.assert_array_equal(warped[0], registration.warped.data)
    np.testing.assert_allclose(warped[1], 2 * registration.warped.data, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_labels_keep_their_values_and_dtype(registration, brains, dtype):
    labels = torch.from_numpy(7 * (brains[0].data > 100)).to(dtype)[None]
    warped = warp_channels(registration, labels, brains[0].affine, labels=True)
    assert warped.dtype == dtype
    assert set(warped.unique().tolist()) == {0, 7}


@pytest.mark.parametrize("shape", [(4, 5, 6), (2, 4, 5, 6), (1, 1, 4, 5, 6)])
def test_several_channels_are_refused(shape):
    with pytest.raises(QuicksilverError, match=r"one channel, \(1, X, Y, Z\), in 'it', found"):
        take_volume(torch.ones(shape), "'it'")
