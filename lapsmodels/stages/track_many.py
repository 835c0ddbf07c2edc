"""From many videos to a folder of tracks files: resumed where it stopped, one failure never costs another video."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.errors import LapsError, Problem, SchemaError, StorageError, UnknownFormatError, warn
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import Found, Job, Plan, Refused, WorkItem, judge, plan, work_key
from lapsdata.execution.report import carry_out_shown
from lapsdata.formats import read_header
from lapsdata.plugins import registry
from lapsdata.provenance import CodeDigestWarning
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.atomic import existing
from lapsdata.storage.run_file import record_run
from lapsdata.video.probe import probe
from lapsdata.video.sources import source_digest
from lapsmodels.stages.timeline import images_rate, timeline
from lapsmodels.stages.track import PRODUCER, track_parents, track_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.containers.tracks import Tracks
    from lapsdata.execution.engine import Tell
    from lapsdata.execution.report import Report
    from lapsdata.formats import Format
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.track_report import Tracked

__all__ = ["TrackWork", "track_videos", "tracks_format"]

_OTHER_CODE = "made by another state of the code"


@dataclass(frozen=True, slots=True)
class TrackWork:
    """What a worker needs to track one video.

    Parameters
    ----------
    video : Path or str
    name : str
    digest : str
        Digest of the video's bytes.
    options : TrackOptions
    query_file : Path or None
    """

    video: Path | str
    name: str
    digest: str
    options: TrackOptions
    query_file: Path | None


def track_videos(
    videos: Sequence[VideoItem],
    out: Path | str,
    options: TrackOptions | None = None,
    *,
    query_file: Path | None = None,
    force: bool = False,
    workers: int | None = None,
) -> Report[Tracked]:
    """Track every video, `workers` of them at a time; what is done already, and made in the same way, is kept.

    Parameters
    ----------
    videos : sequence of VideoItem
        As `find_videos` lists them.
    out : Path or str
        Folder of the files `<name of the video>.<ending of the format>`, and of `run.json`; made if it is not there.
    options : TrackOptions, optional
    query_file : Path, optional
        The points where `options.query` is "file".
    force : bool
        Track again what is done.
    workers : int, optional
        Processes, each of one thread; by default one per core.

    Raises
    ------
    StorageError
        The folder cannot be made, or not be written to; there is no such file of points.
    UnknownFormatError, SchemaError, PluginError
        Options at fault, or two videos of one name; what goes wrong with a single video is in the report.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; files that were finished stay.

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
    registry("trackers").load(options.tracker)
    ending = tracks_format(options.format).suffixes[0]
    if query_file is not None and existing(query_file).is_dir():
        message = "expected a file of points, got a folder"
        raise StorageError(Problem("wrong-kind", str(query_file), message, "name a file"))
    folder = Path(out)
    items: list[WorkItem[TrackWork] | Refused] = []
    found: dict[str, Found] = {}
    with record_run(folder):
        with console.progress("look at videos", len(videos), unit="videos") as advance:
            for video in videos:
                output = folder / f"{video.name}{ending}"
                try:
                    item = _item(video, output, options, query_file)
                    found[item.name] = _look(item)
                    items.append(item)
                except LapsError as error:
                    items.append(Refused(video.name, output, error.problems))
                advance(1)
        todo = plan(items, lambda item: found[item.name], force=force)
        _tell_other_code(todo)
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


def _item(video: VideoItem, output: Path, options: TrackOptions, query_file: Path | None) -> WorkItem[TrackWork]:
    """Return what is to be made of a video; whatever is wrong with it is told before anything is tracked."""
    rate = images_rate(video.path, options.rate)
    if rate is not None and output.resolve().is_relative_to(Path(video.path).resolve()):
        message = f"expected tracks outside of the images that they are made from, got {output}"
        raise SchemaError(Problem("output-in-input", str(video.path), message, "name another folder for the tracks"))
    frames = timeline(probe(video.path, rate=rate), options.rate)
    starts, _ = frames.windows(options.horizon, options.stride, str(video.path))
    digest = source_digest(video.path)
    tracker = registry("trackers").load(options.tracker)
    return WorkItem(
        name=video.name,
        output=output,
        key=work_key(tracker.name, tracker.version, options.as_json(), track_parents(video.name, digest, query_file)),
        payload=TrackWork(video.path, video.name, digest, options, query_file),
        units=int(starts[-1]) + options.horizon,
    )


def _look(item: WorkItem[TrackWork]) -> Found:
    """Judge an output; that other code has made what is done is noted, and told once for all of them."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = judge(item, _key_of)
    for told in heard:
        if not issubclass(told.category, CodeDigestWarning):
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
        elif found.state == "done":
            found = Found("done", _OTHER_CODE)
    return found


def _tell_other_code(todo: Plan[TrackWork]) -> None:
    count = sum(isinstance(job, Job) and job.found.why == _OTHER_CODE for job in todo.jobs)
    if count and not todo.force:
        warn(f"{count} of the tracks that are kept were {_OTHER_CODE}; --force makes them again", CodeDigestWarning)


def _key_of(path: Path) -> str | None:
    header = read_header(path)
    made = header.provenance
    if not isinstance(header, TracksHeader) or made.producer != PRODUCER:
        return None
    return work_key(header.tracker.name, header.tracker.version, made.parameters, made.parents)


def _track(job: Job[TrackWork], tell: Tell) -> Tracked:
    work = job.item.payload
    return track_video(
        work.video,
        job.item.output,
        work.options,
        name=work.name,
        query_file=work.query_file,
        digest=work.digest,
        overwrite=job.overwrite,
        tell=tell,
    )
