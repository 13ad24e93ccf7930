"""The compiled core on NumPy arrays, without torch: a displaced image, its map inverted, its volume
change.

Run: ``python examples/numpy_alone.py``.
"""

import sys

import numpy as np

import quicksilver_ext.arrays as qa


def main() -> None:
    grid = (48, 40, 44)
    x = np.stack(np.meshgrid(*(np.linspace(0, np.pi, n) for n in grid), indexing="ij"))
    bump = np.prod(np.sin(x), axis=0)
    displacement = np.stack([3 * bump, -2 * bump, bump])[None]
    image = np.cos(4 * x).sum(0)[None, None]

    inverse, residual = qa.invert(displacement)
    there = qa.warp(image, displacement, "cubic")
    back = qa.warp(there, inverse, "cubic")
    inside = (..., *(slice(4, -4) for _ in grid))
    error = np.abs(back - image)[inside].max()
    volume = qa.jacobian_determinant(displacement)

    print(
        f"inverse: residual {residual.max():.1e} voxels; there and back: {error:.3f} of "
        f"{np.ptp(image):.1f}"
    )
    print(f"volume changes by {volume.min():.2f} to {volume.max():.2f}")
    assert "torch" not in sys.modules
    print("without torch")


if __name__ == "__main__":
    main()
