"""Data sets of LeRobot, versions 2.0, 2.1 and 3.0, and those of GR00T: rows in Parquet, frames in videos.

`reading` reads what a data set says of itself; `layout_v2_0`, `layout_v2_1` and `layout_v3_0` know where each version
keeps rows and videos; `modality` reads the names that GR00T gives to parts of them, `parts` what `info.json` says of
such parts. `converting` writes a set in another version, `_out_*` its parts; `editing` writes some episodes of a set,
vectors rewritten, or several sets as one, `_edit_*` its parts; `recorder` records a new one.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._edits import EpisodesEdit
from lapsdata.adapters.lerobot.converting import TARGETS, convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.info import INFO, read_info
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats, stated_stats
from lapsdata.adapters.lerobot.version import tell_version
from lapsdata.errors import Problem, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.containers import Episodes
    from lapsdata.formats import WriteReport
    from lapsdata.schema import FeatureStats

__all__ = ["PLUGIN"]


def recognises(path: Path) -> str | None:
    """Return "episodes" for a folder with `meta/info.json`."""
    return "episodes" if (path / INFO).is_file() else None


def read(path: Path, *, strict: bool = False) -> Adapted:
    """Read a data set; see `read_set`."""
    found = read_set(path, strict=strict)
    return Adapted(
        found.episodes,
        found.notes,
        rate=found.info.rate,
        rate_origin=f"fps of {INFO}",
        summed=found.info.packed,
        unreadable=tuple(found.unreadable.tolist()),
        stats=functools.partial(_stats, found),
    )


def _stats(found: LeRobotSet) -> Mapping[str, FeatureStats]:
    return read_stats(found).by_feature


def own(path: Path) -> str:
    """Return the target that is of the version of a data set."""
    return f"lerobot-{tell_version(path, read_info(path))[0][1:]}"


def write(
    path: Path,
    episodes: Episodes,
    *,
    root: Path,
    to: LeRobotTarget,
    edit: EpisodesEdit | None = None,
    more: Sequence[Path] = (),
    samples_per_shard: int | None = None,
) -> WriteReport:
    """Write a data set in another version: rows and videos are taken from where they lie; see `convert_set`.

    What is edited, or of several sources, may also be of the version that it has; see `edit_sets`.

    Raises
    ------
    UnknownFormatError
        Episodes of another project, whose rows are no tables of LeRobot.
    """
    if any(recognises(one) is None for one in (root, *more)):
        message = (
            f"expected a data set of LeRobot, whose rows and videos can be carried over, got {len(episodes)} others"
        )
        raise UnknownFormatError(Problem("not-lerobot", str(root), message, "record them with EpisodeWriter"))
    if edit is None and not more:
        return convert_set(root, path, to, samples_per_shard=samples_per_shard)
    edit = EpisodesEdit() if edit is None else edit
    return edit_sets([root, *more], path, to, edit, samples_per_shard=samples_per_shard)


PLUGIN = Adapter(
    "lerobot",
    "Robot episodes of LeRobot and GR00T",
    recognises,
    read,
    takes=frozenset({"strict"}),
    writer=Writer("episodes", write, frozenset({"root", "to", "edit", "more", "samples_per_shard"}), TARGETS, own),
    stated=stated_stats,
)
