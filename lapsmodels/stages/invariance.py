"""From videos and a tokenizer to an invariance card: what changes that change nothing do to boundaries and codes.

Each video is tracked, encoded, measured and cut as it is, and again with each change, by the stages of the main job.
The threshold is found once, in the unchanged videos, and kept: what a change does to the energies is to be seen. Tracks
are written to a temporary folder, one video at a time; of the unchanged videos codes stay in memory, latents do not.
"""

from __future__ import annotations

import contextlib
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata import console
from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.execution.manifest import work_key
from lapsdata.formats import read
from lapsdata.metrics.agreement import (
    BoundariesOfTwo,
    LatentDistance,
    boundary_shift,
    equal_codes,
    latent_distance,
    matched_shifts,
    paired_windows,
)
from lapsdata.metrics.boundary import segment_boundaries
from lapsdata.provenance import provenance, warn_of_other_code
from lapsdata.schema.base import Parent
from lapsdata.schema.invariance import (
    CodeAgreement,
    InvarianceResult,
    InvarianceRow,
    InvarianceRules,
    InvarianceVideo,
    ShownFrames,
)
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages._output import Output, settle
from lapsdata.stages.threshold import threshold_options, told_threshold
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.transforms.energies import token_energies, track_energies
from lapsdata.video.changes import ChangedVideo
from lapsdata.video.reader import open_video
from lapsdata.video.sources import find_videos, images_rate, source_digest
from lapsmodels.stages._own_key import own_key
from lapsmodels.stages._threads import threads
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.stages.invariance_options import InvarianceOptions, planned_rows
from lapsmodels.stages.track import track_frames
from lapsmodels.tokenizer.checkpoint import load_tokenizer, read_tokenizer_header, tokenizer_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments, Tokens, Tracks
    from lapsdata.execution.engine import Tell
    from lapsdata.metrics._given import Span
    from lapsdata.segmenters import Segmenter
    from lapsdata.timebase import FrameRate
    from lapsdata.video.frame import Pixels
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.invariance_options import PlannedRow
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.tokenizer.checkpoint import Checkpoint

__all__ = ["invariance_card", "measured_card", "write_card"]

# Changes of it change what the same options make of the same videos.
_STAGE, _VERSION = "invariance", "1"


def write_card(
    videos: Iterable[Path | str],
    tokenizer: Path,
    out: Path,
    options: InvarianceOptions | None = None,
    *,
    force: bool = False,
) -> Output[InvarianceResult]:
    """Write the card of a tokenizer on some videos; one that was made so already is kept.

    Parameters
    ----------
    videos : iterable of Path or str
        As `lapsdata.video.sources.find_videos` takes them.
    tokenizer : Path
        Folder; see `lapsmodels.tokenizer.checkpoint`.
    out : Path
        A JSON file.
    options : InvarianceOptions, optional
    force : bool

    Raises
    ------
    LapsError
        As `invariance_card`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> write_card(["clip.mp4"], folder / "tokenizer", folder / "card.json").content.rows[0].name  # doctest: +SKIP
    'same'
    """
    chosen, items = options or InvarianceOptions(), _items(videos)
    parents = _parents(items, tokenizer)

    def known(path: Path) -> tuple[str | None, InvarianceResult]:
        found = read_sealed_json(path, InvarianceResult)
        return own_key(_STAGE, _VERSION, found.provenance), found

    def make(overwrite: bool) -> InvarianceResult:
        result = measured_card(items, load_tokenizer(tokenizer), chosen, parents=parents)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    output = settle(out, work_key(_STAGE, _VERSION, chosen.as_json(), parents), read=known, make=make, force=force)
    if not output.made:
        warn_of_other_code(output.content.provenance, str(out))
    return output


def invariance_card(
    videos: Iterable[Path | str], tokenizer: Path, options: InvarianceOptions | None = None
) -> InvarianceResult:
    """Return what `write_card` writes.

    Raises
    ------
    LapsError
        A video or the tokenizer cannot be read, or they do not fit.
    LengthMismatchError
        A video is shorter than one window. (One that is too short only once it is changed is named in that row.)
    SchemaError
        Two videos of one name; a tokenizer of several views; the energies of the unchanged videos are all the same, so
        that no threshold parts them, as those of a tokenizer with one code are.

    Examples
    --------
    >>> invariance_card(["clip.mp4"], folder / "tokenizer").rows[0].boundaries.median_shift_s  # doctest: +SKIP
    0.0
    """
    items = _items(videos)
    parents = _parents(items, tokenizer)
    return measured_card(items, load_tokenizer(tokenizer), options or InvarianceOptions(), parents=parents)


