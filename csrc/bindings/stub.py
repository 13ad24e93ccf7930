"""Writes the types of the operators, which csrc/ops/operators.def lists, into
quicksilver_ext/_core.pyi.

Run: ``python csrc/bindings/stub.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "csrc" / "ops" / "operators.def"
STUB = ROOT / "quicksilver_ext" / "_core.pyi"
MARK = "# The operators, written by csrc/bindings/stub.py.\n\n"
NUMBERS = {"double": "float", "std::int64_t": "int"}
COLUMNS = 100


def python_argument(argument: str) -> str:
    """``name: Type`` of a C++ argument; an address is a number.

    >>> python_argument("const Field& image"), python_argument("const double* scale")
    ('image: Field', 'scale: int')
    """
    kind, name = argument.removeprefix("const ").rsplit(" ", 1)
    kind = "int" if kind.endswith("*") else kind.removesuffix("&")
    return f"{name}: {NUMBERS.get(kind, kind)}"


def function(name: str, arguments: list[str]) -> str:
    """A function of the stub, broken as the formatter breaks it."""
    inside = ", ".join(arguments)
    for text in (f"def {name}({inside}) -> None: ...\n", f"    {inside}\n"):
        if len(text) <= COLUMNS + 1:
            return text if text.startswith("def") else f"def {name}(\n{text}) -> None: ...\n"
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"def {name}(\n{lines}) -> None: ...\n"


def stub() -> str:
    """The whole stub: what is written by hand, then the operators."""
    code = re.sub(r"//[^\n]*", "", LIST.read_text())
    entries = re.findall(r"QS_OPERATOR\((\w+),([^)]*)\)", code)
    functions = [
        function(name, [python_argument(" ".join(a.split())) for a in arguments.split(",")])
        for name, arguments in entries
    ]
    by_hand = STUB.read_text().partition(MARK)[0]
    return by_hand + MARK + "".join(functions)


if __name__ == "__main__":
    STUB.write_text(stub())
