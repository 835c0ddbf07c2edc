"""What a data set says of itself and its files do not bear out: each told once, with what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.lerobot._line_kinds import in_words
from lapsdata.adapters.lerobot.info import DEFAULTS, INFO
from lapsdata.adapters.lerobot.layout import numbers_of
from lapsdata.containers.episodes import shared_starts
from lapsdata.errors import LapsError, Problem, episodes_told, spans_told
from lapsdata.schema import Feature
from lapsdata.schema.episodes import IS_NULL, IS_PAD, names_of_samples
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.parquet_rows import ParquetRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Info
    from lapsdata.adapters.lerobot.layout import Places
    from lapsdata.errors import Severity
    from lapsdata.storage.archive_path import ArchivePath

__all__ = [
    "assumed_patterns",
    "doubtful_starts",
    "empty_episodes",
    "late_start",
    "missing_files",
    "readable_rows",
    "stated_totals",
    "unreadable_rows",
    "with_columns",
]


def doubtful_starts(root: Path, numbers: NDArray[np.int64], places: Places) -> list[Problem]:
    """Return which episodes have no place in a video, or one that another episode has: they are left without it.

    `places.video_index` and `video_start_s` are left with no video there: none is better than that of another episode.
    """
    found: list[Problem] = []
    for camera, index in places.video_index.items():
        where = f"{root / 'meta/episodes'}: videos/{camera}"
        start_s = places.video_start_s[camera]
        unplaced = index < 0
        if unplaced.any() and not unplaced.all():
            message = "expected chunk_index, file_index and from_timestamp of each episode, got none of "
            fix = "write where its frames are, or delete the episodes"
            told = spans_told(numbers[unplaced].tolist())
            found.append(Problem("no-video-place", where, message + told, fix, "warning"))
        shared = shared_starts(index, start_s)
        if shared.any():
            message = "expected a from_timestamp of its own for each episode of a video, got shared ones of "
            fix = "write where each begins: the frames of the episodes before it, by the frames per second"
            told = spans_told(numbers[shared].tolist())
            found.append(Problem("shared-start", where, message + told, fix, "warning"))
            index[shared] = -1
            start_s[shared] = np.nan
    return found


def missing_files(
    root: ArchivePath, numbers: NDArray[np.int64], places: Places
) -> tuple[NDArray[np.bool_], list[Problem]]:
    """Return which episodes have a file of rows, and what is missing, all episodes of a kind together.

    `places.video_index` and `video_start_s` are left with no video where there is none.
    """
    there = _there(root, places.files)[places.file_index]
    found: list[Problem] = []
    if not there.all():
        message = (
            f"expected a file of rows for each of {len(numbers)} episodes, got none for {int((~there).sum())}: "
            f"{spans_told(numbers[~there].tolist())}"
        )
        first = places.files[int(places.file_index[~there][0])]
        fix = f"bring the files ({first} ...), or delete the episodes from the list"
        found.append(Problem("missing-episodes", str(root), message, fix, "warning" if there.any() else "error"))
    videos = _there(root, places.video_files)
    for camera, index in places.video_index.items():
        absent = (index >= 0) & ~np.append(videos, False)[index]
        if (absent & there).any():
            told = f"none for {int((absent & there).sum())}: {spans_told(numbers[absent & there].tolist())}"
            # A camera that no episode has is told of as a camera.
            if not (there & ~absent & (index >= 0)).any():
                told = "none"
            message = f"expected a video of each of {int(there.sum())} episodes, got {told}"
            fix = "bring the files, or take the camera out of info.json"
            code = "no-camera-files" if told == "none" else "missing-videos"
            found.append(Problem(code, f"{root / INFO}: features: {camera}", message, fix, "warning"))
        index[absent] = -1
        places.video_start_s[camera][absent] = np.nan
    return there, found


def empty_episodes(
    root: ArchivePath, numbers: NDArray[np.int64], table: pa.Table
) -> tuple[NDArray[np.bool_], list[Problem]]:
    """Return which episodes are listed with no row, and that they are left out."""
    empty = numbers_of(table, "length", "meta/episodes") == 0
    if not empty.any():
        return empty, []
    message = f"expected a row at least in each episode, got none in {spans_told(numbers[empty].tolist())}: left out"
    fix = "delete them from the list"
    return empty, [Problem("empty-episodes", f"{root / 'meta'}: episodes", message, fix, "warning")]


def assumed_patterns(root: Path, info: Info) -> list[Problem]:
    """Tell which patterns of paths were not said, and which ones are taken."""
    cameras = any(camera.stored == "video" for camera in info.cameras)
    found = []
    for name in info.unstated:
        if name == "data_path" or cameras:
            message = f"expected a pattern of paths, got none: files are looked for as {getattr(info, name)}"
            found.append(Problem("no-pattern", f"{root / INFO}: {name}", message, "write it", "warning"))
    return found


def _there(root: ArchivePath, files: tuple[str, ...]) -> NDArray[np.bool_]:
    """Say which files are there; each folder is listed once, as there may be a hundred thousand files."""
    folders: dict[str, frozenset[str]] = {}
    found = np.zeros(len(files), bool)
    for at, file in enumerate(files):
        folder, _, name = file.rpartition("/")
        if folder not in folders:
            path = root / folder
            with storage_errors(path, "list"):
                listed = path.iterdir() if path.is_dir() or path.is_archive else ()
                folders[folder] = frozenset(one.name for one in listed)
        found[at] = name in folders[folder]
    return found


def stated_totals(root: Path, info: Info, episodes: pa.Table) -> list[Problem]:
    """Compare the totals and splits of `info.json` with the list of episodes."""
    count = len(episodes)
    rows = int(numbers_of(episodes, "length", str(root / "meta/episodes")).sum())
    videos = count * sum(camera.stored == "video" for camera in info.cameras)
    numbers = numbers_of(episodes, "episode_index", str(root / "meta/episodes"))
    chunks = len(np.unique(numbers // info.chunks_size))
    expected = {"total_episodes": count, "total_frames": rows}
    if "{episode_index" in info.data_path:
        expected |= {"total_videos": videos, "total_chunks": chunks}
    found = []
    for name, wanted in expected.items():
        got = info.others.get(name)
        if got is not None and (got != wanted or isinstance(got, bool)):
            message = f"expected {wanted}, as its episodes and cameras make, got {in_words(got)}"
            found.append(Problem("wrong-total", f"{root / INFO}: {name}", message, f"write {wanted}", "warning"))
    splits = info.others.get("splits")
    for name, span in splits.items() if isinstance(splits, dict) else ():
        match = re.fullmatch(r"(\d+):(\d+)", str(span))
        if match is not None and int(match[2]) > int(numbers.max(initial=-1)) + 1:
            last = int(numbers.max(initial=-1))
            message = f"expected episodes up to {last}, got {span!r}"
            fix = f"write '{match[1]}:{last + 1}'"
            found.append(Problem("wrong-split", f"{root / INFO}: splits: {name}", message, fix, "warning"))
    return found


def with_columns(root: Path, info: Info, rows: ParquetRows) -> tuple[Info, list[Problem]]:
    """Return `info` with the columns that a file of rows has, and how they differ from those that it names."""
    file = rows.path.relative_to(root)
    on_disk = {feature.name: feature for feature in map(_feature, rows.schema) if feature is not None}
    declared = {feature.name: feature for feature in info.features}
    images = {camera.name: camera.stored for camera in info.cameras}
    where = f"{root / INFO}: features"
    numbers = [name for name, one in on_disk.items() if one.dtype != "text"]
    found = _doubled_names([*numbers, *images], {name for name, one in declared.items() if one.nullable}, where)
    features = []
    for name, feature in declared.items():
        if name not in on_disk:
            code = "no-frame-index" if name == "frame_index" else "missing-column"
            message = f"expected the column {name} in {file}, got none: it is left out"
            fix = "write it, or take it out of info.json"
            found.append(Problem(code, f"{where}: {name}", message, fix, "warning"))
            continue
        stored = on_disk[name]
        if stored.dtype != feature.dtype:
            message = f"it says {feature.dtype}, and {file} holds {stored.dtype}: it is read as {stored.dtype}"
            found.append(Problem("wrong-dtype", f"{where}: {name}", message, f"write {stored.dtype}", "warning"))
        features.append(feature.model_copy(update={"dtype": stored.dtype}))
    for name, stored in on_disk.items():
        if name not in declared and name not in images:
            features.append(stored)
            if name not in DEFAULTS:
                message = f"{file} has a column {name} that info.json does not name: it is read as it is"
                found.append(Problem("undeclared-column", where, message, "name it in info.json", "warning"))
        elif images.get(name) == "video":
            message = f"{file} has a column {name}, and a camera is called so: samples hold its frames, not the numbers"
            fix = "rename one of them, in info.json and where it is stored"
            found.append(Problem("name-taken", f"{where}: {name}", message, fix, "warning"))
    if "frame_index" not in on_disk and "frame_index" not in declared:
        message = f"expected the column frame_index in {file}, got none: rows are numbered by their order"
        fix = "write it: 0 to rows - 1 in every episode"
        found.append(Problem("no-frame-index", where, message, fix, "warning"))
    return replace(info, features=tuple(features)), found


def _doubled_names(names: Sequence[str], nullable: set[str], where: str) -> list[Problem]:
    """Tell of columns and cameras under names that samples need for something else."""
    found = []
    for name, what in names_of_samples(dict.fromkeys(names)).items():
        if name.endswith(IS_NULL) and name.removesuffix(IS_NULL) not in nullable:
            continue
        # Of times around a row it is refused where they are asked for; without them the name is free.
        asked = name.endswith(IS_PAD)
        message = f"in a sample it says {what}" + (" where these are asked for" if asked else ", not what is stored")
        fix = f"give it another name: lapsdata convert SRC DST --rename {name}=OTHER"
        severity: Severity = "info" if asked else "warning"
        found.append(Problem("name-taken", f"{where}: {name}", message, fix, severity))
    return found


def readable_rows(root: Path, places: Places) -> tuple[ParquetRows, dict[int, LapsError]]:
    """Return the first file of rows that opens, and what is wrong with those before it, by `places.file_index`.

    Raises
    ------
    LapsError
        None opens: what is wrong with the first.
    """
    refused: dict[int, LapsError] = {}
    for index in dict.fromkeys(places.file_index.tolist()):
        try:
            rows = ParquetRows(root / places.files[index])
            _ = rows.schema
        except LapsError as error:
            refused[index] = error
        else:
            return rows, refused
    first = next(iter(refused.values()))
    problem = first.problems[0]
    alike = f"; none of {len(refused)} files of rows opens" if len(refused) > 1 else ""
    raise type(first)(replace(problem, message=problem.message + alike))


def unreadable_rows(refused: Mapping[int, LapsError], numbers: NDArray[np.int64], places: Places) -> list[Problem]:
    """Tell files of rows that do not open, those of one kind together, with their episodes."""
    kinds: dict[str, list[tuple[int, Problem]]] = {}
    for index, error in refused.items():
        kinds.setdefault(error.problems[0].code, []).append((index, error.problems[0]))
    found = []
    for files in kinds.values():
        first = files[0][1]
        lost = numbers[np.isin(places.file_index, [index for index, _ in files])].tolist()
        alike = f"; alike in {len(files)} files" if len(files) > 1 else ""
        message = f"{first.message}{alike}: rows of {episodes_told(lost)} cannot be read"
        found.append(replace(first, message=message, severity="warning"))
    return found


def late_start(rows: ParquetRows, first_row: int) -> list[Problem]:
    """Tell when the rows of an episode, of this first row of a file, do not begin at time 0."""
    if "timestamp" not in rows.schema.names or not first_row < len(rows):
        return []
    group = int(np.searchsorted(rows.bounds, first_row, "right")) - 1
    try:
        times = rows.read(group, ["timestamp"])["timestamp"].reshape(-1)
    except LapsError as error:
        return [replace(problem, severity="warning") for problem in error.problems]
    begin = float(times[first_row - int(rows.bounds[group])])
    if begin == 0.0:
        return []
    message = (
        f"expected rows that begin at 0 s, got {begin:g} s: their times are kept, and rows are shown with the frames "
    )
    fix = "write times from 0, or leave them: a constant offset from the frames is part of the reading"
    return [Problem("late-start", f"{rows.path}: timestamp", f"{message}of their number", fix, "info")]


def _feature(field: pa.Field) -> Feature | None:
    """Return a column of a file as a feature; None for one that is none of numbers."""
    import pyarrow as pa

    kind, shape = field.type, []
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size if pa.types.is_fixed_size_list(kind) else 1)
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Feature(name=field.name, dtype="text", shape=())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    dtype = np.dtype(kind.to_pandas_dtype()).name
    return Feature(name=field.name, dtype=dtype, shape=() if shape == [1] else tuple(shape))
