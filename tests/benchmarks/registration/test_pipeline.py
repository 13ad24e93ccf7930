"""The pair that whole registrations are timed on."""

from __future__ import annotations

from benchmarks.registration.pipeline import make_pair
from quicksilver.io.images import read_image


def test_the_pair_of_the_template_is_two_brains():
    with make_pair(small=False) as pair:
        for file in (pair.moving, pair.target):
            assert (read_image(file).data > 0).sum() > 1e6
