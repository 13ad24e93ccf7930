"""Registers, occupancy and instructions of the compiled CUDA kernels: ``python -m
benchmarks.kernels LOG [--write BUILD docs/kernels.md]``.

LOG: the output of a build of the CUDA target with -Xptxas=-v. Fails where a kernel spills registers
or keeps anything in local memory; with --write makes the table, with the instructions that it
counts in the objects in the folder BUILD.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .instructions import Counts, count_objects
from .operators.floors import COUNTED

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(sm_\d+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
BODY = re.compile(r"(\w+)<(float|double)\b")
MODE = re.compile(r"Mode\)(\d)")
MODES = ("nearest", "linear", "cubic")
THREADS = {
    "voxel_kernel": {"float": 256, "double": 256},
    "block_kernel": {"float": 640, "double": 384},
}
"""Threads of a block, or the most of them: core/parallel.h and core/block.h."""


@dataclass(frozen=True)
class Kernel:
    """One compiled kernel: its mangled name, its body's name, interpolation (or ""), scalar type,
    launcher and architecture.
    """

    name: str
    body: str
    mode: str
    scalar: str
    launcher: str
    architecture: str
    registers: int
    stack: int
    spills: int


def read(log: str) -> list[Kernel]:
    """Every kernel of a build log."""
    found, entry, memory = [], None, (0, 0, 0)
    for line in log.splitlines():
        if match := ENTRY.search(line):
            entry = match.groups()
        elif match := STACK.search(line):
            memory = tuple(map(int, match.groups()))
        elif (match := USED.search(line)) and entry:
            found.append((*entry, int(match[1]), memory[0], memory[1] + memory[2]))
            entry = None
    texts = _demangled(name for name, *_ in found)
    return [_kernel(text, *rest) for text, rest in zip(texts, found, strict=True)]


def _demangled(names: Iterable[str]) -> list[str]:
    run = subprocess.run(
        ["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True
    )
    return run.stdout.splitlines()


def _kernel(
    text: str, name: str, architecture: str, registers: int, stack: int, spills: int
) -> Kernel:
    body, mode = BODY.search(text), MODE.search(text)
    launcher = next(name for name in THREADS if name in text)
    assert body is not None, text
    interpolation = MODES[int(mode[1])] if mode else ""
    return Kernel(
        name, body[1], interpolation, body[2], launcher, architecture, registers, stack, spills
    )


def occupancy(registers: int, threads: int) -> float:
    """Resident warps over the most (64), as registers allow: 65,536, given to warps in units of
    256.
    """
    warps = threads // 32
    per_block = -(-registers * 32 // 256) * 256 * warps
    return min(65536 // per_block, 64 // warps) * warps / 64


def table(kernels: list[Kernel], counts: dict[str, Counts]) -> list[str]:
    """Markdown: a row per body; per body and interpolation; of its variants (borders, channels,
    dimensions) the most registers and, in float, the one with the most instructions.
    """
    architectures = sorted({kernel.architecture for kernel in kernels})
    head = [
        *("kernel", "variants"),
        *(f"registers {a}, float / double" for a in architectures),
        *("occupancy", f"instructions {architectures[-1]}, float", "of them arithmetic"),
        *("global loads / stores", "shared loads / stores", "bytes per voxel"),
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for body, mode in sorted({(kernel.body, kernel.mode) for kernel in kernels}):
        mine = [kernel for kernel in kernels if (kernel.body, kernel.mode) == (body, mode)]
        longest = max(
            (counts[kernel.name] for kernel in mine if kernel.scalar == "float"),
            key=lambda counted: counted.total,
        )
        cells = [
            f"{body}, {mode}" if mode else body,
            str(len(mine) // len(architectures)),
            *_registers(mine, architectures),
            f"{longest.total:,}",
            f"{longest.arithmetic:,}",
            f"{longest.global_loads} / {longest.global_stores}",
            f"{longest.shared_loads} / {longest.shared_stores}",
            COUNTED[body],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _registers(kernels: list[Kernel], architectures: list[str]) -> list[str]:
    """The most registers of these kernels for each architecture, and what occupancy they allow on
    the last one.
    """
    most = {
        (a, s): max(k.registers for k in kernels if (k.architecture, k.scalar) == (a, s))
        for a in architectures
        for s in ("float", "double")
    }
    shares = [
        f"{occupancy(most[architectures[-1], s], THREADS[kernels[0].launcher][s]):.0%}"
        for s in ("float", "double")
    ]
    return [
        *(f"{most[a, 'float']} / {most[a, 'double']}" for a in architectures),
        " / ".join(shares),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--write", type=Path, nargs=2, metavar=("BUILD", "FILE"))
    arguments = parser.parse_args()
    kernels = read(arguments.log.read_text(encoding="utf-8"))
    bad = sorted({f"{k.body}<{k.scalar}>" for k in kernels if k.spills or k.stack})
    if bad or not kernels:
        sys.exit(
            f"expected kernels without spills and local memory in {arguments.log}, found "
            f"{bad or 'no kernel'}"
        )
    print(f"{len(kernels)} kernels without spills or local memory")
    if arguments.write:
        build, page = arguments.write
        rows = table(kernels, count_objects(build, max(k.architecture for k in kernels)))
        begin, end = "<!-- table: python -m benchmarks.kernels -->", "<!-- end of table -->"
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        page.write_text("\n".join([before + begin, *rows, end]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
