"""The steps of a look at a GPU: each stands alone, and hides no failure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from benchmarks.measuring.machine import ROOT


def gpu_check(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "benchmarks" / "gpu_check.sh"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_part_that_fails_is_told_and_the_others_run(tmp_path):
    done = gpu_check("--dry-run", "build", tmp_path, PYTHON="false")
    assert done.returncode == 1
    assert "failed of build: [smoke] [aim: copy]" in done.stdout
    assert "dry run: nvidia-smi" in done.stdout
    assert (tmp_path / "build.log").read_text() in done.stdout


def test_a_step_that_only_a_device_can_do_is_told(tmp_path):
    done = gpu_check("--dry-run", "profile", tmp_path)
    assert done.returncode == 0
    assert "dry run: timeout 90 ncu" in done.stdout


def test_the_driver_of_the_kernels_is_compiled_and_watched(tmp_path):
    done = gpu_check("--dry-run", "sanitize", tmp_path)
    assert done.returncode == 0, done.stdout
    tools = re.findall(r"compute-sanitizer --tool (\w+) .*/kernel_driver\n", done.stdout)
    assert tools == ["memcheck", "racecheck", "synccheck", "initcheck"]
    assert (tmp_path / "kernel_driver.o").exists() == bool(shutil.which("nvcc"))


def test_networks_and_shooting_need_no_optional_packages(tmp_path):
    bare = ROOT / "tests" / "benchmarks" / "bare"
    path = os.pathsep.join([str(bare), os.environ.get("PYTHONPATH", "")])
    done = gpu_check("--dry-run", "register", tmp_path, PYTHON=sys.executable, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout
    assert "predict, 229 x 193 x 193" in done.stdout
    assert "shoot padded, 96 x 112 x 96, batch 8" in done.stdout
    assert "whole registrations are left out" in done.stdout


def test_an_unknown_step_is_refused(tmp_path):
    done = gpu_check("everything", tmp_path)
    assert done.returncode == 2
    assert "found everything" in done.stderr
    assert gpu_check().returncode == 2
