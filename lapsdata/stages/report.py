"""From segments, what they were made of and what they should be, to a folder that shows all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from lapsdata import console
from lapsdata.errors import Problem, Problems, SchemaError, StorageError, listed, shown
from lapsdata.provenance import parent, provenance, synthetic_note
from lapsdata.report.timelines import LEAST_PX, LONGEST_PX, timeline_png
from lapsdata.report.tolerance_curve import tolerance_curve_png
from lapsdata.schema import SegmentationResult
from lapsdata.schema.base import Record, canonical_json
from lapsdata.stages._header_key import key_now, key_of, strangers
from lapsdata.stages._output import Output, settle
from lapsdata.stages._report_curve import curve_scores
from lapsdata.stages._report_header import (
    HEADER,
    PAGE,
    ReportedVideo,
    ReportFile,
    ReportHeader,
    read_report,
    timeline_name,
)
from lapsdata.stages._report_page import Figure, PageContent, Picture, page
from lapsdata.stages._stage import Stage
from lapsdata.storage.atomic import atomic_folder
from lapsdata.storage.sealed_json import read_sealed_json, sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent, Provenance

__all__ = ["PLUGIN", "ReportContent", "ReportHeader", "ReportOptions", "write_report"]

_STAGE = "report"
_SCORES, _TABLE, _TIMELINES = "scores.json", "scores.txt", "timelines"
_CURVE, _CURVE_SCORES = "curve.png", "curve.json"


class ReportOptions(Record):
    """How a report looks.

    Examples
    --------
    >>> ReportOptions(average="micro").longest_px
    4608
    """

    average: Literal["macro", "micro"] = "macro"
    """Scores as the mean over the videos, or of the counts of all videos together."""
    longest_px: Annotated[int, Field(ge=LEAST_PX, le=20_000)] = LONGEST_PX
    """Timelines grow with the length of the video up to this width, in pixels."""
    note: Annotated[str, Field(min_length=1)] | None = None
    """What stands on the page and on every picture, so that nobody overlooks it: that the data are synthetic."""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What a report holds.

    Parameters
    ----------
    header : ReportHeader
    problems : tuple of Problem
        What the reader of the report must know: whether a metronome has cut.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance
    >>> ReportContent(ReportHeader(provenance=sample_provenance(), videos=(), files=()), ()).facts()["videos"]
    '0, 0 with a truth'
    """

    header: ReportHeader
    problems: tuple[Problem, ...]

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        videos = self.header.videos
        told = sum(video.truth is not None for video in videos)
        return {
            "videos": f"{len(videos)}, {told} with a truth",
            "segments": str(sum(video.segments for video in videos)),
            "files": str(len(self.header.files) + 1),
        }


