"""What is in a file, told so that a person sees it at a glance and a script as JSON."""

from __future__ import annotations

from lapsdata._inspect.boxes import InspectedBoxes
from lapsdata._inspect.episodes import InspectedEpisodes
from lapsdata._inspect.files import InspectedFile, InspectedVideo, look_at
from lapsdata._inspect.low_level import (
    LowLevelReport,
    LowLevelRow,
    PickedItem,
    inspect_low_level,
    render_low_level,
)
from lapsdata._inspect.views import InspectedViews

__all__ = [
    "InspectedBoxes",
    "InspectedEpisodes",
    "InspectedFile",
    "InspectedVideo",
    "InspectedViews",
    "LowLevelReport",
    "LowLevelRow",
    "PickedItem",
    "inspect_low_level",
    "look_at",
    "render_low_level",
]
