"""Videos from one layout to another: whole files as they are, packets where they can be cut or joined, else encoded."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from lapsdata.adapters.lerobot._out_rows import FileNumber
from lapsdata.adapters.lerobot.info import VIDEO_V2, VIDEO_V3
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.storage.atomic import TEMPORARY, storage_errors
from lapsdata.video.probe import find_source, probe
from lapsdata.video.reader import open_video
from lapsdata.video.stream_copy import StreamJoin, copies_exactly, copy_frames
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.video._decoding import PacketSource
    from lapsdata.video.writer import VideoCodec

__all__ = ["Shown", "VideoCounts", "copy_whole", "cut_videos", "ended", "join_videos"]

# LeRobot takes a frame for that of a row within this.
_TOLERANCE_S = 1e-4
_AT_ONCE = 1 << 20


@dataclass(slots=True)
class VideoCounts:
    """What became of videos of episodes: one of a camera each.

    Parameters
    ----------
    whole, packets : int
        Files that were copied; parts whose packets were.
    encoded : set of int
        Episodes of which a video had to be encoded again.
    unlike_rows : set of int
        Episodes whose video, as it was cut, has another number of frames than of rows.
    early : set of int
        Episodes whose video ends before their rows do, where others follow it in one file.
    unread : set of int
        Episodes of which a video was copied that cannot be opened.
    shifted : set of int
        Episodes whose first frame is not at their time 0, and is now.
    """

    whole: int = 0
    packets: int = 0
    encoded: set[int] = field(default_factory=set)
    unlike_rows: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    shifted: set[int] = field(default_factory=set)


class Shown(NamedTuple):
    """The video of an episode."""

    place: int
    number: int
    path: Path
    start_s: float
    rows: int


def _shown(found: LeRobotSet, camera: str) -> list[Shown]:
    episodes = found.episodes
    index, start_s = episodes.video_index[camera].tolist(), episodes.video_start_s[camera].tolist()
    return [
        Shown(place, number, found.root / episodes.video_files[file], begin, rows)
        for place, (number, rows, file, begin) in enumerate(
            zip(episodes.number.tolist(), episodes.rows.tolist(), index, start_s, strict=True)
        )
        if file >= 0
    ]


def _v2(root: Path, camera: str, number: int, chunk: int) -> Path:
    path = root / VIDEO_V2.format(episode_chunk=number // chunk, episode_index=number, video_key=camera)
    with storage_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _copied(source: Path, path: Path) -> None:
    with storage_errors(path, "copy"), source.open("rb") as file, path.open("wb") as copy:
        shutil.copyfileobj(file, copy, _AT_ONCE)


def copy_whole(root: Path, found: LeRobotSet, camera: str, chunk: int, counts: VideoCounts) -> None:
    """Copy the videos of a camera, from versions 2 to versions 2; what does not open is copied too, and counted."""
    for one in _shown(found, camera):
        path = _v2(root, camera, one.number, chunk)
        _copied(one.path, path)
        counts.whole += 1
        try:
            frames = probe(path).frames
        except LapsError:
            counts.unread.add(one.number)
        else:
            counts.unlike_rows |= {one.number} if frames != one.rows else set()


def cut_videos(
    root: Path, found: LeRobotSet, camera: str, chunk: int, counts: VideoCounts, ends: Mapping[int, float]
) -> None:
    """Cut the videos of a camera into those of episodes, from version 3 to versions 2.

    Parameters
    ----------
    root : Path
    found : LeRobotSet
    camera : str
    chunk : int
        Episodes in a folder.
    counts : VideoCounts
        Is counted up.
    ends : mapping of float, seconds
        By number of the episode, where it ends in its video; else it ends where the next one begins.
    """
    known, source = None, cast("PacketSource", None)
    for one, end_s in ended(found, camera, ends):
        if one.path != known:
            known, source = one.path, _source(one.path)
        first, until = _frames(source, one, end_s, found.info.rate.period_s)
        path = _v2(root, camera, one.number, chunk)
        if first == 0 and until == source.facts.frames and one.start_s == 0:
            _copied(one.path, path)
            counts.whole += 1
        else:
            if abs(float(source.facts.frame_s[first]) - one.start_s) > _TOLERANCE_S:
                counts.shifted.add(one.number)
            _cut(source, path, first, until, {one.number}, counts)
        if until - first != one.rows:
            counts.unlike_rows.add(one.number)


def ended(found: LeRobotSet, camera: str, ends: Mapping[int, float]) -> list[tuple[Shown, float]]:
    """Return which video shows each episode, and where it ends there: as it is told, else where the next one begins."""
    shown, starts = _shown(found, camera), dict[Path, list[float]]()
    for one in shown:
        starts.setdefault(one.path, []).append(one.start_s)
    later = {path: np.sort(each) for path, each in starts.items()}
    spans = []
    for one in shown:
        after = int(np.searchsorted(later[one.path], one.start_s, "right"))
        following = float(later[one.path][after]) if after < len(later[one.path]) else float("inf")
        spans.append((one, ends.get(one.number, following)))
    return spans


def _source(path: Path) -> PacketSource:
    found, session = find_source(path, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    if session is not None:
        session.close()
    return cast("PacketSource", found)


def _frames(source: PacketSource, one: Shown, end_s: float, period_s: float) -> tuple[int, int]:
    """Return the frames of an episode: those from its time 0 to its end, each taken to the nearest frame."""
    times, half = source.facts.frame_s, 0.5 * period_s
    first, until = np.searchsorted(times, [one.start_s - half, end_s - half]).tolist()
    if until <= first:
        where = f"{one.path}: episode {one.number}"
        span = f"{one.start_s:g} to {end_s:g} s"
        message = f"expected frames at {span}, got a video of {times[0]:g} to {source.facts.end_s:g} s"
        fix = "the list of episodes is of other videos, or the video is not whole: copy or record it again"
        raise CorruptDataError(Problem("no-frames", where, message, fix))
    return first, until


def _cut(source: PacketSource, path: Path, first: int, until: int, numbers: set[int], counts: VideoCounts) -> None:
    """Write some frames of a video, those of the episodes `numbers`, as a video of their own."""
    times = source.facts.frame_s
    wanted = times[first:until] - times[first]
    if copies_exactly(source, first, until):
        copy_frames(source, path, first, until)
        _expect_times(path, wanted)
        counts.packets += 1
        return
    # As it was, where it can be, so that info.json stays true of it.
    codec = cast("VideoCodec", source.facts.codec if source.facts.codec in ("h264", "av1") else "h264")
    with open_video(source.source) as video:
        write_video(path, (frame.image for frame in video.frames(range(first, until))), wanted, codec=codec)
    counts.encoded |= numbers


def _expect_times(path: Path, wanted: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Hold what was written of packets against the times that it must have.

    Raises
    ------
    CorruptDataError
        It has others.
    """
    came = probe(path).frame_s
    if len(came) != len(wanted) or np.abs(came - wanted).max(initial=0.0) > _TOLERANCE_S:
        message = f"expected {len(wanted)} frames at the times of the source, got {len(came)} frames at others"
        raise CorruptDataError(Problem("wrong-copy", str(path), message, "convert the videos with another program"))


