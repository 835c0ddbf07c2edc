"""From any version of LeRobot to any other: rows as they are, videos without encoding them again where that can be.

Rows keep their columns, types, times and numbers. Files of videos are copied as they are where they show one episode on
both sides; else their packets are joined (to version 3.0) or cut at keyframes (from it), and only what does not begin
and end at a keyframe is encoded again, which is told. Statistics of numbers are computed anew from all rows; those of
frames are carried over. What the new version has no place for is named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.adapters.lerobot._out_expected import expect_cameras, expect_rows
from lapsdata.adapters.lerobot._out_meta import CHUNK, DATA_MB, VIDEO_MB, told_of, write_info, write_meta
from lapsdata.adapters.lerobot._out_modality import write_modality
from lapsdata.adapters.lerobot._out_rows import episode_tables, rows_beside, write_rows_v2, write_rows_v3
from lapsdata.adapters.lerobot._out_shards import pack
from lapsdata.adapters.lerobot._out_stats import NO_STATS, QUANTILES, SetStats, set_stats, told_stats
from lapsdata.adapters.lerobot._out_videos import VideoCounts, copy_whole, cut_videos, join_videos
from lapsdata.adapters.lerobot._unlisted import unlisted_files
from lapsdata.adapters.lerobot.archives import check_archives
from lapsdata.adapters.lerobot.modality import MODALITY
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError, spans_told
from lapsdata.execution.engine import unheard
from lapsdata.formats import WriteReport
from lapsdata.storage.atomic import atomic_folder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Version
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.execution.engine import Tell

__all__ = [
    "TARGETS",
    "LeRobotTarget",
    "convert_set",
    "finish_set",
    "left_behind",
    "version_of",
    "video_ends",
    "write_set",
]

LeRobotTarget = Literal["lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t", "shards"]
"""What is written: a version of LeRobot; 2.0 with the names of parts that GR00T asks for; or 2.1 in archives."""

TARGETS: tuple[str, ...] = get_args(LeRobotTarget)

_VERSIONS: dict[str, Version] = {
    "lerobot-2.0": "v2.0", "lerobot-2.1": "v2.1", "lerobot-3.0": "v3.0", "gr00t": "v2.0", "shards": "v2.1",
}  # fmt: skip
_MB = 1 << 20
_KNOWN_META = (
    "info.json", "episodes", "tasks", "stats.json", "episodes_stats", "modality.json", "recording.json", "shards.json",
)  # fmt: skip


def convert_set(
    source: Path,
    target: Path,
    to: LeRobotTarget,
    *,
    data_mb: float = DATA_MB,
    video_mb: float = VIDEO_MB,
    samples_per_shard: int | None = None,
    overwrite: bool = False,
    tell: Tell = unheard,
) -> WriteReport:
    """Write a data set of LeRobot in another version, whole or not at all.

    Parameters
    ----------
    source : Path
        Folder with `meta/info.json`; never changed.
    target : Path
        The new folder.
    to : {"lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t", "shards"}
    data_mb, video_mb : float, MiB
        Largest files of version 3.0 that hold more than one episode.
    samples_per_shard : int, optional
        For shards: episodes in every archive but the last; archives of up to 256 MiB by default.
    overwrite : bool
        Whether a folder that is there may be replaced.
    tell : callable
        Is told of the episodes when all are written, before the folder has its name.

    Returns
    -------
    WriteReport
        Its notes say what became of the videos, and what has no place in the new version.

    Raises
    ------
    SchemaError
        No such target, the version that it has already, or a set that cannot be read. `times-not-rising`: rows of
        which no time says what frames are theirs, though there are videos.
    CorruptDataError
        Rows or videos that are not as the list of episodes says.
    StorageError
        The folder is there, or something cannot be read or written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> root = write_lerobot(folder / "old", version="v2.1", lengths=(4, 6))
    >>> _ = convert_set(root, folder / "new", "lerobot-3.0")
    >>> read_set(folder / "new").episodes.first_row.tolist()
    [0, 4]
    """
    version = version_of(to)
    found = read_set(source)
    if version == found.version and to != "gr00t" and found.info.packed == (to == "shards"):
        message = f"expected another version than that of {source}, got {to} again"
        raise SchemaError(Problem("same-format", str(target), message, "copy the folder"))
    if found.info.packed and (wrong := check_archives(source)[1]):
        raise CorruptDataError(*wrong)
    told = expect_rows(found)
    done = write_set(
        found, target, to,
        data_mb=data_mb, video_mb=video_mb, samples_per_shard=samples_per_shard, overwrite=overwrite, tell=tell,
    )  # fmt: skip
    return replace(done, notes=(*done.notes, *told))


def write_set(
    found: LeRobotSet,
    target: Path,
    to: LeRobotTarget,
    *,
    data_mb: float = DATA_MB,
    video_mb: float = VIDEO_MB,
    samples_per_shard: int | None = None,
    overwrite: bool = False,
    modality: bool = False,
    frames: SetStats | None = None,
    tell: Tell = unheard,
) -> WriteReport:
    """Write the episodes of a set that was read, of which some may have been left out; else as `convert_set`.

    With `modality`, the names of parts are carried along to each target. `frames` are statistics of cameras, where the
    set does not tell them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> found = read_set(write_lerobot(folder / "old", version="v2.1", lengths=(4, 6)))
    >>> write_set(found, folder / "copy", "lerobot-2.1").path.name
    'copy'
    """
    version, source = version_of(to), found.root
    told, raw, splits_true = told_of(found)
    notes, counts = Problems(), VideoCounts()
    expect_cameras(found, archived=to == "shards")
    if not splits_true:
        message = "splits that name no episodes of the set are written as one of all"
        notes.add("splits-corrected", "info.json", message, severity="info")
    with atomic_folder(target, overwrite=overwrite) as root:
        if version == "v3.0":
            places = _joined(root, found, counts, raw, data_mb * _MB, video_mb * _MB)
        else:
            places = _apart(root, found, counts, raw)
        carried = told_stats(source, found.episodes) if frames is None else frames
        stats = set_stats(source, found.episodes).beside(carried)
        write_meta(root, told, version, stats, places)
        modality = to == "gr00t" or ((modality or to == "shards") and (source / MODALITY).is_file())
        if modality:
            notes.extend(write_modality(root, found))
        sizes = {"data_files_size_in_mb": data_mb, "video_files_size_in_mb": video_mb}
        write_info(root, told, version, **(sizes if version == "v3.0" else {}))
        if to == "shards":
            pack(root, found, told.episodes, samples_per_shard)
        nbytes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        notes.extend(_of_videos(counts))
        # While the source is there: a finished recording takes its place.
        notes.extend(_lost(found, to, version, carried, modality=modality))
        tell(len(found.episodes))
    return WriteReport(target, "lerobot", nbytes, notes=tuple(notes))


def finish_set(
    path: Path, to: LeRobotTarget, frames: SetStats = NO_STATS, *, samples_per_shard: int | None = None
) -> Problems:
    """Make a set of version 2.0 without statistics, as `EpisodeFiles` leaves it, what was asked for: in its place.

    `frames` are statistics of its cameras. What had to be made up for GR00T is returned. Of version 3.0 and shards a
    new folder takes the place of the old one in one step; else `info.json` is written last. Either can be done again
    where it was stopped.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v2.0")
    >>> _ = finish_set(root, "lerobot-3.0")
    >>> read_set(root).version
    'v3.0'
    """
    found, version = read_set(path), version_of(to)
    if version == "v3.0" or to == "shards":
        write_set(found, path, to, samples_per_shard=samples_per_shard, overwrite=True, frames=frames)
        return Problems()
    told, _, _ = told_of(found)
    write_meta(path, told, version, set_stats(path, found.episodes).beside(frames))
    notes = write_modality(path, found) if to == "gr00t" else Problems()
    write_info(path, told, version)
    return notes


def _joined(
    root: Path, found: LeRobotSet, counts: VideoCounts, raw: dict[int, dict[str, Any]], data: float, video: float
) -> list[dict[str, Any]]:
    """Write rows and videos of version 3.0, and return where each episode lies."""
    places: list[dict[str, Any]] = list(write_rows_v3(root, episode_tables(found), CHUNK, data))
    for camera in found.episodes.video_index:
        joined = join_videos(root, found, camera, CHUNK, video, counts, video_ends(raw, camera))
        places = [{**one, **more} for one, more in zip(places, joined, strict=True)]
    return places


def _apart(root: Path, found: LeRobotSet, counts: VideoCounts, raw: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Write rows and videos of versions 2, whose places are told by the number of the episode."""
    write_rows_v2(root, found, CHUNK)
    for camera in found.episodes.video_index:
        if found.version == "v3.0":
            cut_videos(root, found, camera, CHUNK, counts, video_ends(raw, camera))
        else:
            copy_whole(root, found, camera, CHUNK, counts)
    return []


