"""Typed, checked, time-correct motion data from video, robot and tracking data sets.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.first_use import first_use

if TYPE_CHECKING:
    from lapsdata.containers import Boxes, Energies, Segments, Tokens, Tracks
    from lapsdata.errors import (
        AmbiguousFormatError,
        CorruptDataError,
        FormatTooNewError,
        LapsError,
        LengthMismatchError,
        MissingExtraError,
        Problem,
        SchemaError,
    )
    from lapsdata.formats import read, recognise, write
    from lapsdata.loading import Loader, Mixture, StepDataset, WindowDataset, open_steps, open_windows, write_catalog
    from lapsdata.timebase import FrameRate, FrameSpan

__all__ = [
    "AmbiguousFormatError",
    "Boxes",
    "CorruptDataError",
    "Energies",
    "FormatTooNewError",
    "FrameRate",
    "FrameSpan",
    "LapsError",
    "LengthMismatchError",
    "Loader",
    "MissingExtraError",
    "Mixture",
    "Problem",
    "SchemaError",
    "Segments",
    "StepDataset",
    "Tokens",
    "Tracks",
    "WindowDataset",
    "open_steps",
    "open_windows",
    "read",
    "recognise",
    "write",
    "write_catalog",
]

__version__ = "0.1.0"

_HOMES = {
    "lapsdata.containers": ("Boxes", "Energies", "Segments", "Tokens", "Tracks"),
    "lapsdata.errors": (
        "AmbiguousFormatError",
        "CorruptDataError",
        "FormatTooNewError",
        "LapsError",
        "LengthMismatchError",
        "MissingExtraError",
        "Problem",
        "SchemaError",
    ),
    "lapsdata.formats": ("read", "recognise", "write"),
    "lapsdata.loading": (
        "Loader",
        "Mixture",
        "StepDataset",
        "WindowDataset",
        "open_steps",
        "open_windows",
        "write_catalog",
    ),
    "lapsdata.timebase": ("FrameRate", "FrameSpan"),
}

if not TYPE_CHECKING:
    # A checker that saw this would take every name for one of ours; it reads the imports above instead.
    __getattr__ = first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
