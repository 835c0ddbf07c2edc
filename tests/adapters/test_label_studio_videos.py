"""Tracks of videos: frames between keyframes, rates, lengths, and what is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.label_studio import read
from lapsdata.adapters.label_studio.keyframes import between_keyframes, rate_of
from lapsdata.errors import SchemaError
from lapsdata.schema.base import Size
from lapsdata.timebase import FrameRate
from tests.adapters.by_hand_label_studio import (
    SAMPLES,
    annotation,
    codes,
    keyframe,
    places,
    ranges,
    rectangle,
    rows,
    saved,
    told,
    track,
    video_task,
)

if TYPE_CHECKING:
    from pathlib import Path


def plainly(keyframes: list[tuple[int, bool, list[float]]], last: int) -> dict[int, list[float]]:
    """Return the values of each frame by the rules as they are told, one frame at a time."""
    found = {frame: values for frame, _, values in keyframes}
    for number, (frame, enabled, values) in enumerate(keyframes):
        if not enabled:
            continue
        if number + 1 == len(keyframes):
            for later in range(frame + 1, last + 1):
                found[later] = values
            continue
        after, _, goal = keyframes[number + 1]
        for between in range(frame + 1, after):
            share = (between - frame) / (after - frame)
            found[between] = [one + (other - one) * share for one, other in zip(values, goal, strict=True)]
    return dict(sorted(found.items()))


VALUES = st.lists(st.floats(-1000, 1000), min_size=2, max_size=2)
KEYFRAMES = st.lists(
    st.tuples(st.integers(1, 40), st.booleans(), VALUES), max_size=8, unique_by=lambda keyframe: keyframe[0]
).map(sorted)


@given(keyframes=KEYFRAMES, more=st.integers(-3, 12))
def test_frames_between_keyframes_are_those_of_the_rules(keyframes: Any, more: int) -> None:
    last = max([frame for frame, _, _ in keyframes], default=5) + more
    frame, values = between_keyframes(
        np.array([one[0] for one in keyframes], np.int64),
        np.array([one[1] for one in keyframes], bool),
        np.array([one[2] for one in keyframes]).reshape(-1, 2),
        last,
    )
    expected = plainly(keyframes, last)
    assert frame.tolist() == list(expected)
    np.testing.assert_allclose(values, np.array(list(expected.values())).reshape(-1, 2), rtol=1e-12, atol=1e-9)
    # A keyframe has its own values, to the bit.
    kept = dict(zip(frame.tolist(), values.tolist(), strict=True))
    assert all(kept[at] == own for at, _, own in keyframes)


@pytest.mark.parametrize(
    ("sequence", "frames"),
    [
        ([keyframe(1, True)], range(1, 11)),
        ([keyframe(4, False)], [4]),
        ([keyframe(1, True), keyframe(5, False)], range(1, 6)),
        ([keyframe(1, True), keyframe(5, True)], range(1, 11)),
        ([keyframe(1, True), keyframe(3, False), keyframe(7, True), keyframe(9, False)], [1, 2, 3, 7, 8, 9]),
        ([keyframe(2, False), keyframe(4, False)], [2, 4]),
        ([keyframe(10, True)], [10]),
        # An importer of PathTrack's files: all but the last of a run are enabled.
        ([keyframe(3, True), keyframe(4, True), keyframe(5, False)], [3, 4, 5]),
        # An export that has drawn the frames between keyframes itself.
        ([keyframe(1, True), keyframe(2, True, auto=True), keyframe(3, False)], [1, 2, 3]),
    ],
)
def test_a_track_is_seen_from_keyframe_to_keyframe(sequence: Any, frames: Any, tmp_path: Path) -> None:
    for given_as in (sequence, sequence[::-1]):
        boxes = read(saved(tmp_path, [video_task(track("a", given_as))])).container
        assert (boxes.frame + 1).tolist() == list(frames)
        assert boxes.id.tolist() == [1] * len(boxes)


def test_a_video_is_a_sequence_and_a_region_one_track() -> None:
    boxes, notes, *_ = read(SAMPLES / "video.json")
    (sequence,) = boxes.header.sequences
    assert (sequence.name, sequence.images, sequence.length) == ("rally_2", "rally_2.mp4", 10)
    assert (sequence.rate, sequence.first_number) == (FrameRate(25), 1)
    assert ranges(boxes) == [(0, 10)]
    seen = [(frame, who) for _, frame, who, _ in rows(boxes)]
    assert seen == [(0, 1), (1, 1), (1, 2), (2, 1), (3, 1), (4, 1), (7, 1), (8, 1), (9, 1)]
    assert [place[0] for place in places(boxes)] == [19.5, 24.5, 139.5, 29.5, 34.5, 39.5, 79.5, 79.5, 79.5]
    assert boxes.source_id[2] == "Cd4"
    assert boxes.label[2] == "ball"
    assert codes(notes) == ["interpolated", "rate-derived"]
    assert "2 tracks, 4 keyframes: 5 boxes between and behind them" in told(notes, "interpolated")


def test_a_turn_goes_from_keyframe_to_keyframe_too(tmp_path: Path) -> None:
    sequence = [keyframe(1, True), {**keyframe(3, False), "rotation": 90}]
    boxes, notes, *_ = read(saved(tmp_path, [video_task(track("a", sequence))]))
    # 20 x 20 pixels about (19.5, 9.5): a half of the way is 45 degrees.
    side = 20 * 2**0.5
    assert places(boxes)[1] == pytest.approx((19.5 - side / 2, 9.5, side, side))
    assert places(boxes)[2] == pytest.approx((-0.5, 9.5, 20, 20))
    assert "2 rectangles are turned" in told(notes, "rectangles-turned")


@pytest.mark.parametrize("spelled", ["framesCount", "frameCount"])
def test_the_length_is_spelled_in_two_ways(spelled: str, tmp_path: Path) -> None:
    boxes, notes, *_ = read(saved(tmp_path, [video_task(track("a", [keyframe(2, True)], value={spelled: 4}))]))
    assert boxes.frame.tolist() == [1, 2, 3]
    assert boxes.header.sequences[0].length == 4
    assert boxes.header.sequences[0].rate is None
    assert "it does not say its duration; give --rate" in told(notes, "rate-unknown")


def test_without_a_length_a_track_ends_with_its_last_keyframe(tmp_path: Path) -> None:
    ends = [track("a", [keyframe(2, True), keyframe(4, True)], value={}), track("b", [keyframe(3, False)], value={})]
    boxes, notes, *_ = read(saved(tmp_path, [video_task(*ends)]))
    assert boxes.frame.tolist() == [1, 2, 2, 3]
    assert boxes.header.sequences[0].length == 4
    assert boxes.header.policies == {"tracks_cut": 1}
    assert "1 tracks go on behind their last keyframe, and how long the video is, is not told" in told(
        notes, "tracks-cut"
    )
    assert "length-unknown" in codes(notes)


def test_tracks_that_tell_several_lengths_are_told(tmp_path: Path) -> None:
    several = [track("a", [keyframe(1, True)]), track("b", [keyframe(1, True)], value={"framesCount": 12})]
    boxes, notes, *_ = read(saved(tmp_path, [video_task(*several)]))
    assert boxes.header.sequences[0].length == 12
    assert [int((boxes.id == who).sum()) for who in (1, 2)] == [10, 12]
    assert "its tracks tell '10', '12' frames: the largest is taken" in told(notes, "lengths-differ")


def test_a_keyframe_behind_the_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="task 7: region a: frame: expected frames up to 10, of 10, got 11"):
        read(saved(tmp_path, [video_task(track("a", [keyframe(11, False)]))]))


def test_a_track_without_keyframes_is_told(tmp_path: Path) -> None:
    boxes, notes, *_ = read(saved(tmp_path, [video_task(track("a", []), track("b", [keyframe(1, False)]))]))
    assert boxes.source_id == ("b",)
    assert "1 tracks have no keyframe: left out" in told(notes, "tracks-empty")


@pytest.mark.parametrize(
    ("frames", "duration", "rate"),
    [
        (250, 10.0, "25"),
        (250, 10.01, "25"),
        (300, 10.01, "30000/1001"),
        (1800, 60.0, "30"),
        (1798, 60.0, "30000/1001"),
        (48, 2.0, "24"),
        (599, 10.0, "60000/1001"),
        (4, 4.0, "1"),
        (3, 100.0, None),
        (10_000, 10.0, None),
    ],
)
def test_frames_and_seconds_tell_a_usual_rate(frames: int, duration: float, rate: str | None) -> None:
    found = rate_of(frames, duration)
    assert (None if found is None else str(found)) == rate


@given(rate=st.sampled_from([12, 24, 25, 30, 50, 60]), frames=st.integers(100, 100_000))
def test_a_whole_rate_is_found_from_a_rounded_duration(rate: int, frames: int) -> None:
    assert rate_of(frames, round(frames / rate, 6)) == FrameRate(rate)


def test_a_rate_that_is_told_is_taken_and_compared(tmp_path: Path) -> None:
    path = saved(tmp_path, [video_task(track("a", [keyframe(1, False)]))])
    boxes, notes, *_ = read(path, rate=30)
    assert boxes.header.sequences[0].rate == FrameRate(30)
    assert "10 frames in 0.4 s are 25 per second, and 30 was told" in told(notes, "rate-told-otherwise")
    boxes, notes, *_ = read(path, rate=25)
    assert codes(notes) == ["interpolated"]


def test_a_video_needs_the_size_of_its_frames(tmp_path: Path) -> None:
    path = saved(tmp_path, [video_task(track("a", [keyframe(1, False)], size=None))])
    with pytest.raises(
        SchemaError, match=r"rally: expected original_width .* got neither, .*; give the size of the im"
    ):
        read(path)
    assert places(read(path, size=Size(width=400, height=100)).container) == [(39.5, 9.5, 40, 20)]


def test_labels_of_a_track_may_stand_beside_it(tmp_path: Path) -> None:
    beside = {"id": "a", "type": "labels", "value": {"labels": ["ball"]}, "to_name": "video"}
    path = saved(tmp_path, [video_task(track("a", [keyframe(1, False)], label=None), beside)])
    boxes, notes, *_ = read(path)
    assert (boxes.label, codes(notes)) == (("ball",), ["interpolated", "rate-derived"])


def test_a_track_id_is_the_identity_of_a_track(tmp_path: Path) -> None:
    several = [
        track("Xy1", [keyframe(1, False)], meta={"track_id": 5}),
        # A second part of the same one, as after a pause.
        track("Xy2", [keyframe(3, False)], meta={"track_id": 5}),
        track("Xy3", [keyframe(3, False)], meta={"track_id": None}),
    ]
    boxes, notes, *_ = read(saved(tmp_path, [video_task(*several)]))
    assert boxes.id.tolist() == [5, 5, -1]
    assert "track-id-missing" not in codes(notes)


def test_tracks_of_json_min_are_still_tracks(tmp_path: Path) -> None:
    item = track("x", [keyframe(1, True), keyframe(3, False)])["value"] | {
        "original_width": 200,
        "original_height": 100,
    }
    flat = [{"id": 1, "video": "clips/rally.mp4", "box": [item, item], "annotation_id": 2}]
    boxes = read(saved(tmp_path, flat)).container
    assert boxes.id.tolist() == [1, 2, 1, 2, 1, 2]
    assert boxes.header.sequences[0].name == "rally"


def test_videos_that_nobody_has_drawn_on_are_told(tmp_path: Path) -> None:
    others = [
        {**video_task(video=f"clips/{name}.mp4"), "annotations": some}
        for name, some in (("empty", [annotation()]), ("new", []))
    ]
    path = saved(tmp_path, [video_task(track("a", [keyframe(1, False)])), *others])
    boxes, notes, *_ = read(path)
    assert [sequence.name for sequence in boxes.header.sequences] == ["rally"]
    assert "nobody has drawn a track on 2 videos" in told(notes, "videos-left-out")
    with pytest.raises(SchemaError, match="expected a sequence of boxes, got none"):
        read(saved(tmp_path, others))


def test_a_video_with_two_annotated_tasks_is_an_error(tmp_path: Path) -> None:
    once = video_task(track("a", [keyframe(1, False)]))
    with pytest.raises(SchemaError, match=r"rally: expected one annotated task of a video, got .*task 7.*task 8"):
        read(saved(tmp_path, [once, {**once, "id": 8}]))
    boxes = read(saved(tmp_path, [once, {**once, "id": 8, "annotations": []}])).container
    assert len(boxes) == 1


def test_a_rectangle_without_a_frame_on_a_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError, match="region b: expected a videorectangle on a video, got a rectangle without a fr"
    ):
        read(saved(tmp_path, [video_task(track("a", [keyframe(1, False)]), rectangle("b"))]))


def test_images_and_videos_stand_in_one_table(tmp_path: Path) -> None:
    from tests.adapters.by_hand_label_studio import task

    tasks = [video_task(track("a", [keyframe(1, False)])), task(3, annotation(rectangle("b")))]
    boxes = read(saved(tmp_path, tasks)).container
    assert rows(boxes) == [("A", 2, 1, "player"), ("rally", 0, 1, "player")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frame": 0}, "keyframe 0: frame: expected a frame from 1 to 10,000,000, got 0; Label Studio counts frames"),
        ({"frame": 1.5}, "keyframe 0: frame: expected a frame from 1 to 10,000,000, got 1.5"),
        ({"frame": None}, "keyframe 0: frame: expected a frame from 1 to 10,000,000, got nothing"),
        ({"frame": 10**9}, "keyframe 0: frame: expected a frame from 1 to 10,000,000, got 1000000000"),
        ({"enabled": 1}, "keyframe 0: enabled: expected true or false, got 1; false is where the track ends"),
        ({"enabled": None}, "keyframe 0: enabled: expected true or false, got nothing"),
        ({"x": None}, "keyframe 0: x: expected percent of the image as a finite number, got nothing"),
        ({"width": 0}, "keyframe 0: width: expected percent above 0 and up to 100, got 0"),
        ({"rotation": "3"}, "keyframe 0: rotation: expected degrees as a finite number, got '3'"),
    ],
)
def test_a_keyframe_at_fault_is_named(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        read(saved(tmp_path, [video_task(track("a", [keyframe(1, False) | wrong]))]))
    assert f"task 7: region a: {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("sequence", "value", "message"),
    [
        (None, None, "sequence: expected a list of keyframes, got nothing"),
        ({"frame": 1}, None, "sequence: expected a list of keyframes, got {'frame': 1}"),
        ([3], None, "keyframe 0: expected an object, got 3"),
        ([keyframe(2, True), keyframe(2, False)], None, "sequence: expected each frame once, got 2 again"),
        ([keyframe(3, False), keyframe(3, False)], None, "sequence: expected each frame once, got 3 again"),
        ([], {"framesCount": 0}, "framesCount: expected a number of frames from 1 to 10,000,000, got 0"),
        ([], {"framesCount": "10"}, "framesCount: expected a number of frames from 1 to 10,000,000, got '10'"),
        ([], {"framesCount": 10, "duration": -1}, "duration: expected seconds above 0, got -1"),
        ([], {"framesCount": 10, "duration": "1"}, "duration: expected seconds above 0, got '1'"),
    ],
)
def test_a_track_at_fault_is_named(sequence: Any, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        read(saved(tmp_path, [video_task(track("a", sequence, value=value))]))
    assert f"task 7: region a: {message}" in str(caught.value)
