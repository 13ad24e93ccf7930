from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import quicksilver
from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.training.recipe import RECIPES
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti

RECIPE = Path(str(RECIPES / "default-2mm.yaml"))
OUTPUTS = {
    "warped.nii.gz",
    "affine.mat",
    "displacement.nii.gz",
    "inverse_displacement.nii.gz",
    "momentum.nii.gz",
    "jacobian.nii.gz",
    "result.json",
    "report.html",
    "report.png",
}


@pytest.fixture(scope="module")
def out(brain_files, model_file, tmp_path_factory) -> Path:
    """A folder that `quicksilver register` wrote, run as a user runs it."""
    folder = tmp_path_factory.mktemp("cli") / "out"
    done = quicksilver_process(
        "register", *brain_files, "-o", folder, "--model", model_file, "--no-affine"
    )
    assert done.returncode == 0, done.stderr
    assert str(folder / "report.html") in done.stdout.replace("\n", "")
    return folder


def quicksilver_process(*words: object) -> subprocess.CompletedProcess[str]:
    return python_process("-m", "quicksilver", *words)


def python_process(*words: object) -> subprocess.CompletedProcess[str]:
    # Not in the checkout: there, its quicksilver_ext without compiled core would be imported.
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tempfile.gettempdir(),
    )


def test_register_writes_everything(out, brain_files):
    assert {path.name for path in out.iterdir()} == OUTPUTS
    target = read_image(brain_files[1])
    assert read_image(out / "warped.nii.gz").grid.matches(target.grid)
    summary = json.loads((out / "result.json").read_text())
    stages = [
        "read",
        "align",
        "prepare",
        "predict",
        "shoot",
        "correct",
        "decide",
        "shoot again",
        "judge",
        "write",
    ]
    assert list(summary["seconds"]) == [*stages, "total"]
    assert summary["command"] == "register"
    assert summary["moving"] == str(brain_files[0])


def test_options_of_register(brain_files, model_file, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path, "--model", model_file, "--no-affine")
    code, shown, _ = command(*words, "--steps", 2, "--no-correction", "--device", "cpu")
    assert code == 0
    assert "shoot" in shown
    assert "shoot again" not in shown
    settings = json.loads((tmp_path / "result.json").read_text())["settings"]
    assert (settings["steps"], settings["correction"], settings["device"]) == (2, False, "cpu")


def test_register_refines(brain_files, model_file, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path, "--model", model_file, "--steps", 2)
    code, shown, _ = command(*words, "--refine", 1, "--no-correction", "--no-affine")
    summary = json.loads((tmp_path / "result.json").read_text())
    assert code == 0
    assert "refine" in shown
    assert summary["settings"]["refine"] == 1
    assert list(summary["seconds"])[3:7] == ["predict", "decide", "refine", "shoot"]


def test_apply_repeats_the_warp(out, brain_files, tmp_path, command):
    assert command("apply", out, brain_files[0], "-o", tmp_path / "again.nii.gz")[0] == 0
    again, warped = (read_image(p).data for p in (tmp_path / "again.nii.gz", out / "warped.nii.gz"))
    assert np.allclose(again, warped, atol=0.05)


def test_apply_inverse_brings_the_target_back(out, brain_files, tmp_path, command):
    code, *_ = command(
        "apply", out, out / "warped.nii.gz", "-o", tmp_path / "back.nii.gz", "--inverse"
    )
    back, moving = read_image(tmp_path / "back.nii.gz"), read_image(brain_files[0])
    assert code == 0
    assert back.grid.matches(moving.grid)
    core = (slice(8, -8),) * 3
    assert np.corrcoef(back.data[core].ravel(), moving.data[core].ravel())[0, 1] > 0.95


def test_apply_refuses_an_image_of_another_world(out, tmp_path, command):
    far = make_brain(1, affine=make_affine((0, 0, 0), (1, 1, 1), origin=(500, 0, 0)))
    image = write_nifti(tmp_path / "far.nii.gz", far)
    code, _, error = command("apply", out, image, "-o", tmp_path / "moved.nii.gz")
    assert code == 2
    assert "no overlap" in error
    assert list(tmp_path.iterdir()) == [image]


