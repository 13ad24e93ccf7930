"""The pages of docs/tasks and of the BIDS App: their commands run as written, page after page."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver import demo
from quicksilver.commands import bids
from quicksilver.images.image import Image
from quicksilver.io.results import load_registration
from quicksilver.results.folder import save_registration
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti
from tests.quicksilver.slices import draw, make_map, make_slice, read_array, write_picture
from tests.quicksilver.test_docs import DOCS, blocks, lines


@pytest.fixture
def folder(brains, tmp_path, monkeypatch) -> Path:
    """A working folder with the images that the pages name."""
    moving, target = brains
    named = {"moving": moving, "visit2": moving, "target": target, "visit1": target}
    for name, image in {**named, "template": make_brain(3)}.items():
        write_nifti(tmp_path / f"{name}.nii.gz", image)
    labels = Image((target.data > 100).astype(np.uint8), target.affine)
    write_nifti(tmp_path / "visit1_labels.nii.gz", labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(page: str, command) -> None:
    """Run all commands of a page, one after another."""
    for line in lines(page):
        program, *words = shlex.split(line)
        assert program == "quicksilver"
        code, _, error = command(*words)
        assert code == 0, f"{line}: {error}"


def test_first_pair(folder, command, monkeypatch):
    small = make_brain(5, affine=make_affine((0, 0, 0), (2, 2, 2), origin=(-40, -44, -36)))
    monkeypatch.setattr(demo, "make_brain", lambda: small)
    run_page("tasks/first-pair.md", command)
    assert load_registration(folder / "first").displacement
    assert {"log_jacobian.nii.gz", "again.nii.gz"} <= {path.name for path in folder.iterdir()}


def test_slices(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target, places = make_slice(96), make_map(96)
    for name, pixels, order in (("", target, 1), ("_labels", 3 * (target > 120), 0)):
        write_picture(tmp_path / f"target{name}.png", pixels)
        write_picture(tmp_path / f"moving{name}.png", draw(pixels, places, order))
    (tmp_path / "points.csv").write_text("x,y\n40,50\n")
    run_page("slices.md", command)
    (block,) = blocks("slices.md", "python")
    names: dict[str, object] = {}
    exec(block, names)
    theirs = sitk.GetArrayFromImage(names["moved"]).T
    inner = (slice(4, -4),) * 2
    assert np.abs(theirs - read_array(tmp_path / "moved.png").astype(float))[inner].max() <= 1


def test_longitudinal(folder, command, capsys):
    run_page("tasks/longitudinal.md", command)
    (block,) = blocks("tasks/longitudinal.md", "python")
    exec(block, {})
    assert re.search(r"^1: \d+ mm3, then \d+ mm3, [+-]\d+\.\d %$", capsys.readouterr().out)


def test_cluster(folder, command, monkeypatch):
    """What a task of the array does: its share of the list, and all of it by two tasks."""
    rows = [f"moving.nii.gz,target.nii.gz,{name}" for name in ("sub-01", "sub-02")]
    (folder / "pairs.csv").write_text("\n".join(["moving,target,id", *rows]))
    (script,) = blocks("tasks/cluster.md", "bash")
    exports = dict(re.findall(r"(\w+)=\$(SLURM_\w+)", script))
    (line,) = re.findall(r"^quicksilver (.*)$", script, re.MULTILINE)
    for task in ("0", "1"):
        slurm = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2"}
        for name, source in exports.items():
            monkeypatch.setenv(name, slurm.get(source, "1"))
        assert command(*shlex.split(line))[0] == 0
        done = {path.parent.name for path in folder.glob("OUT/*/result.json")}
        assert done == {"sub-01", "sub-02"} if task == "1" else {"sub-01"}


@pytest.mark.parametrize("number", range(3))
def test_embedding(number, capsys):
    block = blocks("tasks/embedding.md", "python")[number]
    if "monai" in block:
        pytest.importorskip("monai")
    exec(block, {})


APP = [
    line if "--target" in line else pytest.param(line, marks=pytest.mark.slow)  # a 1 mm template
    for line in lines("bids.md")
]


@pytest.mark.parametrize("line", APP)
def test_bids(line, folder, monkeypatch, brains):
    for label in ("01", "02"):
        (folder / f"BIDS/sub-{label}/anat").mkdir(parents=True)
        write_nifti(folder / f"BIDS/sub-{label}/anat/sub-{label}_T1w.nii.gz", brains[0])
    (folder / "OUT/registrations").mkdir(parents=True)
    program, *words = shlex.split(line)
    assert program == "quicksilver-bids"
    monkeypatch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as stop:
        bids.main()
    assert not stop.value.code
    assert (folder / "OUT/registrations/index.html").is_file()


REFUSED = [
    match.groups()
    for match in re.finditer(
        r"^\$ (.*)\n(.*)$", "".join(blocks("tasks/refusals.md", "console")), re.M
    )
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_refusals(line, sentence, folder, command, registration, brains):
    write_nifti(folder / "zeros.nii.gz", Image(brains[0].data * 0, brains[0].affine))
    away = make_affine((0, 0, 0), (1, 1, 1), origin=(500, 0, 0))
    write_nifti(folder / "far.nii.gz", Image(brains[0].data, away))
    series = np.stack([brains[0].data] * 2, axis=-1)
    write_nifti(folder / "series.nii.gz", Image(series, brains[0].affine))
    (folder / "columns.csv").write_text("image,template\nmoving.nii.gz,target.nii.gz\n")
    if " apply OUT " in line:
        save_registration(registration, folder / "OUT")
    code, _, error = command(*shlex.split(line)[1:])
    assert code == 2
    assert error.splitlines()[-1] == sentence  # before it, progress


def test_every_page_of_tasks_is_run():
    ran = {"first-pair", "longitudinal", "cluster", "embedding", "refusals"}
    assert {path.stem for path in (DOCS / "tasks").glob("*.md")} == ran
    assert len(REFUSED) > 8
