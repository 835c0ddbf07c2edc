"""Typed motion data in memory: a header and NumPy arrays, checked once when built, then read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from lapsdata.containers.base import Container
    from lapsdata.containers.boxes import Boxes
    from lapsdata.containers.catalog import Catalog
    from lapsdata.containers.energies import ENERGY_STATES, Energies
    from lapsdata.containers.episodes import Episodes
    from lapsdata.containers.segments import END_REASONS, Segments
    from lapsdata.containers.shards import Shards
    from lapsdata.containers.tokens import Tokens
    from lapsdata.containers.tracks import Tracks
    from lapsdata.containers.views import LAYERS, HeldPixels, Layer, Pixels, Views

__all__ = [
    "END_REASONS",
    "ENERGY_STATES",
    "LAYERS",
    "Boxes",
    "Catalog",
    "Container",
    "Energies",
    "Episodes",
    "HeldPixels",
    "Layer",
    "Pixels",
    "Segments",
    "Shards",
    "Tokens",
    "Tracks",
    "Views",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
