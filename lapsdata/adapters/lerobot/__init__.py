"""Data sets of LeRobot, versions 2.0, 2.1 and 3.0, and those of GR00T: rows in Parquet, frames in videos.

`reading` reads what a data set says of itself; `layout_v2_0`, `layout_v2_1` and `layout_v3_0` know where each version
keeps rows and videos; `modality` reads the names that GR00T gives to parts of them, `parts` what `info.json` says of
such parts. `converting` writes a set in another version, `_out_*` its parts; `editing` writes some episodes of a set,
vectors rewritten, or several sets as one, `_edit_*` its parts; `from_rows` writes episodes of HDF5 as a set;
`recorder` records a new one; `archives` proves those of a set in shards.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._edits import EpisodesEdit
from lapsdata.adapters.lerobot.converting import TARGETS, convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.from_rows import write_rows
from lapsdata.adapters.lerobot.info import INFO, SHARDS, read_info
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats, stated_stats
from lapsdata.adapters.lerobot.version import tell_version
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.execution.engine import unheard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.containers import Episodes
    from lapsdata.execution.engine import Tell
    from lapsdata.formats import WriteReport
    from lapsdata.schema import FeatureStats

__all__ = ["PLUGIN"]


def recognises(path: Path) -> str | None:
    """Return "episodes" for a folder with `meta/info.json`, or with `meta/shards.json`, which is none without it."""
    return "episodes" if (path / INFO).is_file() or (path / SHARDS).is_file() else None


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
    task: str | None = None,
    samples_per_shard: int | None = None,
    tell: Tell = unheard,
) -> WriteReport:
    """Write a data set in another version: rows and videos are taken from where they lie; see `convert_set`.

    What is edited, or of several sources, may also be of the version that it has; see `edit_sets`. Episodes of HDF5 are
    written anew; see `write_rows`.

    Raises
    ------
    SchemaError
        A task where the rows of LeRobot have one; several sources, of which one is of HDF5.
    UnknownFormatError
        Episodes of another project, whose rows are neither tables of LeRobot nor arrays of HDF5.
    """
    others = [one for one in (root, *more) if recognises(one) is None]
    changed = EpisodesEdit() if edit is None else edit
    if others and more:
        message = f"expected sets of LeRobot, which alone become one, got {others[0]}"
        raise SchemaError(Problem("several-sources", str(path), message, "convert each, then merge what came out"))
    if others and _plain_rows(episodes):
        return write_rows(path, episodes, root, to, changed, task=task, samples_per_shard=samples_per_shard, tell=tell)
    if others:
        message = (
            f"expected a data set of LeRobot, whose rows and videos can be carried over, or arrays of HDF5, got "
            f"{len(episodes)} others"
        )
        raise UnknownFormatError(Problem("not-lerobot", str(root), message, "record them with EpisodeWriter"))
    if task is not None:
        message = "expected none, got one: each row of LeRobot has its task"
        raise SchemaError(Problem("wrong-option", "task", message, "leave it out"))
    if edit is None and not more:
        return convert_set(root, path, to, samples_per_shard=samples_per_shard, tell=tell)
    return edit_sets([root, *more], path, to, changed, samples_per_shard=samples_per_shard, tell=tell)


def _plain_rows(episodes: Episodes) -> bool:
    """Say whether rows and frames are arrays of HDF5, and nothing but those tells anything of them."""
    header = episodes.header
    stored = {camera.stored for camera in header.cameras}
    return header.store == "hdf5" and stored <= {"pixels", "encoded"} and header.time is None and not header.groups


_TAKES = frozenset({"root", "to", "edit", "more", "task", "samples_per_shard", "tell"})

PLUGIN = Adapter(
    "lerobot",
    "Robot episodes of LeRobot and GR00T",
    recognises,
    read,
    takes=frozenset({"strict"}),
    writer=Writer("episodes", write, _TAKES, TARGETS, own),
    stated=stated_stats,
)
