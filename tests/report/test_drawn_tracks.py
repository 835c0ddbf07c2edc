"""Drawn tracks: the right windows on the right frames, with labels that say what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import Tracks
from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.provenance import path_digest
from lapsdata.report import draw_tracks, spread_windows
from lapsdata.report.drawn_tracks import tracks_layout
from lapsdata.report.layout import resized
from lapsdata.report.tile_grid import TileGrid
from lapsdata.schema import Area, Grid, Size, SourceVideo, Tool, TracksHeader, TracksView
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

# Not square, so that rows cannot pass for columns, and wide enough to be shown as it is.
WIDTH, HEIGHT = 971, 480


def one_view(positions: np.ndarray, *, area: Area | None = None, every: int = 1, **header: Any) -> Tracks:
    """Tracks of positions (W, T, N, 2), visible where they are known, on every so many-th source frame."""
    windows, horizon, points, _ = positions.shape
    frames = windows + horizon - 1
    view = TracksView(
        size=Size(width=WIDTH, height=HEIGHT),
        active_area=area or Area(x=0, y=0, width=WIDTH, height=HEIGHT),
        points=points,
        grid=Grid(kind="file", order="none"),
    )
    return Tracks(
        TracksHeader(
            provenance=sample_provenance(),
            **{"video": SourceVideo(name="clip"), **header},
            horizon=horizon,
            stride=1,
            rate=FrameRate(10),
            resampled=every > 1,
            dropped_frames=(frames - 1) * (every - 1),
            tracker=Tool(name="none", version="1"),
            views={"default": view},
        ),
        {"default": positions.astype(np.float32)},
        {"default": np.isfinite(positions).all(axis=-1)},
        np.arange(windows),
        np.arange(frames) / 10,
        np.arange(frames) * every if every > 1 else None,
    )


def still(*places: tuple[float, float], windows: int = 1, horizon: int = 4) -> np.ndarray:
    return np.tile(np.array(places, np.float64), (windows, horizon, 1, 1))


class Asked(dict[int, np.ndarray]):
    """Grey frames of any number; its keys are those that were asked for."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape or (HEIGHT, WIDTH)

    def __missing__(self, index: int) -> np.ndarray:
        self[index] = np.full((*self.shape, 3), 100, np.uint8)
        return self[index]


def words(tracks: Tracks, windows: list[int], grid: TileGrid | None = None, **more: Any) -> list[str]:
    return [word.text for word in tracks_layout(tracks, windows, grid or TileGrid(), **more).words]


def tile(tracks: Tracks, image: np.ndarray, number: int = 0, windows: tuple[int, ...] = (0,)) -> np.ndarray:
    place = tracks_layout(tracks, windows, TileGrid()).tiles[number]
    return image[place.y : place.bottom, place.x : place.right]


def test_a_point_is_drawn_where_it_is_on_the_whole_sheet() -> None:
    tracks = one_view(still((700.0, 30.0), (20.0, 400.0)))
    shown = tile(tracks, draw_tracks(tracks))
    assert shown.shape == (HEIGHT, WIDTH, 3)
    bright = np.argwhere(shown.max(axis=-1) > 150)
    near = [np.hypot(*(bright - place).T) for place in ((30, 700), (400, 20))]
    assert (np.minimum(*near) < 5).all()
    assert near[0].min() < 1
    assert near[1].min() < 1


def test_labels_tell_window_time_and_visible_points() -> None:
    positions = still((1, 2), (3, 4), (5, 6), windows=12)
    positions[9, -1, 0] = np.nan
    positions[9, 0, 1] = np.nan
    tracks = one_view(positions)
    assert words(tracks, [0]) == ["window 0, 0.000 to 0.300 s", "3 of 3 visible"]
    assert words(tracks, [9]) == ["window 9, 0.900 to 1.200 s", "2 of 3 visible"]


