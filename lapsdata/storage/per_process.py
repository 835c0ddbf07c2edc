"""What is open in one process and must not be shared with another: files, decoders, caches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PerProcess"]

Held = TypeVar("Held")


class PerProcess(Generic[Held]):
    """Holds one thing for each process: a forked or spawned one begins with its own, made when it first asks.

    Parameters
    ----------
    make : callable
        Makes it; it must be one that can be pickled where the holder is.

    Examples
    --------
    >>> held = PerProcess(dict)
    >>> held.get()["clip"] = 1
    >>> held.get()
    {'clip': 1}
    """

    def __init__(self, make: Callable[[], Held]) -> None:
        self._make = make
        self._held: dict[int, Held] = {}

    def get(self) -> Held:
        """Return what this process holds."""
        own = os.getpid()
        found = self._held.get(own)
        if found is None:
            # Of two threads that come here at once, one thing stays for both.
            found = self._held.setdefault(own, self._make())
            for other in set(self._held) - {own}:
                self._held.pop(other, None)
        return found

    def take(self) -> Held | None:
        """Return what this process holds and hold it no longer; None where it holds nothing yet."""
        return self._held.pop(os.getpid(), None)

    def __getstate__(self) -> dict[str, Any]:
        return {"_make": self._make, "_held": {}}
