"""From many videos to a folder of tracks files: resumed where it stopped, one failure never costs another video."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.errors import LapsError, Problem, SchemaError, StorageError, UnknownFormatError
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import Job, Refused, WorkItem, plan
from lapsdata.execution.report import carry_out_shown
from lapsdata.plugins import registry
from lapsdata.stages._output import made_meanwhile
from lapsdata.storage.run_file import record_run
from lapsdata.video.sources import FoundVideos, doubled_names
from lapsmodels.stages._notices import tell_notices
from lapsmodels.stages._other_code import tell_other_code
from lapsmodels.stages._prepared import TrackWork, expect_own_name, expect_points, prepared
from lapsmodels.stages._repeated import tell_repeated
from lapsmodels.stages.track import chosen_trackers, track_video, working_size
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.containers.tracks import Tracks
    from lapsdata.execution.engine import Tell
    from lapsdata.execution.report import Report
    from lapsdata.formats import Format
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages._prepared import Prepared
    from lapsmodels.stages.track_report import Tracked

__all__ = ["track_videos", "tracks_format"]


def track_videos(
    videos: Sequence[VideoItem],
    out: Path | str,
    options: TrackOptions | None = None,
    *,
    query_file: Path | None = None,
    one_rate: bool = False,
    force: bool = False,
    workers: int | None = None,
) -> Report[Tracked]:
    """Track every video, `workers` of them at a time; what is done already, and made in the same way, is kept.

    What is kept is known by its seal and its header: the positions themselves are not read again. Of videos that have
    one name none is tracked.

    Parameters
    ----------
    videos : sequence of VideoItem
        As `find_videos` lists them; sources that it lists as lost fail, beside the others.
    out : Path or str
        Folder of the files `<name of the video>.<ending of the format>`, and of `run.json`; made if it is not there.
    options : TrackOptions, optional
    query_file : Path, optional
        The points where `options.query` is "file".
    one_rate : bool
        Refuse videos of unlike rates, before any is tracked: their energies cannot be put side by side.
    force : bool
        Track again what is done.
    workers : int, optional
        Processes, each of one thread; by default one per core.

    Raises
    ------
    StorageError
        The folder cannot be made, or not be written to; there is no such file of points.
    CorruptDataError
        The file of points holds something else.
    UnknownFormatError, SchemaError, PluginError
        Options at fault; what goes wrong with a single video is in the report.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; files that were finished stay.

    Warns
    -----
    RepeatedFramesWarning
        The rate is above that of videos that are tracked.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.sources import find_videos
    >>> folder = Path(tempfile.mkdtemp())
    >>> render_scene(5, SceneConfig(actions=1)).write_video(folder / "clip.mp4")
    >>> track_videos(find_videos(folder), folder / "tracks", TrackOptions(points=100)).counts["made"]
    1
    """
    options = options or TrackOptions()
    trackers = chosen_trackers(options)
    ending = tracks_format(options.format).suffixes[0]
    if query_file is not None:
        expect_points(query_file)
    folder = Path(out)
    items: list[WorkItem[TrackWork] | Refused] = []
    ready: dict[str, Prepared] = {}
    doubled = doubled_names(videos)
    with record_run(folder):
        with console.progress("look at videos", len(videos), unit="videos") as advance:
            for video in videos:
                output = folder / f"{video.name}{ending}"
                try:
                    expect_own_name(video, doubled.get(video.name, ()))
                    ready[video.name] = prepared(video, output, options, query_file)
                    items.append(ready[video.name].item)
                except LapsError as error:
                    items.append(Refused(video.name, output, error.problems))
                advance(1)
        for source, problems in (videos.lost if isinstance(videos, FoundVideos) else {}).items():
            items.append(Refused(source, folder, problems))
        if one_rate:
            _expect_one_rate(ready)
        todo = plan(items, lambda item: ready[item.name].found, force=force)
        tell_other_code(todo, "tracks")
        if todo.to_do:
            tell_notices(trackers)
        tell_repeated({job.item.name: ready[job.item.name].repeated for job in todo.to_do}, options.rate)
        return carry_out_shown(todo, _track, LocalEngine(workers), title="track", unit="frames")


def tracks_format(name: str) -> Format[Tracks]:
    """Return the format that a name stands for: a registry name, or the store alone.

    Raises
    ------
    UnknownFormatError
        No format of tracks has it.

    Examples
    --------
    >>> tracks_format("zarr").name
    'tracks_zarr'
    """
    known: dict[str, Format[Tracks]] = {
        key: plugin for key, plugin in registry("formats").load_all().items() if plugin.record == "tracks"
    }
    fitting = [plugin for key, plugin in known.items() if name in (key, plugin.store)]
    if len(fitting) != 1:
        got = f"{name!r}" if not fitting else f"{name!r}, which several are"
        message = f"expected one of {', '.join(f'{key} ({plugin.store})' for key, plugin in known.items())}, got {got}"
        raise UnknownFormatError(Problem("unknown-format", "format", message))
    return fitting[0]


def _expect_one_rate(ready: Mapping[str, Prepared]) -> None:
    steps = {name: round(one.step_s, 6) for name, one in ready.items()}
    if len(set(steps.values())) < 2:
        return
    slowest, fastest = max(steps, key=lambda name: steps[name]), min(steps, key=lambda name: steps[name])
    message = (
        f"expected one rate of frames, got {1 / steps[slowest]:.4g} per second in {slowest} to "
        f"{1 / steps[fastest]:.4g} in {fastest}"
    )
    fix = f"track all at one: --set track.rate={math.floor(1 / steps[slowest])}, or as `lapsdata recipe init` says"
    raise SchemaError(Problem("unlike-rates", "videos", message, fix))


def _track(job: Job[TrackWork], tell: Tell) -> Tracked:
    work = job.item.payload
    try:
        return track_video(
            work.video,
            job.item.output,
            work.options,
            name=work.name,
            query_file=work.query_file,
            digest=work.digest,
            overwrite=job.overwrite,
            tell=_first_window_at_once(tell, work.options.horizon),
        )
    except (SchemaError, StorageError) as error:
        told = [_in_words_of_the_run(problem, job) for problem in error.problems]
        raise type(error)(*told) from error


def _first_window_at_once(tell: Tell, horizon: int) -> Tell:
    """Hold back the frames of the first window until all were handed over.

    A process compiles, or loads, its loops amid them; a rate that is taken from the first frames on would be off by
    hundreds. The engine is still called for each, since it may want to stop.
    """
    held = 0

    def tell_later(frames: int) -> None:
        nonlocal held
        held += frames
        if held < horizon:
            tell(0)
        elif held < horizon + frames:
            tell(held)
        else:
            tell(frames)

    return tell_later


def _in_words_of_the_run(problem: Problem, job: Job[TrackWork]) -> Problem:
    """Tell a problem as whoever called for many videos can act on it."""
    work = job.item.payload
    if problem.code == "exists" and os.path.lexists(job.item.output):
        return made_meanwhile(str(job.item.output))
    working = working_size(work.size, work.options.resize_shorter)
    if problem.code == "frame-too-small" and working != work.size:
        message = f"{problem.message} of {work.size} reduced: {work.options.tracker} works on nothing smaller"
        where = f"--resize-shorter {work.options.resize_shorter}"
        return replace(problem, where=where, message=message, fix="give more, or leave it out")
    return problem
