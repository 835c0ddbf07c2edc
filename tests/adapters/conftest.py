"""What the tests of adapters of segments share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = tuple[str, float, float, str | None]


def _rows(segments: Any) -> list[Row]:
    names = [video.name for video in segments.header.videos]
    times = zip(segments.video_index.tolist(), segments.start_s.tolist(), segments.end_s.tolist(), strict=True)
    return [(names[at], start, end, label) for (at, start, end), label in zip(times, segments.label, strict=True)]


@pytest.fixture
def rows() -> Callable[[Any], list[Row]]:
    """Return what gives the rows of segments: video, start, end, label."""
    return _rows
