from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

import quicksilver
from quicksilver import demo
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.images.masks import apply_mask, looks_unstripped
from quicksilver.images.resampling import resample
from quicksilver.io.affines import read_affine, write_affine
from quicksilver.io.fields import read_field
from quicksilver.io.images import as_image, read_image
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.registration.result import Registration
from tests.quicksilver.phantoms import make_affine, write_nifti


@pytest.fixture(scope="module")
def elsewhere() -> tuple[Image, Image, np.ndarray]:
    """A brain, a rotated and scaled copy on another grid, and the affine between their points."""
    target = demo.make_brain()
    affine = make_affine((12, -8, 15), (1.1, 0.95, 1.05), origin=(20, -30, 10))
    grid = Grid((80, 96, 84), affine @ target.affine @ np.diag([1.05, 1.1, 1.0, 1.0]))
    copy = Image(target.data, affine @ target.affine)
    return Image(resample(copy, grid)[0, 0].numpy(), grid.affine), target, affine


@pytest.fixture(scope="module")
def still() -> Model:
    """A model that predicts no motion, so that what moves is the affine map."""
    config = ModelConfig(features=2, architecture="horizontal", steps=2)
    return Model(config, config.network().eval())


@pytest.fixture(scope="module")
def raw(elsewhere, still) -> Registration:
    moving, target, _ = elsewhere
    return quicksilver.register(moving, target, still)


def test_a_raw_pair_is_brought_together(elsewhere, raw):
    moving, target, true = elsewhere
    assert not raw.notes
    assert np.abs(raw.affine - true).max() < 1
    inside = target.data > 0
    alike = np.corrcoef(raw.warped.data[inside], target.data[inside])[0, 1]
    assert alike > 0.95
    assert raw.warped.grid.matches(target.grid)
    assert raw.displacement.grid.matches(target.grid)
    assert raw.inverse_displacement.grid.matches(moving.grid)
    placement = raw.settings.placement
    assert placement.template_similarity > 0.98
    assert not placement.already_aligned
    assert list(raw.seconds)[:3] == ["read", "align", "prepare"]


def test_there_and_back_is_within_a_tenth_of_a_millimetre(elsewhere, raw):
    inside = torch.from_numpy(elsewhere[1].data > 0)[None]
    undone = raw.displacement.then(raw.inverse_displacement).vectors.norm(dim=1)[inside]
    assert undone.median() < 0.1


def test_what_is_saved_is_what_was_found(raw, tmp_path):
    summary = raw.save(tmp_path)
    assert np.allclose(read_affine(tmp_path / "affine.mat"), raw.affine, atol=1e-6)
    for name in ("displacement", "inverse_displacement"):
        saved = read_field(tmp_path / f"{name}.nii.gz")
        torch.testing.assert_close(saved.vectors, getattr(raw, name).vectors)
    moved = raw.apply(raw.pair.moving_image)
    assert np.allclose(moved.data, read_image(tmp_path / "warped.nii.gz").data)
    jacobian = read_image(tmp_path / "jacobian.nii.gz").data
    on_field = raw.displacement.determinant()[0, 0].numpy()
    inside = raw.pair.target_image.data > 0
    assert np.abs(jacobian - on_field)[inside].mean() < 0.02
    assert np.isclose(np.median(jacobian[inside]), np.linalg.det(raw.affine[:3, :3]), rtol=0.05)
    assert summary["settings"]["affine"] == raw.affine.tolist()


