"""Registration in MONAI, against the package itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver.api import run_register
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.registration.options import Options
from tests.quicksilver.phantoms import make_brain, write_nifti

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's own, of several packages
pytest.importorskip("monai")

from monai.data import MetaTensor  # noqa: E402
from monai.networks import blocks  # noqa: E402
from monai.transforms import Compose, LoadImaged  # noqa: E402

from quicksilver.bridges.monai import Registerd, Warp  # noqa: E402


@pytest.fixture(scope="module")
def options(helpful_model) -> Options:
    return Options(helpful_model, device="cpu")


def test_a_pipeline_of_files(brain_files, brains, options, tmp_path):
    labels = Image((brains[0].data > 100).astype(np.uint8), brains[0].affine)
    names = dict(zip(("moving", "target"), brain_files, strict=True))
    names["labels"] = write_nifti(tmp_path / "labels.nii.gz", labels)
    load = LoadImaged(tuple(names), ensure_channel_first=True)
    found = Compose([load, Registerd(label_keys=("labels",), options=options)])(names)
    ours = run_register(*brain_files, options)
    for key in ("moving", "labels", "displacement"):
        assert isinstance(found[key], MetaTensor)
        assert np.allclose(found[key].affine, brains[1].affine, atol=1e-5)
    assert np.allclose(found["moving"][0], ours.warped.data, atol=1e-2)
    agree = found["labels"][0].numpy() == ours.apply(labels, labels=True).data
    assert agree.mean() > 0.999
    assert set(found["labels"].unique().tolist()) == {0, 1}


def test_their_block_warps_by_the_displacement(options):
    """On one grid the map is what MONAI calls a DDF."""
    moving, target = (MetaTensor(make_brain(seed).data[None]) for seed in (1, 2))
    found = Registerd(options=options)({"moving": moving, "target": target, "age": 50})
    warp = blocks.Warp("bilinear", "zeros")
    theirs = warp(moving.as_tensor()[None], found["displacement"].as_tensor()[None])
    assert torch.allclose(found["moving"].as_tensor(), theirs[0], atol=1e-2)
    assert found["age"] == 50


@pytest.mark.parametrize("padding_mode", ["border", "zeros"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_warp_is_theirs(mode, padding_mode):
    image, field = torch.rand(2, 2, 9, 8, 7), 3 * torch.randn(2, 3, 9, 8, 7)
    theirs = blocks.Warp(mode, padding_mode)(image, field)
    assert torch.allclose(Warp(mode, padding_mode)(image, field), theirs, atol=1e-5)


def test_what_is_no_image_is_refused(options):
    brain = MetaTensor(make_brain(1).data[None])
    transform = Registerd(options=options)
    with pytest.raises(QuicksilverError, match="MetaTensor in 'target', found only moving;"):
        transform({"moving": brain})
    with pytest.raises(QuicksilverError, match="MetaTensor in 'target', found str; load"):
        transform({"moving": brain, "target": "target.nii.gz"})
    with pytest.raises(QuicksilverError, match=r"one channel.* in 'target', found \(2, "):
        transform({"moving": brain, "target": torch.cat([brain, brain])})
    with pytest.raises(QuicksilverError, match="expected two keys"):
        Registerd(keys=("moving",))
