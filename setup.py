"""Builds the compiled core by driving CMakeLists.txt; all metadata is in pyproject.toml.

QS_CUDA=AUTO|ON|OFF in the environment chooses the CUDA target, CMAKE_ARGS is passed on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    def build_extension(self, ext: Extension) -> None:
        cuda = (os.environ.get("QS_CUDA") or "AUTO").upper()
        if cuda not in ("AUTO", "ON", "OFF"):
            raise SystemExit(
                f"QS_CUDA: expected AUTO, ON or OFF, found {cuda!r}; choose one of these"
            )
        build = Path(self.build_temp).resolve()
        # A folder per module, named without its suffix, as CMake places libraries.
        output = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        options = [
            "-GNinja",
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DQS_CUDA={cuda}",
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={output}",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ]
        # Fresh: what an earlier build remembers of its isolated environment, ninja above all, is
        # gone.
        configure = ["cmake", "--fresh", "-S", str(ROOT), "-B", str(build), *options]
        subprocess.run(configure, check=True)
        subprocess.run(["cmake", "--build", str(build), "--target", "_core"], check=True)


setup(
    ext_modules=[Extension("quicksilver_ext._core", sources=[])], cmdclass={"build_ext": CMakeBuild}
)