@pytest.fixture
def label_files(brains, tmp_path) -> list[Path]:
    files = []
    for name, image in zip(("moving", "target"), brains, strict=True):
        labels = np.where(image.data > 0, 1000 + (image.data > 100), 0).astype(np.uint16)
        files.append(write_nifti(tmp_path / f"{name}.nii.gz", Image(labels, image.affine)))
    return files


def test_apply_labels(out, label_files, tmp_path, command):
    assert command("apply", out, label_files[0], "-o", tmp_path / "moved.nii", "--labels")[0] == 0
    moved = nib.load(tmp_path / "moved.nii")
    assert moved.get_data_dtype() == np.uint16
    assert set(np.unique(np.asarray(moved.dataobj))) == {0, 1000, 1001}


def test_evaluate(out, label_files, tmp_path, command):
    moving, target = label_files
    words = ("evaluate", out, "--moving-labels", moving, "--target-labels", target)
    code, shown, _ = command(*words, "--json", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert code == 0
    assert [score["label"] for score in scores["labels"]] == [1000, 1001]
    assert f"{scores['after']['overlap']:.3f}" in shown
    assert "folded voxels" in shown
    moved = command("apply", out, moving, "-o", tmp_path / "moved.nii", "--labels")
    assert moved[0] == 0
    ours, theirs = (read_image(p, labels=True).data for p in (tmp_path / "moved.nii", target))
    expected = [((ours == k) & (theirs == k)).sum() / (theirs == k).sum() for k in (1000, 1001)]
    assert np.isclose(scores["after"]["overlap"], np.mean(expected))


def test_fit_writes_its_energies(brain_files, tmp_path, command):
    code, shown, _ = command(
        "fit", *brain_files, "-o", tmp_path, "--iterations", 2, 1, "--steps", 3, "--no-affine"
    )
    assert code == 0
    assert "fit" in shown
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    summary = json.loads((tmp_path / "result.json").read_text())
    coarse, fine = summary["energies"]["iterations"]
    assert len(coarse) == 3
    assert len(fine) == 2
    assert fine[-1] < fine[0]
    assert summary["energies"]["mismatch_after"] < summary["energies"]["mismatch_before"]


def test_fit_takes_one_pair_or_a_list(brain_files, tmp_path, command):
    assert command("fit", "-o", tmp_path)[0] == 2
    assert command("fit", *brain_files, "-o", tmp_path, "--pairs", "list.csv")[0] == 2
    assert command("fit", *brain_files, "-o", tmp_path, "--window", 4)[0] == 2


@pytest.mark.parametrize(
    ("words", "loss", "method", "iterations"),
    [
        (
            ("--loss", "lncc", "--sigma", 2, "--window", 3),
            "LNCC(window=3, sigma=2.0)",
            None,
            [1, 2],
        ),
        (("--method", "quicksilver", "--sigma", 0.3), "SSD(sigma=0.3)", "FixedStep", [50]),
    ],
)
def test_the_options_of_fit(tmp_path, command, monkeypatch, words, loss, method, iterations):
    from quicksilver.cohort import fit

    made = {}

    def keep(pairs, folder, metric, settings, **options):
        made.update(settings.to_json(), **options)
        return []

    monkeypatch.setattr(fit, "fit_list", keep)
    (tmp_path / "pairs.csv").write_text("moving,target\n")
    listed = ("fit", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path, "--batch", 3)
    code, shown, _ = command(*listed, "--steps", 7, "--iterations", 1, 2, *words)
    assert code == 0
    assert "0 fits written" in shown
    assert made["loss"] == loss
    assert made["descent"] == (method or "Descent")
    assert list(made["iterations"]) == iterations
    assert made["steps"] == 7
    assert made["batch"] == 3


def test_fit_with_a_state_keeps_it_up(brain_files, tmp_path, command, monkeypatch):
    from quicksilver.lddmm import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    words = ("fit", *brain_files, "--iterations", 2, 1, "--steps", 3, "--no-affine")
    words += ("--state", tmp_path / "state")
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        assert command(*words, "-o", out)[0] == 0
    energies = [
        json.loads((out / "result.json").read_text())["energies"] for out in (first, second)
    ]
    assert (tmp_path / "state").stat().st_size > 1000
    assert energies[0] == energies[1]


def test_real_brains(shared, model_file, tmp_path):
    data = shared / "data" / "hippocampus"
    images = [data / f"hip_{number}_t1.nii.gz" for number in ("001", "004")]
    labels = [data / f"hip_{number}_lab.nii.gz" for number in ("001", "004")]
    done = quicksilver_process("register", *images, "-o", tmp_path, "--model", model_file)
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    done = quicksilver_process(
        "evaluate", tmp_path, "--moving-labels", labels[0], "--target-labels", labels[1]
    )
    assert done.returncode == 0
    assert "mean" in done.stdout


BAD_INPUTS = [
    "a missing file",
    "no NIfTI",
    "4-D",
    "NaN",
    "an empty image",
    "different worlds",
    "smaller than a patch",
    "a broken model",
    "a broken checkpoint",
    "a missing model",
    "an unwritable folder",
    "a file for a folder",
    "no such device",
    "applying nothing",
    "evaluating nothing",
    "fitting nothing",
    "training on nothing",
    "training by nothing",
]


def bad_files(folder: Path) -> dict[str, Path]:
    """Images that cannot be registered, by name; and other things that are in the way."""
    (folder / "text.nii.gz").write_text("no image")
    (folder / "in-the-way").write_text("a file")
    (folder / "empty").mkdir()
    (folder / "model.safetensors").write_bytes(b"no model")
    (folder / "model.pth.tar").write_bytes(b"no model")
    good = make_brain(1)
    holed = good.data.copy()
    holed[20, 20, 20] = np.nan
    images = {
        "nan": Image(holed, np.eye(4)),
        "zeros": Image(good.data * 0, np.eye(4)),
        "four": Image(np.stack([good.data] * 2, axis=-1), np.eye(4)),
        "far": Image(good.data, make_affine((0, 0, 0), (1, 1, 1), origin=(500, 0, 0))),
        "small": Image(good.data[10:20, 10:20, 10:20], np.eye(4)),
    }
    return {name: write_nifti(folder / f"{name}.nii.gz", image) for name, image in images.items()}


def bad_inputs(folder: Path, brain: Path) -> dict[str, list[object]]:
    """Command lines that cannot work, by name."""
    files, out = bad_files(folder), folder / "out"

    def registering(moving: Path, *options: object) -> list[object]:
        return ["register", moving, brain, "-o", out, "--no-affine", *options]

    return {
        "a missing file": registering(folder / "absent.nii.gz"),
        "no NIfTI": registering(folder / "text.nii.gz"),
        "4-D": registering(files["four"]),
        "NaN": registering(files["nan"]),
        "an empty image": registering(files["zeros"]),
        "different worlds": registering(files["far"]),
        "smaller than a patch": ["register", *[files["small"]] * 2, "-o", out, "--no-affine"],
        "a broken model": registering(brain, "--model", folder / "model.safetensors"),
        "a broken checkpoint": registering(brain, "--model", folder / "model.pth.tar"),
        "a missing model": registering(brain, "--model", folder / "absent.safetensors"),
        "an unwritable folder": ["register", brain, brain, "-o", folder / "in-the-way" / "out"],
        "a file for a folder": ["register", brain, brain, "-o", folder / "in-the-way"],
        "no such device": registering(brain, "--device", "cuda:77"),
        "applying nothing": ["apply", folder / "empty", brain, "-o", folder / "applied.nii"],
        "evaluating nothing": [
            "evaluate",
            folder / "empty",
            "--moving-labels",
            brain,
            "--target-labels",
            brain,
        ],
        "fitting nothing": ["fit", folder / "absent.nii.gz", brain, "-o", out],
        "training on nothing": ["train", RECIPE, "--data", folder / "empty", "-o", out],
        "training by nothing": ["train", folder / "absent.yaml", "--data", folder, "-o", out],
    }


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name, tmp_path, brain_files, model_file, command):
    words = bad_inputs(tmp_path, brain_files[0])[name]
    if words[0] == "register" and "--model" not in words:
        words = [*words, "--model", model_file]
    before = sorted(tmp_path.rglob("*"))
    code, shown, error = command(*words)
    sentence = error.strip().splitlines()[-1]
    assert code == 2
    assert shown == ""
    assert sentence.startswith("quicksilver: expected")
    assert "found" in sentence
    assert ";" in sentence
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"


