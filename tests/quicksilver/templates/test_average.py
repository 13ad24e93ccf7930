"""Averages of images, and where a template begins."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.templates.average import average_images, begin
from quicksilver.transforms.chain import Chain, Transform
from tests.quicksilver.phantoms import write_nifti

STILL = Chain([Transform(np.eye(4), np.eye(4), "nothing")])


def test_an_image_is_its_own_average(mean_brain, tmp_path):
    bright = Image(7 * mean_brain.data, mean_brain.affine)
    files = [
        write_nifti(tmp_path / "a.nii.gz", mean_brain),
        write_nifti(tmp_path / "b.nii", bright),
    ]
    found = average_images(files, [STILL, STILL], mean_brain.grid)
    inside = mean_brain.data > 0
    ratio = found.image.data[inside] / mean_brain.data[inside].clip(max=400)
    assert found.deviation < 1e-6
    assert np.median(ratio) == pytest.approx(1 / np.percentile(mean_brain.data[inside], 99))


def test_the_background_is_what_most_images_lack(mean_brain, tmp_path):
    half = mean_brain.data.copy()
    half[:20] = 0
    images = [mean_brain, Image(half, mean_brain.affine), Image(half, mean_brain.affine)]
    files = [write_nifti(tmp_path / f"{n}.nii.gz", image) for n, image in enumerate(images)]
    found = average_images(files, [STILL] * 3, mean_brain.grid)
    assert not found.image.data[:20].any()
    assert found.image.data[20:].any()


def test_what_is_no_brain_begins_where_it_lies(group, mean_brain):
    found = begin(group, None).image
    assert found.grid.spacing == pytest.approx([2, 2, 2])
    there, here = (
        np.argwhere(image.data > 0) @ image.affine[:3, :3].T + image.affine[:3, 3]
        for image in (found, mean_brain)
    )
    assert there.mean(0) == pytest.approx(here.mean(0), abs=1.0)
    assert begin(group, 3.0).image.grid.spacing == pytest.approx([3, 3, 3])
