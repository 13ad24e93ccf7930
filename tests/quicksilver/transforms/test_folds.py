from __future__ import annotations

import itertools

import numpy as np
import torch

import quicksilver_ext as qs
from quicksilver.transforms.folds import Folds, count_folds, find_folds, penalise_folds

# Corners of a cube: the four tetrahedra cut off and the one left, for both ways to choose the four.
CUTS = [
    [c for c in itertools.product((0, 1), repeat=3) if sum(c) % 2 == parity] for parity in (0, 1)
]


def volume_by_tetrahedra(displacement: torch.Tensor) -> float:
    """The non-diffeomorphic volume, tetrahedron by tetrahedron, from the geometry alone."""
    points = displacement[0].numpy() + np.indices(displacement.shape[2:])
    total = 0.0
    for cube in itertools.product(*(range(n - 1) for n in points.shape[1:])):
        for kept in CUTS:
            rest = [c for c in itertools.product((0, 1), repeat=3) if c not in kept]
            pieces = [rest]
            for corner in kept:
                near = [
                    tuple(1 - v if a == axis else v for a, v in enumerate(corner))
                    for axis in range(3)
                ]
                pieces.append([corner, *near])
            for piece in pieces:
                now, before = (
                    signed_volume([where(np.add(cube, corner)) for corner in piece])
                    for where in (lambda x: points[(slice(None), *x)], np.asarray)
                )
                total += 0.5 * max(0.0, -now * np.sign(before))
    return total


def signed_volume(corners) -> float:
    first, *others = (np.asarray(corner, dtype=float) for corner in corners)
    return float(np.linalg.det([other - first for other in others])) / 6


def test_the_volume_is_that_of_the_folded_tetrahedra():
    torch.manual_seed(0)
    displacement = 0.5 * torch.randn(1, 3, 4, 3, 5)
    expected = volume_by_tetrahedra(displacement)
    assert expected > 0.1
    assert np.isclose(count_folds(displacement).volume, expected, rtol=1e-4)


def test_what_central_differences_miss_is_found():
    displacement = torch.zeros(1, 3, 9, 9, 9)
    displacement[0, 0, 4, 4, 4] = 1.5  # past its neighbour; the central difference there stays 0
    assert qs.jacobian_determinant(displacement)[0, 0, 4, 4, 4] > 0
    assert count_folds(displacement).voxels == 2


def test_only_the_middle_tetrahedra_fold():
    """Two opposite edges of a middle tetrahedron pass through each other, no one-sided J does."""
    displacement = torch.zeros(1, 3, 2, 2, 2)
    displacement[0, 2, 0, 0, 0] = displacement[0, 2, 1, 1, 0] = 0.6
    displacement[0, 2, 0, 1, 1] = displacement[0, 2, 1, 0, 1] = -0.6
    assert count_folds(displacement).voxels == 1
    assert np.isclose(count_folds(displacement).volume, volume_by_tetrahedra(displacement))


def test_a_mirror_folds_everything():
    displacement = torch.zeros(1, 3, 5, 6, 7)
    displacement[0, 0] = -2 * torch.arange(5.0)[:, None, None]
    assert count_folds(displacement) == Folds(voxels=5 * 6 * 7, volume=4 * 5 * 6)


def test_a_smooth_map_does_not_fold():
    x = torch.linspace(0, 3, 12)
    bump = torch.sin(x)[:, None, None] * torch.sin(x)[:, None] * torch.sin(x)
    assert count_folds(bump.expand(1, 3, 12, 12, 12)) == Folds(0, 0.0)


def test_the_folds_of_a_batch_are_those_of_its_members():
    torch.manual_seed(1)
    displacement = 0.4 * torch.randn(3, 3, 5, 4, 6)
    displacement[1] = 0
    where, volume = find_folds(displacement)
    each = [count_folds(one[None]) for one in displacement]
    assert where.sum((1, 2, 3, 4)).tolist() == [folds.voxels for folds in each]
    assert each[1].voxels == 0 < each[0].voxels
    assert np.isclose(volume, sum(folds.volume for folds in each))


def test_crowding_by_hand():
    """One voxel of many moves: eight cubes have corners of other volumes."""
    displacement = torch.zeros(2, 3, 4, 5, 4, dtype=torch.float64)
    displacement[1, 0] = -0.8 * torch.arange(4)[:, None, None]  # every determinant 0.2, 4 for J*
    cubes = 3 * 4 * 3
    # J* is 2 under the identity, six times the volume of a third of the cube: 0.4 here.
    expected = cubes * (8 * (0.5 - 0.2) ** 2 + 2 * (0.5 - 0.4) ** 2) / 10
    found = penalise_folds(displacement, 0.5)
    assert found[0] == 0
    assert torch.isclose(found[1], torch.tensor(expected).double())


def test_crowding_counts_the_worst_no_more_than_so_much():
    displacement = torch.zeros(1, 3, 4, 5, 4, dtype=torch.float64)
    displacement[0, 0] = -5 * torch.arange(4)[:, None, None]  # every determinant -4, -8 for J*
    displacement.requires_grad_()
    capped = penalise_folds(displacement, 0.5, most=1)
    assert capped == 3 * 4 * 3
    assert torch.autograd.grad(capped, displacement)[0].abs().max() == 0


def test_the_gradient_of_crowding():
    generator = torch.Generator().manual_seed(2)
    displacement = 0.3 * torch.randn(2, 3, 3, 4, 3, generator=generator, dtype=torch.float64)
    displacement.requires_grad_()
    assert (penalise_folds(displacement, 0.3) > 0).all()
    assert torch.autograd.gradcheck(lambda u: penalise_folds(u, 0.3), displacement)
