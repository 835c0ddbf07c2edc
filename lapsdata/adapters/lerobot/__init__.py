"""Data sets of LeRobot, versions 2.0, 2.1 and 3.0, and those of GR00T: rows in Parquet, frames in videos.

`reading` reads what a data set says of itself; `layout_v2_0`, `layout_v2_1` and `layout_v3_0` know where each version
keeps rows and videos; `modality` reads the names that GR00T gives to parts of them. `converting` writes a set in
another version, `_out_*` its parts; `recorder` records a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters.lerobot.converting import TARGETS, convert_set
from lapsdata.adapters.lerobot.info import INFO
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import Problem, UnknownFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.containers import Episodes
    from lapsdata.formats import WriteReport

__all__ = ["PLUGIN"]


def recognises(path: Path) -> str | None:
    """Return "episodes" for a folder with `meta/info.json`."""
    return "episodes" if (path / INFO).is_file() else None


def read(path: Path, *, strict: bool = False) -> Adapted:
    """Read a data set; see `read_set`."""
    found = read_set(path, strict=strict)
    return Adapted(found.episodes, found.notes, rate=found.info.rate, rate_origin=f"fps of {INFO}")


def write(path: Path, episodes: Episodes, *, root: Path, to: LeRobotTarget) -> WriteReport:
    """Write a data set in another version: rows and videos are taken from where they lie; see `convert_set`.

    Raises
    ------
    UnknownFormatError
        Episodes of another project, whose rows are no tables of LeRobot.
    """
    if recognises(root) is None:
        message = (
            f"expected a data set of LeRobot, whose rows and videos can be carried over, got {len(episodes)} others"
        )
        raise UnknownFormatError(Problem("not-lerobot", str(root), message, "record them with EpisodeWriter"))
    return convert_set(root, path, to)


PLUGIN = Adapter(
    "lerobot",
    "Robot episodes of LeRobot and GR00T",
    recognises,
    read,
    takes=frozenset({"strict"}),
    writer=Writer("episodes", write, frozenset({"root", "to"}), TARGETS),
)