class _Show(NamedTuple):
    """Where an episode lies in a file: begin and end of its frames, and the end of its rows, in seconds."""

    place: int
    number: int
    first_s: float
    until_s: float
    rows_s: float


class _Piece(NamedTuple):
    """A whole file to be joined, and the episodes that lie in it."""

    path: Path
    shows: tuple[_Show, ...]
    cut: bool = False


class _Span(NamedTuple):
    """Where a piece lies in the file that it was joined to, in seconds, and its frames."""

    start_s: float
    end_s: float
    frames: int


def join_videos(
    root: Path,
    found: LeRobotSet,
    camera: str,
    chunk: int,
    limit: float,
    counts: VideoCounts,
    ends: Mapping[int, float],
) -> list[dict[str, int | float | None]]:
    """Join the videos of a camera to those of version 3, and return where each episode lies.

    A file ends before the video that would bring it over `limit` bytes, or whose packets cannot follow. Where a video
    ends before its rows do, the next one begins behind these: LeRobot looks for the frame of a row by its time, and
    would find that of another episode. Of version 3
    files are taken whole where all of their frames are wanted, else what is wanted of them is cut out first; `ends` are
    as for `cut_videos`.
    """
    numbers, places = FileNumber(chunk), _nowhere(camera, len(found.episodes))
    period_s = found.info.rate.period_s
    with storage_errors(root, "write"), tempfile.TemporaryDirectory(dir=root, prefix=TEMPORARY) as apart:
        pieces, begin = _pieces(found, camera, ends, Path(apart), counts), 0
        while begin < len(pieces):
            at = next(numbers)
            path = root / VIDEO_V3.format(video_key=camera, chunk_index=at[0], file_index=at[1])
            with storage_errors(path, "write"):
                path.parent.mkdir(parents=True, exist_ok=True)
            spans = _joined(path, pieces[begin:], limit, 0.5 * period_s)
            if len(spans) > 1:
                counts.packets += sum(not piece.cut for piece in pieces[begin : begin + len(spans)])
            else:
                # Alone it stays as it is, to the byte.
                _copied(pieces[begin].path, path)
                counts.whole += not pieces[begin].cut
                facts = probe(path)
                spans = [_Span(0.0, facts.end_s, facts.frames)]
            for span, piece in zip(spans, pieces[begin:], strict=False):
                for one in piece.shows:
                    until_s = min(span.start_s + one.until_s, span.end_s)
                    told = (*at, span.start_s + one.first_s, until_s)
                    places[one.place] = dict(zip(_columns(camera), told, strict=True))
                    if until_s - span.start_s < one.rows_s - 0.5 * period_s:
                        counts.early.add(one.number)
                if found.version != "v3.0" and span.frames != int(found.episodes.rows[piece.shows[0].place]):
                    counts.unlike_rows.add(piece.shows[0].number)
            begin += len(spans)
    return places


