"""How much `register` and `fit` say: --quiet, --verbose, --json."""

from __future__ import annotations

import csv
import json

import pytest

from quicksilver.commands import voice
from quicksilver.commands.voice import Voice

FAST = ("--no-affine", "--no-correction", "--no-decide", "--steps", 2)


@pytest.fixture
def words(brain_files, model_file, tmp_path) -> list[object]:
    return ["register", *brain_files, "-o", tmp_path / "out", "--model", model_file, *FAST]


@pytest.fixture
def pairs(brain_files, model_file, tmp_path) -> list[object]:
    """A list of a pair that can be registered, and one that cannot."""
    moving, target = brain_files
    rows = ["id,moving,target", f"good,{moving},{target}", f"bad,{moving},{tmp_path}/absent.nii"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    listed = ["register", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out"]
    return [*listed, "--model", model_file, *FAST]


def test_json_is_the_content_of_the_file_and_nothing_else(words, tmp_path, command):
    code, shown, error = command(*words, "--json")
    assert (code, shown) == (0, (tmp_path / "out/result.json").read_text())
    assert "shoot" in error  # its progress
    assert json.loads(shown)["command"] == "register"


def test_json_of_a_list_has_the_rows_of_the_table(pairs, tmp_path, command):
    code, shown, error = command(*pairs, "--json")
    assert code == 1
    assert "failed: bad: " in error
    with (tmp_path / "out/summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    rows = json.loads(shown)
    assert [row["id"] for row in rows] == [row["id"] for row in table] == ["bad", "good"]
    assert str(rows[1]["log_jacobian_sd"]) == table[1]["log_jacobian_sd"]


def test_quiet_says_only_what_speaks_against_the_result(words, pairs, command):
    code, shown, error = command(*words, "--quiet")
    assert (code, shown) == (0, "")
    assert error.startswith("verdict: ")  # of untrained networks: doubtful
    assert len(error.splitlines()) == 1
    code, shown, error = command(*pairs, "--quiet")
    assert (code, shown) == (1, "")
    assert error.startswith("failed: bad: ")
    assert len(error.splitlines()) == 1


def test_quiet_is_silent_about_a_good_pair(capsys, tmp_path):
    Voice(quiet=True).report_registration({"verdict": {"level": "good", "reasons": []}}, tmp_path)
    assert capsys.readouterr() == ("", "")


def test_verbose_says_the_settings_and_every_pair(words, pairs, command):
    assert "working_shape" not in command(*words)[1]
    assert "working_shape" in command(*words, "--verbose")[1]
    assert not command(*pairs)[1].startswith("bad: ")
    lines = command(*pairs, "--verbose")[1].splitlines()
    assert lines[0] == "bad: failed"
    assert lines[1].startswith("good: ")


@pytest.mark.parametrize("other", ["--quiet", "--json"])
def test_more_and_less_at_once_is_refused(other, words, tmp_path, command):
    code, shown, error = command(*words, "--verbose", other)
    assert (code, shown) == (2, "")
    assert "--verbose cannot be given with" in error
    assert not (tmp_path / "out").exists()


def test_json_of_a_list_of_fits_is_refused(tmp_path, command):
    code, _, error = command("fit", "--pairs", tmp_path / "a.csv", "-o", tmp_path / "b", "--json")
    assert code == 2
    assert "no result.json" in error


def test_a_quiet_voice_shows_no_progress(capsys):
    with Voice(quiet=True).progress() as progress:
        progress("read", "something")
    assert capsys.readouterr() == ("", "")
    assert not voice.Voice(json=True).plain
