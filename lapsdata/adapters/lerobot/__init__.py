"""Data sets of LeRobot, versions 2.0, 2.1 and 3.0, and those of GR00T: rows in Parquet, frames in videos.

`reading` reads what a data set says of itself; `layout_v2_0`, `layout_v2_1` and `layout_v3_0` know where each version
keeps rows and videos; `modality` reads the names that GR00T gives to parts of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters.lerobot.info import INFO
from lapsdata.adapters.lerobot.reading import read_set

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN"]


def recognises(path: Path) -> str | None:
    """Return "episodes" for a folder with `meta/info.json`."""
    return "episodes" if (path / INFO).is_file() else None


def read(path: Path, *, strict: bool = False) -> Adapted:
    """Read a data set; see `read_set`."""
    found = read_set(path, strict=strict)
    return Adapted(found.episodes, found.notes, rate=found.info.rate, rate_origin=f"fps of {INFO}")


PLUGIN = Adapter("lerobot", "Robot episodes of LeRobot and GR00T", recognises, read, takes=frozenset({"strict"}))