def test_there_is_one_class_of_what_was_computed(raw, registration, tmp_path):
    assert type(raw) is type(registration) is Registration is quicksilver.api.Registration
    with pytest.raises(QuicksilverError, match="expected a registration with a writer"):
        registration.save(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_labels_go_both_ways(raw):
    labels = [
        (image.data > 0).astype(np.uint8)
        for image in (raw.pair.moving_image, raw.pair.target_image)
    ]
    moving, target = raw.pair.moving_image, raw.pair.target_image
    there = raw.apply((labels[0], moving.affine), labels=True)
    back = raw.apply((labels[1], target.affine), labels=True, inverse=True)
    for ours, theirs in ((there.data, labels[1]), (back.data, labels[0])):
        assert ours.dtype == np.uint8
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.97


def test_an_atlas_takes_the_place_of_the_template(elsewhere, still):
    moving, target, _ = elsewhere
    turn = make_affine((10, -5, 8), (1.05, 1.0, 0.95), origin=(20, -10, 5))
    found = quicksilver.register(moving, target, still, atlas=target.reframe(turn))
    assert np.allclose(found.pair.placement.frame[:3, :3], turn[:3, :3], atol=0.02)


def test_an_affine_that_is_given_can_be_kept(elsewhere, still, tmp_path):
    moving, target, true = elsewhere
    write_affine(tmp_path / "given.mat", true)
    kept = quicksilver.register(
        moving, target, still, affine=False, initial_affine=tmp_path / "given.mat"
    )
    assert np.allclose(kept.affine, true, atol=1e-6)
    assert np.array_equal(kept.pair.placement.frame, np.eye(4))


@pytest.mark.parametrize("kind", ["path", "nibabel", "array", "tensor"])
def test_images_of_every_kind_are_the_same(brains, tmp_path, kind):
    image = brains[0]
    path = write_nifti(tmp_path / "image.nii.gz", image)
    given = {
        "path": path,
        "nibabel": nib.load(path),
        "array": (image.data, image.affine),
        "tensor": (torch.from_numpy(image.data), torch.from_numpy(image.affine)),
    }[kind]
    read = as_image(given)
    assert np.array_equal(read.data, image.data)
    assert read.grid.matches(image.grid)


@pytest.mark.parametrize(
    "source", [3, (np.ones((4, 4, 4)), np.eye(3)), (np.ones((4, 4)), np.eye(4)), None]
)
def test_what_is_no_image_is_refused(source):
    with pytest.raises(QuicksilverError, match="expected"):
        as_image(source)


def test_two_runs_are_equal_bit_by_bit(brains, model, tmp_path):
    moving, target = brains
    for run in ("first", "second"):
        quicksilver.register(moving, target, model, device="cpu").save(tmp_path / run)
    names = [path.name for path in (tmp_path / "first").iterdir() if not path.name.startswith("re")]
    assert len(names) == 6, "all but the report and result.json, which hold times"
    for name in names:
        first, second = ((tmp_path / run / name).read_bytes() for run in ("first", "second"))
        assert first == second, name


def test_masks_and_a_reference(brains, model):
    moving, target = brains
    half = np.ones(moving.data.shape, np.uint8)
    half[:20] = 0
    reference = Image(np.ones((20, 22, 18), np.float32), make_affine((3, 4, 5), (2.5, 2.5, 2.5)))
    found = quicksilver.register(
        moving,
        target,
        model,
        affine=False,
        moving_mask=(half, moving.affine),
        target_mask=(np.ones((90, 90, 90)), make_affine((0, 0, 0), (1, 1, 1), origin=(-45,) * 3)),
        reference=reference,
        correction=False,
    )
    pair = found.pair
    assert not pair.moving_image.data[:20].any()
    assert np.array_equal(pair.moving_image.data[20:], moving.data[20:])
    assert found.warped.grid.matches(reference.grid)


def test_a_mask_of_nothing_is_refused(brains):
    image = brains[0]
    with pytest.raises(QuicksilverError, match="mask that covers"):
        apply_mask(
            image,
            Image(
                np.ones((9, 9, 9), np.uint8), make_affine((0,) * 3, (1,) * 3, origin=(500, 0, 0))
            ),
        )


def test_a_head_is_noted(still):
    """A ball of skin and noise around a brain."""
    x, y, z = np.indices((96, 96, 96)) - 48
    noise = np.random.default_rng(0).random(x.shape)
    head = np.where(x**2 + y**2 + z**2 < 40**2, 1 + noise, 0.02 * noise).astype(np.float32)
    image = Image(head, np.diag([2.0, 2, 2, 1]))
    found = quicksilver.register(image, image, still, affine=False)
    assert [note.split()[1] for note in found.notes] == ["moving", "target"]
    assert all("strip the skull" in note for note in found.notes)


def test_no_brain_is_taken_for_a_head(shared):
    files = [*(shared / "data").glob("[tvo]*/*_t1.nii.gz")]
    assert len(files) > 100
    assert not any(looks_unstripped(read_image(path)) for path in files[::3])


VOLUME = np.ones((20, 20, 20), np.float32)
PROJECTIVE = np.eye(4)
PROJECTIVE[3, 0] = 0.01


@pytest.mark.parametrize(
    "source",
    [
        (VOLUME, None),
        (VOLUME, np.eye(3)),
        (VOLUME, PROJECTIVE),
        (VOLUME, "affine"),
        ([[1, 2], [3]], np.eye(4)),
        ([[[1, 2], [3]]], np.eye(4)),
        (torch.ones(20, 20, 20, device="meta"), np.eye(4)),
        (VOLUME.astype(complex), np.eye(4)),
        (VOLUME.astype(str), np.eye(4)),
    ],
)
def test_arrays_that_are_no_image_are_refused_in_a_sentence(source):
    with pytest.raises(QuicksilverError, match=r"expected .*found"):
        as_image(source)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: torch.from_numpy(x).bfloat16(),
        lambda x: torch.from_numpy(x).to_sparse(),
        lambda x: torch.from_numpy(x).half().requires_grad_(),
        lambda x: x.astype(bool),
        lambda x: torch.from_numpy(x) > 0,
        lambda x: x.tolist(),
    ],
)
def test_arrays_of_every_type_are_images(make):
    data = np.zeros((4, 5, 6), np.float32)
    data[1:3, 1:3, 2:4] = 1
    assert np.array_equal(as_image((make(data), np.eye(4))).data, data)


