"""Confidences per frame: the mean over a segment is its score, and whatever does not fit is told, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.adapters._confidences import with_confidences
from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Segments

CLASSES = {"take": 0, "pour": 1, "stir": 2}
RATE = FrameRate(10)
RUNS = {"a": [("take", 3), ("pour", 5), ("take", 2)], "b": [("stir", 4), ("pour", 3)]}


def found(runs: dict[str, list[tuple[str, int]]] = RUNS) -> Segments:
    return labelled_segments({video: [(label, count / 10) for label, count in rows] for video, rows in runs.items()})


def drawn(frames: int, seed: int, rows: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, frames))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (video, rows) in enumerate(RUNS.items()):
        np.save(tmp_path / f"{video}.npy", drawn(sum(count for _, count in rows), seed))
    return tmp_path


def by_hand(runs: dict[str, list[tuple[str, int]]], arrays: dict[str, Any]) -> list[float]:
    scores = []
    for video, rows in runs.items():
        frame = 0
        for label, count in rows:
            values = [float(arrays[video][CLASSES[label]][at]) for at in range(frame, frame + count)]
            scores.append(sum(values) / count)
            frame += count
    return scores


def test_a_score_is_the_mean_of_the_frames_of_a_segment(folder: Path) -> None:
    made = with_confidences(found(), folder, CLASSES, RATE, videos=RUNS)
    expected = by_hand(RUNS, {video: np.load(folder / f"{video}.npy") for video in RUNS})
    assert made.score is not None
    np.testing.assert_allclose(made.score, expected, rtol=1e-12)
    assert (made.label, made.start_s.tolist()) == (found().label, found().start_s.tolist())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(st.tuples(st.sampled_from(sorted(CLASSES)), st.integers(1, 9)), min_size=1, max_size=12),
    rate=st.sampled_from([FrameRate(15), FrameRate(30), FrameRate(30000, 1001), FrameRate(7)]),
    stages=st.integers(0, 4),
    blocks=st.integers(1, 3),
    data=st.data(),
)
def test_of_any_stages_and_blocks_the_last_and_the_named_one_count(
    tmp_path: Path, runs: list[tuple[str, int]], rate: FrameRate, stages: int, blocks: int, data: st.DataObject
) -> None:
    # Touching runs of one label are two segments here, as a reader would not make them.
    seconds = float(rate.denominator) / float(rate.numerator)
    made = labelled_segments({"a": [(label, count * seconds) for label, count in runs]})
    frames = sum(count for _, count in runs)
    whole = drawn(frames, 1, rows=max(1, stages) * 3 * blocks).reshape(max(1, stages), 1, 3 * blocks, frames)
    np.save(tmp_path / "a.npy", whole if stages else whole[0, 0])
    block = data.draw(st.integers(0, blocks - 1))
    part = whole[-1, 0, 3 * block : 3 * block + 3]
    scored = with_confidences(made, tmp_path, CLASSES, rate, videos={"a"}, block=block)
    assert scored.score is not None
    np.testing.assert_allclose(scored.score, by_hand({"a": runs}, {"a": part}), rtol=1e-9, atol=1e-12)


def test_lengths_are_told_with_both_numbers(folder: Path) -> None:
    np.save(folder / "a.npy", drawn(11, 0))
    np.save(folder / "b.npy", drawn(6, 0))
    with pytest.raises(LengthMismatchError, match=r"(?s)a\.npy: expected 10 frames as the labels have, got 11.*b\.npy"):
        with_confidences(found(), folder, CLASSES, RATE, videos=RUNS)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 10)), r"shape \(C, T\) or \(S, 1, C, T\) for C = 3 classes, got float64 \(4, 10\)"),
        (np.zeros((3, 10), np.int64), r"got int64 \(3, 10\)"),
        (np.zeros((2, 3, 10)), r"got float64 \(2, 3, 10\)"),
        (np.zeros((2, 2, 3, 10)), r"got float64 \(2, 2, 3, 10\)"),
        (np.zeros((6, 10)), r"expected one block of 3 classes, got 2; say which one, from 0: --confidence-block N"),
        (np.full((3, 10), np.nan), "expected finite confidences, got others"),
        (np.zeros((3, 0)), r"got float64 \(3, 0\)"),
    ],
)
def test_arrays_that_are_none_are_told(folder: Path, array: Any, message: str) -> None:
    np.save(folder / "a.npy", array)
    with pytest.raises(SchemaError, match=rf"a\.npy: .*{message}"):
        with_confidences(found(), folder, CLASSES, RATE, videos=RUNS)


def test_every_fault_is_told_at_once(folder: Path) -> None:
    (folder / "a.npy").write_bytes(b"no array")
    (folder / "b.npy").unlink()
    with pytest.raises(SchemaError, match="3 problems") as told:
        with_confidences(found(), folder, {"take": 0, "pour": 1}, RATE, videos=RUNS)
    assert {problem.code for problem in told.value.problems} == {"wrong-file", "missing-file", "unknown-label"}
    with pytest.raises(StorageError, match="no such file or folder"):
        with_confidences(found(), folder / "nowhere", CLASSES, RATE, videos=RUNS)


def test_an_archive_is_no_array(folder: Path) -> None:
    np.savez(folder / "a.npz", drawn(10, 0))
    (folder / "a.npz").replace(folder / "a.npy")
    with pytest.raises(SchemaError, match=r"a\.npy: expected an array of numbers, got none"):
        with_confidences(found(), folder, CLASSES, RATE, videos=RUNS)


@pytest.mark.parametrize("numbers", [(1, 2, 3), (0, 0, 1), (0, 1, 3), ()])
def test_classes_are_numbered_from_0_on_each_once(folder: Path, numbers: tuple[int, ...]) -> None:
    classes = dict(zip(CLASSES, numbers, strict=False))
    with pytest.raises(SchemaError, match=r"classes: expected classes numbered from 0 on, each once, got \["):
        with_confidences(found(), folder, classes, RATE, videos=RUNS)


def test_a_segment_without_a_frame_has_no_mean(folder: Path) -> None:
    short = labelled_segments({"a": [("take", 0.96), ("pour", 0.04)], "b": [("stir", 0.66), ("pour", 0.04)]})
    with pytest.raises(SchemaError, match=r"segments: expected a frame at 10 per second in each .* got none in 2 of 4"):
        with_confidences(short, folder, CLASSES, RATE, videos=RUNS)
    with pytest.raises(SchemaError, match=r"got none in 1 of 4"):
        with_confidences(short, folder, CLASSES, RATE, videos={"a"})


def test_a_block_that_is_not_there_is_told(folder: Path) -> None:
    np.save(folder / "a.npy", drawn(10, 0, rows=6))
    with pytest.raises(SchemaError, match=r"a\.npy: expected a block from 0 to 1, got 2"):
        with_confidences(found({"a": RUNS["a"]}), folder, CLASSES, RATE, videos={"a"}, block=2)


def test_a_video_that_is_not_asked_for_needs_no_array(folder: Path) -> None:
    (folder / "b.npy").unlink()
    score = with_confidences(found(), folder, CLASSES, RATE, videos={"a"}).score
    assert score is not None
    assert np.isnan(score).tolist() == [False, False, False, True, True]