def write_report(
    out: Path,
    *,
    segments: Path,
    energies: Sequence[Path],
    truth: Path | None = None,
    scores: Path | None = None,
    train: Path | None = None,
    options: ReportOptions | None = None,
    tables: Sequence[tuple[str, str]] = (),
    force: bool = False,
) -> Output[ReportContent]:
    """Write a folder with a timeline for each video, the scores, and a page that shows them; all or nothing.

    With the scores comes a curve of F over tolerance. Where all files are given of which `lapsdata evaluate` has made
    them, it is taken anew at many tolerances (`CURVE_S`), otherwise at those of the scores, if there are two.

    One timeline is drawn at a time. What is there already, is whole, and was made of these files in this way, is kept.

    Parameters
    ----------
    out : Path
        The folder; its parent must exist.
    segments : Path
        A file of segments.
    energies : sequence of Path
        Files of energies, at least one; first the segmented one. The others may be of more or fewer videos.
    truth : Path, optional
        True segments, of all, some or more of the videos; see `lapsdata.stages.segments_source.read_segments`.
    scores : Path, optional
        Boundary scores of these segments, as `lapsdata.stages.evaluate.score_segments` writes them.
    train : Path, optional
        The train split that the scores were made with; for the curve alone.
    options : ReportOptions, optional
    tables : sequence of (str, str)
        More tables for the page, such as one per data set: a title, and plain text that is shown as it stands.
    force : bool
        Make again what is done.

    Raises
    ------
    SchemaError
        Files that do not speak of the same: other videos, other energies than were segmented, scores of other segments.
    StorageError
        Something else is in the place of the folder, or in it, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_energies, sample_segments
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "energies.jsonl", sample_energies())
    >>> _ = lapsdata.write(folder / "found.parquet", sample_segments())
    >>> given = {"segments": folder / "found.parquet", "energies": [folder / "energies.jsonl"]}
    >>> [write_report(folder / "report", **given).fate for _ in range(2)]
    ['made', 'kept']
    >>> sorted(path.name for path in (folder / "report" / "timelines").iterdir())
    ['clip_0.png', 'clip_1.png']
    """
    from lapsdata.containers import Segments
    from lapsdata.formats import read
    from lapsdata.segmenters import metronome_problems

    if not energies:
        raise SchemaError(Problem("no-energies", "energies", "expected at least one file, got none"))
    chosen = options or ReportOptions()
    one = {"truth": truth, "scores": scores, "train": train}
    files = [
        (parent("segments", segments), segments),
        *((parent("energies", path), path) for path in energies),
        *((parent(role, path), path) for role, path in one.items() if path is not None),
    ]
    parameters = chosen.as_json()
    if tables:
        parameters["tables"] = f"sha256:{hashlib.sha256(canonical_json([[*table] for table in tables])).hexdigest()}"
    made_of = provenance(parameters=parameters, parents=[told for told, _ in files])
    found = read(segments, Segments)
    problems = tuple(metronome_problems(found))

    def known(path: Path) -> tuple[str | None, ReportContent]:
        header = read_report(path)
        return key_of(_STAGE, header.provenance), ReportContent(header, problems)

    def make(overwrite: bool) -> ReportContent:
        if overwrite:
            _refuse_others(out)
        given = _gather(found, files, chosen, made_of)._replace(problems=problems, tables=tuple(tables))
        with atomic_folder(out, overwrite=overwrite) as folder:
            header = _fill(folder, given, scores, chosen)
        return ReportContent(header, problems)

    return settle(out, key_now(_STAGE, parameters, made_of.parents), read=known, make=make, force=force)


def _refuse_others(folder: Path) -> None:
    """Refuse to replace a report to whose folder somebody has added something."""
    ours = {HEADER, PAGE, _SCORES, _TABLE, _TIMELINES, _CURVE, _CURVE_SCORES}
    added = [path.name for path in folder.iterdir() if path.name not in ours]
    added += [path.name for path in (folder / _TIMELINES).glob("*") if path.suffix != ".png"]
    if added:
        message = f"expected the files of a report alone, got {shown(', '.join(sorted(added)[:5]))} too"
        raise StorageError(Problem("foreign-file", str(folder), message, "move them away: the folder is replaced"))


def _gather(
    found: Segments, files: Sequence[tuple[Parent, Path]], options: ReportOptions, made_of: Provenance
) -> PageContent:
    """Read what is to be shown, and make sure that it belongs together."""
    from lapsdata.containers import Energies
    from lapsdata.formats import read
    from lapsdata.stages.segments_source import read_segments

    energies = [path for told, path in files if told.role == "energies"]
    one = {told.role: path for told, path in files}
    measured = tuple(read(path, Energies) for path in energies)
    faults = Problems("report")
    for number, (path, values) in enumerate(zip(energies, measured, strict=True)):
        faults.extend(_other_videos(path, values, found, all_of_them=not number))
    scores = read_sealed_json(one["scores"], SegmentationResult) if "scores" in one else None
    faults.extend(strangers("segments", found.header.provenance, "energies", made_of.parents))
    faults.extend(_other_scores(scores, made_of.parents))
    rate, split = (None, None) if scores is None else (scores.clock.rate, scores.split)
    true = read_segments(one["truth"], rate=rate, split=split, found=found).segments if "truth" in one else None
    names = {video.name for video in found.header.videos}
    if true is not None and names.isdisjoint(video.name for video in true.header.videos):
        message = f"expected one of {listed(sorted(names))}, got none of them"
        faults.add("other-videos", f"truth {one['truth']}", message)
    faults.raise_as(SchemaError)
    curve = None if scores is None else curve_scores(scores, files)
    told = [one for one in (found.header, None if true is None else true.header, scores) if one is not None]
    note = options.note or synthetic_note(*(one.provenance for one in told))
    return PageContent(found, measured, true, scores, curve, options.average, made_of, note)


