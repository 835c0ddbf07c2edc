"""Annotations as ranges of frames: Breakfast's coarse files (`1-30 SIL`), and GTEA's (`<take><cup> (1-20)`).

One file is one video, frames are counted from 1, and there is no rate. Whether the last frame of a range is part of it
is told nowhere and differs: Breakfast's is, and GTEA's was left out by tools that then found slivers of one frame
between actions. So it is asked for. A frame that ends one range and begins the next is the next one's.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._pieces import Pieces
from lapsdata.adapters._texts import RANGE, files_inside, head, lines
from lapsdata.errors import Problems, SchemaError
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "End", "read"]

End = Literal["inclusive", "exclusive"]
"""Whether the last frame of a range is part of it."""

# What lies there has a label per frame.
_LABELS = "groundTruth"


class _Range(NamedTuple):
    where: str
    video: str
    start: int
    """0-based."""
    end: int
    """Half-open."""
    label: str


def recognises(path: Path) -> str | None:
    """Return "segments" for text whose first line is a range, and for a folder whose first text is one."""
    if _LABELS in (path.name, path.parent.name):
        return None
    if path.is_dir():
        files = files_inside(path, "*.txt")
        return "segments" if files and _is_range(files[0]) else None
    return "segments" if path.suffix in ("", ".txt") and _is_range(path) else None


def _is_range(path: Path) -> bool:
    first = next((line.strip() for line in head(path).splitlines() if line.strip()), "")
    return RANGE.fullmatch(first) is not None


def read(path: Path, *, rate: FrameRate | float | str | None = None, end: End | None = None) -> Adapted:
    r"""Read the ranges of one video, or of all in a folder.

    Parameters
    ----------
    path : Path
    rate : FrameRate, number or str
        Frames per second: Breakfast and GTEA have 15.
    end : {"inclusive", "exclusive"}
        Whether the last frame of a range is part of it.

    Returns
    -------
    Adapted
        Frames in no range are in no segment. Of `<take><cup>` the label is `take`; what it is done with has no column,
        and is told. How long a video is, is not told.

    Raises
    ------
    SchemaError
        No rate (`no-times`) or no end (`no-end`), lines that are no range, ranges from frame 0.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "P03_tea.txt"
    >>> _ = path.write_text("1-30 SIL\n31-75 take_cup\n")
    >>> segments = read(path, rate=15, end="inclusive").container
    >>> segments.end_s.tolist(), segments.label
    ([2.0, 5.0], ('SIL', 'take_cup'))
    """
    per_s = _told(path, rate, end)
    files = files_inside(existing(path), "*.txt")
    pieces, shared, objects = Pieces(path), 0, 0
    for file in files:
        ranges, told = _ranges(file, end, pieces.problems)
        objects += told
        for one, after in zip_longest(ranges, ranges[1:]):
            last = one.end
            if end == "inclusive" and after is not None and after.start == last - 1 > one.start:
                last, shared = last - 1, shared + 1
            pieces.add(one.where, one.video, frame_to_s(one.start, per_s), frame_to_s(last, per_s), one.label)
    message = f"{shared} ranges end with the frame that the next one begins with: it is the next one's"
    pieces.count("shared-frames", shared, message)
    if objects:
        pieces.note("objects-left-out", f"what an action is done with has no column: left out of {objects}", info=True)
    return pieces.adapted(
        [parent("ranges", file) for file in files], parameters={"end": end}, rate=per_s, rate_origin="told"
    )


def _told(path: Path, rate: FrameRate | float | str | None, end: End | None) -> FrameRate:
    problems = Problems(str(path))
    if rate is None:
        message = "expected frames per second, got none: ranges of frames carry no times"
        problems.add("no-times", "", message, "give --rate: Breakfast and GTEA have 15")
    if end not in ("inclusive", "exclusive"):
        message = f"expected whether the last frame of a range is part of it, got {end or 'none'}"
        problems.add("no-end", "", message, "give --end inclusive, as Breakfast has it, or --end exclusive")
    if rate is None or len(problems):
        raise SchemaError(*problems)
    return FrameRate.parse(rate)


def _ranges(file: Path, end: End | None, problems: Problems) -> tuple[list[_Range], int]:
    """Return the ranges in order of their frames, and how many name what is acted upon; what is wrong is noted."""
    ranges, objects = [], 0
    for number, line in lines(file, "#"):
        where = f"{file}: line {number}"
        found = RANGE.fullmatch(line)
        if found is None:
            message = f"expected a range of frames and a label, got {line[:40]!r}"
            problems.add("wrong-row", where, message, "1-30 SIL, or <take><cup> (1-20)")
            continue
        first, last = int(found["first"] or found["low"]), int(found["last"] or found["high"])
        if not 1 <= first <= last:
            message = f"expected frames from 1 that rise, got {first} to {last}"
            problems.add("wrong-frames", where, message)
            continue
        objects += bool(found["objects"])
        ranges.append(
            _Range(where, file.stem, first - 1, last - (end == "exclusive"), (found["label"] or found["verb"]).strip())
        )
    return sorted(ranges, key=lambda one: (one.start, one.end)), objects


PLUGIN = Adapter(
    "frame_ranges",
    "Annotations as ranges of frames: Breakfast's coarse files, GTEA's",
    recognises,
    read,
    takes=frozenset({"rate", "end"}),
)
