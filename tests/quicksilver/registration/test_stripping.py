"""Brain extraction in front of a registration."""

from __future__ import annotations

import json

import numpy as np
import pytest

import quicksilver
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from tests.quicksilver.heads import dice, make_head, read_mask, template_brain
from tests.quicksilver.phantoms import make_brain, write_nifti

OPTIONS = {"device": "cpu", "affine": False, "steps": 2, "decide": False}


@pytest.fixture(scope="module")
def brain() -> Image:
    return template_brain()


@pytest.fixture(scope="module")
def head(brain) -> Image:
    return make_head(brain)


@pytest.mark.usefixtures("deepbet")
def test_heads_alone_are_stripped(head, brain, model, tmp_path):
    found = quicksilver.register(head, brain, model, strip=True, **OPTIONS)
    assert set(found.stripped) == {"moving"}
    mask = found.stripped["moving"].mask
    assert mask.data.dtype == np.uint8
    assert (found.pair.moving_image.data == np.where(mask.data, head.data, 0)).all()
    assert (found.pair.target_image.data == brain.data).all()
    assert not any("skull" in note for note in found.notes)
    found.save(tmp_path / "out")
    assert (read_mask(tmp_path / "out/moving_mask.nii.gz") == (mask.data != 0)).all()
    assert not (tmp_path / "out/target_mask.nii.gz").exists()
    volume = json.loads((tmp_path / "out/result.json").read_text())["stripped_ml"]["moving"]
    assert volume == pytest.approx(mask.data.sum() * 27 / 1000, rel=1e-3)


@pytest.mark.usefixtures("deepbet")
def test_a_mask_that_is_given_comes_before_stripping(head, brain, model, tmp_path):
    own = Image((brain.data > 0).astype(np.uint8), brain.affine)
    wide = Image(np.ones(head.data.shape, np.uint8), head.affine)
    found = quicksilver.register(
        head, head, model, strip=True, moving_mask=own, target_mask=wide, **OPTIONS
    )
    assert not found.stripped
    assert (found.pair.moving_image.data == np.where(own.data, head.data, 0)).all()
    assert (found.pair.target_image.data == head.data).all()
    assert any("no skull was stripped" in note for note in found.notes)


@pytest.mark.usefixtures("deepbet")
@pytest.mark.parametrize(("value", "found"), [(3.0, "found none"), (1.0, "found one of")])
def test_where_no_brain_is_found_it_is_said(value, found):
    image = Image(np.full((80, 80, 80), value, np.float32), np.diag([2.0, 2, 2, 1]))
    with pytest.raises(QuicksilverError, match=f"deepbet finds a brain, {found}"):
        quicksilver.strip(image)


@pytest.mark.usefixtures("deepbet")
def test_a_list_is_stripped(head, brain, model_file, tmp_path, command):
    write_nifti(tmp_path / "head.nii.gz", head)
    write_nifti(tmp_path / "brain.nii.gz", brain)
    (tmp_path / "pairs.csv").write_text("id,moving,target\na,brain.nii.gz,head.nii.gz\n")
    words = ("register", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out", "--no-affine")
    code, shown, error = command(*words, "--model", model_file, "--strip")
    assert code == 0, error
    assert (tmp_path / "out/a/target_mask.nii.gz").exists()
    assert "1 of them now" in shown


@pytest.mark.filterwarnings("ignore:.*torch.jit.load:DeprecationWarning")
def test_deepbet_finds_the_brain(head, brain):
    pytest.importorskip("deepbet")
    found = quicksilver.strip((head.data.transpose(2, 0, 1), head.affine[:, [2, 0, 1, 3]]))
    assert dice(found.mask.data != 0, (brain.data != 0).transpose(2, 0, 1)) > 0.94
    assert found.volume_ml == pytest.approx(1886, rel=0.1)


@pytest.mark.usefixtures("deepbet")
def test_a_mask_of_no_adult_is_noted(model):
    """A mouse in a large field of view."""
    shape = (150, 150, 150)
    data = np.full(shape, 2.0, np.float32)
    data[60:90, 60:90, 60:90] = make_brain(1, (30, 30, 30)).data.clip(25, 100) / 100
    image = Image(data, np.eye(4))
    found = quicksilver.register(image, image, model, strip=True, **OPTIONS)
    assert any("of the target head, the mask has 27 ml" in note for note in found.notes)
