"""Write TensorBoard's events of a training, where that package is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quicksilver.io.files import unwritable


class Events:
    """Scalars over steps, in a folder of TensorBoard's; a full disk is a QuicksilverError.

    The writer works in a thread of its own. What fails there is raised again by the next call, so
    that the thread itself has nothing to print.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.hook = folder, threading.excepthook
        self.writer = None
        threading.excepthook = self._print_others
        with self._named():
            self.writer = _open_writer(folder)

    def _print_others(self, failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard"):
            self.hook(failure)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            threading.excepthook = self.hook
            raise unwritable(self.folder, error) from error

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Add scalars by name."""
        if self.writer is not None:
            with self._named():
                for name, value in values.items():
                    self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is pending."""
        if self.writer is not None:
            with self._named():
                self.writer.close()
        threading.excepthook = self.hook


def _open_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
