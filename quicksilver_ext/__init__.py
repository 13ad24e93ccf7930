"""Drop-in operators for diffeomorphic registration in PyTorch.

Fields are (B, C, *S) with S = (X, Y, Z) or (X, Y) in array order. A displacement u is in voxels,
component c moves along array axis c, and the map is id + u: ``warp(I, u)(x) = I(x + u(x))``. Every
operator works on float32 and float64, on the CPU and on CUDA, and is differentiable.

torch is imported when an operator is first asked for: `quicksilver_ext.arrays`, the same operators
on NumPy and CuPy arrays, does without it. ``torch.ops.quicksilver`` is filled once both are
imported, in whatever order.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ._after_torch import register_operators
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .operators import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name != "__all__" and find_spec(f"{__name__}.{name}") is not None:
        raise AttributeError(f"{__name__}.{name} is a module; import it")
    operators = import_module(".operators", __name__)
    globals().update({public: getattr(operators, public) for public in operators.__all__})
    return getattr(operators, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module(".operators", __name__).__all__})


register_operators()
