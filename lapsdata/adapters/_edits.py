"""What is changed of robot episodes while they are written anew: what is kept, left out, renamed and rewritten."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lapsdata.schema.base import Record
from lapsdata.schema.episodes import FeatureName

__all__ = ["FORMS", "SENSE", "SPANS", "EpisodesEdit"]

SPANS = r"\s*(\d*:\d*|\d+)(\s*,\s*(\d*:\d*|\d+))*\s*"
"""Numbers of episodes, `0:50,60`."""

SENSE = r"absolute|(relative|delta)(:.+)?"
"""What actions become."""

FORMS = r"(\w+:)?\w+"
"""What rotations become."""

_Spans = Annotated[str, Field(pattern=f"^({SPANS})$")]
_Sense = Annotated[str, Field(pattern=f"^({SENSE})$")]
_Forms = Annotated[str, Field(pattern=f"^({FORMS})$")]


class EpisodesEdit(Record):
    """Which episodes of a data set are kept, and what becomes of their columns and cameras.

    Parts of vectors are `action.left_arm`, by the names of GR00T, or `action[0:6]`. All names are those of the source.

    Examples
    --------
    >>> EpisodesEdit(episodes="0:50,60", drop=("next.reward",)).without_episodes is None
    True
    >>> EpisodesEdit(actions={"action[0:6]": "relative"}).actions
    {'action[0:6]': 'relative'}
    """

    episodes: _Spans | None = None
    """Numbers that are kept, `0:50,60`: the first of a span is part of it, the last is not; null for all."""
    without_episodes: _Spans | None = None
    """Numbers that are left out, in the same words."""
    drop: tuple[FeatureName, ...] = ()
    """Columns and cameras that are left out."""
    rename: dict[FeatureName, FeatureName] = Field(default_factory=dict)
    """New names of columns and cameras by the old ones."""
    actions: dict[FeatureName, _Sense] = Field(default_factory=dict)
    """What actions become: `relative` or `delta`, with `:` and a state where it is not the usual one; or `absolute`."""
    rotations: dict[FeatureName, _Forms] = Field(default_factory=dict)
    """How rotations are rewritten: `rotation_6d`; `quaternion_xyzw:rotation_6d` where the set does not say what is."""
