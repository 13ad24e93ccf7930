"""The pair that whole registrations are timed on."""

from __future__ import annotations

from benchmarks.registration.pipeline import make_pair
from quicksilver.io.images import read_image


def test_the_pair_of_the_template_is_two_brains_on_one_grid():
    with make_pair(small=False) as pair:
        moving, target = read_image(pair.moving), read_image(pair.target)
    assert moving.grid.matches(target.grid)
    assert (moving.data > 0).sum() > 1e6
    assert abs(moving.data - target.data).mean() > 0.01 * moving.data.mean()
