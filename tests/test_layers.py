"""The layering rule of CONTRIBUTING.md: each layer uses only what stands to its left.

csrc/core <- csrc/ops <- csrc/bindings <- quicksilver_ext <- quicksilver <- command line, benchmarks
and between the packages of quicksilver:
errors <- {runtime, images} <- transforms <- io <- lddmm <- networks <- registration <- {results,
training}, results <- {api, cohort} <- {labelling, templates} <- commands <- cli, api <- bridges.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = sorted(
    path
    for pattern in ("*.h", "*.def", "*.cpp", "*.cu", "*.cuh")
    for path in (ROOT / "csrc").rglob(pattern)
)
PYTHON = sorted(
    path
    for folder in ("quicksilver_ext", "python", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
MAY_INCLUDE = {"core": {"core"}, "ops": {"core", "ops"}, "bindings": {"core", "ops", "bindings"}}
CORE_FOLDERS = ("core/sampling", "core/fft")
"""Parts of core that stand on the rest of it, and not on each other."""
BENCHMARKS = ("measuring", "operators", "registration", "reporting")
"""The folders of benchmarks, each of which uses only those before it."""
PYTHON_HEADERS = ("pybind11/", "Python.h")
TORCH_HEADERS = ("torch/", "ATen/", "c10/", "caffe2/")


def code_of(source: str) -> str:
    """C++ without its comments and string literals, except the names of included files."""
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)
    return re.sub(r'(#\s*include[^\n]*)|"(?:\\.|[^"\\\n])*"', lambda m: m[1] or '""', source)


def cpp_violations(path: str, source: str) -> list[str]:
    """What a file of csrc breaks; `path` is relative to csrc."""
    code = code_of(source)
    layer = path.split("/")[0]
    found = []
    for name in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', code, flags=re.MULTILINE):
        folder, part = name.split("/")[0], name.rpartition("/")[0]
        if name.startswith(TORCH_HEADERS):
            found.append(f"{path} includes {name}: no header of torch belongs under csrc")
        if name.startswith(PYTHON_HEADERS) and path != "bindings/module.cpp":
            found.append(f"{path} includes {name}: only bindings/module.cpp knows of Python")
        if folder in MAY_INCLUDE and folder not in MAY_INCLUDE[layer]:
            found.append(f"{path} includes {name}: {layer} stands to the left of {folder}")
        if layer == "core" and part in CORE_FOLDERS and not path.startswith(part):
            found.append(f"{path} includes {name}: only {part} and what stands on core do")
    if re.search(r"__CUDACC__|QS_GPU", code) and layer != "core":
        found.append(f"{path} asks which compiler reads it: core hides that")
    if "<<<" in code and path != "core/launch.h":
        found.append(f"{path} launches a kernel: only core/launch.h does")
    return found


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Absolute names of the modules, and of the names taken from them, that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


STANDS_ON = {
    "errors": (),
    "runtime": ("errors",),
    "images": ("errors",),
    "transforms": ("runtime", "images"),
    "io": ("transforms",),
    "lddmm": ("io",),
    "networks": ("lddmm",),
    "registration": ("networks",),
    "results": ("registration",),
    "training": ("registration",),
    "api": ("results",),
    "cohort": ("results",),
    "labelling": ("api", "cohort"),
    "demo": ("results", "training"),
    "templates": ("api", "cohort"),
    "commands": ("labelling", "templates", "training", "demo"),
    "cli": ("commands",),
    "bridges": ("api",),
    "_moved": (),
    "__init__": ("templates", "_moved"),
    "__main__": ("cli",),
}
"""What each package or module of quicksilver is built directly on."""


def may_use(part: str) -> set[str]:
    """All that a part of quicksilver may import: itself and what it stands on, recursively."""
    return {part}.union(*(may_use(below) for below in STANDS_ON[part]))


def part_of(module: str) -> str:
    """The part of quicksilver that a module belongs to; names of the package are the API's."""
    part = [*module.split("."), "api"][1]
    return part if part in STANDS_ON else "api"