def measured_card(
    videos: Sequence[VideoItem],
    checkpoint: Checkpoint,
    options: InvarianceOptions,
    *,
    parents: Sequence[Parent] = (),
) -> InvarianceResult:
    """Return the card of a tokenizer that is in memory; see `invariance_card`.

    Parameters
    ----------
    videos : sequence of VideoItem
        Each of another name.
    checkpoint : Checkpoint
    options : InvarianceOptions
    parents : sequence of Parent
        For the provenance.
    """
    rate = _windows_rate(options, checkpoint)
    track = _track_options(options, checkpoint)
    rows = planned_rows(options, rate)
    known = {one.name: one.digest for one in parents if one.role == "video"}
    digests = {item.name: known.get(item.name) or source_digest(item.path) for item in videos}
    with (
        tempfile.TemporaryDirectory() as name,
        threads(1),
        console.progress("invariance", len(videos) * (1 + len(rows)), unit="videos") as advance,
    ):
        card = _Card(videos, digests, checkpoint, options, track, rate, Path(name), advance)
        card.look()
        made = tuple(card.row(row) for row in rows)
    return InvarianceResult(
        provenance=provenance("lapsmodels", parameters=options.as_json(), parents=parents),
        rules=card.rules(),
        tokenizer=checkpoint.header.weights,
        codes=checkpoint.header.config.codes,
        used_codes=card.used_codes(),
        horizon=track.horizon,
        stride=track.stride,
        windows_rate=rate,
        rows=made,
    )


def _items(videos: Iterable[Path | str]) -> tuple[VideoItem, ...]:
    found = tuple(find_videos(videos))
    names = [item.name for item in found]
    if not found:
        raise SchemaError(Problem("no-videos", "videos", "expected at least one video, got none"))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"expected videos of different names, got {', '.join(twice)} more than once"
        raise SchemaError(Problem("doubled-name", "videos", message, "rename them, or make a card of each"))
    return found


def _parents(videos: Sequence[VideoItem], tokenizer: Path) -> list[Parent]:
    given = [Parent(role="video", name=item.name, digest=source_digest(item.path)) for item in videos]
    read_tokenizer_header(tokenizer)  # says what is wrong with it
    return [*given, tokenizer_parent(tokenizer)]


def _windows_rate(options: InvarianceOptions, checkpoint: Checkpoint) -> FrameRate | None:
    if options.windows == "own":
        return None
    if options.windows != "trained":
        return options.windows
    trained = checkpoint.header.trained
    return None if trained is None else trained.rate


def _track_options(options: InvarianceOptions, checkpoint: Checkpoint) -> TrackOptions:
    about = checkpoint.header
    if len(about.views) != 1:
        message = f"expected a tokenizer for one view, got one for {', '.join(about.views)}"
        raise SchemaError(Problem("wrong-views", "tokenizer", message, "a video is one view: train another"))
    told = {"horizon": about.config.horizon, "points": about.config.points, "view": about.views[0]}
    return options.track.model_copy(update={**told, "rate": None})


class _Unchanged(NamedTuple):
    """What is kept of an unchanged video."""

    start_s: NDArray[np.float64]
    step_s: float
    """Median interval from frame to frame of its windows"""
    codes: NDArray[np.int32]
    latents: Path


class _Cuts(NamedTuple):
    """The boundaries of a video, with the time that was looked at, in seconds of the unchanged video."""

    times_s: NDArray[np.float64]
    span_s: Span


