from __future__ import annotations

import psutil
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.runtime.devices import free_memory, pick_device, require_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta:x", "meta", "hpu", "privateuseone"])
def test_devices_that_do_not_exist_are_refused(name):
    with pytest.raises(QuicksilverError, match=name):
        pick_device(name)


def test_the_device_that_is_picked():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("limit", "used"),
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_a_container_leaves_what_its_limit_leaves(tmp_path, limit, used):
    (tmp_path / "memory").mkdir()
    (tmp_path / limit).write_text("5000000\n")
    (tmp_path / used).write_text("2000000\n")
    assert free_memory(CPU, tmp_path) == 3000000
    (tmp_path / used).write_text("9000000\n")
    assert free_memory(CPU, tmp_path) == 0


def test_without_a_limit_the_machine_has_what_it_has(tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    assert 0.5 < free_memory(CPU, tmp_path) / psutil.virtual_memory().available < 2


def test_what_is_too_much_is_refused():
    require_memory(1.0, CPU, "nothing")
    with pytest.raises(QuicksilverError, match=r"about 1000000\.0 GB .* on cpu, .*; buy more"):
        require_memory(2.0**30 * 1e6, CPU, "buy more")


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_a_gpu_older_than_what_was_compiled_is_refused_by_name(monkeypatch, name):
    info = {"cuda": {"architectures": "80-real 90"}}
    monkeypatch.setattr("quicksilver_ext.info", lambda: info, raising=False)
    monkeypatch.setattr(torch, "empty", lambda *_, device: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    with pytest.raises(QuicksilverError, match=r"8\.0 or newer.*Tesla V100 with 7\.0.*cpu"):
        pick_device(name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert pick_device(name).type == "cuda"
