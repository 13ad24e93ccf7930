"""Fusing labels: votes, ties, and weights that know which atlases err together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver.labelling import fusion
from quicksilver.labelling.fusion import (
    ALPHA,
    find_joint_weights,
    fuse_by_majority,
    fuse_jointly,
    fuse_labels,
)
from tests.quicksilver.phantoms import texture


def test_the_majority_is_the_most_frequent_label_and_a_tie_the_first_atlas():
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (5, 6, 7, 8)))
    fused = fuse_by_majority(labels)
    counts = torch.stack([(labels == label).sum(0) for label in range(5)])
    most = counts.max(0).values
    assert (counts.gather(0, fused[None])[0] == most).all()
    tied = (counts == most).sum(0) > 1
    for index in tied.nonzero()[:50].tolist():
        own = labels[(slice(None), *index)].tolist()
        best = [label for label in own if own.count(label) == max(map(own.count, own))]
        assert fused[tuple(index)] == best[0]
    assert tied.any()


def test_weights_may_be_negative():
    labels = torch.tensor([[4], [5], [5], [6]])
    assert fuse_labels(labels, torch.tensor([[0.4], [0.7], [-0.5], [0.3]])).tolist() == [4]


def test_joint_weights_minimise_the_expected_error():
    factor = torch.rand(7, 4, 4, generator=torch.Generator().manual_seed(0))
    errors = factor @ factor.transpose(1, 2)
    weights = find_joint_weights(errors)
    assert torch.allclose(weights.sum(1), torch.ones(7), atol=1e-5)
    mean = errors.diagonal(dim1=1, dim2=2).mean(1)
    system = errors + ALPHA * mean[:, None, None] * torch.eye(4)

    def expect(vote):
        return torch.einsum("ni,nij,nj->n", vote, system, vote)

    for seed in range(20):
        step = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))
        step = 0.05 * (step - step.mean(1, keepdim=True))
        assert (expect(weights + step) >= expect(weights)).all()


def test_two_that_err_alike_share_one_vote():
    errors = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])[None]
    twin, other, alone = find_joint_weights(errors)[0].tolist()
    assert twin == pytest.approx(other)
    assert alone / twin == pytest.approx((2 + ALPHA) / (1 + ALPHA))


@pytest.fixture
def halves() -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """An image, and two atlases of which each looks like it in one half."""
    shape = (32, 24, 24)
    image, other = (texture(seed, shape)[0, 0] for seed in (1, 2))
    first, second = image.clone(), image.clone()
    first[16:], second[:16] = other[16:], other[:16]
    labels = torch.stack([torch.ones(shape, dtype=torch.int64), torch.full(shape, 2)])
    return labels, [first, second], image


def test_what_looks_like_the_image_counts(halves):
    fused = fuse_jointly(*halves)
    inside = fused[:, 4:-4, 4:-4]
    assert (inside[4:11] == 1).all()
    assert (inside[21:-4] == 2).all()
    assert (fuse_by_majority(halves[0]) == 1).all()


def test_chunks_change_nothing(halves, monkeypatch):
    whole = fuse_jointly(*halves)
    monkeypatch.setattr(fusion, "CHUNK", 1000)
    assert (fuse_jointly(*halves) == whole).all()


def test_where_all_agree_nothing_is_weighed(halves):
    labels = halves[0].clone()
    labels[1] = labels[0]
    assert (fuse_jointly(labels, *halves[1:]) == 1).all()
