"""Episodes whose rows are arrays in files of HDF5, as a set of LeRobot: robomimic's demonstrations, ACT's episodes.

Every column is carried over with its type and its numbers, under the name that `_names_of_others` gives it; rows lie
1 / rate apart, and are numbered from 0. Frames, stored as pixels or as files of images, are encoded as videos. One
episode is in memory at a time, and its frames in blocks. What has a place elsewhere, or none, is named.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._row_frames import RowFrames
from lapsdata.adapters.lerobot._edit_choice import chosen_episodes
from lapsdata.adapters.lerobot._edit_names import unknown_names
from lapsdata.adapters.lerobot._frame_stats import FrameStats
from lapsdata.adapters.lerobot._names_of_others import lerobot_names
from lapsdata.adapters.lerobot._out_stats import SetStats
from lapsdata.adapters.lerobot._rows_lost import rows_notes
from lapsdata.adapters.lerobot._source_told import source_told
from lapsdata.adapters.lerobot.converting import finish_set, version_of
from lapsdata.adapters.lerobot.episode_files import EpisodeFiles
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.execution.engine import unheard
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.schema.episodes import IS_NULL
from lapsdata.storage.atomic import TEMPORARY, commit_folder, refuse_existing, storage_errors
from lapsdata.storage.episode_rows import EpisodeRows, folder_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.adapters import EpisodesEdit
    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.containers import Episodes
    from lapsdata.execution.engine import Tell
    from lapsdata.schema import Camera

__all__ = ["NO_TASK", "write_rows"]

NO_TASK = "task not told"
"""What an episode is said to do of which no file and no user says it: LeRobot has a task for each."""


def write_rows(
    path: Path,
    episodes: Episodes,
    root: Path,
    to: LeRobotTarget,
    edit: EpisodesEdit,
    *,
    task: str | None = None,
    samples_per_shard: int | None = None,
    tell: Tell = unheard,
) -> WriteReport:
    """Write episodes of files of HDF5 as a set of LeRobot, whole or not at all.

    Parameters
    ----------
    path : Path
        The new folder.
    episodes : Episodes
    root : Path
        What they were read from: a file, or a folder of them.
    to : {"lerobot-3.0", "lerobot-2.1", "lerobot-2.0", "gr00t", "shards"}
    edit : EpisodesEdit
        By the numbers of episodes and the names of columns that the files have.
    task : str, optional
        What was to be done, of episodes of which the files do not say it.
    samples_per_shard : int, optional
        For shards: episodes in every archive but the last.
    tell : callable
        Is told of each episode that is written.

    Raises
    ------
    SchemaError
        Names and numbers that are not there, two columns of one name, frames that cannot be a video; a task that no
        episode needs; whatever `EpisodeRows.read` says of rows.
    CorruptDataError, StorageError
        Rows or images cannot be read, something is at `path`, or it cannot be written.

    Examples
    --------
    >>> from lapsdata.adapters import EpisodesEdit
    >>> from lapsdata.adapters.robomimic import read
    >>> from lapsdata.testing.demo_files import write_robomimic
    >>> source = write_robomimic(Path(tempfile.mkdtemp()) / "demo.hdf5")
    >>> done = write_rows(source.with_name("set"), read(source).container, source, "lerobot-3.0", EpisodesEdit())
    >>> done.notes[0].message
    'called as in LeRobot: actions is action, ...obs/joint_pos is observation.joint_pos, rewards is next.reward'
    """
    version_of(to)
    if rewritten := [*edit.actions, *edit.rotations]:
        message = f"expected vectors of a set of LeRobot to rewrite, got {', '.join(rewritten)} of arrays of HDF5"
        raise SchemaError(Problem("wrong-option", "edit", message, "convert without it, then rewrite what came out"))
    plan = _planned(episodes, root, edit, task)
    told = source_told(episodes, plan.kept, plan.names)
    header = episodes.header
    names = {plan.names[one.name]: one.names for one in header.features if one.names and one.name in plan.names}
    with storage_errors(path, "write"):
        refuse_existing(path, overwrite=False, fix="name another folder, or remove that one")
        folder = tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=TEMPORARY)
    # Each row is read once: nothing is worth keeping.
    with folder as place, EpisodeRows(folder_of_rows(root), episodes, cache_bytes=0) as rows:
        stage = Path(place) / "set"
        with storage_errors(path, "write"):
            stage.mkdir()
        about = {"robot_type": header.robot, "source": told.info}
        files = EpisodeFiles(stage, header.rate, names=names, about=about, nullable=plan.nullable.values())
        source = _Source(plan, episodes, root, rows)
        for at, beside in zip(np.flatnonzero(plan.kept).tolist(), told.beside, strict=True):
            columns, nulls = source.columns(at), source.nulls(at)
            files.add(columns, task=plan.words[at], videos=source.videos(at), beside=beside, nulls=nulls)
            source.count_frames()
            tell(1)
        files.write_tables(told.splits)
        made = finish_set(stage, to, source.frame_stats(), samples_per_shard=samples_per_shard)
        # The last moment at which a run can be stopped and leave nothing.
        tell(0)
        with storage_errors(path, "write"):
            commit_folder(stage, path, overwrite=False)
    notes = rows_notes(str(root), episodes, plan.kept, plan.names, [one.name for one in plan.cameras])
    return WriteReport(path, "lerobot", size_on_disk(path), notes=(*notes, *plan.notes, *told.notes, *made))


class _Plan(NamedTuple):
    """What is written: which episodes, bool (E,); new names by the old ones; the cameras; the task of each episode.

    `nullable` are new names by the old ones, too.
    """

    kept: NDArray[np.bool_]
    names: dict[str, str]
    cameras: tuple[Camera, ...]
    words: list[str]
    nullable: dict[str, str]
    notes: tuple[Problem, ...]


def _planned(episodes: Episodes, root: Path, edit: EpisodesEdit, task: str | None) -> _Plan:
    """Decide everything that the files' descriptions tell, so that what cannot be is refused before anything is read.

    Raises
    ------
    SchemaError
        See `write_rows`.
    """
    header, where = episodes.header, str(root)
    columns, shown = [one.name for one in header.features], [one.name for one in header.cameras]
    unknown_names(edit, {*columns, *shown}).raise_as(SchemaError)
    kept = chosen_episodes(edit, episodes.number)
    dropped = set(edit.drop)
    columns, shown = ([name for name in each if name not in dropped] for each in (columns, shown))
    cameras = tuple(one for one in header.cameras if one.name not in dropped)
    known = [(one.name, one.size) for one in cameras if one.size is not None]
    odd = Problems(where)
    odd.extend(_odd_size(name, size.width, size.height) for name, size in known if size.width % 2 or size.height % 2)
    odd.raise_as(SchemaError)
    words, notes = _words(episodes, kept, where, task)
    names = lerobot_names(columns, shown, edit.rename)
    nullable = {one.name: names[one.name] for one in header.features if one.nullable and one.name in names}
    return _Plan(kept, names, cameras, words, nullable, notes)


def _odd_size(camera: str, width: int, height: int) -> Problem:
    message = f"expected frames of even sides, which a video of 4:2:0 colour has, got {width}x{height}"
    return Problem("odd-size", camera, message, f"leave it out: --drop {camera}")


def _words(
    episodes: Episodes, kept: NDArray[np.bool_], where: str, task: str | None
) -> tuple[list[str], tuple[Problem, ...]]:
    """Return what was to be done in each episode, and what is to be said of those whose files do not tell it."""
    tasks = {one.number: one.words for one in episodes.header.tasks}
    numbers = [episodes.tasks_of(place).tolist() for place in range(len(episodes))]
    words = [tasks[each[0]] if each else task or NO_TASK for each in numbers]
    untold = sum(not each for each, one in zip(numbers, kept.tolist(), strict=True) if one)
    if task is not None and not untold:
        message = "expected none, got one: the files say of each episode what was to be done"
        raise SchemaError(Problem("wrong-option", "task", message, "leave it out"))
    if task is not None or not untold:
        return words, ()
    message = f"expected what was to be done, in words, got none for {untold} episodes: they have the task {NO_TASK!r}"
    return words, (Problem("no-task", where, message, 'say it: --task "pick the cube"', "warning"),)


class _Source:
    """Reads rows and frames of whole episodes, under their new names."""

    def __init__(self, plan: _Plan, episodes: Episodes, root: Path, rows: EpisodeRows) -> None:
        self._plan, self._root, self._rows = plan, root, rows
        self._shown = RowFrames(folder_of_rows(root), episodes, rows)
        features = [one for one in episodes.header.features if one.name in plan.names]
        self._texts = [one.name for one in features if one.dtype == "text"]
        self._numbers = [one.name for one in features if one.dtype != "text"]
        self._seen: dict[str, FrameStats] = {}
        self._each: dict[str, dict[str, Any]] = defaultdict(dict)
        self._all: dict[str, FrameStats] = defaultdict(FrameStats)

    def columns(self, place: int) -> dict[str, NDArray[Any]]:
        names = self._plan.names
        found = {names[name]: array for name, array in self._rows.read(place, self._numbers).items()}
        texts = {names[name]: np.array(self._rows.values(place, name), object) for name in self._texts}
        return {**found, **texts}

    def nulls(self, place: int) -> dict[str, NDArray[np.bool_]]:
        """Return which rows of nullable columns have no value, by the new names of these."""
        masks = {f"{old}{IS_NULL}": new for old, new in self._plan.nullable.items()}
        return {masks[name]: array for name, array in self._rows.read(place, list(masks)).items()}

    def videos(self, place: int) -> dict[str, Iterator[NDArray[np.uint8]]]:
        self._seen = {self._plan.names[one.name]: FrameStats() for one in self._plan.cameras}
        each = zip(self._plan.cameras, self._seen.items(), strict=True)
        return {name: seen.watched(self._frames(place, camera)) for camera, (name, seen) in each}

    def count_frames(self) -> None:
        """Take up what the frames of the last episode were, when all of them have been taken."""
        for name, seen in self._seen.items():
            for kind, array in seen.stats().items():
                self._each[name].setdefault(kind, []).append(array)
            self._all[name].add(seen)

    def frame_stats(self) -> SetStats:
        """Return statistics of the frames that were counted, by the new names of cameras."""
        return SetStats(dict(self._each), {name: seen.stats() for name, seen in self._all.items()})

    def _frames(self, place: int, camera: Camera) -> Iterator[NDArray[np.uint8]]:
        for frame in self._shown.of(place, camera):
            height, width, _ = frame.shape
            if height % 2 or width % 2:
                raise SchemaError(_odd_size(camera.name, width, height).within(str(self._root)))
            yield frame
