"""Where a window comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Location"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where one window comes from.

    Parameters
    ----------
    id : int
    video : str
    path : Path, or str for a URL
    window : int
        Its number in the file.
    start_s, end_s : float or None, seconds
        Half-open; None where the file carries no time.

    Examples
    --------
    >>> import pathlib
    >>> Location(7, "clip_0", pathlib.Path("clip_0.zarr"), 3, 0.3, 0.7).window
    3
    """

    id: int
    video: str
    path: Path | str
    window: int
    start_s: float | None
    end_s: float | None