def version_of(to: str) -> Version:
    """Return the version that a target is of.

    Raises
    ------
    SchemaError
        There is no such target.

    Examples
    --------
    >>> version_of("gr00t")
    'v2.0'
    """
    if to not in _VERSIONS:
        message = f"expected one of {', '.join(_VERSIONS)}, got {to!r}"
        raise SchemaError(Problem("unknown-format", "to", message))
    return _VERSIONS[to]


def video_ends(raw: dict[int, dict[str, Any]], camera: str) -> dict[int, float]:
    """Return where episodes end in their videos, in seconds, by number, of what version 3 tells of each."""
    name = f"videos/{camera}/to_timestamp"
    return {number: float(one[name]) for number, one in raw.items() if one.get(name) is not None}


def _of_videos(counts: VideoCounts) -> Problems:
    """Say what became of the videos."""
    found = Problems()
    encoded, where = len(counts.encoded), "videos"
    if counts.whole or counts.packets:
        message = f"{counts.whole} copied as files, {counts.packets} packet by packet: no frame of these has changed"
        found.add("videos-copied", where, message, severity="info")
    if encoded:
        message = f"those of {encoded} episodes begin or end at no keyframe, and were encoded again: "
        found.add("videos-encoded", where, message + spans_told(counts.encoded), "keep the source", "warning")
    if counts.unlike_rows:
        message = f"{len(counts.unlike_rows)} episodes have another number of frames than of rows: "
        fix = "a row without a frame has no picture, a frame without a row is shown by none: see lapsdata check"
        found.add("frames-unlike-rows", where, message + spans_told(counts.unlike_rows), fix, "warning")
    if early := counts.early - counts.unlike_rows:
        message = f"those of {len(early)} episodes end before their rows do: "
        fix = "rows behind the end have no frame; write the times of the frames, or record the videos again"
        found.add("videos-end-early", where, message + spans_told(early), fix, "warning")
    if counts.unread:
        message = f"those of {len(counts.unread)} episodes cannot be opened, and were copied as they are: "
        fix = "bring them whole; lapsdata check names what is wrong with each"
        found.add("videos-unread", where, message + spans_told(counts.unread), fix, "warning")
    if counts.shifted:
        message = f"{len(counts.shifted)} episodes begin between two frames; their first frame is at 0 s now: "
        found.add("frames-shifted", where, message + spans_told(counts.shifted), None, "warning")
    return found