def test_no_traceback_as_a_process(tmp_path):
    done = quicksilver_process(
        "register", tmp_path / "a.nii", tmp_path / "b.nii", "-o", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("quicksilver: expected an image at")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [("-o", ""), ("--output=",), ("-o", "out", "--model", ""), ("-o", "out", "--reference=")],
)
def test_an_empty_argument_is_refused(words, brain_files, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown, error = command("register", *brain_files, *words)
    assert code == 2
    assert "found an empty one" in error
    assert not shown
    assert not list(tmp_path.iterdir())


def test_nothing_that_a_terminal_obeys_is_printed(out, brain_files, tmp_path, command):
    folder = tmp_path / "red\x1b[31m"
    folder.mkdir()
    code, shown, error = command("apply", out, brain_files[0], "-o", folder / "a.nii.gz")
    assert code == 0
    assert "\x1b" not in shown + error
    assert "red\\x1b[31m" in shown.replace("\n", "")


COMMANDS = ("register", "fit", "train", "import-weights", "apply", "jacobian", "evaluate", "demo")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_cuts_nothing(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, shown, _ = command(name, "--help")
    lines = shown.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    assert any(line.strip().startswith(f"Example: quicksilver {name} ") for line in lines)
    if name in ("register", "fit"):
        assert "--histogram-matching" in shown
        assert "--initial-affine" in shown
        assert "[default: auto]" in " ".join(shown.split())


def test_the_version_is_shown(command):
    assert command("--version")[:2] == (0, f"quicksilver {quicksilver.__version__}\n")
    code, shown, _ = command("--help")
    assert code == 0
    assert all(f"{name} " in shown for name in COMMANDS)
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize(
    "words",
    [
        ("--device", "meta"),
        ("--device", "privateuseone"),
        ("--steps", 10**9),
        ("--seed", 2**80, "--samples", 2),
        ("--samples", 2),
        ("--model", "default-3mm"),
        ("--refine", 10**12),
    ],
)
def test_options_that_cannot_be_served_are_refused_before_images_are_read(words, tmp_path, command):
    absent = tmp_path / "absent.nii.gz"
    code, shown, error = command("register", absent, absent, "-o", tmp_path / "out", *words)
    assert code == 2
    assert not shown
    assert "absent" not in error.splitlines()[-1]
    assert "expected" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [("--spacing", "inf"), ("--spacing", "nan"), ("--sigma", "1e300"), ("--window", 10**9 + 1)],
)
def test_numbers_that_are_none_are_refused(words, brain_files, tmp_path, command):
    code, shown, error = command("fit", *brain_files, "-o", tmp_path / "out", *words)
    assert code == 2
    assert not shown
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_answered_by_those_that_ship(brain_files, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path / "out", "--model", "default-3mm")
    assert "default-1mm, default-2mm), found default-3mm" in command(*words)[2]


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_a_state_that_is_no_file_is_refused(kind, brain_files, tmp_path, command):
    (os.mkfifo if kind == "a pipe" else os.mkdir)(tmp_path / "state")
    words = ("fit", *brain_files, "-o", tmp_path / "out", "--no-affine", "--iterations", 1, 1)
    code, _, error = command(*words, "--state", tmp_path / "state")
    assert code == 2
    assert f"found {kind}" in error
    assert not (tmp_path / "out").exists()


def test_the_folder_after_the_file_is_swapped(out, brain_files, tmp_path, command):
    code, _, error = command("apply", brain_files[0], out, "-o", tmp_path / "a.nii")
    assert code == 2
    assert "swap them" in error


def test_a_full_standard_output_is_a_sentence(out, tmp_path):
    words = [sys.executable, "-m", "quicksilver", "jacobian", out, "-o", tmp_path / "a.nii"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("quicksilver: expected")
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1


WAITING = """
import sys, time
from quicksilver import cli
from quicksilver.io.files import filling
def wait():
    with filling(sys.argv[1]) as folder:
        (folder / "half").write_text("")
        print("writing", flush=True)
        time.sleep(60)
cli.app = wait
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_ended_leaves_nothing(number, tmp_path):
    # A runner that is started by nohup ignores SIGHUP, and so would what it starts.
    default = f"import signal; signal.signal({int(number)}, signal.SIG_DFL)"
    words = [sys.executable, "-c", f"{default}\n{WAITING}", tmp_path / "out"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
    assert process.returncode == 128 + number
    assert not list(tmp_path.iterdir())


def test_help_does_not_load_torch():
    code = (
        "import sys, quicksilver.cli; assert not {'torch', 'numpy', 'nibabel'} & set(sys.modules)"
    )
    done = python_process("-c", code)
    assert done.returncode == 0, done.stderr


def test_a_registration_loads_neither_a_compiler_nor_scipy_images():
    """Nor what draws the reports: to import each takes longer than to read the images."""
    code = (
        "import sys, quicksilver.results.folder, quicksilver.networks.shipped as m; "
        "m.open_model(None)\nassert not {'torch._dynamo', 'scipy.ndimage', 'matplotlib'} & "
        "set(sys.modules)"
    )
    done = python_process("-c", code)
    assert done.returncode == 0, done.stderr


def test_version():
    assert quicksilver.__version__.count(".") == 2
    with pytest.raises(AttributeError):
        _ = quicksilver.absent


def test_help_starts_at_once():
    """Seconds of the processor: under half a second, whatever else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert quicksilver_process("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.5


@pytest.mark.slow
def test_a_raw_pair_of_people(shared, tmp_path):
    """From files to files in the time of two cores that makes 45 s; as good as in the frame that
    thorough alignment made (0.59 on this pair)."""
    data = shared / "data" / "validate_1mm"
    images, labels = (
        [data / f"m12_{name}_{kind}.nii.gz" for name in (1000, 1001)] for kind in ("t1", "lab")
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = quicksilver_process("register", *images, "-o", tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 90
    words = ("--moving-labels", labels[0], "--target-labels", labels[1])
    done = quicksilver_process("evaluate", tmp_path, *words, "--json", tmp_path / "scores.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["after"]["overlap"] > 0.58


@pytest.mark.parametrize("strict", [False, True])
def test_strict_ends_with_3_where_a_registration_is_not_good(
    brain_files, model_file, tmp_path, command, strict
):
    moving = read_image(brain_files[0])
    giant = Image(moving.data, moving.affine @ np.diag([2.5, 2.5, 2.5, 1.0]))
    file = write_nifti(tmp_path / "giant.nii.gz", giant)
    words = ("register", file, brain_files[1], "-o", tmp_path / "out", "--model", model_file)
    code, shown, _ = command(*words, *(["--strict"] if strict else []))
    assert code == (3 if strict else 0)
    verdict = json.loads((tmp_path / "out" / "result.json").read_text())["verdict"]
    assert verdict["level"] != "good"
    assert verdict["reasons"]
    assert f"verdict: {verdict['level']}: " in shown
