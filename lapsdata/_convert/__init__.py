"""Between stores and profiles: the same windows in HDF5, Zarr or shards, and what could not be carried over."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lapsdata._convert._keys import look
from lapsdata._convert._options import ConvertOptions
from lapsdata._convert._panoramas import panorama_items
from lapsdata._convert._planning import merged_item, shards_item, single_items
from lapsdata._convert._report import Converted, ConvertReport
from lapsdata._convert._sources import MERGED, find_merged, find_sources
from lapsdata._convert._standing import standing
from lapsdata._convert._targets import PANORAMA, expect_apart, outputs, target_format, wanted_records
from lapsdata._convert._writing import convert_item
from lapsdata.adapters import find_adapter
from lapsdata.errors import Problem, SchemaError
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import plan
from lapsdata.execution.report import FATE_OF, Entry, Interrupted, carry_out_shown
from lapsdata.formats import recognise
from lapsdata.formats._rounding import rounding_step
from lapsdata.schema.base import Size
from lapsdata.storage.run_file import record_run
from lapsdata.timebase import FrameRate
from lapsdata.transforms.panorama_views import PanoramaOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import Any

    from lapsdata._convert._sources import Sources
    from lapsdata._convert._targets import Target
    from lapsdata.adapters import BoxesEdit, EpisodesEdit
    from lapsdata.execution.report import Report
    from lapsdata.geometry import BoxOrigin

__all__ = ["ConvertOptions", "ConvertReport", "Converted", "PanoramaOptions", "convert"]

_NOT_OF_BOXES = ("profile", "round_px", "stride", "horizon", "duration_s", "zeros", "split", "end", "unit", "edit")


def convert(
    source: str | PathLike[str] | Sequence[str | PathLike[str]],
    target: str | PathLike[str],
    *,
    to: str | None = None,
    profile: Literal["raw", "compact"] = "raw",
    round_px: float | Literal["none"] | None = None,
    samples_per_shard: int | None = None,
    rate: FrameRate | float | str | None = None,
    size: tuple[int, int] | None = None,
    stride: int | None = None,
    horizon: int | None = None,
    duration_s: float | None = None,
    zeros: Literal["measured", "gated"] = "measured",
    split: str | None = None,
    end: Literal["inclusive", "exclusive"] | None = None,
    unit: Literal["s", "100ns"] | None = None,
    gap_label: str | None = None,
    task: str | None = None,
    edit: EpisodesEdit | None = None,
    boxes: BoxesEdit | None = None,
    classes: Mapping[str, str] | None = None,
    whose: str | None = None,
    first_number: int | None = None,
    pixels: BoxOrigin | None = None,
    annotations: str | None = None,
    number_by: Literal["path", "name"] | None = None,
    prefix: str | None = None,
    digits: int | None = None,
    suffix: Literal["none", ".txt"] | None = None,
    agents: str | None = None,
    depth_root: str | PathLike[str] | None = None,
    panorama: PanoramaOptions | None = None,
    index: int | None = None,
    force: bool = False,
    workers: int | None = None,
) -> ConvertReport:
    """Write the same windows in another store or profile, in memory that does not grow with their number.

    Every window is compared with its checksum on the way, where it has one: those of foreign files stand in the list
    that `lapsdata check PATH --seal` has put beside them. Headers are carried as they are; their provenance gets the
    source as a parent. What is there already, and was made of the same source in this way, is kept: that is judged by
    its header, and its windows are not read again. Shards that were not finished go on behind the last archive that is
    whole, which is told by its digest; a file that was not finished starts over.

    Parameters
    ----------
    source : path
        A tracks file, of ours or a plain HDF5, Zarr, npy or tar; a folder of such files; a folder of shards; or another
        record that a second store exists for. Of data sets of episodes several, which become one.
    target : path
        For one file, the file, or a folder that is there; for several, a folder, made if it is not there; for shards,
        the folder of shards.
    to : str, optional
        Registry name, or the store alone: `hdf5`, `zarr`, `shards`; by default it follows from the ending of `target`.
        Of segments also `mstcn` or `laps_segments`, of episodes `lerobot-2.0`, `lerobot-2.1`, `lerobot-3.0`, `gr00t`,
        `robomimic` or `shards`, of views `wai`: files of others, at a place that is free. Of views also `panorama`:
        `target` is a folder for `<split>.h5`, or a file where there is one split.
    profile : {"raw", "compact"}
        `compact`: rounded to `round_px`, and compressed.
    round_px : float, "none" or None, pixel
        For `compact`: "none" is lossless, None is the default of 1/64.
    samples_per_shard : int, optional
        For shards: windows, or episodes, in every archive but the last.
    rate, size, stride
        Of foreign files: frames per second, (width, height) of the frame in pixels, and frames from one window to the
        next (of tracks 1 by default).
    horizon, duration_s, zeros
        Of energies of others: frames of a window, how long the video is, and what a value of exactly 0.0 is; see
        `lapsdata.adapters.laps`.
    split, end, unit
        Of segments of others: which of their videos, whether the last frame of a range is part of it, and what times
        are counted in; see the adapters that take them.
    gap_label : str, optional
        For labels per frame: what frames in no segment are called.
    task : str, optional
        Of episodes in HDF5: what was to be done, where the files do not say it.
    edit : EpisodesEdit, optional
        Of data sets of episodes: which are kept, and what is left out, renamed or rewritten, by the names and numbers
        that the source has. What is edited, or of several sources, is written in the version of the first source, where
        `to` says nothing else; episodes in HDF5 have none.
    boxes : BoxesEdit, optional
        Of boxes: which are kept.
    classes : mapping of str to str, optional
        Of boxes of others: what their classes are called, by number or by another name.
    whose : str, optional
        Of boxes of others: who says so, `truth`, `detector` or the name of a tracker, where their place does not tell.
    first_number : int, optional
        Of boxes of others: what their files call the first frame.
    pixels : {"one_based", "edge", "centre"}, optional
        Of boxes of others: what their texts count pixels from: 1, or 0 at the edge or the centre of the first one.
    annotations : {"best", "newest", "first", "predictions", "predictions:NAME"}, optional
        Of tasks of Label Studio: which annotation of each counts; the best by default.
    number_by : {"path", "name"}, optional
        Of tasks of Label Studio: what frames are numbered by, the number in the name of an image by default.
    prefix, digits, suffix
        For a detection database: what stands before the names of images in its keys, of how many digits these are, and
        what they end with.
    agents : str, optional
        Of views of others: which agents sets are made of, `2` or `train=2,validate=4`; all by default.
    depth_root : path, optional
        Of views of others: where their depth lies, `<split>/<scenario>/<agent>/<frame>_camera<i>_depth.npy` or `.png`.
    panorama : PanoramaOptions, optional
        For panoramas: model, size, place and policies, where they are not the usual ones.
    index : int, optional
        For panoramas: the one set of each split that they are made of, from 0; its file is `<split>_<index>.h5`.
    force : bool
        Convert again what is done, and replace what was converted from another source; never what others have made.
    workers : int, optional
        Processes; by default one per core.

    Raises
    ------
    StorageError
        Nothing is there, or the folder of the output cannot be written to.
    UnknownFormatError
        No format is meant, or none of the record that is converted.
    SchemaError
        Options at fault, or unlike videos for the same shards; what goes wrong with a single file is in the report.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was finished stays.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.h5", sample_tracks())
    >>> report = convert(folder / "clip.h5", folder / "clip.zarr", profile="compact")
    >>> report.facts["windows"], report.largest_error_px <= 1 / 128 + 1e-6
    ('3', True)
    """
    out = Path(target)
    # `.` and `..` are no names, and headers hold the name of the source.
    given = [source] if isinstance(source, str | os.PathLike) else list(source)
    places = [Path(one).resolve() if str(one) in (".", "..") else Path(one) for one in given]
    found = find_sources(places[0], wanted_records(to, out)) if len(places) == 1 else find_merged(places)
    edited = found.record != "boxes" and (len(places) > 1 or edit is not None)
    plugin = target_format(found.record, _kept(found, places[0], to) if edited else to, out)
    for place in places:
        expect_apart(place, out)
    around = plugin.name == PANORAMA
    options = _options(plugin, profile, round_px, samples_per_shard, rate, size, stride)
    told = {"horizon": horizon, "duration_s": None if duration_s is None else float(duration_s), "zeros": zeros}
    others = {**told, "split": None if around else split, "end": end, "unit": unit}
    options = _of_others(found, plugin, options, others, gap_label, task)
    if edit is not None:
        options = options.model_copy(update={"edit": edit})
    read = {"classes": classes, "whose": whose, "first_number": first_number, "pixels": pixels}
    tasks = {"annotations": annotations, "number_by": number_by}
    written = {"prefix": prefix, "digits": digits, "suffix": suffix}
    options = _of_boxes(found, options, {"boxes": boxes, **read, **tasks, **written})
    depth = None if depth_root is None else Path(depth_root)
    options = _of_views(found, options, agents, depth)
    options = _of_panoramas(plugin, options, split, panorama, index)
    if plugin.record == "shards":
        items: list[Any] = [shards_item(found, out, options)]
        folder = None
    elif around:
        items = list(panorama_items(found, out, plugin, options, depth, workers))
        folder = None if [item.output for item in items] == [out] else out
    elif len(places) > 1:
        items, folder = [merged_item(found, out, options)], None
    else:
        goals = outputs(found, out, plugin)
        _expect_another(found, plugin, options)
        items = single_items(found, goals, options, depth)
        folder = out if found.several and goals and goals[0] != out else None
    with record_run(folder) if folder is not None else contextlib.nullcontext():
        todo = plan(items, lambda item: look(item, force=force), force=force)
        try:
            counted = found.record if found.record in (*MERGED, "views") else "windows"
            counted = "panoramas" if around else counted
            # Panoramas of one file are made by several threads, one file after the other.
            engine = LocalEngine(1 if around else workers)
            report = carry_out_shown(todo, convert_item, engine, title="convert", unit=counted)
        except Interrupted as stop:
            raise Interrupted(standing(_told(stop.report, found.beside), todo), stop.number) from stop
    return _told(report, found.beside)


def _kept(found: Sources, path: Path, to: str | None) -> str:
    """Return what is written where episodes are edited: what was asked for, else what they are.

    Raises
    ------
    SchemaError
        It is no data set that can be edited, or stay what it is.
    """
    if found.record != "episodes":
        message = f"expected a data set of robot episodes, which alone can be edited, got {found.record}"
        raise SchemaError(Problem("wrong-option", "edit", message))
    if to is not None:
        return to
    adapter = find_adapter(path, {"episodes"})
    writer = None if adapter is None else adapter[0].writer
    if writer is None or writer.own is None:
        message = "expected the format to write, got none: these episodes are edited on their way into another"
        raise SchemaError(Problem("wrong-option", "to", message, "name it: --to lerobot-3.0"))
    return writer.own(path)


def _told(report: Report[Converted | None], beside: tuple[str, ...]) -> ConvertReport:
    return ConvertReport(tuple(_entry(entry) for entry in report.entries), report.leftovers, beside)


def _entry(entry: Entry[Converted | None]) -> Entry[Converted]:
    """Count as kept what a run beside this one has made in the same way."""
    if entry.result is None and entry.fate in FATE_OF.values():
        return Entry(entry.name, entry.output, "kept", "another run has made it meanwhile")
    result, problems, traceback = entry.result, entry.problems, entry.traceback
    return Entry(entry.name, entry.output, entry.fate, entry.why, result, problems, traceback)


def _options(
    plugin: Target,
    profile: Literal["raw", "compact"],
    round_px: float | Literal["none"] | None,
    samples_per_shard: int | None,
    rate: FrameRate | float | str | None,
    size: tuple[int, int] | None,
    stride: int | None,
) -> ConvertOptions:
    """Put together what was said, and refuse what would have no effect."""
    rounding_step(profile, round_px)
    shards = "shards" in (plugin.record, plugin.name)
    around, views = plugin.name == PANORAMA, plugin.record == "views"
    for name, wrong, only in (
        ("profile", shards and profile != "raw", "shards are stored as they are"),
        ("profile", views and profile != "raw", "pixels are stored as they are"),
        ("profile", plugin.of_others and profile != "raw", "files of others are not rounded"),
        ("size", around and size is not None, "name it in its options"),
        ("size", views and size is not None, "pictures keep their size"),
        ("samples_per_shard", not shards and samples_per_shard is not None, "only for shards"),
    ):
        if wrong:
            raise SchemaError(Problem("wrong-option", name, f"expected none with {plugin.name}, got one: {only}"))
    return ConvertOptions(
        to="views_hdf5" if around else plugin.name,
        profile=profile,
        round_px=float(round_px) if isinstance(round_px, int | float) else round_px,
        samples_per_shard=samples_per_shard,
        rate=None if rate is None else FrameRate.parse(rate),
        size=None if size is None else Size(width=size[0], height=size[1]),
        stride=stride,
    )


def _of_others(
    found: Sources,
    plugin: Target,
    options: ConvertOptions,
    said: dict[str, Any],
    gap_label: str | None,
    task: str | None,
) -> ConvertOptions:
    """Add what is said about files of others, and refuse it for anything else."""
    given = [name for name, value in said.items() if value not in (None, "measured")]
    if given and found.items[0].kind != "adapted":
        message = (
            f"expected none with {found.record} of ours or of foreign windows, got one: only for energies and segments "
            "of others"
        )
        raise SchemaError(Problem("wrong-option", given[0], message))
    also = {"gap_label": gap_label, "task": task}
    for (name, value), why in zip(also.items(), ("segments may leave gaps there", "it has none"), strict=True):
        if value is not None and not plugin.of_others:
            raise SchemaError(Problem("wrong-option", name, f"expected none with {plugin.name}, got one: {why}"))
    same = {"rate": options.rate, "size": options.size}
    return ConvertOptions(**{**options.model_dump(), **same, **also, **said})


def _of_boxes(found: Sources, options: ConvertOptions, said: dict[str, Any]) -> ConvertOptions:
    """Add what is said about boxes, and refuse it for anything else."""
    given = {name: value for name, value in said.items() if value is not None}
    if given and found.record != "boxes":
        message = f"expected none with {found.record}, got some: only of boxes"
        raise SchemaError(Problem("wrong-option", next(iter(given)), message))
    if found.record == "boxes":
        for name in _NOT_OF_BOXES:
            if getattr(options, name) != ConvertOptions.model_fields[name].default:
                message = "expected none with boxes, got one: it is said of windows, energies, segments or episodes"
                raise SchemaError(Problem("wrong-option", name, message, "leave it out"))
    return ConvertOptions(**{name: getattr(options, name) for name in ConvertOptions.model_fields} | given)


def _of_views(found: Sources, options: ConvertOptions, agents: str | None, depth_root: Path | None) -> ConvertOptions:
    """Add what is said about views of others, and refuse it for anything else."""
    given = {name: value for name, value in (("agents", agents), ("depth_root", depth_root)) if value is not None}
    if given and (found.record != "views" or found.items[0].kind != "adapted"):
        message = f"expected none with {found.record}, got some: only of views of others"
        raise SchemaError(Problem("wrong-option", next(iter(given)), message))
    return options if agents is None else options.model_copy(update={"agents": agents})


def _of_panoramas(
    plugin: Target, options: ConvertOptions, split: str | None, panorama: PanoramaOptions | None, index: int | None
) -> ConvertOptions:
    """Add what is said about panoramas, and refuse it for anything else."""
    if plugin.name == PANORAMA:
        asked = {"split": split, "panorama": panorama or PanoramaOptions(), "index": index}
        return ConvertOptions(**{name: getattr(options, name) for name in ConvertOptions.model_fields} | asked)
    given = [name for name, value in (("panorama", panorama), ("index", index)) if value is not None]
    if given:
        message = f"expected none with {plugin.name}, got some: only for panoramas"
        raise SchemaError(Problem("wrong-option", given[0], message, "pass --to panorama"))
    return options


def _expect_another(found: Sources, plugin: Target, options: ConvertOptions) -> None:
    """Refuse what would be the same file again, where there is no other store to convert to.

    Raises
    ------
    SchemaError
        Names the one that there is.
    """
    kept = plugin.of_others or found.items[0].kind == "adapted" or options.boxes is not None
    if found.record in ("tracks", "shards") or options.profile != "raw" or kept:
        return
    path = found.items[0].path
    if recognise(path).name == plugin.name:
        message = f"expected another store or profile, got {plugin.name} again: it is the only one of {found.record}"
        raise SchemaError(Problem("same-format", str(path), message, "copy the file"))
