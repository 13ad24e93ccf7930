"""A training that is killed, or shared by processes, has the losses of one that is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from quicksilver.training.recipe import read_recipe
from quicksilver.training.train import train
from tests.quicksilver.training_data import STAGE, losses, recipe_file


def started(recipe: Path, data: Path, out: Path, cwd: Path, *launcher: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        *launcher,
        "quicksilver",
        "train",
        recipe,
        "--data",
        data,
        "-o",
        out,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=environment, stderr=subprocess.PIPE
    )


def test_a_command_that_is_killed_goes_on_with_the_same_losses(data, tmp_path):
    stage = {**STAGE, "steps": 30, "validations": 10}
    recipe = recipe_file(tmp_path, prediction=stage, correction=None)
    torch.set_num_threads(1)
    train(read_recipe(recipe), data, tmp_path / "whole")
    killed = tmp_path / "killed"
    process = started(recipe, data, killed, tmp_path)
    while not (killed / "prediction.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(losses(killed))
    assert done < 30, "it was killed too late to show anything"
    assert started(recipe, data, killed, tmp_path).wait() == 0
    assert losses(killed) == losses(tmp_path / "whole")


def test_processes_train_together(data, tmp_path):
    recipe = recipe_file(tmp_path, correction=None)
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
    process = started(recipe, data, tmp_path / "out", tmp_path, *launcher)
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    together = losses(tmp_path / "out")
    train(read_recipe(recipe), data, tmp_path / "alone")
    assert together[0] == pytest.approx(losses(tmp_path / "alone")[0], rel=1e-4)
    assert together[1:] != losses(tmp_path / "alone")[1:]
    assert (tmp_path / "out" / "model.safetensors").exists()
