"""How long true segments of train videos last, for segmenters that are told a duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.stages.segments_source import read_segments

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Durations", "train_durations"]


class Durations(NamedTuple):
    """What true segments tell of durations.

    Parameters
    ----------
    segments : int
        How many there are.
    cap_s : float, seconds
        No longer than this is the share of them that was asked for.
    mean_s : float, seconds
    videos : tuple of str

    Examples
    --------
    >>> Durations(3, 2.0, 1.5, ("clip_0",)).parameters({"mean_s", "seed"})
    {'mean_s': 1.5}
    """

    segments: int
    cap_s: float
    mean_s: float
    videos: tuple[str, ...]

    def __str__(self) -> str:
        """Return them in words."""
        return f"{self.segments} true segments, cap {self.cap_s:.4g} s, mean {self.mean_s:.4g} s"

    def parameters(self, known: Iterable[str]) -> dict[str, float]:
        """Return what they tell of the parameters that a segmenter knows."""
        told = {"max_duration_s": self.cap_s, "mean_s": self.mean_s}
        return {key: value for key, value in told.items() if key in set(known)}

    def problems(self, videos: Iterable[str], where: str) -> tuple[Problem, ...]:
        """Say, at severity "warning", whether these are durations of the very videos that are cut."""
        own = sorted(set(videos) & set(self.videos))
        if not own:
            return ()
        message = f"expected durations of other videos, got those of {len(own)} that are cut here: {listed(own)}"
        fix = "a score of these segments is no test: name the truth of train videos"
        return (Problem("own-truth", where, message, fix, "warning"),)


def train_durations(truth: Path, quantile: float = 0.95) -> Durations:
    r"""Return how long true segments last.

    Parameters
    ----------
    truth : Path
        As `lapsdata.stages.segments_source.read_segments` takes it; every segment counts once.
    quantile : float, above 0, up to 1
        Share of the segments that are no longer than `cap_s`, which is one of their durations.

    Raises
    ------
    SchemaError
        No segment in it (`no-segments`); a quantile out of range; as `read_segments`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "truth.csv"
    >>> _ = path.write_text("video,start_s,end_s\nclip_0,0,1\nclip_0,1,3\nclip_0,3,9\n")
    >>> train_durations(path, 0.5)
    Durations(segments=3, cap_s=2.0, mean_s=3.0, videos=('clip_0',))
    """
    if not 0 < quantile <= 1:
        message = f"expected a share above 0, up to 1, got {quantile!r}"
        raise SchemaError(Problem("wrong-quantile", "quantile", message))
    true = read_segments(truth).segments
    if not len(true):
        raise SchemaError(Problem("no-segments", str(truth), "expected true segments, got none"))
    lasting = true.end_s - true.start_s
    # One that occurs: between two durations, a cap would cut the longer one just short of its end.
    cap_s = float(np.quantile(lasting, quantile, method="inverted_cdf"))
    return Durations(len(true), cap_s, float(lasting.mean()), tuple(video.name for video in true.header.videos))