def test_views_stand_side_by_side_or_alone() -> None:
    tracks = sample_tracks(views=("right", "left"))
    assert words(tracks, [1]) == [
        *("left", f"{tracks.vis['left'][1, -1].sum()} of 5 visible"),
        *("right", f"{tracks.vis['right'][1, -1].sum()} of 5 visible"),
        "window 1, 0.100 to 0.400 s",
    ]
    assert words(tracks, [1], view="right")[0] == "window 1, 0.100 to 0.400 s"
    both, one = draw_tracks(tracks, windows=[1]), draw_tracks(tracks, windows=[1], view="left")
    assert both.shape[1] > 1.9 * one.shape[1]
    left = tracks_layout(tracks, [1], TileGrid()).tiles[0]
    alone = tracks_layout(tracks, [1], TileGrid(), view="left").tiles[0]
    shown, plain = (
        resized(image[place.y : place.bottom, place.x : place.right], FrameSize(width=320, height=240)).astype(int)
        for image, place in ((both, left), (one, alone))
    )
    assert np.abs(shown - plain).mean() < 2 < np.abs(shown - plain[:, ::-1]).mean()


def test_windows_are_spread_from_the_first_to_the_last() -> None:
    tracks = sample_tracks(windows=101)
    assert spread_windows(tracks, 6) == [0, 20, 40, 60, 80, 100]
    assert spread_windows(tracks, 1) == [50]
    assert spread_windows(sample_tracks(windows=2), 6) == [0, 1]
    assert spread_windows(sample_tracks(windows=1), 6) == [0]


def test_the_chosen_windows_are_drawn_in_the_order_given() -> None:
    tracks = one_view(np.concatenate([still((100 + 100 * window, 50)) for window in range(3)]))
    image = draw_tracks(tracks, windows=[2, 0])
    layout = tracks_layout(tracks, [2, 0], TileGrid())
    for place, x in zip(layout.tiles, (300, 100), strict=True):
        shown = image[place.y : place.bottom, place.x : place.right].max(axis=-1)
        column = np.argwhere(shown > 150)[:, 1].mean() / place.width * WIDTH
        assert column == pytest.approx(x, abs=3)


def test_each_window_stands_on_its_last_frame() -> None:
    frames = Asked()
    draw_tracks(one_view(still((1, 2), windows=5)), frames, windows=[0, 4])
    assert sorted(frames) == [3, 7]


def test_a_resampled_window_stands_on_its_source_frame() -> None:
    frames = Asked()
    draw_tracks(one_view(still((1, 2), windows=5), every=3), frames, windows=[0, 4])
    assert sorted(frames) == [9, 21]


def test_frames_are_upright_and_darker() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:100, 600:] = (250, 40, 40)
    tracks = one_view(still((10, 470)))
    shown = tile(tracks, draw_tracks(tracks, {3: picture}))
    corner, rest = shown[50, 700], shown[50, 100]
    assert corner.max() < 250
    assert corner[0] > corner[1] > 0
    assert rest.max() == 0


def test_the_plain_ground_shows_the_active_area() -> None:
    area = Area(x=0, y=60, width=WIDTH, height=300)
    tracks = one_view(still((10, 470)), area=area)
    column = tile(tracks, draw_tracks(tracks))[:, 400].max(axis=-1)
    outside, edge, inside = column[0], column[60], column[200]
    assert outside < inside < edge
    assert (column[:60] == outside).all()
    assert (column[61:359] == inside).all()
    assert column[359] == edge
    assert (column[360:] == outside).all()


def test_points_far_outside_leave_the_ground_as_it_is() -> None:
    tracks, nowhere = (one_view(still(place)) for place in ((-1e6, 1e6), (np.nan, np.nan)))
    assert (tile(tracks, draw_tracks(tracks)) == tile(nowhere, draw_tracks(nowhere))).all()


def test_two_thousand_points_have_smaller_dots_than_twenty() -> None:
    def painted(count: int) -> float:
        places = np.random.default_rng(0).uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
        tracks = one_view(still(*places))
        return float((tile(tracks, draw_tracks(tracks)).max(axis=-1) > 60).sum() / count)

    assert 2 <= painted(2000) < painted(20)


@given(strategies.tracks())
@settings(max_examples=25)
def test_any_tracks_can_be_drawn(tracks: Tracks) -> None:
    image = draw_tracks(tracks, columns=2, rows=1)
    assert image.dtype == np.uint8
    assert image.shape[2:] == (3,)
    assert max(image.shape) < 6000


