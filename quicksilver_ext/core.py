"""The former name of `quicksilver_ext.arrays`, for one more release."""

import warnings

from .arrays import *  # noqa: F403
from .arrays import __all__ as __all__

warnings.warn(
    "quicksilver_ext.core is now quicksilver_ext.arrays and will be gone in 0.3; import "
    "quicksilver_ext.arrays",
    DeprecationWarning,
    stacklevel=2,
)
