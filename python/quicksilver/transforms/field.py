"""Displacement fields in the world, from one grid to another, and applied to images.

A field is a displacement in RAS millimetres on a grid, x -> x + d(x), and has a meaning without the
grid on which it was computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import make_affine_displacement

Mode = Literal["linear", "nearest", "majority"]


LPS = np.array([-1.0, -1.0, 1.0], dtype=np.float32)  # RAS to LPS, and back


@dataclass(frozen=True)
class WorldField:
    """A displacement field in RAS millimetres.

    Args:
        vectors: (1, 3, X, Y, Z), components R, A, S.
        grid: Where they lie.

    Example:
        >>> image = Image(np.arange(27, dtype=np.float32).reshape(3, 3, 3), np.diag([2.0, 2, 2, 1]))
        >>> vectors = torch.zeros(1, 3, 3, 3, 3)
        >>> vectors[:, 2] = 2.0  # mm towards the head, one voxel here
        >>> WorldField(vectors, image.grid).warp(image).data[0, 0]
        array([1., 2., 0.], dtype=float32)
    """

    vectors: Tensor
    grid: Grid

    @classmethod
    def from_voxels(cls, displacement: Tensor, grid: Grid) -> WorldField:
        """Make a field from a displacement (1, 3, X, Y, Z) in voxels of `grid`."""
        return cls(transform_vectors(grid.affine[:3, :3], displacement), grid)

    @classmethod
    def identity(cls, grid: Grid) -> WorldField:
        """Make the field that leaves every point of a grid where it is."""
        return cls(torch.zeros((1, 3, *grid.shape)), grid)

    def in_voxels(self) -> Tensor:
        """Return the displacement (1, 3, X, Y, Z) in voxels of the field's own grid."""
        return transform_vectors(np.linalg.inv(self.grid.affine[:3, :3]), self.vectors)

    def onto(self, grid: Grid) -> WorldField:
        """Resample the field onto another grid: linear, continued by its border values."""
        return WorldField(regrid(self.vectors, self.grid, grid), grid)

    def then(self, after: WorldField) -> WorldField:
        """Compose the field with another after it, on this one's grid."""
        moved = qs.warp(after.vectors, self._positions(after.grid), padding_mode="border")
        return WorldField(self.vectors + moved, self.grid)

    def then_affine(self, matrix: np.ndarray) -> WorldField:
        """Compose the field with an affine (4, 4) in RAS millimetres after it."""
        start = affine_field(matrix, self.grid, self.vectors.device).vectors
        return WorldField(start + transform_vectors(matrix[:3, :3], self.vectors), self.grid)

    def determinant(self) -> Tensor:
        """Return the Jacobian determinant (1, 1, X, Y, Z) of the map, by differences on its own
        grid.
        """
        return qs.jacobian_determinant(self.in_voxels())

    def warp(self, image: Image, mode: Mode = "linear") -> Image:
        """Sample an image at x + d(x) on the field's grid, once; it is zero outside.

        Args:
            image: The image, on any grid.
            mode: "linear" gives float32; "nearest" and "majority" (`quicksilver_ext.warp_labels`:
                the label with the largest sum of linear weights) keep the image's integer type.
        """
        return Image(
            self.warp_volumes(image.data[..., None], image.grid, mode)[..., 0], self.grid.affine
        )

    def reaches(self, grid: Grid) -> bool:
        """Tell whether any point of the field arrives inside of another grid."""
        positions = self._positions(grid)
        ones = torch.ones((1, 1, *grid.shape), device=positions.device)
        return bool(qs.warp(ones, positions, padding_mode="zeros").any())

    def warp_volumes(
        self, volumes: np.ndarray, grid: Grid, mode: Mode = "linear", outside: float = 0.0
    ) -> np.ndarray:
        """Sample volumes (X, Y, Z, T) of one grid as `warp` does, one after the other.

        Args:
            volumes: The volumes.
            grid: Where their voxels lie.
            mode: As of `warp`.
            outside: Value beyond their faces.
        """
        positions = self._positions(grid)
        # torch has few operations for the unsigned types of label maps: warp them as int64.
        travels, kind = (np.float32, np.float32) if mode == "linear" else (np.int64, volumes.dtype)
        result = np.empty((volumes.shape[3], *self.grid.shape), kind).transpose(1, 2, 3, 0)
        for index in range(volumes.shape[3]):
            data = np.ascontiguousarray(volumes[..., index], dtype=travels)
            if outside:
                data = data - np.asarray(outside, travels)
            source = torch.from_numpy(data)[None, None].to(positions.device)
            if mode == "majority":
                warped = qs.warp_labels(source, positions, padding_mode="zeros")
            else:
                warped = qs.warp(source, positions, mode=mode, padding_mode="zeros")
            result[..., index] = warped[0, 0].cpu().numpy()
        if outside:
            result += np.asarray(outside, kind)
        return result

    def _positions(self, other: Grid) -> Tensor:
        """Return where the field samples, in voxels of another grid, less its own indices."""
        inverse = np.linalg.inv(other.affine)
        start = make_affine_displacement(
            inverse @ self.grid.affine, self.grid.shape, self.vectors.device
        )
        return start + transform_vectors(inverse[:3, :3], self.vectors)


def regrid(values: Tensor, source: Grid, grid: Grid) -> Tensor:
    """Resample values (1, C, X, Y, Z) from one grid onto another: linear, continued by border
    values.
    """
    if source.matches(grid):
        return values
    matrix = np.linalg.inv(source.affine) @ grid.affine
    positions = make_affine_displacement(matrix, grid.shape, values.device)
    return qs.warp(values, positions, padding_mode="border")


def affine_field(matrix: np.ndarray, grid: Grid, device: torch.device | str = "cpu") -> WorldField:
    """Return the displacement field x -> matrix @ x, (4, 4) in RAS millimetres, on a grid."""
    change = matrix @ grid.affine - grid.affine + np.eye(4)
    return WorldField(make_affine_displacement(change, grid.shape, device), grid)


def transform_vectors(matrix: np.ndarray, vectors: Tensor) -> Tensor:
    """Multiply every vector of a field (1, 3, X, Y, Z) by a 3 x 3 matrix."""
    factor = torch.as_tensor(matrix, dtype=vectors.dtype, device=vectors.device)
    return torch.einsum("ij,bjxyz->bixyz", factor, vectors).contiguous()
