"""Videos to learn from and videos to be judged by: never the same one in both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["refuse_shared", "split_videos"]


def split_videos(videos: Iterable[str], share: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the videos to learn from, and those to be judged by.

    Which are which follows from their names and the seed: another video changes the side of few others.

    Parameters
    ----------
    videos : iterable of str
        Names; repeats are one video.
    share : float
        Of the videos to be judged by, above 0 and below 1; rounded to whole videos, at least one on either side.
    seed : int

    Raises
    ------
    SchemaError
        Fewer than two videos: windows of one video are too alike to judge by.

    Examples
    --------
    >>> split_videos([f"clip_{n}" for n in range(6)], 0.3, seed=0)[1]
    ('clip_1', 'clip_2')
    """
    names = list(dict.fromkeys(videos))
    if len(names) < 2:
        message = f"expected two videos or more to take some to be judged by, got {len(names)}: {listed(names)}"
        fix = "give more videos, or judge by none: --val none"
        raise SchemaError(Problem("one-video", "val", message, fix))
    count = min(max(1, round(share * len(names))), len(names) - 1)
    chosen = set(sorted(names, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())[:count])
    return tuple(name for name in names if name not in chosen), tuple(name for name in names if name in chosen)


def refuse_shared(train: Sequence[str], judged_by: Sequence[str]) -> None:
    """Refuse the same video on both sides.

    Raises
    ------
    SchemaError
        Names all of them.

    Examples
    --------
    >>> refuse_shared(["clip_0"], ["clip_1"])
    """
    shared = sorted(set(train) & set(judged_by))
    if shared:
        message = f"expected other videos than those that are learned from, got {len(shared)} of them: {listed(shared)}"
        raise SchemaError(Problem("shared-videos", "val", message, "leave them out of one of the two"))