def _other_scores(scores: SegmentationResult | None, parents: Sequence[Parent]) -> Iterable[Problem]:
    """Tell scores of other files than those given here."""
    if scores is not None:
        for role in ("segments", "truth", "train"):
            yield from strangers("scores", scores.provenance, role, parents)
    made_of = () if scores is None else scores.provenance.parents
    if any(one.role == "train" for one in parents) and all(one.role != "train" for one in made_of):
        message = "expected scores that were taken beside a train split, got none"
        yield Problem("no-train-rows", "scores", message, "give --train to `lapsdata evaluate` too, or leave it out")


def _other_videos(path: Path, energies: Energies, segments: Segments, *, all_of_them: bool) -> Iterable[Problem]:
    """Tell energies of other videos; beside those that were segmented, one video that both speak of will do."""
    wanted = {video.name for video in segments.header.videos}
    there = set(energies.header.videos)
    if wanted == there or not (all_of_them or wanted.isdisjoint(there)):
        return
    said = {"without": wanted - there, "and also": there - wanted}
    words = ", ".join(f"{word} {listed(sorted(names))}" for word, names in said.items() if names)
    message = f"expected energies of the videos of the segments, got some {words}"
    yield Problem("other-videos", f"energies {path}", message, "measure the videos that were segmented")


def _fill(folder: Path, given: PageContent, scores: Path | None, options: ReportOptions) -> ReportHeader:
    """Write every file; each timeline is forgotten when it is written."""
    from lapsdata.metrics import segmentation_table

    files: list[ReportFile] = []

    def put(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        files.append(ReportFile(name=name, digest=f"sha256:{hashlib.sha256(content).hexdigest()}"))

    (folder / _TIMELINES).mkdir()
    videos, pictures = _videos(given), []
    known = [frozenset(one.header.videos) for one in given.energies]
    with console.progress(_STAGE, len(videos), unit="videos") as advance:
        for video in videos:
            there = [one for one, names in zip(given.energies, known, strict=True) if video.name in names]
            drawn = timeline_png(
                video.name, given.segments, there, given.truth, longest_px=options.longest_px, note=given.note
            )
            put(video.timeline, drawn)
            pictures.append(Picture(video, *_size(drawn)))
            advance(1)
    if given.scores is not None and scores is not None:
        put(_SCORES, scores.read_bytes())
        table = segmentation_table(given.scores, average=given.average)
        # What the scores themselves say of rendered videos stands in their table.
        said = [] if given.note in {None, synthetic_note(given.scores.provenance)} else [given.note]
        put(_TABLE, "".join(f"{one}\n" for one in (*said, table)).encode())
    curve = None
    if given.curve is not None:
        drawn = tolerance_curve_png(given.curve, average=given.average, note=given.note)
        put(_CURVE, drawn)
        if given.scores is None or given.curve is not given.scores.boundaries:
            put(_CURVE_SCORES, sealed_json(given.curve))
        curve = Figure(_CURVE, *_size(drawn))
    put(PAGE, page(given, pictures, curve).encode())
    header = ReportHeader(provenance=given.provenance, videos=videos, files=tuple(files))
    (folder / HEADER).write_bytes(sealed_json(header))
    return header


def _size(png: bytes) -> tuple[int, int]:
    """Return width and height in pixels, as the first chunk of a PNG file tells them."""
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def _videos(given: PageContent) -> tuple[ReportedVideo, ...]:
    """Count what is known of each video."""
    listed = given.segments.header.videos
    found = np.bincount(given.segments.video_index, minlength=len(listed)).tolist()
    true = {} if given.truth is None else dict.fromkeys((one.name for one in given.truth.header.videos), 0)
    if given.truth is not None:
        counts = np.bincount(given.truth.video_index, minlength=len(true)).tolist()
        true = dict(zip(true, counts, strict=True))
    first = given.energies[0]
    number = {name: i for i, name in enumerate(first.header.videos)}
    states = np.zeros((len(number), 3), np.int64)
    np.add.at(states, (first.video_index, first.state), 1)
    made = []
    for one, count in zip(listed, found, strict=True):
        measured, gated, missing = states[number[one.name]].tolist()
        made.append(
            ReportedVideo(
                name=one.name, start_s=one.start_s, end_s=one.end_s, timeline=timeline_name(one.name),
                segments=count, truth=true.get(one.name), measured=measured, gated=gated, missing=missing,
            )
        )  # fmt: skip
    return tuple(made)


PLUGIN = Stage(_STAGE, "A page that shows what was found.", "timelines", lambda: {"timelines": ReportOptions})
