"""From segments, what they were made of and what they should be, to a folder that shows all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from lapsdata import console
from lapsdata.errors import Problem, Problems, SchemaError, StorageError, listed, shown
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.report.timelines import LEAST_PX, LONGEST_PX, timeline_png
from lapsdata.schema.base import Record
from lapsdata.stages._header_key import key_now, key_of, strangers
from lapsdata.stages._output import Output, settle
from lapsdata.stages._report_header import (
    HEADER,
    PAGE,
    ReportedVideo,
    ReportFile,
    ReportHeader,
    read_report,
    timeline_name,
)
from lapsdata.stages._report_page import PageContent, Picture, page
from lapsdata.stages._stage import Stage
from lapsdata.storage.atomic import atomic_folder
from lapsdata.storage.sealed_json import read_sealed_json, sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent

__all__ = ["PLUGIN", "ReportContent", "ReportHeader", "ReportOptions", "write_report"]

_STAGE = "report"
_SCORES, _TABLE, _TIMELINES = "scores.json", "scores.txt", "timelines"


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
    options: ReportOptions | None = None,
    force: bool = False,
) -> Output[ReportContent]:
    """Write a folder with a timeline for each video, the scores, and a page that shows them; all or nothing.

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
        True segments, of all, some or more of the videos; see `lapsdata.stages.truth.read_truth`.
    scores : Path, optional
        Boundary scores of these segments, as `lapsdata.stages.evaluate.score_segments` writes them.
    options : ReportOptions, optional
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
    one = {"truth": truth, "scores": scores}
    parents = (
        parent("segments", segments),
        *(parent("energies", path) for path in energies),
        *(parent(role, path) for role, path in one.items() if path is not None),
    )
    found = read(segments, Segments)
    problems = tuple(metronome_problems(found))

    def known(path: Path) -> tuple[str | None, ReportContent]:
        header = read_report(path)
        return key_of(_STAGE, header.provenance), ReportContent(header, problems)

    def make(overwrite: bool) -> ReportContent:
        if overwrite:
            _refuse_others(out)
        given = _gather(found, energies, truth, scores, chosen, problems, parents)
        with atomic_folder(out, overwrite=overwrite) as folder:
            header = _fill(folder, given, scores, chosen.longest_px)
        return ReportContent(header, problems)

    return settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)


def _refuse_others(folder: Path) -> None:
    """Refuse to replace a report to whose folder somebody has added something."""
    ours = {HEADER, PAGE, _SCORES, _TABLE, _TIMELINES}
    added = [path.name for path in folder.iterdir() if path.name not in ours]
    added += [path.name for path in (folder / _TIMELINES).glob("*") if path.suffix != ".png"]
    if added:
        message = f"expected the files of a report alone, got {shown(', '.join(sorted(added)[:5]))} too"
        raise StorageError(Problem("foreign-file", str(folder), message, "move them away: the folder is replaced"))


def _gather(
    found: Segments,
    energies: Sequence[Path],
    truth: Path | None,
    scores: Path | None,
    options: ReportOptions,
    problems: tuple[Problem, ...],
    parents: tuple[Parent, ...],
) -> PageContent:
    """Read what is to be shown, and make sure that it belongs together."""
    from lapsdata.containers import Energies
    from lapsdata.formats import read
    from lapsdata.schema import BoundaryResult
    from lapsdata.stages.truth import read_truth

    measured = tuple(read(path, Energies) for path in energies)
    faults = Problems("report")
    for number, (path, one) in enumerate(zip(energies, measured, strict=True)):
        faults.extend(_other_videos(path, one, found, all_of_them=not number))
    result = None if scores is None else read_sealed_json(scores, BoundaryResult)
    faults.extend(strangers("segments", found.header.provenance, "energies", parents))
    if result is not None:
        for role in ("segments", "truth"):
            faults.extend(strangers("scores", result.provenance, role, parents))
    true = None if truth is None else read_truth(truth, found)
    names = {video.name for video in found.header.videos}
    if true is not None and names.isdisjoint(video.name for video in true.header.videos):
        faults.add("other-videos", f"truth {truth}", f"expected one of {listed(sorted(names))}, got none of them")
    faults.raise_as(SchemaError)
    made_of = [one.header.provenance for one in (found, true) if one is not None]
    note = synthetic_note(*made_of, *([] if result is None else [result.provenance]))
    told = marked_synthetic(provenance(parameters=options.as_json(), parents=parents), note)
    return PageContent(found, measured, true, result, options.average, problems, told)


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


def _fill(folder: Path, given: PageContent, scores: Path | None, longest_px: int) -> ReportHeader:
    """Write every file; each timeline is forgotten when it is written."""
    from lapsdata.metrics import boundary_table

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
            drawn = timeline_png(video.name, given.segments, there, given.truth, longest_px=longest_px)
            put(video.timeline, drawn)
            # The first chunk of a PNG file tells its size.
            pictures.append(Picture(video, *(int.from_bytes(drawn[at : at + 4]) for at in (16, 20))))
            advance(1)
    if given.scores is not None and scores is not None:
        put(_SCORES, scores.read_bytes())
        put(_TABLE, f"{boundary_table(given.scores, average=given.average)}\n".encode())
    put(PAGE, page(given, pictures).encode())
    header = ReportHeader(provenance=given.provenance, videos=videos, files=tuple(files))
    (folder / HEADER).write_bytes(sealed_json(header))
    return header


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
