"""The fluid metric on NumPy and CuPy arrays."""

from __future__ import annotations

from .. import _core, _fft
from .._metric import Metric, symbol_of
from ._args import FLOATS, Array, Arrays, address


class FluidMetric(Metric):
    """`quicksilver_ext.FluidMetric` for arrays: the same parameters, K and L by the core's own
    transforms.

    Those take tori of sizes up to 2048, on a GPU up to 512, with factors 2, 3, 5 and 7, the last
    one even: as pad="auto" and a number of voxels choose them. Others raise ValueError.

    Example:
        >>> import numpy as np
        >>> import quicksilver_ext.arrays as qa
        >>> metric = qa.FluidMetric(pad="none")
        >>> m = np.random.default_rng(0).standard_normal((1, 3, 8, 8, 8))
        >>> bool(np.allclose(metric.flat(metric.sharp(m)), m))
        True
    """

    def sharp(self, momentum: Array) -> Array:
        """``v = K m``: momentum to velocity, (B, D, *S) both, in voxels."""
        return self._apply("sharp", "momentum", momentum, inverse=True)

    def flat(self, velocity: Array) -> Array:
        """``m = L^power v``: velocity to momentum, (B, D, *S) both, in voxels."""
        return self._apply("flat", "velocity", velocity, inverse=False)

    def _apply(self, op: str, argument: str, array: Array, *, inverse: bool) -> Array:
        arrays = Arrays(op, **{argument: array})
        source = arrays.vectors(argument, array)
        shape = array.shape[2:]
        spacing, torus = self.spacing_of(op, argument, len(shape)), self.torus(shape)
        device = arrays.device()
        kind = "cuda" if device >= 0 else "cpu"
        if not _fft.is_fusable(torus, kind):
            raise ValueError(
                f"{op}: {argument}: expected a torus of sizes up to {_fft.LONGEST[kind]} with "
                f"factors 2, 3, 5 and 7, the last one even, found {torus}; use pad='auto', or "
                "quicksilver_ext.FluidMetric for any size"
            )
        planes = _fft.workspace_shape(shape, torus, self.band)
        spectrum = arrays.workspace((*array.shape[:2], *planes), f"c{2 * array.dtype.itemsize}")
        out, tables = arrays.empty(array.shape), arrays.tables(torus, spacing, self.band)
        workspace = _core.Field(
            address(spectrum), FLOATS[array.dtype.str], (*array.shape[:2], *planes)
        )
        parameters = (self.alpha, self.beta, self.gamma, self.power, inverse)
        _core.fluid(
            source,
            arrays.field("out", out),
            workspace,
            address(tables),
            _fft.torus_of(torus, self.band, _core.block_memory(device)),
            symbol_of(spacing, *parameters),
            arrays.queue,
        )
        return out