def _pieces(
    found: LeRobotSet, camera: str, ends: Mapping[int, float], apart: Path, counts: VideoCounts
) -> list[_Piece]:
    """Return what is to be joined; what is cut out for it lies in the folder `apart`."""
    period_s = found.info.rate.period_s
    if found.version != "v3.0":
        return [
            _Piece(one.path, (_Show(one.place, one.number, 0.0, float("inf"), one.rows * period_s),))
            for one in _shown(found, camera)
        ]
    pieces: list[_Piece] = []
    for path, group in itertools.groupby(ended(found, camera, ends), key=lambda each: each[0].path):
        source = _source(path)
        parts = [_Part(one, *_frames(source, one, end_s, period_s), end_s) for one, end_s in group]
        counts.unlike_rows |= {part.one.number for part in parts if part.until - part.first != part.one.rows}
        for run in _runs(source, parts):
            first, until = run[0].first, run[-1].until
            cut = (first, until) != (0, source.facts.frames)
            piece = apart / f"{len(pieces)}.mp4" if cut else path
            if cut:
                _cut(source, piece, first, until, {part.one.number for part in run}, counts)
            begin_s = float(source.facts.frame_s[first]) if cut else 0.0
            pieces.append(_Piece(piece, tuple(_shows(part, begin_s, period_s, counts) for part in run), cut))
    return pieces


class _Part(NamedTuple):
    """The frames of an episode in its video."""

    one: Shown
    first: int
    until: int
    end_s: float


def _runs(source: PacketSource, parts: Sequence[_Part]) -> list[list[_Part]]:
    """Put together episodes that lie one behind the other where all of them can be taken without encoding them.

    What follows an episode of fewer frames than rows is parted from it, where that too takes no encoding.
    """
    runs: list[list[_Part]] = []
    for part in parts:
        if runs and runs[-1][-1].until == part.first:
            runs[-1].append(part)
        else:
            runs.append([part])
    found = []
    for run in runs:
        first, until = run[0].first, run[-1].until
        apart = _apart(run)
        if len(apart) > 1 and all(copies_exactly(source, each[0].first, each[-1].until) for each in apart):
            found += apart
        elif (first, until) == (0, source.facts.frames) or copies_exactly(source, first, until):
            found.append(run)
        else:
            found += [[part] for part in run]
    return found


def _apart(run: Sequence[_Part]) -> list[list[_Part]]:
    """Part a run behind each episode that has fewer frames than rows."""
    apart: list[list[_Part]] = [[]]
    for part in run:
        apart[-1].append(part)
        if part.until - part.first < part.one.rows:
            apart.append([])
    return [each for each in apart if each]


def _shows(part: _Part, begin_s: float, period_s: float, counts: VideoCounts) -> _Show:
    """Return where an episode lies in a video that begins at `begin_s` of its source."""
    first_s = part.one.start_s - begin_s
    if first_s < -_TOLERANCE_S:
        counts.shifted.add(part.one.number)
    first_s = max(first_s, 0.0)
    return _Show(part.one.place, part.one.number, first_s, part.end_s - begin_s, first_s + part.one.rows * period_s)


def _joined(path: Path, pieces: Sequence[_Piece], limit: float, slack_s: float) -> list[_Span]:
    """Join as many videos as follow one another; one or none where the first stands alone."""
    spans: list[_Span] = []
    wanted, nbytes, earliest_s = [np.empty(0)], 0, 0.0
    with StreamJoin(path) as join:
        for one in pieces:
            nbytes += one.path.stat().st_size
            if spans and nbytes > limit:
                break
            span = join.append(one.path, earliest_s)
            if span is None:
                break
            facts = probe(one.path)
            spans.append(_Span(*span, facts.frames))
            wanted.append(facts.frame_s + span.start_s)
            rows_s = span.start_s + max(show.rows_s for show in one.shows)
            earliest_s = rows_s if span.end_s < rows_s - slack_s else span.end_s
    if spans:
        _expect_times(path, np.concatenate(wanted))
    return spans


def _columns(camera: str) -> tuple[str, ...]:
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    return tuple(f"videos/{camera}/{name}" for name in names)


def _nowhere(camera: str, count: int) -> list[dict[str, int | float | None]]:
    return [dict.fromkeys(_columns(camera)) for _ in range(count)]
