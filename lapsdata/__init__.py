"""Typed, checked, time-correct motion data from video, robot and tracking data sets.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

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

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
