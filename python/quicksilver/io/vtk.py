"""Surfaces of VTK's legacy format (.vtk): PolyData, ASCII or binary.

Only the points are read and replaced; what comes behind them stays as it is, byte for byte.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.point_set import PointSet

HEAD = re.compile(rb"# vtk DataFile Version [\d.]+[^\n]*\n([^\n]*)\n\s*(ASCII|BINARY)\s*\n", re.I)
POINTS = re.compile(rb"\s*DATASET\s+(\w+)\s+(\w+)[ \t]+(\d{1,15})[ \t]+(\w+)[ \t\r]*\n", re.I)
SPACE = re.compile(rb"SPACE=(RAS|LPS)")
TYPES = {b"float": ">f4", b"double": ">f8"}
"""How the numbers of points lie in a binary file."""


def read_vtk(path: Path, lps: bool) -> PointSet:
    """Read the points of PolyData.

    Args:
        path: The file.
        lps: Whether coordinates are LPS where the title does not say it.

    Raises:
        ValueError: The file is of another format or cut short, or nothing says in which space its
            points lie.
    """
    content = path.read_bytes()
    head = HEAD.match(content[:1024])
    if head is None:
        raise ValueError("no title of VTK's legacy format")
    begin = POINTS.match(content[head.end() : head.end() + 1024])
    if begin is None:
        raise ValueError("no points behind the title of a .vtk file")
    kind, name, count, dtype = begin[1].upper(), begin[2].upper(), int(begin[3]), begin[4].lower()
    if (kind, name) != (b"POLYDATA", b"POINTS"):
        raise ValueError(f"{name.decode()} of {kind.decode()} instead of POINTS of POLYDATA")
    if dtype not in TYPES:
        raise ValueError(f"points of type {dtype.decode()}, neither float nor double")
    space = _find_space(head[1], lps)
    start = head.end() + begin.end()
    is_text = head[2].upper() == b"ASCII"
    parse = _parse_text if is_text else _parse_bytes
    points, rest = parse(content[start:], count, np.dtype(TYPES[dtype]))

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        stored = points.astype(TYPES[dtype])
        packed = _format_text(stored) if is_text else stored.tobytes()
        path.write_bytes(content[:start] + packed + rest)

    found = PointSet(points, write)
    return found.from_lps() if space == b"LPS" else found


def _find_space(title: bytes, lps: bool) -> bytes:
    """Find the space in the title of a file."""
    named = set(SPACE.findall(title)) or ({b"LPS"} if lps else set())
    if not named:
        raise ValueError(
            "a title (its second line) without SPACE=RAS or SPACE=LPS: add what is true, or give "
            "--lps"
        )
    if len(named) > 1 or (lps and named != {b"LPS"}):
        given = " in spite of --lps" if lps else " and SPACE=LPS"
        raise ValueError(f"a title that says SPACE=RAS{given}")
    return named.pop()


def _parse_bytes(content: bytes, count: int, dtype: np.dtype) -> tuple[np.ndarray, bytes]:
    size = 3 * count * dtype.itemsize
    if size > len(content):
        raise ValueError(f"{len(content)} bytes for {count} points: a file that is cut short")
    points = np.frombuffer(content[:size], dtype).reshape(-1, 3)
    return points.astype(np.float64), content[size:]


def _parse_text(content: bytes, count: int, dtype: np.dtype) -> tuple[np.ndarray, bytes]:
    # A digit and a space each, so that no more is taken apart than there may be.
    words = content.split(maxsplit=3 * count) if 6 * count <= len(content) + 1 else []
    if len(words) < 3 * count:
        raise ValueError(f"{len(content)} bytes for {count} points: a file that is cut short")
    rest = b"".join(words[3 * count :])
    points = np.array([float(word) for word in words[: 3 * count]])
    return points.reshape(-1, 3), rest


def _format_text(points: np.ndarray) -> bytes:
    digits = 9 if points.dtype.itemsize == 4 else 17
    lines = (" ".join(f"{value:.{digits}g}" for value in point) for point in points.tolist())
    return ("\n".join(lines) + "\n").encode()
