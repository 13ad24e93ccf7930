"""The benchmark harness: what is measured and how, and what is made of the figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError

sys.path.append(str(Path(__file__).resolve().parents[2]))
from benchmarks import cases, clock, document, machine, ours, peers, results, scaling
from benchmarks.inputs import Inputs, moderate_momentum
from benchmarks.plain_shooting import PlainShooting
from benchmarks.targets import TARGETS

ROOT = machine.ROOT
CPU = torch.device("cpu")
SMALL = cases.Place(CPU, small=True, budget=0.0)
NO_OPERATORS = {
    *("FluidMetric", "GeodesicShooting", "SpatialTransformer", "VectorIntegration", "Warp"),
    *("from_grid_sample", "from_icon", "to_grid_sample", "to_icon"),
    *("info", "patch_corners", "smooth_size"),
}


def figure(seconds: float, noise: float = 0.0) -> dict:
    spread = {
        "median": seconds,
        "quartile_low": seconds - noise,
        "quartile_high": seconds + noise,
        "runs": 5,
    }
    return {"seconds": spread, "times_ours": spread, "peak_bytes": 0}


def kept(path: Path, **seconds: dict) -> results.Results:
    """A file of results: by case, what each program took."""
    found = results.Results(path)
    for name, measured in seconds.items():
        about = {"version": "1", "date": "2026-01-01", "load_average": [0, 0], "missing": {}}
        found.add(name, {"measured": measured, **about}, {"commit": "abc"})
    return found


def test_every_operator_is_measured():
    names = {case.operator for case in cases.cases(CPU)}
    assert set(qs.operators.__all__) - NO_OPERATORS <= names
    assert len({case.name for case in cases.cases(CPU)}) == len(cases.cases(CPU))


@pytest.mark.parametrize("operator", ours.OURS)
def test_case(operator):
    record = cases.Case(operator, (20, 22, 24), 2 if operator == "warp" else 3).measure(SMALL)
    assert record["bytes"] > 0 and record["input_sets"] >= 2
    for measured in record["measured"].values():
        assert 0 < measured["seconds"]["quartile_low"] <= measured["seconds"]["median"]
    assert all(isinstance(reason, str) for reason in record["missing"].values())
    known = {"VoxelMorph SpatialTransformer"}  # other borders
    for peer, difference in record["largest_difference"].items():
        assert peer in known or difference < 1e-3, peer


def test_calls_take_turns():
    order = []
    calls = {name: lambda n, name=name: order.append((name, n)) for name in "AB"}
    found = clock.alternate(CPU, calls, 3, 0.0, (4, 4))
    assert [name for name, _ in order] == list("AB" * 6)  # once to warm up, and once for memory
    assert len({n for _, n in order[2:-2]}) == 3
    assert found["B"]["times_ours"]["runs"] == 4
    order.clear()
    assert clock.alternate(CPU, calls, 3, 0.0, (2, 2), warm=False)["B"]["seconds"]["runs"] == 2
    assert len(order) == 4


def test_seconds_and_memory():
    def hold(_: int) -> float:
        time.sleep(0.02)
        return torch.ones(2**25).sum().item()  # 128 MiB

    found = clock.alternate(CPU, {"hold": hold}, 1, 0.0)["hold"]
    assert 0.02 <= found["seconds"]["median"] < 2
    if found["peak_bytes"] is not None:
        assert 0.9 < found["peak_bytes"] / 2**27 < 1.5


def test_bytes_of_tensors():
    def hold(_: int) -> torch.Tensor:
        spare = torch.ones(1000)
        return spare + torch.ones(2000)[::2]

    assert 16_000 <= clock.tensor_bytes(hold) <= 16_200


def test_inputs_exceed_the_cache_and_are_not_zeros():
    inputs = Inputs(CPU, (24, 20, 22))
    assert inputs.rotation * inputs.images[0].nbytes >= 32 * 24 * 20 * 22 * 12
    for tensors in (inputs.images, inputs.displacements, inputs.vectors):
        assert all((t == 0).float().mean() < 0.05 for t in tensors)
        assert not torch.equal(tensors[0], tensors[1])


def test_missing_peer_is_said_to_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai", None)
    monkeypatch.setitem(sys.modules, "monai.networks.blocks", None)
    record = cases.Case("warp", (20, 22, 24)).measure(SMALL)
    assert "monai" in record["missing"]["MONAI Warp"]
    assert "MONAI Warp" not in record["measured"] and "grid_sample" in record["measured"]


def test_peer_in_half_precision():
    inputs = Inputs(CPU, (12, 13, 14), dtype=torch.bfloat16)
    found = peers.grid_sample(inputs)(0)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, qs.warp(inputs.images[0], inputs.displacements[0]))


def test_plain_shooting_is_that_of_the_paper():
    metric = qs.FluidMetric(pad="none")
    momentum = moderate_momentum((20, 22, 24), metric, 2.0)
    expected = qs.shoot(momentum, metric, 4, method="rk4", inverse_iterations=5)
    found = PlainShooting(momentum, metric, 4, 5)(momentum)
    for ours_, theirs in zip(expected, found, strict=True):
        assert ours_.abs().max() > 1
        torch.testing.assert_close(ours_, theirs, rtol=0, atol=1e-4)


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
    assert [line.split(":")[0] for line in lines] == ["worse"] and drift == 2.0
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
    assert found.has("case", "1") and not found.has("case", "2") and not found.has("other", "1")
    found.cases["case"]["version"] = "1-dirty"
    assert not found.has("case", "1-dirty")
    assert not results.Results(found.path, small=True).cases


def test_slopes(tmp_path):
    found = results.Results(tmp_path / "scaling.json")
    for n in (10, 20, 40, 80):
        case = {"operator": "warp", "shape": [n] * 3, "voxels": n**3, "batch": 1, "channels": 3}
        case |= {"dtype": "float32", "steps": 10, "threads": 2}
        found.cases[str(n)] = {**case, "measured": {"quicksilver": figure(1e-9 * n**3)}}
    [line] = scaling.lines(found)
    assert line.over == "voxels" and line.time_slope == pytest.approx(1.0)


def test_page(tmp_path):
    """From two cases and a registration: tables, plots and rows for what was not measured."""
    found = results.Results(tmp_path / "here.json")
    for case in (cases.Case("copy"), cases.Case("warp")):
        about = {"version": "1", "date": "2026-01-01", "load_average": [0, 0]}
        found.add(case.name, {**case.measure(SMALL), **about}, machine.machine())
    whole = {"measured": {"quicksilver": figure(2.0)}, "missing": {"ANTs SyN": "is not here"}}
    whole |= {"stages": {"predict": 1.5, "shoot": 0.5}, "volumes_per_hour": {"quicksilver": 1800}}
    found.add("register, some", {**whole, "spacing": 2.0, **about}, machine.machine())
    document.write_document(tmp_path / "page.md", tmp_path)
    text = (tmp_path / "page.md").read_text()
    assert "| warp, 160 x 192 x 160 |" in text and "grid_sample: " in text
    assert text.count("| not measured: ") == len(TARGETS) - 2  # warp against two peers
    assert "ANTs SyN (is not here)" in text and "predict 1.50" in text
    plots = list((tmp_path / "page").glob("*.svg"))
    assert {plot.stem for plot in plots} == {"here-roofline", "here-stages"}
    assert all(f"(page/{plot.name})" in text for plot in plots)


@pytest.mark.slow
def test_smoke(tmp_path):
    """The one command, tiny: complete results, a page of them, and nothing slower than itself."""
    words = [sys.executable, "-m", "benchmarks", "--smoke", "--output", str(tmp_path)]
    page = tmp_path / "page.md"
    where = {"cwd": ROOT, "env": os.environ, "capture_output": True, "text": True}
    done = subprocess.run([*words, "--document", str(page)], check=False, **where)
    assert done.returncode == 0, done.stderr
    [file] = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    assert {case.name for case in cases.cases(CPU)} <= content["cases"].keys()
    assert {"train, volumes", "train, patches", "fit"} <= content["cases"].keys()
    assert "### End to end" in page.read_text()
    again = subprocess.run([*words, "--compare", str(file), "--only", "none"], check=False, **where)
    assert again.returncode == 0 and "nothing" in again.stdout, again.stderr
