"""Data sets of LeRobot edited, never in place: some episodes, other names, actions as steps, several sets as one.

A new set is put together beside its target, of rows that are numbered anew and of links to the videos as they lie, and
written as any other is: so statistics are those of the new rows, and videos are copied wherever they can be.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from lapsdata.adapters.lerobot._edit_choice import chosen_episodes, kept_splits
from lapsdata.adapters.lerobot._edit_merge import expect_alike, merged_tasks
from lapsdata.adapters.lerobot._edit_names import names_of
from lapsdata.adapters.lerobot._edit_rows import edited_tables
from lapsdata.adapters.lerobot._edit_vectors import vector_changes
from lapsdata.adapters.lerobot._out_expected import expect_numbers, expect_rows
from lapsdata.adapters.lerobot._out_meta import CHUNK, DATA_MB, VIDEO_MB, told_of, write_info, write_json, write_meta
from lapsdata.adapters.lerobot._out_rows import FileNumber, write_rows_v3
from lapsdata.adapters.lerobot._out_stats import SetStats, told_stats
from lapsdata.adapters.lerobot._out_videos import ended
from lapsdata.adapters.lerobot.converting import left_behind, version_of, video_ends, write_set
from lapsdata.adapters.lerobot.info import INFO, VIDEO_V3, read_json
from lapsdata.adapters.lerobot.modality import MODALITY
from lapsdata.adapters.lerobot.parts import ARE_STEPS
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import LapsError, Problem, Problems, SchemaError, spans_told
from lapsdata.execution.engine import unheard
from lapsdata.storage.atomic import TEMPORARY, refuse_existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters import EpisodesEdit
    from lapsdata.adapters.lerobot._edit_names import Names
    from lapsdata.adapters.lerobot._edit_vectors import VectorChanges
    from lapsdata.adapters.lerobot._out_meta import Told
    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.execution.engine import Tell
    from lapsdata.formats import WriteReport

__all__ = ["edit_sets"]

_MB = 1 << 20
# What is counted or laid out anew, or compared as what must be alike.
_OWN = ("codebase_version", "features", "fps", "robot_type", "splits", "data_path", "video_path", "chunks_size")
_OWN_STARTS = ("total_", "data_files_size", "video_files_size")


# Notes of the new set that name episodes.
_BY_NUMBER = ("videos-encoded", "frames-unlike-rows", "videos-end-early", "frames-shifted")


class _Part(NamedTuple):
    """One source: as it is, what it says, and which of its episodes are kept."""

    found: LeRobotSet
    told: Told
    raw: dict[int, dict[str, Any]]
    splits_true: bool
    kept: NDArray[np.bool_]
    fewer: LeRobotSet
    modality: dict[str, Any] | None
    vectors: VectorChanges


def edit_sets(
    sources: Sequence[Path],
    target: Path,
    to: LeRobotTarget | None,
    edit: EpisodesEdit,
    *,
    data_mb: float = DATA_MB,
    video_mb: float = VIDEO_MB,
    samples_per_shard: int | None = None,
    overwrite: bool = False,
    tell: Tell = unheard,
) -> WriteReport:
    """Write some episodes of a set, with some of its columns and cameras, vectors rewritten, or several sets as one.

    Episodes are numbered anew from 0, in the order of the sources and of their numbers. Times stay.

    Parameters
    ----------
    sources : sequence of Path
        Folders with `meta/info.json`; never changed.
    target : Path
        The new folder.
    to : {"lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t", "shards"} or None
        None: the version of the first source.
    edit : EpisodesEdit
        Episodes can be chosen of one source alone; columns and cameras are dropped and renamed in each that has them,
        before sources are compared, and actions and rotations are rewritten in each.
    data_mb, video_mb, samples_per_shard, overwrite, tell
        As `convert_set`.

    Returns
    -------
    WriteReport
        Its notes say what has changed, and what was not carried along.

    Raises
    ------
    SchemaError
        Names and numbers that are not there, parts that cannot be what is asked for, sources that cannot be one: every
        difference.
    CorruptDataError
        As `convert_set`; numbers that are not finite in actions that are converted, or in their states.
    StorageError
        As `convert_set`.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.adapters import EpisodesEdit
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = Path(tempfile.mkdtemp())
    >>> root = write_lerobot(folder / "all", lengths=(4, 6, 5))
    >>> _ = edit_sets([root], folder / "some", None, EpisodesEdit(episodes="1:"))
    >>> read_set(folder / "some").episodes.rows.tolist()
    [6, 5]
    """
    found = [read_set(source) for source in sources]
    for one in found:
        one.expect_loose()
    if len(found) > 1 and (edit.episodes is not None or edit.without_episodes is not None):
        message = f"expected one source to choose episodes of, got {len(found)}: their numbers are not those of the set"
        raise SchemaError(Problem("wrong-option", "episodes", message, "choose of each of them, then merge"))
    declared = [read_json(one.root / INFO)["features"] for one in found]
    columns = [
        {*told, *(feature.name for feature in one.info.features)} for one, told in zip(found, declared, strict=True)
    ]
    names = names_of(edit, columns)
    parts = [_part(one, edit) for one in found]
    notes = Problems()
    for part in parts[1:]:
        notes.extend(note for note in part.found.notes if note.code != ARE_STEPS)
    for part in parts:
        notes.extend(expect_rows(part.fewer, names.dropped))
    modalities = _modalities(parts, names, notes)
    expect_alike(found, names, modalities)
    chosen: LeRobotTarget = cast("LeRobotTarget", f"lerobot-{found[0].version[1:]}") if to is None else to
    carried = version_of(chosen) == found[0].version
    with storage_errors(target, "write"):
        refuse_existing(target, overwrite)
        folder = tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=TEMPORARY)
    with folder as place:
        stage = Path(place) / "set"
        links = _stage(stage, parts, names, modalities[0], notes)
        try:
            new = read_set(stage)
            done = write_set(
                new, target, chosen,
                data_mb=data_mb, video_mb=video_mb, samples_per_shard=samples_per_shard, overwrite=overwrite,
                modality=carried, tell=tell,
            )  # fmt: skip
        except LapsError as error:
            for part in parts:
                expect_numbers(part.fewer, names.dropped)
            links[str(stage)] = str(target)
            raise type(error)(*(_at_source(problem, links) for problem in error.problems)) from error
    links[str(stage)] = str(sources[0])
    settled = {note.code for part in parts for note in part.found.notes} & {ARE_STEPS}
    notes.extend(_at_source(note, links) for note in new.notes if note.code in settled)
    for told in done.notes:
        if told.code != "quantiles-left-behind" or any(part.found.version != "v2.1" for part in parts):
            note = _at_source(told, links)
            numbered = note.code in _BY_NUMBER
            notes.extend([replace(note, message=f"{note.message} (by their new numbers)") if numbered else note])
    for part in parts:
        notes.extend(left_behind(part.found, chosen, modality=True, kept=part.kept))
    _tell_changes(parts, names, notes)
    return replace(done, notes=tuple(notes), settled=frozenset(settled))


def _part(found: LeRobotSet, edit: EpisodesEdit) -> _Part:
    kept = chosen_episodes(edit, found.episodes.number)
    told, raw, splits_true = told_of(found)
    path = found.root / MODALITY
    modality = read_json(path) if path.is_file() else None
    return _Part(found, told, raw, splits_true, kept, found.only(kept), modality, vector_changes(edit, found))


def _at_source(problem: Problem, links: Mapping[str, str]) -> Problem:
    """Return a problem with the place that a link stands for."""
    where = problem.where
    for link, source in links.items():
        where = where.replace(link, source)
    return replace(problem, where=where)


def _modalities(parts: Sequence[_Part], names: Names, notes: Problems) -> list[dict[str, Any] | None]:
    found = []
    for part in parts:
        said = None if part.modality is None else part.vectors.modality(part.modality, notes)
        after, lost = (None, []) if said is None else names.modality(said)
        found.append(after)
        if lost:
            message = f"{', '.join(lost)} went with the columns and cameras that they are parts of"
            notes.add("parts-dropped", str(part.found.root / MODALITY), message, severity="warning")
    return found


def _stage(
    stage: Path, parts: Sequence[_Part], names: Names, modality: dict[str, Any] | None, notes: Problems
) -> dict[str, str]:
    """Put the new set together in version 3.0, and return what its links stand for."""
    stage.mkdir()
    tasks, became = merged_tasks([part.found for part in parts])
    tables = edited_tables([part.fewer for part in parts], names, became, [part.vectors.table for part in parts])
    places: list[dict[str, Any]] = list(write_rows_v3(stage, tables, CHUNK, DATA_MB * _MB))
    cameras = dict.fromkeys(camera for part in parts for camera in names.keys(part.found.episodes.video_index))
    links: dict[str, str] = {}
    for camera in cameras:
        seen = _link_videos(stage, parts, names, camera, links)
        places = [{**one, **more} for one, more in zip(places, seen, strict=True)]
    episodes = [one for part in parts for one, kept in zip(part.told.episodes, part.kept.tolist(), strict=True) if kept]
    keys = dict.fromkeys(key for one in episodes for key in one)
    episodes = [{key: one.get(key) for key in keys} | {"episode_index": at} for at, one in enumerate(episodes)]
    info = dict(parts[0].told.info)
    features = parts[0].vectors.features(info["features"], names, notes)
    info["features"] = _may_lack(features, parts, names, notes)
    info["splits"] = _splits(parts, len(episodes), notes)
    _tell_unlike(parts, notes)
    told = parts[0].told._replace(info=info, tasks=tasks, episodes=episodes, last=len(episodes) - 1)
    write_meta(stage, told, "v3.0", _stats(parts, names), places)
    if modality is not None:
        write_json(stage / MODALITY, modality)
    write_info(stage, told, "v3.0")
    return links


def _may_lack(features: Mapping[str, Any], parts: Sequence[_Part], names: Names, notes: Problems) -> dict[str, Any]:
    """Return `features` of `info.json`: a column may lack values where that of any source may."""
    first, *others = ({names.of(one.name) for one in part.found.info.features if one.nullable} for part in parts)
    after = dict(features)
    if more := sorted(set[str]().union(*others) & after.keys() - first):
        message = f"rows of {', '.join(more)} may have no value, as in a source behind the first"
        notes.add("nullable-now", str(parts[0].found.root / INFO), message, severity="info")
    for name in more:
        after[name] = {**after[name], "info": {**(after[name].get("info") or {}), "nullable": True}}
    return after


def _link_videos(
    stage: Path, parts: Sequence[_Part], names: Names, camera: str, links: dict[str, str]
) -> list[dict[str, Any]]:
    """Link the videos that show episodes which are kept, and return where each episode lies."""
    files, columns = FileNumber(CHUNK), ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    keys = [f"videos/{camera}/{name}" for name in columns]
    places = []
    for part in parts:
        episodes = part.found.episodes
        before = {names.of(name): name for name in episodes.video_index if name not in names.dropped}
        shown = dict[int, tuple[Path, float, float | None]]()
        if camera in before:
            told = video_ends(part.raw, before[camera]) if part.found.version == "v3.0" else {}
            for one, end_s in ended(part.found, before[camera], told):
                shown[one.place] = (one.path, one.start_s, end_s if np.isfinite(end_s) else None)
        known: dict[Path, tuple[int, int]] = {}
        for place in np.flatnonzero(part.kept).tolist():
            if place not in shown:
                places.append(dict.fromkeys(keys))
                continue
            path, start_s, until_s = shown[place]
            if path not in known:
                known[path] = next(files)
                at = known[path]
                link = stage / VIDEO_V3.format(video_key=camera, chunk_index=at[0], file_index=at[1])
                with storage_errors(link, "write"):
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(path.absolute())
                links[str(link)] = str(path)
            places.append(dict(zip(keys, (*known[path], start_s, until_s), strict=True)))
    return places


def _stats(parts: Sequence[_Part], names: Names) -> SetStats:
    """Return what is told of frames; that of all of them holds only where they are the same ones."""
    told = [told_stats(part.found.root, part.fewer.episodes) for part in parts]
    each = [{**names.keys(one.episodes)} for one in told]
    episodes: dict[str, dict[str, Any]] = {}
    for camera in dict.fromkeys(camera for one in each for camera in one):
        kinds = dict.fromkeys(kind for one in each for kind in one.get(camera, {}))
        episodes[camera] = {
            kind: [
                value
                for one, part in zip(each, parts, strict=True)
                for value in one.get(camera, {}).get(kind, [None] * int(part.kept.sum()))
            ]
            for kind in kinds
        }
    same = len(parts) == 1 and bool(parts[0].kept.all())
    return SetStats(episodes, names.keys(told[0].total) if same else {})


def _splits(parts: Sequence[_Part], count: int, notes: Problems) -> dict[str, str]:
    if len(parts) == 1:
        (part,) = parts
        before = {name: str(span) for name, span in part.told.info["splits"].items()}
        after = kept_splits(before, part.found.episodes.number, part.kept)
        if gone := sorted(before.keys() - after.keys()):
            message = f"no episode of {', '.join(gone)} is kept"
            notes.add("splits-empty", f"{INFO}: splits", message, severity="warning")
        return after or {"train": f"0:{count}"}
    names = {name for part in parts for name in part.told.info["splits"]}
    if len(names) > 1:
        message = f"expected one split in each set, got {', '.join(sorted(names))}: all episodes are one split, train"
        notes.add("splits-merged", f"{INFO}: splits", message, "write where they lie now", "warning")
    return {(names.pop() if len(names) == 1 else "train"): f"0:{count}"}


def _tell_unlike(parts: Sequence[_Part], notes: Problems) -> None:
    """Name what the sets say of themselves and say differently: that of the first is written."""
    first = parts[0].told.info
    for part in parts[1:]:
        other = part.told.info
        unlike = [
            key
            for key in dict.fromkeys([*first, *other])
            if key not in _OWN and not key.startswith(_OWN_STARTS) and first.get(key) != other.get(key)
        ]
        if unlike:
            message = (
                f"it says something else of {', '.join(unlike)} than {parts[0].found.root}: that of the first counts"
            )
            notes.add("unlike-info", str(part.found.root / INFO), message, None, "warning")


def _tell_changes(parts: Sequence[_Part], names: Names, notes: Problems) -> None:
    """Say what was left out, renamed and numbered anew."""
    for part in parts:
        number, root = part.found.episodes.number, str(part.found.root)
        if not part.kept.all():
            message = (
                f"{int(part.kept.sum())} of {len(number)} episodes are kept, {spans_told(number[part.kept].tolist())}"
            )
            notes.add("episodes-kept", root, f"{message}: they are numbered from 0 now", severity="info")
        elif len(parts) == 1 and not np.array_equal(number, np.arange(len(number))):
            message = f"episodes {spans_told(number.tolist())} are numbered from 0 now"
            notes.add("episodes-numbered", root, message, severity="info")
        part.vectors.tell(notes)
        columns = {*part.told.info["features"], *(feature.name for feature in part.found.info.features)}
        if gone := sorted(names.dropped & columns):
            notes.add("dropped", root, f"left out: {', '.join(gone)}", severity="info")
        if renamed := [f"{old} is {new} now" for old, new in names.renamed.items() if old in columns]:
            notes.add("renamed", root, ", ".join(renamed), severity="info")
    if len(parts) > 1:
        tasks, became = merged_tasks([part.found for part in parts])
        new = sum(old != number for numbers in became for old, number in numbers.items())
        counts = " + ".join(str(len(part.found.episodes)) for part in parts)
        message = f"{counts} episodes are one set, of {len(tasks)} tasks; {new} tasks have new numbers"
        notes.add("merged", str(parts[0].found.root), message, severity="info")
