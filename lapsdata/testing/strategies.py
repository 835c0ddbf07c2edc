"""Hypothesis strategies for valid containers, for property tests of formats, adapters and transforms.

Each draws what the contract allows and not merely what is usual: views of unlike sizes, lost points (NaN in one
coordinate or both), strides, variable rates, resampled times, names in any script, columns that are absent, tables
without rows, single windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import (
    END_REASONS,
    ENERGY_STATES,
    Boxes,
    Catalog,
    Energies,
    Segments,
    Shards,
    Tokens,
    Tracks,
)
from lapsdata.schema import (
    Agreement,
    Area,
    BackError,
    BoxesHeader,
    BoxSequence,
    CatalogField,
    CatalogHeader,
    EnergiesHeader,
    FrameRange,
    Grid,
    Measured,
    SegmentedVideo,
    SegmentsHeader,
    ShardsHeader,
    Size,
    SourceVideo,
    Tokenizer,
    TokensHeader,
    Tool,
    TrackQuality,
    TracksHeader,
    TracksView,
)
from lapsdata.testing._drawn import SCALARS, names, of, policies, provenances, rates, st
from lapsdata.testing._drawn_episodes import episodes
from lapsdata.testing._drawn_views import views
from lapsdata.timebase import FrameRate, frame_to_s, grid_tolerance_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn
    from numpy.typing import NDArray

__all__ = [
    "boxes",
    "catalog",
    "energies",
    "episodes",
    "names",
    "provenances",
    "rates",
    "segments",
    "shards",
    "tokens",
    "tracks",
    "views",
]

_PIXELS = st.floats(-1e6, 1e6, width=32) | st.floats(0, 4096, width=32)


@st.composite
def _rising(draw: DrawFn, count: int) -> NDArray[np.float64]:
    """Draw times: an exact grid, or gaps of any size, as a variable rate gives them."""
    start = draw(st.sampled_from([0.0, -0.5, 3600.0]))
    if draw(st.booleans()):
        return start + np.arange(count, dtype=np.float64) * float(draw(st.sampled_from([1 / 30, 0.1, 1.0])))
    gaps = draw(of(np.float64, (count,), st.floats(1e-3, 10)))
    return start + np.cumsum(gaps)


@st.composite
def _clock(draw: DrawFn, count: int) -> tuple[FrameRate | None, NDArray[np.float64]]:
    """Draw a rate with times that keep it as well as a clock of 1/1000 s can, or any times without a rate."""
    rate = draw(st.none() | rates())
    if rate is None:
        return None, draw(_rising(count))
    off = draw(of(np.float64, (count,), st.floats(-0.49, 0.49))) * grid_tolerance_s(rate)
    return rate, draw(st.sampled_from([0.0, -0.5, 3600.0])) + frame_to_s(np.arange(count), rate) + off


@st.composite
def _window_starts(draw: DrawFn, windows: int, stride: int) -> NDArray[np.int64]:
    hops = draw(st.lists(st.integers(1, 3), min_size=windows - 1, max_size=windows - 1))
    return np.array([draw(st.integers(0, 2)), *(hop * stride for hop in hops)], np.int64).cumsum()


@st.composite
def _quality(draw: DrawFn, points: int) -> TrackQuality:
    """Draw a quality of one window, with and without each thing that may not have been measured."""
    share = st.floats(0, 1)
    steps = draw(st.integers(0, points))
    errors = sorted(draw(st.lists(st.floats(0, 1e6), min_size=2, max_size=2)))
    static = draw(st.none() | share)
    return TrackQuality(
        measured=Measured(windows=1, points=points, steps=steps),
        back_error_px=BackError(median=errors[0], p95=errors[1]) if steps else None,
        survival=draw(st.none() | share),
        visible=draw(share),
        static=static,
        static_below_px=None if static is None else draw(st.floats(1e-3, 10)),
        untextured=draw(st.none() | share),
        agreement=draw(st.none() | _agreement(points)),
        expected_error_px=draw(st.none() | st.floats(0, 1e4)),
    )


@st.composite
def _agreement(draw: DrawFn, points: int) -> Agreement:
    """Draw how near another tracker comes, in one window."""
    return Agreement(
        tracker=draw(names()),
        version=draw(st.sampled_from(["1", "2.0"])),
        positions=draw(st.integers(1, points)),
        share=draw(st.floats(0, 1)),
        mean_px=draw(st.floats(0, 16)),
        at_most_px=16.0,
    )


@st.composite
def _facts(draw: DrawFn, points: int) -> TracksView:
    width, height = draw(st.integers(2, 4096)), draw(st.integers(2, 4096))
    left, top = draw(st.integers(0, width // 2)), draw(st.integers(0, height // 2))
    return TracksView(
        size=Size(width=width, height=height),
        active_area=Area(x=left, y=top, width=width - left, height=height - top),
        points=points,
        grid=Grid(kind=draw(names()), order=draw(st.sampled_from(["row_major", "column_major", "none"]))),
        quality=draw(st.none() | _quality(points)),
    )


@st.composite
def tracks(draw: DrawFn, *, max_windows: int = 4, max_horizon: int = 4, max_points: int = 5) -> Tracks:
    """Draw tracks of one to three views.

    Parameters
    ----------
    max_windows, max_horizon, max_points : int
        Largest W, T and N.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(tracks(max_windows=2))
    ... def test_one(made):
    ...     assert 1 <= len(made) <= 2
    >>> test_one()
    """
    windows, horizon = draw(st.integers(1, max_windows)), draw(st.integers(1, max_horizon))
    stride, resampled = draw(st.integers(1, 3)), draw(st.booleans())
    view = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,6}", fullmatch=True)
    facts = {
        name: draw(_facts(draw(st.integers(1, max_points))))
        for name in draw(st.lists(view, min_size=1, max_size=3, unique_by=str.lower))
    }
    positions, vis = {}, {}
    shapes = {name: (windows, horizon, fact.points) for name, fact in facts.items()}
    share = st.floats(0, 1, width=32)
    confidence = {name: draw(of(np.float32, shape, share)) for name, shape in shapes.items()}
    if draw(st.booleans()):
        confidence = {}
    for name, shape in shapes.items():
        vis[name] = draw(of(np.bool_, shape, st.booleans()))
        positions[name] = draw(of(np.float32, (*shape, 2), _PIXELS))
        lost = draw(of(np.bool_, (*shape, 2), st.booleans()))
        positions[name][lost & ~vis[name][..., None]] = np.nan
    starts = draw(_window_starts(windows, stride))
    uncovered = draw(st.integers(0, 2))
    frames = int(starts[-1]) + horizon + uncovered
    steps = draw(st.lists(st.integers(0, 3), min_size=frames, max_size=frames))
    source = np.cumsum(np.array(steps, np.int64)) if resampled else np.arange(frames)
    shown, last = len(np.unique(source)), int(source[-1])
    known = draw(st.none() | st.integers(last + 1, last + 9))
    rate, frame_s = draw(_clock(frames))
    return Tracks(
        TracksHeader(
            provenance=draw(provenances()),
            policies=draw(policies()),
            video=SourceVideo(name=draw(names()), rate=draw(st.none() | rates()), frames=known),
            horizon=horizon,
            stride=stride,
            rate=rate,
            resampled=resampled,
            duplicated_frames=frames - shown,
            dropped_frames=(known or last + 1) - shown,
            uncovered_frames=uncovered,
            tracker=Tool(name=draw(names()), version="1", parameters={"size": draw(SCALARS)}),
            continuous=draw(st.booleans()),
            confidence=bool(confidence),
            views=facts,
        ),
        positions,
        vis,
        starts,
        frame_s,
        source if resampled else None,
        confidence or None,
    )


@st.composite
def catalog(draw: DrawFn, *, max_items: int = 4) -> Catalog:
    """Draw a catalog of files that are nowhere: with and without groups, splits, times and checksums.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(catalog(max_items=2))
    ... def test_one(made):
    ...     assert 1 <= len(made) <= 2
    >>> test_one()
    """
    videos = draw(st.lists(names(), min_size=1, max_size=max_items, unique=True))
    count, split = len(videos), draw(st.sampled_from([None, "train", "test"]))
    digest = draw(st.lists(st.none() | st.just("sha256:" + "0f" * 32), min_size=count, max_size=count))
    windows = np.array(draw(st.lists(st.integers(1, 2**40), min_size=count, max_size=count)), np.int64)
    splits = tuple(draw(st.sampled_from([None, split])) for _ in videos)
    duration = st.just(np.nan) | st.floats(1e-3, 1e9)
    shape = tuple(draw(st.lists(st.integers(1, 400), max_size=3)))
    header = CatalogHeader(
        provenance=draw(provenances()),
        policies=draw(policies()),
        fields=(CatalogField(name="tracks", shape=shape, dtype="float32", unit=draw(st.none() | st.just("pixel xy"))),),
        usual=("tracks",),
        splits=() if split is None else (split,),
        items=count,
        windows=int(windows.sum()),
        unsummed=digest.count(None),
    )
    return Catalog(
        header,
        path=tuple(f"folder/{video}.zarr" for video in videos),
        video=tuple(videos),
        group=tuple(draw(st.none() | names()) for _ in videos),
        split=splits,
        first=np.array([draw(st.integers(0, 2**40)) for _ in videos], np.int64),
        windows=windows,
        duration_s=np.array([draw(duration) for _ in videos], np.float64),
        rate=tuple(None if rate is None else str(rate) for rate in (draw(st.none() | rates()) for _ in videos)),
        digest=tuple(digest),
    )


@st.composite
def shards(draw: DrawFn, *, max_videos: int = 3) -> Shards:
    """Draw the tracks of one to three videos that have views, points and horizon in common.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(shards(max_videos=2))
    ... def test_one(made):
    ...     assert 1 <= len(made.tracks) <= 2
    >>> test_one()
    """
    first = draw(tracks())
    others = draw(st.lists(st.tuples(st.integers(1, len(first)), names()), max_size=max_videos - 1))
    videos = [first, *(_first_windows(first, count, name) for count, name in others)]
    header = ShardsHeader(
        provenance=draw(provenances()), policies=draw(policies()), videos=tuple(video.header for video in videos)
    )
    return Shards(header, tuple(videos))


def _first_windows(whole: Tracks, count: int, name: str) -> Tracks:
    """Return the first windows of tracks, as those of another video."""
    header, starts = whole.header, whole.start_index[:count]
    changed = {
        "video": header.video.model_copy(update={"name": name}),
        "uncovered_frames": len(whole.frame_s) - int(starts[-1]) - header.horizon,
        # A quality is over all windows.
        "views": {view: facts.model_copy(update={"quality": None}) for view, facts in header.views.items()},
    }

    def cut(by_view: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {view: array[:count] for view, array in by_view.items()}

    return Tracks(
        header.model_copy(update=changed),
        cut(whole.tracks),
        cut(whole.vis),
        starts,
        whole.frame_s,
        whole.source_index,
        None if whole.confidence is None else cut(whole.confidence),
    )


@st.composite
def tokens(draw: DrawFn, *, max_windows: int = 4) -> Tokens:
    """Draw tokens, with latents before and after quantisation, one of them, or none.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(tokens())
    ... def test_one(made):
    ...     assert made.codes.shape[1] == made.header.length
    >>> test_one()
    """
    windows, horizon, streams = draw(st.integers(1, max_windows)), draw(st.integers(2, 4)), draw(st.integers(1, 2))
    stride, latent = draw(st.integers(1, 3)), draw(st.none() | st.integers(1, 3))
    levels = tuple(draw(st.lists(st.integers(2, 8), min_size=1, max_size=3)))
    codes = int(np.prod(levels))
    shape = (windows, streams * (horizon - 1))
    stored = [] if latent is None else draw(st.sampled_from([["prequant"], ["quantized"], ["prequant", "quantized"]]))
    latents = {name: draw(of(np.float32, (*shape, latent or 0), st.floats(-8, 8, width=32))) for name in stored}
    starts = draw(_window_starts(windows, stride))
    rate, frame_s = draw(_clock(int(starts[-1]) + horizon))
    return Tokens(
        TokensHeader(
            provenance=draw(provenances()),
            policies=draw(policies()),
            video=SourceVideo(name=draw(names())),
            horizon=horizon,
            stride=stride,
            rate=rate,
            streams=streams,
            latent=latent,
            tokenizer=Tokenizer(name=draw(names()), version="1", levels=levels, codes=codes),
        ),
        draw(of(np.int32, shape, st.integers(0, codes - 1))),
        starts,
        frame_s,
        prequant=latents.get("prequant"),
        quantized=latents.get("quantized"),
    )


@st.composite
def energies(draw: DrawFn, *, max_rows: int = 5) -> Energies:
    """Draw energies of one to three videos, some without a row.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(energies(max_rows=2))
    ... def test_one(made):
    ...     assert len(made) <= 2 * len(made.header.videos)
    >>> test_one()
    """
    videos = tuple(draw(st.lists(names(), min_size=1, max_size=3, unique=True)))
    counts = [draw(st.integers(0, max_rows)) for _ in videos]
    total = sum(counts)
    state = draw(of(np.uint8, (total,), st.integers(0, len(ENERGY_STATES) - 1)))
    energy = draw(of(np.float64, (total,), st.floats(-1e9, 1e9)))
    energy[state != 0] = np.nan
    steps = [np.cumsum(draw(of(np.int64, (count,), st.integers(1, 3)))) - 1 for count in counts]
    start = np.concatenate([draw(_rising(count)) for count in counts])
    return Energies(
        EnergiesHeader(
            provenance=draw(provenances()),
            policies=draw(policies()),
            per=draw(st.sampled_from(["step", "window"])),
            source=draw(names()),
            mode="velocity_step",
            support_s=draw(st.floats(1e-3, 10)),
            hop_s=draw(st.none() | st.floats(1e-3, 10)),
            videos=videos,
        ),
        np.repeat(np.arange(len(videos)), counts),
        np.concatenate(steps),
        start,
        start + draw(of(np.float64, (total,), st.floats(1e-3, 10))),
        energy,
        state,
    )


@st.composite
def segments(draw: DrawFn, *, max_rows: int = 4) -> Segments:
    """Draw segments of no, one or more videos, with and without scores, codes and embeddings.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(segments())
    ... def test_one(made):
    ...     assert (made.start_s < made.end_s).all()
    >>> test_one()
    """
    videos = draw(st.lists(names(), max_size=3, unique=True))
    counts = [draw(st.integers(0, max_rows)) for _ in videos]
    total = sum(counts)
    edges = [draw(_rising(2 * count + 2)) for count in counts]
    # Every second gap between rising edges is a segment, so that none of them cross.
    spans = [edge[1:-1].reshape(-1, 2) for edge in edges]
    times = np.concatenate([np.empty((0, 2)), *spans])
    labels = draw(st.none() | st.just(("reach", "左", "grasp")))
    label = st.none() | (st.text(max_size=5) if labels is None else st.sampled_from(labels))
    codes = st.lists(st.integers(0, 2**31 - 1), max_size=3).map(lambda some: np.array(some, np.int32))
    embedding = draw(st.none() | st.integers(1, 3))
    return Segments(
        SegmentsHeader(
            provenance=draw(provenances()),
            policies=draw(policies()),
            videos=tuple(
                SegmentedVideo(name=name, start_s=float(edge[0]), end_s=float(edge[-1]))
                for name, edge in zip(videos, edges, strict=True)
            ),
            overlap=draw(st.booleans()),
            labels=labels,
            embedding=embedding,
        ),
        np.repeat(np.arange(len(videos)), np.array(counts, np.int64)),
        np.ascontiguousarray(times[:, 0]),
        np.ascontiguousarray(times[:, 1]),
        tuple(draw(st.sampled_from(END_REASONS)) for _ in range(total)),
        tuple(draw(label) for _ in range(total)),
        score=draw(st.none() | of(np.float64, (total,), st.just(np.nan) | st.floats(-9, 9))),
        codes=draw(st.none() | st.tuples(*[codes] * total)),
        embedding=None if embedding is None else draw(of(np.float32, (total, embedding), _PIXELS)),
    )


@st.composite
def boxes(draw: DrawFn, *, max_rows: int = 6) -> Boxes:
    """Draw boxes in one to three sequences, with and without identities, scores, visibilities and source ids.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(boxes(max_rows=3))
    ... def test_one(made):
    ...     assert len(made) <= 3
    >>> test_one()
    """
    sequences = tuple(draw(_sequence(name)) for name in draw(st.lists(names(), min_size=1, max_size=3, unique=True)))
    lengths = [sequence.length for sequence in sequences]
    total = draw(st.integers(0, max_rows))
    which = st.integers(0, len(lengths) - 1)
    rows = sorted((n, draw(st.integers(0, lengths[n] - 1))) for n in (draw(which) for _ in range(total)))
    place = np.array(rows, np.int64).reshape(total, 2)
    # Row numbers make identities that cannot stand twice in a frame.
    identity = np.where(draw(of(np.bool_, (total,), st.booleans())), np.arange(total, dtype=np.int64), -1)
    some = of(np.float64, (total,), st.floats(-1e6, 1e6))
    size = of(np.float64, (total,), st.floats(0, 4096))
    text = st.text(max_size=5)
    return Boxes(
        BoxesHeader(provenance=draw(provenances()), policies=draw(policies()), sequences=sequences),
        np.ascontiguousarray(place[:, 0]),
        np.ascontiguousarray(place[:, 1]),
        identity,
        x=draw(some),
        y=draw(some),
        w=draw(size),
        h=draw(size),
        label=tuple(draw(text) for _ in range(total)),
        source=tuple(draw(text) for _ in range(total)),
        ignored=draw(of(np.bool_, (total,), st.booleans())),
        score=draw(st.none() | of(np.float64, (total,), st.just(np.nan) | st.floats(-9, 9))),
        visibility=draw(st.none() | of(np.float64, (total,), st.just(np.nan) | st.floats(0, 1))),
        source_id=draw(st.none() | st.tuples(*[st.none() | text] * total)),
    )


@st.composite
def _sequence(draw: DrawFn, name: str) -> BoxSequence:
    length = draw(st.integers(1, 100))
    edges = sorted(draw(st.lists(st.integers(0, length), max_size=4, unique=True)))
    return BoxSequence(
        name=name,
        length=length,
        rate=draw(st.none() | rates()),
        size=Size(width=draw(st.integers(1, 4096)), height=draw(st.integers(1, 4096))),
        annotated=tuple(
            FrameRange(start=start, stop=stop) for start, stop in zip(edges[::2], edges[1::2], strict=False)
        ),
        images=draw(st.none() | st.text(max_size=8)),
    )
