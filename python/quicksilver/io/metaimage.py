"""What ITK takes from the header of a MetaImage without looking, checked before it does.

ITK makes room for ten dimensions, however many a header names, and hands out memory as it is where
compressed voxels are damaged.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

SUFFIXES = (".mha", ".mhd")
CHUNK = 1 << 20  # bytes that are unpacked at a time

DIMENSIONS = re.compile(rb"^[ \t]*NDims[ \t]*[=:][ \t]*3[ \t\r]*$", re.M)
LAST = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][^\n]*\n", re.M)
SKIPPED = re.compile(rb"^[ \t]*HeaderSize[ \t]*[=:][ \t]*([^\n]*?)[ \t\r]*$", re.M)
BINARY = re.compile(rb"^[ \t]*BinaryData[ \t]*[=:][ \t]*[Tt1]", re.M)
COMPRESSED = re.compile(rb"^[ \t]*CompressedData[ \t]*[=:][ \t]*[Tt1]", re.M)


def check_header(head: bytes) -> None:
    """Check the first bytes of a file, in which its header ends.

    Raises:
        ValueError: It does not end there, is not of three dimensions, or leaves out less than no
            bytes.
    """
    if LAST.search(head) is None:
        raise ValueError(f"no ElementDataFile in its first {len(head)} bytes")
    if head.count(b"NDims") != 1 or DIMENSIONS.search(head) is None:
        raise ValueError("a header of other than three dimensions (NDims = 3)")
    skipped = [entry for entry in SKIPPED.findall(head) if not re.fullmatch(rb"-1|\d{1,9}", entry)]
    if skipped:
        raise ValueError(f"a HeaderSize of '{skipped[0][:40].decode('latin-1')}'")


def check_voxels(head: bytes, voxels: Path | None, place: Path, size: int) -> None:
    """Check that binary voxels are whole.

    Args:
        head: The first bytes of the file.
        voxels: The file of the voxels; None: they follow the header.
        place: The file.
        size: Bytes of all voxels.

    Raises:
        ValueError: They are damaged, or fewer, or more where they are compressed.
    """
    if BINARY.search(head) is None:
        return
    end = LAST.search(head)
    start = end.end() if end is not None and voxels is None else 0
    file = voxels or place
    if COMPRESSED.search(head) is not None:
        held = _count_unpacked(file, start, size)
        if held != size:
            raise ValueError(f"compressed voxels that are not {size} bytes")
    elif file.stat().st_size - start < size:
        raise ValueError(f"{file.stat().st_size - start} bytes of voxels where {size} belong")


def _count_unpacked(path: Path, start: int, limit: int) -> int:
    """Count the bytes that unpack of a file, from a place on, until they are more than a limit."""
    count, unpacker = 0, zlib.decompressobj(wbits=47)  # of zlib or gzip
    with path.open("rb") as file:
        file.seek(start)
        while count <= limit and not unpacker.eof and (chunk := file.read(CHUNK)):
            try:
                while chunk and count <= limit:
                    count += len(unpacker.decompress(chunk, CHUNK))
                    chunk = unpacker.unconsumed_tail
            except zlib.error as error:
                raise ValueError(f"compressed voxels that are damaged ({error})") from error
    return count