class _Taken:
    """What a row has of its videos, as they are read one after the other."""

    def __init__(self) -> None:
        self.too_short: list[str] = []
        self.names: list[str] = []
        self.in_source: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {}
        self.frames = np.zeros(6, np.int64)
        self.windows = np.zeros(2, np.int64)
        self.codes: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        self.latents: list[LatentDistance] = []

    def count(self, video: ChangedVideo, tracks: Tracks) -> None:
        told = tracks.header
        ours = video.facts.frames, video.repeated, video.left_out
        self.frames += (*ours, len(tracks.frame_s), told.duplicated_frames, told.dropped_frames)

    def compare(self, tokens: Tokens, before: _Unchanged) -> None:
        """Keep the codes and the distances of the windows that start together."""
        starts, step_s = _starts(tokens)
        pairs = paired_windows(before.start_s, starts, min(before.step_s, step_s) / 4)
        self.windows += (len(before.start_s), len(starts))
        self.codes[tokens.header.video.name] = before.codes[pairs[:, 0]], tokens.codes[pairs[:, 1]]
        if len(pairs) and tokens.prequant is not None:
            known = np.load(before.latents, mmap_mode="r")
            self.latents.append(latent_distance(known[pairs[:, 0]], tokens.prequant[pairs[:, 1]]))

    def agreement(self) -> CodeAgreement:
        codes, other = (np.concatenate([pair[k] for pair in self.codes.values()]) for k in range(2))
        unchanged, windows = self.windows.tolist()
        if not len(codes):
            return CodeAgreement(
                unchanged_windows=unchanged, windows=windows, paired=0, whole=None, positions=(), latent_rms=None,
                latent_rms_by_chance=None,
            )  # fmt: skip
        whole, positions = equal_codes(codes, other)
        apart = LatentDistance.pooled(self.latents)
        return CodeAgreement(
            unchanged_windows=unchanged,
            windows=windows,
            paired=len(codes),
            whole=whole,
            positions=positions,
            latent_rms=apart.paired**0.5,
            latent_rms_by_chance=apart.any_two**0.5,
        )


