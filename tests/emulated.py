"""A pytest plugin (`-p tests.emulated`): the operators run the CUDA target's code on the CPU.

The module that `cmake --preset emulate` builds takes the place of `quicksilver_ext._core`. Blocks
and threads run in shuffled orders, so that sums by atomics differ in their last bits.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build" / "emulate"


def load_core() -> None:
    """Put the emulated module where `quicksilver_ext` looks for its own."""
    files = sorted(BUILD.glob("_core*.so"))
    if len(files) != 1:
        raise FileNotFoundError(
            f"tests.emulated: expected one _core*.so in {BUILD}, found {len(files)}; run cmake "
            "--preset emulate && cmake --build --preset emulate"
        )
    name = "quicksilver_ext._core"
    spec = spec_from_file_location(name, files[0])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


load_core()