def test_a_mask_may_be_of_booleans(brains, still):
    found = quicksilver.register(
        *brains, still, affine=False, moving_mask=(brains[0].data > 0, brains[0].affine)
    )
    assert np.array_equal(found.pair.moving_image.data, brains[0].data)


@pytest.mark.parametrize(
    "affine", [np.eye(3), np.full((4, 4), np.nan), PROJECTIVE, np.zeros((4, 4)), 3, [[1], [2, 3]]]
)
def test_an_affine_that_is_none_is_refused(affine, brains, still):
    for aligned in (True, False):
        with pytest.raises(QuicksilverError, match="expected an affine"):
            quicksilver.register(*brains, still, affine=aligned, initial_affine=affine)


def test_what_the_headers_disagree_about_is_noted(brains, still, tmp_path):
    file = nib.Nifti1Image(brains[0].data, brains[0].affine)
    file.header.set_sform(brains[0].affine, 1)
    file.header.set_qform(make_affine((0, 0, 0), (1, 1, 1)), 1)
    nib.save(file, tmp_path / "a.nii.gz")
    found = quicksilver.register(tmp_path / "a.nii.gz", brains[1], still, affine=False)
    assert found.notes[0].startswith("of the moving image, its sform and its qform disagree by")


def test_memory_is_asked_for_before_images_are_read(brains, still, monkeypatch):
    from quicksilver.runtime import devices

    monkeypatch.setattr(devices, "free_memory", lambda device: 1 << 20)
    monkeypatch.setattr(quicksilver.api, "as_image", lambda *_: pytest.fail("it was read"))
    with pytest.raises(QuicksilverError, match=r"free memory.*million voxels"):
        quicksilver.register(*brains, still)


def test_of_a_reference_the_header_alone_counts(brains, still, tmp_path):
    empty = Image(np.zeros((30, 30, 30), np.uint8), brains[1].affine)
    path = write_nifti(tmp_path / "reference.nii.gz", empty)
    found = quicksilver.register(*brains, still, affine=False, reference=path)
    assert found.displacement.grid.shape == (30, 30, 30)


def test_a_header_of_microns_is_no_head(brains, still):
    large = Image(brains[0].data, np.diag([1000.0, 1000, 1000, 1]) @ brains[0].affine)
    try:
        found = quicksilver.register(large, large, still, affine=False).notes
    except QuicksilverError as error:
        found = (str(error),)
    assert not any("skull" in note for note in found)