class _Card:
    """One call of `measured_card`."""

    def __init__(
        self,
        videos: Sequence[VideoItem],
        digests: dict[str, str],
        checkpoint: Checkpoint,
        options: InvarianceOptions,
        track: TrackOptions,
        rate: FrameRate | None,
        folder: Path,
        advance: Tell,
    ) -> None:
        self._videos, self._checkpoint, self._options = videos, checkpoint, options
        self._track, self._rate, self._folder, self._advance = track, rate, folder, advance
        self._digests = digests
        self._unchanged: dict[str, _Unchanged] = {}
        self._cuts: dict[str, _Cuts] = {}

    def look(self) -> None:
        """Read the unchanged videos, and find the threshold."""
        first = planned_rows(self._options, self._rate)[0]
        taken = _Taken()
        energies = self._measured(self._readings(first, taken, keep=True))
        given = self._options.threshold
        self._threshold = told_threshold(energies, threshold_options(str(given)))
        self._machine: Segmenter = _machine(self._threshold.value, self._options)
        self._cuts = self._boundaries(segment(energies, self._machine), taken)

    def row(self, planned: PlannedRow) -> InvarianceRow:
        taken = _Taken()
        readings = self._readings(planned, taken)
        first = next(readings, None)
        told: dict[str, Any] = {
            "name": planned.name, "change": planned.change, "windows_rate": planned.windows_rate
        }  # fmt: skip
        if first is None:
            return InvarianceRow(
                **told, videos=(), too_short=tuple(taken.too_short), frames=None, boundaries=None, codes=None
            )
        cuts = self._boundaries(segment(self._measured(chain([first], readings)), self._machine), taken)
        two = [BoundariesOfTwo.common(name, self._cuts[name], cuts[name]) for name in taken.names]
        counts = dict(zip(ShownFrames.model_fields, taken.frames.tolist(), strict=True))
        return InvarianceRow(
            **told,
            videos=tuple(self._of_video(one, taken) for one in two),
            too_short=tuple(taken.too_short),
            frames=ShownFrames(**counts),
            boundaries=boundary_shift(
                two, self._options.tolerance_s, draws=self._options.draws, seed=self._options.seed
            ),
            codes=taken.agreement() if taken.codes else None,
        )

    def rules(self) -> InvarianceRules:
        options, method = self._options, self._threshold.method
        return InvarianceRules(
            tolerance_s=options.tolerance_s,
            draws=options.draws,
            seed=options.seed,
            source=options.energies.of,
            mode=options.energies.mode,
            motion=options.motion,
            segmenter=self._machine.name,
            segmenter_parameters=dict(self._machine.parameters),
            threshold_method=method,
            threshold_of="given" if method == "given" else "unchanged_videos",
        )

    def used_codes(self) -> int:
        return len(np.unique(np.concatenate([one.codes.reshape(-1) for one in self._unchanged.values()])))

    def _readings(self, planned: PlannedRow, taken: _Taken, *, keep: bool = False) -> Iterator[tuple[Tracks, Tokens]]:
        """Yield tracks and tokens of each video, changed; those that are too short then are noted."""
        for number, item in enumerate(self._videos):
            try:
                video, tracks = self._tracked(item, planned)
            except LengthMismatchError as error:
                if keep or {problem.code for problem in error.problems} != {"too-short"}:
                    raise
                taken.too_short.append(item.name)
                self._advance(1)
                continue
            tokens = encode_tracks(tracks, self._checkpoint, latents="both", motion=self._options.motion)
            taken.names.append(item.name)
            taken.in_source[item.name] = video.in_source_s
            taken.count(video, tracks)
            if keep:
                latents = self._folder / f"{number}.npy"
                np.save(latents, np.asarray(tokens.prequant))
                self._unchanged[item.name] = _Unchanged(*_starts(tokens), tokens.codes, latents)
            elif planned.change.kind != "reversed":
                taken.compare(tokens, self._unchanged[item.name])
            self._advance(1)
            yield tracks, tokens

    def _tracked(self, item: VideoItem, planned: PlannedRow) -> tuple[ChangedVideo, Tracks]:
        from lapsdata.containers import Tracks

        seen: list[ChangedVideo] = []
        said = None if isinstance(self._options.windows, str) else self._options.windows

        @contextlib.contextmanager
        def opened(pixels: Pixels) -> Iterator[ChangedVideo]:
            # Images carry no time: theirs is what was said, and nothing that the tokenizer or a row has.
            with open_video(item.path, pixels=pixels, rate=images_rate(item.path, said)) as reader:
                seen.append(ChangedVideo(reader, planned.change))
                yield seen[-1]

        target = self._folder / "tracks.h5"
        options = self._track.model_copy(update={"rate": planned.windows_rate})
        where = f"{item.path} ({planned.name})"
        digest = self._digests[item.name]
        track_frames(opened, target, options, where=where, name=item.name, digest=digest, overwrite=True)
        return seen[0], read(target, Tracks)

    def _measured(self, readings: Iterable[tuple[Tracks, Tokens]]) -> Energies:
        energies = self._options.energies
        if energies.of_tracks:
            return track_energies((tracks for tracks, _ in readings), energies)
        return token_energies((tokens for _, tokens in readings), energies)

    def _boundaries(self, segments: Segments, taken: _Taken) -> dict[str, _Cuts]:
        found = {}
        for video in segments.header.videos:
            rows, back = segments.of_video(video.name), taken.in_source[video.name]
            span = video.start_s, video.end_s
            times = segment_boundaries(segments.start_s[rows], segments.end_s[rows], span)
            first, last = np.sort(back(np.array(span))).tolist()
            found[video.name] = _Cuts(np.sort(back(times)), (first, last))
        return found

    def _of_video(self, two: BoundariesOfTwo, taken: _Taken) -> InvarianceVideo:
        shifts = matched_shifts(two, self._options.tolerance_s)
        pair = taken.codes.get(two.video)
        return InvarianceVideo(
            name=two.video,
            found=len(two.found_s),
            matched=len(shifts),
            median_shift_s=float(np.median(np.abs(shifts))) if len(shifts) else None,
            paired=None if pair is None else len(pair[0]),
            whole=float((pair[0] == pair[1]).all(axis=1).mean()) if pair is not None and len(pair[0]) else None,
        )


def _machine(threshold: float, options: InvarianceOptions) -> StateMachine:
    told: dict[str, Any] = dict(options.segmenter)
    return StateMachine(threshold=threshold, **told)


def _starts(tokens: Tokens) -> tuple[NDArray[np.float64], float]:
    """Return when the windows start, and the median interval from frame to frame."""
    return tokens.frame_s[tokens.start_index], float(np.median(np.diff(tokens.frame_s)))
