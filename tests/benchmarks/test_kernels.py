"""The table of compiled kernels, from what ptxas and cuobjdump print."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.instructions import Counts
from benchmarks.kernels import occupancy, read, table

NAME = "_ZN2qs4cuda12voxel_kernelINS0_6FollowI{}Li3EEEEEvT_"
LOG = "".join(
    f"ptxas info    : Compiling entry function '{NAME.format(letter)}' for '{architecture}'\n"
    f"    0 bytes stack frame, 0 bytes spill stores, {spilled} bytes spill loads\n"
    f"ptxas info    : Used {registers} registers, used 0 barriers\n"
    for letter, architecture, registers, spilled in (
        ("f", "sm_80", 40, 0),
        ("f", "sm_90", 48, 0),
        ("d", "sm_80", 62, 0),
        ("d", "sm_90", 64, 4),
    )
)

pytestmark = pytest.mark.skipif(shutil.which("c++filt") is None, reason="needs c++filt")


def test_read():
    first, *_, last = read(LOG)
    assert (first.body, first.scalar, first.launcher) == ("Follow", "float", "voxel_kernel")
    assert (first.name, first.architecture, first.registers) == (NAME.format("f"), "sm_80", 40)
    assert (last.scalar, last.spills) == ("double", 4)


def test_table_shows_the_longest_float_variant():
    kernels = read(LOG)
    longer = replace(kernels[1], name="longer", registers=56)
    counts = {
        NAME.format("f"): Counts(100, 1, 2, 0, 0, 50),
        "longer": Counts(1200, 48, 3, 5, 6, 400),
    }
    *_, row = table([*kernels, longer, replace(longer, architecture="sm_80")], counts)
    assert row == (
        "| Follow | 3 | 56 / 62 | 56 / 64 | 50% / 50% | 1,200 | 400 | 48 / 3 | 5 / 6 | 40 |"
    )


@pytest.mark.parametrize(
    ("registers", "threads", "share"), [(32, 256, 1), (64, 1024, 0.5), (80, 256, 0.375)]
)
def test_occupancy(registers, threads, share):
    assert occupancy(registers, threads) == share


def test_spills_fail(tmp_path):
    (tmp_path / "ptxas.log").write_text(LOG, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.kernels", str(tmp_path / "ptxas.log")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0
    assert "found ['Follow<double>']" in run.stderr
