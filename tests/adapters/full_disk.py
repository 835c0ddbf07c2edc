"""A disk that runs full while something is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Full:
    """A disk that has no room any more from the n-th time on that something is flushed to it."""

    def __init__(self, room: int, flush: Callable[[Path], None]) -> None:
        self.left, self._flush = room, flush

    def __call__(self, path: Path) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        self._flush(path)
