"""Build and device information."""

from __future__ import annotations

from typing import Any

import torch

from . import _core


def info() -> dict[str, Any]:
    """Report what was built, for which architectures, with which compilers, and what is usable now.

    Returns:
        version, torch (its version); cpu: compiler, instructions ("avx512", "avx2" or "baseline",
        picked for this CPU) and threads; cuda: built, compiler, architectures, devices (that the
        core sees), torch (torch's CUDA version or None), and usable: whether CUDA tensors can be
        worked on now.

    Example:
        >>> import quicksilver_ext as qs
        >>> sorted(qs.info())
        ['cpu', 'cuda', 'torch', 'version']
    """
    built = _core.build_info()
    return {
        "version": built["version"],
        "torch": torch.__version__,
        "cpu": {
            "compiler": built["compiler"],
            "instructions": built["processor_target"],
            "threads": torch.get_num_threads(),
        },
        "cuda": {
            "built": bool(built["cuda_compiler"]),
            "compiler": built["cuda_compiler"],
            "architectures": built["cuda_architectures"],
            "devices": built["cuda_devices"],
            "torch": torch.version.cuda,
            "usable": built["cuda_devices"] > 0 and torch.cuda.is_available(),
        },
    }