def unsafe_calls(source: str) -> list[str]:
    """Calls by which a file of others could run code, or be unpacked outside of its folder."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            weights = name == "torch.load" and options.get("weights_only") != "True"
            forbidden = ("yaml.load", "yaml.unsafe_load", "shutil.unpack_archive", "eval", "exec")
            unpacks = name.endswith((".extractall", ".extract")) or name in forbidden
            if weights or unpacks or options.get("allow_pickle") == "True":
                found.append(ast.unparse(node))
        names = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
        found += [n for n in names if n in ("pickle", "dill", "joblib", "shelve", "marshal")]
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in PYTHON if path.relative_to(ROOT).parts[0] in ("quicksilver_ext", "python")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_file_can_run_code(path):
    assert not unsafe_calls(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("torch.load(path, weights_only=True)", True),
        ("torch.load(path)", False),
        ("torch.load(path, weights_only=False)", False),
        ("np.load(path)", True),
        ("np.load(path, allow_pickle=True)", False),
        ("import pickle", False),
        ("yaml.safe_load(text)", True),
        ("yaml.load(text, Loader)", False),
        ("tarfile.open(path).extractall(folder)", False),
        ("model.eval()", True),
    ],
)
def test_the_rule_for_files_of_others(line, safe):
    assert (not unsafe_calls(line)) == safe


def python_violations(path: str, source: str) -> list[str]:
    """What a Python file breaks; `path` is relative to the repository."""
    package = ".".join(Path(path).with_suffix("").parts[:-1]).removeprefix("python.")
    found = []
    for module in imported_modules(source, package):
        if package.split(".")[0] == "quicksilver_ext":
            known = {"torch", "numpy", "quicksilver_ext"} | sys.stdlib_module_names
            if module.split(".")[0] not in known:
                found.append(f"{path} imports {module}: quicksilver_ext needs torch and numpy only")
        elif is_in(module, "quicksilver_ext._core"):
            found.append(f"{path} imports {module}: only quicksilver_ext does")
        if package.split(".")[0] == "quicksilver":
            if is_in(module, "benchmarks") or is_in(module, "tests"):
                found.append(f"{path} imports {module}: what is installed uses neither")
            own = Path(path).with_suffix("").parts[2]
            if is_in(module, "quicksilver") and part_of(module) not in may_use(own):
                found.append(f"{path} imports {module}: {own} does not stand on {part_of(module)}")
    return found


def benchmark_violations(path: str, source: str) -> list[str]:
    """What a file in a folder of benchmarks breaks; `path` is relative to the repository."""
    root, folder, *below = path.split("/")
    if root != "benchmarks" or not below:  # the commands, at the top, use all of them
        return []
    allowed = BENCHMARKS[: BENCHMARKS.index(folder) + 1]
    return [
        f"{path} imports {module}: {folder} uses only {', '.join(allowed)}"
        for module in imported_modules(source, f"benchmarks.{folder}")
        if is_in(module, "benchmarks")
        and not module.startswith(tuple(f"benchmarks.{a}" for a in allowed))
    ]


@pytest.mark.parametrize("path", CPP, ids=lambda path: str(path.relative_to(ROOT)))
def test_cpp(path):
    name = path.relative_to(ROOT / "csrc").as_posix()
    assert not cpp_violations(name, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_python(path):
    name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    assert not python_violations(name, source) + benchmark_violations(name, source)


def test_every_package_has_its_place():
    package = ROOT / "python" / "quicksilver"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")}
    assert folders | modules == set(STANDS_ON)


def test_packages_hide_nothing():
    """What a package holds is imported from its modules: its own file is empty."""
    for path in (ROOT / "python" / "quicksilver").glob("*/__init__.py"):
        assert not path.read_text(), f"{path.relative_to(ROOT)} must be empty"


def test_the_sources_are_found():
    names = {path.relative_to(ROOT).as_posix() for path in CPP + PYTHON}
    assert {"csrc/core/parallel.h", "csrc/bindings/module.cpp"} <= names
    assert {"quicksilver_ext/__init__.py", "python/quicksilver/__init__.py"} <= names


@pytest.mark.parametrize(
    ("path", "line", "allowed"),
    [
        ("core/field.h", '#include "core/check.h"', True),
        ("core/field.h", '#include "ops/warp.h"', False),
        ("ops/warp.cu", '#include "bindings/array.h"', False),
        ("bindings/module.cpp", "#include <pybind11/pybind11.h>", True),
        ("bindings/array.h", "# include <Python.h>", False),
        ("ops/warp.cu", "#include <torch/extension.h>", False),
        ("ops/warp.cu", "#include <ATen/ATen.h>", False),
        ("core/launch.h", "kernel<<<blocks, threads>>>();", True),
        ("core/block.h", "kernel<<<blocks, threads>>>();", False),
        ("core/fft/blocks.h", "kernel<<<blocks, threads>>>();", False),
        ("core/fft/blocks.h", '#include "core/block.h"', True),
        ("core/fft/blocks.h", '#include "core/fft/plan.h"', True),
        ("core/fft/blocks.h", '#include "core/sampling/taps.h"', False),
        ("core/view.h", '#include "core/sampling/taps.h"', False),
        ("ops/warp.cu", '#include "core/sampling/taps.h"', True),
        ("core/parallel.h", "#if defined(__CUDACC__)", True),
        ("ops/warp.cu", "#if defined(QS_GPU) && !defined(__CUDACC__)", False),
        ("ops/warp.cu", "kernel<<<blocks, threads>>>();", False),
        ("ops/warp.cu", "// launched with <<<>>> by core/launch.h", True),
    ],
)
def test_the_rule_for_cpp(path, line, allowed):
    assert (not cpp_violations(path, line + "\n")) == allowed


@pytest.mark.parametrize(
    ("path", "line", "allowed"),
    [
        ("quicksilver_ext/ops/warp.py", "from quicksilver_ext import _core", True),
        ("quicksilver_ext/ops/warp.py", "from .. import _core", True),
        ("quicksilver_ext/ops/warp.py", "def f():\n    import nibabel", False),
        (
            "quicksilver_ext/modules.py",
            "from quicksilver.networks.patch import PatchNetwork",
            False,
        ),
        ("python/quicksilver/lddmm.py", "from quicksilver_ext import _core", False),
        ("python/quicksilver/lddmm.py", "import quicksilver_ext._core as core", False),
        ("python/quicksilver/lddmm.py", "import quicksilver_ext as qs", True),
        ("python/quicksilver/images.py", "from . import cli", False),
        ("python/quicksilver/__main__.py", "from quicksilver.cli import app", True),
        ("python/quicksilver/results.py", "from quicksilver.commands.common import Moving", False),
        (
            "python/quicksilver/commands/fit.py",
            "from quicksilver.commands.common import Moving",
            True,
        ),
        ("python/quicksilver/training/train.py", "from benchmarks import clock", False),
        ("benchmarks/cases.py", "from quicksilver_ext._core import warp", False),
        ("benchmarks/cases.py", "from quicksilver.cli import app", True),
    ],
)
def test_the_rule_for_python(path, line, allowed):
    assert (not python_violations(path, line + "\n")) == allowed


@pytest.mark.parametrize(
    ("path", "line", "allowed"),
    [
        ("benchmarks/operators/cases.py", "from ..measuring.clock import alternate", True),
        ("benchmarks/operators/cases.py", "from .peers import PEERS", True),
        ("benchmarks/operators/cases.py", "from benchmarks.registration import methods", False),
        ("benchmarks/measuring/clock.py", "from ..operators import peers", False),
        ("benchmarks/registration/programs.py", "from ..__main__ import measure", False),
        ("benchmarks/accuracy.py", "from .reporting.table import section", True),
    ],
)
def test_the_rule_for_benchmarks(path, line, allowed):
    assert (not benchmark_violations(path, line + "\n")) == allowed
