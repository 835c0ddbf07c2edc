"""Typed motion data in memory: a header and NumPy arrays, checked once when built, then read-only."""

from lapsdata.containers.base import Container
from lapsdata.containers.boxes import Boxes
from lapsdata.containers.catalog import Catalog
from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.containers.episodes import Episodes
from lapsdata.containers.segments import END_REASONS, Segments
from lapsdata.containers.shards import Shards
from lapsdata.containers.tokens import Tokens
from lapsdata.containers.tracks import Tracks

__all__ = [
    "END_REASONS",
    "ENERGY_STATES",
    "Boxes",
    "Catalog",
    "Container",
    "Energies",
    "Episodes",
    "Segments",
    "Shards",
    "Tokens",
    "Tracks",
]
