"""Instructions of compiled CUDA kernels, counted in the machine code (SASS) of their objects.

Counts of the code, not of what runs: an instruction in a loop counts once. Needs cuobjdump and
nvdisasm, which come with CUDA, or from ``pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm``.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

FUNCTION = re.compile(r"Function : (\S+)")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """How many instructions a kernel has in all (the padding behind its end left out), how many of
    them load or store (or add atomically) in global and in shared memory, and how many compute
    with floating-point numbers.
    """

    total: int
    global_loads: int
    global_stores: int
    shared_loads: int
    shared_stores: int
    arithmetic: int


OPCODES = {
    "global_loads": {"LDG"},
    "global_stores": {"STG", "RED", "REDG", "ATOMG"},
    "shared_loads": {"LDS"},
    "shared_stores": {"STS"},
    "arithmetic": {"FADD", "FMUL", "FFMA", "DADD", "DMUL", "DFMA"},
}


def count(code: str) -> dict[str, Counts]:
    """Count what is in the output of ``cuobjdump -sass``, by the mangled name of each function."""
    _, *parts = FUNCTION.split(code)
    return {name: _count_one(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _count_one(body: str) -> Counts:
    opcodes = [opcode for opcode in INSTRUCTION.findall(body) if opcode != "NOP"]
    known = [field.name for field in fields(Counts) if field.name in OPCODES]
    return Counts(len(opcodes), *(sum(code in OPCODES[name] for code in opcodes) for name in known))


def count_objects(build: Path, architecture: str) -> dict[str, Counts]:
    """Count what is in every object file of a build's folder.

    Raises:
        FileNotFoundError: there is no cuobjdump on the path.
    """
    found = {}
    for file in sorted(build.rglob("*.cu.o")):
        run = subprocess.run(
            ["cuobjdump", "-sass", "-arch", architecture, file],
            text=True,
            capture_output=True,
            check=True,
        )
        found |= count(run.stdout)
    return found
