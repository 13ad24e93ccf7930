"""No file above 300 lines, no function above 40: what is larger does more than one thing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("python", "quicksilver_ext", "benchmarks", "csrc", "tests")
SUFFIXES = (".py", ".h", ".def", ".cu", ".cuh", ".cpp", ".js", ".html", ".css")
FILE_LINES, FUNCTION_LINES = 300, 40

FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in SUFFIXES and path.is_file()
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def count_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its first to its last, without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def large_functions(source: str) -> dict[str, int]:
    """Functions of a module that are too large, with their lines."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    sizes = {function.name: count_lines(function) for function in functions}
    return {name: lines for name, lines in sizes.items() if lines > FUNCTION_LINES}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{name_of(path)} has {lines} lines; split it"


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".py"], ids=name_of)
def test_functions_are_small(path):
    found = large_functions(path.read_text(encoding="utf-8"))
    assert not found, f"{name_of(path)} has functions of so many lines: {found}; split them"


def test_a_docstring_does_not_count():
    body = "\n".join(f"    x{n} = {n}" for n in range(39))
    assert not large_functions(f"def f():\n    '''One.\n\n    Two.\n    '''\n{body}\n")
    assert large_functions(f"def f():\n{body}\n    y = 1\n") == {"f": 41}
