"""Several processes share one list of pairs, and any of them may be killed."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from quicksilver.cohort.pairs import PairPaths
from quicksilver.cohort.run import Outcome, run_cohort
from quicksilver.commands.register import register_listed
from quicksilver.io import files, nifti
from quicksilver.io.files import filling
from quicksilver.registration.options import Options
from tests.quicksilver.cohort.lists import OPTIONS, pretend, some_pairs


def test_processes_share_the_list(tmp_path, monkeypatch):
    pairs = some_pairs(tmp_path, 5)
    done = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        done.append([o.id for o in run_cohort(pairs, tmp_path / "out", pretend, {})])
    assert done == [["p0", "p2", "p4"], ["p1", "p3"]]


def test_jobs_share_the_threads(tmp_path):
    seen = []

    def looking(pair, place, entries):
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        run_cohort(some_pairs(tmp_path, 4), tmp_path / "out", looking, {}, jobs=2)
    finally:
        torch.set_num_threads(before)
    assert seen == [2] * 4


def run_for_real(pairs, out: Path, model) -> None:
    torch.set_num_threads(1)  # the fork has none of the parent's
    work = partial(
        register_listed, about={}, out_format="itk", options=Options(model, device="cpu", **OPTIONS)
    )
    run_cohort(pairs, out, work, {"model": model.digest(), **OPTIONS}, jobs=2)


def contents(out: Path) -> dict[str, np.ndarray]:
    return {
        str(path.relative_to(out)): nifti.load(path)[0] for path in sorted(out.rglob("*.nii.gz"))
    }


@pytest.mark.slow
def test_killed_at_fifty_moments_it_ends_as_if_nothing_had_been(tmp_path, model):
    pairs = some_pairs(tmp_path, 3)
    fork = multiprocessing.get_context("fork")

    def started(out: Path):
        process = fork.Process(target=run_for_real, args=(pairs, out, model))
        process.start()
        return process

    begin = time.perf_counter()
    whole = started(tmp_path / "whole")
    whole.join()
    length = time.perf_counter() - begin
    expected = contents(tmp_path / "whole")
    assert whole.exitcode == 0
    assert len(expected) == 3 * 5
    moments, kills, out = random.Random(0), 0, tmp_path / "0"
    while kills < 50:
        process = started(out)
        process.join(length * moments.random())
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            kills += 1
        for place in out.glob("p?/result.json"):  # whatever looks done is whole
            name = place.parent.name
            for file in (tmp_path / "whole" / name).glob("*.nii.gz"):
                assert np.array_equal(
                    nifti.load(place.parent / file.name)[0], expected[f"{name}/{file.name}"]
                )
        if all((out / f"p{k}/result.json").exists() for k in range(3)):
            out = tmp_path / str(kills)  # done in spite of all: once more
    last = started(out)
    last.join()
    found = contents(out)
    assert last.exitcode == 0
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not list(out.rglob("*.partial"))


@pytest.mark.slow
def test_machines_of_one_folder_share_a_list(tmp_path, model_file):
    """The manual's command as two machines run it, which here are two launchers on one."""
    some_pairs(tmp_path, 3)
    rows = ["moving,target", *(f"{k}.nii.gz,{k + 1}.nii.gz" for k in range(3))]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    words = ["-m", "quicksilver", "register", "--pairs", "pairs.csv", "--no-affine"]
    words += ["--model", str(model_file), "--steps", "2"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    launch += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    machines = [
        subprocess.Popen(
            [sys.executable, *launch, "--node-rank", str(rank), *words, "-o", "together"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [machine.communicate()[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0]
    assert "2 of them now" in said[0]
    assert "1 of them now" in said[1]
    alone = [sys.executable, *words, "-o", "alone"]
    subprocess.run(alone, cwd=tmp_path, check=True, capture_output=True)
    found, expected = (contents(tmp_path / out) for out in ("together", "alone"))
    assert len(found) == 3 * 5
    assert found.keys() == expected.keys()
    # One thread each against all of them: sums in another order.
    assert all(np.allclose(found[name], expected[name], atol=1e-3) for name in expected)


def test_three_launchers_of_one_list_leave_each_other_alone(tmp_path):
    """Each fills a temporary folder of its own, which none of the others takes for a dead one."""
    pairs = some_pairs(tmp_path, 1)
    barrier = threading.Barrier(3)

    def slow(pair: PairPaths, place: Path, entries: dict) -> None:
        with filling(place) as temporary:
            barrier.wait(30)
            (temporary / "momentum.nii.gz").write_text("voxels")
            barrier.wait(30)
            (temporary / "result.json").write_text(json.dumps(entries))

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(run_cohort, pairs, tmp_path / "out", slow, {}) for _ in range(3)]
        assert [job.result() for job in jobs] == 3 * [[Outcome("p0")]]
    assert {path.name for path in (tmp_path / "out/p0").iterdir()} == {
        "momentum.nii.gz",
        "result.json",
    }


def test_a_folder_that_another_program_clears_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    locks, lock = [], files._lock

    def come_first(folder: Path) -> int | None:
        locks.append(folder)
        if len(locks) == 1:  # it has locked the folder
            raise BlockingIOError
        if len(locks) == 2:  # it has removed the folder
            folder.rmdir()
        return lock(folder)

    monkeypatch.setattr(files, "_lock", come_first)
    with files.filling(tmp_path) as temporary:
        assert temporary == locks[2] != locks[0]
        (temporary / "momentum.nii.gz").write_text("voxels")
    assert (tmp_path / "momentum.nii.gz").read_text() == "voxels"


def test_what_a_kill_left_is_cleared_by_whoever_writes_there_next(tmp_path):
    (tmp_path / ".01234567.partial").mkdir()
    (tmp_path / ".01234567.partial" / "warped.nii.gz").write_text("half")
    with filling(tmp_path) as temporary:
        (temporary / "result.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
