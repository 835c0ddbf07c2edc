"""From a source to segments as it goes on: the stages of the main job, window by window.

Each part is that of the batch path, and what it keeps between two windows is what a later window needs: so a file gives
the same codes, energies and segments as `track`, `encode`, `energies` and `segment` give, however its windows come.
Times are those of the source; the clock of the machine tells latencies alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.laps.written_codes import CodedWindow
from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.formats import write
from lapsdata.geometry import PixelMap
from lapsdata.provenance import parent
from lapsdata.report.overlays import OverlayData, overlay_frames
from lapsdata.segmenters import Segmentation, found_segments
from lapsdata.stages._export_names import remove_stale
from lapsdata.stages._output import told_meanwhile
from lapsdata.stages._segment_export import Windowing, windowless, write_segment
from lapsdata.storage.atomic import atomic_file
from lapsdata.storage.folder_lock import locked_folder
from lapsdata.storage.run_file import record_run
from lapsdata.transforms.energies import step_energies
from lapsdata.video.writer import write_video
from lapsmodels.stages._devices import devices
from lapsmodels.stages._notices import tell_notices
from lapsmodels.stages._stream_energy import StepMeter
from lapsmodels.stages._stream_frames import FrameCounts, shown_frames
from lapsmodels.stages._stream_problems import dropped_problems, measure_problems, none_at_all
from lapsmodels.stages._stream_source import opened
from lapsmodels.stages._stream_windows import StreamWindows
from lapsmodels.stages._threads import threads
from lapsmodels.stages.encode import WindowEncoder
from lapsmodels.stages.track import chosen_trackers, working_size
from lapsmodels.tokenizer.checkpoint import load_tokenizer, tokenizer_parent
from lapsmodels.trackers import query_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent
    from lapsdata.segmenters import EnergyStep, Segment, Segmenter
    from lapsmodels.stages._stream_energy import WindowCodes
    from lapsmodels.stages._stream_frames import Taken
    from lapsmodels.stages._stream_source import Opened
    from lapsmodels.stages._stream_windows import WindowEvent
    from lapsmodels.stages.stream_options import StreamOptions
    from lapsmodels.tokenizer.checkpoint import Checkpoint
    from lapsmodels.trackers import Tracker

__all__ = ["StreamDone", "StreamHooks", "spans", "stream_source"]


@dataclass
class StreamHooks:
    """Who is told what happens while a stream runs.

    Parameters
    ----------
    segment : callable
        Called with each segment as it closes.
    frames : callable
        Called with the number of source frames that were taken since the last call.
    stopped : callable
        Whether the stream is to end; asked before each frame.
    codes : callable
        Called with the id and the codes of each window.

    Examples
    --------
    >>> StreamHooks().stopped()
    False
    """

    segment: Callable[[Segment], None] = lambda segment: None
    frames: Callable[[int], None] = lambda frames: None
    stopped: Callable[[], bool] = lambda: False
    codes: Callable[[int, NDArray[np.int32]], None] = lambda number, codes: None


@dataclass
class StreamDone:
    """What a stream has come to."""

    segments: Segments
    energies: Energies
    told: dict[str, Any]
    """What `stream.json` says"""
    problems: tuple[Problem, ...] = field(default_factory=tuple)


def spans(times: Sequence[float], *, apart_s: float = 1.0) -> list[dict[str, float]]:
    """Put times that lie close into spans, each with its first and last time and their number.

    Examples
    --------
    >>> spans([1.0, 1.5, 7.0])
    [{'first_s': 1.0, 'last_s': 1.5, 'frames': 2}, {'first_s': 7.0, 'last_s': 7.0, 'frames': 1}]
    """
    found: list[dict[str, float]] = []
    for time_s in times:
        if found and time_s - found[-1]["last_s"] < apart_s:
            found[-1].update(last_s=time_s, frames=found[-1]["frames"] + 1)
        else:
            found.append({"first_s": time_s, "last_s": time_s, "frames": 1})
    return found


def stream_source(
    source: str,
    tokenizer: Path,
    out: Path,
    segmenter: Segmenter,
    options: StreamOptions,
    *,
    threshold: Path | None = None,
    overlay: Path | None = None,
    hooks: StreamHooks | None = None,
    force: bool = False,
) -> StreamDone:
    """Segment a source while it comes.

    Parameters
    ----------
    source : str
        File, folder of images, URL, index of a camera; see `lapsdata.video.live_source` for what is live.
    tokenizer : Path
        Folder; see `lapsmodels.tokenizer.checkpoint`.
    out : Path
        Folder of `segments.parquet`, `energies.jsonl`, `stream.json` and `clips/`; made if it is not there.
    segmenter : Segmenter
    options : StreamOptions
        Points and horizon must be those of the tokenizer.
    threshold : Path, optional
        The file that the segmenter's threshold was read from, for the provenance.
    overlay : Path, optional
        A video to be written when the stream has ended; see `lapsdata.report.overlays`.
    hooks : StreamHooks, optional
    force : bool
        Whether an earlier stream's outputs are replaced.

    Returns
    -------
    StreamDone

    Raises
    ------
    LapsError
        The source or the tokenizer cannot be read, they do not fit, or the source is shorter than one window.

    Examples
    --------
    >>> stream_source("clip.mp4", folder / "tokenizer", folder / "out", machine, options)  # doctest: +SKIP
    """
    with locked_folder(out):
        if not force:
            _expect_free(out, overlay)
        tracker, _ = chosen_trackers(options.track)
        tell_notices([tracker])
        device = devices(options.encode.device)[0]
        checkpoint = load_tokenizer(tokenizer)
        _expect_shape(checkpoint, options, tokenizer)
        checkpoint = checkpoint._replace(model=checkpoint.model.to(device))
        pictures = options.export.clips or overlay is not None
        with (
            record_run(out),
            told_meanwhile(),
            threads(1),
            opened(source, options, tracker, out, pictures=pictures) as stream,
        ):
            parents = (*stream.parents, tokenizer_parent(tokenizer))
            run = _Run(stream, checkpoint, segmenter, options, out, hooks or StreamHooks(), force=force)
            run.go(tracker)
            done = run.finish(parents, (parent("threshold", threshold),) if threshold is not None else ())
            if overlay is not None:
                run.draw(overlay, done)
            return done


def _expect_free(out: Path, overlay: Path | None) -> None:
    for path in (out / "segments.parquet", out / "energies.jsonl", out / "clips", overlay):
        if path is not None and path.exists():
            message = "expected nothing there, got the output of an earlier stream"
            raise StorageError(Problem("exists", str(path), message, "choose another place, or use --force"))


def _expect_shape(checkpoint: Checkpoint, options: StreamOptions, tokenizer: Path) -> None:
    """Refuse a tokenizer that takes other windows than are going to be made, before any is."""
    about, track = checkpoint.header, options.track
    wanted, got = (track.horizon, track.points), (about.config.horizon, about.config.points)
    if wanted != got:
        message = (
            f"expected a tokenizer for windows of {wanted[0]} frames and {wanted[1]} points, got {got[0]} and {got[1]}"
        )
        raise SchemaError(Problem("wrong-shape", str(tokenizer), message, "leave both out: the tokenizer says them"))
    if len(about.views) != 1:
        message = f"expected a tokenizer for one view, got one for {', '.join(about.views)}"
        raise SchemaError(Problem("wrong-views", str(tokenizer), message, "a stream is one view: train another"))
    if options.energies.per != "step":
        message = f"expected an energy of steps (token_diff_step, velocity_step ...), got {options.energies.mode}"
        raise SchemaError(Problem("wrong-mode", "energies.mode", message))


class _Run:
    """One call of `stream_source`."""

    def __init__(
        self,
        stream: Opened,
        checkpoint: Checkpoint,
        segmenter: Segmenter,
        options: StreamOptions,
        out: Path,
        hooks: StreamHooks,
        *,
        force: bool,
    ) -> None:
        self._stream, self._segmenter, self._options = stream, segmenter, options
        self._out, self._clips, self._hooks, self._force = out, out / "clips", hooks, force
        encode, config = options.encode, checkpoint.header.config
        encoder = WindowEncoder(checkpoint, [stream.size], gate_speed=encode.gate_speed, gate_share=encode.gate_share)
        self._meter = StepMeter(encoder, config.length // config.steps, options, stream.where)
        self._weights = None if options.energies.of_tracks else checkpoint.header.weights
        self._machine = segmenter.stream(video=stream.name)
        self._counts = FrameCounts()
        self._frame_s: list[float] = []
        self._sources: list[int] = []
        self._ready_s: list[float] = []
        self._codes: dict[int, WindowCodes] = {}
        self._segments: list[Segment] = []
        self._latency_s: list[float] = []
        self._policies: Counter[str] = Counter()
        self._exports: list[Path] = []
        self._begun = self._done = monotonic()

    def go(self, tracker: Tracker) -> None:
        """Take the source to its end, or until it is stopped."""
        stream, track = self._stream, self._options.track
        to_working = PixelMap.resized(stream.size, working_size(stream.size, track.resize_shorter))
        layout = query_points(track.query, stream.size, count=track.points, area=stream.area, seed=track.seed)
        rate = track.rate if stream.lossy else None
        frames = shown_frames(self._told(), stream.grid, rate, to_working, self._counts, self._hooks.stopped)
        windows = StreamWindows(frames, tracker, layout, to_working, track)
        self._frame_s, self._sources = windows.frame_s, windows.sources
        ready: list[WindowEvent] = []
        for event in windows:
            ready.append(event)
            if len(ready) == self._options.encode.batch:
                self._take(ready)
                ready = []
        if ready:
            self._take(ready)
        self._expect_windows()
        self._close(self._decided(self._meter.finish(self._frame_s)))
        self._close(self._machine.close())

    def _told(self) -> Iterator[Taken | None]:
        for taken in self._stream.frames:
            if taken is not None:
                self._hooks.frames(1)
            yield taken

    def _take(self, events: list[WindowEvent]) -> None:
        codes, steps = self._meter.take(events, self._frame_s)
        for one in codes:
            self._hooks.codes(one.number, one.codes)
            if self._options.export.codes:
                self._codes[one.number] = one
        closed = self._decided(steps)
        now = monotonic()
        self._latency_s += [now - event.at_s for event in events]
        self._ready_s += [float(event.frame_s[-1]) for event in events]
        self._close(closed)
        self._done = monotonic()
        self._forget()

    def _decided(self, steps: list[EnergyStep]) -> list[Segment]:
        return [segment for step in steps for segment in self._machine.push(step)]

    def _forget(self) -> None:
        """Let go of codes that no later segment takes; segmenters that do not say which these are keep them all."""
        undecided_s = getattr(self._machine, "undecided_s", -np.inf)
        horizon = self._options.track.horizon
        for number in [n for n, one in self._codes.items() if self._frame_s[one.start + horizon - 1] < undecided_s]:
            del self._codes[number]

    def _close(self, segments: Iterable[Segment]) -> None:
        export = self._options.export
        for segment in segments:
            number = len(self._segments)
            self._segments.append(segment)
            self._hooks.segment(segment)
            if export.clips or export.codes:
                self._export(number, segment)

    def _export(self, number: int, segment: Segment) -> None:
        track = self._options.track
        written = write_segment(
            self._clips / f"{self._stream.name}_{number:04d}",
            (segment.start_s, segment.end_s),
            self._options.export,
            video=self._stream.name,
            pictures=self._stream.pictures,
            windows=[CodedWindow(*one) for one in self._codes.values()],
            windowing=Windowing(track.horizon, track.stride, track.rate),
            frame_s=self._frame_s,
            overwrite=self._force,
        )
        self._exports += written.files
        self._policies.update(written.counts)

    def _expect_windows(self) -> None:
        if not self._meter.counts["windows"]:
            counts, horizon = self._counts, self._options.track.horizon
            stopped = self._hooks.stopped()
            raise none_at_all(self._stream.where, horizon, counts.taken, counts.shown, stopped=stopped)

    def finish(self, parents: tuple[Parent, ...], more: tuple[Parent, ...]) -> StreamDone:
        """Write what is told of the whole."""
        energies = step_energies(
            self._stream.name,
            np.array(self._frame_s),
            self._meter.rows(),
            self._meter.layout,
            self._options.energies,
            tokenizer=self._weights,
            motion=self._options.motion,
            parents=parents,
        )
        path = self._out / "energies.jsonl"
        write(path, energies, overwrite=self._force)
        found = Segmentation(tuple(self._segments), self._machine.policies)
        segments = found_segments(energies, [found], self._segmenter, parents=(parent("energies", path), *more))
        write(self._out / "segments.parquet", segments, overwrite=self._force)
        removed = remove_stale([self._stream.name], self._clips, self._exports) if self._force else 0
        told = {**self._facts(), "removed_exports": removed}
        with atomic_file(self._out / "stream.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        return StreamDone(segments, energies, told, self._problems(energies, segments))

    def draw(self, path: Path, done: StreamDone) -> None:
        """Write the overlay."""
        if self._stream.pictures is None:
            return
        data = OverlayData(
            energies=done.energies,
            segments=done.segments,
            threshold=self._segmenter.parameters.get("threshold"),
            ready_s=self._ready_s,
            latency_s=self._latency_s,
        )
        pictures = self._stream.pictures.pictures(np.array(self._sources))
        times = np.array(self._frame_s) - self._frame_s[0]
        write_video(path, overlay_frames(pictures, self._frame_s, data), times, overwrite=self._force)

    def _facts(self) -> dict[str, Any]:
        counts, latency = self._counts, np.array(self._latency_s)
        # To the last window that was done: a live source ends by sending nothing, which is no work.
        wall_s, video_s = self._done - self._begun, self._ready_s[-1] - self._frame_s[0]
        live = self._stream.live
        return {
            "source": self._stream.name,
            "live": live is not None,
            "stopped": self._hooks.stopped(),
            "frames": {
                "taken": counts.taken,
                "shown": counts.shown,
                "duplicated": counts.shown - counts.used,
                "not_shown": counts.taken - counts.used,
                "lost": counts.lost,
            },
            "dropped_frames": 0 if live is None else len(live.dropped_s),
            "dropped_s": [] if live is None else spans(live.dropped_s),
            "unordered_frames": 0 if live is None else live.unordered,
            "windows": dict(self._meter.counts),
            "segments": len(self._segments),
            "policies": {name: count for name, count in self._policies.items() if count},
            "latency_s": {
                "mean": float(latency.mean()),
                "p95": float(np.quantile(latency, 0.95)),
                "largest": float(latency.max()),
            },
            "real_time_factor": video_s / wall_s,
            "first_s": self._frame_s[0],
            "last_s": self._frame_s[-1],
        }

    def _problems(self, energies: Energies, segments: Segments) -> tuple[Problem, ...]:
        where, live = self._stream.where, self._stream.live
        threshold = self._segmenter.parameters.get("threshold")
        bare = self._policies["without_windows"]
        return (
            *measure_problems(energies, segments, None if threshold is None else float(threshold), where),
            *dropped_problems([] if live is None else live.dropped_s, self._meter.counts["lost"], where),
            *windowless(bare, len(self._segments), self._options.export, where),
        )
