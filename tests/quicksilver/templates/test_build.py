"""The command template: small brains through all of it, killed, shared, refused; and people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import quicksilver
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.intensity import normalise
from quicksilver.io.images import read_image
from quicksilver.io.results import load_registration
from quicksilver.templates.options import TemplateOptions
from quicksilver.templates.result import load_round
from quicksilver.templates.subjects import find_subjects
from quicksilver.transforms.field import WorldField
from tests.quicksilver.processes import KILLED, assert_refused


def words_for(group: list[Path], out: Path, *more: object) -> list[str]:
    return list(map(str, ["template", *group, "-o", out, "--jobs", 1, *more]))


def start(words: list[str], **variables: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "quicksilver", *words]
    environment = {**os.environ, **variables}
    return subprocess.Popen(program, cwd="/", env=environment, stdout=subprocess.DEVNULL)


def stamps(out: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in out.rglob("registrations/*/result.json")}


def measure_difference(found: Image, truth: Image) -> float:
    """Root mean square, inside of the truth, with intensities scaled alike."""
    theirs = normalise(torch.from_numpy(truth.data)).numpy()
    ours = Image(normalise(torch.from_numpy(found.data)).numpy(), found.affine)
    moved = WorldField.identity(truth.grid).warp(ours).data
    return float(np.sqrt(((moved - theirs)[truth.data > 0] ** 2).mean()))


@pytest.fixture(scope="module")
def made(group, model_file, tmp_path_factory) -> Path:
    """The results of one round, in a process of its own."""
    out = tmp_path_factory.mktemp("made") / "out"
    assert start(words_for(group, out, "--rounds", 1, "--model", model_file)).wait() == 0
    return out


def test_the_mean_is_recovered(made, group, mean_brain):
    begun, found = (read_image(made / f"rounds/{k}/template.nii.gz") for k in (0, 1))
    far = [measure_difference(read_image(path), mean_brain) for path in group]
    near = measure_difference(found, mean_brain)
    assert near < measure_difference(begun, mean_brain) < min(far)
    assert near < 0.7 * min(far)


def test_the_record(made, group):
    record = json.loads((made / "result.json").read_text())
    assert list(record["images"]) == ["back", "there"]
    assert record["line"].startswith("quicksilver template ")
    begun, done = record["rounds"]
    assert "change_mm" not in begun
    assert done["change_mm"]["mean"] < 1
    assert done["difference"] > 0
    assert done["deviation"] < 0.7 * begun["deviation"]
    assert (made / "template.nii.gz").read_bytes() == (
        made / "rounds/1/template.nii.gz"
    ).read_bytes()
    for path in group:
        name = path.name.removesuffix(".nii.gz")
        place = made / f"rounds/1/registrations/{name}"
        assert load_registration(place).summary["target"] == str(path)
        assert (place / "report.html").exists()


def test_killed_and_run_again_it_has_the_same_bits(made, group, model_file, tmp_path):
    """Killed while the second image is saved, and again while the template is."""
    out = tmp_path / "out"
    words = words_for(group, out, "--rounds", 1, "--model", model_file)
    for renames in (30, 20):
        program = [sys.executable, "-c", KILLED, str(renames), *words]
        done = subprocess.run(program, check=False, cwd="/", capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert not (out / "rounds/1/result.json").exists()
    before = stamps(out)
    assert len(before) == 2
    assert start(words).wait() == 0
    assert stamps(out) == before
    assert (out / "template.nii.gz").read_bytes() == (made / "template.nii.gz").read_bytes()
    assert not list(out.rglob(".*.partial"))


def test_processes_share_the_images_and_rounds_are_found_again(
    made, group, model_file, tmp_path, command
):
    words = words_for(group, tmp_path, "--rounds", 1, "--model", model_file)
    shared = [start(words, WORLD_SIZE="2", RANK=str(number)) for number in (1, 0)]
    assert [process.wait() for process in shared] == [0, 0]
    assert (tmp_path / "template.nii.gz").read_bytes() == (made / "template.nii.gz").read_bytes()
    before = stamps(tmp_path)
    more = words_for(group[::-1], tmp_path, "--rounds", 2, "--model", model_file)
    code, shown, error = command(*more)
    assert code == 0, error
    assert "round 2: the template moved by" in shown
    after = stamps(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == 4


def test_the_order_of_the_images_decides_nothing(group):
    assert find_subjects(group) == find_subjects(group[::-1])


def damage(folder: Path, group: list[Path]) -> dict[str, list[object]]:
    """Command lines that cannot work, by name."""
    text, cut, twice = folder / "text.nii.gz", folder / "cut.nii.gz", folder / "more/there.nii.gz"
    text.write_text("no image")
    cut.write_bytes(group[0].read_bytes()[:20000])
    twice.parent.mkdir()
    twice.write_bytes(group[0].read_bytes())
    own = folder / "own/template.nii.gz"
    own.parent.mkdir()
    own.write_bytes(group[0].read_bytes())
    out = ["-o", folder / "out"]
    return {
        "one image": [group[0], *out],
        "one name twice": [*group, twice, *out],
        "text": [*group, text, *out],
        "a file cut short": [*group, cut, *out],
        "a missing image": [*group, folder / "absent.nii.gz", *out],
        "an input for output": [*group, own, "-o", own.parent],
        "a missing model": [*group, *out, "--model", "no-model"],
    }


BAD_INPUTS = [
    "one image",
    "one name twice",
    "text",
    "a file cut short",
    "a missing image",
    "an input for output",
    "a missing model",
]


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name, group, tmp_path, command):
    words = damage(tmp_path, group)[name]
    assert_refused(command, ["template", *words], tmp_path)


@pytest.mark.parametrize("content", ["{}", "[]", "", '{"number": 1}', "[" * 100_000])
def test_the_record_of_a_round_that_is_none_is_refused(content, made, tmp_path):
    (tmp_path / "template.nii.gz").symlink_to(made / "template.nii.gz")
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(QuicksilverError, match=r"result\.json"):
        load_round(tmp_path)


def test_options_are_checked():
    for wrong in ({"rounds": 0}, {"spacing": 0.0}, {"refine": -1}):
        with pytest.raises(QuicksilverError, match="expected"):
            TemplateOptions(**wrong)


@pytest.mark.slow
def test_people_have_a_sharper_mean_after_each_round(shared, tmp_path):
    """Three people; the template of the affines alone is the blurred one."""
    people = [shared / f"data/train_2mm/ixi_{number}_t1.nii.gz" for number in ("646", "643", "661")]
    options = TemplateOptions(rounds=2, device="cpu")
    found = quicksilver.template(people, tmp_path, options)
    begun, first, second = found.rounds
    assert begun.deviation > first.deviation > second.deviation
    assert first.difference > second.difference
    assert second.sharpness > begun.sharpness