@given(strategies.tracks(max_windows=2), st.data())
@settings(max_examples=25)
def test_any_tracks_can_be_drawn_on_their_frames(tracks: Tracks, data: st.DataObject) -> None:
    view = data.draw(st.sampled_from(sorted(tracks.header.views)))
    size = tracks.header.views[view].size
    frames = Asked(size.height, size.width)
    draw_tracks(tracks, frames, windows=[len(tracks) - 1], view=view)
    (asked,) = frames
    last = int(tracks.start_index[-1]) + tracks.header.horizon - 1
    assert asked == (last if tracks.source_index is None else tracks.source_index[last])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"windows": [3]}, r"windows: expected 0 to 2, got 3"),
        ({"windows": [-1]}, r"windows: expected 0 to 2, got -1"),
        ({"windows": [0.5]}, r"windows: expected 0 to 2, got 0.5"),
        ({"windows": []}, r"windows: expected at least one window, got none"),
        ({"view": "top"}, r"view: expected one of left, right, got 'top'"),
        ({"frames": {}}, r"frames: expected one view that the frames show, got 2: left, right; name one: view=..."),
        ({"rows": 0}, r"rows: expected an integer from 1 to 100, got 0"),
    ],
)
def test_what_cannot_be_drawn_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        draw_tracks(sample_tracks(views=("left", "right")), **options)


def test_frames_of_another_size_are_refused() -> None:
    message = r"frame 3: expected \(480, 971, 3\) uint8 as view default has, got \(971, 480, 3\) uint8"
    with pytest.raises(SchemaError, match=message):
        draw_tracks(one_view(still((1, 2))), Asked(WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("clips") / "clip.mkv"
    render_scene(5, SceneConfig(actions=1, size=(96, 64))).write_video(target, codec="ffv1")
    return target


def tracked(clip: Path | None, windows: int = 3) -> Tracks:
    scene = render_scene(5, SceneConfig(actions=1, size=(96, 64)))
    points = np.array([[50.0, 20.0], [10.0, 60.0]])
    made = [scene.tracks(points, start, np.arange(start, start + 4)) for start in range(windows)]
    view = TracksView(
        size=Size(width=96, height=64),
        active_area=Area(x=0, y=0, width=96, height=64),
        points=2,
        grid=Grid(kind="file", order="none"),
    )
    return Tracks(
        TracksHeader(
            provenance=sample_provenance(),
            video=SourceVideo(name="clip", digest=None if clip is None else path_digest(clip)),
            horizon=4,
            stride=1,
            rate=FrameRate(20),
            tracker=Tool(name="truth", version="1"),
            views={"default": view},
        ),
        {"default": np.stack([one.tracks for one in made])},
        {"default": np.stack([one.vis for one in made])},
        np.arange(windows),
        np.arange(windows + 3) / 20,
    )


def test_the_video_gives_the_frames(clip: Path) -> None:
    tracks = tracked(clip)
    scene = render_scene(5, SceneConfig(actions=1, size=(96, 64)))
    frames = {index: scene.frame(index) for index in range(6)}
    assert (draw_tracks(tracks, clip) == draw_tracks(tracks, frames)).all()
    assert (draw_tracks(tracks, str(clip), windows=[1]) == draw_tracks(tracks, frames, windows=[1])).all()


def test_another_video_is_refused_with_both_digests(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    other.write_bytes(clip.read_bytes() + b"\0")
    tracks = tracked(clip)
    expected, got = path_digest(clip), path_digest(other)
    message = rf"other.mkv: expected the video of the tracks, {expected}, got {got}; name the clip that was tracked"
    with pytest.raises(SchemaError, match=message):
        draw_tracks(tracks, other)


def test_tracks_without_a_digest_say_that_nothing_was_compared(clip: Path) -> None:
    with pytest.warns(LapsWarning, match="the tracks of clip name no digest, so nothing says whether this is it"):
        draw_tracks(tracked(None), clip)


def test_a_video_without_the_frames_is_refused(clip: Path) -> None:
    tracks = tracked(None, windows=3)
    late = Tracks(
        tracks.header.model_copy(update={"rate": None}),
        tracks.tracks,
        tracks.vis,
        np.array([500, 501, 502]),
        np.arange(506.0),
    )
    with pytest.warns(LapsWarning, match="name no digest"):
        with pytest.raises(SchemaError, match=r"expected frame 505, which the tracks speak of, got \d+ frames"):
            draw_tracks(late, clip)
