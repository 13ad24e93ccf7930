"""Results: kept, complete, compared."""

from __future__ import annotations

import pytest

from benchmarks.reporting import results
from quicksilver.errors import QuicksilverError
from tests.benchmarks.figures import figure, kept


def test_slower(tmp_path):
    old = kept(
        tmp_path / "old.json",
        same={"quicksilver": figure(1.0), "peer": figure(1.0)},
        worse={"quicksilver": figure(1.0)},
        noisy={"quicksilver": figure(1.0, 0.2)},
    )
    new = kept(
        tmp_path / "new.json",
        same={"quicksilver": figure(1.05), "peer": figure(2.0)},
        worse={"quicksilver": figure(1.2)},
        noisy={"quicksilver": figure(1.2, 0.2)},
    )
    lines, drift = results.slower(results.read_results(old.path), new)
    assert [line.split(":")[0] for line in lines] == ["worse"]
    assert drift == 2.0
    assert results.slower(new, old)[0] == []


def test_results_that_are_none(tmp_path):
    for content in ("{}", "[", '{"small": false}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(QuicksilverError, match=r"bad\.json"):
            results.read_results(tmp_path / "bad.json")


def test_incomplete(tmp_path):
    found = kept(tmp_path / "some.json", good={"quicksilver": figure(1.0)})
    assert results.incomplete(found, ["good"]) == []
    assert results.incomplete(found, ["good", "absent"]) == ["absent: not measured"]
    found.cases["bad"] = {"measured": {"peer": figure(0.0)}}
    assert len(results.incomplete(found, [])) == 6


def test_what_is_known_is_not_measured_again(tmp_path):
    found = kept(tmp_path / "some.json", case={"quicksilver": figure(1.0)})
    assert found.has("case", "1")
    assert not found.has("case", "2")
    assert not found.has("other", "1")
    found.cases["case"]["version"] = "1-dirty"
    assert not found.has("case", "1-dirty")
    assert not results.Results(found.path, small=True).cases
