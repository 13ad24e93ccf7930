"""Starting and ending: help, version, what is imported, signals."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

import pytest

import quicksilver
from tests.quicksilver.processes import python_process, quicksilver_process

COMMANDS = (
    *("register", "strip", "fit", "train", "import-weights", "apply", "jacobian", "label"),
    *("template", "evaluate", "view", "demo", "doctor"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_cuts_nothing(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, shown, _ = command(name, "--help")
    lines = shown.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    assert any(line.strip().startswith(f"Example: quicksilver {name}") for line in lines)
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
    ("words", "completed"),
    [("quicksilver do", ["doctor"]), ("quicksilver register --js", ["--json"])],
)
def test_words_are_completed(words, completed, command, monkeypatch):
    monkeypatch.setenv("_QUICKSILVER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert command()[1].split() == completed


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
