"""The recipes of packages and containers agree with pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

from quicksilver_ext import __version__

tomllib = pytest.importorskip("tomllib")  # Python 3.11 and later

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = [f"3.{minor}" for minor in range(10, 15)]

OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "isal": "python-isal"}
"""Names of conda's packages, where they are others."""


def load_file_regex(load_file: str, regex_pattern: str, from_recipe_dir: bool):
    """As conda-build has it."""
    assert from_recipe_dir
    return re.search(regex_pattern, (PACKAGING / "conda" / load_file).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def recipe() -> dict:
    text = (PACKAGING / "conda/meta.yaml").read_text(encoding="utf-8")
    words = {"PYTHON": "python", "compiler": lambda name: name, "stdlib": lambda name: name}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    return yaml.safe_load(
        environment.from_string(text).render(load_file_regex=load_file_regex, **words)
    )


def test_the_version_of_the_conda_recipe_is_that_of_the_sources(recipe):
    assert recipe["package"] == {"name": PROJECT["project"]["name"], "version": __version__}
    text = (PACKAGING / "conda/meta.yaml").read_text(encoding="utf-8")
    assert __version__ not in text


def test_the_conda_recipe_needs_what_the_project_needs(recipe):
    wanted = set()
    for each in PROJECT["project"]["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", each).groups()
        wanted.add(f"{OF_CONDA.get(name, name.lower())} {bound}".strip())
    assert set(recipe["requirements"]["run"]) == {"python", *wanted}
    own = {re.sub(r"(>=)", r" \1", each) for each in PROJECT["build-system"]["requires"]}
    needed = {*recipe["requirements"]["build"], *recipe["requirements"]["host"]}
    assert own <= needed


def test_files_of_the_conda_recipe_exist(recipe):
    assert all((ROOT / name).is_file() for name in recipe["about"]["license_file"])
    assert recipe["about"]["license"] == PROJECT["project"]["license"]
    assert recipe["about"]["summary"] == PROJECT["project"]["description"]


def test_wheels_are_built_for_every_python_that_is_named():
    classified = "Programming Language :: Python :: "
    named = [c.removeprefix(classified) for c in PROJECT["project"]["classifiers"]]
    assert [name for name in named if name.startswith("3.")] == PYTHONS
    built = [
        name.removeprefix("cp3").removesuffix("-*")
        for name in PROJECT["tool"]["cibuildwheel"]["build"]
    ]
    assert [f"3.{minor}" for minor in built] == PYTHONS
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    for page in ("README.md", "CONTRIBUTING.md", "docs/install.md"):
        assert f"{PYTHONS[0]} to {PYTHONS[-1]}" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["Dockerfile", "packaging/quicksilver.def"])
def test_containers_run_the_app_and_hold_what_is_built(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    torch = re.search(r"^TORCH \?= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert f"TORCH={torch[1]}\n" in text
    assert "quicksilver-bids" in text
    assert "quicksilver-bids" in PROJECT["project"]["scripts"]
    listed = ROOT / ".dockerignore" if path == "Dockerfile" else ROOT / path
    copied = set(
        re.findall(
            r"^(?:!| {4})([\w.]+)(?: /source\S*)?$", listed.read_text(encoding="utf-8"), re.M
        )
    )
    sources = {"csrc", "python", "quicksilver_ext", "CMakeLists.txt", "setup.py", "pyproject.toml"}
    assert sources | {"MANIFEST.in", "README.md", "LICENSE"} <= copied
    assert all((ROOT / name).exists() for name in copied)


def test_warnings_of_compilers_stop_nobody_s_installation():
    """Another compiler than CI's warns of other things."""
    build = "\n".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("CMakeLists.txt", "tests/csrc/CMakeLists.txt", "setup.py", "pyproject.toml")
    )
    assert re.search(r'option\(QS_WERROR ".*" OFF\)', build)
    switches = re.findall(r"(\S*)-Werror", build)
    assert len(switches) == 2
    assert set(switches) == {"$<$<BOOL:${QS_WERROR}>:", "$<$<BOOL:${QS_WERROR}>:-"}
