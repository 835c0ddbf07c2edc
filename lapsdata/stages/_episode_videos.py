"""The episodes of a data set as videos: each its own file, with the time of each row in it.

A video that shows one episode alone is taken as it is. Of one that shows several, the frames of each are cut out: their
packets are copied where that gives just these frames, else they are encoded again without loss.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from lapsdata import console
from lapsdata.errors import LapsError, Problem, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.video.probe import find_source
from lapsdata.video.reader import open_video
from lapsdata.video.sources import VideoItem, source_digest
from lapsdata.video.stream_copy import copies_exactly, copy_frames
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.loading.steps import StepDataset
    from lapsdata.video._decoding import PacketSource

__all__ = ["EpisodeVideo", "EpisodeVideos", "cut_episodes"]

Cut = Literal["whole", "copied", "encoded"]
"""The video itself; packets of it; frames of it, encoded again without loss."""


class EpisodeVideo(NamedTuple):
    """One episode as a video.

    Parameters
    ----------
    number : int
        The data set's own.
    item : VideoItem
    row_s : float64 (R,), seconds
        When each row is shown in it.
    cut : {"whole", "copied", "encoded"}
    """

    number: int
    item: VideoItem
    row_s: NDArray[np.float64]
    cut: Cut


@dataclass(frozen=True, slots=True)
class EpisodeVideos:
    """The episodes of a data set as videos.

    Parameters
    ----------
    videos : tuple of EpisodeVideo
    problems : tuple of Problem
        Episodes that have none, and why.
    """

    videos: tuple[EpisodeVideo, ...]
    problems: tuple[Problem, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each `cut`."""
        return {cut: sum(one.cut == cut for one in self.videos) for cut in ("whole", "copied", "encoded")}


def cut_episodes(steps: StepDataset, camera: str, folder: Path) -> EpisodeVideos:
    """Return every episode as a video; what was cut before, out of the same video, is kept.

    Parameters
    ----------
    steps : StepDataset
        Of `lapsdata.open_steps`; its chosen episodes.
    camera : str
    folder : Path
        Where what is cut is put: `<data set>_episode_<number>-<digest>.mp4`. The digest is that of the source and the
        frames, so that another cut has another name.

    Returns
    -------
    EpisodeVideos
        Episodes without a video, or with fewer frames than rows, are in its problems, and the others go on.

    Raises
    ------
    SchemaError
        No such camera, or one whose frames are in no video.
    StorageError
        The folder cannot be made.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.episode_sets import CAMERA, write_lerobot
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> steps = lapsdata.open_steps(write_lerobot(out / "set", lengths=(4, 6), videos=True))
    >>> found = cut_episodes(steps, CAMERA, out / "videos")
    >>> found.counts, [one.item.name for one in found.videos]
    ({'whole': 2, 'copied': 0, 'encoded': 0}, ['set_episode_000000', 'set_episode_000001'])
    """
    known = [one.name for one in steps.meta.episodes.header.cameras if one.stored == "video"]
    if camera not in known:
        message = f"expected a camera whose frames are in videos ({', '.join(known) or 'there is none'}), got {camera}"
        raise SchemaError(Problem("unknown-camera", str(steps.meta.root), message))
    # Many episodes may lie in one video, which is read once for all of them.
    look, digest = functools.cache(_source), functools.cache(source_digest)
    videos: list[EpisodeVideo] = []
    problems: list[Problem] = []
    with console.progress("cut episodes", steps.num_episodes, unit="episodes") as advance:
        for span in steps.episodes:
            try:
                path, frame = steps.frames_of(camera, span.number)
                name = f"{steps.meta.root.resolve().name}_episode_{span.number:06d}"
                shown = _Shown(path, look(path), int(frame[0]), int(frame[-1]) + 1)
                cut: Cut = "whole"
                if shown.alone:
                    item, begin_s = VideoItem(name, path), 0.0
                else:
                    item, cut = _cut(shown, digest(path), folder, name)
                    begin_s = float(shown.source.facts.frame_s[shown.first])
                row_s = shown.source.facts.frame_s[frame] - begin_s
                videos.append(EpisodeVideo(span.number, item, row_s, cut))
            except LapsError as error:
                problems += [_left_out(problem, span.number) for problem in error.problems]
            advance(1)
    return EpisodeVideos(tuple(videos), tuple(problems))


def _left_out(problem: Problem, number: int) -> Problem:
    """Tell what to do about an episode that is left out here, where loading tells what to leave out."""
    without = f"or take it out of the set: lapsdata convert SRC DST --without-episodes {number}"
    fixes = {
        "no-video": f"the other episodes are done; bring the file, {without}",
        "times-not-rising": f"the other episodes are done; write the times of its rows again, {without}",
    }
    return replace(problem, fix=fixes.get(problem.code, problem.fix))


class _Shown(NamedTuple):
    """The frames of one episode: `first` up to and without `until` of a video."""

    path: Path
    source: PacketSource
    first: int
    until: int

    @property
    def alone(self) -> bool:
        """Whether the video shows nothing else."""
        return (self.first, self.until) == (0, self.source.facts.frames)


def _source(path: Path) -> PacketSource:
    source, session = find_source(path, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    if session is not None:
        session.close()
    return cast("PacketSource", source)  # only a folder of images is none


def _cut(shown: _Shown, digest: str, folder: Path, name: str) -> tuple[VideoItem, Cut]:
    """Return the frames of an episode as a video of their own, which is made where it is not there."""
    cut: Cut = "copied" if copies_exactly(shown.source, shown.first, shown.until) else "encoded"
    told = f"{digest} {shown.first} {shown.until} {cut}"
    key = hashlib.sha256(told.encode()).hexdigest()[:12]
    target = folder / f"{name}-{key}.mp4"
    if not target.exists():
        with storage_errors(folder, "make the folder"):
            folder.mkdir(parents=True, exist_ok=True)
        if cut == "copied":
            copy_frames(shown.source, target, shown.first, shown.until)
        else:
            _encode(shown.path, target, shown.first, shown.until)
    return VideoItem(name, target), cut


def _encode(path: Path, target: Path, first: int, until: int) -> None:
    with open_video(path) as video:
        times = video.facts.frame_s[first:until] - video.facts.frame_s[first]
        write_video(target, (frame.image for frame in video.frames(range(first, until))), times, codec="ffv1")
