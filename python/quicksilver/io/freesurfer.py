"""FreeSurfer's linear transforms: .lta, a text with a matrix and the geometry of both images, and
register.dat of tkregister, with a matrix alone.
"""

from __future__ import annotations

import numpy as np

from quicksilver.images.image import Grid

TKRAS_AXES = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Columns: the directions of a volume's axes in FreeSurfer's surface coordinates."""


def parse_lta(text: str) -> np.ndarray:
    """Return the affine (4, 4) of an .lta, from its "src" to its "dst" image, RAS millimetres.

    Raises:
        ValueError: There is no such matrix, or there are several.
    """
    entries = _parse_entries(text)
    if entries.get("nxforms") != "1":
        raise ValueError(f"{entries.get('nxforms')} matrices instead of one")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    begin = lines.index(["1", "4", "4"]) + 1 if ["1", "4", "4"] in lines else len(lines)
    matrix = parse_numbers("\n".join(" ".join(line) for line in lines[begin : begin + 4]))
    if matrix.shape != (4, 4):
        raise ValueError("no matrix of 4 x 4 numbers")
    kind = entries.get("type", "")
    if kind == "1":  # RAS to RAS
        return matrix
    if kind != "0":  # voxels to voxels
        raise ValueError(f"a transform of type {kind}, neither 0 (voxels) nor 1 (RAS)")
    source, target = (_read_geometry(text, name) for name in ("src", "dst"))
    placed: np.ndarray = target @ matrix @ np.linalg.inv(source)
    return placed


def parse_register_dat(text: str) -> np.ndarray:
    """Return the matrix (4, 4) of a register.dat, from the surface coordinates (tkRAS) of the
    target to those of the moving image.

    Raises:
        ValueError: There is no such matrix, or the file does not say, as its last line, that
            coordinates are rounded to voxels: others are of another matrix by half a voxel.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    matrix = parse_numbers("\n".join(lines[4:8]))
    if matrix.shape != (4, 4):
        raise ValueError("no matrix of 4 x 4 numbers")
    last = " ".join(lines[8:]).strip()
    if last != "round":
        raise ValueError(f"'{last[:40]}' instead of 'round' behind the matrix of a register.dat")
    return matrix


def find_surface_space(grid: Grid) -> np.ndarray:
    """Return the map from FreeSurfer's surface coordinates (tkRAS) of an image, which start at its
    centre and run along its axes, to RAS millimetres.
    """
    to_surface = np.eye(4)
    to_surface[:3, :3] = TKRAS_AXES * grid.spacing
    to_surface[:3, 3] = to_surface[:3, :3] @ (np.array(grid.shape) / -2)
    return grid.affine @ np.linalg.inv(to_surface)


def parse_numbers(text: str) -> np.ndarray:
    """Parse lines of numbers, at most four, into an array (lines, numbers).

    Raises:
        ValueError: The lines are more, of different lengths, or no numbers.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len({len(line) for line in lines}) > 1 or len(lines) > 4:
        raise ValueError("neither a known format nor 4 x 4 numbers")
    return np.array(lines, dtype=np.float64)


def _parse_entries(text: str) -> dict[str, str]:
    parts = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.split("#")[0].strip() for name, mark, value in parts if mark}


def _read_geometry(text: str, name: str) -> np.ndarray:
    """Return the map from voxels to RAS of the image that an .lta calls "src" or "dst"."""
    _, found, after = text.partition(f"{name} volume info")
    own = after.partition("src volume info")[0].partition("dst volume info")[0]
    entries = _parse_entries(own)
    if not found or entries.get("valid") != "1":
        raise ValueError(f"no valid {name} volume info")
    names = ("xras", "yras", "zras", "cras", "voxelsize", "volume")
    vectors = {key: parse_numbers(entries.get(key, "")) for key in names}
    if any(vector.shape != (1, 3) for vector in vectors.values()):
        raise ValueError(f"an incomplete {name} volume info")
    affine = np.eye(4)
    axes = np.concatenate([vectors["xras"], vectors["yras"], vectors["zras"]]).T
    affine[:3, :3] = axes * vectors["voxelsize"]
    affine[:3, 3] = vectors["cras"][0] - affine[:3, :3] @ (vectors["volume"][0] / 2)
    return affine