def left_behind(
    found: LeRobotSet, to: LeRobotTarget, *, modality: bool, kept: NDArray[np.bool_] | None = None
) -> Problems:
    """Name the rows and files of a set that are not carried along; only the files of episodes that are kept matter."""
    notes, source = Problems(), found.root
    if left := rows_beside(found, kept):
        message = f"{left} rows of its files belong to no episode of its list: they are left out"
        notes.add("rows-left-behind", str(source), message, "keep the source if you need them", "warning")
    if not found.info.packed:
        notes.extend(unlisted_files(source, found.episodes))
    beside = [path.name for path in sorted((source / "meta").iterdir()) if not path.name.startswith(_KNOWN_META)]
    places = ("data", "videos", "meta")
    own = (".", "shard-") if found.info.packed else (".",)
    beside = [f"meta/{name}" for name in beside] + [
        path.name for path in sorted(source.iterdir()) if path.name not in places and not path.name.startswith(own)
    ]
    if not modality and (source / MODALITY).is_file():
        beside.append(MODALITY)
    if beside:
        has = "1 thing has" if len(beside) == 1 else f"{len(beside)} things have"
        message = f"{has} no place in {to}: {', '.join(beside)}"
        notes.add("left-behind", str(source), message, "keep the source if you need them", "warning")
    return notes


def _lost(found: LeRobotSet, to: LeRobotTarget, version: Version, carried: SetStats, *, modality: bool) -> Problems:
    """Name what the new version has no place for, or is not there to be written."""
    notes, number = left_behind(found, to, modality=modality), found.episodes.number
    if version == "v3.0" and not np.array_equal(number, np.arange(len(number))):
        message = (
            f"episodes keep their numbers {spans_told(number.tolist())}; LeRobot finds those of 3.0 by their place"
        )
        notes.add("numbers-with-gaps", "meta/episodes", message, "number them anew where LeRobot reads them", "warning")
    if version == "v2.1" and found.version != "v2.1":
        message = f"quantiles ({', '.join(QUANTILES)}) have no place in 2.1: other versions compute them of the rows"
        notes.add("quantiles-left-behind", "meta/episodes_stats.jsonl", message, severity="info")
    cameras = {camera.name for camera in found.info.cameras}
    absent = sorted(cameras - (carried.total if version == "v2.0" else carried.episodes).keys())
    if absent:
        per = "the set" if version == "v2.0" else "episodes"
        message = f"the source tells no statistics of {per} for the frames of {', '.join(absent)}: none are written"
        notes.add("no-frame-stats", "meta", message, "compute them where a policy is trained with them", "info")
    return notes
