"""One output from its sources: windows by blocks, other records whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._convert._boxes import convert_boxes
from lapsdata._convert._keys import look, marked
from lapsdata._convert._panoramas import to_panoramas
from lapsdata._convert._report import Converted
from lapsdata._convert._rigs import lacking_cameras
from lapsdata._convert._sources import open_windows
from lapsdata.adapters import find_adapter, read_adapted, writers
from lapsdata.containers import Views
from lapsdata.errors import Problem, SchemaError, StorageError, UnknownFormatError
from lapsdata.formats import read, tracks_writer, write
from lapsdata.formats._format import size_on_disk
from lapsdata.formats._rounding import ROUND_CONFIDENCE
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.formats.views_hdf5 import write_views
from lapsdata.plugins import registry
from lapsdata.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata._convert._sources import ConvertSource
    from lapsdata._convert._windows import Windows
    from lapsdata._convert._work import ConvertWork
    from lapsdata.adapters import Adapter
    from lapsdata.execution.engine import Tell
    from lapsdata.execution.manifest import Job
    from lapsdata.formats import WriteReport
    from lapsdata.schema.base import Header
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["convert_item"]

# What a record has rows of, where these are not windows.
_UNITS = {"segments": "segments", "catalog": "rows", "episodes": "episodes", "views": "views"}


def convert_item(job: Job[ConvertWork], tell: Tell) -> Converted | None:
    """Make one output, all or nothing; None where another run has made the same one meanwhile.

    Raises
    ------
    CorruptDataError
        The source is not what was written.
    StorageError, SchemaError, UnknownFormatError
        It cannot be read any more, or the output not be written: something else has its name by now.
    """
    try:
        return _made(job, tell)
    except StorageError as error:
        if error.problems[0].code != "exists":
            raise
        found = look(job.item, force=False)
        if found.state == "done":
            return None
        message = f"expected a free name, got what another run has written there meanwhile ({found.why})"
        fix = "run it again when that has ended; --force replaces what was converted from another source"
        raise StorageError(Problem("exists", str(job.item.output), message, fix)) from error


def _made(job: Job[ConvertWork], tell: Tell) -> Converted:
    work, target = job.item.payload, job.item.output
    before = sum(size_on_disk(path) for path in {source.path for source in work.sources})
    if work.options.to.startswith("shards_"):
        return _to_shards(job, before, tell)
    if work.record == "boxes":
        return convert_boxes(work, target, before, tell, overwrite=job.overwrite)
    if work.options.to not in registry("formats").names():
        return _to_others(work, target, before, tell)
    if work.options.panorama is not None:
        return to_panoramas(work, target, before, tell, overwrite=job.overwrite)
    if work.sources[0].kind == "adapted":
        return _through_adapter(work, target, before, tell, overwrite=job.overwrite)
    if work.sources[0].kind == "whole":
        return _whole(work, target, before, tell, overwrite=job.overwrite)
    return _to_tracks(work, target, before, tell, overwrite=job.overwrite)


def _to_tracks(work: ConvertWork, target: Path, before: int, tell: Tell, *, overwrite: bool) -> Converted:
    (source,), options = work.sources, work.options
    windows = open_windows(source, options)
    header, largest = windows.header, 0.0
    with tracks_writer(
        target,
        views={view: facts.points for view, facts in header.views.items()},
        windows=len(windows),
        horizon=header.horizon,
        confidence=header.confidence,
        format=options.to,
        overwrite=overwrite,
        profile=options.profile,
        round_px=options.round_px,
    ) as writer:
        for block in windows.blocks():
            for view in block.tracks:
                confidence = None if block.confidence is None else block.confidence[view]
                writer.append(view, block.tracks[view], block.vis[view], confidence)
            largest = max(largest, block.largest_error_px)
            tell(len(block))
        told = _header(windows, work, source.video)
        done = writer.finish(told, windows.start_index, windows.frame_s, windows.source_index)
    notes = (*windows.notes, *done.notes, *_confidence_note(header, options))
    return Converted(
        windows=len(windows),
        bytes_before=windows.share_of(before),
        bytes_after=done.nbytes,
        largest_error_px=largest + done.largest_error_px,
        unverified=windows.unverified,
        filled=windows.filled,
        left_behind=windows.left_behind,
        notes=notes,
    )


def _header(windows: Windows, work: ConvertWork, video: int | None) -> TracksHeader:
    made = marked(windows.header.provenance, work.options, work.parents, video)
    return windows.header.model_copy(update={"provenance": made, "policies": _policies(windows)})


def _policies(windows: Windows) -> dict[str, int]:
    """Return the counts of the header, and what stays true of the windows in any store."""
    counted = {"unverified_windows": windows.unverified, "fill_value_chunks": windows.filled}
    policies = dict(windows.header.policies)
    for name, count in counted.items():
        if count:
            policies[name] = policies.get(name, 0) + count
    return policies


def _confidence_note(header: TracksHeader, options: ConvertOptions) -> tuple[Problem, ...]:
    if not header.confidence or options.profile != "compact" or options.round_px == "none":
        return ()
    message = f"confidence is rounded to multiples of {ROUND_CONFIDENCE:g}"
    return (Problem("confidence-rounded", "tracks", message, "--round-px none keeps it", "info"),)


def _to_shards(job: Job[ConvertWork], before: int, tell: Tell) -> Converted:
    work, options = job.item.payload, job.item.payload.options
    settings = {} if options.samples_per_shard is None else {"samples_per_shard": options.samples_per_shard}
    opened = [open_windows(source, options) for source in work.sources]
    with ShardsWriter(job.item.output, overwrite=job.overwrite, resume=job.item.key, **settings) as writer:
        for windows in opened:
            told = windows.header.model_copy(update={"policies": _policies(windows)})
            there = writer.begin(told, windows.start_index, windows.frame_s, windows.source_index)
            tell(there)
            for block in windows.blocks(there):
                writer.append(block.tracks, block.vis, block.confidence, largest_error_px=block.largest_error_px)
                tell(len(block))
        made = marked(provenance(parameters=options.as_json()), options, work.parents)
        done = writer.finish(made)
    return _of_shards(opened, work.sources, done, before)


def _of_shards(
    opened: Sequence[Windows], sources: Sequence[ConvertSource], done: WriteReport, before: int
) -> Converted:
    capitals = sorted(view for view in opened[0].header.views if view != view.lower())
    message = f"members are named in small letters, as WebDataset reads them; shards.json spells {', '.join(capitals)}"
    notes = (Problem("small-letters", "shards", message, severity="info"),) if capitals else ()
    rest = {f"{source.path.name}: {name}": None for source, one in zip(sources, opened, strict=True)
            for name in one.left_behind}  # fmt: skip
    return Converted(
        windows=sum(len(one) for one in opened),
        bytes_before=before,
        bytes_after=done.nbytes,
        largest_error_px=done.largest_error_px,
        unverified=sum(one.unverified for one in opened),
        filled=sum(one.filled for one in opened),
        left_behind=tuple(rest),
        notes=tuple(dict.fromkeys((*notes, *done.notes, *(note for one in opened for note in one.notes)))),
    )


def _through_adapter(work: ConvertWork, target: Path, before: int, tell: Tell, *, overwrite: bool) -> Converted:
    """Read files of others, with what was said of them, and write their record."""
    options = work.options
    adapter, path = _adapter(work)
    found = read_adapted(adapter, path, {**_said(options), "depth_root": work.depth_root})
    container = found.container
    header: Header = container.header
    made = marked(header.provenance, options, work.parents)
    container = replace(container, header=header.model_copy(update={"provenance": made}))
    # Before it stands: a stop is granted where units are told, and what stands is to be told as made.
    if isinstance(container, Views) and options.to == "views_hdf5":
        done = write_views(target, container, overwrite=overwrite, tell=tell)
    else:
        tell(len(container))
        done = write(target, container, format=options.to, overwrite=overwrite)
    rows, notes = len(container), (*found.told(path), *done.notes)
    lacking = lacking_cameras(container) if isinstance(container, Views) else ()
    return Converted(rows, before, done.nbytes, unverified=rows, notes=notes, unit=_unit(work), lacking=lacking)


def _unit(work: ConvertWork) -> str:
    return _UNITS.get(work.record, "windows")


def _adapter(work: ConvertWork) -> tuple[Adapter, Path]:
    source = work.sources[0]
    found = find_adapter(source.path, {work.record})
    if found is None:
        message = "expected a file that an adapter knows, as it did before, got another"
        raise UnknownFormatError(Problem("changed-meanwhile", str(source.path), message, "run this again"))
    return found[0], source.path


def _said(options: ConvertOptions) -> dict[str, Any]:
    """Return what was said of files of others; what was not is None, or says nothing."""
    names = {"stride", "horizon", "duration_s", "zeros", "split", "end", "unit", "agents"}
    return {**options.model_dump(include=names), "rate": options.rate}


def _to_others(work: ConvertWork, target: Path, before: int, tell: Tell) -> Converted:
    """Write files of others: what they are made of is in our own file, or read through another adapter."""
    (source, *more), options = work.sources, work.options
    writer = writers()[options.to]
    further = tuple(one.path for one in more) or None
    named = ("rate", "gap_label", "task", "edit", "samples_per_shard")
    asked: dict[str, Any] = {**{name: getattr(options, name) for name in named}, "more": further}
    given = {name: value for name, value in asked.items() if value is not None}
    reader = _adapter(work) if source.kind == "adapted" else None
    takes = frozenset[str]() if reader is None else getattr(reader[0], "takes", None)
    takes = frozenset({"rate"}) if takes is None else takes
    # The rate is that of the frames on both sides, where both have frames.
    if wrong := given.keys() - writer.takes - takes:
        message = f"expected what {options.to} or its source takes, got {', '.join(sorted(wrong))}"
        raise SchemaError(Problem("wrong-option", str(target), message, "leave it out"))
    notes: tuple[Problem, ...] = ()
    summed = reader is None
    if reader is None:
        container = read(source.path, verify="always")
    else:
        said = {name: value for name, value in _said(options).items() if name != "rate" or name in takes}
        said["depth_root"] = work.depth_root
        found = read_adapted(*reader, said)
        container, notes, summed = found.container, found.told(source.path), found.summed
    written: list[int] = []

    def advance(units: int) -> None:
        written.append(units)
        tell(units)

    told = {**given, "root": source.path, "to": options.to, "tell": advance}
    if "tell" not in writer.takes:
        tell(len(container))  # as in `_through_adapter`
    done = writer.write(target, container, **{name: told[name] for name in told.keys() & writer.takes})
    count, told_all = len(container), (*(note for note in notes if note.code not in done.settled), *done.notes)
    if reader is not None and (options.edit is not None or more):
        count = sum(written) or len(read_adapted(reader[0], target, {}).container)
    lacking = lacking_cameras(container) if isinstance(container, Views) else ()
    unverified, unit = 0 if summed else count, _unit(work)
    return Converted(count, before, done.nbytes, unverified=unverified, notes=told_all, unit=unit, lacking=lacking)


def _whole(work: ConvertWork, target: Path, before: int, tell: Tell, *, overwrite: bool) -> Converted:
    """Read and write at once: a record without windows, or a format of others that takes tracks whole."""
    (source,), options = work.sources, work.options
    container = read(source.path, verify="always")
    header: Header = container.header
    made = marked(header.provenance, options, work.parents)
    container = replace(container, header=header.model_copy(update={"provenance": made}))
    settings: dict[str, Any] = {} if options.profile == "raw" else {"profile": options.profile}
    if options.round_px is not None:
        settings["round_px"] = options.round_px
    tell(len(container))  # as in `_through_adapter`
    done = write(target, container, format=options.to, overwrite=overwrite, **settings)
    message = "its format has no windows to read one by one: it was held in memory at once"
    note = Problem("in-memory", "source", message, severity="info")
    rows = int(np.int64(len(container)))
    notes = (*done.notes, note)
    return Converted(rows, before, done.nbytes, done.largest_error_px, notes=notes, unit=_unit(work))
