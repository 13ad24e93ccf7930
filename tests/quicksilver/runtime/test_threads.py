"""How waiting threads wait is settled before torch is imported, and by the user where they say."""

from __future__ import annotations

import os

import pytest

from quicksilver import cli
from quicksilver.runtime.threads import let_waiting_threads_sleep


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        ({"GOMP_SPINCOUNT": "1000"}, None),
    ],
)
def test_threads_sleep_unless_the_user_says_otherwise(said, expected, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    let_waiting_threads_sleep()
    assert os.environ.get("OMP_WAIT_POLICY") == expected
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


def test_a_command_settles_it_before_it_runs(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setattr("sys.argv", ["quicksilver", "register"])
    seen = []
    monkeypatch.setattr(cli, "app", lambda: seen.append(os.environ.get("OMP_WAIT_POLICY")))
    cli.main()
    assert seen == ["PASSIVE"]
    monkeypatch.delenv("OMP_WAIT_POLICY")
