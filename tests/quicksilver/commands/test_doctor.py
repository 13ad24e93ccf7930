"""`quicksilver doctor`: what is installed, what a GPU needs, how fast this machine is."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path

import pytest
import torch

import quicksilver
import quicksilver_ext as qs
from quicksilver.commands.doctor import describe_gpu
from quicksilver.runtime import speed

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_it_says_what_is_there_and_measures(command, monkeypatch):
    monkeypatch.setattr(speed, "BUDGET", 0.0)  # one run of each
    monkeypatch.setenv("COLUMNS", "120")
    code, shown, _ = command("doctor")
    assert code == 0
    words = " ".join(shown.split())
    assert f"quicksilver │ {quicksilver.__version__}" in words
    assert f"torch │ {torch.__version__}" in words
    assert "GPU" in words
    assert re.search(r"memory +│ [\d.]+ GB, of which [\d.]+ can be used now", words)
    for case, published in speed.PUBLISHED.items():
        found = re.search(rf"{case} +│ ([\d.e+]+) +│ {published:.4g} +│ ([\d.]+)", words)
        assert found, case
        assert float(found[2]) == pytest.approx(float(found[1]) / published, rel=0.01, abs=0.006)


def test_the_published_figures_are_those_of_the_table():
    table = (DOCS / "benchmarks.md").read_text()
    for case, milliseconds in speed.PUBLISHED.items():
        assert f"\n| {case} | {milliseconds:.4g} (" in table
    for word in speed.PUBLISHED_BY.split(", ")[0::2]:
        assert word in table


def test_what_a_gpu_needs(monkeypatch):
    built = copy.deepcopy(qs.info())
    built["cuda"] |= {"usable": False, "built": False, "torch": None}
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert describe_gpu(built).startswith("none; needs an NVIDIA GPU with its driver, a torch that")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    built["cuda"] |= {"torch": "12.8"}
    assert describe_gpu(built) == (
        "none; needs operators compiled where nvcc is: QS_CUDA=ON pip install ."
    )
    built["cuda"] |= {"built": True}
    assert describe_gpu(built) == "none; needs a driver that works (nvidia-smi)"
