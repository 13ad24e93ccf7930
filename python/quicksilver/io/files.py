"""Write files that are either complete or absent: under temporary names in the same folder, then
renamed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quicksilver.errors import QuicksilverError

_HIDDEN = os.umask(0)  # which can only be read by setting it


os.umask(_HIDDEN)


def require_file(path: str | os.PathLike[str], what: str) -> Path:
    """Return the path of a regular file.

    Args:
        path: The path.
        what: What the error says was expected there.

    Raises:
        QuicksilverError: There is nothing, a folder, or something that a reader might wait for or
            never come to the end of: a pipe, a device.

    Example:
        >>> require_file("/dev/zero", "data")
        Traceback (most recent call last):
        ...
        quicksilver.errors.QuicksilverError: expected data at /dev/zero, found a device; give a file
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise QuicksilverError(
            f"expected {what} at {path}, found no such file; check the path"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise QuicksilverError(
            f"expected {what} at {path!s}, found '{reason}'; check the path"
        ) from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        found = kinds.get(stat.S_IFMT(mode), "a device")
        raise QuicksilverError(f"expected {what} at {path}, found {found}; give a file")
    return path


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is a folder; names that the system refuses are none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which becomes `path` only if the block succeeds.

    The temporary name ends as `path` does, for writers that look at the suffix.

    Raises:
        QuicksilverError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder) / "notes.txt") as temporary:
        ...         _ = temporary.write_text("complete or absent")
        ...     os.listdir(folder)
        ['notes.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        require_place(path)
        yield temporary
        temporary.chmod(0o666 & ~_HIDDEN)  # some writers keep what they write to its owner
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):  # the folder itself may be missing
            temporary.unlink(missing_ok=True)


def require_place(path: Path) -> None:
    """Check that a file can take the place of what is at `path`.

    Raises:
        QuicksilverError: There is a folder, or a device, whose place a rename would take.
    """
    if path.exists() and not path.is_file():
        raise QuicksilverError(
            f"expected a file to write at {path}, found something else; rename it"
        )


RESULT = "result.json"
"""The file of a folder of results whose presence says that all others are there."""


PARTIAL = ".????????.partial"
"""Pattern of the folders that `filling` fills: what is left of one was killed."""


@contextmanager
def filling(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary folder inside `folder`; its files move there if the block succeeds.

    What a killed program left of such a folder is removed; one that another program is filling
    stays. An older `result.json` goes before the first of them comes, a new one comes last,
    whatever stops the program in between. `folder` is made if it is missing, and removed again if
    the block fails and it is empty.

    Raises:
        QuicksilverError: The folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with filling(Path(folder) / "out") as temporary:
        ...         _ = (temporary / "result.json").write_text("{}")
        ...     os.listdir(Path(folder) / "out")
        ['result.json']
    """
    folder = Path(folder)
    try:
        made = not folder.exists()
        temporary, lock = _make_temporary(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        _remove_dead(folder)
        yield temporary
        files = sorted(temporary.iterdir(), key=lambda file: (file.name == RESULT, file.name))
        if files:
            (folder / RESULT).unlink(missing_ok=True)
        for file in files:
            file.replace(folder / file.name)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)
        if made:
            with suppress(OSError):  # it holds something by now, perhaps of another process
                folder.rmdir()


def _make_temporary(folder: Path) -> tuple[Path, int | None]:
    """Make a temporary folder inside `folder`, and lock it.

    Before it is locked another program may take it for a dead one: then make another.
    """
    while True:
        temporary = folder / f".{secrets.token_hex(4)}.partial"
        temporary.mkdir(parents=True)
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(temporary)
            if temporary.exists():
                return temporary, lock
            if lock is not None:
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder as long as this process lives or the descriptor that is returned is open.

    Returns:
        None: the file system has no locks.

    Raises:
        BlockingIOError: Another process has locked it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_dead(folder: Path) -> None:
    """Remove the temporary folders of programs that were killed."""
    for left_behind in folder.glob(PARTIAL):
        with suppress(OSError):  # another program fills it, or removes it, too
            if (lock := _lock(left_behind)) is not None:
                shutil.rmtree(left_behind, ignore_errors=True)
                os.close(lock)


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Check now that files can be written into `folder` later.

    Raises:
        QuicksilverError: They cannot.
    """
    with filling(folder):
        pass


def require_apart(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Check that no file to write is one of those that are read.

    Raises:
        QuicksilverError: One is.
    """
    found = {_identify(path): path for path in inputs}
    known = {same: path for same, path in found.items() if same is not None}
    for output in outputs:
        if known and (same := _identify(output)) in known:
            raise QuicksilverError(
                f"expected an output that is none of the inputs, found {output}, which is "
                f"{known[same]}; choose another output with -o"
            )


def _identify(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return what is the same of all names of a file; None: there is no such file."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def write_json(path: str | os.PathLike[str], content: object) -> None:
    """Write an object as indented JSON, complete or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def unwritable(path: Path, error: OSError) -> QuicksilverError:
    """Return the error for an output that cannot be written."""
    reason = error.strerror or str(error)
    return QuicksilverError(
        f"expected to be able to write {path}, found '{reason}'; choose another output with -o"
    )
