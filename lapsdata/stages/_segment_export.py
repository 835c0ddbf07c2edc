"""What is written for one segment: its clip, and the codes of its windows as LAPS lays them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self

import numpy as np
from pydantic import Field

from lapsdata.adapters.laps.written_codes import CodedWindow, chosen_windows, write_codes
from lapsdata.errors import Problem
from lapsdata.schema.base import Record
from lapsdata.storage.atomic import storage_errors
from lapsdata.video.clips import write_clip
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.timebase import FrameRate

    Image = NDArray[np.uint8]

__all__ = [
    "ExportOptions",
    "Pictures",
    "VideoPictures",
    "Windowing",
    "Written",
    "windowless",
    "write_segment",
]


class ExportOptions(Record):
    """What is written for each segment as it closes.

    Examples
    --------
    >>> ExportOptions(codes=True).min_overlap
    0.25
    """

    clips: bool = False
    """A video of each segment."""
    codes: bool = False
    """The codes of its windows, as LAPS lays them out."""
    allow_overlap: bool = False
    """Take windows that overlap each other too."""
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of the frames of a window that lie in the segment from which on it is taken."""
    prequant: bool = False
    """The latents of these windows before quantisation too."""


class Pictures(Protocol):
    """The frames of a source that have come, to be looked at once more."""

    def between(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], Iterator[Image]]:
        """Return times and RGB pictures of the frames from `start_s` to before `end_s`."""


class VideoPictures:
    """The pictures of a file, which is read again for them; a context manager.

    Parameters
    ----------
    video : Path or str
    rate : optional
        Of a folder of images; see `lapsdata.video.reader.open_video`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.writer import write_video
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * 3, [0.0, 0.1, 0.2])
    >>> with VideoPictures(clip) as pictures:
    ...     pictures.between(0.05, 1.0)[0]
    array([0.1, 0.2])
    """

    def __init__(self, video: Path | str, rate: FrameRate | str | float | None = None) -> None:
        self._reader = open_video(video, pixels="rgb", rate=rate)

    def between(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], Iterator[Image]]:
        """Return times and RGB pictures of the frames from `start_s` to before `end_s`."""
        times = self._reader.facts.frame_s
        first, until = np.searchsorted(times, (start_s, end_s)).tolist()
        return times[first:until], (frame.image for frame in self._reader.frames(range(first, until)))

    def pictures(self, numbers: NDArray[np.int64]) -> Iterator[Image]:
        """Yield RGB pictures by the numbers of their frames, which rise."""
        return (frame.image for frame in self._reader.frames(numbers))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Windowing(NamedTuple):
    """How the windows of a video lie in it.

    Parameters
    ----------
    horizon, stride : int
    rate : FrameRate or None
        Of their frames; None where it varies.

    Examples
    --------
    >>> Windowing(16, 4, None).horizon
    16
    """

    horizon: int
    stride: int
    rate: FrameRate | None


class Written(NamedTuple):
    """What was written of one segment.

    Parameters
    ----------
    files : tuple of Path
    counts : dict of str to int
        How often a policy was needed: `padded_pictures` have a line or column doubled, since their sides are odd and
        the codec wants even ones; `without_windows` is 1 where codes were asked for and no window is of the segment.

    Examples
    --------
    >>> Written((), {"without_windows": 1}).counts["without_windows"]
    1
    """

    files: tuple[Path, ...]
    counts: dict[str, int]


def windowless(count: int, segments: int, options: ExportOptions, where: str) -> tuple[Problem, ...]:
    """Say how many segments have codes of no window, if any has.

    Examples
    --------
    >>> [problem.code for problem in windowless(2, 3, ExportOptions(codes=True, min_overlap=1.0), "clip")]
    ['no-windows']
    """
    if not count:
        return ()
    least = "a frame" if options.min_overlap == 0 else f"a share of {options.min_overlap:g}"
    message = f"{count} of {segments} segments have no codes: of no window that was encoded does {least} lie inside"
    return (Problem("no-windows", where, message, "give a lower --min-overlap", "warning"),)


def write_segment(
    stem: Path,
    span_s: tuple[float, float],
    options: ExportOptions,
    *,
    video: str,
    pictures: Pictures | None = None,
    windows: Iterable[CodedWindow] = (),
    windowing: Windowing | None = None,
    frame_s: Sequence[float] | NDArray[np.float64] = (),
    overwrite: bool = False,
) -> Written:
    """Write what is asked for of one segment: `<stem>.mp4`, `<stem>.codes.json`, `<stem>.prequant.npy`.

    Parameters
    ----------
    stem : Path
        Place and name without ending; its folder is made.
    span_s : (float, float), seconds
        Half-open time of the segment.
    options : ExportOptions
    video : str
        Its name, which codes tell.
    pictures : Pictures, optional
        For clips.
    windows : iterable of CodedWindow
        For codes: those around the segment, and others.
    windowing : Windowing, optional
    frame_s : sequence of float, seconds
        Time of every frame that windows count in.
    overwrite : bool

    Returns
    -------
    Written

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from lapsdata.adapters.laps.written_codes import CodedWindow
    >>> windows = [CodedWindow(0, 0, np.array([3, 1], np.int32))]
    >>> stem = pathlib.Path(tempfile.mkdtemp()) / "clip_0000"
    >>> windowing, times = Windowing(3, 1, None), [0.0, 0.1, 0.2, 0.3]
    >>> options = ExportOptions(codes=True)
    >>> place = {"windowing": windowing, "frame_s": times}
    >>> _ = write_segment(stem, (0.0, 0.3), options, video="clip", windows=windows, **place)
    >>> json.loads((stem.parent / "clip_0000.codes.json").read_text())["codes_windows"]
    [[3, 1]]
    """
    with storage_errors(stem.parent, "make the folder"):
        stem.parent.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    counts = {"padded_pictures": 0, "without_windows": 0}
    clip = stem.with_name(f"{stem.name}.mp4")
    if options.clips and pictures is not None:
        times, images = pictures.between(*span_s)
        if len(times):
            counts["padded_pictures"] = write_clip(clip, times, images, overwrite=overwrite)
            files.append(clip)
    if options.codes and windowing is not None:
        first, until = np.searchsorted(np.asarray(frame_s), span_s).tolist()
        chosen = chosen_windows(
            windows,
            first,
            until,
            windowing.horizon,
            min_overlap=options.min_overlap,
            allow_overlap=options.allow_overlap,
        )
        kept = chosen if options.prequant else [one._replace(prequant=None) for one in chosen]
        told = {"video": video, **_told(first, until, windowing, options, clip.name if options.clips else None)}
        files += write_codes(stem.with_name(f"{stem.name}.codes.json"), kept, told, overwrite=overwrite)
        counts["without_windows"] = int(not kept)
    return Written(tuple(files), counts)


def _told(first: int, until: int, windowing: Windowing, options: ExportOptions, clip: str | None) -> dict[str, Any]:
    """Return what LAPS says of a segment; its last frame is the last one inside, and its first window the first."""
    return {
        "overlap_ratio_threshold": options.min_overlap,
        "segment": {"start_frame": first, "end_frame": until - 1, "start_win": -(-first // windowing.stride)},
        "window": {
            "T": windowing.horizon,
            "stride": windowing.stride,
            "target_fps": None if windowing.rate is None else windowing.rate.hz,
        },
        "align": "start",
        "video_segment_path": clip,
        "source": "lapsdata",
        "allow_overlap": options.allow_overlap,
    }
