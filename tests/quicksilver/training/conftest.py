from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.quicksilver.training_data import people


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six people, images and labels, in files whose axes are not those of the frame."""
    folder = tmp_path_factory.mktemp("data")
    volumes = people(6, labelled=True)
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [23, -23, -23]
    for k in range(6):
        for kind, values in (
            ("t1", volumes.image(k).numpy()),
            ("lab", volumes.labels[k : k + 1].numpy()),
        ):
            nib.save(nib.Nifti1Image(values[0, 0, ::-1], affine), folder / f"p{k}_{kind}.nii.gz")
    return folder
