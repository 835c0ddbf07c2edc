"""Long videos into pieces of equal time: every frame in exactly one piece, and a table that says where each was.

A piece begins at the time of its first frame: a time in it plus `start_s` of its row is the time in the source, also
where the rate varies. Where the packets of a piece can be taken as they are, they are copied, and the copy is
read back; else its frames are encoded again, as H.264 with constant rate factor 18, 8 bits, 4:2:0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata import console
from lapsdata._convert._report import MadeReport
from lapsdata.adapters._synthetic import synthetic_above
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, listed
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import Found, Refused, WorkItem, judge, plan, work_key
from lapsdata.execution.report import carry_out_shown
from lapsdata.provenance import code_digest, marked_synthetic, parent, provenance
from lapsdata.schema.base import Count, Name, Positive, Provenance, Record
from lapsdata.storage.run_file import record_run
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.timebase import piece_starts
from lapsdata.video.clips import write_clip
from lapsdata.video.probe import find_source
from lapsdata.video.reader import open_video
from lapsdata.video.sources import doubled_names, find_videos
from lapsdata.video.stream_copy import copies_exactly, copy_frames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.execution.engine import Tell
    from lapsdata.execution.manifest import Job
    from lapsdata.schema.base import Parent
    from lapsdata.video._decoding import PacketSource

__all__ = ["Piece", "PieceTable", "SplitReport", "split_videos"]

_STAGE = "split"
_TABLE = ".pieces.json"
# A time that is copied comes back within this; those that are encoded again are as `write_video` says.
_EXACT_S = 1e-6


class Piece(Record):
    """One piece of a video.

    Examples
    --------
    >>> Piece(name="clip_000.mp4", first_frame=0, frames=600, start_s=0.0, end_s=40.0, how="copied").frames
    600
    """

    name: Name
    """Its file, beside the table."""
    first_frame: Count
    """Number of its first frame in the source."""
    frames: Positive
    """How many it has."""
    start_s: float
    """Time of its first frame in the source, in seconds: what to add to a time of the piece."""
    end_s: float
    """Time of the first frame behind it, or the end of the source, in seconds."""
    how: Literal["copied", "encoded"]
    """Whether packets were taken as they are."""


class PieceTable(Record):
    """`<video>.pieces.json`: where the pieces of one video were in it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance
    >>> PieceTable(provenance=sample_provenance(), video="clip", every_s=40.0, frames=0, pieces=()).every_s
    40.0
    """

    provenance: Provenance
    """The source is its parent; of a video that stands in for one of a data set it says so."""
    video: Name
    """Name of the source, without ending."""
    every_s: Annotated[float, Field(gt=0)]
    """Seconds from one cut to the next."""
    frames: Count
    """Frames of the source: as many as all pieces have together."""
    pieces: tuple[Piece, ...]
    """In order of time."""


class SplitVideo(NamedTuple):
    """What splitting one video has made.

    Examples
    --------
    >>> SplitVideo(frames=600, copied=0, encoded=1, padded_pictures=0).encoded
    1
    """

    frames: int
    copied: int
    encoded: int
    padded_pictures: int


@dataclass(frozen=True)
class SplitReport(MadeReport[SplitVideo]):
    """What became of each video.

    Examples
    --------
    >>> SplitReport(()).facts
    {'items': '0'}
    """

    @property
    def facts(self) -> dict[str, str]:
        """The counts of the videos, and what was made of them, in words."""
        made = [entry.result for entry in self.entries if entry.result is not None]
        facts = dict(super().facts)
        if made:
            copied, encoded = sum(one.copied for one in made), sum(one.encoded for one in made)
            facts["frames"] = f"{sum(one.frames for one in made):,}, each in one piece"
            facts["pieces"] = f"{copied + encoded}: {copied} copied, {encoded} encoded again (H.264, crf 18, 4:2:0)"
        if padded := sum(one.padded_pictures for one in made):
            facts["padded"] = f"{padded} pictures of odd sides have their last line or column doubled"
        return facts


class _Split(NamedTuple):
    """What is to be done to one video."""

    video: Path
    table: PieceTable


def split_videos(
    source: str | PathLike[str],
    target: str | PathLike[str],
    every_s: float,
    *,
    force: bool = False,
    workers: int | None = None,
) -> SplitReport:
    """Cut videos into pieces of `every_s` seconds, by the times of their frames.

    Parameters
    ----------
    source : path
        A video, or a folder of videos.
    target : path
        Folder of `<video>_000.mp4`, `<video>_001.mp4` ... and of a table for each video, `<video>.pieces.json`; made if
        it is not there. Sound is left behind.
    every_s : float, seconds
        The last piece of a video may be shorter; none is left out.
    force : bool
        Split again what is done, and replace the pieces of another source or length that a table there names; never
        what others have made.
    workers : int, optional
        Processes; by default one per core.

    Returns
    -------
    SplitReport
        A video that cannot be read fails, and the others go on.

    Raises
    ------
    StorageError, UnknownFormatError
        Nothing is there, or no video; the folder cannot be written to.
    SchemaError
        Pieces of less than a millisecond, or the folder of the source as target.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; pieces that were finished stay, and the next call goes on.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.video.writer import write_video
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_video(folder / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 25, np.arange(25) / 10)
    >>> split_videos(folder / "clip.mp4", folder / "pieces", 1.0, workers=1).facts["frames"]
    '25, each in one piece'
    >>> [piece.frames for piece in read_sealed_json(folder / "pieces" / "clip.pieces.json", PieceTable).pieces]
    [10, 10, 5]
    """
    found, out = find_videos(Path(source), lost="list"), Path(target)
    doubled = doubled_names(found)
    if any(isinstance(one.path, Path) and one.path.resolve().parent == out.resolve() for one in found):
        message = "expected another folder than that of the videos, got the same"
        raise SchemaError(Problem("output-in-input", str(out), message, "name another place"))
    piece_starts([0.0], every_s)
    items: list[WorkItem[_Split] | Refused] = []
    with record_run(out):
        with console.progress("look at videos", len(found), unit="videos") as advance:
            for video in found:
                table = out / f"{video.name}{_TABLE}"
                try:
                    if video.name in doubled:
                        where = listed(map(str, doubled[video.name]))
                        message = f"expected a name of its own, got that of {where}"
                        raise SchemaError(Problem("doubled-name", str(video.path), message, "rename one"))
                    items.append(_item(Path(video.path), video.name, table, every_s))
                except LapsError as error:
                    items.append(Refused(video.name, table, error.problems))
                advance(1)
        todo = plan(items, lambda item: _look(item, force=force), force=force)
        report = carry_out_shown(todo, _split, LocalEngine(workers), title=_STAGE, unit="frames")
    return SplitReport(report.entries, report.leftovers)


def _item(video: Path, name: str, table: Path, every_s: float) -> WorkItem[_Split]:
    source = _source(video)
    facts = source.facts
    starts = piece_starts(facts.frame_s, every_s).tolist()
    edges = [*starts, facts.frames]
    width = max(3, len(str(len(starts) - 1)))
    pieces = tuple(
        Piece(
            name=f"{name}_{number:0{width}d}.mp4",
            first_frame=first,
            frames=until - first,
            start_s=float(facts.frame_s[first]),
            end_s=float(facts.frame_s[until]) if until < facts.frames else facts.end_s,
            how="copied" if copies_exactly(source, first, until) else "encoded",
        )
        for number, (first, until) in enumerate(zip(starts, edges[1:], strict=True))
    )
    made_of = (parent("video", video),)
    told: dict[str, JsonValue] = {"every_s": float(every_s)}
    table_of = PieceTable(
        provenance=marked_synthetic(provenance(parameters=told, parents=made_of), synthetic_above(video)),
        video=name, every_s=float(every_s), frames=facts.frames, pieces=pieces,
    )  # fmt: skip
    key = _key(told, made_of, code_digest())
    return WorkItem(name, table, key, _Split(video, table_of), facts.frames)


def _source(video: Path) -> PacketSource:
    if video.is_dir():
        # Which has no times, and here nobody can give them.
        message = "expected a video, got a folder of images"
        raise SchemaError(Problem("wrong-kind", str(video), message, "name a video, or a folder of videos"))
    found, session = find_source(video, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    if session is not None:
        session.close()
    return found  # type: ignore[return-value]  # a folder alone has no packets


def _key(told: Mapping[str, JsonValue], made_of: tuple[Parent, ...], code: str) -> str:
    return work_key(_STAGE, code, told, made_of)


def _key_of(table: Path) -> str | None:
    made = read_sealed_json(table, PieceTable).provenance
    return _key(made.parameters, made.parents, made.code_digest) if made.producer == "lapsdata" else None


def _look(item: WorkItem[Any], *, force: bool) -> Found:
    """Tell what is there of a video: the table is written first, so that pieces without it are those of others."""
    found = judge(item, _key_of)
    if found.state in ("missing", "damaged"):
        there = [one.name for one in item.payload.table.pieces if item.output.with_name(one.name).exists()]
        without = "without a table" if found.state == "missing" else f"and nothing tells of what: {found.why}"
        return Found("foreign", f"there are {listed(there)} {without}") if there else found
    if found.state not in ("done", "changed"):
        return found
    table = read_sealed_json(item.output, PieceTable)
    made, now = (one.provenance for one in (table, item.payload.table))
    if not force and (table.every_s, made.parents) != (item.payload.table.every_s, now.parents):
        return Found(
            "foreign", f"it was split every {table.every_s:g} s from {made.parents[0].name}; --force replaces it"
        )
    if force or found.state == "changed":
        # All pieces are made anew, lost or not.
        return found
    lost = [one.name for one in table.pieces if not item.output.with_name(one.name).exists()]
    return Found("damaged", f"{len(lost)} of {len(table.pieces)} pieces are not there") if lost else found


def _split(job: Job[_Split], tell: Tell) -> SplitVideo:
    work, output = job.item.payload, job.item.output
    table, padded = work.table, 0
    if job.found.state != "damaged":
        if job.overwrite:
            _remove_old(output)
        write_sealed_json(output, table, overwrite=job.overwrite)
    elif any(output.with_name(piece.name).exists() for piece in table.pieces):
        # How those were made that are there, it alone knows.
        table = read_sealed_json(output, PieceTable)
    else:
        write_sealed_json(output, table, overwrite=True)
    source = _source(work.video)
    try:
        for number, piece in enumerate(table.pieces):
            path = output.with_name(piece.name)
            if not path.exists():
                if piece.how == "copied" and not _copied(source, piece, path):
                    # Told before it is there: a run that is stopped leaves no piece that its table is wrong about.
                    table = _encoded(table, number)
                    write_sealed_json(output, table, overwrite=True)
                if table.pieces[number].how == "encoded":
                    padded += _encode(source, piece, path)
            tell(piece.frames)
    except CorruptDataError:
        # Of a video that cannot be read to its end no piece stays: they would be taken for the whole of it.
        _remove_old(output)
        output.unlink()
        raise
    copied = sum(piece.how == "copied" for piece in table.pieces)
    return SplitVideo(table.frames, copied, len(table.pieces) - copied, padded)


def _remove_old(table: Path) -> None:
    """Remove the pieces that a table names, before it is replaced."""
    for piece in read_sealed_json(table, PieceTable).pieces:
        table.with_name(piece.name).unlink(missing_ok=True)


def _encoded(table: PieceTable, number: int) -> PieceTable:
    """Return a table that says of one piece that it is encoded."""
    pieces = list(table.pieces)
    pieces[number] = pieces[number].model_copy(update={"how": "encoded"})
    return table.model_copy(update={"pieces": tuple(pieces)})


def _copied(source: PacketSource, piece: Piece, path: Path) -> bool:
    """Copy the packets of a piece; return whether it came back as it was, else there is none."""
    first, until = piece.first_frame, piece.first_frame + piece.frames
    copy_frames(source, path, first, until)
    times = source.facts.frame_s[first:until]
    if _came_back(path, times - times[0]):
        return True
    path.unlink()
    return False


def _encode(source: PacketSource, piece: Piece, path: Path) -> int:
    """Encode the frames of a piece; return how many pictures had to be made even."""
    first, until = piece.first_frame, piece.first_frame + piece.frames
    with open_video(source.source) as video:
        images = (frame.image for frame in video.frames(range(first, until)))
        return write_clip(path, source.facts.frame_s[first:until], images)


def _came_back(path: Path, times: NDArray[np.float64]) -> bool:
    """Say whether a piece that was copied has frames at these times, every one of which can be decoded."""
    try:
        with open_video(path, pixels="gray") as video:
            came = np.array([frame.time_s for frame in video.frames()])
    except LapsError:
        # Encoding will say what is wrong with the source.
        return False
    return len(came) == len(times) and bool(np.abs(came - times).max() <= _EXACT_S)
