"""A data set of LeRobot as episodes: its description read, its files found, what does not fit together named."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot._faults import (
    assumed_patterns,
    doubtful_starts,
    empty_episodes,
    late_start,
    missing_files,
    readable_rows,
    stated_totals,
    unreadable_rows,
    with_columns,
)
from lapsdata.adapters.lerobot._task_words import task_words
from lapsdata.adapters.lerobot._video_spans import unlike_spans
from lapsdata.adapters.lerobot.info import INFO, SHARDS, read_info
from lapsdata.adapters.lerobot.layout import Layout, Places, columns_beside, numbers_of
from lapsdata.adapters.lerobot.modality import read_modality
from lapsdata.adapters.lerobot.parts import with_parts
from lapsdata.adapters.lerobot.tables import find_table
from lapsdata.adapters.lerobot.version import tell_version
from lapsdata.containers import Episodes
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import parent, provenance
from lapsdata.schema import EpisodesHeader, Task
from lapsdata.storage.archive_path import ArchivePath
from lapsdata.storage.atomic import existing

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Info, Version
    from lapsdata.adapters.lerobot.tables import MetaTable

__all__ = ["LeRobotSet", "read_set"]

_EPISODES = "meta/episodes"


@dataclass(frozen=True, slots=True, eq=False)
class LeRobotSet:
    """One data set.

    Parameters
    ----------
    root : Path
    version : {"v2.0", "v2.1", "v3.0"}
        Its layout.
    info : Info
    episodes : Episodes
        Those whose rows are there.
    notes : tuple of Problem
        What was found wrong and left as it is, and what was left out.
    unreadable : int64 (K,)
        Numbers of episodes whose file of rows does not open, of the files that had to be looked at: the first ones, up
        to one that does.
    """

    root: Path
    version: Version
    info: Info
    episodes: Episodes
    notes: tuple[Problem, ...]
    unreadable: NDArray[np.int64]

    def expect_loose(self) -> None:
        """Refuse shards, of whose episodes none has a file of its own.

        Raises
        ------
        SchemaError
            With what to do.
        """
        if self.info.packed:
            message = "expected a data set with files in folders, got one in shards"
            fix = f"first: lapsdata convert {self.root} DST --to lerobot-3.0"
            raise SchemaError(Problem("in-shards", str(self.root), message, fix))

    def only(self, chosen: NDArray[np.bool_]) -> LeRobotSet:
        """Return the set with some of its episodes: bool (E,)."""
        episodes = self.episodes
        counts = np.diff(episodes.task_stop, prepend=0)
        told = {name: getattr(episodes, name)[chosen] for name in ("number", "rows", "file_index", "first_row")}
        fewer = replace(
            episodes,
            **told,
            task_number=episodes.task_number[np.repeat(chosen, counts)],
            task_stop=np.cumsum(counts[chosen]),
            video_index={camera: index[chosen] for camera, index in episodes.video_index.items()},
            video_start_s={camera: start_s[chosen] for camera, start_s in episodes.video_start_s.items()},
        )
        return replace(self, episodes=fewer)


def read_set(root: Path, *, strict: bool = False) -> LeRobotSet:
    """Read what a data set says of itself; of rows only the types of the first file are looked at, of videos nothing.

    Where that file does not open, the next one is taken, and its episodes are noted: to read their rows is an error.

    Parameters
    ----------
    root : Path
        Folder with `meta/info.json`.
    strict : bool
        Whether all that is wrong is an error, and not a note.

    Raises
    ------
    SchemaError
        What cannot be read: all of a file at once; with `strict` whatever would else be a note of severity "warning".
    UnknownFormatError
        A Git LFS pointer stands for a table of `meta/`, or for every file of rows; with `strict` for one of them.
    CorruptDataError
        Tables that are cut short or damaged, in the same way.
    StorageError
        It is not there or may not be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> found = read_set(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v2.0", lengths=(4, 6)))
    >>> found.version, found.episodes.rows.tolist()
    ('v2.0', [4, 6])
    """
    existing(root)
    root = ArchivePath(root)
    info = read_info(root)
    version, said = tell_version(root, info)
    notes, assumed = Problems(), assumed_patterns(root, info)
    notes.extend((*said, *assumed))
    listed = find_table(root / "meta", "episodes", leave_out="stats/")
    if listed is None:
        message = "expected episodes.jsonl, episodes.parquet or episodes/chunk-000/file-000.parquet, got none"
        raise SchemaError(Problem("no-episodes", str(root / "meta"), message))
    notes.extend(listed.notes)
    if not len(listed.table):
        message = "expected a line or row for each episode, got none: the set is empty"
        raise SchemaError(Problem("no-episodes", str(listed.files[0]), message, "record an episode first"))
    table = _ordered(listed.table, str(listed.files[0]))
    layout: Layout = importlib.import_module(f"lapsdata.adapters.lerobot.layout_{version.replace('.', '_')}")
    places = layout.places(root, info, table)
    notes.extend(doubtful_starts(root, numbers_of(table, "episode_index", _EPISODES), places))
    notes.extend(unlike_spans(root, info, table))
    notes.extend(_damage(root, places) if info.packed else ())
    there, lost = missing_files(root, numbers_of(table, "episode_index", _EPISODES), places)
    notes.extend(lost)
    empty, of_empty = empty_episodes(root, numbers_of(table, "episode_index", _EPISODES), table)
    notes.extend(of_empty)
    there &= ~empty
    info = _without(info, places)
    notes.extend(stated_totals(root, info, table))
    if not there.any():
        raise SchemaError(*lost, *(replace(problem, severity="error") for problem in of_empty), *assumed)
    table, places = table.filter(there), _kept(places, there)
    number = numbers_of(table, "episode_index", _EPISODES)
    rows, refused = readable_rows(root, places)
    if strict and refused:
        raise next(iter(refused.values()))
    notes.extend(unreadable_rows(refused, number, places))
    info, undeclared = with_columns(root, info, rows)
    notes.extend(undeclared)
    readable = ~np.isin(places.file_index, list(refused))
    notes.extend(late_start(rows, int(places.first_row[readable][0])))
    words = task_words(root, table, str(listed.files[0]))
    notes.extend(words.notes)
    episodes = Episodes(
        header=_header(root, info, version, words.tasks, notes, listed),
        number=number,
        rows=numbers_of(table, "length", _EPISODES),
        groups=None,
        task_number=words.number,
        task_stop=words.stop,
        **_with_cameras(places, info),
    )
    if strict and any(problem.severity != "info" for problem in notes):
        raise SchemaError(*(problem for problem in notes if problem.severity != "info"))
    return LeRobotSet(root, version, info, episodes, tuple(notes), number[~readable])


def _damage(root: ArchivePath, places: Places) -> list[Problem]:
    """Tell of archives that are cut or damaged, before which all is read, and of those that nothing proves."""
    archives = dict.fromkeys(file.partition("/")[0] for file in places.files)
    found = [replace(problem, severity="warning") for name in archives for problem in (root / name).damage]
    if not (root / SHARDS).is_file():
        message = f"expected {SHARDS}, got none: whether the archives are as they were written is not known"
        fix = "lapsdata check compares them with the digests of the catalog; lapsdata repair writes it anew"
        found.append(Problem("no-seal", str(root / SHARDS), message, fix, "warning"))
    return found


def _ordered(table: pa.Table, where: str) -> pa.Table:
    """Return episodes in order of their numbers, which are unique."""
    numbers = numbers_of(table, "episode_index", where)
    if len(numbers) != len(np.unique(numbers)):
        values, counts = np.unique(numbers, return_counts=True)
        twice = values[counts > 1].tolist()
        message = f"expected each episode_index once, got {twice[:9]} again"
        raise SchemaError(Problem("episode-twice", where, message))
    return table if (np.diff(numbers) > 0).all() else table.take(np.argsort(numbers, kind="stable"))


def _without(info: Info, places: Places) -> Info:
    """Return what is said without the cameras of which no video is there."""
    unseen = {camera for camera, index in places.video_index.items() if (index < 0).all()}
    return replace(info, cameras=tuple(camera for camera in info.cameras if camera.name not in unseen))


def _kept(places: Places, there: NDArray[np.bool_]) -> Places:
    return places._replace(
        file_index=places.file_index[there],
        first_row=places.first_row[there],
        video_index={camera: index[there] for camera, index in places.video_index.items()},
        video_start_s={camera: start_s[there] for camera, start_s in places.video_start_s.items()},
    )


def _with_cameras(places: Places, info: Info) -> dict[str, Any]:
    """Return the places of the cameras that were kept."""
    kept = {camera.name for camera in info.cameras}
    told = places._asdict()
    for name in ("video_index", "video_start_s"):
        told[name] = {camera: array for camera, array in told[name].items() if camera in kept}
    return told


def _header(
    root: Path, info: Info, version: Version, tasks: dict[int, str], notes: Problems, listed: MetaTable
) -> EpisodesHeader:
    modality = read_modality(root, info.features, info.cameras)
    notes.extend(modality.notes)
    names = {feature.name for feature in info.features}
    parts = [part for part in info.parts if part.feature in names]
    groups, said = with_parts(modality.groups, parts, f"{root / INFO}: features")
    notes.extend(said)
    parents = [parent("info", root / INFO), *(parent("episodes", file) for file in listed.files[:1])]
    extras: dict[str, Any] = {"version": version, **info.others, "features": dict(info.described)}
    if modality.cameras:
        extras["video"] = dict(modality.cameras)
    if beside := columns_beside(listed.table.schema.names):
        extras["episode_columns"] = beside
    return EpisodesHeader(
        provenance=provenance(parents=parents),
        rate=info.rate,
        robot=info.robot,
        store="parquet",
        features=info.features,
        cameras=info.cameras,
        groups=groups,
        annotations=dict(modality.annotations),
        tasks=tuple(Task(number=number, words=words) for number, words in sorted(tasks.items())),
        time="timestamp" if "timestamp" in names else None,
        extras=extras,
    )
