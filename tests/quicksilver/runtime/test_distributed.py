"""What torchrun puts into the environment, and what else may stand there."""

from __future__ import annotations

from functools import partial

import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.runtime import distributed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RANK", "first"),
        ("RANK", "-1"),
        ("RANK", "1"),
        ("RANK", "9" * 5000),
        ("WORLD_SIZE", "0"),
        ("WORLD_SIZE", "many"),
        ("LOCAL_RANK", "0.5"),
    ],
)
def test_garbage_is_a_sentence(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    ask = distributed.local_rank if name == "LOCAL_RANK" else partial(distributed.own_share, [1, 2])
    with pytest.raises(QuicksilverError, match=f"expected {name} .*torchrun"):
        ask()


def test_what_is_empty_is_not_set(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "")
    assert distributed.own_share([1, 2]) == [1, 2]
    assert distributed.local_rank() == 0
