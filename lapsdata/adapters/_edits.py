"""What is changed of robot episodes while they are written anew: which are kept, and what is left out or renamed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lapsdata.schema.base import Record
from lapsdata.schema.episodes import FeatureName

__all__ = ["EpisodesEdit"]

_Spans = Annotated[str, Field(pattern=r"^\s*(\d*:\d*|\d+)(\s*,\s*(\d*:\d*|\d+))*\s*$")]


class EpisodesEdit(Record):
    """Which episodes of a data set are kept, and what of their columns and cameras.

    Examples
    --------
    >>> EpisodesEdit(episodes="0:50,60", drop=("next.reward",)).without_episodes is None
    True
    """

    episodes: _Spans | None = None
    """Numbers that are kept, `0:50,60`: the first of a span is part of it, the last is not; null for all."""
    without_episodes: _Spans | None = None
    """Numbers that are left out, in the same words."""
    drop: tuple[FeatureName, ...] = ()
    """Columns and cameras that are left out."""
    rename: dict[FeatureName, FeatureName] = Field(default_factory=dict)
    """New names of columns and cameras by the old ones."""
