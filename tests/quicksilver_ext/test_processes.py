"""Operators in DataLoader workers, after a fork, and in several threads at once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import quicksilver_ext as qs

GRID = (20, 22, 24)
IMAGE = torch.randn(1, 1, *GRID, generator=torch.Generator().manual_seed(0))
METRIC = qs.FluidMetric(0.5, 0.3, 0.5)
FORK = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)


def deformed(index: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(index)
    momentum = torch.randn(1, 3, *GRID, generator=generator)
    psi, _ = qs.shoot(momentum, METRIC, 2)
    return qs.warp(IMAGE, psi)[0]


class Augmented(Dataset):
    """Warps where it is asked for an item: in a worker."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return deformed(index)


@FORK
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers(method):
    """This process has used its threads before the fork."""
    expected = [deformed(index) for index in range(6)]
    if method == "spawn" and "importlib" not in sys.modules:
        pytest.skip("workers cannot import the tests")
    loader = DataLoader(Augmented(), batch_size=2, num_workers=2, multiprocessing_context=method)
    found = [image for batch in loader for image in batch]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


BACKWARD_AFTER_FORK = """
import multiprocessing
import torch
import quicksilver_ext as qs

image, u = torch.ones(1, 1, 20, 22, 24), torch.zeros(1, 3, 20, 22, 24, requires_grad=True)
qs.warp(image, u)

def child():
    qs.warp(image, u).sum().backward()
    assert u.grad is not None

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(60)
raise SystemExit(process.exitcode)
"""


@FORK
def test_after_fork_with_gradients():
    """In a fresh interpreter that sees no GPU: torch refuses it once one has been used."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", BACKWARD_AFTER_FORK],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
        env=environment,
    )
    assert done.returncode == 0, done.stderr


def test_threads_share_the_operators():
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(deformed, range(8)))
    assert all(torch.equal(image, deformed(n)) for n, image in enumerate(found))


def test_the_interpreter_runs_while_an_operator_does():
    """One long call of the core, during which another thread counts: were the lock held, it would
    stand still.
    """
    image, u = torch.randn(1, 3, 128, 128, 128), torch.randn(1, 3, 128, 128, 128)
    counts, running, done = [0], threading.Event(), threading.Event()

    def count() -> None:
        while not done.is_set():
            if running.is_set():
                counts[0] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    counter = threading.Thread(target=count)
    counter.start()
    try:
        running.set()
        before = counts[0]
        torch.ops.quicksilver.splat(image, u, [128] * 3, 1, "cubic", "border")
        after = counts[0]
    finally:
        done.set()
        counter.join()
        sys.setswitchinterval(interval)
    assert after - before > 1000
